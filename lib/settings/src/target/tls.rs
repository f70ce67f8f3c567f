//! The part of a target that says how far the server is trusted.

use std::borrow::Cow;
use std::path::Path;

use super::TargetError;
use super::complete::Layered;
use super::postgres::{ChannelBinding, ClientCert, RootCert, SslMode, SslNegotiation, TlsVersion};
use crate::Warning;

impl Layered<'_> {
    pub(super) fn verification(
        &self,
        home: Option<&Path>,
        warnings: &mut Vec<Warning>,
    ) -> Result<(SslMode, Option<RootCert>), TargetError> {
        let root = match self.get("sslrootcert")?.as_deref() {
            Some("system") => Some(RootCert::System),
            Some(_) => self.path("sslrootcert")?.map(RootCert::File),
            None => home
                .map(|home| home.join(".postgresql/root.crt"))
                .filter(|path| path.exists())
                .map(RootCert::File),
        };
        let given = match self.string.get("sslmode") {
            Some(mode) => Some(Cow::Borrowed(mode)),
            None => match self.string.get("ssl") {
                Some("true" | "True" | "1" | "on" | "yes") => Some(Cow::Borrowed("require")),
                Some("false" | "False" | "0" | "off" | "no") => Some(Cow::Borrowed("disable")),
                Some(mode) => Some(Cow::Borrowed(mode)),
                None => self.get("sslmode")?,
            },
        };
        let mode = match (given.as_deref(), &root) {
            (Some(mode), _) => read_sslmode(mode, warnings)?,
            (None, Some(RootCert::System)) => SslMode::VerifyFull,
            (None, _) => SslMode::Prefer,
        };
        let disagree = self.string.get("sslmode").is_some()
            && match self.string.get("ssl") {
                Some("true" | "True" | "1" | "on" | "yes") => mode == SslMode::Disable,
                Some("false" | "False" | "0" | "off" | "no") => mode >= SslMode::Require,
                _ => false,
            };
        if disagree {
            return Err(TargetError::Value {
                key: "ssl",
                expected: "left out where sslmode is given: the two say different things",
            });
        }
        if root == Some(RootCert::System) && mode != SslMode::VerifyFull {
            return Err(TargetError::Value {
                key: "sslmode",
                expected: "verify-full where sslrootcert is system: anybody can have a certificate \
                           from a public authority",
            });
        }
        if root.is_none() && mode == SslMode::VerifyCa {
            return Err(TargetError::Value {
                key: "sslrootcert",
                expected: "a file where sslmode is verify-ca: anybody can have a certificate from \
                           a public authority",
            });
        }
        Ok((mode, root))
    }

    pub(super) fn client_cert(
        &self,
        sslmode: SslMode,
        home: Option<&Path>,
    ) -> Result<Option<ClientCert>, TargetError> {
        let certmode = self.get("sslcertmode")?;
        let default = |name: &str| {
            home.map(|home| home.join(".postgresql").join(name))
                .filter(|path| path.exists())
        };
        let cert = self.path("sslcert")?;
        let named = cert.is_some();
        let cert = cert.or_else(|| default("postgresql.crt"));
        let key = self.path("sslkey")?.or_else(|| default("postgresql.key"));
        let found = match (cert, key) {
            (Some(cert), Some(key)) => Some(ClientCert { cert, key }),
            (Some(_), None) if named => {
                return Err(TargetError::Value {
                    key: "sslkey",
                    expected: "the key file of sslcert (a server's root certificate is sslrootcert)",
                });
            }
            _ => None,
        };
        match certmode.as_deref() {
            Some("disable") => Ok(None),
            Some("require") if found.is_none() || sslmode == SslMode::Disable => {
                Err(TargetError::Value {
                    key: "sslcert",
                    expected: "a file, and TLS on, where sslcertmode is require",
                })
            }
            None | Some("allow" | "require") => Ok(found.filter(|_| sslmode != SslMode::Disable)),
            Some(_) => Err(TargetError::Value {
                key: "sslcertmode",
                expected: "disable, allow or require",
            }),
        }
    }

    pub(super) fn tls_min(&self) -> Result<TlsVersion, TargetError> {
        let min = match self.get("ssl_min_protocol_version")?.as_deref() {
            None | Some("TLSv1" | "TLSv1.1" | "TLSv1.2") => TlsVersion::V12,
            Some("TLSv1.3") => TlsVersion::V13,
            Some(_) => {
                return Err(TargetError::Value {
                    key: "ssl_min_protocol_version",
                    expected: "TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3",
                });
            }
        };
        match self.get("ssl_max_protocol_version")?.as_deref() {
            None | Some("TLSv1.3") => Ok(min),
            Some(_) => Err(TargetError::Unsupported {
                key: "ssl_max_protocol_version",
                reason: "TLS 1.3 is never switched off",
            }),
        }
    }

    pub(super) fn sslnegotiation(&self, sslmode: SslMode) -> Result<SslNegotiation, TargetError> {
        match self.get("sslnegotiation")?.as_deref() {
            None | Some("postgres") => Ok(SslNegotiation::Postgres),
            Some("direct") if sslmode >= SslMode::Require => Ok(SslNegotiation::Direct),
            Some("direct") => Err(TargetError::Value {
                key: "sslmode",
                expected: "require, verify-ca or verify-full where sslnegotiation is direct",
            }),
            Some(_) => Err(TargetError::Value {
                key: "sslnegotiation",
                expected: "postgres or direct",
            }),
        }
    }

    pub(super) fn channel_binding(&self) -> Result<ChannelBinding, TargetError> {
        match self.get("channel_binding")?.as_deref() {
            None | Some("prefer") => Ok(ChannelBinding::Prefer),
            Some("disable") => Ok(ChannelBinding::Disable),
            Some("require") => Ok(ChannelBinding::Require),
            Some(_) => Err(TargetError::Value {
                key: "channel_binding",
                expected: "disable, prefer or require",
            }),
        }
    }

    pub(super) fn refuse_gss(&self) -> Result<(), TargetError> {
        match self.get("gssencmode")?.as_deref() {
            None | Some("disable" | "prefer") => Ok(()),
            Some(_) => Err(TargetError::Value {
                key: "gssencmode",
                expected: "disable or prefer: Lockstep encrypts by TLS",
            }),
        }
    }
}

fn read_sslmode(text: &str, warnings: &mut Vec<Warning>) -> Result<SslMode, TargetError> {
    Ok(match text {
        "disable" => SslMode::Disable,
        "allow" => SslMode::Allow,
        "prefer" => SslMode::Prefer,
        "require" => SslMode::Require,
        "verify-ca" => SslMode::VerifyCa,
        "verify-full" => SslMode::VerifyFull,
        "no-verify" => {
            warnings.push(Warning::IgnoredKey {
                key: "sslmode=no-verify",
                reason: "it is node-postgres' word for require",
            });
            SslMode::Require
        }
        _ => {
            return Err(TargetError::Value {
                key: "sslmode",
                expected: "disable, allow, prefer, require, verify-ca or verify-full",
            });
        }
    })
}
