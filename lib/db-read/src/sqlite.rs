//! A SQLite file that is only read.
//!
//! The file is opened by SQLite alone, never by `std::fs`: closing any other descriptor of it would
//! drop the locks that this process holds on it (POSIX advisory locks; sqlite.org/howtocorrupt).

use std::io;
use std::path::{Path, PathBuf};

use contract::{Class, Classify};
use records::OtherName;
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};
use settings::SqliteTarget;

use crate::Options;
use crate::sweep::{Leftovers, Sweep};

/// One read transaction on a SQLite file: every statement sees the same snapshot.
///
/// In rollback mode writers wait for it to end; in WAL mode they don't.
#[derive(Debug)]
pub struct SqliteSession {
    // Declared, and so dropped, before the sweep: SQLite tidies up when the last one closes.
    connection: Connection,
    sweep: Sweep,
    path: PathBuf,
}

/// What a SQLite file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteFacts {
    /// The version of the SQLite library in this program.
    pub sqlite_version: String,
    /// `wal`, `delete`, `truncate` or `persist` (the last three are one mode to the file).
    pub journal_mode: String,
    /// Bytes of a page.
    pub page_size: u32,
    /// Pages of the file, as the snapshot has it.
    pub page_count: u32,
    /// `UTF-8`, `UTF-16le` or `UTF-16be`.
    pub encoding: String,
}

/// Why a SQLite file can't be read.
#[derive(Debug, thiserror::Error)]
pub enum SqliteError {
    /// There is no such file.
    #[error("cannot open {}: there is no such file", .0.display())]
    Missing(PathBuf),
    /// It is a folder or a device.
    #[error("cannot open {}: it is no file", .0.display())]
    NotAFile(PathBuf),
    /// It has another name: SQLite names the write-ahead log after the path, so by the wrong one the
    /// file is read without what was committed last.
    #[error("cannot read {}: {other}", .path.display())]
    OtherName {
        /// The file, as it was named.
        path: PathBuf,
        /// Where the other name comes from.
        other: OtherName,
    },
    /// Its folder, or the file, is closed to this user.
    #[error("cannot open {}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file holds something else, or it is encrypted.
    #[error("cannot read {}: it is no SQLite database", .0.display())]
    NotADatabase(PathBuf),
    /// The file is damaged.
    #[error("cannot read {}: the database is corrupt", .path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// Somebody else keeps it locked.
    #[error("cannot read {}: another process keeps it locked", .path.display())]
    Locked {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// A writer died, and what it left has to be rolled back before anybody can read.
    #[error("cannot read {}: it has a hot journal, left by a writer that died, and reading changes nothing", .path.display())]
    HotJournal {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// WAL mode needs two files beside the database, and they can't be made.
    #[error("cannot read {}: it is in WAL mode, and its folder can't be written", .path.display())]
    WalFolder {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// Anything else.
    #[error("cannot {act} {}", .path.display())]
    Statement {
        /// What was being done.
        act: String,
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
}

impl SqliteSession {
    /// Opens a file and pins the snapshot.
    ///
    /// # Errors
    ///
    /// The file is not there, is no database, is locked, or can't be read.
    pub fn open(target: &SqliteTarget, options: &Options) -> Result<SqliteSession, SqliteError> {
        let path = target.path.clone();
        look_at(&path)?;
        let sweep = Sweep::before_opening(&path);
        let failed = |error| SqliteError::of("read", &path, error);
        // Without URI, so that a name that begins with `file:` is a name; without a mutex, since
        // the session is used by one thread at a time.
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags).map_err(failed)?;
        connection
            .busy_timeout(options.lock_timeout)
            .map_err(failed)?;
        connection
            .execute_batch("PRAGMA query_only = 1; PRAGMA trusted_schema = 0; BEGIN")
            .map_err(failed)?;
        pin(&connection).map_err(failed)?;
        Ok(SqliteSession {
            connection,
            sweep,
            path,
        })
    }

    /// The connection, within the transaction.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The file, as the target names it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file is.
    ///
    /// # Errors
    ///
    /// As with [`SqliteSession::open`].
    pub fn facts(&self) -> Result<SqliteFacts, SqliteError> {
        read_facts(&self.connection).map_err(|error| self.error("read", error))
    }

    /// The error of a statement on this session; `act` completes "cannot" and is followed by the
    /// path, as in "read the tables of".
    pub fn error(&self, act: &str, error: rusqlite::Error) -> SqliteError {
        SqliteError::of(act, self.path(), error)
    }

    /// Ends the snapshot and begins a new one, which sees what was committed since.
    ///
    /// # Errors
    ///
    /// As with [`SqliteSession::open`].
    pub fn renew_snapshot(&mut self) -> Result<(), SqliteError> {
        let renewed = self
            .connection
            .execute_batch("COMMIT; BEGIN")
            .and_then(|()| pin(&self.connection));
        renewed.map_err(|error| self.error("read", error))
    }

    /// Closes the file and takes away what reading it made beside it. What is left is said.
    pub fn close(self) -> Leftovers {
        let SqliteSession {
            connection, sweep, ..
        } = self;
        drop(connection);
        sweep.run()
    }
}

/// What can be told without opening the file.
fn look_at(path: &Path) -> Result<(), SqliteError> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => match OtherName::of(path, &found) {
            None => Ok(()),
            Some(other) => Err(SqliteError::OtherName {
                path: path.to_owned(),
                other,
            }),
        },
        Ok(_) => Err(SqliteError::NotAFile(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(SqliteError::Missing(path.to_owned()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(SqliteError::Missing(path.to_owned()))
        }
        Err(source) => Err(SqliteError::Unreadable {
            path: path.to_owned(),
            source,
        }),
    }
}

/// The first read: from here on the snapshot stands.
fn pin(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
}

fn read_facts(connection: &Connection) -> rusqlite::Result<SqliteFacts> {
    let text = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0));
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u32>(0));
    Ok(SqliteFacts {
        sqlite_version: rusqlite::version().to_owned(),
        journal_mode: text("PRAGMA journal_mode")?,
        page_size: number("PRAGMA page_size")?,
        page_count: number("PRAGMA page_count")?,
        encoding: text("PRAGMA encoding")?,
    })
}

impl SqliteError {
    /// Reads what SQLite returned; `act` completes "cannot" and is followed by the path.
    pub fn of(act: &str, path: &Path, source: rusqlite::Error) -> SqliteError {
        let path = path.to_owned();
        let (code, extended) = match &source {
            rusqlite::Error::SqliteFailure(error, _) => (Some(error.code), error.extended_code),
            _ => (None, 0),
        };
        match (code, extended) {
            (Some(ErrorCode::NotADatabase), _) => SqliteError::NotADatabase(path),
            (Some(ErrorCode::DatabaseCorrupt), _) => SqliteError::Corrupt { path, source },
            (Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked), _) => {
                SqliteError::Locked { path, source }
            }
            (_, ffi::SQLITE_READONLY_ROLLBACK) => SqliteError::HotJournal { path, source },
            (
                _,
                ffi::SQLITE_READONLY_DIRECTORY
                | ffi::SQLITE_READONLY_CANTINIT
                | ffi::SQLITE_READONLY_CANTLOCK
                | ffi::SQLITE_READONLY_RECOVERY,
            ) => SqliteError::WalFolder { path, source },
            (Some(ErrorCode::CannotOpen), _) if std::fs::metadata(&path).is_ok() => {
                cannot_open(path, source)
            }
            _ => SqliteError::Statement {
                act: act.to_owned(),
                path,
                source,
            },
        }
    }
}

/// "unable to open database file" is also what SQLite says of the files beside it.
fn cannot_open(path: PathBuf, source: rusqlite::Error) -> SqliteError {
    match rustix::fs::access(&path, rustix::fs::Access::READ_OK) {
        Err(error) => SqliteError::Unreadable {
            path,
            source: error.into(),
        },
        Ok(()) => SqliteError::WalFolder { path, source },
    }
}

impl Classify for SqliteError {
    fn class(&self) -> Class {
        match self {
            SqliteError::Missing(_)
            | SqliteError::NotAFile(_)
            | SqliteError::NotADatabase(_)
            | SqliteError::Corrupt { .. } => Class::Fail,
            SqliteError::Locked { .. } => Class::Busy,
            SqliteError::OtherName { .. }
            | SqliteError::Unreadable { .. }
            | SqliteError::HotJournal { .. }
            | SqliteError::WalFolder { .. }
            | SqliteError::Statement { .. } => Class::Error,
        }
    }

    fn remedy(&self) -> Option<String> {
        let remedy = match self {
            SqliteError::Missing(_) => "check the path; nothing but mark-db --create makes a file",
            SqliteError::NotAFile(_) => "name the database file itself",
            SqliteError::OtherName { other, .. } => other.remedy(),
            SqliteError::Unreadable { .. } => "run as a user that may read the file and its folder",
            SqliteError::NotADatabase(_) => "name a SQLite file that is not encrypted",
            SqliteError::Corrupt { .. } => {
                "keep a copy of the file as it is, and restore the newest snapshot"
            }
            SqliteError::Locked { .. } => "try again once the other process is done",
            SqliteError::HotJournal { .. } => {
                "let the application open the database once, so that SQLite rolls the dead \
                 writer's change back"
            }
            SqliteError::WalFolder { .. } => {
                "run as a user that may write the folder: SQLite needs -wal and -shm beside the file"
            }
            SqliteError::Statement { .. } => return None,
        };
        Some(remedy.to_owned())
    }
}
