//! How far a dump is, in bytes of the tables on the server's disk: they are known before, and the
//! dump's own length is not.

use std::cell::Cell;

use crate::progress::{Phase, Progress};

/// The tables that are through, and the one that is read.
pub(super) struct Pace<'a> {
    progress: Progress<'a>,
    total: Cell<u64>,
    through: Cell<u64>,
    /// Bytes of the table that is read, and how many of the dump have come since it began.
    table: Cell<u64>,
    read: Cell<u64>,
}

impl<'a> Pace<'a> {
    pub(super) fn new(progress: Progress<'a>) -> Pace<'a> {
        Pace {
            progress,
            total: Cell::new(0),
            through: Cell::new(0),
            table: Cell::new(0),
            read: Cell::new(0),
        }
    }

    /// What all tables come to.
    pub(super) fn total(&self, bytes: u64) {
        self.total.set(bytes);
    }

    /// The rows of a table of so many bytes begin.
    pub(super) fn table(&self, bytes: u64) {
        self.through
            .set(self.through.get() + self.table.replace(bytes));
        self.read.set(0);
    }

    /// So many bytes more of the dump were read.
    pub(super) fn read(&self, bytes: u64) {
        self.read.set(self.read.get() + bytes);
        let done = self.through.get() + self.read.get().min(self.table.get());
        let total = self.total.get();
        (self.progress)(Phase::Dump, done.min(total), Some(total));
    }

    /// Everything was read.
    pub(super) fn end(&self) {
        self.table(0);
        self.read(0);
    }
}
