//! Records the database's schema in a file that verify-schema compares with.
//!
//! Reads the database in a session that can't write, and replaces one file, which has to be one
//! that it wrote itself. Says what changed in it; whether that is right is for the review of the
//! file to decide.

use std::path::PathBuf;
use std::process::ExitCode;

use contract::{Check, Class, Failure, Manual, Report, Run, Tool};
use db_read::Session;
use records::LedgerName;
use schema::{Difference, INDEX_VALID, SCHEMA_EXISTS, Schema, Scope};
use settings::{SETTINGS_USED, TargetArgs};

mod file;

use file::{Recorded, Written};

const TOOL: Tool = contract::tool!([SCHEMA_RECORDED, SCHEMA_EXISTS, INDEX_VALID, SETTINGS_USED])
    .with_manual(Manual {
        examples: &[(
            "record-schema sqlite:app.db --output schema.toml",
            "write the database's schema to a file that can be reviewed",
        )],
        reads: &[settings::TARGET_READS],
        see_also: &["verify-schema"],
    });

const SCHEMA_RECORDED: Check = Check {
    id: "schema-recorded",
    holds: "the file holds the database's schema",
    remedy: "record it again",
};

/// The file where nothing names one.
const FILE_DEFAULT: &str = "schema.toml";

#[derive(clap::Args)]
struct Args {
    /// File to write, instead of what expected in [schema] of lockstep.toml names, or schema.toml.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    target: TargetArgs,
}

fn main() -> ExitCode {
    contract::run(&TOOL, |args: Args, run| record(&args, run))
}

fn record(args: &Args, run: &Run) -> Result<Report, Failure> {
    let resolved = args.target.load(run)?;
    let declared = resolved.settings.schema.expected.clone();
    let unnamed = args.output.is_none() && declared.is_none();
    let path = args.output.clone().or(declared);
    let path = path.unwrap_or_else(|| PathBuf::from(FILE_DEFAULT));
    let before = Recorded::read(&path)?;

    let scope = Scope::from_settings(&resolved.settings);
    let name = format!("{} {}", TOOL.name, run.run_id());
    let mut session = Session::open(&resolved.target, &db_read::Options::new(name))?;
    let now = session.read_schema(&scope)?;
    let ledger = LedgerName::new(resolved.settings.migrations.ledger.as_deref())?;
    // Last, because a role that may not read the mark may well read the schema.
    match session.identity(&resolved.target, &ledger) {
        Ok(Some(identity)) => run.target_identity(&identity),
        Ok(None) => {}
        Err(error) if error.is_forbidden() => {
            run.say(
                "the result does not name the target's identity: this role may not read its mark",
            );
        }
        Err(error) => return Err(error.into()),
    }
    let leftovers = session.close()?;

    if now.is_empty() {
        return Err(nothing());
    }
    // A file of a few kilobytes: whoever asks for an end from here on gets it with the file whole.
    contract::signals::take_over(|| ())
        .map_err(|error| Failure::caused_by(Class::Error, "cannot take signals over", &error))?;
    let written = before.replace(&path, &now)?;
    let mut report = Report::default();
    settings::report(&resolved.warnings, &mut report);
    describe(&mut report, &scope, &now);
    report.held(&SCHEMA_RECORDED, path.display().to_string());
    report.fact("file", &path);
    if !leftovers.files.is_empty() {
        report.fact("left_by_sqlite", &leftovers.files);
    }
    report.summary(summary(&written));
    if unnamed {
        run.say(&format!(
            "verify-schema reads it with --expected {FILE_DEFAULT}, or once expected in [schema] of \
             lockstep.toml names it"
        ));
    }
    if let Written::Changed(differences) = &written {
        report.fact("changes", differences.len());
        for difference in differences {
            run.say(&change(difference));
        }
    }
    Ok(report)
}

/// What there is to know of the schema itself.
fn describe(report: &mut Report, scope: &Scope, schema: &Schema) {
    for name in schema.missing_schemas(scope) {
        report.warned(&SCHEMA_EXISTS, name, "does not exist");
    }
    for name in schema.invalid_indexes() {
        report.warned(
            &INDEX_VALID,
            name,
            "invalid; verify-schema will say so again",
        );
    }
    report.fact("engine", schema.engine);
    if let Some(major) = schema.server_major {
        report.fact("server_major", major);
    }
    report.fact("tables", schema.tables.len());
    report.fact("views", schema.views.len());
    report.fact("functions", schema.functions.len());
    report.fact("digest", schema::digest(schema));
}

fn summary(written: &Written) -> String {
    match written {
        Written::New => "recorded for the first time".to_owned(),
        Written::Same => "the file held this schema already".to_owned(),
        Written::Changed(differences) if differences.is_empty() => {
            "recorded; only its form changed".to_owned()
        }
        Written::Changed(differences) if differences.len() == 1 => {
            "recorded, with 1 change to what the file held".to_owned()
        }
        Written::Changed(differences) => {
            format!(
                "recorded, with {} changes to what the file held",
                differences.len()
            )
        }
    }
}

/// A difference as a change from what the file held: `changed column public.users.age: type
/// integer, now type bigint`.
fn change(difference: &Difference) -> String {
    let id = difference.kind.id;
    let (what, class) = if let Some(class) = id.strip_suffix("-present") {
        ("removed", class)
    } else if let Some(class) = id.strip_suffix("-declared") {
        ("added", class)
    } else {
        ("changed", id.strip_suffix("-as-expected").unwrap_or(id))
    };
    let subject = &difference.subject;
    let details = match (&difference.expected, &difference.actual) {
        (Some(was), Some(is)) => format!(": {was}, now {is}"),
        (Some(one), None) | (None, Some(one)) => format!(": {one}"),
        (None, None) => String::new(),
    };
    format!("{what} {class} {subject}{details}")
}

/// An empty record would let every check pass on the wrong database.
fn nothing() -> Failure {
    Failure::new(
        Class::Usage,
        "cannot record the schema: nothing is in its scope",
    )
    .remedy("check that this is the right database, and schemas and ignore in [schema]")
}
