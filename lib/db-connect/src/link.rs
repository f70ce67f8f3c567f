//! What a successful connect hands over.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::CancelHandle;
use crate::watch::{Ear, Shared};

/// A connection that is logged in.
pub struct Link {
    /// The driver's client.
    pub client: postgres::Client,
    /// What encrypts the connection; nothing where it is plain.
    pub tls: Option<TlsFacts>,
    /// Whether the server itself answers.
    pub route: Route,
    /// The process id that logging in named. Behind a pooler it is the pooler's invention.
    pub backend_pid: Option<i32>,
    /// The endpoint that answered, as `host:port`.
    pub endpoint: String,
    /// Whether the server was in recovery (a replica) when it was asked.
    pub in_recovery: bool,
    /// The server's version as in `server_version_num`: 150018.
    pub server_version_num: u32,
    /// What somebody should know about how the connection came about.
    pub warnings: Vec<String>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) cancel: CancelHandle,
}

/// What encrypts a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: &'static str,
    /// The cipher suite, as its specification names it.
    pub cipher: String,
}

/// Who answers on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// The server itself.
    Direct,
    /// Something in between, which may give each transaction another session.
    Pooler {
        /// What shows it.
        why: String,
    },
    /// It can't be told.
    Unknown {
        /// Why not.
        why: String,
    },
}

impl Link {
    /// Something that another thread can cancel the running statement with.
    pub fn cancel_handle(&self) -> CancelHandle {
        self.cancel.clone()
    }

    /// How many statements the server has completed on this connection, those of a message with
    /// several counted one by one. It grows while an answer is read, so the difference around a
    /// call tells which statement failed.
    pub fn statements_completed(&self) -> u64 {
        self.shared.statements_completed()
    }

    /// Hands what the server says beside its answers to `ear`, as it comes, on the thread that awaits an
    /// answer; what came before is gone.
    pub fn hear(&self, ear: Option<Ear>) {
        self.shared.set_ear(ear);
    }

    /// Sets how long the server may be silent while an answer of its is awaited; from the next
    /// request on. `None` waits for ever.
    pub fn set_answer_timeout(&self, timeout: Option<Duration>) {
        self.shared.set_answer_timeout(timeout);
    }
}

impl Route {
    /// Whether the server itself is known to answer, so that what belongs to a session (a lock, a
    /// setting) stays with this program.
    pub fn is_direct(&self) -> bool {
        *self == Route::Direct
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Route::Direct => f.write_str("the server itself"),
            Route::Pooler { why } => write!(f, "a pooler ({why})"),
            Route::Unknown { why } => write!(f, "unknown ({why})"),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("tls", &self.tls)
            .field("route", &self.route)
            .field("backend_pid", &self.backend_pid)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}
