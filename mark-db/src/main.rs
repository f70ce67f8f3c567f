//! Marks a database with its environment, and whether it is protected.
//!
//! Writes one row, and reads it back before it is committed. Whether the environment is protected,
//! what it demands and by which addresses its database may be reached is what `lockstep.toml`
//! declares. A protected mark is written in CI only, or where the declared `runs_in` is met, and never
//! taken away but on a copy: what is protected stays protected, and a wrong name is replaced by a job
//! that runs in that name.

use std::process::ExitCode;
use std::time::Duration;

use contract::{Changed, Check, Class, Classify as _, Failure, Manual, Report, Run, Tool};
use db_write::{NewMark, Options, Writer};
use guards::Process;
use records::{Place, Survey};
use settings::environment::VARIABLE;
use settings::file::Terms;
use settings::{Resolved, Target, TargetArgs, Variables};

mod decision;
mod original;
#[cfg(test)]
mod tests;

use decision::{Found, Rename, Wish, decide};

const TOOL: Tool = contract::tool!([
    NAMED,
    DECLARED,
    settings::TARGET_OWN,
    ENDPOINT_DECLARED,
    MARKABLE,
    CI_RUN,
    VARIABLE_MATCHES,
    REQUIREMENT_MET,
    CONFIRMED,
    ALONE,
    MARKED,
    settings::SETTINGS_USED
])
.with_manual(Manual {
    examples: &[
        (
            "mark-db --create --confirm sqlite:app.db",
            "make a SQLite database and mark it as this environment's",
        ),
        (
            "mark-db --confirm postgres://app@db.example.org:5432/app",
            "mark the environment's database, in its CI job",
        ),
    ],
    reads: &[settings::TARGET_READS, guards::READS],
    see_also: &["verify-guards", "deploy-db"],
});

const NAMED: Check = Check {
    id: "environment-named",
    holds: "the environment that the mark will name is known",
    remedy: "give --environment, or set LOCKSTEP_ENV",
};

const DECLARED: Check = Check {
    id: "environment-declared",
    holds: "lockstep.toml declares the environment that a protected mark will name",
    remedy: "write [environments.NAME] into lockstep.toml, or correct the name",
};

const ENDPOINT_DECLARED: Check = Check {
    id: "endpoint-declared",
    holds: "the database was reached at one of the addresses that its environment declares, if it does",
    remedy: "check the target; if it is right, add its address to endpoints in lockstep.toml",
};

const MARKABLE: Check = Check {
    id: "mark-replaceable",
    holds: "the database has no protected mark, or this environment's own, or one that --rename corrects, or its original's",
    remedy: "leave the mark: this database is protected",
};

const CI_RUN: Check = Check {
    id: "ci-run",
    holds: "a protected mark is written by a CI job, or where the declared runs_in is met",
    remedy: "run mark-db in the CI job that deploys the environment, with LOCKSTEP_ENV set to its name",
};

const VARIABLE_MATCHES: Check = Check {
    id: "variable-matches",
    holds: "the variable of a CI job names the environment that the mark names, or will name",
    remedy: "set LOCKSTEP_ENV in the definition of the job that deploys this environment",
};

const REQUIREMENT_MET: Check = Check {
    id: "requirement-met",
    holds: "what [environments.X.require] asks of variables holds",
    remedy: "run this where the requirement holds, such as the branch it names",
};

const CONFIRMED: Check = Check {
    id: "target-confirmed",
    holds: "the target was confirmed by name",
    remedy: "repeat the command with --confirm and the target's name",
};

const ALONE: Check = Check {
    id: "no-other-session",
    holds: "no session of another role or address is connected to a database that gets an unprotected mark",
    remedy: "stop the application first: a database in use may be somebody's production",
};

const MARKED: Check = Check {
    id: "database-marked",
    holds: "the database carries the mark, as it was read back",
    remedy: "run mark-db again",
};

#[derive(clap::Args)]
struct Args {
    #[command(flatten)]
    target: TargetArgs,

    /// The target's name as this program prints it; always wanted.
    #[arg(long, value_name = "TARGET")]
    confirm: Option<String>,

    /// Replace the protected mark of a wrong name by that of the right environment. Run it in a CI
    /// job whose LOCKSTEP_ENV is the wrong name.
    #[arg(
        long,
        num_args = 2,
        value_names = ["WRONG", "RIGHT"],
        conflicts_with_all = ["environment", "create"]
    )]
    rename: Option<Vec<String>>,

    /// Make the SQLite file if there is none. Nothing else ever makes one.
    #[arg(long)]
    create: bool,
}

fn main() -> ExitCode {
    contract::run(&TOOL, |args: Args, run| mark(&args, run))
}

fn mark(args: &Args, run: &Run) -> Result<Report, Failure> {
    let resolved = match args.rename.as_deref() {
        Some([_, right]) => args.target.load_as(right, run)?,
        _ => args.target.load(run)?,
    };
    let mut options = options(&resolved, run)?;
    options.terms = resolved.declared.as_ref().map(|declared| declared.terms());
    let wish = wish(args, &resolved);
    if args.create
        && let Some(report) = create(&wish, &resolved, &options, run)?
    {
        return Ok(report);
    }
    mark_existing(wish, &resolved, options, run)
}

fn mark_existing(
    mut wish: Wish,
    resolved: &Resolved,
    options: Options,
    run: &Run,
) -> Result<Report, Failure> {
    let mut report = Report::default();
    settings::report(&resolved.warnings, &mut report);
    let ledger = options.ledger.clone();
    let mut writer = db_write::open(&resolved.target, options)?;
    writer.lock(Duration::ZERO, &mut |text| run.say(text))?;
    // A protected database is marked while its application is at work.
    let others = if wish.protected && wish.may_protect() {
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
    wish.ask(survey.mark.as_ref().and_then(|mark| mark.terms.as_ref()));
    let protected = survey.mark.as_ref().filter(|mark| mark.protected);
    let found = Found {
        others: &others,
        original_stands: protected
            .is_some_and(|mark| original::stands(mark, &survey.place, &ledger)),
        survey: &survey,
    };
    decide(&wish, &found, &mut report);
    match &wish.environment {
        Some(environment) if !run.refuses(&report) => {
            write(
                writer.as_mut(),
                environment,
                &wish,
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
fn create(
    wish: &Wish,
    resolved: &Resolved,
    options: &Options,
    run: &Run,
) -> Result<Option<Report>, Failure> {
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
    let mark = new_mark(environment, wish, &survey);
    run.change_began();
    let created =
        db_write::create_sqlite(target, options, &mark).inspect_err(|_| run.change_undone())?;
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
    let mark = new_mark(environment, wish, survey);
    run.change_began();
    writer
        .write_mark(&mark, survey.mark.as_ref())
        .inspect_err(|error| {
            if error.class() != Class::Partial {
                run.change_undone();
            }
        })?;
    written(&mark, survey, run, report);
    db_write::report_upgrade(&survey.outdated(), None, report);
    Ok(())
}

fn new_mark(environment: &str, wish: &Wish, survey: &Survey) -> NewMark {
    let uuid = match &survey.mark {
        // The same place under the same name is the same target.
        Some(mark)
            if mark.environment == environment && mark.moved_to(&survey.place).is_empty() =>
        {
            mark.uuid.clone()
        }
        _ => contract::new_uuid(),
    };
    NewMark {
        environment: environment.to_owned(),
        protected: wish.protected,
        uuid,
        terms: Some(wish.terms.clone()),
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
        .fact(
            "mark_stores",
            mark.terms
                .as_ref()
                .map_or_else(String::new, Terms::in_words),
        )
        .summary(format!("marked as {environment}, {kind}"))
        .held(&MARKED, format!("{environment} ({kind})"));
}

fn options(resolved: &Resolved, run: &Run) -> Result<Options, Failure> {
    let settings = &resolved.settings;
    Options::new(TOOL.name, run, plan::ledger_name(settings)?, settings)
}

fn wish(args: &Args, resolved: &Resolved) -> Wish {
    // Of the process alone: an --env-file must not be able to say CI=true.
    let variables = Variables::of_process();
    let value = |name: &str| variables.text(name).ok().flatten().map(str::to_owned);
    let named = resolved.settings.environment.variable.as_deref();
    let declared = resolved.declared.as_ref();
    let terms = declared
        .map(|declared| declared.terms())
        .unwrap_or_default();
    let rename = match args.rename.as_deref() {
        Some([wrong, _]) => Some(Rename {
            wrong: wrong.clone(),
            terms: resolved
                .settings
                .environments
                .get(wrong)
                .map(|wrong| wrong.terms()),
        }),
        _ => None,
    };
    let of_wrong = rename.as_ref().and_then(|rename| rename.terms.as_ref());
    Wish {
        environment: resolved.environment.clone(),
        declared: declared.is_some(),
        protected: declared.is_none_or(|declared| declared.protected),
        process: Process::with(&variables, [&terms].into_iter().chain(of_wrong)),
        terms,
        variable: value(VARIABLE).or_else(|| value(named?)),
        rename,
        confirm: args.confirm.clone(),
        target: resolved.target.to_string(),
        claimed_by: resolved.claimed_by_another(),
    }
}
