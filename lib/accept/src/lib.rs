//! Whether a reviewed `[[accept]]` line excuses what was found in a database.

use std::path::Path;

use contract::{Check, Report};
use records::Accepted;
use settings::Settings;
use settings::file::{Accept, Acceptable, FILE_NAME};

#[cfg(test)]
mod tests;

/// No line stands in the file that excuses nothing.
pub const ACCEPT_FITS: Check = Check {
    id: "accept-fits",
    holds: "every [[accept]] line about this database excuses what is found there, or did once",
    remedy: "delete the line from lockstep.toml: it no longer excuses anything",
};

/// What a ledger's entries say under, beside the checks that lines excuse: that an adoption was
/// taken back, and that a replay has made the schema of an adoption after all.
pub const ADOPTION_UNDONE: &str = "adoption-undone";
/// See [`ADOPTION_UNDONE`].
pub const REPLAY_PASSED: &str = "replay-passed";

/// The entry of an adoption that no replay has proven, neither before it nor since.
pub fn unproven_adoption(accepted: &[Accepted]) -> Option<&Accepted> {
    let adoption = Acceptable::AdoptionProven.check_id();
    let decides = |entry: &&Accepted| {
        [adoption, ADOPTION_UNDONE, REPLAY_PASSED].contains(&entry.check.as_str())
    };
    let last = accepted.iter().rev().find(decides)?;
    (last.check == adoption).then_some(last)
}

/// A digest as findings print it and lines name it, of its 64 hexadecimal digits.
pub fn shown(digits: &str) -> String {
    format!("sha256:{digits}")
}

/// The lines of one check, for one database.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    check: Acceptable,
    /// The target's identity: the mark's UUID where the database is where it was marked.
    target: Option<&'a str>,
    lines: Vec<&'a Accept>,
    accepted: &'a [Accepted],
    file: String,
    /// Whether a line about another database may be about another environment's.
    are_others: bool,
}

/// What the lines say of one digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// A line excuses it; the action that it allows has to enter it in the ledger.
    Excused(&'a Accept),
    /// The line that names it has excused it already, and does so once.
    Used(&'a Accept, &'a Accepted),
    /// No line names it.
    Unexcused,
}

/// Whether the ledger's entry is of this line.
fn is_of(entry: &Accepted, line: &Accept) -> bool {
    entry.check == line.check.check_id()
        && entry.target == line.target
        && entry.digest == line.digest
        && entry.because == line.because
}

impl<'a> Lines<'a> {
    /// The lines about `check`. `target` is the identity of a marked database, `accepted` what its
    /// ledger says was accepted.
    pub fn new(
        check: Acceptable,
        settings: &'a Settings,
        target: Option<&'a str>,
        accepted: &'a [Accepted],
    ) -> Lines<'a> {
        let lines = settings.accept.iter().filter(|line| line.check == check);
        let file = settings.path.as_deref().unwrap_or(Path::new(FILE_NAME));
        Lines {
            check,
            target,
            lines: lines.collect(),
            accepted,
            file: file.display().to_string(),
            are_others: settings.environments.len() > 1,
        }
    }

    /// What the lines say of a digest, `sha256:` and its digits.
    pub fn judge(&self, digest: &str) -> Verdict<'a> {
        let mut used = None;
        for line in self.about_this().filter(|line| line.digest == digest) {
            match self.entry_of(line) {
                None => return Verdict::Excused(line),
                Some(entry) => used = Some((line, entry)),
            }
        }
        match used {
            Some((line, entry)) => Verdict::Used(line, entry),
            None => Verdict::Unexcused,
        }
    }

    /// Reports what the lines are good for where `found` is what was found, if anything was.
    pub fn report(&self, found: Option<&str>, report: &mut Report) {
        for line in &self.lines {
            let is_this = Some(line.target.as_str()) == self.target;
            let subject = format!("{} line {}", self.check.check_id(), line.line);
            if !is_this && self.are_others {
                continue;
            }
            if is_this && (self.entry_of(line).is_some() || found == Some(line.digest.as_str())) {
                report.held(&ACCEPT_FITS, subject);
                continue;
            }
            let finding = if is_this {
                let what = match found {
                    Some(_) => "what is found here has another digest",
                    None => "nothing is found here that it could excuse",
                };
                let finding = report.warned(&ACCEPT_FITS, subject, what);
                if let Some(found) = found {
                    finding.expected(found).actual(&line.digest);
                }
                finding
            } else {
                let finding = report.warned(&ACCEPT_FITS, subject, "it names another database");
                finding
                    .expected(self.target.unwrap_or("a marked database"))
                    .actual(&line.target)
            };
            finding.at(&self.file, Some(line.line));
        }
    }

    /// What has to stand in `lockstep.toml` for a digest to be excused, line by line; in a database
    /// without a mark nothing can be.
    pub fn entry(&self, digest: &str) -> Option<Vec<String>> {
        Some(vec![
            "[[accept]]".to_owned(),
            format!("check = \"{}\"", self.check.check_id()),
            format!("target = \"{}\"", self.target?),
            format!("digest = \"{digest}\""),
            "because = \"…\"".to_owned(),
        ])
    }

    /// The line that would excuse a digest, to be copied from a terminal; nothing where there is one,
    /// or where none can be.
    pub fn line_to_write(&self, digest: &str) -> Vec<String> {
        match (self.judge(digest), self.entry(digest)) {
            (Verdict::Unexcused, Some(entry)) => {
                let first = "to accept it, write into lockstep.toml, with the reason:";
                let mut text = vec![first.to_owned()];
                text.extend(entry);
                text
            }
            _ => Vec::new(),
        }
    }

    fn about_this(&self) -> impl Iterator<Item = &'a Accept> {
        let this = self.target;
        let lines = self.lines.clone().into_iter();
        lines.filter(move |line| Some(line.target.as_str()) == this)
    }

    fn entry_of(&self, line: &Accept) -> Option<&'a Accepted> {
        self.accepted.iter().find(|entry| is_of(entry, line))
    }
}
