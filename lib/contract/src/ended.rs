//! Ends that come from outside the run's own course, a panic or a signal, and the one answer that a
//! process gives whatever ends it.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::cli::Format;
use crate::console::{self, json_text, write_stderr, write_stdout};
use crate::evidence::Evidence;
use crate::log::Log;
use crate::report::{Changed, Report, TargetFacts};
use crate::result::{Outcome, account, failure_lines, millis};
use crate::{Class, Failure, Tool, signals};

/// How long the answer to a signal waits for its reader.
const UNREAD_MAX: Duration = Duration::from_secs(2);

/// Set once a change to the target has begun, and read by the panic hook.
pub(crate) static CHANGE_BEGAN: AtomicBool = AtomicBool::new(false);

/// Who gives the run's one answer; see [`begin_answer`].
static ANSWERED_BY: AtomicU8 = AtomicU8::new(NOBODY);
const NOBODY: u8 = 0;
pub(crate) const THE_RUN: u8 = 1;
const A_SIGNAL: u8 = 2;

/// What an answer from outside the run's own course needs of it: a panic or a signal may come at any
/// moment, on any thread.
pub(crate) static CONTEXT: OnceLock<Context> = OnceLock::new();

#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) tool: &'static Tool,
    pub(crate) format: Format,
    pub(crate) run_id: String,
    pub(crate) started_at: String,
    pub(crate) started: Instant,
    /// Set once the chain is known to hold.
    pub(crate) evidence: OnceLock<Evidence>,
    /// Set once the file is open.
    pub(crate) log: OnceLock<Log>,
    pub(crate) subject: Mutex<Subject>,
}

/// What a result is about, as far as it is known yet.
#[derive(Debug, Default)]
pub(crate) struct Subject {
    pub(crate) environment: Option<String>,
    pub(crate) target: Option<TargetFacts>,
}

impl Context {
    pub(crate) fn subject(&self) -> MutexGuard<'_, Subject> {
        self.subject.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Claims the one answer of this process. Where another thread is giving it already, this one waits
/// for the end.
pub(crate) fn begin_answer(by: u8) {
    let before = ANSWERED_BY.compare_exchange(NOBODY, by, Ordering::SeqCst, Ordering::SeqCst);
    if before.is_err() {
        wait_for_the_end();
    }
}

fn wait_for_the_end() -> ! {
    loop {
        std::thread::park();
    }
}

/// The result of a panic, written from within the hook: whatever unwinding would do, the process
/// ends here with the contract's code.
pub(crate) fn answer_panic(context: &Context, info: &std::panic::PanicHookInfo<'_>) {
    if ANSWERED_BY.load(Ordering::SeqCst) == A_SIGNAL && !signals::on_their_thread() {
        wait_for_the_end();
    }
    let payload = info.payload();
    let said = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    let at = info
        .location()
        .map(|at| format!(" at {}:{}", at.file(), at.line()))
        .unwrap_or_default();
    let mut failure = Failure::new(
        class_of_an_end(),
        format!("cannot go on: a bug in {}{at}", context.tool.name),
    )
    .remedy("report this message; the exit code says whether anything was changed");
    failure.causes.push(said);
    // Not claimed: the answer that is being given may be what panicked.
    answer_and_end(context, failure);
}

/// The result of a program that a signal ends, unless it has taken signals over: what it had not
/// found out by then is not known.
pub(crate) fn answer_signal(context: &Context, signal: i32) {
    console::limit_patience(UNREAD_MAX);
    if ANSWERED_BY.load(Ordering::SeqCst) != NOBODY {
        return;
    }
    if context.tool.own_fault.is_some() {
        // That program's codes are 128 and the signal's number; the end by it says the same.
        let _ = signal_hook::low_level::emulate_default_handler(signal);
    }
    begin_answer(A_SIGNAL);
    let class = class_of_an_end();
    let name = signals::name(signal);
    let remedy = match (class, signal) {
        (Class::Partial, _) => "see what is there before you run it again",
        (_, signal_hook::consts::signal::SIGXCPU) => {
            "raise the limit on CPU time (ulimit -t), and run it again"
        }
        _ => "run it again",
    };
    let failure =
        Failure::new(class, format!("cannot go on: ended by signal {name}")).remedy(remedy);
    answer_and_end(context, failure);
}

/// The class of a run that ends before its own answer.
fn class_of_an_end() -> Class {
    if CHANGE_BEGAN.load(Ordering::SeqCst) {
        Class::Partial
    } else {
        Class::Error
    }
}

#[allow(
    clippy::exit,
    reason = "a panic or a signal ends the process with the contract's code, on whatever thread"
)]
fn answer_and_end(context: &Context, failure: Failure) -> ! {
    let class = failure.class;
    let mut report = Report::default();
    if class == Class::Partial {
        report.changed(Changed::Unknown);
    }
    report.stopped_by(failure.clone());
    let Subject {
        environment,
        target,
    } = std::mem::take(&mut *context.subject());
    let outcome = Outcome {
        tool: context.tool,
        run_id: context.run_id.clone(),
        environment,
        target,
        report,
        strict: false,
        started_at: context.started_at.clone(),
        duration_ms: millis(context.started),
    };
    write_stderr(&failure_lines(context.tool, &failure, false));
    if let Some(log) = context.log.get() {
        // What is said already stands there; the result is on both streams.
        let _ = log.write(&account(&outcome));
    }
    if let Some(evidence) = context.evidence.get()
        && let Err(error) = evidence.append_at_once(&outcome.json())
    {
        write_stderr(&failure_lines(context.tool, &error.into(), false));
    }
    match context.format {
        Format::Human => write_stdout(outcome.human(false).as_bytes()),
        Format::Json => write_stdout(format!("{}\n", json_text(&outcome.json())).as_bytes()),
    }
    std::process::exit(i32::from(class.code()));
}
