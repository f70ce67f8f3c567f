//! Verifies that the database's schema is the one that is expected.
//!
//! The target is only read. What is expected stands in a file, else in the ledger's record of the
//! last deployment; with `--replay` it is what the applied migrations make of an empty database,
//! in a scratch database (`lib/scratch`).

use std::path::PathBuf;
use std::process::ExitCode;

use contract::{Check, Class, Failure, Manual, Report, Run, Tool};
use db_read::{Leftovers, Options, Session};
use plan::adoption::ADOPTION_PROVEN;
use records::{Accepted, LedgerName, RecordedSchema, Survey};
use schema::{SCHEMA_EXISTS, Schema, Scope};
use settings::file::Acceptable;
use settings::{Resolved, SETTINGS_USED, TargetArgs};

mod expected;
mod recorded;
mod replay;

use expected::{Expected, Source};

const TOOL: Tool = contract::tool!(&CHECKS).with_manual(Manual {
    examples: &[
        (
            "verify-schema",
            "hold the database against the schema that was recorded",
        ),
        (
            "verify-schema --replay",
            "hold it against what the applied migrations make of an empty one",
        ),
    ],
    reads: &[settings::TARGET_READS],
    see_also: &["record-schema", "mark-schema", "verify-migrations"],
});

const EXPECTATION_KNOWN: Check = Check {
    id: "expectation-known",
    holds: "it is known what the schema should be",
    remedy: "record the schema with record-schema and name the file as expected in [schema] of \
             lockstep.toml, or give --replay",
};

const RECORD_CURRENT: Check = Check {
    id: "record-current",
    holds: "the schema recorded in the ledger belongs to the ledger as it is now",
    remedy: "look at what differs, which the newest migrations did or somebody by hand; then run \
             deploy-db, which records the schema again, also where nothing is pending",
};

const MAJOR_AS_RECORDED: Check = Check {
    id: "major-as-recorded",
    holds: "the server's major version is the one that printed the expected schema",
    remedy: "record the schema again after an upgrade, with record-schema or mark-schema --renew: \
             another version may print a definition otherwise",
};

const OWN: [Check; 10] = [
    EXPECTATION_KNOWN,
    ADOPTION_PROVEN,
    drift::SCHEMA_AS_RECORDED,
    accept::ACCEPT_FITS,
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
    accepted: Vec<Accepted>,
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
        found
            .recorded
            .as_ref()
            .map(|recorded| Expected::recorded(recorded, found.survey.rows()))
            .transpose()?
    };
    let mut is_replayed = false;
    match expected {
        Some(expected) => {
            let as_expected = compare(&resolved, expected, &found, &scope, run, &mut report)?;
            is_replayed = args.replay && as_expected;
        }
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
    report_adoption(&resolved, &found, is_replayed, &mut report);
    Ok(report)
}

/// Reports whether what an adoption claimed was proven, where a reviewed line stood in for the proof.
fn report_adoption(resolved: &Resolved, found: &Found, is_replayed: bool, report: &mut Report) {
    if found.survey.not_adopted() {
        return;
    }
    let identity = found.survey.mark.as_ref().map(|_| found.survey.identity());
    let lines = accept::Lines::new(
        Acceptable::AdoptionProven,
        &resolved.settings,
        identity.as_deref(),
        &found.accepted,
    );
    lines.report(None, report);
    let Some(entry) = accept::unproven_adoption(&found.accepted) else {
        return;
    };
    if is_replayed {
        report.held(&ADOPTION_PROVEN, &entry.digest);
        return;
    }
    report
        .warned(
            &ADOPTION_PROVEN,
            "ledger",
            format!(
                "what was adopted at {} was accepted and not proven: {}",
                entry.accepted_at, entry.because
            ),
        )
        .remedy(
            "verify-schema --replay: where it passes, mark-schema --renew with the same --evidence \
             folder enters that",
        );
}

fn read(resolved: &Resolved, scope: &Scope, run: &Run) -> Result<Found, Failure> {
    let ledger = LedgerName::new(resolved.settings.migrations.ledger.as_deref())?;
    let options = Options::new(format!("{}/{}", TOOL.name, run.run_id()));
    let mut session = Session::open(&resolved.target, &options)?;
    let survey = session.survey(&resolved.target, &ledger)?;
    let recorded = session.recorded_schema(&ledger)?;
    let accepted = session.accepted(&ledger)?;
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
        accepted,
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
        .fact("digest", schema::digest(schema))
        .fact(
            "ledger_state",
            migrations::ledger_state(found.survey.rows()),
        );
    if let Some(major) = schema.server_major {
        report.fact("server_major", major);
    }
    if !found.leftovers.files.is_empty() {
        report.fact("left_by_sqlite", &found.leftovers.files);
    }
}

/// Whether nothing differs.
fn compare(
    resolved: &Resolved,
    mut expected: Expected,
    found: &Found,
    scope: &Scope,
    run: &Run,
    report: &mut Report,
) -> Result<bool, Failure> {
    let source = expected.source.to_string();
    let record = match (&expected.source, &found.recorded) {
        (Source::Ledger(_) | Source::Adoption(_), Some(recorded)) => {
            Some(recorded::compare(resolved, found, recorded, scope, report)?)
        }
        _ => None,
    };
    // A record holds what counted when it was made.
    let narrowed = record.as_ref().and_then(|record| record.narrowed.as_ref());
    let actual = narrowed.unwrap_or(&found.schema);
    report.held(&EXPECTATION_KNOWN, &source);
    report.fact("expected_by", expected.source.name());
    if let Source::File(path) = &expected.source {
        report.fact("expected_file", path);
    }
    // It may have been recorded with a wider scope.
    let said_something = !expected.schema.is_empty();
    scope.keep_within(&mut expected.schema);
    let should = expected.schema;
    if should.is_empty() && said_something {
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
        match expected.source {
            Source::Replay(_) => {
                finding.remedy("name a scratch server of the target's major version");
            }
            Source::Ledger(_) | Source::Adoption(_) => {
                finding.remedy(
                    "run verify-schema --replay on this server and then mark-schema --renew with \
                     the same --evidence folder",
                );
            }
            Source::File(_) => {
                finding.remedy(
                    "run record-schema, and see that only the print of definitions changed",
                );
            }
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
        // What a record from before the newest migrations does not know may be theirs.
        let may_be_theirs = record
            .as_ref()
            .is_some_and(|record| record.is_of_files(difference));
        let finding = match may_be_theirs {
            true => report
                .warned(kind, subject, &difference.message)
                .remedy("see record-current: the record is older than the ledger"),
            false => report.broken(kind, subject, &difference.message),
        };
        finding.expected.clone_from(&difference.expected);
        finding.actual.clone_from(&difference.actual);
    }
    if let Some(record) = &record {
        record.conclude(resolved, found, run, report);
    }
    report.summary(match differences.len() {
        0 => format!("as expected by {source}"),
        1 => format!("1 difference from {source}"),
        many => format!("{many} differences from {source}"),
    });
    Ok(differences.is_empty())
}
