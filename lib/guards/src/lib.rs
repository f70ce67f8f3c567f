//! Decides whether an action is allowed on a database: default deny.
//!
//! [`judge`] takes what is known and gives one ruling for each guard that applies. There is no
//! argument, variable or feature that leaves a guard out. What is allowed is allowed because the
//! mark in the database says so; a file can only add to that.

use contract::{Check, Reads, Report};
use records::{Intruder, Mark, Place, RECORDS_OWN, Survey};
use settings::environment::VARIABLE;
use settings::file::{RunsIn, Terms};
use settings::{Resolved, Variables};

mod evidence;
mod process;
#[cfg(test)]
mod tests;

pub use evidence::data_expected;
pub use process::Process;

/// What the manual page of a guarded program says of the guards.
pub const READS: Reads = Reads {
    environment: &[(
        "CI",
        "Has to be true where the database is protected, unless its environment runs_in a release; \
         what [environments.NAME.require] names beside it has to be as it says.",
    )],
    files: &[],
};

/// The run knows which environment it is for.
pub const ENVIRONMENT_NAMED: Check = Check {
    id: "environment-named",
    holds: "the run knows which environment it is for",
    remedy: "set LOCKSTEP_ENV to the environment's name, or give --environment",
};

/// The database carries a mark, or is empty and of an unprotected environment.
pub const DATABASE_MARKED: Check = Check {
    id: "database-marked",
    holds: "the database carries a mark, or is empty and of an unprotected environment",
    remedy: "mark the database with mark-db; a protected one is marked by a CI job",
};

/// The mark names the environment of this run.
pub const MARK_MATCHES: Check = Check {
    id: "mark-matches",
    holds: "the database's mark names the environment of this run",
    remedy: "check the database URL: this database belongs to another environment",
};

/// The database is where it was when it was marked.
pub const MARK_IN_PLACE: Check = Check {
    id: "mark-in-place",
    holds: "the database is where it was when it was marked, so it is no copy",
    remedy: "if this is a copy or was moved on purpose, mark it anew with mark-db",
};

/// The data that a marked database had is there.
pub const DATA_PRESENT: Check = Check {
    id: "data-present",
    holds: "a database that had tables still has some",
    remedy: "find out where the data went before anything is deployed; restore the newest snapshot",
};

/// A protected database is changed where its environment runs: in CI, unless it says otherwise.
pub const CI_RUN: Check = Check {
    id: "ci-run",
    holds: "a protected database is changed by a CI job only, or where its runs_in says",
    remedy: "run this in the CI job that deploys; CI sets CI=true there",
};

/// The job's own variable says which environment it deploys.
pub const VARIABLE_MATCHES: Check = Check {
    id: "variable-matches",
    holds: "the job's variable names the environment that the protected database belongs to",
    remedy: "set LOCKSTEP_ENV in the definition of the job that deploys this environment",
};

/// What the environment requires of the process holds.
pub const REQUIREMENT_MET: Check = Check {
    id: "requirement-met",
    holds: "what the mark and [environments.X.require] ask of variables holds",
    remedy: "run this where the requirement holds, such as the branch it names",
};

/// The mark stores what the file declares.
pub const MARK_CURRENT: Check = Check {
    id: "mark-current",
    holds: "the mark stores the requirements and addresses that lockstep.toml declares (a warning)",
    remedy: "run mark-db again with --confirm; for a protected database in its environment's CI job",
};

/// An unprotected mark is declared unprotected too.
pub const DECLARED_UNPROTECTED: Check = Check {
    id: "declared-unprotected",
    holds: "lockstep.toml declares the environment of an unprotected database unprotected too",
    remedy: "write `protected = false` under the environment in lockstep.toml, or mark the database anew in CI",
};

/// Every guard, in the order in which they are judged.
pub const CHECKS: [Check; 12] = [
    ENVIRONMENT_NAMED,
    DATABASE_MARKED,
    MARK_MATCHES,
    MARK_IN_PLACE,
    settings::TARGET_OWN,
    DATA_PRESENT,
    CI_RUN,
    VARIABLE_MATCHES,
    REQUIREMENT_MET,
    MARK_CURRENT,
    DECLARED_UNPROTECTED,
    RECORDS_OWN,
];

/// What is about to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Migrations are applied. May begin on an empty database, which it marks.
    Deploy,
    /// Anything else that is guarded: a copy of production is production.
    Other,
}

/// What is known of database and process. Built from a mark that was read on the session that will
/// act.
#[derive(Clone, Debug)]
pub struct Situation<'a> {
    /// What is about to be done.
    pub action: Action,
    /// The environment of this run: the flag, else the variable.
    pub environment: Option<&'a str>,
    /// The process's own variable: `LOCKSTEP_ENV`, or the one that the file names in its place.
    pub variable: Option<&'a str>,
    /// Name of that variable.
    pub variable_name: &'a str,
    /// The process that asks.
    pub process: Process,
    /// Whether the file declares this environment, and as what.
    pub declared: Declared<'a>,
    /// The database's mark.
    pub mark: Option<&'a Mark>,
    /// Where the database is now.
    pub place: &'a Place,
    /// Whether the database has a table that is not Lockstep's.
    pub occupied: bool,
    /// The other environment that declares this database, if one does.
    pub claimed_by: Option<&'a str>,
    /// Why the database should have tables (`its ledger has 7 migrations`), if something says so.
    pub data_expected: Option<&'a str>,
}

/// What `lockstep.toml` says of the environment.
#[derive(Clone, Debug)]
pub struct Declared<'a> {
    /// `protected`, true unless the file says otherwise. An environment that the file does not
    /// name is protected.
    pub protected: bool,
    /// What it demands; nothing where the file does not name the environment.
    pub terms: Option<&'a Terms>,
}

impl Declared<'_> {
    /// What holds where the file says nothing.
    pub fn nothing() -> Declared<'static> {
        Declared {
            protected: true,
            terms: None,
        }
    }
}

/// The answer of one guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// Which guard.
    pub guard: &'static Check,
    /// Whether it lets the action pass.
    pub held: bool,
    /// Whether somebody should look all the same.
    pub warns: bool,
    /// What it looked at.
    pub subject: String,
    /// Why it does not let the action pass.
    pub message: String,
    /// What to do, where the guard's own remedy is too general.
    pub remedy: Option<String>,
}

/// The rulings of every guard that applies. The action is allowed if all of them hold.
pub fn judge(situation: &Situation<'_>) -> Vec<Ruling> {
    let mut rulings = Vec::new();
    let Some(environment) = situation.environment else {
        rulings.push(broken(
            &ENVIRONMENT_NAMED,
            situation.variable_name,
            "no environment was named",
        ));
        return rulings;
    };
    rulings.push(held(&ENVIRONMENT_NAMED, environment));
    // Where there is a mark, the mark says whose the database is.
    if let Some(other) = situation.claimed_by.filter(|_| situation.mark.is_none()) {
        rulings.push(broken(
            &settings::TARGET_OWN,
            "target",
            format!("it is declared as the database of {other}, this run is for {environment}"),
        ));
    }
    if let Some(why) = situation.data_expected.filter(|_| !situation.occupied) {
        rulings.push(broken(
            &DATA_PRESENT,
            "database",
            format!("it has no table, although {why}"),
        ));
    } else if situation.mark.is_some() {
        rulings.push(held(&DATA_PRESENT, "database"));
    }
    match situation.mark {
        None => unmarked(situation, environment, &mut rulings),
        Some(mark) => marked(situation, environment, mark, &mut rulings),
    }
    rulings
}

/// The rulings for a target that was resolved and surveyed, with the variables of this process.
/// `data_expected` is what else says that the database should have tables, beside its ledger.
pub fn judge_target(
    action: Action,
    resolved: &Resolved,
    survey: &Survey,
    data_expected: Option<String>,
) -> Vec<Ruling> {
    // Of the process alone: an --env-file must not be able to say CI=true.
    judge_with(
        &Variables::of_process(),
        action,
        resolved,
        survey,
        data_expected,
    )
}

fn judge_with(
    variables: &Variables,
    action: Action,
    resolved: &Resolved,
    survey: &Survey,
    data_expected: Option<String>,
) -> Vec<Ruling> {
    let value = |name: &str| variables.text(name).ok().flatten();
    let named = resolved.settings.environment.variable.as_deref();
    let variable_name = match named {
        Some(named) if value(VARIABLE).is_none() => named,
        _ => VARIABLE,
    };
    let terms = resolved.declared.as_ref().map(|declared| declared.terms());
    let declared = match &resolved.declared {
        None => Declared::nothing(),
        Some(declared) => Declared {
            protected: declared.protected,
            terms: terms.as_ref(),
        },
    };
    let stored = survey.mark.as_ref().and_then(|mark| mark.terms.as_ref());
    let process = Process::with(variables, stored.into_iter().chain(&terms));
    let data_expected = survey.data_expected().or(data_expected);
    let claimed_by = resolved.claimed_by_another();
    let mut rulings = judge(&Situation {
        claimed_by: claimed_by.as_deref(),
        action,
        environment: resolved.environment.as_deref(),
        variable: value(variable_name),
        variable_name,
        process,
        declared,
        mark: survey.mark.as_ref(),
        place: &survey.place,
        occupied: survey.occupied(),
        data_expected: data_expected.as_deref(),
    });
    rulings.extend(records_own(survey));
    rulings
}

/// The rulings on Lockstep's own tables, where there are any.
fn records_own(survey: &Survey) -> Vec<Ruling> {
    if survey.intruders.is_empty() {
        let there = survey.mark.is_some() || survey.ledger.is_some();
        return Vec::from_iter(there.then(|| held(&RECORDS_OWN, "records")));
    }
    let ruling = |intruder: &Intruder| Ruling {
        remedy: Some(intruder.remedy.clone()),
        ..broken(
            &RECORDS_OWN,
            intruder.table.clone(),
            intruder.message.clone(),
        )
    };
    survey.intruders.iter().map(ruling).collect()
}

/// Whether every guard lets the action pass.
pub fn allowed(rulings: &[Ruling]) -> bool {
    rulings.iter().all(|ruling| ruling.held)
}

/// Enters the rulings as findings.
pub fn report(rulings: &[Ruling], report: &mut Report) {
    for ruling in rulings {
        if ruling.held && !ruling.warns {
            report.held(ruling.guard, &ruling.subject);
        } else {
            let finding = match ruling.held {
                true => report.warned(ruling.guard, &ruling.subject, &ruling.message),
                false => report.broken(ruling.guard, &ruling.subject, &ruling.message),
            };
            if let Some(remedy) = &ruling.remedy {
                finding.remedy(remedy);
            }
        }
    }
}

fn unmarked(situation: &Situation<'_>, environment: &str, rulings: &mut Vec<Ruling>) {
    let message = if situation.occupied {
        "it has tables and no mark, so it counts as protected"
    } else if situation.declared.protected {
        "it has no mark, and the environment is protected"
    } else if situation.action != Action::Deploy {
        "it has no mark; only deploy-db may begin on an empty database"
    } else {
        rulings.push(held(&DATABASE_MARKED, "empty database"));
        return;
    };
    let mut ruling = broken(&DATABASE_MARKED, "database", message);
    ruling.remedy = Some(if situation.declared.protected {
        format!(
            "run mark-db --environment {environment} in a CI job of that environment; it says what \
             to confirm"
        )
    } else {
        format!("run mark-db --environment {environment}")
    });
    rulings.push(ruling);
}

fn marked(situation: &Situation<'_>, environment: &str, mark: &Mark, rulings: &mut Vec<Ruling>) {
    let kind = if mark.protected {
        "protected"
    } else {
        "unprotected"
    };
    rulings.push(held(
        &DATABASE_MARKED,
        format!("{} ({kind})", mark.environment),
    ));
    if mark.environment == environment {
        rulings.push(held(&MARK_MATCHES, &mark.environment));
    } else {
        rulings.push(broken(
            &MARK_MATCHES,
            "database",
            format!(
                "it belongs to {} ({kind}), this run is for {environment}",
                mark.environment
            ),
        ));
    }
    let moved = mark.moved_to(situation.place);
    if moved.is_empty() {
        rulings.push(held(&MARK_IN_PLACE, &situation.place.endpoint));
    } else {
        let mut ruling = broken(
            &MARK_IN_PLACE,
            "database",
            format!("copied or moved: {}", moved.join("; ")),
        );
        ruling.remedy = Some(if mark.protected {
            let owner = &mark.environment;
            format!(
                "if it was moved on purpose, run mark-db --environment {owner} in the CI job of \
                 {owner}; if it is a copy, mark it as another environment with mark-db"
            )
        } else {
            format!("mark it anew with mark-db --environment {environment}")
        });
        rulings.push(ruling);
    }
    if mark.environment == environment {
        current(situation, mark, rulings);
        requirements(situation, mark, rulings);
    }
    if mark.protected {
        protected(situation, mark, rulings);
    } else if mark.environment != environment {
        // What the file says of another environment than the mark's says nothing of this database,
        // and its remedy would be to declare the wrong one unprotected.
    } else if situation.declared.protected {
        rulings.push(broken(
            &DECLARED_UNPROTECTED,
            environment,
            "the mark says unprotected, lockstep.toml does not",
        ));
    } else {
        rulings.push(held(&DECLARED_UNPROTECTED, environment));
    }
}

fn protected(situation: &Situation<'_>, mark: &Mark, rulings: &mut Vec<Ruling>) {
    where_it_runs(situation, mark, rulings);
    let name = situation.variable_name;
    match situation.variable {
        Some(value) if value == mark.environment => {
            rulings.push(held(&VARIABLE_MATCHES, name));
        }
        Some(value) => rulings.push(broken(
            &VARIABLE_MATCHES,
            name,
            format!(
                "it says {value}, the database belongs to {}",
                mark.environment
            ),
        )),
        None => rulings.push(broken(
            &VARIABLE_MATCHES,
            name,
            format!("not set, the database belongs to {}", mark.environment),
        )),
    }
}

/// An action runs where the mark says, and where the file says of the mark's environment.
fn where_it_runs(situation: &Situation<'_>, mark: &Mark, rulings: &mut Vec<Ruling>) {
    // A mark that stores nothing was written when CI was the only place.
    let stored = mark.terms.as_ref().map(|terms| terms.runs_in);
    let of_file = situation.declared.terms.map(|terms| terms.runs_in);
    let of_file = of_file.filter(|_| situation.environment == Some(mark.environment.as_str()));
    let mut places = vec![stored.unwrap_or_default()];
    places.extend(of_file.filter(|place| *place != places[0]));
    let owner = &mark.environment;
    for place in places {
        rulings.push(match place {
            RunsIn::Ci if situation.process.ci => held(&CI_RUN, "CI"),
            RunsIn::Ci => broken(
                &CI_RUN,
                "CI",
                format!("{owner} is protected, and this process has no CI=true"),
            ),
            RunsIn::Release if situation.process.terminal => Ruling {
                remedy: Some(
                    "let the platform run this: as its release phase or start command".to_owned(),
                ),
                ..broken(
                    &CI_RUN,
                    "release",
                    format!(
                        "{owner} is protected and runs_in = \"release\", and this process has a \
                         terminal"
                    ),
                )
            },
            RunsIn::Release => held(&CI_RUN, "release"),
        });
    }
}

/// What the mark and the file ask of variables, once where both ask the same.
fn requirements(situation: &Situation<'_>, mark: &Mark, rulings: &mut Vec<Ruling>) {
    let stored = mark.terms.as_ref().map(|terms| &terms.require);
    let of_file = situation.declared.terms.map(|terms| &terms.require);
    let both = of_file
        .into_iter()
        .flatten()
        .map(|requirement| (requirement, false))
        .chain(
            stored
                .into_iter()
                .flatten()
                .filter(|(name, required)| {
                    of_file.and_then(|of_file| of_file.get(*name)) != Some(*required)
                })
                .map(|requirement| (requirement, true)),
        );
    for ((name, required), by_mark) in both {
        let found = situation.process.value(name);
        if required.is_met(found) {
            rulings.push(held(&REQUIREMENT_MET, name));
            continue;
        }
        // The values are names of branches and the like, which the file holds in the clear;
        // what the process has instead may be anything, so it is not shown.
        let found = match found {
            Some(_) => "has another value",
            None => "is not set",
        };
        let mut ruling = broken(
            &REQUIREMENT_MET,
            name,
            match by_mark {
                true => format!("{found}; by the database's mark {required}"),
                false => format!("{found}, {required}"),
            },
        );
        if by_mark {
            ruling.remedy = Some(format!(
                "run this where it holds; if lockstep.toml asks for something else by now, run \
                 mark-db --environment {} --confirm TARGET in that environment's CI job first",
                mark.environment
            ));
        }
        rulings.push(ruling);
    }
    // Without a variable of the platform's, "release" would mean any process without a terminal.
    let release = mark
        .terms
        .as_ref()
        .filter(|terms| terms.runs_in == RunsIn::Release);
    if release.is_some_and(|terms| terms.require.is_empty()) {
        rulings.push(broken(
            &REQUIREMENT_MET,
            "mark",
            "it says release, and names no variable of the platform",
        ));
    }
}

/// Whether the mark stores what the file declares. One of an earlier format gets it with the first
/// change.
fn current(situation: &Situation<'_>, mark: &Mark, rulings: &mut Vec<Ruling>) {
    let Some(declared) = situation.declared.terms else {
        return;
    };
    if mark.format < records::MARK_FORMAT {
        return;
    }
    let stored = mark.terms.clone().unwrap_or_default();
    let mut ruling = held(&MARK_CURRENT, &mark.environment);
    if stored != *declared {
        ruling.warns = true;
        ruling.message = format!(
            "it stores {}; lockstep.toml declares {}",
            stored.in_words(),
            declared.in_words()
        );
        ruling.remedy = mark.protected.then(|| {
            format!(
                "run mark-db --environment {} --confirm TARGET in the CI job of that environment",
                mark.environment
            )
        });
    }
    rulings.push(ruling);
}

fn held(guard: &'static Check, subject: impl Into<String>) -> Ruling {
    Ruling {
        guard,
        held: true,
        warns: false,
        subject: subject.into(),
        message: String::new(),
        remedy: None,
    }
}

fn broken(guard: &'static Check, subject: impl Into<String>, message: impl Into<String>) -> Ruling {
    Ruling {
        guard,
        held: false,
        warns: false,
        subject: subject.into(),
        message: message.into(),
        remedy: None,
    }
}
