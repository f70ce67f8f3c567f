//! Whether a mark may be written, over what is there and who asks.

use contract::Report;
use guards::Process;
use records::{Mark, Survey};
use settings::Variables;
use settings::environment::VARIABLE;
use settings::file::{RunsIn, Terms};

use crate::{
    ALONE, CI_RUN, CONFIRMED, DECLARED, ENDPOINT_DECLARED, MARKABLE, NAMED, REQUIREMENT_MET,
    VARIABLE_MATCHES,
};

/// What is asked for, and who asks.
pub(crate) struct Wish {
    pub(crate) environment: Option<String>,
    /// Whether the file declares it.
    pub(crate) declared: bool,
    pub(crate) protected: bool,
    /// What the file declares that it demands, which the mark will store.
    pub(crate) terms: Terms,
    pub(crate) process: Process,
    pub(crate) variable: Option<String>,
    pub(crate) rename: Option<Rename>,
    pub(crate) confirm: Option<String>,
    pub(crate) target: String,
    /// The other environment that declares this database, if one does.
    pub(crate) claimed_by: Option<String>,
}

/// A protected mark under a wrong name that is to be replaced.
pub(crate) struct Rename {
    /// The name that the mark has.
    pub(crate) wrong: String,
    /// What the file declares that the environment of that name demands, where there is one.
    pub(crate) terms: Option<Terms>,
}

impl Wish {
    /// Whether the process may write protected marks: a CI job may, and what `runs_in` describes.
    pub(crate) fn may_protect(&self) -> bool {
        self.process.ci || self.is_release(&self.terms)
    }

    fn is_release(&self, terms: &Terms) -> bool {
        terms.runs_in == RunsIn::Release
            && !terms.require.is_empty()
            && !self.process.terminal
            && self.process.unmet(terms).is_empty()
    }

    /// Looks up the variables that the mark that is there asks for.
    pub(crate) fn ask(&mut self, stored: Option<&Terms>) {
        let more = Process::with(&Variables::of_process(), stored.into_iter());
        self.process.values.extend(more.values);
    }
}

/// What the database is, as far as it decides.
pub(crate) struct Found<'a> {
    pub(crate) survey: &'a Survey,
    pub(crate) others: &'a [String],
    /// Whether the file that a SQLite database's mark names stands where it was, so that this one
    /// is its copy.
    pub(crate) original_stands: bool,
}

/// Whether the mark may be written.
pub(crate) fn decide(wish: &Wish, found: &Found<'_>, report: &mut Report) {
    let Some(environment) = &wish.environment else {
        report.broken(&NAMED, VARIABLE, "no environment was named");
        return;
    };
    report.held(&NAMED, environment);
    if wish.protected {
        declared(wish, environment, report);
    }
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
    at_an_endpoint(wish, environment, found, report);
    match &wish.rename {
        Some(rename) => renameable(wish, environment, rename, found, report),
        None => replaceable(wish, environment, found, report),
    }
    by_process(wish, environment, found, report);
    confirmed(wish, report);
    if wish.protected && wish.may_protect() {
        return;
    }
    if found.others.is_empty() {
        report.held(&ALONE, &wish.target);
    } else {
        let others = found.others.join(", ");
        report.broken(&ALONE, &wish.target, format!("in use by {others}"));
    }
}

/// A protected mark stays for good, so its name is one that somebody has reviewed.
fn declared(wish: &Wish, environment: &str, report: &mut Report) {
    if wish.declared {
        report.held(&DECLARED, environment);
    } else {
        report
            .broken(
                &DECLARED,
                environment,
                "no lockstep.toml declares it, so nobody has reviewed the name",
            )
            .remedy(format!(
                "write [environments.{environment}] into lockstep.toml, if the name is right"
            ));
    }
}

fn at_an_endpoint(wish: &Wish, environment: &str, found: &Found<'_>, report: &mut Report) {
    let endpoints = &wish.terms.endpoints;
    if endpoints.is_empty() {
        return;
    }
    let place = &found.survey.place;
    if place.is_at_one_of(endpoints) {
        report.held(&ENDPOINT_DECLARED, &place.endpoint);
    } else {
        report
            .broken(
                &ENDPOINT_DECLARED,
                &place.endpoint,
                format!("{environment} may be reached at {}", endpoints.join(", ")),
            )
            .remedy(format!(
                "check the target; if it is right, add {:?} to endpoints in \
                 [environments.{environment}]",
                place.endpoint
            ));
    }
}

fn confirmed(wish: &Wish, report: &mut Report) {
    if wish.confirm.as_deref() == Some(&wish.target) {
        report.held(&CONFIRMED, &wish.target);
        return;
    }
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

fn replaceable(wish: &Wish, environment: &str, found: &Found<'_>, report: &mut Report) {
    let survey = found.survey;
    let Some(mark) = survey.mark.as_ref().filter(|mark| mark.protected) else {
        report.held(&MARKABLE, "no protected mark");
        return;
    };
    let moved = mark.moved_to(&survey.place);
    // Another address proves no copy: a tunnel leads to the original, and so does the new path of a
    // file that was moved. Only the mark's own environment may write a new address then, in its own
    // CI job.
    let renewed = wish.may_protect() && same(mark, environment, wish.protected);
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
        } else if wish.protected {
            let wrong = &mark.environment;
            finding.remedy(format!(
                "leave the mark, or, if {wrong} is a wrong name for this database, run in a CI job: \
                 {VARIABLE}={wrong} mark-db --rename {wrong} {environment} --confirm '{}'",
                wish.target
            ));
        }
    }
}

fn renameable(
    wish: &Wish,
    environment: &str,
    rename: &Rename,
    found: &Found<'_>,
    report: &mut Report,
) {
    let wrong = &rename.wrong;
    let mark = found.survey.mark.as_ref().filter(|mark| mark.protected);
    let mut broken = |message: String, remedy: &str| {
        report.broken(&MARKABLE, wrong, message).remedy(remedy);
    };
    match mark {
        None => broken(
            "the database has no protected mark".to_owned(),
            "run mark-db without --rename",
        ),
        Some(mark) if mark.environment != *wrong => broken(
            format!("the mark names {}", mark.environment),
            "give --rename the name that the mark has, and the right one",
        ),
        Some(_) if !wish.protected => broken(
            format!("{environment} is declared unprotected, and what is protected stays protected"),
            "name a protected environment; of a database that should be none, delete the row of \
             the mark by hand",
        ),
        Some(_) => {
            report.held(
                &MARKABLE,
                format!("the mark of {wrong}, renamed {environment}"),
            );
        }
    }
}

fn same(mark: &Mark, environment: &str, protected: bool) -> bool {
    mark.environment == environment && mark.protected == protected
}

/// What the process has to be: for this environment, or, to rename its mark, for the one whose
/// name the mark has.
fn by_process(wish: &Wish, environment: &str, found: &Found<'_>, report: &mut Report) {
    let stored = found
        .survey
        .mark
        .as_ref()
        .and_then(|mark| mark.terms.as_ref());
    let none = Terms::default();
    let (runs_for, terms) = match &wish.rename {
        // The mark's own word, for the file may not know that environment.
        Some(rename) => {
            let known = stored.or(rename.terms.as_ref());
            (rename.wrong.as_str(), known.unwrap_or(&none))
        }
        None => (environment, &wish.terms),
    };
    if wish.protected {
        where_it_runs(wish, runs_for, terms, report);
    }
    match wish.variable.as_deref() {
        Some(variable) if variable == runs_for => {
            report.held(&VARIABLE_MATCHES, runs_for);
        }
        None if !wish.process.ci && !wish.protected => {}
        variable => {
            let finding = report.broken(
                &VARIABLE_MATCHES,
                runs_for,
                format!(
                    "the process's variable says {}",
                    variable.unwrap_or("nothing")
                ),
            );
            if wish.rename.is_some() {
                finding.remedy(format!(
                    "set {VARIABLE}={runs_for} for this command: it runs in the name that the mark has"
                ));
            }
        }
    }
    // In a CI job the variables of the platform's release can't be there.
    if terms.runs_in == RunsIn::Release && wish.process.ci {
        return;
    }
    let unmet = wish.process.unmet(terms);
    for (name, required) in &terms.require {
        if unmet.contains(&name.as_str()) {
            let found = match wish.process.value(name) {
                Some(_) => "has another value",
                None => "is not set",
            };
            report.broken(&REQUIREMENT_MET, name, format!("{found}, {required}"));
        } else {
            report.held(&REQUIREMENT_MET, name);
        }
    }
}

fn where_it_runs(wish: &Wish, runs_for: &str, terms: &Terms, report: &mut Report) {
    if wish.process.ci {
        report.held(&CI_RUN, runs_for);
    } else if terms.runs_in == RunsIn::Ci {
        report.broken(
            &CI_RUN,
            runs_for,
            "it is protected (lockstep.toml does not declare it unprotected), and this process has no CI=true",
        );
    } else if wish.process.terminal {
        report
            .broken(
                &CI_RUN,
                runs_for,
                "it is protected and runs_in = \"release\", and this process has a terminal",
            )
            .remedy(
                "let the platform run this, as its release phase or start command, or a CI job",
            );
    } else {
        // Whether it is the platform, its variables say.
        report.held(&CI_RUN, runs_for);
    }
}
