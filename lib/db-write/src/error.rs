//! Why a change was not made, or not finished.

use std::io::ErrorKind;

use contract::{Class, Classify, Failure};

/// Why a session for writing can't do what was asked, before any change was made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server can't be reached, or refuses.
    #[error(transparent)]
    Connect(#[from] db_connect::ConnectError),
    /// A record can't be read.
    #[error(transparent)]
    Records(#[from] records::Error),
    /// The schema can't be read.
    #[error(transparent)]
    Schema(#[from] schema::Error),
    /// The target is not something that can be changed from here.
    #[error("cannot change {target}: {why}")]
    Unfit {
        /// The database.
        target: String,
        /// Why not.
        why: String,
        /// The way out.
        remedy: String,
    },
    /// Another deployment holds the lock.
    #[error("cannot lock {target} for a deployment: held by {holder}")]
    Locked {
        /// The database.
        target: String,
        /// Who holds it, as far as can be seen.
        holder: String,
    },
    /// A signal ended a wait.
    #[error("cannot {act}: stopped by a signal")]
    Stopped {
        /// What was waited for.
        act: &'static str,
    },
    /// The database is in use by a transaction that did not end in time.
    #[error("cannot {act}: another connection kept the database locked{by}")]
    InUse {
        /// What was to be done.
        act: &'static str,
        /// Who has the file open, with what leads to it; empty where that can't be seen.
        by: String,
    },
    /// Somebody else marked the database after it was surveyed.
    #[error("cannot write the mark: somebody else has marked the database meanwhile")]
    MarkChanged,
    /// The mark was changed behind what was done under it. That was rolled back.
    #[error("cannot {act}: the database's mark is not the one under which it was allowed any more")]
    MarkMoved {
        /// What was to be done.
        act: &'static str,
    },
    /// What was written was rolled back, because mark or own tables are not what was judged.
    #[error("cannot {act}: {what}")]
    Disturbed {
        /// What was to be done.
        act: &'static str,
        /// What is so.
        what: String,
    },
    /// The database did not keep the mark as it was written; it was rolled back.
    #[error("cannot mark {target}: the mark was not kept as it was written: {why}")]
    MarkNotKept {
        /// The database.
        target: String,
        /// What was read back, or what the engine said.
        why: String,
        /// The mark's table.
        table: &'static str,
    },
    /// The connection was lost in a COMMIT, and what was left shows that nothing was committed.
    #[error("cannot {act}: the connection was lost in COMMIT, and it was not committed")]
    NotCommitted {
        /// What was to be done.
        act: &'static str,
        /// How it was lost.
        #[source]
        source: db_connect::StatementError,
    },
    /// The connection was lost in a COMMIT, and what was left can't be read.
    #[error(
        "cannot {act}: the connection was lost in COMMIT ({lost}), and what was committed can't be read"
    )]
    CommitLost {
        /// What was to be done.
        act: &'static str,
        /// How it was lost.
        lost: String,
        /// Why it can't be read.
        #[source]
        source: Box<Error>,
    },
    /// A file operation failed.
    #[error("cannot {act} {path}")]
    File {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: String,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// SQLite refused.
    #[error("cannot {act}")]
    Sqlite {
        /// What was tried.
        act: &'static str,
        /// SQLite's answer.
        #[source]
        source: rusqlite::Error,
    },
    /// The role may not make what Lockstep keeps in a database.
    #[error("cannot {act}")]
    Forbidden {
        /// What was to be done.
        act: &'static str,
        /// The server's answer.
        #[source]
        source: Box<db_connect::ServerError>,
        /// What somebody else has to do.
        remedy: String,
    },
    /// PostgreSQL refused, or the connection was lost.
    #[error(transparent)]
    Postgres(#[from] db_connect::StatementError),
}

/// A row was kept out of the ledger, in whose table nobody else should have put anything.
pub(crate) fn kept_out(target: &str) -> Error {
    Error::Unfit {
        target: target.to_owned(),
        why: "a row does not get into the ledger: a rule or a trigger of its table keeps it out"
            .to_owned(),
        remedy: "drop that rule or trigger, then run it again".to_owned(),
    }
}

/// The ledger has other rows than those of the adoption that is to be taken back.
pub(crate) fn not_of_adoption(target: &str) -> Error {
    Error::Unfit {
        target: target.to_owned(),
        why: "its ledger has other rows than those of the adoption".to_owned(),
        remedy: "see verify-migrations for the state of the ledger".to_owned(),
    }
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Error::Connect(error) => error.class(),
            Error::Records(error) => error.class(),
            Error::Schema(error) => error.class(),
            Error::Unfit { .. }
            | Error::Stopped { .. }
            | Error::Forbidden { .. }
            | Error::Disturbed { .. }
            | Error::MarkNotKept { .. }
            | Error::NotCommitted { .. } => Class::Fail,
            Error::CommitLost { .. } | Error::MarkMoved { .. } => Class::Partial,
            Error::Locked { .. } | Error::InUse { .. } | Error::MarkChanged => Class::Busy,
            Error::File { .. } => Class::Error,
            Error::Sqlite { source, .. } => sqlite_class(source),
            Error::Postgres(source) => source.class(),
        }
    }

    fn remedy(&self) -> Option<String> {
        match self {
            Error::Connect(error) => error.remedy(),
            Error::Records(error) => error.remedy(),
            Error::Schema(error) => error.remedy(),
            Error::Unfit { remedy, .. } | Error::Forbidden { remedy, .. } => Some(remedy.clone()),
            Error::Locked { .. } => Some(
                "wait for it to end; deploy-db and mark-migrations do with --wait-lock 5m".into(),
            ),
            Error::MarkNotKept { table, .. } => Some(format!(
                "look at {table} by hand: somebody else made it, or put a trigger, a rule, a \
                 generated column or row security on it; take that away, or drop the table, then run \
                 mark-db again"
            )),
            Error::MarkChanged => Some("run verify-guards to see whose the database is now".into()),
            Error::MarkMoved { .. } => Some(
                "run verify-guards, and find out what changes the mark before anything else is done"
                    .into(),
            ),
            Error::Disturbed { .. } => Some(
                "find out what writes to the schema lockstep, and drop it; verify-guards names what hangs on its tables"
                    .into(),
            ),
            Error::NotCommitted { .. } => Some("run it again once the connection holds".into()),
            Error::Stopped { .. } => Some("run it again".into()),
            Error::CommitLost { .. } => Some(
                "once the server answers, see what is there: verify-guards shows the mark, \
                 verify-migrations the ledger"
                    .into(),
            ),
            Error::InUse { .. } => Some("try again when the application is less busy".into()),
            Error::File { source, .. } if source.kind() == ErrorKind::ReadOnlyFilesystem => {
                Some("mount the file system for writing, or run it where it is".into())
            }
            Error::File { source, .. }
                if matches!(
                    source.kind(),
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded
                ) =>
            {
                Some("make room on the disk, then run it again".into())
            }
            Error::File { .. } => {
                Some("check that the folder exists and that this user may write in it".into())
            }
            Error::Sqlite { source, .. } => sqlite_remedy(source).map(str::to_owned),
            Error::Postgres(source) => source.remedy(),
        }
    }
}

/// SQLite's code. rusqlite keeps the code of an error that names a place in the text for itself.
pub(crate) fn sqlite_code(error: &rusqlite::Error) -> Option<rusqlite::ErrorCode> {
    match error {
        rusqlite::Error::SqlInputError { error, .. } => Some(error.code),
        error => error.sqlite_error_code(),
    }
}

/// SQLite's own words. rusqlite shows the whole text that was sent behind some of them.
pub(crate) fn sqlite_words(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        error => error.to_string(),
    }
}

/// The class of a SQLite error that left the database as it was.
pub(crate) fn sqlite_class(error: &rusqlite::Error) -> Class {
    match sqlite_code(error) {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
            Class::Busy
        }
        Some(
            rusqlite::ErrorCode::NotADatabase
            | rusqlite::ErrorCode::DatabaseCorrupt
            | rusqlite::ErrorCode::ConstraintViolation,
        ) => Class::Fail,
        _ => Class::Error,
    }
}

/// What to do about a SQLite error that has nothing to do with a statement.
pub(crate) fn sqlite_remedy(error: &rusqlite::Error) -> Option<&'static str> {
    Some(match sqlite_code(error)? {
        rusqlite::ErrorCode::NotADatabase => "check the path: the file is something else",
        rusqlite::ErrorCode::DatabaseCorrupt => {
            "keep the file as it is, and restore the newest snapshot elsewhere to compare"
        }
        rusqlite::ErrorCode::DiskFull => "make room on the disk, then run it again",
        rusqlite::ErrorCode::SystemIoFailure => {
            "see what the disk, its quota and the limits of this process allow (df, quota, ulimit -f)"
        }
        rusqlite::ErrorCode::ReadOnly
        | rusqlite::ErrorCode::CannotOpen
        | rusqlite::ErrorCode::PermissionDenied => {
            "check that this user may write the file and its folder"
        }
        rusqlite::ErrorCode::DatabaseBusy => "try again when the application is less busy",
        _ => return None,
    })
}

/// What a signal left undone.
pub(crate) fn stopped() -> Cause {
    Cause::new(Class::Fail, "stopped by a signal")
        .remedy("run the deployment again; it goes on where it ended")
}

/// The ledger is not the one that was read and written.
pub(crate) fn ledger_moved() -> Cause {
    Cause::new(
        Class::Fail,
        "the ledger has changed since the plan was made",
    )
    .remedy("run verify-migrations and the deployment again")
}

/// What went wrong in one migration, as far as it can be said.
#[derive(Clone, Debug)]
pub struct Cause {
    /// The class, if nothing at all was changed.
    pub class: Class,
    /// What is so, as a clause.
    pub message: String,
    /// Line of the migration's file, from 1.
    pub line: Option<u32>,
    /// What to do next.
    pub remedy: Option<String>,
}

impl Cause {
    pub(crate) fn new(class: Class, message: impl Into<String>) -> Cause {
        Cause {
            class,
            message: message.into(),
            line: None,
            remedy: None,
        }
    }

    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Cause {
        self.remedy = Some(remedy.into());
        self
    }

    pub(crate) fn at(mut self, line: Option<u32>) -> Cause {
        self.line = line;
        self
    }
}

impl<E: Classify> From<E> for Cause {
    fn from(error: E) -> Cause {
        let failure = Failure::from(error);
        Cause {
            class: failure.class,
            message: failure.line(),
            line: None,
            remedy: failure.remedy,
        }
    }
}

/// How a migration ended that was not applied.
#[derive(Clone, Debug)]
pub enum ApplyError {
    /// The engine rolled it back; the database is as it was before this migration.
    Undone(Cause),
    /// The engine rolled it back, and yet mark or ledger are not what they were before it.
    Disturbed(Cause),
    /// It ran outside a transaction and did not finish; its ledger row says `started`.
    Dirty(Cause),
    /// Whether it was committed can't be told from here.
    Unknown(Cause),
}
