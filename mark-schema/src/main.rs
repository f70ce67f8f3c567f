//! Makes the schema that is there the recorded one, and keeps the former record.
//!
//! Two uses: to accept what was changed by hand, where a reviewed line of `lockstep.toml` says why it
//! is right, and to renew a record that another version of the server printed, where the replay on
//! this one has proven what is there. Changes no object of the schema and no row of the ledger.

use std::process::ExitCode;
use std::time::Duration;

use accept::{Lines, Verdict};
use contract::{Changed, Check, Class, Classify as _, Failure, Manual, Report, Run, Tool};
use db_write::{NewAccepted, NewSchema, Options, Writer};
use drift::Basis;
use guards::Action;
use migrations::RowState;
use plan::Plan;
use records::{RecordedSchema, Survey};
use schema::{Schema, Scope};
use settings::file::{Acceptable, is_digest};
use settings::{Resolved, TargetArgs};

mod evidence;

const TOOL: Tool = contract::tool!(&CHECKS).with_manual(Manual {
    examples: &[
        (
            "mark-schema --renew",
            "record the schema anew after an upgrade of the server",
        ),
        (
            "mark-schema --accept sha256:5d1be7e9dda1ee8896be5b7e34a85ee16452a7b4e2e5f7a9d3c2b1a0f9e8d7c6",
            "accept what was changed by hand, by the digest that verify-schema prints",
        ),
    ],
    reads: &[settings::TARGET_READS, guards::READS],
    see_also: &["verify-schema", "record-schema"],
});

const LEDGER_WHOLE: Check = Check {
    id: "ledger-whole",
    holds: "the ledger has begun, and no row of it is dirty",
    remedy: "see verify-migrations for the state of the ledger",
};

const DIGEST_FOUND: Check = Check {
    id: "digest-found",
    holds: "the schema that is there has the digest that --accept names",
    remedy: "look at what differs with verify-schema, and accept the digest that it finds",
};

const DRIFT_EXCUSED: Check = Check {
    id: "drift-excused",
    holds: "an [[accept]] line that was not used yet names this database and this digest",
    remedy: "write the line into lockstep.toml, and have it reviewed",
};

const RECORD_REPLACED: Check = Check {
    id: "record-replaced",
    holds: "the schema that is there is the recorded one, and the former is kept",
    remedy: "run mark-schema again",
};

const OWN: [Check; 7] = [
    LEDGER_WHOLE,
    DIGEST_FOUND,
    DRIFT_EXCUSED,
    evidence::REPLAY_PASSED,
    RECORD_REPLACED,
    accept::ACCEPT_FITS,
    settings::SETTINGS_USED,
];

const CHECKS: [Check; OWN.len() + guards::CHECKS.len()] = contract::join([&OWN, &guards::CHECKS]);

/// Differences that the result names before it only counts them.
const NAMED_MAX: usize = 20;

#[derive(clap::Args)]
struct Args {
    #[command(flatten)]
    target: TargetArgs,

    #[command(flatten)]
    task: TaskArgs,

    /// How long to wait for a deployment to end, such as 5m.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = settings::duration::parse)]
    wait_lock: Duration,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct TaskArgs {
    /// Accept what was changed by hand: the schema with this digest, as verify-schema and deploy-db
    /// find it. An [[accept]] line of lockstep.toml has to name it too.
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    accept: Option<String>,

    /// Renew the record: a replay by verify-schema has passed here, and the evidence says so.
    #[arg(long)]
    renew: bool,
}

fn digest(text: &str) -> Result<String, String> {
    match is_digest(text) {
        true => Ok(text.to_owned()),
        false => Err("a digest is sha256: and 64 hexadecimal digits in lower case".to_owned()),
    }
}

/// What was read under the lock.
struct Found {
    survey: Survey,
    identity: String,
    record: Option<RecordedSchema>,
    scope: Scope,
    live: Schema,
    /// Of the live schema, as findings print it.
    digest: String,
    ledger_state: String,
}

fn main() -> ExitCode {
    contract::run(&TOOL, |args: Args, run| mark(&args, run))
}

fn mark(args: &Args, run: &Run) -> Result<Report, Failure> {
    let resolved = args.target.load(run)?;
    let mut report = Report::default();
    settings::report(&resolved.warnings, &mut report);
    let ledger = plan::ledger_name(&resolved.settings)?;
    let options = Options::new(TOOL.name, run, ledger, &resolved.settings)?;
    let mut writer = db_write::open(&resolved.target, options)?;
    writer.lock(args.wait_lock, &mut |text| run.say(text))?;
    let survey = writer.survey()?;
    if survey.mark.is_some() {
        run.target_identity(&survey.identity());
    }
    let rulings = guards::judge_target(Action::Other, &resolved, &survey, None);
    guards::report(&rulings, &mut report);
    check_ledger(&survey, &mut report);
    if run.refuses(&report) {
        report.summary("refused; nothing was changed");
        return Ok(report);
    }
    let found = read(writer.as_mut(), &resolved, survey)?;
    describe(&found, &mut report);
    let replaced = match &args.task.accept {
        Some(digest) => accept(writer.as_mut(), &resolved, &found, digest, run, &mut report)?,
        None => renew(writer.as_mut(), &found, run, &mut report)?,
    };
    if !replaced && run.refuses(&report) {
        report.summary("refused; nothing was changed");
    }
    Ok(report)
}

/// Whether there is a ledger for a schema to belong to.
fn check_ledger(survey: &Survey, report: &mut Report) {
    let dirty = survey
        .rows()
        .iter()
        .find(|row| row.state == RowState::Started);
    if let Some(row) = dirty {
        report
            .broken(
                &LEDGER_WHOLE,
                &row.version,
                "it was started and never finished: what it left is no schema to record",
            )
            .remedy("end the dirty row with mark-migrations --resolve");
    } else if survey.not_adopted() {
        report
            .broken(
                &LEDGER_WHOLE,
                survey.tables_named(),
                "not adopted: there are tables, but no ledger that says which migrations made them",
            )
            .remedy("adopt the database with mark-migrations");
    } else if survey.rows().is_empty() && survey.recorded_state.is_none() {
        report
            .broken(&LEDGER_WHOLE, "ledger", "nothing was deployed here yet")
            .remedy("deploy with deploy-db, which records the schema");
    } else {
        report.held(&LEDGER_WHOLE, format!("{} applied", survey.rows().len()));
    }
}

fn read(writer: &mut dyn Writer, resolved: &Resolved, survey: Survey) -> Result<Found, Failure> {
    let scope = Scope::from_settings(&resolved.settings);
    let record = writer.recorded_schema()?;
    let live = writer.read_schema(&scope)?;
    Ok(Found {
        identity: survey.identity(),
        ledger_state: migrations::ledger_state(survey.rows()),
        digest: accept::shown(&schema::digest(&live)),
        survey,
        record,
        scope,
        live,
    })
}

fn describe(found: &Found, report: &mut Report) {
    report
        .fact("digest", &found.digest)
        .fact("ledger_state", &found.ledger_state);
    if let Some(record) = &found.record {
        report
            .fact("recorded_at_before", &record.recorded_at)
            .fact("recorded_by_before", &record.run_id);
    }
}

/// Accepts what was changed by hand; whether the record was replaced.
fn accept(
    writer: &mut dyn Writer,
    resolved: &Resolved,
    found: &Found,
    digest: &str,
    run: &Run,
    report: &mut Report,
) -> Result<bool, Failure> {
    let accepted = writer.accepted()?;
    let check = Acceptable::SchemaAsRecorded;
    let lines = Lines::new(check, &resolved.settings, Some(&found.identity), &accepted);
    let basis = Basis::new(found.record.as_ref(), found.survey.rows(), &found.scope)?;
    let plan = plan::make(
        &resolved.settings,
        plan::dialect(&resolved.target),
        &found.survey,
    )?;
    let drift = look(writer, &basis, &plan)?;
    let differs = !drift.is_none() || basis.age() != drift::Age::Current;
    lines.report(differs.then_some(&found.digest), report);
    if digest != found.digest {
        let finding = report.broken(&DIGEST_FOUND, "schema", "it has another digest");
        finding.expected(digest).actual(&found.digest);
        return Ok(false);
    }
    report.held(&DIGEST_FOUND, digest);
    if !differs {
        report.summary("nothing differs from what is recorded; nothing was changed");
        return Ok(false);
    }
    let line = match lines.judge(digest) {
        Verdict::Excused(line) => line,
        Verdict::Used(line, entry) => {
            report
                .broken(
                    &DRIFT_EXCUSED,
                    "schema",
                    format!(
                        "line {} excused this digest once already, in run {} at {}",
                        line.line, entry.run_id, entry.accepted_at
                    ),
                )
                .remedy("write another [[accept]] line with a reason of its own");
            return Ok(false);
        }
        Verdict::Unexcused => {
            let finding = report.broken(&DRIFT_EXCUSED, "schema", "no line names this digest");
            if let Some(entry) = lines.entry(digest) {
                finding.remedy(format!(
                    "write [[accept]] with {} into lockstep.toml, and have it reviewed",
                    entry[1..].join(", ")
                ));
            }
            for text in lines.line_to_write(digest) {
                run.say(&text);
            }
            return Ok(false);
        }
    };
    report.held(&DRIFT_EXCUSED, format!("line {}", line.line));
    let differences: Vec<String> = drift
        .by_hand
        .iter()
        .chain(&drift.by_files)
        .map(|difference| format!("{}: {}", difference.subject, difference.message))
        .collect();
    report
        .fact("differences", differences.len())
        .fact("accepted", &differences[..differences.len().min(NAMED_MAX)])
        .fact("because", &line.because);
    replace(writer, found, Some(&line.into()), run, report)?;
    report.summary(format!(
        "accepted {} that no migration made",
        match differences.len() {
            1 => "1 difference".to_owned(),
            count => format!("{count} differences"),
        }
    ));
    Ok(true)
}

fn look(writer: &mut dyn Writer, basis: &Basis<'_>, plan: &Plan) -> Result<drift::Drift, Failure> {
    let live = writer.read_schema(basis.scope())?;
    Ok(basis.compare(&live, &|row| drift::reach_in(&plan.set, row))?)
}

/// Renews the record on the evidence of a replay; whether it was replaced.
fn renew(
    writer: &mut dyn Writer,
    found: &Found,
    run: &Run,
    report: &mut Report,
) -> Result<bool, Failure> {
    let new = new_schema(found)?;
    let is_recorded = found.record.as_ref().is_some_and(|record| {
        record.document == new.document && record.ledger_state == new.ledger_state
    });
    let accepted = writer.accepted()?;
    let unproven = accept::unproven_adoption(&accepted);
    if is_recorded && unproven.is_none() {
        report.summary("the record is of this very schema and server; nothing was changed");
        return Ok(false);
    }
    let asked = evidence::Asked {
        identity: &found.identity,
        ledger_state: &found.ledger_state,
        digest: &found.digest,
        server_major: found.live.server_major,
    };
    evidence::demand(run, &asked, report)?;
    if run.refuses(report) {
        return Ok(false);
    }
    let proven = unproven.map(|adoption| NewAccepted {
        check: accept::REPLAY_PASSED.to_owned(),
        target: found.identity.clone(),
        digest: adoption.digest.clone(),
        because: "a replay of the files made the schema that is there".to_owned(),
    });
    replace(writer, found, proven.as_ref(), run, report)?;
    report.summary(match proven {
        None => "renewed the record of a schema that the replay made too",
        Some(_) => "renewed the record; the replay proves what the adoption claimed",
    });
    Ok(true)
}

fn new_schema(found: &Found) -> Result<NewSchema, Failure> {
    Ok(NewSchema::new(
        &found.live,
        &found.scope,
        found.ledger_state.clone(),
    )?)
}

fn replace(
    writer: &mut dyn Writer,
    found: &Found,
    accepted: Option<&NewAccepted>,
    run: &Run,
    report: &mut Report,
) -> Result<(), Failure> {
    let new = new_schema(found)?;
    run.change_began();
    writer.replace_schema(&new, accepted).inspect_err(|error| {
        if error.class() != Class::Partial {
            run.change_undone();
        }
    })?;
    report
        .changed(Changed::Yes)
        .held(&RECORD_REPLACED, &found.digest);
    Ok(())
}
