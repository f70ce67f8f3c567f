//! What an error of a statement means.

use std::error::Error as _;
use std::io;

use contract::{Class, Classify};

use crate::ServerError;
use crate::watch::Silence;

/// A statement that failed: "cannot …", with what the server or the connection said beneath it.
#[derive(Debug, thiserror::Error)]
#[error("cannot {act}")]
pub struct StatementError {
    act: String,
    class: Class,
    #[source]
    cause: Cause,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error(transparent)]
    Server(Box<ServerError>),
    #[error(transparent)]
    Driver(postgres::Error),
}

impl StatementError {
    /// `act` completes "cannot", as in "read the tables".
    pub fn new(act: impl Into<String>, error: postgres::Error) -> StatementError {
        StatementError {
            act: act.into(),
            class: class_of(&error),
            cause: match error.as_db_error() {
                Some(said) => Cause::Server(Box::new(ServerError::from(said))),
                None => Cause::Driver(error),
            },
        }
    }

    /// What the server said, unless the connection itself failed.
    pub fn server(&self) -> Option<&ServerError> {
        match &self.cause {
            Cause::Server(said) => Some(said),
            Cause::Driver(_) => None,
        }
    }

    /// The SQLSTATE, if the server named one.
    pub fn sqlstate(&self) -> Option<&str> {
        self.server().map(|said| said.code.as_str())
    }
}

impl Classify for StatementError {
    fn class(&self) -> Class {
        self.class
    }

    fn remedy(&self) -> Option<String> {
        if let Some(hint) = self.server().and_then(|said| said.hint.clone()) {
            return Some(hint);
        }
        match (self.class, self.sqlstate()) {
            (Class::Fail, Some("42501")) => Some("grant the role what it lacks".to_owned()),
            (Class::Unavailable, Some("57014")) => {
                Some("try again, or give it more time".to_owned())
            }
            (Class::Unavailable, _) => {
                Some("see whether the server is up, and try again".to_owned())
            }
            (Class::Busy, _) => Some("try again once the lock is free".to_owned()),
            (_, Some("25006")) => Some(
                "let the role write here: default_transaction_read_only is on for it, the database or the server"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// The class of an error that the driver returned for a statement.
///
/// Starting up, shutting down, too many connections, a lost connection, silence, a statement
/// timeout: unavailable. A lock not granted in time (55P03): busy. No right (42501): fail. All
/// else: error.
pub fn class_of(error: &postgres::Error) -> Class {
    if let Some(said) = error.as_db_error() {
        return ServerError::from(said).class();
    }
    if is_unreachable(error) {
        Class::Unavailable
    } else {
        Class::Error
    }
}

/// Whether the connection itself failed or fell silent, so that the outcome of what was sent is
/// not known.
pub fn is_unreachable(error: &postgres::Error) -> bool {
    error.is_closed() || cause_of(error).is_some_and(is_lost)
}

/// The I/O error beneath a driver's.
pub(crate) fn cause_of(error: &postgres::Error) -> Option<&io::Error> {
    error.source()?.downcast_ref()
}

/// Whether an I/O error is the end of a connection, and not a message that could not be read.
pub(crate) fn is_lost(error: &io::Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, HostUnreachable, NetworkDown,
        NetworkUnreachable, NotConnected, TimedOut, UnexpectedEof,
    };
    is_silence(error)
        || matches!(
            error.kind(),
            BrokenPipe
                | ConnectionAborted
                | ConnectionReset
                | HostUnreachable
                | NetworkDown
                | NetworkUnreachable
                | NotConnected
                | TimedOut
                | UnexpectedEof
        )
}

pub(crate) fn is_silence(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Silence>())
}
