//! Whether the snapshot that a restore would take holds everything that was written.

use crate::plan::{PlannedStep, acts_as, is_ours};
use crate::promise::Verb;

/// The run's own snapshot, as far as its steps have come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FrozenSnapshot {
    frozen: bool,
    taken: bool,
}

impl FrozenSnapshot {
    /// Takes in a step that passed.
    pub(crate) fn passed(&mut self, step: &PlannedStep) {
        if is_ours(step, "freeze-db") {
            self.frozen = true;
        } else if is_ours(step, "backup-snapshot") {
            // A restore takes the latest, which this one now is.
            self.taken = self.frozen;
        } else {
            self.failed(step);
        }
    }

    /// Takes in a step that did not pass: a thaw may have thawed all the same.
    pub(crate) fn failed(&mut self, step: &PlannedStep) {
        if acts_as(step, Verb::Thaw) {
            *self = FrozenSnapshot::default();
        }
    }

    /// Whether the run's latest snapshot was taken while the data was frozen, and nothing has
    /// thawed it since. A restore of any other loses writes, or is of another run.
    pub(crate) fn holds_every_write(self) -> bool {
        self.taken
    }
}

/// Whether it holds at every moment at which something may have to be undone, from the first such
/// step on, and at the end of `steps`.
pub(crate) fn holds_whenever_armed<'a>(steps: impl Iterator<Item = &'a PlannedStep>) -> bool {
    let mut snapshot = FrozenSnapshot::default();
    let mut armed = false;
    for step in steps {
        armed |= step.promise.may_leave_what_can_be_undone();
        if armed && !snapshot.holds_every_write() {
            return false;
        }
        snapshot.passed(step);
    }
    snapshot.holds_every_write()
}
