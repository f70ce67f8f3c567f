//! Sessions in which the database engine itself refuses writes.
//!
//! A [`Session`] sees one snapshot from its first statement on, whatever others write meanwhile.
//! SQLite files are opened read-only with `query_only`; a file that is not there is an answer and
//! never a new file. PostgreSQL sessions are one `READ ONLY` transaction with `SET LOCAL` alone, so
//! that they leave nothing behind in a pooler either.

mod before;
mod error;
mod postgres;
mod schema;
mod sqlite;
mod survey;
mod sweep;
mod timeouts;

use std::time::Duration;

use db_connect::StatementError;
use settings::Target;

pub use error::OpenError;
pub use postgres::{PostgresFacts, PostgresSession};
pub use sqlite::{SqliteError, SqliteFacts, SqliteSession};
pub use sweep::Leftovers;
pub use timeouts::{TIMEOUTS, Timeout};

/// How long a session waits for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What PostgreSQL shows the session as: the tool's name and the run id.
    pub application_name: String,
    /// Longest time to connect; `None`: the target's own, or 15 s.
    pub connect_timeout: Option<Duration>,
    /// Longest time for one statement on PostgreSQL.
    pub statement_timeout: Duration,
    /// Longest wait for a lock, on either engine.
    pub lock_timeout: Duration,
    /// Longest pause between statements before PostgreSQL ends the session, so that a stopped
    /// program does not hold its snapshot for ever.
    pub idle_timeout: Duration,
}

impl Options {
    /// The limits of a check: 15 s to connect, 30 s for a statement, 5 s for a lock, 5 min of
    /// pause.
    pub fn new(application_name: impl Into<String>) -> Options {
        Options {
            application_name: application_name.into(),
            connect_timeout: None,
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(300),
        }
    }
}

/// A read-only session on either engine.
#[derive(Debug)]
pub enum Session {
    /// On a file.
    Sqlite(Box<SqliteSession>),
    /// On a server.
    Postgres(Box<PostgresSession>),
}

impl Session {
    /// Opens a target and pins the snapshot.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn open(target: &Target, options: &Options) -> Result<Session, OpenError> {
        Ok(match target {
            Target::Sqlite(target) => {
                Session::Sqlite(Box::new(SqliteSession::open(target, options)?))
            }
            Target::Postgres(target) => {
                Session::Postgres(Box::new(PostgresSession::open(target, options)?))
            }
        })
    }

    /// Ends the session. For SQLite it says what reading left beside the file.
    ///
    /// # Errors
    ///
    /// The connection was lost before its end; nothing was to be kept anyway.
    pub fn close(self) -> Result<Leftovers, StatementError> {
        match self {
            Session::Sqlite(session) => Ok(session.close()),
            Session::Postgres(session) => session.close().map(|()| Leftovers::default()),
        }
    }
}
