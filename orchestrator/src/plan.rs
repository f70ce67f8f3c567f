//! What a run will do, decided before anything runs.

use std::path::PathBuf;
use std::time::Duration;

use settings::nearest::nearest;

use crate::frozen;
use crate::pipeline::{Changes, Defaults, Pipeline, Retry, Step};
use crate::programs::Found;
use crate::promise::{Promise, Verb, is_suite_name, suite};

/// How long a clean-up step that changes the database may take where it does not say: a restore
/// that is cut short is worse than one that takes long.
const REPAIR_TIMEOUT: Duration = Duration::from_secs(3600);

/// What a change to a protected database stands after.
const CHANGE_NEEDS: [&str; 2] = ["verify-migrations", "backup-snapshot"];

/// Everything that a run will do.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) steps: Vec<PlannedStep>,
    pub(crate) rollback: Vec<PlannedStep>,
    pub(crate) on_failure: Vec<PlannedStep>,
    pub(crate) finally: Vec<PlannedStep>,
}

/// One step with every default filled in.
#[derive(Clone, Debug)]
pub(crate) struct PlannedStep {
    pub(crate) part: Part,
    /// From 1, within its part.
    pub(crate) number: usize,
    /// Unique within the run; names the log file, and `LOCKSTEP_STEP`.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) line: Option<u32>,
    /// As declared, the program's name first.
    pub(crate) run: Vec<String>,
    pub(crate) program: PathBuf,
    pub(crate) promise: Promise,
    pub(crate) timeout: Duration,
    pub(crate) grace: Duration,
    pub(crate) env: Option<Vec<String>>,
    pub(crate) retry: Option<Retry>,
}

/// The four lists of a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Step,
    /// Undoes, where there is something to undo.
    Rollback,
    /// After every failure.
    OnFailure,
    Finally,
}

impl Part {
    /// As it stands in the pipeline file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Part::Step => "step",
            Part::Rollback => "rollback",
            Part::OnFailure => "on_failure",
            Part::Finally => "finally",
        }
    }
}

/// Why a pipeline is not run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: ProblemKind,
    pub(crate) subject: String,
    pub(crate) line: Option<u32>,
    pub(crate) what: String,
    pub(crate) remedy: String,
}

/// Which check a problem breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProblemKind {
    /// A step says too little or too much.
    Declaration,
    /// The steps stand in a dangerous order.
    Order,
    /// Exit code 127.
    Missing,
    /// Exit code 126.
    NotRunnable,
}

impl Plan {
    /// Every step of the four parts, in the order in which they run.
    pub(crate) fn all(&self) -> impl Iterator<Item = &PlannedStep> {
        self.steps
            .iter()
            .chain(&self.rollback)
            .chain(&self.on_failure)
            .chain(&self.finally)
    }
}

/// Plans a pipeline. `protected` is whether the order of steps has to protect the data; `find`
/// looks a program up.
///
/// # Errors
///
/// Everything that is wrong with it, declarations first.
pub(crate) fn plan(
    pipeline: &Pipeline,
    protected: bool,
    find: impl Fn(&str) -> Found,
) -> Result<Plan, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut part = |part: Part, steps: &[Step]| -> Vec<PlannedStep> {
        let number_from_one = steps.iter().enumerate().map(|(at, step)| (at + 1, step));
        number_from_one
            .map(|(number, step)| {
                let found = find(&step.run[0]);
                plan_step(part, number, step, found, &pipeline.defaults, &mut problems)
            })
            .collect()
    };
    let plan = Plan {
        name: pipeline.name.clone(),
        steps: part(Part::Step, &pipeline.steps),
        rollback: part(Part::Rollback, &pipeline.rollback),
        on_failure: part(Part::OnFailure, &pipeline.on_failure),
        finally: part(Part::Finally, &pipeline.finally),
    };
    check_order(&plan, protected, &mut problems);
    if problems.is_empty() {
        return Ok(plan);
    }
    problems.sort_by_key(|problem| match problem.kind {
        ProblemKind::Declaration | ProblemKind::Order => 0,
        ProblemKind::Missing | ProblemKind::NotRunnable => 1,
    });
    Err(problems)
}

fn plan_step(
    part: Part,
    number: usize,
    step: &Step,
    found: Found,
    defaults: &Defaults,
    problems: &mut Vec<Problem>,
) -> PlannedStep {
    let name = step
        .name
        .clone()
        .unwrap_or_else(|| file_name(&step.run[0]).to_owned());
    let mut problem = |kind: ProblemKind, what: String, remedy: &str| {
        problems.push(Problem {
            kind,
            subject: format!("{} {number} ({name})", part.name()),
            line: step.line,
            what,
            remedy: remedy.to_owned(),
        });
    };
    let promise = promise(step, &found).unwrap_or_else(|(what, remedy)| {
        problem(ProblemKind::Declaration, what, remedy);
        Promise::Foreign(step.changes.unwrap_or(Changes::Nothing))
    });
    if part == Part::OnFailure && !promise.leaves_files_and_database() {
        let what = format!(
            "it {}, and [[on_failure]] runs after every failure, also after one that has left \
             nothing to undo: it holds only steps that change nothing or a service",
            promise.does()
        );
        let remedy = if promise.changes_target() {
            "make it a [[rollback]], which runs only where there is something to undo"
        } else {
            "make it a [[finally]], which always runs, or a [[rollback]], which runs only where \
             there is something to undo"
        };
        problem(ProblemKind::Declaration, what, remedy);
    }
    if promise.changes_database() && step.timeout.is_none() && part == Part::Step {
        let what = "it changes the database and has no timeout of its own".to_owned();
        problem(
            ProblemKind::Declaration,
            what,
            "give the step the timeout that this change may take, as timeout = \"20m\"",
        );
    }
    if step.retry.is_some() && !promise.may_be_retried() {
        let what = match promise {
            Promise::Ours(_) => "retry stands at a step that writes something",
            Promise::Foreign(_) => {
                "retry goes by exit class, and a foreign program's exit codes have none"
            }
        };
        let remedy = "take retry out, or put a verify-connection with that retry before the step";
        problem(ProblemKind::Declaration, what.to_owned(), remedy);
    }
    let program = match found {
        Found::Runnable { path, .. } => path,
        Found::NotRunnable { path, obstacle } => {
            let what = format!("{} can't be run: {}", path.display(), obstacle.why);
            problem(ProblemKind::NotRunnable, what, &obstacle.remedy);
            path
        }
        Found::Missing => {
            let program = &step.run[0];
            let (what, remedy) = if program.contains('/') {
                (
                    format!("{program} does not exist"),
                    "a path is relative to the pipeline file",
                )
            } else {
                (
                    format!(
                        "{program} is neither beside the orchestrator nor in PATH{}",
                        meant(program)
                    ),
                    "install it, or write its path",
                )
            };
            problem(ProblemKind::Missing, what, remedy);
            PathBuf::from(program)
        }
    };
    PlannedStep {
        part,
        number,
        id: id(part, number, &name),
        name,
        line: step.line,
        run: step.run.clone(),
        program,
        promise,
        timeout: step.timeout.unwrap_or_else(|| {
            if promise.changes_database() && part != Part::Step {
                defaults.timeout.max(REPAIR_TIMEOUT)
            } else {
                defaults.timeout
            }
        }),
        grace: step.grace.unwrap_or(defaults.grace),
        env: step.env.clone(),
        retry: step.retry.clone(),
    }
}

/// The program of the suite whose name was probably meant, as a question.
fn meant(program: &str) -> String {
    match nearest(file_name(program), suite()) {
        Some(known) if known != file_name(program) => format!("; did you mean {known:?}?"),
        _ => String::new(),
    }
}

/// A program of the suite has a verb and stands beside the orchestrator, or is called by its bare
/// name alone; its result has to prove it. Anything else declares what it changes, and what has the
/// name of a program of the suite can't be declared to do less than that one does.
fn promise(step: &Step, found: &Found) -> Result<Promise, (String, &'static str)> {
    let program = &step.run[0];
    let verb = Verb::of(file_name(program));
    let beside = matches!(found, Found::Runnable { beside: true, .. });
    let bare = !program.contains('/');
    let suite_name = is_suite_name(file_name(program));
    match (verb, step.changes) {
        (Some(verb), None) if beside || bare => Ok(Promise::Ours(verb)),
        (Some(_), Some(_)) if beside || (bare && suite_name) => Err((
            format!("{program} is a program of the suite, its verb says what it changes"),
            "take changes out of this step",
        )),
        (Some(verb), Some(changes)) if suite_name && !Promise::Ours(verb).is_within(changes) => {
            Err((
                format!("{program} has the name of a program of the suite that changes more"),
                "say what that one changes, or give this program a name of its own",
            ))
        }
        (_, Some(changes)) => Ok(Promise::Foreign(changes)),
        (_, None) => Err((
            format!(
                "{program} is not a program of the suite and does not say what it changes{}",
                meant(program)
            ),
            "add changes = \"nothing\", \"files\", \"database\" or \"service\" to the step",
        )),
    }
}

fn check_order(plan: &Plan, protected: bool, problems: &mut Vec<Problem>) {
    let mut problem = |step: &PlannedStep, what: String, remedy: &str| {
        problems.push(Problem {
            kind: ProblemKind::Order,
            subject: format!("{} {} ({})", step.part.name(), step.number, step.name),
            line: step.line,
            what,
            remedy: remedy.to_owned(),
        });
    };
    if protected {
        for (at, step) in plan.steps.iter().enumerate() {
            if !step.promise.changes_database() {
                continue;
            }
            for needed in CHANGE_NEEDS {
                if !plan.steps[..at]
                    .iter()
                    .any(|before| is_ours(before, needed))
                {
                    let what = format!("it changes a protected database before any {needed}");
                    problem(
                        step,
                        what,
                        "put the verification and the backup before the change",
                    );
                }
            }
        }
        for step in &plan.finally {
            if step.promise.changes_database() {
                let what = "it would change a protected database after every run, failed or not";
                problem(
                    step,
                    what.to_owned(),
                    "make it a [[step]] or a [[rollback]]",
                );
            }
        }
    }
    if let Some(first) = plan.rollback.first()
        && !handles_service(first)
        && plan.steps.iter().any(handles_service)
        && plan
            .rollback
            .iter()
            .any(|step| step.promise.changes_database())
    {
        let what = "the rollback would change the database while the service that a step has \
                    started writes to it";
        problem(
            first,
            what.to_owned(),
            "put a step that stops the service before it, with changes = \"service\"",
        );
    }
    for (at, step) in plan.rollback.iter().enumerate() {
        let before = plan.steps.iter().chain(&plan.rollback[..at]);
        if acts_as(step, Verb::Restore) && !frozen::holds_whenever_armed(before) {
            let what = "it would restore a snapshot although nothing froze the data before that \
                        snapshot was taken: writes made since would be lost";
            problem(
                step,
                what.to_owned(),
                "put a freeze-db and a backup-snapshot, in that order, before every step that may \
                 leave something to undo, and thaw in finally; or restore by hand after a look",
            );
        }
        let is_own_restore = step.promise == Promise::Ours(Verb::Restore);
        if protected && !is_own_restore && step.promise.changes_database() {
            let armed_from = plan
                .steps
                .iter()
                .position(|step| step.promise.may_leave_what_can_be_undone());
            let before = &plan.steps[..armed_from.unwrap_or(plan.steps.len())];
            for needed in CHANGE_NEEDS {
                if !before.iter().any(|before| is_ours(before, needed)) {
                    let what = format!(
                        "it would change a protected database after a failure before any {needed}"
                    );
                    problem(
                        step,
                        what,
                        "put the verification and the backup before every step that may leave \
                         something to undo",
                    );
                }
            }
        }
    }
}

/// Whether the step may do what the suite's program of this verb does: by its verb, or by the name
/// of that program wherever it stands. A rule that forbids asks this; one that wants a proof asks
/// [`is_ours`].
pub(crate) fn acts_as(step: &PlannedStep, verb: Verb) -> bool {
    let name = file_name(&step.run[0]);
    step.promise == Promise::Ours(verb) || (is_suite_name(name) && Verb::of(name) == Some(verb))
}

/// Whether the step starts or stops a service, as far as is declared. What has the name of a program
/// of the suite does that one's work.
fn handles_service(step: &PlannedStep) -> bool {
    step.promise == Promise::Foreign(Changes::Service) && !is_suite_name(file_name(&step.run[0]))
}

/// Whether the step runs this program of the suite.
pub(crate) fn is_ours(step: &PlannedStep, program: &str) -> bool {
    matches!(step.promise, Promise::Ours(_)) && file_name(&step.run[0]) == program
}

/// The last component of a program's name as it is written.
pub(crate) fn file_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

fn id(part: Part, number: usize, name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = name
        .chars()
        .take(40)
        .map(|c| if plain(c) { c } else { '-' })
        .collect();
    match part {
        Part::Step => format!("{number:02}-{name}"),
        Part::Rollback => format!("rollback-{number:02}-{name}"),
        Part::OnFailure => format!("on_failure-{number:02}-{name}"),
        Part::Finally => format!("finally-{number:02}-{name}"),
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
