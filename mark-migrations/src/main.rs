//! Marks migrations as applied or pending in the ledger, without running them.
//!
//! Three uses: to adopt a database whose tables were made before Lockstep came, to take that back,
//! and to end a dirty row after somebody has looked at what a migration left behind. What an adoption
//! claims is proven by the replay of verify-migrations, or excused by a reviewed line. Every row says
//! why.

use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;
use contract::{Changed, Check, Class, Classify as _, Failure, Manual, Report, Run, Tool};
use db_write::{NewSchema, Options, Resolution, Row, Writer};
use guards::Action;
use migrations::{LedgerRow, Migration, RowState};
use plan::Plan;
use plan::adoption::{ADOPTION_PROVEN, NONE};
use records::Survey;
use schema::Scope;
use settings::{Resolved, TargetArgs};

mod adoption;
mod unchanged;
mod undo;

use adoption::{Claim, Grounds};

const TOOL: Tool = contract::tool!(&CHECKS).with_manual(Manual {
    examples: &[
        (
            "mark-migrations --applied-through 0042",
            "adopt a database that is at this version",
        ),
        (
            "mark-migrations --resolve 0042 applied --because 'ended by hand'",
            "end a row that a broken run left",
        ),
    ],
    reads: &[settings::TARGET_READS, guards::READS],
    see_also: &["verify-migrations", "deploy-db"],
});

const ADOPTABLE: Check = Check {
    id: "database-adoptable",
    holds: "the database has tables, and no ledger that has begun already",
    remedy: "see verify-migrations for the state of the ledger; deploy-db goes on from there",
};

const VERSION_KNOWN: Check = Check {
    id: "version-known",
    holds: "the version is one of the migrations folder, or of the ledger's dirty row",
    remedy: "give a version as verify-migrations names it",
};

const ROW_MARKED: Check = Check {
    id: "row-marked",
    holds: "the ledger says what was asked for",
    remedy: "run mark-migrations again",
};

const OWN: [Check; 8] = [
    ADOPTABLE,
    VERSION_KNOWN,
    ADOPTION_PROVEN,
    accept::ACCEPT_FITS,
    undo::UNDOABLE,
    ROW_MARKED,
    db_write::SCHEMA_RECORDED,
    settings::SETTINGS_USED,
];

const CHECKS: [Check; OWN.len() + guards::CHECKS.len()] = contract::join([&OWN, &guards::CHECKS]);

#[derive(clap::Args)]
struct Args {
    #[command(flatten)]
    target: TargetArgs,

    /// Adopt the database: everything up to this version is applied, as verify-migrations has proven
    /// with the same --evidence folder. `none`: nothing is, the tables that are there belong to
    /// somebody else.
    #[arg(long, value_name = "VERSION")]
    applied_through: Option<String>,

    /// Take an adoption back: its rows leave the ledger. Only as long as nothing was deployed after
    /// it.
    #[arg(long, conflicts_with_all = ["applied_through", "resolve"], requires = "because")]
    undo_adoption: bool,

    /// End a dirty row: the version, and what it is.
    #[arg(
        long,
        num_args = 2,
        value_names = ["VERSION", "applied|pending"],
        conflicts_with = "applied_through",
        requires = "because"
    )]
    resolve: Option<Vec<String>>,

    /// Why; recorded in the ledger.
    #[arg(long, value_name = "TEXT")]
    because: Option<String>,

    /// How long to wait for a deployment to end, such as 5m.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = settings::duration::parse)]
    wait_lock: Duration,
}

/// What is to be done.
enum Task<'a> {
    Adopt { through: &'a str },
    Undo,
    Resolve { version: &'a str, to: Resolution },
}

#[derive(Clone, Copy, ValueEnum)]
enum StateArg {
    Applied,
    Pending,
}

fn main() -> ExitCode {
    contract::run(&TOOL, |args: Args, run| mark(&args, run))
}

fn mark(args: &Args, run: &Run) -> Result<Report, Failure> {
    let task = task(args)?;
    let resolved = args.target.load(run)?;
    let mut report = Report::default();
    settings::report(&resolved.warnings, &mut report);
    let dialect = plan::dialect(&resolved.target);
    let mut writer = db_write::open(&resolved.target, options(&resolved, run)?)?;
    writer.lock(args.wait_lock, &mut |text| run.say(text))?;
    let survey = writer.survey()?;
    if survey.mark.is_some() {
        run.target_identity(&survey.identity());
    }
    let rulings = guards::judge_target(Action::Other, &resolved, &survey, None);
    guards::report(&rulings, &mut report);
    let plan = plan::make(&resolved.settings, dialect, &survey)?;
    let through = match task {
        Task::Adopt { through } => adoptable(&plan, &survey, through, &mut report),
        Task::Undo => undo::undoable(&survey, &mut report),
        Task::Resolve { version, .. } => resolvable(&plan, &survey, version, &mut report),
    };
    let Some(through) = through.filter(|_| !run.refuses(&report)) else {
        report.summary("refused; nothing was changed");
        return Ok(report);
    };
    let scope = Scope::from_settings(&resolved.settings);
    let adopted = adopted(&plan, &through);
    let claim = Claim {
        resolved: &resolved,
        plan: &plan,
        survey: &survey,
        adopted: &adopted,
    };
    let grounds = match task {
        Task::Adopt { .. } => Some(adoption::judge(&claim, writer.as_mut(), run, &mut report)?),
        Task::Undo | Task::Resolve { .. } => None,
    };
    let records = match task {
        Task::Adopt { .. } | Task::Undo => false,
        Task::Resolve { .. } => unchanged::may_be_recorded(
            writer.as_mut(),
            &scope,
            &survey,
            &plan,
            &through,
            &mut report,
        )?,
    };
    if run.refuses(&report) {
        report.summary("refused; nothing was changed");
        return Ok(report);
    }
    run.change_began();
    let because = args.because.as_deref();
    let done = match (task, grounds) {
        (Task::Adopt { .. }, Some(grounds)) => {
            let because = because.unwrap_or("adopted");
            adopt(writer.as_mut(), &grounds, &adopted, because, &mut report)
        }
        (Task::Resolve { to, .. }, _) => {
            let because = because.unwrap_or_default();
            resolve(writer.as_mut(), &through, to, because, &mut report)
        }
        (Task::Undo | Task::Adopt { .. }, _) => {
            let because = because.unwrap_or_default();
            undo::undo(writer.as_mut(), &survey, because, &mut report)
        }
    };
    done.inspect_err(|error| {
        if error.class() != Class::Partial {
            run.change_undone();
        }
    })?;
    report.changed(Changed::Yes);
    let terms = resolved.declared.as_ref().map(|declared| declared.terms());
    db_write::report_upgrade(&survey.outdated(), terms.as_ref(), &mut report);
    // What is said from here on is about the ledger as it is now.
    match writer.ledger() {
        Ok(rows) => {
            let state = migrations::ledger_state(&rows);
            report.fact("ledger_state", &state);
            // Adoption records it in its own transaction.
            if records {
                db_write::record_schema(writer.as_mut(), &scope, state, &mut report);
            }
        }
        Err(error) => {
            report.stopped_by(error);
        }
    }
    Ok(report)
}

fn task(args: &Args) -> Result<Task<'_>, Failure> {
    if let Some(through) = &args.applied_through {
        return Ok(Task::Adopt { through });
    }
    let because = args.because.as_deref().unwrap_or_default();
    if args.undo_adoption {
        if because.trim().is_empty() {
            return Err(Failure::new(
                Class::Usage,
                "cannot take an adoption back without a reason",
            )
            .remedy("give --because and what was wrong with it"));
        }
        return Ok(Task::Undo);
    }
    let values = args.resolve.as_deref().unwrap_or_default();
    let [version, state] = values else {
        return Err(Failure::new(Class::Usage, "cannot tell what to mark").remedy(
            "give --applied-through VERSION, --undo-adoption with --because, or --resolve VERSION \
             applied|pending with --because",
        ));
    };
    if because.trim().is_empty() {
        return Err(
            Failure::new(Class::Usage, "cannot end a dirty row without a reason")
                .remedy("give --because and what you found"),
        );
    }
    let to = match StateArg::from_str(state, false) {
        Ok(StateArg::Applied) => Resolution::Applied,
        Ok(StateArg::Pending) => Resolution::Pending,
        Err(_) => {
            return Err(
                Failure::new(Class::Usage, format!("cannot make a row {state:?}"))
                    .remedy("give applied or pending"),
            );
        }
    };
    Ok(Task::Resolve { version, to })
}

fn options(resolved: &Resolved, run: &Run) -> Result<Options, Failure> {
    let settings = &resolved.settings;
    Ok(Options {
        terms: resolved.declared.as_ref().map(|declared| declared.terms()),
        ..Options::new(TOOL.name, run, plan::ledger_name(settings)?, settings)?
    })
}

/// The canonical version through which the database can be adopted.
fn adoptable(plan: &Plan, survey: &Survey, through: &str, report: &mut Report) -> Option<String> {
    if survey.rows().is_empty() && survey.occupied() {
        report.held(&ADOPTABLE, survey.tables_named());
    } else if survey.rows().is_empty() {
        report
            .broken(
                &ADOPTABLE,
                "database",
                "it has no table, so nothing can have been applied",
            )
            .remedy("deploy with deploy-db");
    } else {
        report.broken(
            &ADOPTABLE,
            "ledger",
            match survey.rows().len() {
                1 => "it has a row already".to_owned(),
                count => format!("it has {count} rows already"),
            },
        );
    }
    // A file that can't be read can't be vouched for either.
    for problem in plan
        .set
        .problems
        .iter()
        .filter(|problem| problem.is_failure())
    {
        report
            .broken(&VERSION_KNOWN, problem.subject(), &problem.message)
            .remedy(problem.remedy());
    }
    if through == NONE {
        return Some(NONE.to_owned());
    }
    match plan.set.position(through) {
        Some(at) => {
            let migration = &plan.set.migrations[at];
            report.held(&VERSION_KNOWN, migration.file.display().to_string());
            Some(migration.version.clone())
        }
        None => {
            let newest = plan.set.migrations.last().map(|last| last.version.clone());
            let finding = report.broken(
                &VERSION_KNOWN,
                through,
                format!("no migration in {} has it", plan.set.dir.display()),
            );
            finding.remedy(match newest {
                Some(newest) => format!("give a version that has a file; the newest is {newest}"),
                None => "check [migrations] dir in lockstep.toml".to_owned(),
            });
            None
        }
    }
}

/// The canonical version of the dirty row.
fn resolvable(plan: &Plan, survey: &Survey, version: &str, report: &mut Report) -> Option<String> {
    let named = plan.set.position(version);
    let canonical = match named {
        Some(at) => plan.set.migrations[at].version.clone(),
        // Its file may be gone.
        None => plan
            .set
            .layout
            .canonical_version(version)
            .unwrap_or_else(|| version.to_owned()),
    };
    let row = survey.rows().iter().find(|row| row.version == canonical);
    match row {
        Some(row) if row.state == RowState::Started => {
            report.held(
                &VERSION_KNOWN,
                format!("{canonical}, started {}", row.applied_at),
            );
            Some(canonical)
        }
        Some(_) => {
            report.broken(
                &VERSION_KNOWN,
                canonical,
                "its row is not dirty: it was applied",
            );
            None
        }
        None => {
            report.broken(&VERSION_KNOWN, canonical, "the ledger has no row for it");
            None
        }
    }
}

fn adopt(
    writer: &mut dyn Writer,
    grounds: &Grounds,
    adopted: &[&Migration],
    because: &str,
    report: &mut Report,
) -> Result<(), db_write::Error> {
    let rows: Vec<Row<'_>> = adopted
        .iter()
        .map(|migration| Row { migration, because })
        .collect();
    let ledger: Vec<LedgerRow> = (1..).zip(adopted).map(ledger_row).collect();
    let state = migrations::ledger_state(&ledger);
    let schema = NewSchema::new(&grounds.schema, &grounds.scope, state)?;
    writer.adopt(&rows, &schema, grounds.accepted.as_ref())?;
    for migration in adopted {
        report.held(&ROW_MARKED, migration.file.display().to_string());
    }
    report
        .fact("adopted", adopted.len())
        .summary(match adopted.len() {
            1 => "adopted with 1 migration applied, nothing was run".to_owned(),
            count => format!("adopted with {count} migrations applied, nothing was run"),
        });
    Ok(())
}

/// The row that a migration gets, as far as the state of the ledger goes by it.
fn ledger_row((position, migration): (i64, &&Migration)) -> LedgerRow {
    LedgerRow {
        version: migration.version.clone(),
        name: migration.name.clone(),
        sha256: migration.sha256,
        sha256_tokens: migration.sha256_tokens,
        state: RowState::Applied,
        applied_at: String::new(),
        duration_ms: 0,
        applied_by: String::new(),
        run_id: String::new(),
        because: None,
        position,
    }
}

fn resolve(
    writer: &mut dyn Writer,
    version: &str,
    to: Resolution,
    because: &str,
    report: &mut Report,
) -> Result<(), db_write::Error> {
    writer.resolve(version, to, because)?;
    let state = match to {
        Resolution::Applied => "applied",
        Resolution::Pending => "pending",
    };
    report
        .summary(format!("{version} is {state}, nothing was run"))
        .held(&ROW_MARKED, format!("{version} {state}"));
    Ok(())
}

/// The migrations up to a version, in order.
fn adopted<'a>(plan: &'a Plan, through: &str) -> Vec<&'a Migration> {
    let last = plan
        .set
        .migrations
        .iter()
        .position(|migration| migration.version == through);
    plan.set
        .migrations
        .iter()
        .take(last.map_or(0, |at| at + 1))
        .collect()
}
