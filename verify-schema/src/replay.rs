//! The applied migrations, run on an empty database.
//!
//! The one module of a `verify-*` program that runs statements which change something. What they
//! run on is a scratch database that it makes and takes away itself: in memory for SQLite, of a
//! random name on the server that `[schema] scratch` names for PostgreSQL. The target is not
//! connected to any more by then.

use std::collections::HashMap;

use contract::{Check, Class, Failure, Report, Run};
use db_connect::StatementError;
use db_read::PostgresSession;
use migrations::{LedgerRow, Migration, RowState, Set};
use schema::{Schema, Scope};
use settings::{Resolved, Target};
use sql::{Hindrance, Script};

use crate::Found;
use crate::expected::{Expected, Source};

mod postgres;
mod shared;
mod sqlite;
mod stop;

pub(crate) const REPLAYABLE: Check = Check {
    id: "migrations-replayable",
    holds: "every applied migration has its file as it was applied, and runs on an empty database",
    remedy: "restore the file as it was applied, or compare with a recorded schema instead",
};

pub(crate) const SCRATCH_DROPPED: Check = Check {
    id: "scratch-dropped",
    holds: "the scratch database of the replay was dropped",
    remedy: "drop it by hand",
};

/// What a replay has to know of the target's server.
pub(crate) struct ServerFacts {
    /// Who the target's session runs as: what `"$user"` in its search_path means.
    role: String,
    /// When the server started, to the microsecond.
    started: String,
}

impl ServerFacts {
    pub(crate) fn read(session: &mut PostgresSession) -> Result<ServerFacts, StatementError> {
        let rows = session.rows("read when the server started", postgres::STARTED)?;
        Ok(ServerFacts {
            role: session.facts().role.clone(),
            started: rows.first().map(|row| row.get(0)).unwrap_or_default(),
        })
    }
}

/// Why one migration can't be replayed.
struct Fault {
    /// Its file, as the user would type it, or the version that has none.
    subject: String,
    message: String,
    line: Option<u32>,
    /// Whether the subject is a file.
    has_file: bool,
    remedy: Option<String>,
}

/// How a replay ended.
enum Ended {
    Replayed(Schema),
    Faulty(Fault),
}

/// Replays what the ledger says is applied; nothing where that can't be done, which is reported
/// then.
pub(crate) fn replay(
    resolved: &Resolved,
    found: &Found,
    scope: &Scope,
    run: &Run,
    report: &mut Report,
) -> Result<Option<Expected>, Failure> {
    let survey = &found.survey;
    if survey.not_adopted() {
        return Err(Failure::new(
            Class::Fail,
            "cannot replay: there are tables, but no ledger that says which migrations made them",
        )
        .remedy("adopt the database with mark-migrations --applied-through"));
    }
    let dialect = plan::dialect(&resolved.target);
    let plan = plan::make(&resolved.settings, dialect, survey)?;
    let (migrations, faults) = applied(&plan.set, survey.rows());
    if !faults.is_empty() {
        for fault in faults {
            fault.report(report);
        }
        return Ok(None);
    }
    let ended = match &resolved.target {
        Target::Sqlite(_) => sqlite::replay(&plan.set, &migrations, scope)?,
        Target::Postgres(_) => {
            postgres::replay(resolved, found, &plan.set, &migrations, scope, run, report)?
        }
    };
    match ended {
        Ended::Replayed(schema) => {
            let source = Source::Replay(migrations.len());
            report.held(&REPLAYABLE, format!("{} applied", migrations.len()));
            Ok(Some(Expected {
                schema,
                source,
                is_stale: false,
            }))
        }
        Ended::Faulty(fault) => {
            fault.report(report);
            Ok(None)
        }
    }
}

/// The migrations that the ledger says are applied, in its order.
fn applied<'s>(set: &'s Set, ledger: &[LedgerRow]) -> (Vec<&'s Migration>, Vec<Fault>) {
    let mut rows: Vec<&LedgerRow> = ledger.iter().collect();
    rows.sort_by_key(|row| row.position);
    let mut by_version: HashMap<&str, Vec<&Migration>> = HashMap::new();
    for migration in &set.migrations {
        by_version
            .entry(&migration.version)
            .or_default()
            .push(migration);
    }
    let mut migrations = Vec::new();
    let mut faults = Vec::new();
    for row in rows {
        let files = by_version.get(row.version.as_str());
        let files = files.map_or(&[][..], Vec::as_slice);
        let fault = |message: &str| Fault {
            subject: row.version.clone(),
            message: message.to_owned(),
            line: None,
            has_file: false,
            remedy: None,
        };
        if row.state == RowState::Started {
            faults.push(Fault {
                remedy: Some("end the dirty row with mark-migrations --resolve".to_owned()),
                ..fault("was started and never finished: what it did is not known")
            });
            continue;
        }
        match files.iter().find(|migration| same_sql(row, migration)) {
            Some(migration) => migrations.push(*migration),
            None => faults.push(match files.first() {
                Some(migration) => Fault::of(set, migration, "differs from what was applied"),
                None => fault("was applied and has no file"),
            }),
        }
    }
    (migrations, faults)
}

/// Whether the file still says what was applied; comments and line ends don't count.
fn same_sql(row: &LedgerRow, migration: &Migration) -> bool {
    row.sha256 == migration.sha256
        || row.sha256_tokens.is_some() && row.sha256_tokens == migration.sha256_tokens
}

/// How a file is to be run.
struct Manner {
    script: Script,
    /// Whether the runner puts it in a transaction. A file that came from another tool may bring
    /// its own.
    in_transaction: bool,
}

/// How a file is to be run, or why it can't be.
fn manner(set: &Set, migration: &Migration) -> Result<Manner, Fault> {
    let script = sql::parse(set.dialect, &migration.up);
    let mut own_transaction = false;
    for hindered in sql::hindrances(&script, &migration.up, records::LEDGER_DEFAULT) {
        match hindered.hindrance {
            Hindrance::EndsTransaction => own_transaction = true,
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
            | Hindrance::ReleasesLock => {}
        }
    }
    if let Some(statement) = shared::first(set.dialect, &script, migration) {
        // Further words may be a password.
        let text = migration.up[statement.range.clone()].split_whitespace();
        let begin = text.take(3).collect::<Vec<_>>().join(" ");
        return Err(Fault {
            line: Some(migration.up_line + statement.line - 1),
            remedy: Some("compare with a recorded schema instead".to_owned()),
            ..Fault::of(
                set,
                migration,
                format!("{begin} …: it can't be replayed, for it reaches beyond its database"),
            )
        });
    }
    Ok(Manner {
        script,
        in_transaction: !migration.no_transaction && !own_transaction,
    })
}

impl Fault {
    fn of(set: &Set, migration: &Migration, message: impl Into<String>) -> Fault {
        Fault {
            subject: set.path(&migration.file).display().to_string(),
            message: message.into(),
            line: None,
            has_file: true,
            remedy: None,
        }
    }

    fn report(self, report: &mut Report) {
        let finding = report.broken(&REPLAYABLE, &self.subject, self.message);
        if self.has_file {
            finding.at(self.subject, self.line);
        }
        if let Some(remedy) = self.remedy {
            finding.remedy(remedy);
        }
    }
}
