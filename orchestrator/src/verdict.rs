//! What a step came to: pure decisions on how it ended and what it answered.

use contract::{Changed, Class};

use crate::answers::Answer;
use crate::promise::Promise;
use crate::supervise::{Ended, Exit};

/// A step that changes nothing ran past its timeout; as timeout(1).
pub(crate) const TIMED_OUT: u8 = 124;
/// The orchestrator's own fault: the pipeline file, or results that can't be written.
pub(crate) const OWN_FAULT: u8 = 125;
/// A program can't be run; as env(1) and the shells.
pub(crate) const NOT_RUNNABLE: u8 = 126;
/// A program can't be found.
pub(crate) const NOT_FOUND: u8 = 127;

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// 0 is the only success.
    pub(crate) code: u8,
    /// The name of the code.
    pub(crate) class: &'static str,
    pub(crate) changed: Changed,
    /// For people: how it ended.
    pub(crate) said: String,
}

impl Verdict {
    pub(crate) fn passed(&self) -> bool {
        self.code == 0
    }

    /// A step whose program could not be started after all; nothing of it ran.
    pub(crate) fn not_started(error: &std::io::Error) -> Verdict {
        let code = match error.kind() {
            std::io::ErrorKind::NotFound => NOT_FOUND,
            _ => NOT_RUNNABLE,
        };
        Verdict {
            code,
            class: class_name(code),
            changed: Changed::No,
            said: format!("can't be started: {error}"),
        }
    }
}

/// Judges a step. `answers` are the lines that it added to the evidence, `program` is the name
/// that its own answer carries.
pub(crate) fn judge(promise: Promise, program: &str, ended: &Ended, answers: &[Answer]) -> Verdict {
    let ours = matches!(promise, Promise::Ours(_));
    // A step may run programs of the suite inside a script of its own; then the last of the
    // suite's answers that reports a change tells of it.
    let own = answers
        .iter()
        .rfind(|answer| ours && answer.tool == program);
    let (code, said) = judge_end(promise, ended, own);
    // A foreign program's own codes have no classes but success and failure.
    let foreign_code = !ours && ended.exit == Exit::Exited(i32::from(code)) && !ended.timed_out;
    let class = match code {
        1.. if foreign_code => Class::Fail.name(),
        code => class_name(code),
    };
    let changed = judge_change(promise, ended, code, own, answers);
    let mut said = said;
    if ended.interrupted {
        said.push_str(", told to end with the run");
    }
    if ended.leaked {
        said.push_str(", processes it left behind were ended");
    }
    if ended.remains {
        said.push_str(", processes of it can't be ended");
    }
    if ended.output_truncated {
        said.push_str(", its output may be cut");
    }
    Verdict {
        code,
        class,
        changed,
        said,
    }
}

fn judge_end(promise: Promise, ended: &Ended, own: Option<&Answer>) -> (u8, String) {
    let partial = Class::Partial.code();
    let changes = promise.changes_target();
    let ours = matches!(promise, Promise::Ours(_));
    let late = if ended.timed_out {
        "ran past its timeout, "
    } else {
        ""
    };
    let code = match ended.exit {
        Exit::Signaled(signal) => {
            let said = format!("{late}ended by signal {}", contract::signals::name(signal));
            return match (changes, ended.timed_out) {
                (true, _) => (partial, said),
                (false, true) => (TIMED_OUT, said),
                (false, false) => (signal_code(signal), said),
            };
        }
        // The low byte is all that a process can hand on.
        Exit::Exited(code) => u8::try_from(code & 0xff).unwrap_or(u8::MAX),
    };
    let exited = format!("{late}exit {code}");
    if ended.timed_out && !changes {
        return (TIMED_OUT, exited);
    }
    if !ours {
        return match ended.timed_out {
            true => (partial, exited),
            false => (code, exited),
        };
    }
    // A program of the suite that changes something and still answers within its grace after the
    // timeout knows best what it did, so its answer stands.
    let unproven = if changes {
        partial
    } else {
        Class::Error.code()
    };
    match (code, own) {
        (0, None) => (
            unproven,
            format!("{exited} without a result in the evidence"),
        ),
        (0, Some(answer)) if answer.exit_code != 0 || answer.class != Class::Pass.name() => {
            let said = format!("{exited} although its result says {}", answer.class);
            (unproven, said)
        }
        (0, Some(_)) => (0, exited),
        (_, None) if changes && (ended.timed_out || Class::from_code(code).is_none()) => (
            partial,
            format!("{exited} without a result in the evidence"),
        ),
        (code, _) => (code, exited),
    }
}

fn judge_change(
    promise: Promise,
    ended: &Ended,
    code: u8,
    own: Option<&Answer>,
    answers: &[Answer],
) -> Changed {
    let reported = answers.iter().map(Answer::changed).fold(Changed::No, worse);
    let silent = match promise {
        // The declaration is all that is known of it: it had started.
        Promise::Foreign(_) if promise.changes_target() => Changed::Unknown,
        Promise::Foreign(_) => Changed::No,
        Promise::Ours(_) if !promise.changes_target() || own.is_some() => Changed::No,
        // The contract: 1, 2, 4 and 5 say that nothing was changed, 3 that it came to nothing.
        Promise::Ours(_) => match (ended.exit, Class::from_code(code)) {
            (Exit::Exited(_), Some(Class::Pass | Class::Partial) | None) => Changed::Unknown,
            (Exit::Exited(_), Some(_)) => Changed::No,
            (Exit::Signaled(_), _) => Changed::Unknown,
        },
    };
    worse(reported, silent)
}

/// "Unknown" outranks "no", "yes" outranks both: something was changed for certain.
pub(crate) fn worse(a: Changed, b: Changed) -> Changed {
    match (a, b) {
        (Changed::Yes, _) | (_, Changed::Yes) => Changed::Yes,
        (Changed::Unknown, _) | (_, Changed::Unknown) => Changed::Unknown,
        (Changed::No, Changed::No) => Changed::No,
    }
}

/// 128+N.
pub(crate) fn signal_code(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

/// The name that goes with an exit code of the suite's.
pub(crate) fn class_name(code: u8) -> &'static str {
    match (code, Class::from_code(code)) {
        (_, Some(class)) => class.name(),
        (TIMED_OUT, None) => "timeout",
        (OWN_FAULT, None) => "fault",
        (NOT_RUNNABLE, None) => "not-runnable",
        (NOT_FOUND, None) => "not-found",
        (128.., None) => "signal",
        (_, None) => Class::Fail.name(),
    }
}

/// The code of a whole run: what failed first counts. An interrupt counts as what failed first,
/// but never hides that a change was left half done.
pub(crate) fn run_code(first_failure: Option<u8>, interrupted_by: Option<i32>) -> u8 {
    let partial = Class::Partial.code();
    match (first_failure, interrupted_by) {
        (Some(code), _) if code == partial => partial,
        (_, Some(signal)) => signal_code(signal),
        (Some(code), None) => code,
        (None, None) => 0,
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
