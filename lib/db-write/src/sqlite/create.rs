//! A new SQLite file, which appears under its name with its mark in it or not at all.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use settings::SqliteTarget;

use super::lock::FileLock;
use super::{Broken, is_at_home, tables};
use crate::{Error, NewMark, Options};

const ACT: &str = "create the database";

/// Makes the file with the mark in it, under the deployment lock. Nothing that stands under its
/// name is opened, replaced or removed, whoever made it when: `false` where something does.
///
/// # Errors
///
/// No file was made under that name then.
pub fn create_sqlite(
    target: &SqliteTarget,
    options: &Options,
    mark: &NewMark,
) -> Result<bool, Error> {
    let path = &target.path;
    is_at_home(target, options)?;
    let _lock = FileLock::take(path, options, Duration::ZERO, &mut |_| {})?;
    if path.exists() {
        return Ok(false);
    }
    look_around(path)?;
    let new = beside(path, ".lockstep-new");
    // What a killed run left: whoever holds the lock is the only one to use this name.
    clear(&new);
    let created = write(&new, path, options, mark).and_then(|()| {
        put_in_place(&new, path).map_err(|source| Error::File {
            act: "create",
            path: path.display().to_string(),
            source,
        })
    });
    clear(&new);
    if let (Ok(true), Some(folder)) = (&created, path.parent()) {
        // A file that a power cut takes away again was empty but for its mark.
        let _ = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
    }
    created
}

/// Refuses a place where a new file would not be what it looks like.
fn look_around(path: &Path) -> Result<(), Error> {
    let unfit = |why: String, remedy: &str| Error::Unfit {
        target: path.display().to_string(),
        why,
        remedy: remedy.to_owned(),
    };
    if let Ok(to) = std::fs::read_link(path) {
        return Err(unfit(
            format!(
                "it is a symbolic link to {}, which does not exist",
                to.display()
            ),
            "name the file itself, or delete the link",
        ));
    }
    for suffix in ["-journal", "-wal"] {
        let journal = beside(path, suffix);
        if journal.exists() {
            return Err(unfit(
                format!(
                    "the file does not exist, but {} does, which SQLite would take for the new \
                     file's own",
                    journal.display()
                ),
                "move it away, or put the database back that it belongs to",
            ));
        }
    }
    Ok(())
}

fn write(new: &Path, path: &Path, options: &Options, mark: &NewMark) -> Result<(), Error> {
    std::fs::File::create_new(new).map_err(|source| Error::File {
        act: "create",
        path: new.display().to_string(),
        source,
    })?;
    let failed = |source| Error::Sqlite { act: ACT, source };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(new, flags).map_err(failed)?;
    connection
        .execute_batch("BEGIN IMMEDIATE")
        .map_err(failed)?;
    tables::write_mark(&connection, options, path, mark, None).map_err(|broken| match broken {
        Broken::Engine(source) => failed(source),
        Broken::Refused(error) => *error,
    })?;
    connection.execute_batch("COMMIT").map_err(failed)?;
    connection.close().map_err(|(_, source)| failed(source))
}

/// Gives the file its name, unless something has it; whether it was given.
fn put_in_place(new: &Path, path: &Path) -> io::Result<bool> {
    match renameat_with(CWD, new, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        // Not every file system knows the flag. The file has two names for a moment then, which
        // who opens it in that moment is told.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => match std::fs::hard_link(new, path) {
            // The other name goes with what is cleared away behind us.
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        },
        Err(error) => Err(error.into()),
    }
}

/// Removes the file that has no name of its own yet, and its journal.
fn clear(new: &Path) {
    // One that stays stops the next attempt, with its name in the message.
    let _ = std::fs::remove_file(new);
    let _ = std::fs::remove_file(beside(new, "-journal"));
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_is_not_given_again() {
        let dir = tempfile::tempdir().unwrap();
        let (new, path) = (dir.path().join("new"), dir.path().join("app.db"));
        std::fs::write(&new, "new").unwrap();
        assert!(put_in_place(&new, &path).unwrap());
        assert!(!new.exists());
        std::fs::write(&new, "newer").unwrap();
        assert!(!put_in_place(&new, &path).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
    }
}
