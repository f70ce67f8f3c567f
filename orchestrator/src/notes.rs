//! What a run leaves for its report, and the exit code that follows from it.

use std::collections::BTreeSet;

use contract::Changed;

use crate::answers::Answer;
use crate::environment::Withheld;
use crate::plan::Part;
use crate::verdict::{self, OWN_FAULT, Verdict};

/// What a run leaves for its report.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// The steps that failed, in the order in which they did.
    pub(crate) failures: Vec<FailedStep>,
    /// The first fault of the orchestrator's own: results that can't be written or believed.
    pub(crate) fault: Option<String>,
    /// The signal that asked the run to end before anything had failed.
    pub(crate) interrupted_by: Option<i32>,
    /// A signal that asked it to end while it was cleaning up, which went on all the same.
    pub(crate) late_signal: Option<i32>,
    /// What the programs of the suite answered, by step.
    pub(crate) answers: Vec<(String, Answer)>,
    /// What the steps reported together.
    pub(crate) changed: Changed,
}

/// A step that did not pass.
#[derive(Clone, Debug)]
pub(crate) struct FailedStep {
    pub(crate) part: Part,
    pub(crate) number: usize,
    pub(crate) name: String,
    pub(crate) line: Option<u32>,
    pub(crate) verdict: Verdict,
    /// Variables that were set and not passed to it.
    pub(crate) withheld: Withheld,
    /// Variables that it asked for and that were not set.
    pub(crate) unset: BTreeSet<String>,
    /// None when the step was not even started.
    pub(crate) log: Option<String>,
}

impl Notes {
    /// Takes in a signal that asks a run to end that is cleaning up. What failed before it keeps
    /// its place as what failed first.
    pub(crate) fn signaled_late(&mut self, signal: i32) {
        if self.interrupted_by.is_some() || self.late_signal.is_some() {
            return;
        }
        self.late_signal = Some(signal);
        if self.failures.is_empty() && self.fault.is_none() {
            self.interrupted_by = Some(signal);
        }
    }

    /// Whether anything has failed yet.
    pub(crate) fn has_failed(&self) -> bool {
        !self.failures.is_empty() || self.fault.is_some() || self.interrupted_by.is_some()
    }

    /// The exit code of the run, and the name of its class.
    pub(crate) fn code(&self) -> (u8, &'static str) {
        let first = self.failures.first();
        // What the clean-up of an interrupted run comes to is not what failed first.
        let counted =
            first.filter(|failed| self.interrupted_by.is_none() || failed.part == Part::Step);
        let code = verdict::run_code(
            counted.map(|failed| failed.verdict.code),
            self.interrupted_by,
        );
        // What fails in the clean-up after a fault of our own did not fail first.
        let fault_first =
            self.fault.is_some() && first.is_none_or(|failed| failed.part != Part::Step);
        match first {
            _ if fault_first && self.interrupted_by.is_none() => {
                (OWN_FAULT, verdict::class_name(OWN_FAULT))
            }
            Some(failed) if failed.verdict.code == code => (code, failed.verdict.class),
            _ => (code, verdict::class_name(code)),
        }
    }
}
