//! Connections to PostgreSQL: TLS, deadlines, and what a refusal means.
//!
//! [`connect`] does what libpq does with the same target (`sslmode`, several hosts, `hostaddr`,
//! `target_session_attrs`, channel binding), within one deadline that covers everything from the
//! name to the login. The [`Link`] that it returns knows whether it speaks to the server itself or
//! to a pooler before it, and gives up on a server that falls silent. A server older than
//! [`SERVER_MAJOR_LEAST`] is refused, whatever the connection is for.
//!
//! Nothing here sends a `SET`: what a session is for is its owner's business.

mod attempt;
mod cancel;
mod connector;
mod dial;
mod error;
mod installed;
mod link;
mod messages;
mod route;
mod server_error;
mod statement;
mod stream;
mod trust;
mod watch;
mod x509;

pub use cancel::{CancelError, CancelHandle};
pub use dial::{CONNECT_TIMEOUT_DEFAULT, Options, SERVER_MAJOR_LEAST, connect};
pub use error::{CertificateProblem, ConnectError};
pub use installed::{major_of, program_folders, version_said};
pub use link::{Link, Route, TlsFacts};
pub use server_error::ServerError;
pub use statement::{StatementError, class_of, is_unreachable};
pub use watch::Ear;
