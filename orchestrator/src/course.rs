//! The course of a run: which steps it comes to, and what follows them.

use std::collections::BTreeSet;

use contract::{Changed, Class};

use crate::armed::Armed;
use crate::environment::Withheld;
use crate::notes::FailedStep;
use crate::plan::{PlannedStep, acts_as};
use crate::promise::Verb;
use crate::record::State;
use crate::runner::Runner;
use crate::verdict::{self, OWN_FAULT, Verdict};

impl Runner<'_> {
    /// Runs everything that the plan and the course of the run ask for.
    pub(crate) fn run(&mut self) {
        let plan = self.plan;
        let armed = self.run_steps();
        let failed = self.notes.failures.first().cloned();
        let ended_early = self.notes.has_failed();
        let lock_was_held = failed
            .as_ref()
            .is_some_and(|failed| failed.verdict.class == Class::Busy.name());
        if ended_early && armed.fires(lock_was_held) {
            self.run_rollback(failed.as_ref());
        } else {
            let why = if ended_early {
                "there is nothing to undo"
            } else {
                "nothing failed"
            };
            self.skip(&plan.rollback, why);
        }
        if ended_early {
            self.run_each(&plan.on_failure, failed.as_ref());
        }
        self.run_each(&plan.finally, failed.as_ref());
        if !ended_early {
            // A failure of the last steps is told all the same.
            if self.notes.has_failed() {
                let failed = self.notes.failures.first().cloned();
                self.run_each(&plan.on_failure, failed.as_ref());
            } else {
                self.skip(&plan.on_failure, "nothing failed");
            }
        }
    }

    /// Runs steps of which none relies on another.
    fn run_each(&mut self, steps: &[PlannedStep], failed: Option<&FailedStep>) {
        for step in steps {
            if self.supervisor.signals.at_once() {
                self.skip(std::slice::from_ref(step), "a second signal");
                continue;
            }
            self.run_step(step, failed);
            self.note_signal();
        }
    }

    /// Takes in a signal that came while cleaning up, which goes on all the same.
    fn note_signal(&mut self) {
        self.supervisor.signals.note();
        if let Some(signal) = self.supervisor.signals.stop() {
            self.notes.signaled_late(signal);
        }
    }

    /// Runs the steps up to the first that fails.
    fn run_steps(&mut self) -> Armed {
        let plan = self.plan;
        let mut armed = Armed::default();
        for (at, step) in plan.steps.iter().enumerate() {
            self.supervisor.signals.note();
            let stop = if let Some(signal) = self.supervisor.signals.stop() {
                self.notes.interrupted_by = Some(signal);
                true
            } else {
                match self.run_step(step, None) {
                    None => self.notes.fault.is_some(),
                    Some(verdict) => {
                        armed.take_in(step.promise, verdict.changed);
                        // A step that passed although it was interrupted is still the last.
                        self.notes.interrupted_by = self.supervisor.signals.stop();
                        !verdict.passed()
                            || self.notes.interrupted_by.is_some()
                            || self.notes.fault.is_some()
                    }
                }
            };
            if stop {
                self.skip(&plan.steps[at..], "the run had ended");
                break;
            }
        }
        armed
    }

    /// `rollback` is a sequence of its own: what follows a step relies on that step.
    fn run_rollback(&mut self, failed: Option<&FailedStep>) {
        let plan = self.plan;
        for (at, step) in plan.rollback.iter().enumerate() {
            if self.supervisor.signals.at_once() {
                self.skip(&plan.rollback[at..], "a second signal");
                return;
            }
            let loses_writes = acts_as(step, Verb::Restore) && !self.snapshot.holds_every_write();
            let passed = if loses_writes {
                self.refuse_restore(step);
                false
            } else {
                let verdict = self.run_step(step, failed);
                verdict.is_some_and(|verdict| verdict.passed())
            };
            self.note_signal();
            if !passed {
                self.skip(&plan.rollback[at + 1..], "a rollback step before it failed");
                return;
            }
        }
    }

    /// The plan sees to it that steps that declare a change stand behind the snapshot. One that
    /// changed something against its declaration can still fail before it.
    fn refuse_restore(&mut self, step: &PlannedStep) {
        const WHY: &str = "this run has no snapshot that was taken while the data was frozen";
        self.open_step(step);
        if let Some(github) = &self.github {
            self.supervisor.line(github.close_group());
        }
        self.supervisor.line(&format!("  not run: {WHY}"));
        self.skip(std::slice::from_ref(step), WHY);
        self.notes.failures.push(FailedStep {
            part: step.part,
            number: step.number,
            name: step.name.clone(),
            line: step.line,
            verdict: Verdict {
                code: OWN_FAULT,
                class: verdict::class_name(OWN_FAULT),
                changed: Changed::No,
                said: format!("not run: {WHY}"),
            },
            withheld: Withheld::default(),
            unset: BTreeSet::new(),
            log: None,
        });
    }

    fn skip(&mut self, steps: &[PlannedStep], why: &'static str) {
        for step in steps {
            if let Some(record) = self.record.step(step)
                && record.state == State::Pending
            {
                record.state = State::Skipped;
                record.skipped = Some(why);
            }
        }
    }
}
