//! The applied migrations, run on an empty database: a scratch database that `lib/scratch` makes and
//! takes away. The target is not connected to any more by then.

use std::collections::HashMap;

use contract::{Check, Class, Failure, Report, Run};
use migrations::{LedgerRow, Migration, RowState, Set};
use schema::{Schema, Scope};
use scratch::{Fault, Wanted};
use settings::Resolved;

use crate::expected::{Expected, Source};
use crate::{Found, TOOL};

pub(crate) const REPLAYABLE: Check = Check {
    id: "migrations-replayable",
    holds: "every applied migration has its file as it was applied, and runs on an empty database",
    remedy: "restore the file as it was applied, or compare with a recorded schema instead",
};

/// How a replay ended.
enum Ended {
    Replayed(Box<Schema>),
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
            fault.report(&REPLAYABLE, report);
        }
        return Ok(None);
    }
    let wanted = Wanted {
        resolved,
        survey,
        server: found.server.as_ref(),
        tool: TOOL.name,
        run,
    };
    let ended = scratch::with(&wanted, &migrations, report, |scratch| {
        for migration in &migrations {
            if let Some(fault) = scratch.apply(&plan.set, migration)? {
                return Ok(Ended::Faulty(fault));
            }
        }
        Ok(Ended::Replayed(Box::new(scratch.read_schema(scope)?)))
    })?;
    match ended {
        Ended::Replayed(schema) => {
            let source = Source::Replay(migrations.len());
            report.held(&REPLAYABLE, format!("{} applied", migrations.len()));
            Ok(Some(Expected {
                schema: *schema,
                source,
            }))
        }
        Ended::Faulty(fault) => {
            fault.report(&REPLAYABLE, report);
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

/// Whether the file still says what was applied; comments and line ends between words don't count.
fn same_sql(row: &LedgerRow, migration: &Migration) -> bool {
    row.sha256 == migration.sha256 || migration.has_tokens_of(row) == Some(true)
}
