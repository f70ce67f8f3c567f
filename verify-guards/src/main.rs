//! Verifies whether an action would be allowed on the database, without touching it.
//!
//! Asks the same guards as the actions, which ask them again on the session that will act: calling
//! an action without this program skips nothing.

use std::process::ExitCode;

use clap::ValueEnum;
use contract::{Check, Failure, Manual, Report, Run, Tool};
use db_read::{Options, Session};
use guards::Action;
use records::LedgerName;
use settings::TargetArgs;

const TOOL: Tool = contract::tool!(&CHECKS).with_manual(Manual {
    examples: &[
        (
            "verify-guards",
            "say whether deploy-db would be allowed here",
        ),
        (
            "verify-guards --action backup",
            "say whether backup-snapshot would be",
        ),
    ],
    reads: &[settings::TARGET_READS, guards::READS],
    see_also: &["mark-db", "deploy-db", "backup-snapshot"],
});

const CHECKS: [Check; 1 + guards::CHECKS.len()] =
    contract::join([&[settings::SETTINGS_USED], &guards::CHECKS]);

#[derive(clap::Args)]
struct Args {
    #[command(flatten)]
    target: TargetArgs,

    /// The action that is meant.
    #[arg(long, value_name = "ACTION", default_value = "deploy")]
    action: ActionArg,
}

#[derive(Clone, Copy, ValueEnum)]
enum ActionArg {
    /// deploy-db, which may begin on an empty, unprotected database.
    Deploy,
    /// backup-snapshot: a copy of production is production.
    Backup,
    /// mark-migrations.
    MarkMigrations,
    /// mark-schema.
    MarkSchema,
}

fn main() -> ExitCode {
    contract::run(&TOOL, |args: Args, run| verify(&args, run))
}

fn verify(args: &Args, run: &Run) -> Result<Report, Failure> {
    let resolved = args.target.load(run)?;
    let mut report = Report::default();
    settings::report(&resolved.warnings, &mut report);
    let ledger = LedgerName::new(resolved.settings.migrations.ledger.as_deref())?;
    let options = Options::new(format!("{}/{}", TOOL.name, run.run_id()));
    let mut session = Session::open(&resolved.target, &options)?;
    let survey = session.survey(&resolved.target, &ledger)?;
    let leftovers = session.close()?;
    if !leftovers.files.is_empty() {
        report.fact("left_by_sqlite", &leftovers.files);
    }
    if let Some(mark) = &survey.mark {
        run.target_identity(&survey.identity());
        report
            .fact("marked_as", &mark.environment)
            .fact("protected", mark.protected)
            .fact("marked_at", &mark.marked_at)
            .fact("marked_by", &mark.marked_by);
    }
    report.fact("place", &survey.place.endpoint);
    let action = match args.action {
        ActionArg::Deploy => Action::Deploy,
        ActionArg::Backup | ActionArg::MarkMigrations | ActionArg::MarkSchema => Action::Other,
    };
    // As the actions do: a snapshot that this run took says that there was data.
    let chain = match run.evidence_dir() {
        None => None,
        Some(dir) => Some(contract::evidence::read(dir)?.0),
    };
    let expected = guards::data_expected(chain.as_deref(), &resolved);
    let rulings = guards::judge_target(action, &resolved, &survey, expected);
    guards::report(&rulings, &mut report);
    report.summary(if guards::allowed(&rulings) {
        "allowed"
    } else {
        "refused"
    });
    Ok(report)
}
