//! Marks a database with its environment, and whether it is protected.
//!
//! Writes one row. Whether the environment is protected is what `lockstep.toml` declares. A
//! protected mark is written in CI only, and never replaced but on a copy: what is protected stays
//! protected.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use contract::{Changed, Check, Class, Classify as _, Failure, Report, Run, Tool};
use db_write::{NewMark, Options, Stop, Writer};
use records::{Mark, Survey};
use settings::environment::VARIABLE;
use settings::{Resolved, Target, TargetArgs, Variables};

#[cfg(test)]
mod tests;

const TOOL: Tool = contract::tool!([
    NAMED,
    MARKABLE,
    CI_RUN,
    CONFIRMED,
    ALONE,
    MARKED,
    settings::SETTINGS_USED
]);

const NAMED: Check = Check {
    id: "environment-named",
    holds: "the environment that the mark will name is known",
    remedy: "give --environment, or set LOCKSTEP_ENV",
};

const MARKABLE: Check = Check {
    id: "mark-replaceable",
    holds: "the database has no protected mark, or has one of the original that it was copied from",
    remedy: "leave the mark: this database is protected",
};

const CI_RUN: Check = Check {
    id: "ci-run",
    holds: "a protected mark is written by a CI job of that environment",
    remedy: "run mark-db in the CI job that deploys the environment, with LOCKSTEP_ENV set to its name",
};

const CONFIRMED: Check = Check {
    id: "target-confirmed",
    holds: "outside CI, the target was confirmed by name",
    remedy: "repeat the command with --confirm and the target's name",
};

const ALONE: Check = Check {
    id: "no-other-session",
    holds: "outside CI, nobody else is connected to the database",
    remedy: "stop the application first: a database in use may be somebody's production",
};

const MARKED: Check = Check {
    id: "database-marked",
    holds: "the database carries the mark",
    remedy: "run mark-db again",
};

#[derive(clap::Args)]
struct Args {
    #[command(flatten)]
    target: TargetArgs,

    /// The target's name as this program prints it; wanted outside CI.
    #[arg(long, value_name = "TARGET")]
    confirm: Option<String>,

    /// Make the SQLite file if there is none. Nothing else ever makes one.
    #[arg(long)]
    create: bool,
}

fn main() -> ExitCode {
    contract::run(&TOOL, |args: Args, run| mark(&args, run))
}

fn mark(args: &Args, run: &Run) -> Result<Report, Failure> {
    let resolved = args.target.load(run)?;
    let mut report = Report::default();
    settings::report(&resolved.warnings, &mut report);
    let wish = wish(args, &resolved);
    let created = args.create && create(&resolved.target, &wish, &mut report)?;
    if report.counts().fail > 0 {
        report.summary("refused; nothing was changed");
        return Ok(report);
    }
    let ended = mark_existing(&wish, &resolved, run, &mut report);
    if !created {
        return ended.map(|()| report);
    }
    if ended.is_ok() && report.counts().fail == 0 {
        report.fact("created", true);
        return Ok(report);
    }
    remove_file(&resolved.target);
    ended.map(|()| report)
}

fn mark_existing(
    wish: &Wish,
    resolved: &Resolved,
    run: &Run,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut writer = db_write::open(&resolved.target, options(resolved, run)?)?;
    writer.lock(Duration::ZERO, &mut |text| run.say(text))?;
    let others = if wish.ci {
        Vec::new()
    } else {
        writer.other_sessions()?
    };
    let survey = writer.survey()?;
    decide(wish, &survey, &others, report);
    match &wish.environment {
        Some(environment) if report.counts().fail == 0 => write(
            writer.as_mut(),
            environment,
            wish.protected,
            &survey,
            run,
            report,
        ),
        _ => {
            report.summary("refused; nothing was changed");
            Ok(())
        }
    }
}

fn write(
    writer: &mut dyn Writer,
    environment: &str,
    protected: bool,
    survey: &Survey,
    run: &Run,
    report: &mut Report,
) -> Result<(), Failure> {
    let uuid = match &survey.mark {
        // The same place under the same name is the same target.
        Some(mark)
            if mark.environment == environment && mark.place.moved_to(&survey.place).is_empty() =>
        {
            mark.uuid.clone()
        }
        _ => contract::new_uuid(),
    };
    run.change_began();
    writer
        .write_mark(
            &NewMark {
                environment: environment.to_owned(),
                protected,
                uuid: uuid.clone(),
            },
            survey.mark.as_ref(),
        )
        .inspect_err(|error| {
            if error.class() != Class::Partial {
                run.change_undone();
            }
        })?;
    run.target_identity(&uuid);
    let kind = if protected {
        "protected"
    } else {
        "unprotected"
    };
    report
        .changed(Changed::Yes)
        .fact("environment", environment)
        .fact("protected", protected)
        .fact("identity", &uuid)
        .fact("place", &survey.place.endpoint)
        .summary(format!("marked as {environment}, {kind}"))
        .held(&MARKED, format!("{environment} ({kind})"));
    Ok(())
}

fn options(resolved: &Resolved, run: &Run) -> Result<Options, Failure> {
    Ok(Options {
        tool: TOOL.name,
        run_id: run.run_id().to_owned(),
        actor: contract::actor(),
        ledger: plan::ledger_name(&resolved.settings)?,
        schema: None,
        lock_timeout: Duration::from_secs(5),
        patience: db_write::PATIENCE_DEFAULT,
        stop: Stop::armed().map_err(|error| {
            Failure::caused_by(Class::Error, "cannot take signals over", &error)
        })?,
    })
}

/// What is asked for, and who asks.
struct Wish {
    environment: Option<String>,
    protected: bool,
    ci: bool,
    variable: Option<String>,
    /// Variables that `[environments.X.require]` asks for: required and found.
    require: BTreeMap<String, (String, Option<String>)>,
    confirm: Option<String>,
    target: String,
}

fn wish(args: &Args, resolved: &Resolved) -> Wish {
    let variables = Variables::of_process();
    let value = |name: &str| variables.text(name).ok().flatten().map(str::to_owned);
    let named = resolved.settings.environment.variable.as_deref();
    let declared = resolved.declared.as_ref();
    Wish {
        environment: resolved.environment.clone(),
        protected: declared.is_none_or(|declared| declared.protected),
        ci: value("CI").as_deref() == Some("true"),
        variable: value(VARIABLE).or_else(|| value(named?)),
        require: declared
            .map(|declared| {
                declared
                    .require
                    .iter()
                    .map(|(name, required)| (name.clone(), (required.clone(), value(name))))
                    .collect()
            })
            .unwrap_or_default(),
        confirm: args.confirm.clone(),
        target: resolved.target.to_string(),
    }
}

/// Makes the file, if the wish could lead to a mark at all.
fn create(target: &Target, wish: &Wish, report: &mut Report) -> Result<bool, Failure> {
    let Target::Sqlite(target) = target else {
        return Err(
            Failure::new(Class::Usage, "cannot create a PostgreSQL database")
                .remedy("create it with createdb, then mark it"),
        );
    };
    if target.path.exists() {
        return Ok(false);
    }
    let mut refusal = Report::default();
    decide(wish, &Survey::default(), &[], &mut refusal);
    if refusal.counts().fail > 0 {
        *report = refusal;
        return Ok(false);
    }
    make_file(&target.path)?;
    Ok(true)
}

fn make_file(path: &Path) -> Result<(), Failure> {
    let failed = |error: &dyn std::error::Error| {
        Failure::caused_by(
            Class::Error,
            format!("cannot create {}", path.display()),
            error,
        )
        .remedy("check that the folder exists and that this user may write in it")
    };
    // The file is made first and alone, so that two makers can't share it; SQLite writes its header
    // with the mark.
    std::fs::File::create_new(path).map_err(|error| failed(&error))?;
    rusqlite::Connection::open(path)
        .and_then(|connection| connection.execute_batch("PRAGMA user_version = 0"))
        .map_err(|error| failed(&error))
}

/// Takes back what [`make_file`] made, where it came to no mark.
fn remove_file(target: &Target) {
    if let Target::Sqlite(target) = target {
        // An empty database that stays is no harm that an error could mend.
        let _ = std::fs::remove_file(&target.path);
    }
}

/// Whether the mark may be written.
fn decide(wish: &Wish, survey: &Survey, others: &[String], report: &mut Report) {
    let Some(environment) = &wish.environment else {
        report.broken(&NAMED, VARIABLE, "no environment was named");
        return;
    };
    report.held(&NAMED, environment);
    replaceable(wish, environment, survey, report);
    if wish.protected {
        by_ci(wish, environment, report);
    }
    if wish.ci {
        return;
    }
    if wish.confirm.as_deref() == Some(&wish.target) {
        report.held(&CONFIRMED, &wish.target);
    } else {
        let message = match &wish.confirm {
            None => "not confirmed",
            Some(_) => "confirmed under another name",
        };
        report
            .broken(&CONFIRMED, &wish.target, message)
            .remedy(format!(
                "if that is the database you mean, add --confirm '{}'",
                wish.target
            ));
    }
    if others.is_empty() {
        report.held(&ALONE, &wish.target);
    } else {
        report.broken(
            &ALONE,
            &wish.target,
            format!("in use by {}", others.join(", ")),
        );
    }
}

fn replaceable(wish: &Wish, environment: &str, survey: &Survey, report: &mut Report) {
    let Some(mark) = survey.mark.as_ref().filter(|mark| mark.protected) else {
        report.held(&MARKABLE, "no protected mark");
        return;
    };
    let moved = mark.place.moved_to(&survey.place);
    // Where it was dialled proves no copy: a tunnel leads to the original. Only the mark's own
    // environment may write a new address then, in its own CI job.
    let renewed = wish.ci && same(mark, environment, wish.protected);
    if !moved.is_empty() && (renewed || mark.place.is_another(&survey.place)) {
        report.held(
            &MARKABLE,
            format!("a copy of {}: {}", mark.environment, moved.join("; ")),
        );
    } else if same(mark, environment, wish.protected) {
        report.held(&MARKABLE, format!("the mark of {environment} itself"));
    } else {
        let finding = report.broken(
            &MARKABLE,
            &mark.environment,
            format!(
                "it is protected as {}, marked {} by {}",
                mark.environment, mark.marked_at, mark.marked_by
            ),
        );
        if !moved.is_empty() {
            finding.remedy(
                "if it is a physical clone, which can't be told from a tunnel to the original, \
                 delete the row of the mark in the clone by hand",
            );
        }
    }
}

fn same(mark: &Mark, environment: &str, protected: bool) -> bool {
    mark.environment == environment && mark.protected == protected
}

fn by_ci(wish: &Wish, environment: &str, report: &mut Report) {
    let variable = wish.variable.as_deref();
    if !wish.ci {
        report.broken(
            &CI_RUN,
            environment,
            "it is protected (lockstep.toml does not declare it unprotected), and this process has no CI=true",
        );
    } else if variable != Some(environment) {
        report.broken(
            &CI_RUN,
            environment,
            format!("the job's variable says {}", variable.unwrap_or("nothing")),
        );
    } else {
        report.held(&CI_RUN, environment);
    }
    for (name, (required, found)) in &wish.require {
        if found.as_ref() != Some(required) {
            report.broken(&CI_RUN, name, format!("it is required to be {required}"));
        }
    }
}
