//! Taking away what reading a WAL-mode file makes beside it.
//!
//! A read-only connection to a file in WAL mode that nobody else has open makes an empty `-wal` and
//! a `-shm`, and can't remove them when it closes. Deleting them by hand would pull them from under
//! a process that has just opened the file. SQLite itself removes them when the last connection
//! closes, under its exclusive lock; so, where both were absent before and the log is still empty,
//! one connection that could write is opened and closed again. It has nothing to write: the log
//! holds no frame.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

/// Files beside the database that reading made and that could not be taken away again safely.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Them.
    pub files: Vec<PathBuf>,
}

/// What stood beside a database before it was opened.
#[derive(Debug)]
pub(crate) struct Sweep {
    path: PathBuf,
    had: Beside,
    done: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Beside {
    wal: Option<u64>,
    shm: Option<u64>,
}

impl Sweep {
    /// To be called before SQLite opens the file.
    pub(crate) fn before_opening(path: &Path) -> Sweep {
        // SQLite names the two after the file that a link leads to.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Sweep {
            had: Beside::of(&path),
            path,
            done: false,
        }
    }

    /// To be called after the session's own connection was closed.
    pub(crate) fn run(mut self) -> Leftovers {
        self.sweep()
    }

    fn sweep(&mut self) -> Leftovers {
        self.done = true;
        let found = Beside::of(&self.path);
        if self.had.wal.is_none() && self.had.shm.is_none() {
            // What is in the log is a writer's: then both files are its own, or hold what whoever
            // opens the database next has to read.
            let ours = found.wal == Some(0) && open_and_close(&self.path).unwrap_or_else(is_ours);
            if !ours {
                return Leftovers::default();
            }
        }
        let now = Beside::of(&self.path);
        let mut files = Vec::new();
        if self.had.wal.is_none() && now.wal.is_some() {
            files.push(beside(&self.path, "-wal"));
        }
        if self.had.shm.is_none() && now.shm.is_some() {
            files.push(beside(&self.path, "-shm"));
        }
        Leftovers { files }
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        if !self.done {
            self.sweep();
        }
    }
}

/// Opens the file as one that could write, reads, and closes it, so that SQLite takes both files
/// away, unless another connection is there, which does so in our place. `query_only` stands, and
/// there is no wait for a lock. Returns whether they are still ours: SQLite opens what may not be
/// written for reading, without a word.
fn open_and_close(path: &Path) -> rusqlite::Result<bool> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.execute_batch("PRAGMA query_only = 1; PRAGMA trusted_schema = 0")?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let readonly = connection.is_readonly("main")?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(readonly)
}

/// Whether the files are still ours after this error: who holds a lock has the database open.
fn is_ours(error: rusqlite::Error) -> bool {
    error.sqlite_error_code() != Some(rusqlite::ErrorCode::DatabaseBusy)
}

impl Beside {
    fn of(path: &Path) -> Beside {
        let size = |suffix| {
            let found = std::fs::metadata(beside(path, suffix)).ok()?;
            Some(found.len())
        };
        Beside {
            wal: size("-wal"),
            shm: size("-shm"),
        }
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}
