//! Why there is no connection.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::{Class, Classify};
use settings::target::{SessionAttrs, SslMode};

use crate::ServerError;
use crate::statement::is_lost;
use crate::watch::in_words;

/// Why there is no connection. `endpoint` is `host:port`.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The host has no address, or nobody could be asked.
    #[error("cannot look up the host name {host}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        #[source]
        source: io::Error,
    },
    /// Nobody listens there, or the way there is closed.
    #[error("cannot reach {endpoint}")]
    Unreachable {
        /// Where.
        endpoint: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No answer in time.
    #[error("cannot connect to {endpoint}: no answer within {}", in_words(*.within))]
    Deadline {
        /// Where.
        endpoint: String,
        /// How long was waited in all.
        within: Duration,
    },
    /// Connected, then gone.
    #[error("cannot log in at {endpoint}: the connection was lost")]
    Lost {
        /// Where.
        endpoint: String,
        /// What the system said of it.
        #[source]
        source: Option<io::Error>,
    },
    /// The server's answer is no.
    #[error("cannot log in at {endpoint}")]
    Refused {
        /// Where.
        endpoint: String,
        /// What it said.
        #[source]
        source: Box<ServerError>,
    },
    /// Logging in failed on our side: no password, no common method, no channel binding.
    #[error("cannot log in at {endpoint}: {reason}")]
    Authentication {
        /// Where.
        endpoint: String,
        /// Why.
        reason: String,
    },
    /// TLS is demanded and the server has none.
    #[error(
        "cannot encrypt the connection to {endpoint}: the server does not support TLS, and sslmode is {sslmode}"
    )]
    TlsNotOffered {
        /// Where.
        endpoint: String,
        /// What the target demands.
        sslmode: SslMode,
    },
    /// The server's certificate is not what the target demands.
    #[error("cannot trust {endpoint}: {problem}")]
    Certificate {
        /// Where.
        endpoint: String,
        /// What is wrong with it.
        problem: CertificateProblem,
    },
    /// The server does not accept our certificate, or wants one.
    #[error(
        "cannot encrypt the connection to {endpoint}: the server refuses the client certificate ({alert})"
    )]
    ClientRefused {
        /// Where.
        endpoint: String,
        /// TLS's name for the reason.
        alert: String,
    },
    /// No version or cipher in common, or something in between that is no TLS.
    #[error("cannot encrypt the connection to {endpoint}")]
    Handshake {
        /// Where.
        endpoint: String,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// What answers does not speak PostgreSQL's protocol.
    #[error("cannot talk to {endpoint}: {reason}")]
    Protocol {
        /// Where.
        endpoint: String,
        /// What came instead.
        reason: String,
    },
    /// Every server that answered is of the other kind.
    #[error("cannot find a server that is {}", attrs_in_words(*.wanted))]
    SessionAttrs {
        /// What `target_session_attrs` demands.
        wanted: SessionAttrs,
    },
    /// The server is of a major version before [`crate::SERVER_MAJOR_LEAST`].
    #[error(
        "cannot work with the server at {endpoint}: it is PostgreSQL {version}, and the least is {}",
        crate::SERVER_MAJOR_LEAST
    )]
    TooOld {
        /// Where.
        endpoint: String,
        /// As it says itself.
        version: String,
    },
    /// A file with certificates or a key can't be read.
    #[error("cannot read {what} in {}", .path.display())]
    Pem {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: PemError,
    },
    /// A root certificate that is none.
    #[error("cannot use a certificate in {} as an authority", .path.display())]
    RootCertificate {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The system's list of authorities is empty.
    #[error("cannot verify the server: this system has no certificate authorities")]
    NoRootCertificates,
    /// The client's certificate and key do not fit.
    #[error("cannot use the client certificate {}", .path.display())]
    ClientCertificate {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// A certificate is to be verified against a name that no certificate can have.
    #[error("cannot verify a certificate for {host}: it is no host name")]
    ServerName {
        /// The name.
        host: String,
    },
    /// The TLS library can't be set up.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
    /// No thread to connect on.
    #[error("cannot start a thread to connect on")]
    Thread(#[source] io::Error),
}

/// Why a PEM file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// The file itself.
    #[error(transparent)]
    File(io::Error),
    /// Nothing of the kind in it.
    #[error("it has none in PEM form")]
    Empty,
    /// Not PEM.
    #[error("it is no PEM file")]
    Form,
}

/// What is wrong with a server's certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateProblem {
    /// After its last day.
    #[error("its certificate has expired")]
    Expired,
    /// Before its first day.
    #[error("its certificate is not valid yet")]
    NotYetValid,
    /// Signed by nobody who is trusted.
    #[error("its certificate is signed by an authority that is not trusted")]
    UnknownIssuer,
    /// For other hosts.
    #[error("its certificate is for {}", names_in_words(.0))]
    OtherName(Vec<String>),
    /// X.509 before version 3.
    #[error(
        "its certificate is X.509 of version 1, which can't name a host or say what it is for: the TLS library here takes version 3 alone"
    )]
    OldVersion,
    /// Anything else.
    #[error("its certificate is not accepted: {0}")]
    Other(String),
}

impl ConnectError {
    pub(crate) fn pem(
        what: &'static str,
        path: &Path,
        source: rustls::pki_types::pem::Error,
    ) -> ConnectError {
        use rustls::pki_types::pem::Error;
        ConnectError::Pem {
            what,
            path: path.to_owned(),
            source: match source {
                Error::Io(source) => PemError::File(source),
                Error::NoItemsFound => PemError::Empty,
                _ => PemError::Form,
            },
        }
    }

    /// Whether the next address or host may do better.
    pub(crate) fn is_of_this_server(&self) -> bool {
        self.class() == Class::Unavailable || matches!(self, ConnectError::SessionAttrs { .. })
    }

    /// The SQLSTATE, if the server named one.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            ConnectError::Refused { source, .. } => Some(&source.code),
            _ => None,
        }
    }
}

impl Classify for ConnectError {
    fn class(&self) -> Class {
        match self {
            ConnectError::Resolve { .. }
            | ConnectError::Deadline { .. }
            | ConnectError::Lost { .. } => Class::Unavailable,
            ConnectError::Unreachable { source, .. } => match source.kind() {
                // The socket's folder is closed to us, or there is no such network here at all.
                io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported => Class::Error,
                // No socket: no server runs there now.
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Class::Unavailable,
                _ if is_lost(source) => Class::Unavailable,
                _ => Class::Error,
            },
            // At a login this is the database's own state: it lets nobody in.
            ConnectError::Refused { source, .. } if source.code == "55000" => Class::Fail,
            ConnectError::Refused { source, .. } => source.class(),
            ConnectError::Authentication { .. }
            | ConnectError::TlsNotOffered { .. }
            | ConnectError::Certificate { .. }
            | ConnectError::ClientRefused { .. }
            | ConnectError::Handshake { .. }
            | ConnectError::TooOld { .. }
            | ConnectError::SessionAttrs { .. } => Class::Fail,
            ConnectError::Pem { .. }
            | ConnectError::RootCertificate { .. }
            | ConnectError::ClientCertificate { .. }
            | ConnectError::ServerName { .. } => Class::Usage,
            ConnectError::Protocol { .. }
            | ConnectError::NoRootCertificates
            | ConnectError::Tls(_)
            | ConnectError::Thread(_) => Class::Error,
        }
    }

    fn remedy(&self) -> Option<String> {
        let remedy = match self {
            ConnectError::Resolve { .. } => {
                "check the host name, and that this machine's resolver answers"
            }
            ConnectError::Unreachable { .. } => {
                "check host and port, and that the server is up and lets this machine in"
            }
            ConnectError::Deadline { .. } | ConnectError::Lost { .. } => {
                "see whether the server is up; more time to connect (connect_timeout in the URL) helps one that is waking"
            }
            ConnectError::Refused { source, .. } => return refused_remedy(source),
            ConnectError::Authentication { .. } => {
                "check the role, its password and channel_binding"
            }
            ConnectError::TlsNotOffered { .. } => "switch TLS on at the server (ssl = on)",
            ConnectError::Certificate { problem, .. } => match problem {
                CertificateProblem::Expired => "renew the server's certificate",
                CertificateProblem::NotYetValid => {
                    "check this machine's clock and the server's certificate"
                }
                CertificateProblem::UnknownIssuer => {
                    "name the authority's certificate with sslrootcert"
                }
                CertificateProblem::OtherName(_) => {
                    "connect by a name that the certificate has, or issue it for this one"
                }
                CertificateProblem::OldVersion => {
                    "issue the certificate as version 3 with a subjectAltName"
                }
                CertificateProblem::Other(_) => {
                    "issue a certificate for a server that the authority in sslrootcert signs"
                }
            },
            ConnectError::ClientRefused { .. } => {
                "name a certificate and key that the server accepts with sslcert and sslkey"
            }
            ConnectError::Handshake { .. } => "let the server use TLS 1.2 or 1.3",
            ConnectError::Protocol { .. } => "check that host and port are PostgreSQL's",
            ConnectError::SessionAttrs { .. } => {
                "name the host that is, or change target_session_attrs"
            }
            ConnectError::TooOld { .. } => {
                return Some(format!(
                    "upgrade the server to PostgreSQL {} or newer",
                    crate::SERVER_MAJOR_LEAST
                ));
            }
            ConnectError::Pem { .. }
            | ConnectError::RootCertificate { .. }
            | ConnectError::ClientCertificate { .. } => {
                "check sslrootcert, sslcert and sslkey: PEM files that this user can read"
            }
            ConnectError::NoRootCertificates => {
                "install the package ca-certificates, or name sslrootcert"
            }
            ConnectError::ServerName { .. } => "connect by a host name, or use sslmode verify-ca",
            ConnectError::Tls(_) | ConnectError::Thread(_) => return None,
        };
        Some(remedy.to_owned())
    }
}

fn refused_remedy(said: &ServerError) -> Option<String> {
    if let Some(hint) = &said.hint {
        return Some(hint.clone());
    }
    let remedy = match said.code.as_str() {
        "28P01" => "check the role and its password",
        code if code.starts_with("28") => "let the role in: pg_hba.conf and its LOGIN right decide",
        "3D000" => "check the database's name",
        "42501" => "grant the role CONNECT on the database",
        "55000" => "let the database take connections: ALTER DATABASE … ALLOW_CONNECTIONS true",
        "57P03" => "wait until the server has started",
        "53300" => "wait for free connections, or raise max_connections",
        _ => match said.class() {
            Class::Fail => "check the role, its password and the database's name",
            Class::Unavailable => "see whether the server is up and has free connections",
            _ => return None,
        },
    };
    Some(remedy.to_owned())
}

fn names_in_words(names: &[String]) -> String {
    if names.is_empty() {
        // The common name alone has not counted since RFC 9110, and libpq alone still reads it.
        return "no host at all: it has no subjectAltName".to_owned();
    }
    let hosts: Vec<&str> = names.iter().filter_map(|name| host_name(name)).collect();
    if hosts.is_empty() {
        return "no host: its subjectAltName names something else".to_owned();
    }
    format!("{}, not for this host", hosts.join(", "))
}

/// The host in the library's `DnsName("db.example.org")` or `IpAddress(127.0.0.1)`; a name of another
/// sort (an e-mail address) comes without one.
fn host_name(name: &str) -> Option<&str> {
    let (_, rest) = name.split_once('(')?;
    let host = rest.strip_suffix(')')?.trim_matches('"');
    (!host.starts_with("0x")).then_some(host)
}

fn attrs_in_words(attrs: SessionAttrs) -> &'static str {
    match attrs {
        SessionAttrs::Any | SessionAttrs::PreferStandby => "up",
        SessionAttrs::ReadWrite => "open for writes",
        SessionAttrs::ReadOnly => "read-only",
        SessionAttrs::Primary => "a primary",
        SessionAttrs::Standby => "a standby",
    }
}
