//! From what the driver, the TLS library and the system say to why there is no connection.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError};
use settings::target::SslMode;

use crate::connector::Refusal;
use crate::statement::{cause_of, is_silence};
use crate::{CertificateProblem, ConnectError, ServerError};

/// What an error needs to know of the attempt that it ended.
pub(crate) struct Attempt<'a> {
    pub(crate) endpoint: &'a str,
    pub(crate) sslmode: SslMode,
    pub(crate) timeout: Duration,
    pub(crate) has_password: bool,
}

impl Attempt<'_> {
    /// Reads what the driver returned.
    pub(crate) fn failed(&self, error: postgres::Error) -> ConnectError {
        let endpoint = self.endpoint.to_owned();
        if let Some(said) = error.as_db_error() {
            return ConnectError::Refused {
                endpoint,
                source: Box::new(ServerError::from(said)),
            };
        }
        if error.is_closed() {
            return ConnectError::Lost {
                endpoint,
                source: None,
            };
        }
        if let Some(found) = cause_of(&error).and_then(tls_error) {
            return self.tls(&found.clone());
        }
        // The driver does not export its kinds; their texts are what tells them apart.
        let kind = error.to_string();
        let reason = error.source().map_or(kind.clone(), ToString::to_string);
        if kind == "authentication error" {
            return ConnectError::Authentication { endpoint, reason };
        }
        if !self.has_password && reason == "password missing" {
            return ConnectError::Authentication {
                endpoint,
                reason: "the server wants a password and the target has none".to_owned(),
            };
        }
        let Some(source) = error.into_source() else {
            return ConnectError::Protocol { endpoint, reason };
        };
        match source.downcast::<Refusal>() {
            Ok(refusal) => self.refusal(*refusal),
            Err(source) => match source.downcast::<io::Error>() {
                Ok(source) => self.io(*source),
                Err(_) => ConnectError::Protocol { endpoint, reason },
            },
        }
    }

    fn refusal(&self, refusal: Refusal) -> ConnectError {
        let endpoint = self.endpoint.to_owned();
        match refusal {
            Refusal::NotOffered => ConnectError::TlsNotOffered {
                endpoint,
                sslmode: self.sslmode,
            },
            Refusal::ErrorInstead => ConnectError::Lost {
                endpoint,
                source: Some(io::Error::other(refusal)),
            },
            Refusal::NotPostgres(_) => ConnectError::Protocol {
                endpoint,
                reason: refusal.to_string(),
            },
            Refusal::Handshake(source) => match tls_error(&source) {
                Some(error) => self.tls(&error.clone()),
                None => self.io(source),
            },
            Refusal::Transport(source) => self.io(source),
        }
    }

    fn io(&self, source: io::Error) -> ConnectError {
        let endpoint = self.endpoint.to_owned();
        match source.kind() {
            io::ErrorKind::TimedOut => ConnectError::Deadline {
                endpoint,
                within: self.timeout,
            },
            _ if is_silence(&source) => ConnectError::Deadline {
                endpoint,
                within: self.timeout,
            },
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
                ConnectError::Protocol {
                    endpoint,
                    reason: format!("what answers is not PostgreSQL: {source}"),
                }
            }
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => ConnectError::Lost {
                endpoint,
                source: Some(source),
            },
            _ => ConnectError::Unreachable { endpoint, source },
        }
    }

    fn tls(&self, error: &rustls::Error) -> ConnectError {
        let endpoint = self.endpoint.to_owned();
        match error {
            rustls::Error::InvalidCertificate(problem) => ConnectError::Certificate {
                endpoint,
                problem: CertificateProblem::of(problem),
            },
            rustls::Error::AlertReceived(
                alert @ (AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied),
            ) => ConnectError::ClientRefused {
                endpoint,
                alert: format!("{alert:?}"),
            },
            other => ConnectError::Handshake {
                endpoint,
                source: io::Error::other(other.clone()),
            },
        }
    }
}

/// The TLS library's error inside an I/O error.
fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

impl CertificateProblem {
    fn of(problem: &CertificateError) -> CertificateProblem {
        match problem {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                CertificateProblem::Expired
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                CertificateProblem::NotYetValid
            }
            CertificateError::UnknownIssuer => CertificateProblem::UnknownIssuer,
            CertificateError::NotValidForName => CertificateProblem::OtherName(Vec::new()),
            CertificateError::NotValidForNameContext { presented, .. } => {
                CertificateProblem::OtherName(presented.clone())
            }
            // The library below has no type of its own for this.
            CertificateError::Other(other)
                if other.to_string().contains("UnsupportedCertVersion") =>
            {
                CertificateProblem::OldVersion
            }
            other => CertificateProblem::Other(other.to_string()),
        }
    }
}
