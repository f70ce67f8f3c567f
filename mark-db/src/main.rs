//! Marks a database with its environment, and whether it is protected.
//!
//! Writes one row. Whether the environment is protected is what `lockstep.toml` declares. A
//! protected mark is written in CI only, and never replaced but on a copy: what is protected stays
//! protected.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use contract::{Changed, Check, Class, Classify as _, Failure, Report, Run, Tool};
use db_write::{NewMark, Options, Writer};
use records::{Mark, Place, Survey};
use settings::environment::VARIABLE;
use settings::{Resolved, Target, TargetArgs, Variables};

mod original;
#[cfg(test)]
mod tests;

const TOOL: Tool = contract::tool!([
    NAMED,
    settings::TARGET_OWN,
    MARKABLE,
    CI_RUN,
    VARIABLE_MATCHES,
    REQUIREMENT_MET,
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
    holds: "a protected mark is written by a CI job",
    remedy: "run mark-db in the CI job that deploys the environment, with LOCKSTEP_ENV set to its name",
};

const VARIABLE_MATCHES: Check = Check {
    id: "variable-matches",
    holds: "the variable of a CI job names the environment that the mark will name",
    remedy: "set LOCKSTEP_ENV in the definition of the job that deploys this environment",
};

const REQUIREMENT_MET: Check = Check {
    id: "requirement-met",
    holds: "every variable that [environments.X.require] names has the required value",
    remedy: "run this where the requirement holds, such as the branch it names",
};

const CONFIRMED: Check = Check {
    id: "target-confirmed",
    holds: "the target of an unprotected mark was confirmed by name",
    remedy: "repeat the command with --confirm and the target's name",
};

const ALONE: Check = Check {
    id: "no-other-session",
    holds: "nobody else is connected to a database that gets an unprotected mark",
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

    /// The target's name as this program prints it; wanted for an unprotected mark.
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
    let wish = wish(args, &resolved);
    if args.create
        && let Some(report) = create(&wish, &resolved, run)?
    {
        return Ok(report);
    }
    mark_existing(&wish, &resolved, run)
}

fn mark_existing(wish: &Wish, resolved: &Resolved, run: &Run) -> Result<Report, Failure> {
    let mut report = Report::default();
    settings::report(&resolved.warnings, &mut report);
    let options = options(resolved, run)?;
    let ledger = options.ledger.clone();
    let mut writer = db_write::open(&resolved.target, options)?;
    writer.lock(Duration::ZERO, &mut |text| run.say(text))?;
    // A protected database is marked while its application is at work.
    let others = if wish.protected && wish.ci {
        Vec::new()
    } else {
        writer.other_sessions()?
    };
    // One that has the database open before it is refused the lock, which this one holds.
    if !others.is_empty() && others.iter().all(|other| other.starts_with(TOOL.name)) {
        return Err(Failure::new(
            Class::Busy,
            format!(
                "cannot mark {}: in use by {}",
                resolved.target,
                others.join(", ")
            ),
        )
        .remedy("run it again when that one has ended"));
    }
    let survey = writer.survey()?;
    let protected = survey.mark.as_ref().filter(|mark| mark.protected);
    let found = Found {
        others: &others,
        original_stands: protected
            .is_some_and(|mark| original::stands(mark, &survey.place, &ledger)),
        survey: &survey,
    };
    decide(wish, &found, &mut report);
    match &wish.environment {
        Some(environment) if !run.refuses(&report) => {
            write(
                writer.as_mut(),
                environment,
                wish,
                &survey,
                run,
                &mut report,
            )?;
        }
        _ => {
            report.summary("refused; nothing was changed");
        }
    }
    Ok(report)
}

/// Makes the file with its mark, if the wish leads to one; nothing where there is a file already.
fn create(wish: &Wish, resolved: &Resolved, run: &Run) -> Result<Option<Report>, Failure> {
    let Target::Sqlite(target) = &resolved.target else {
        return Err(
            Failure::new(Class::Usage, "cannot create a PostgreSQL database")
                .remedy("create it with createdb, then mark it"),
        );
    };
    if target.path.exists() {
        return Ok(None);
    }
    let mut report = Report::default();
    settings::report(&resolved.warnings, &mut report);
    let survey = Survey {
        place: Place::sqlite(&target.path),
        ..Survey::default()
    };
    let found = Found {
        survey: &survey,
        others: &[],
        original_stands: false,
    };
    decide(wish, &found, &mut report);
    let environment = match &wish.environment {
        Some(environment) if !run.refuses(&report) => environment,
        _ => {
            report.summary("refused; nothing was changed");
            return Ok(Some(report));
        }
    };
    let mark = new_mark(environment, wish.protected, &survey);
    run.change_began();
    let created = db_write::create_sqlite(target, &options(resolved, run)?, &mark)
        .inspect_err(|_| run.change_undone())?;
    if !created {
        run.change_undone();
        return Ok(None);
    }
    report.fact("created", true);
    written(&mark, &survey, run, &mut report);
    Ok(Some(report))
}

fn write(
    writer: &mut dyn Writer,
    environment: &str,
    wish: &Wish,
    survey: &Survey,
    run: &Run,
    report: &mut Report,
) -> Result<(), db_write::Error> {
    let mark = new_mark(environment, wish.protected, survey);
    run.change_began();
    writer
        .write_mark(&mark, survey.mark.as_ref())
        .inspect_err(|error| {
            if error.class() != Class::Partial {
                run.change_undone();
            }
        })?;
    written(&mark, survey, run, report);
    db_write::report_upgrade(&survey.outdated(), report);
    Ok(())
}

fn new_mark(environment: &str, protected: bool, survey: &Survey) -> NewMark {
    let uuid = match &survey.mark {
        // The same place under the same name is the same target.
        Some(mark)
            if mark.environment == environment && mark.place.moved_to(&survey.place).is_empty() =>
        {
            mark.uuid.clone()
        }
        _ => contract::new_uuid(),
    };
    NewMark {
        environment: environment.to_owned(),
        protected,
        uuid,
    }
}

fn written(mark: &NewMark, survey: &Survey, run: &Run, report: &mut Report) {
    run.target_identity(&mark.uuid);
    let kind = if mark.protected {
        "protected"
    } else {
        "unprotected"
    };
    let environment = &mark.environment;
    report
        .changed(Changed::Yes)
        .fact("environment", environment)
        .fact("protected", mark.protected)
        .fact("identity", &mark.uuid)
        .fact("place", &survey.place.endpoint)
        .summary(format!("marked as {environment}, {kind}"))
        .held(&MARKED, format!("{environment} ({kind})"));
}

fn options(resolved: &Resolved, run: &Run) -> Result<Options, Failure> {
    Options::new(TOOL.name, run, plan::ledger_name(&resolved.settings)?)
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
    /// The other environment that declares this database, if one does.
    claimed_by: Option<String>,
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
        claimed_by: resolved.claimed_by_another(),
    }
}

/// What the database is, as far as it decides.
struct Found<'a> {
    survey: &'a Survey,
    others: &'a [String],
    /// Whether the file that a SQLite database's mark names stands where it was, so that this one
    /// is its copy.
    original_stands: bool,
}

/// Whether the mark may be written.
fn decide(wish: &Wish, found: &Found<'_>, report: &mut Report) {
    let Some(environment) = &wish.environment else {
        report.broken(&NAMED, VARIABLE, "no environment was named");
        return;
    };
    report.held(&NAMED, environment);
    // A protected mark opens nothing, and the same relative path means another file in a job of its own.
    if let Some(other) = wish.claimed_by.as_ref().filter(|_| !wish.protected) {
        report
            .broken(
                &settings::TARGET_OWN,
                &wish.target,
                format!("it is declared as the database of {other}, the mark would name {environment}"),
            )
            .remedy(format!(
                "check the target; if it is {environment}'s, take it out of [environments.{other}] first"
            ));
    }
    replaceable(wish, environment, found, report);
    by_variables(wish, environment, report);
    if wish.protected && wish.ci {
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
    if found.others.is_empty() {
        report.held(&ALONE, &wish.target);
    } else {
        let others = found.others.join(", ");
        report.broken(&ALONE, &wish.target, format!("in use by {others}"));
    }
}

fn replaceable(wish: &Wish, environment: &str, found: &Found<'_>, report: &mut Report) {
    let survey = found.survey;
    let Some(mark) = survey.mark.as_ref().filter(|mark| mark.protected) else {
        report.held(&MARKABLE, "no protected mark");
        return;
    };
    let moved = mark.place.moved_to(&survey.place);
    // Another address proves no copy: a tunnel leads to the original, and so does the new path of a
    // file that was moved. Only the mark's own environment may write a new address then, in its own
    // CI job.
    let renewed = wish.ci && same(mark, environment, wish.protected);
    let copy = mark.place.is_another(&survey.place) || found.original_stands;
    if !moved.is_empty() && (renewed || copy) {
        report.held(
            &MARKABLE,
            format!(
                "{} {}: {}",
                if copy { "a copy of" } else { "moved, of" },
                mark.environment,
                moved.join("; ")
            ),
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
            finding.remedy(format!(
                "if it was moved, run mark-db in the CI job of {}; if it is a copy that can't be \
                 told from its original from here ({}), delete the row of the mark in the copy by \
                 hand",
                mark.environment,
                moved.join("; ")
            ));
        }
    }
}

fn same(mark: &Mark, environment: &str, protected: bool) -> bool {
    mark.environment == environment && mark.protected == protected
}

/// What the process has to be for this environment.
fn by_variables(wish: &Wish, environment: &str, report: &mut Report) {
    if wish.protected {
        if wish.ci {
            report.held(&CI_RUN, environment);
        } else {
            report.broken(
                &CI_RUN,
                environment,
                "it is protected (lockstep.toml does not declare it unprotected), and this process has no CI=true",
            );
        }
    }
    match wish.variable.as_deref() {
        Some(variable) if variable == environment => {
            report.held(&VARIABLE_MATCHES, environment);
        }
        None if !wish.ci && !wish.protected => {}
        variable => {
            report.broken(
                &VARIABLE_MATCHES,
                environment,
                format!(
                    "the process's variable says {}",
                    variable.unwrap_or("nothing")
                ),
            );
        }
    }
    for (name, (required, found)) in &wish.require {
        if found.as_ref() == Some(required) {
            report.held(&REQUIREMENT_MET, name);
        } else {
            report.broken(
                &REQUIREMENT_MET,
                name,
                format!("it is required to be {required}"),
            );
        }
    }
}
