//! How a migration is run in a scratch database, and why one can't be.

use contract::{Check, Report};
use std::borrow::Cow;

use migrations::{Migration, Set};
use sql::{Hindrance, Script};

use crate::shared;

/// Why one migration can't be run here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its file, as the user would type it, or the version that has none.
    pub subject: String,
    /// What is wrong.
    pub message: String,
    /// The line of the file.
    pub line: Option<u32>,
    /// Whether the subject is a file.
    pub has_file: bool,
    /// What to do, where the check's own remedy is too general.
    pub remedy: Option<String>,
}

/// How a file is to be run.
pub(crate) struct Manner<'a> {
    pub(crate) script: Script,
    /// The text as it is sent.
    pub(crate) text: Cow<'a, str>,
    /// Whether the runner puts it in a transaction. A file that came from another tool may bring
    /// its own.
    pub(crate) in_transaction: bool,
}

/// How a file is to be run, or why it can't be. What all databases of a server share is out of reach
/// unless the server is `private`.
pub(crate) fn manner<'a>(
    set: &Set,
    migration: &'a Migration,
    private: bool,
) -> Result<Manner<'a>, Fault> {
    let script = sql::parse(set.dialect, &migration.up);
    let own = sql::transactions(&script, &migration.up, migration.no_transaction);
    // As the tool did that has applied it, where the runner would refuse it.
    let mut own_transaction = !own.faults.is_empty();
    for hindered in sql::hindrances(&script, &migration.up, records::LEDGER_DEFAULT) {
        match hindered.hindrance {
            Hindrance::EndsTransaction => own_transaction |= own.left_out.is_empty(),
            Hindrance::CopyFromStdin
            | Hindrance::CopyToStdout
            | Hindrance::ClientCommand
            | Hindrance::Attach => {
                let message = format!("{}: it can't be run here", hindered.text);
                return Err(Fault {
                    line: Some(migration.up_line + hindered.line - 1),
                    ..Fault::of(set, migration, message)
                });
            }
            // An adopted dump may hold them; in a scratch database they guard nothing.
            Hindrance::OwnTables
            | Hindrance::NeedsNoTransaction
            | Hindrance::NoEffectInTransaction
            | Hindrance::ReleasesLock
            | Hindrance::RunnersSession => {}
        }
    }
    if !private && let Some(statement) = shared::first(set.dialect, &script, migration) {
        // Further words may be a password.
        let text = migration.up[statement.range.clone()].split_whitespace();
        let begin = text.take(3).collect::<Vec<_>>().join(" ");
        return Err(Fault {
            line: Some(migration.up_line + statement.line - 1),
            remedy: Some(
                "write `server = \"temporary\"` in [scratch]: on a server of its own it can be \
                 replayed; or compare with a recorded schema instead"
                    .to_owned(),
            ),
            ..Fault::of(
                set,
                migration,
                format!("{begin} …: it can't be replayed, for it reaches beyond its database"),
            )
        });
    }
    let in_transaction = !migration.no_transaction && !own_transaction;
    Ok(Manner {
        script,
        in_transaction,
        text: match in_transaction {
            true => sql::within_transaction(set.dialect, &migration.up),
            false => Cow::Borrowed(&migration.up),
        },
    })
}

impl Fault {
    /// One about a migration's file.
    pub fn of(set: &Set, migration: &Migration, message: impl Into<String>) -> Fault {
        Fault {
            subject: set.path(&migration.file).display().to_string(),
            message: message.into(),
            line: None,
            has_file: true,
            remedy: None,
        }
    }

    /// Reports it as a failure of `check`.
    pub fn report(self, check: &Check, report: &mut Report) {
        let finding = report.broken(check, &self.subject, self.message);
        if self.has_file {
            finding.at(self.subject, self.line);
        }
        if let Some(remedy) = self.remedy {
            finding.remedy(remedy);
        }
    }
}
