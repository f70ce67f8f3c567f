//! What is said of a drift.

use accept::{Lines, Verdict};
use contract::{Check, Report};
use schema::Difference;

use crate::{Age, Drift};

/// The schema is the recorded one.
pub const SCHEMA_AS_RECORDED: Check = Check {
    id: "schema-as-recorded",
    holds: "the schema is as the last deployment recorded it: nobody has changed it by hand since",
    remedy: "revert the change by hand, or accept it with mark-schema --accept and the digest that \
             is found",
};

/// Differences that are named before they are only counted.
const NAMED_MAX: usize = 20;

impl Drift {
    /// Reports the differences, each with its place, and what to do about them. `digest` is that of
    /// the schema as it is in the scope of `lockstep.toml`.
    pub fn report(&self, digest: &str, lines: &Lines<'_>, report: &mut Report) {
        self.report_scope(report);
        if self.is_none() {
            report.held(&SCHEMA_AS_RECORDED, self.record());
            return;
        }
        self.report_by_files(report);
        name(&self.by_files, true, report);
        if self.by_hand.is_empty() {
            return;
        }
        self.report_by_hand(digest, lines, report);
        name(&self.by_hand, false, report);
    }

    /// Says that less than `lockstep.toml` asks for could be compared.
    pub fn report_scope(&self, report: &mut Report) {
        if self.is_scope_changed {
            report
                .warned(
                    &SCHEMA_AS_RECORDED,
                    "[schema]",
                    "schemas or ignore are not those of the record; only what both cover was compared",
                )
                .remedy(
                    "look at what the wider scope shows with verify-schema --replay; the next \
                     deployment records it",
                );
        }
    }

    /// Says which files the record does not know, and that they may account for what differs.
    fn report_by_files(&self, report: &mut Report) {
        if self.by_files.is_empty() {
            return;
        }
        let whose = match &self.since[..] {
            [one] => format!("{one}, which"),
            [first, .., last] => format!("{first} to {last}, which"),
            [] => "what".to_owned(),
        };
        report
            .warned(
                &SCHEMA_AS_RECORDED,
                "schema",
                format!(
                    "{} may come from {whose} came after the record: a run ended before it could record",
                    counted(self.by_files.len())
                ),
            )
            .remedy("look whether those files did it; verify-schema --replay proves it");
    }

    /// Says how many differences there are that no file accounts for, and what to do.
    pub fn report_by_hand(&self, digest: &str, lines: &Lines<'_>, report: &mut Report) {
        if self.by_hand.is_empty() {
            return;
        }
        let mut message = format!("{} from {}", counted(self.by_hand.len()), self.record());
        if self.age == Age::Unknown {
            message.push_str(", which belongs to no state that this ledger went through");
        } else if !self.since.is_empty() {
            message.push_str(", which no file that came after it names");
        }
        if let Some((was, is)) = self.majors {
            message.push_str(&format!(
                "; PostgreSQL {was} printed it, and this is {is}, which may print the same otherwise"
            ));
        }
        let finding = report
            .broken(&SCHEMA_AS_RECORDED, "schema", message)
            .actual(digest)
            .remedy(self.remedy(digest, lines));
        finding.expected.clone_from(&self.digest_recorded);
    }

    fn remedy(&self, digest: &str, lines: &Lines<'_>) -> String {
        let accept = match lines.judge(digest) {
            Verdict::Excused(line) => {
                return format!(
                    "run mark-schema --accept {digest}: line {} of lockstep.toml says why it is right",
                    line.line
                );
            }
            Verdict::Used(_, entry) => format!(
                "write another [[accept]] line with a reason of its own: run {} used the one that \
                 names this digest",
                entry.run_id
            ),
            Verdict::Unexcused => match lines.entry(digest) {
                Some(entry) => format!(
                    "write [[accept]] with {} into lockstep.toml and run mark-schema --accept {digest}",
                    entry[1..].join(", ")
                ),
                None => "mark the database with mark-db first".to_owned(),
            },
        };
        let first = match self.majors {
            Some(_) => {
                "run verify-schema --replay on this server and then mark-schema --renew with the \
                 same --evidence folder; or revert what was changed by hand"
            }
            None => "revert it by hand",
        };
        let is_new = |difference: &Difference| difference.kind.id.ends_with("-declared");
        let ignore = match self.by_hand.iter().any(is_new) {
            true => "; what the application makes itself belongs in ignore of [schema]",
            false => "",
        };
        format!("{first}; or accept it: {accept}{ignore}")
    }

    fn record(&self) -> String {
        match &self.recorded_by {
            Some(by) => format!("what run {} recorded at {}", by.run_id, by.at),
            None if self.since.is_empty() => "nothing is recorded yet".to_owned(),
            None => "an empty database, for nothing is recorded".to_owned(),
        }
    }
}

/// The first differences whole, and how many more there are. What to do about them is said once.
fn name(differences: &[Difference], are_accounted_for: bool, report: &mut Report) {
    for difference in differences.iter().take(NAMED_MAX) {
        let (subject, message) = (&difference.subject, &difference.message);
        let finding = match are_accounted_for {
            true => report.warned(&SCHEMA_AS_RECORDED, subject, message),
            false => report.broken(&SCHEMA_AS_RECORDED, subject, message),
        };
        finding.expected.clone_from(&difference.expected);
        finding.actual.clone_from(&difference.actual);
        finding.remedy = None;
    }
    let more = differences.len().saturating_sub(NAMED_MAX);
    if more > 0 {
        let message = format!("and {} more", counted(more));
        let finding = match are_accounted_for {
            true => report.warned(&SCHEMA_AS_RECORDED, "schema", message),
            false => report.broken(&SCHEMA_AS_RECORDED, "schema", message),
        };
        finding.remedy("see all of them with verify-schema");
    }
}

fn counted(count: usize) -> String {
    match count {
        1 => "1 difference".to_owned(),
        count => format!("{count} differences"),
    }
}
