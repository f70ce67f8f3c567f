//! A PostgreSQL target, complete: nothing is left for a driver to guess.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use contract::TargetFacts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Secret;

/// The port of PostgreSQL.
pub const PORT_DEFAULT: u16 = 5432;

/// A database on a PostgreSQL server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresTarget {
    /// Where the server is; several are tried in this order. Never empty.
    pub endpoints: Vec<Endpoint>,
    /// The role that logs in.
    pub user: String,
    /// The password that the target or `PGPASSWORD` gives; [`PostgresTarget::password_for`] knows
    /// the password file's too.
    pub password: Option<Secret>,
    /// The database's name.
    pub database: String,
    /// Whether and how TLS is used.
    pub sslmode: SslMode,
    /// Whom to trust about the server's certificate.
    pub sslrootcert: Option<RootCert>,
    /// Our own certificate and its key, both or none.
    pub client_cert: Option<ClientCert>,
    /// The oldest TLS that is accepted.
    pub tls_min: TlsVersion,
    /// How TLS begins.
    pub sslnegotiation: SslNegotiation,
    /// Whether logging in is bound to the TLS channel.
    pub channel_binding: ChannelBinding,
    /// How long one attempt to connect may take, where the target says so.
    pub connect_timeout: Option<Duration>,
    /// What the target would call the session; Lockstep's own name comes first.
    pub application_name: Option<String>,
    /// Command-line options for the server (`-c name=value`, or a host's own routing).
    pub options: Option<String>,
    /// Which of several servers is meant.
    pub target_session_attrs: SessionAttrs,
}

/// One server to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its host.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// The password that the password file has for this host, port, database and user.
    pub passfile_password: Option<Secret>,
}

/// How a server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// Over TCP.
    Tcp {
        /// The name or address as given: what a certificate is checked against.
        name: String,
        /// The address to connect to instead of looking `name` up (libpq's `hostaddr`).
        address: Option<IpAddr>,
    },
    /// Over the socket `.s.PGSQL.<port>` in this folder.
    Socket(PathBuf),
}

/// A certificate to log in with, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCert {
    /// The certificate and its chain.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Whom to trust about the server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootCert {
    /// The system's certificate authorities.
    System,
    /// Those in this PEM file.
    File(PathBuf),
}

/// libpq's `sslmode`, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS if the server refuses a session without.
    Allow,
    /// TLS if the server has it. The default.
    Prefer,
    /// TLS, with whomever.
    Require,
    /// TLS, with a server that a trusted authority certifies.
    VerifyCa,
    /// TLS, with a server that a trusted authority certifies for this host name.
    VerifyFull,
}

/// What is verified of the server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verification {
    /// Nothing.
    None,
    /// That a trusted authority signed it.
    Ca,
    /// That, and the host's name.
    Full,
}

/// libpq's `sslnegotiation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslNegotiation {
    /// PostgreSQL's request comes first. The default.
    Postgres,
    /// TLS from the first byte (servers from 17).
    Direct,
}

/// A version of TLS. Older ones than these are never used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    V12,
    /// TLS 1.3.
    V13,
}

/// libpq's `channel_binding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// Where TLS and server have it. The default.
    Prefer,
    /// Always, or no login.
    Require,
}

/// libpq's `target_session_attrs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionAttrs {
    /// The first that answers. The default.
    Any,
    /// One whose sessions may write by default.
    ReadWrite,
    /// One whose sessions may not.
    ReadOnly,
    /// One that is not in recovery.
    Primary,
    /// One that is.
    Standby,
    /// One that is in recovery, or else any.
    PreferStandby,
}

impl PostgresTarget {
    /// The password for an endpoint: the target's own, or the password file's for that host.
    pub fn password_for<'a>(&'a self, endpoint: &'a Endpoint) -> Option<&'a Secret> {
        self.password
            .as_ref()
            .or(endpoint.passfile_password.as_ref())
    }

    /// What is verified of the server's certificate. As with libpq, `require` verifies the
    /// authority too where a root certificate file is given.
    pub fn verification(&self) -> Verification {
        match (self.sslmode, &self.sslrootcert) {
            (SslMode::VerifyFull, _) => Verification::Full,
            (SslMode::VerifyCa, _) => Verification::Ca,
            (SslMode::Require, Some(RootCert::File(_))) => Verification::Ca,
            _ => Verification::None,
        }
    }

    /// How results name it.
    pub fn describe(&self) -> TargetFacts {
        let hosts: Vec<String> = self
            .endpoints
            .iter()
            .map(|endpoint| endpoint.host.to_string())
            .collect();
        let mut ports = self.endpoints.iter().map(|endpoint| endpoint.port);
        let first = ports.next();
        TargetFacts {
            kind: "postgres",
            host: Some(hosts.join(",")),
            port: first.filter(|first| ports.all(|port| port == *first)),
            database: Some(self.database.clone()),
            user: Some(self.user.clone()),
            ..TargetFacts::default()
        }
    }

    /// `host:port/database`, host names in lower case; several hosts are joined by commas.
    pub fn identity_hint(&self) -> String {
        let endpoints: Vec<String> = self.endpoints.iter().map(Endpoint::to_string).collect();
        format!("{}/{}", endpoints.join(","), self.database)
    }
}

/// What stands as it is in the parts of the shown URL.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A URL without the password. A socket's folder stands percent-encoded as the host.
impl fmt::Display for PostgresTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres://{}@", utf8_percent_encode(&self.user, PLAIN))?;
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let host = endpoint.host.to_string();
            let host = match &endpoint.host {
                Host::Tcp { .. } if host.contains(':') => format!("[{host}]"),
                _ => utf8_percent_encode(&host, PLAIN).to_string(),
            };
            write!(f, "{comma}{host}:{}", endpoint.port)?;
        }
        write!(f, "/{}", utf8_percent_encode(&self.database, PLAIN))
    }
}

/// `host:port`, the host's name in lower case and an IPv6 address in brackets.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match &self.host {
            Host::Tcp { name, address } => {
                let name = name.to_ascii_lowercase();
                match address {
                    Some(address) if address.to_string() != name => format!("{name}({address})"),
                    _ if name.contains(':') => format!("[{name}]"),
                    _ => name,
                }
            }
            Host::Socket(dir) => dir.display().to_string(),
        };
        write!(f, "{host}:{}", self.port)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Tcp { name, .. } => f.write_str(name),
            Host::Socket(dir) => dir.display().fmt(f),
        }
    }
}

impl fmt::Display for SslMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SslMode::Disable => "disable",
            SslMode::Allow => "allow",
            SslMode::Prefer => "prefer",
            SslMode::Require => "require",
            SslMode::VerifyCa => "verify-ca",
            SslMode::VerifyFull => "verify-full",
        })
    }
}
