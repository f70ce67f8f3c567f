//! Deploys the pending migrations, each one together with its row in the ledger.
//!
//! Performs exactly that one action, under the deployment lock. It verifies nothing that a
//! `verify-*` program verifies and takes no snapshot: on a protected database it demands the
//! evidence that both were done for exactly this target, ledger and set of files.

use std::process::ExitCode;
use std::time::Duration;

use clap::builder::ValueParser;
use contract::{Changed, Check, Class, Classify as _, Failure, Manual, Report, Run, Tool};
use db_write::{NewMark, Options, Stop};
use guards::Action;
use migrations::Dialect;
use plan::Plan;
use records::Survey;
use settings::file::Terms;
use settings::{Resolved, TargetArgs};

mod deployment;
mod evidence;
mod heard;
mod unchanged;

use deployment::Deployment;
use heard::Heard;

const TOOL: Tool = contract::tool!(&CHECKS).with_manual(Manual {
    examples: &[
        (
            "deploy-db",
            "apply what is pending, on the evidence of the programs before it",
        ),
        (
            "deploy-db --wait-lock 5m",
            "wait for another deployment to end first",
        ),
    ],
    reads: &[settings::TARGET_READS, guards::READS],
    see_also: &[
        "verify-migrations",
        "backup-snapshot",
        "verify-guards",
        "orchestrator",
    ],
});

const OWN: [Check; 7] = [
    deployment::APPLIED,
    drift::SCHEMA_AS_RECORDED,
    accept::ACCEPT_FITS,
    db_write::SCHEMA_RECORDED,
    evidence::PLAN_VERIFIED,
    evidence::SNAPSHOT_TAKEN,
    settings::SETTINGS_USED,
];

const CHECKS: [Check; OWN.len() + guards::CHECKS.len() + plan::CHECKS.len()] =
    contract::join([&OWN, &guards::CHECKS, &plan::CHECKS]);

#[derive(clap::Args)]
struct Args {
    #[command(flatten)]
    target: TargetArgs,

    /// How long to wait for another deployment to end, such as 5m.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration())]
    wait_lock: Duration,

    /// How long a migration waits for a table that others use before it is tried again.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration())]
    lock_timeout: Duration,
}

fn duration() -> ValueParser {
    ValueParser::new(settings::duration::parse)
}

fn main() -> ExitCode {
    contract::run(&TOOL, |args: Args, run| deploy(&args, run))
}

fn deploy(args: &Args, run: &Run) -> Result<Report, Failure> {
    let resolved = args.target.load(run)?;
    let mut report = Report::default();
    settings::report(&resolved.warnings, &mut report);
    if let Some(tool) = plan::tool(&resolved.settings)? {
        report
            .broken(
                &plan::ONE_TOOL,
                tool.name,
                "[migrations] tool names it: it deploys here, and deploy-db does not",
            )
            .remedy(plan::as_a_step(tool.runs));
        report.summary("refused; nothing was changed");
        return Ok(report);
    }
    let dialect = plan::dialect(&resolved.target);
    let options = options(args, &resolved, run)?;
    let stop = options.stop.clone();
    let mut writer = db_write::open(&resolved.target, options)?;
    writer.lock(args.wait_lock, &mut |text| run.say(text))?;
    let survey = writer.survey()?;
    if survey.mark.is_some() {
        run.target_identity(&survey.identity());
    }
    let plan = plan::make(&resolved.settings, dialect, &survey)?;
    refuse(&resolved, dialect, &survey, &plan, run, &stop, &mut report)?;
    plan.facts(&mut report);
    // Where nothing is to be done, nothing is read for it.
    let begins = !plan.state.pending.is_empty() || survey.record_is_stale();
    if begins && !run.refuses(&report) {
        unchanged::check(writer.as_mut(), &resolved, &survey, &plan, run, &mut report)?;
    }
    if run.refuses(&report) {
        report.summary("refused; nothing was changed");
        return Ok(report);
    }
    if plan.state.pending.is_empty() {
        let applied = plan.state.applied;
        report.summary(format!("nothing is pending, {applied} applied"));
        let outdated = survey.outdated();
        if !outdated.is_empty() {
            run.change_began();
            writer.upgrade().inspect_err(|error| {
                if error.class() != Class::Partial {
                    run.change_undone();
                }
            })?;
            db_write::report_upgrade(&outdated, declared_terms(&resolved).as_ref(), &mut report);
            report.changed(Changed::Yes).summary(format!(
                "nothing is pending, {applied} applied; upgraded Lockstep's own tables"
            ));
        }
        if survey.record_is_stale() {
            run.change_began();
            let deployment = Deployment::new(&plan, &survey, run);
            let changed = deployment.record_schema(writer.as_mut(), &resolved, &mut report);
            if outdated.is_empty() || changed == Changed::Unknown {
                report.changed(changed);
            }
            match changed {
                Changed::Yes => {
                    report.summary(format!(
                        "nothing is pending, {applied} applied; recorded the schema, which the run \
                         before did not come to"
                    ));
                }
                Changed::No if outdated.is_empty() => run.change_undone(),
                Changed::No => {}
                Changed::Unknown => {}
            }
        }
        return Ok(report);
    }
    let mut identity = None;
    if survey.mark.is_none()
        && let Some(environment) = &resolved.environment
    {
        // The guards let an empty, unprotected database pass without a mark.
        let uuid = contract::new_uuid();
        identity = Some(uuid.clone());
        writer.mark_with_first(NewMark {
            environment: environment.clone(),
            protected: false,
            uuid,
            terms: declared_terms(&resolved),
        });
    }
    let mut deployment = Deployment::new(&plan, &survey, run);
    let heard = Heard::new(run.voice());
    writer.hear(heard.ear());
    deployment.apply_all(writer.as_mut(), &heard, &mut report);
    if deployment.changed_anything() {
        if let Some(identity) = identity {
            run.target_identity(&identity);
            report.fact("marked", true).fact("identity", &identity);
        }
        db_write::report_upgrade(
            &survey.outdated(),
            declared_terms(&resolved).as_ref(),
            &mut report,
        );
        deployment.record_schema(writer.as_mut(), &resolved, &mut report);
    }
    Ok(report)
}

/// What the file declares that the environment demands, which its mark stores.
fn declared_terms(resolved: &Resolved) -> Option<Terms> {
    resolved.declared.as_ref().map(|declared| declared.terms())
}

fn options(args: &Args, resolved: &Resolved, run: &Run) -> Result<Options, Failure> {
    let ledger = plan::ledger_name(&resolved.settings)?;
    Ok(Options {
        schema: resolved.settings.migrations.schema.clone(),
        lock_timeout: args.lock_timeout,
        terms: declared_terms(resolved),
        ..Options::new(TOOL.name, run, ledger, &resolved.settings)?
    })
}

/// Everything that refuses the deployment before it begins.
fn refuse(
    resolved: &Resolved,
    dialect: Dialect,
    survey: &Survey,
    plan: &Plan,
    run: &Run,
    stop: &Stop,
    report: &mut Report,
) -> Result<(), Failure> {
    let chain = evidence::read(run)?;
    let expected = guards::data_expected(chain.as_deref(), resolved);
    let rulings = guards::judge_target(Action::Deploy, resolved, survey, expected);
    guards::report(&rulings, report);
    plan.report(dialect, survey, report);
    let protected = survey.mark.as_ref().is_some_and(|mark| mark.protected);
    if protected && !plan.state.pending.is_empty() {
        let max_age = resolved.settings.backup.max_age;
        evidence::demand(chain.as_deref(), plan, max_age, run, stop, report)?;
    }
    Ok(())
}
