//! Verifies the migration files against the ledger, and reads what is pending for statements that
//! lose data.
//!
//! Runs nothing on the target and writes nothing: of a database that is not adopted it finds the
//! version by a replay in a scratch database. The plan's hash that it reports names target, ledger and files;
//! `deploy-db` demands it on a protected database.

use std::process::ExitCode;

use clap::ValueEnum;
use contract::{Check, Class, Failure, Manual, Report, Run, Tool};
use db_read::{Options, Session};
use plan::Plan;
use records::{NamedTool, Survey};
use settings::TargetArgs;
use sql::Before;

mod adoption;
mod rules;
mod unchanged;

const TOOL: Tool = contract::tool!(&CHECKS).with_manual(Manual {
    examples: &[
        (
            "verify-migrations sqlite:app.db",
            "read the folder migrations, and say what is pending and what stands against it",
        ),
        (
            "verify-migrations --expect none",
            "fail while anything is pending",
        ),
    ],
    reads: &[settings::TARGET_READS],
    see_also: &["deploy-db", "mark-migrations", "verify-schema"],
});

const NONE_PENDING: Check = Check {
    id: "none-pending",
    holds: "every migration is applied",
    remedy: "deploy the pending migrations",
};

const OWN: [Check; 7] = [
    NONE_PENDING,
    rules::EXCEPTION_USED,
    records::RECORDS_OWN,
    scratch::SCRATCH_DROPPED,
    drift::SCHEMA_AS_RECORDED,
    accept::ACCEPT_FITS,
    settings::SETTINGS_USED,
];

const CHECKS: [Check; OWN.len() + plan::CHECKS.len() + rules::CHECKS.len()] =
    contract::join([&OWN, &plan::CHECKS, &rules::CHECKS]);

#[derive(clap::Args)]
struct Args {
    #[command(flatten)]
    target: TargetArgs,

    /// What has to be so, beside the checks.
    #[arg(long, value_name = "WHAT")]
    expect: Option<Expectation>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Expectation {
    /// Nothing is pending, as after a deployment.
    None,
}

fn main() -> ExitCode {
    contract::run(&TOOL, |args: Args, run| verify(&args, run))
}

fn verify(args: &Args, run: &Run) -> Result<Report, Failure> {
    let resolved = args.target.load(run)?;
    let mut report = Report::default();
    settings::report(&resolved.warnings, &mut report);
    let ledger = plan::ledger_name(&resolved.settings)?;
    let tool = plan::tool(&resolved.settings)?;
    if let (Some(tool), Some(_)) = (tool, args.expect) {
        return Err(not_known(tool.name));
    }
    let options = Options::new(format!("{}/{}", TOOL.name, run.run_id()));
    let mut session = Session::open(&resolved.target, &options)?;
    let survey = session.survey(&resolved.target, &ledger)?;
    if let Some(tool) = tool {
        return of_another_tool(tool, session, &survey, run, report);
    }
    let dialect = plan::dialect(&resolved.target);
    let mut plan = plan::make(&resolved.settings, dialect, &survey)?;
    let before = match plan.state.pending.is_empty() {
        true => Before::default(),
        false => session.before(resolved.settings.migrations.schema.as_deref(), &ledger)?,
    };
    let looked = unchanged::look(&mut session, &resolved, &ledger, &survey, &plan)?;
    // Another tool's ledger says it, and is not read here.
    let live = match survey.not_adopted() && survey.foreign.is_empty() {
        true => Some(adoption::Live::read(&resolved, &mut session)?),
        false => None,
    };
    let leftovers = session.close()?;
    if !leftovers.files.is_empty() {
        report.fact("left_by_sqlite", &leftovers.files);
    }
    if survey.mark.is_some() {
        run.target_identity(&survey.identity());
    }
    if let Some(live) = live {
        plan.adoption = Some(live.find(&resolved, &survey, &plan.set, run, &mut report)?);
    }
    plan.report(dialect, &survey, &mut report);
    survey.report_records(&mut report);
    rules::check(&plan, dialect, &before, &mut report);
    if let Some(looked) = looked {
        looked.report(&resolved, &survey, &plan, run, &mut report);
    }
    check_expected(&plan, args.expect, &mut report);
    plan.facts(&mut report);
    plan.pending_facts(&mut report);
    report.summary(summary(&plan, &report));
    Ok(report)
}

/// What can be said of a database that another tool deploys.
fn of_another_tool(
    tool: NamedTool,
    session: Session,
    survey: &Survey,
    run: &Run,
    mut report: Report,
) -> Result<Report, Failure> {
    let leftovers = session.close()?;
    if !leftovers.files.is_empty() {
        report.fact("left_by_sqlite", &leftovers.files);
    }
    if survey.mark.is_some() {
        run.target_identity(&survey.identity());
    }
    report.fact("identity", survey.identity());
    plan::tool::report(tool, survey, &mut report);
    survey.report_records(&mut report);
    let summary = match report.counts().fail {
        0 => format!("deployed by {}, whose ledger is not read", tool.name),
        failed => format!(
            "deployed by {}, whose ledger is not read; {failed} failed",
            tool.name
        ),
    };
    report.summary(summary);
    Ok(report)
}

fn not_known(tool: &str) -> Failure {
    let message =
        format!("cannot tell what is pending: {tool} deploys here, and its ledger is not read yet");
    Failure::new(Class::Usage, message).remedy("leave --expect out, and ask that tool itself")
}

fn check_expected(plan: &Plan, expect: Option<Expectation>, report: &mut Report) {
    if expect != Some(Expectation::None) {
        return;
    }
    if plan.state.pending.is_empty() {
        report.held(&NONE_PENDING, format!("{} applied", plan.state.applied));
    }
    for migration in plan.pending() {
        report.broken(
            &NONE_PENDING,
            migration.file.display().to_string(),
            "pending",
        );
    }
}

fn summary(plan: &Plan, report: &Report) -> String {
    let pending = plan.state.pending.len();
    let found = report.counts();
    let mut summary = format!("{} applied, {pending} pending", plan.state.applied);
    for (count, word) in [(found.fail, "failed"), (found.warn, "warned")] {
        if count > 0 {
            summary.push_str(&format!(", {count} {word}"));
        }
    }
    summary
}
