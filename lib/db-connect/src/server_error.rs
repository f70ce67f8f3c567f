//! What the server says when it refuses.

use std::fmt;

use contract::Class;
use postgres::error::DbError;

/// An error message of the server, with everything that helps a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    /// The SQLSTATE (PostgreSQL, "Error Codes").
    pub code: String,
    /// `ERROR`, `FATAL` or `PANIC`.
    pub severity: String,
    /// The message.
    pub message: String,
    /// More about it.
    pub detail: Option<String>,
    /// What the server would do.
    pub hint: Option<String>,
    /// Where in functions it happened.
    pub context: Option<String>,
    /// The character of the statement where it happened, from 1.
    pub position: Option<u32>,
    /// The schema it concerns.
    pub schema: Option<String>,
    /// The table it concerns.
    pub table: Option<String>,
    /// The column it concerns.
    pub column: Option<String>,
    /// The constraint it concerns.
    pub constraint: Option<String>,
}

impl ServerError {
    /// What it means for the run.
    pub fn class(&self) -> Class {
        if self.ends_the_wait() {
            return Class::Unavailable;
        }
        match self.code.as_str() {
            "55P03" => Class::Busy,
            // No right, no login, no such database: the answer is no.
            "42501" | "3D000" => Class::Fail,
            "08P01" if pooler_refuses(&self.message) => Class::Fail,
            code if code.starts_with("28") => Class::Fail,
            _ => Class::Error,
        }
    }

    /// Whether the server, or a pooler before it, can't serve now, or gave the statement up.
    fn ends_the_wait(&self) -> bool {
        match self.code.as_str() {
            // Protocol violation, and what poolers send for everything.
            "08P01" => pooler_is_waiting(&self.message),
            // Shutting down, crashed, starting up, idle too long; too many connections; the
            // statement was canceled or took too long.
            "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04" | "53300" | "57014" => true,
            code => code.starts_with("08"),
        }
    }
}

/// What pgbouncer says when there is no server, or no free connection to it. It has no code of its
/// own for that.
fn pooler_is_waiting(message: &str) -> bool {
    const WAITING: [&str; 7] = [
        "query_wait_timeout",
        "client_login_timeout",
        "server login has been failing",
        "server conn crashed",
        "server_login_retry",
        "no more connections allowed",
        "pgbouncer cannot connect to server",
    ];
    WAITING.iter().any(|waiting| message.contains(waiting))
}

/// What pgbouncer says, or hands on from the server, when it lets nobody in.
fn pooler_refuses(message: &str) -> bool {
    const REFUSING: [&str; 5] = [
        "no such database",
        "no such user",
        "does not exist",
        "authentication failed",
        "not allowed",
    ];
    REFUSING.iter().any(|refusing| message.contains(refusing))
}

impl From<&DbError> for ServerError {
    fn from(error: &DbError) -> ServerError {
        let text = |text: Option<&str>| text.map(str::to_owned);
        ServerError {
            code: error.code().code().to_owned(),
            severity: error.severity().to_owned(),
            message: error.message().to_owned(),
            detail: text(error.detail()),
            hint: text(error.hint()),
            context: text(error.where_()),
            position: match error.position() {
                Some(postgres::error::ErrorPosition::Original(position)) => Some(*position),
                _ => None,
            },
            schema: text(error.schema()),
            table: text(error.table()),
            column: text(error.column()),
            constraint: text(error.constraint()),
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.code)?;
        if let Some(detail) = &self.detail {
            // A sentence of the server's, in a line that goes on.
            write!(f, "; {}", detail.trim_end_matches('.'))?;
        }
        Ok(())
    }
}

impl std::error::Error for ServerError {}
