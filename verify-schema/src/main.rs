//! Verifies that the database's schema is the one that is expected.
//!
//! The target is only read. What is expected stands in a file, else in the ledger's record of the
//! last deployment; with `--replay` it is what the applied migrations make of an empty database,
//! in a scratch database (`lib/scratch`).

use std::path::PathBuf;
use std::process::ExitCode;

use contract::{Check, Class, Failure, Report, Run, Tool};
use db_read::{Leftovers, Options, Session};
use records::{LedgerName, RecordedSchema, Survey};
use schema::{SCHEMA_EXISTS, Schema, Scope};
use settings::{Resolved, SETTINGS_USED, TargetArgs};

mod expected;
mod replay;

use expected::{Expected, Source};

const TOOL: Tool = contract::tool!(&CHECKS);

const EXPECTATION_KNOWN: Check = Check {
    id: "expectation-known",
    holds: "it is known what the schema should be",
    remedy: "record the schema with record-schema and name the file as expected in [schema] of \
             lockstep.toml, or give --replay",
};

const RECORD_CURRENT: Check = Check {
    id: "record-current",
    holds: "the schema recorded in the ledger belongs to the ledger as it is now",
    remedy: "look at what differs: the newest migrations did it, or somebody by hand; then run \
             deploy-db, which records the schema again, also where nothing is pending",
};

const MAJOR_AS_RECORDED: Check = Check {
    id: "major-as-recorded",
    holds: "the server's major version is the one that printed the expected schema",
    remedy: "record the schema again after an upgrade: another version may print a definition \
             otherwise",
};

const OWN: [Check; 7] = [
    EXPECTATION_KNOWN,
    RECORD_CURRENT,
    MAJOR_AS_RECORDED,
    SCHEMA_EXISTS,
    replay::REPLAYABLE,
    scratch::SCRATCH_DROPPED,
    SETTINGS_USED,
];

const CHECKS: [Check; OWN.len() + schema::CHECKS.len()] = contract::join([&OWN, schema::CHECKS]);

#[derive(clap::Args)]
struct Args {
    /// Compare with this file, which record-schema wrote, instead of the one that lockstep.toml
    /// names.
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    expected: Option<PathBuf>,

    /// Compare with what the applied migrations make of an empty database: in memory for SQLite,
    /// on the server that [scratch] names for PostgreSQL.
    #[arg(long)]
    replay: bool,

    #[command(flatten)]
    target: TargetArgs,
}

/// What was read of the target, all of it in one snapshot.
struct Found {
    survey: Survey,
    recorded: Option<RecordedSchema>,
    schema: Schema,
    /// PostgreSQL: who the session was and on which server.
    server: Option<scratch::ServerFacts>,
    leftovers: Leftovers,
}

fn main() -> ExitCode {
    contract::run(&TOOL, |args: Args, run| verify(&args, run))
}

fn verify(args: &Args, run: &Run) -> Result<Report, Failure> {
    let resolved = args.target.load(run)?;
    let mut report = Report::default();
    settings::report(&resolved.warnings, &mut report);
    let scope = Scope::from_settings(&resolved.settings);
    // Before anything is connected to: a file that can't be read needs no database to say so.
    let file = match &args.expected {
        _ if args.replay => None,
        Some(path) => Some(Expected::read(path)?),
        None => {
            let declared = &resolved.settings.schema.expected;
            declared.as_deref().map(Expected::read).transpose()?
        }
    };
    let found = read(&resolved, &scope, run)?;
    if found.survey.mark.is_some() {
        run.target_identity(&found.survey.identity());
    }
    describe(&found, &mut report);
    let expected = if args.replay {
        replay::replay(&resolved, &found, &scope, run, &mut report)?
    } else if let Some(file) = file {
        Some(file)
    } else {
        of_ledger(&found, &mut report)?
    };
    match expected {
        Some(expected) => compare(&expected, &found.schema, &scope, &mut report)?,
        None if args.replay => {
            report.summary("the applied migrations can't be replayed");
        }
        None => {
            report.warned(
                &EXPECTATION_KNOWN,
                "",
                "nothing says what the schema should be",
            );
            report.summary("nothing says what the schema should be");
        }
    }
    Ok(report)
}

fn read(resolved: &Resolved, scope: &Scope, run: &Run) -> Result<Found, Failure> {
    let ledger = LedgerName::new(resolved.settings.migrations.ledger.as_deref())?;
    let options = Options::new(format!("{}/{}", TOOL.name, run.run_id()));
    let mut session = Session::open(&resolved.target, &options)?;
    let survey = session.survey(&resolved.target, &ledger)?;
    let recorded = session.recorded_schema(&ledger)?;
    let (schema, server) = match &mut session {
        Session::Sqlite(session) => (schema::read_sqlite(session.connection(), scope)?, None),
        Session::Postgres(session) => {
            let schema = schema::read_postgres(session.client(), scope)?;
            let server = scratch::ServerFacts::read(session)?;
            (schema, Some(server))
        }
    };
    Ok(Found {
        survey,
        recorded,
        schema,
        server,
        leftovers: session.close()?,
    })
}

fn describe(found: &Found, report: &mut Report) {
    let schema = &found.schema;
    report
        .fact("engine", schema.engine)
        .fact("tables", schema.tables.len())
        .fact("digest", schema::digest(schema));
    if let Some(major) = schema.server_major {
        report.fact("server_major", major);
    }
    if !found.leftovers.files.is_empty() {
        report.fact("left_by_sqlite", &found.leftovers.files);
    }
}

/// What the last deployment recorded, if there was one that did.
fn of_ledger(found: &Found, report: &mut Report) -> Result<Option<Expected>, Failure> {
    let Some(recorded) = &found.recorded else {
        return Ok(None);
    };
    let mut expected = Expected::recorded(recorded)?;
    let state = migrations::ledger_state(found.survey.rows());
    if recorded.ledger_state == state {
        report.held(&RECORD_CURRENT, &recorded.recorded_at);
    } else {
        report
            .warned(
                &RECORD_CURRENT,
                &recorded.recorded_at,
                format!(
                    "run {} recorded it, and the ledger has changed since",
                    recorded.run_id
                ),
            )
            .expected(state)
            .actual(&recorded.ledger_state);
        expected.is_stale = true;
    }
    Ok(Some(expected))
}

fn compare(
    expected: &Expected,
    actual: &Schema,
    scope: &Scope,
    report: &mut Report,
) -> Result<(), Failure> {
    let source = expected.source.to_string();
    report.held(&EXPECTATION_KNOWN, &source);
    report.fact("expected_by", expected.source.name());
    if let Source::File(path) = &expected.source {
        report.fact("expected_file", path);
    }
    // It may have been recorded with a wider scope.
    let should = scope.within(&expected.schema);
    if should.is_empty() && !expected.schema.is_empty() {
        return Err(Failure::new(
            Class::Usage,
            format!(
                "cannot compare: nothing that {source} names is left by schemas and ignore in [schema]"
            ),
        )
        .remedy("correct schemas and ignore in [schema] of lockstep.toml"));
    }
    report.fact("digest_expected", schema::digest(&should));
    for name in actual.missing_schemas(scope) {
        // One that is expected is missed below.
        if !should.schemas.contains(name) {
            report.warned(&SCHEMA_EXISTS, name, "does not exist");
        }
    }
    if let (Some(was), Some(is)) = (should.server_major, actual.server_major)
        && was != is
    {
        let finding = report.warned(
            &MAJOR_AS_RECORDED,
            "server",
            "the expected schema was printed by another major version of PostgreSQL",
        );
        finding.expected(was.to_string()).actual(is.to_string());
        if let Source::Replay(_) = expected.source {
            finding.remedy("name a scratch server of the target's major version");
        }
    }
    let differences = schema::diff(&should, actual);
    for tally in schema::tally(actual) {
        if !tally.is_broken(&differences) && should.engine == actual.engine {
            report.held(&tally.check, tally.objects);
        }
    }
    for difference in &differences {
        let (kind, subject) = (&difference.kind, &difference.subject);
        // What a record from before the newest migrations does not know is no fault of the schema.
        let finding = match expected.is_stale {
            true => report
                .warned(kind, subject, &difference.message)
                .remedy("see record-current: the record is older than the ledger"),
            false => report.broken(kind, subject, &difference.message),
        };
        finding.expected.clone_from(&difference.expected);
        finding.actual.clone_from(&difference.actual);
    }
    report.summary(match differences.len() {
        0 => format!("as expected by {source}"),
        1 => format!("1 difference from {source}"),
        many => format!("{many} differences from {source}"),
    });
    Ok(())
}
