//! Whether `rollback` has anything to undo.

use contract::Changed;

use crate::pipeline::Changes;
use crate::promise::Promise;

/// How much of `rollback` has a reason to run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Armed {
    /// A step of the suite, or a foreign one that changes the database, may have changed it.
    by_database: bool,
    /// A foreign step that changes a service had started.
    by_service: bool,
}

impl Armed {
    /// Takes in what a step has left.
    pub(crate) fn take_in(&mut self, promise: Promise, changed: Changed) {
        if changed == Changed::No || !promise.change_can_be_undone() {
            return;
        }
        match promise {
            Promise::Foreign(Changes::Service) => self.by_service = true,
            Promise::Ours(_) | Promise::Foreign(_) => self.by_database = true,
        }
    }

    /// A program of the suite that found the lock held has a neighbour at work. Only what this run
    /// has done to the database itself is then a reason to undo anything.
    pub(crate) fn fires(self, lock_was_held: bool) -> bool {
        self.by_database || (self.by_service && !lock_was_held)
    }
}
