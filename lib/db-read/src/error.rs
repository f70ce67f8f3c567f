//! Why there is no session.

use contract::{Class, Classify};
use db_connect::{ConnectError, StatementError};

use crate::SqliteError;

/// Why there is no read-only session.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The SQLite file can't be read.
    #[error(transparent)]
    Sqlite(#[from] SqliteError),
    /// The PostgreSQL server can't be connected to.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The PostgreSQL server does not begin a transaction.
    #[error(transparent)]
    Begin(#[from] StatementError),
}

impl Classify for OpenError {
    fn class(&self) -> Class {
        match self {
            OpenError::Sqlite(error) => error.class(),
            OpenError::Connect(error) => error.class(),
            OpenError::Begin(error) => error.class(),
        }
    }

    fn remedy(&self) -> Option<String> {
        match self {
            OpenError::Sqlite(error) => error.remedy(),
            OpenError::Connect(error) => error.remedy(),
            OpenError::Begin(error) => error.remedy(),
        }
    }
}
