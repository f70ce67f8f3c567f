//! What a program found out.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::{Check, Class, Failure};

/// The verdict on one subject of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It holds.
    Pass,
    /// It does not hold.
    Fail,
    /// It holds, but somebody should look.
    Warn,
    /// It was not looked at, for the reason given.
    Skip,
}

/// Whether an action changed its target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Changed {
    /// Nothing was changed.
    #[default]
    No,
    /// Something was changed.
    Yes,
    /// It can't be told.
    Unknown,
}

/// Where in a file a finding is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Location {
    /// The file, as the user would type it.
    pub file: String,
    /// The line, from 1.
    pub line: Option<u32>,
}

/// One line of a report.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Id of the check, from the program's own list.
    pub check: &'static str,
    /// The verdict.
    pub status: Status,
    /// What was looked at.
    pub subject: String,
    /// What is so.
    pub message: String,
    /// What should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual: Option<String>,
    /// What to do next; a check's own unless the finding knows better.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
}

impl Finding {
    /// States what should be.
    pub fn expected(&mut self, expected: impl Into<String>) -> &mut Finding {
        self.expected = Some(expected.into());
        self
    }

    /// States what is.
    pub fn actual(&mut self, actual: impl Into<String>) -> &mut Finding {
        self.actual = Some(actual.into());
        self
    }

    /// States what to do, where the check's own remedy is too general.
    pub fn remedy(&mut self, remedy: impl Into<String>) -> &mut Finding {
        self.remedy = Some(remedy.into());
        self
    }

    /// States where it stands.
    pub fn at(&mut self, file: impl Into<String>, line: Option<u32>) -> &mut Finding {
        self.location = Some(Location {
            file: file.into(),
            line,
        });
        self
    }
}

/// How many findings of each status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Held.
    pub pass: usize,
    /// Broken.
    pub fail: usize,
    /// Warned.
    pub warn: usize,
    /// Skipped.
    pub skip: usize,
}

/// An exit code outside [`Class`]: the orchestrator hands on its step's, `timeout`'s 124 to 127,
/// and 128+N.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exit {
    pub(crate) code: u8,
    pub(crate) class: &'static str,
}

/// What a program found out: findings, facts, whether anything was changed.
#[derive(Debug, Default)]
pub struct Report {
    pub(crate) findings: Vec<Finding>,
    pub(crate) facts: BTreeMap<String, Value>,
    pub(crate) summary: Option<String>,
    pub(crate) changed: Changed,
    pub(crate) stopped_by: Option<Failure>,
    pub(crate) exit: Option<Exit>,
}

impl Report {
    fn push(
        &mut self,
        check: &Check,
        status: Status,
        subject: impl Into<String>,
        message: impl Into<String>,
    ) -> &mut Finding {
        let remedy = match status {
            Status::Fail | Status::Warn => Some(check.remedy.to_owned()),
            Status::Pass | Status::Skip => None,
        };
        let at = self.findings.len();
        self.findings.push(Finding {
            check: check.id,
            status,
            subject: subject.into(),
            message: message.into(),
            expected: None,
            actual: None,
            remedy,
            location: None,
        });
        &mut self.findings[at]
    }

    /// `check` holds for `subject`.
    pub fn held(&mut self, check: &Check, subject: impl Into<String>) -> &mut Finding {
        self.push(check, Status::Pass, subject, "")
    }

    /// `check` does not hold for `subject`.
    pub fn broken(
        &mut self,
        check: &Check,
        subject: impl Into<String>,
        message: impl Into<String>,
    ) -> &mut Finding {
        self.push(check, Status::Fail, subject, message)
    }

    /// `check` holds for `subject`, but somebody should look; `--strict` makes it a failure.
    pub fn warned(
        &mut self,
        check: &Check,
        subject: impl Into<String>,
        message: impl Into<String>,
    ) -> &mut Finding {
        self.push(check, Status::Warn, subject, message)
    }

    /// `check` was not made for `subject`.
    pub fn skipped(
        &mut self,
        check: &Check,
        subject: impl Into<String>,
        message: impl Into<String>,
    ) -> &mut Finding {
        self.push(check, Status::Skip, subject, message)
    }

    /// A fact of the program's own: a version, a count, a hash. A value that can't be JSON is
    /// recorded as its error text.
    pub fn fact(&mut self, name: &str, value: impl Serialize) -> &mut Report {
        let value = serde_json::to_value(value)
            .unwrap_or_else(|error| Value::String(format!("cannot be shown: {error}")));
        self.facts.insert(name.to_owned(), value);
        self
    }

    /// The verdict in words; without one the counts speak.
    pub fn summary(&mut self, summary: impl Into<String>) -> &mut Report {
        self.summary = Some(summary.into());
        self
    }

    /// States whether the target was changed.
    pub fn changed(&mut self, changed: Changed) -> &mut Report {
        self.changed = changed;
        self
    }

    /// What [`Report::changed`] stated last.
    pub fn changed_so_far(&self) -> Changed {
        self.changed
    }

    /// The run ended before its verdict; what was found by then is reported all the same. The
    /// failure's class is the result, whatever the findings say.
    pub fn stopped_by(&mut self, failure: impl Into<Failure>) -> &mut Report {
        self.stopped_by = Some(failure.into());
        self
    }

    /// An exit code that is not the contract's own, with the name of its class. For the
    /// orchestrator alone.
    pub fn exit_as(&mut self, code: u8, class: &'static str) -> &mut Report {
        self.exit = Some(Exit { code, class });
        self
    }

    /// The findings so far.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many findings of each status.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for finding in &self.findings {
            match finding.status {
                Status::Pass => counts.pass += 1,
                Status::Fail => counts.fail += 1,
                Status::Warn => counts.warn += 1,
                Status::Skip => counts.skip += 1,
            }
        }
        counts
    }

    /// The class: what stopped the run, else the findings. `strict` makes a warning a failure; of
    /// a run that has changed something every failure is `partial`.
    pub fn class(&self, strict: bool) -> Class {
        if let Some(failure) = &self.stopped_by {
            return failure.class;
        }
        let counts = self.counts();
        if counts.fail == 0 && !(strict && counts.warn > 0) {
            Class::Pass
        } else if self.changed == Changed::No {
            Class::Fail
        } else {
            Class::Partial
        }
    }
}

/// The database that a result is about, as far as it may be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TargetFacts {
    /// `sqlite` or `postgres`.
    pub kind: &'static str,
    /// Host name, address or socket folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// TCP port, or the number in the socket's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Database name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Path of the database file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The UUID of the database's mark, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: Check = Check {
        id: "thing-present",
        holds: "the thing is there",
        remedy: "bring it",
    };

    #[test]
    fn the_class_follows_the_findings_and_what_stopped_the_run() {
        let mut report = Report::default();
        assert_eq!(report.class(true), Class::Pass);
        report.held(&CHECK, "a");
        report.skipped(&CHECK, "b", "not here");
        assert_eq!(report.class(true), Class::Pass);
        report.warned(&CHECK, "c", "odd");
        assert_eq!(report.class(false), Class::Pass);
        assert_eq!(report.class(true), Class::Fail);
        report.changed(Changed::Yes);
        assert_eq!(report.class(false), Class::Pass);
        assert_eq!(report.class(true), Class::Partial);
        report.changed(Changed::No);
        report.broken(&CHECK, "d", "gone");
        assert_eq!(report.class(false), Class::Fail);
        report.stopped_by(Failure::new(Class::Unavailable, "cannot go on"));
        assert_eq!(report.class(false), Class::Unavailable);
    }

    #[test]
    fn only_what_needs_action_carries_a_remedy() {
        let mut report = Report::default();
        assert_eq!(report.held(&CHECK, "a").remedy, None);
        assert_eq!(
            report.broken(&CHECK, "a", "gone").remedy.as_deref(),
            Some("bring it")
        );
    }
}
