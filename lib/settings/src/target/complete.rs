//! From the settings that a text has to a complete target: libpq's variables, its files, its
//! defaults, in its order.

use std::borrow::Cow;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::connection_string::ConnectionString;
use super::keys::{self, Becomes};
use super::postgres::{Endpoint, Host, PORT_DEFAULT, PostgresTarget, SessionAttrs};
use super::{Ambient, Secret, TargetError, passfile};
use crate::Warning;

impl ConnectionString {
    /// Fills in what the text leaves out. Relative paths in it are relative to `base`.
    pub(super) fn complete(
        self,
        base: &Path,
        ambient: &Ambient,
        warnings: &mut Vec<Warning>,
    ) -> Result<PostgresTarget, TargetError> {
        let mut target = self.without_passfile(base, ambient, warnings)?;
        if target.password.is_none() {
            self.layered(base, ambient)
                .read_passfile(&mut target, warnings)?;
        }
        register(&target, self.password_as_written.as_ref());
        Ok(target)
    }

    /// The same without the password file: no file is opened, whatever the text names.
    pub(super) fn without_passfile(
        &self,
        base: &Path,
        ambient: &Ambient,
        warnings: &mut Vec<Warning>,
    ) -> Result<PostgresTarget, TargetError> {
        refuse_variables(ambient)?;
        let settings = self.layered(base, ambient);
        warnings.extend(self.warnings.iter().cloned());

        let user = match settings.get("user")? {
            Some(user) if user.contains(':') => {
                return Err(TargetError::Value {
                    key: "user",
                    expected: "a name without a colon; a password is written after an unencoded one",
                });
            }
            Some(user) => user.into_owned(),
            None => ambient.account.name.clone().ok_or(TargetError::NoUser)?,
        };
        let database = match settings.get("dbname")? {
            Some(name) if name.contains("://") || name.contains('=') => {
                return Err(TargetError::NestedTarget);
            }
            Some(name) => name.into_owned(),
            None => user.clone(),
        };
        let home = ambient.account.home.as_deref();
        let endpoints = settings.endpoints()?;
        let (sslmode, sslrootcert) = settings.verification(home, warnings)?;
        let target = PostgresTarget {
            endpoints,
            user,
            password: settings.get("password")?.map(Secret::new),
            database,
            sslmode,
            sslrootcert,
            client_cert: settings.client_cert(sslmode, home)?,
            tls_min: settings.tls_min()?,
            sslnegotiation: settings.sslnegotiation(sslmode)?,
            channel_binding: settings.channel_binding()?,
            connect_timeout: settings.connect_timeout(warnings)?,
            application_name: settings.get("application_name")?.map(Cow::into_owned),
            options: settings.get("options")?.map(Cow::into_owned),
            target_session_attrs: settings.session_attrs()?,
        };
        settings.refuse_gss()?;
        Ok(target)
    }

    fn layered<'a>(&'a self, base: &'a Path, ambient: &'a Ambient) -> Layered<'a> {
        Layered {
            string: self,
            base,
            ambient,
        }
    }
}

/// Tells the redactor every password of the target.
fn register(target: &PostgresTarget, as_written: Option<&Secret>) {
    let hosts: Vec<String> = target
        .endpoints
        .iter()
        .map(|endpoint| endpoint.host.to_string())
        .collect();
    let mut public = vec![target.user.as_str(), target.database.as_str()];
    public.extend(hosts.iter().map(String::as_str));
    let passwords = target
        .endpoints
        .iter()
        .map(|endpoint| &endpoint.passfile_password);
    for secret in passwords
        .flatten()
        .chain(&target.password)
        .chain(as_written)
    {
        secret.register(&public);
    }
}

/// A variable whose setting would be refused in the text is refused too.
fn refuse_variables(ambient: &Ambient) -> Result<(), TargetError> {
    for key in keys::POSTGRES {
        if let (Some(variable), Becomes::Refused(reason)) = (key.variable, key.becomes)
            && ambient
                .variables
                .get(variable)
                .is_some_and(|value| !value.is_empty())
        {
            return Err(TargetError::Unsupported {
                key: variable,
                reason,
            });
        }
    }
    Ok(())
}

/// The text's settings with the variables behind them.
pub(super) struct Layered<'a> {
    pub(super) string: &'a ConnectionString,
    base: &'a Path,
    ambient: &'a Ambient,
}

impl<'a> Layered<'a> {
    pub(super) fn get(&self, name: &'static str) -> Result<Option<Cow<'a, str>>, TargetError> {
        if let Some(value) = self.string.get(name) {
            return Ok(Some(Cow::Borrowed(value)));
        }
        let key = keys::POSTGRES.iter().find(|key| key.name == name);
        let Some(variable) = key.and_then(|key| key.variable) else {
            return Ok(None);
        };
        match self.ambient.variables.text(variable) {
            Ok(value) => Ok(value.map(Cow::Borrowed)),
            Err(_) => Err(TargetError::Value {
                key: variable,
                expected: "UTF-8",
            }),
        }
    }

    /// A path; one that the text has is relative to `base`, one of a variable to the process.
    pub(super) fn path(&self, name: &'static str) -> Result<Option<PathBuf>, TargetError> {
        Ok(match (self.string.get(name), self.get(name)?) {
            (Some(path), _) => Some(self.base.join(path)),
            (None, path) => path.map(|path| PathBuf::from(path.as_ref())),
        })
    }

    fn endpoints(&self) -> Result<Vec<Endpoint>, TargetError> {
        // PGHOSTADDR would send a target that names its host elsewhere, so unlike with libpq it
        // counts only where the target names none.
        let names = self.string.get("host").map(Cow::Borrowed);
        let (names, addresses) = match (names, self.string.get("hostaddr")) {
            (None, None) => (self.get("host")?, self.get("hostaddr")?),
            (names, addresses) => (names, addresses.map(Cow::Borrowed)),
        };
        let names = split(names.as_deref());
        let addresses = split(addresses.as_deref());
        let ports = self.get("port")?;
        let ports = split(ports.as_deref());
        let count = names.len().max(addresses.len()).max(1);
        if !names.is_empty() && !addresses.is_empty() && addresses.len() != names.len() {
            return Err(TargetError::HostCount(names.len(), "numeric addresses"));
        }
        if ports.len() > 1 && ports.len() != count {
            return Err(TargetError::HostCount(count, "ports"));
        }
        let mut endpoints = Vec::with_capacity(count);
        for index in 0..count {
            let port = match ports
                .get(index)
                .or(ports.first().filter(|_| ports.len() == 1))
            {
                None | Some(&"") => PORT_DEFAULT,
                Some(port) => read_port(port)?,
            };
            let name = names.get(index).copied().unwrap_or_default();
            let address = addresses.get(index).copied().unwrap_or_default();
            endpoints.push(Endpoint {
                host: self.host(name, address, port)?,
                port,
                passfile_password: None,
            });
        }
        Ok(endpoints)
    }

    fn host(&self, name: &str, address: &str, port: u16) -> Result<Host, TargetError> {
        let address: Option<IpAddr> = match address {
            "" => None,
            address => Some(address.parse().map_err(|_| TargetError::Value {
                key: "hostaddr",
                expected: "a numeric address",
            })?),
        };
        match (name, address) {
            ("", None) => Ok(self.default_host(port)),
            ("", Some(address)) => Ok(Host::Tcp {
                name: address.to_string(),
                address: Some(address),
            }),
            (dir, None) if dir.starts_with('/') => Ok(Host::Socket(PathBuf::from(dir))),
            (name, None) if name.starts_with('@') => Err(TargetError::Value {
                key: "host",
                expected: "a name, an address or a folder; abstract sockets are not supported",
            }),
            // Results show the host, so what looks like a login or a URL is none.
            (name, _)
                if name.contains(['@', '/', '?', '#', '='])
                    || name.contains(char::is_whitespace) =>
            {
                Err(TargetError::Value {
                    key: "host",
                    expected: "a name, an address, or a folder that begins with /",
                })
            }
            (name, address) => Ok(Host::Tcp {
                name: name.to_owned(),
                address,
            }),
        }
    }

    /// libpq takes the socket folder that it was built with; the first that has a socket is it.
    fn default_host(&self, port: u16) -> Host {
        let socket = format!(".s.PGSQL.{port}");
        let dir = self
            .ambient
            .socket_dirs
            .iter()
            .find(|dir| dir.join(&socket).exists());
        match dir {
            Some(dir) => Host::Socket(dir.clone()),
            None => Host::Tcp {
                name: "localhost".to_owned(),
                address: None,
            },
        }
    }

    fn read_passfile(
        &self,
        target: &mut PostgresTarget,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), TargetError> {
        let named = self.path("passfile")?;
        let home = self.ambient.account.home.as_ref();
        let (path, required) = match (named, home) {
            (Some(path), _) => (path, true),
            (None, Some(home)) => (home.join(".pgpass"), false),
            (None, None) => return Ok(()),
        };
        let content = match passfile::read(&path) {
            Ok(Some(content)) => content,
            Ok(None) if !required => return Ok(()),
            Ok(None) => {
                let reason = "there is no such file";
                warnings.push(Warning::UnusedPassfile { path, reason });
                return Ok(());
            }
            Err(warning) => {
                warnings.push(warning);
                return Ok(());
            }
        };
        for endpoint in &mut target.endpoints {
            let host = match &endpoint.host {
                Host::Tcp { name, .. } => name.clone(),
                Host::Socket(dir) if self.ambient.socket_dirs.contains(dir) => {
                    "localhost".to_owned()
                }
                Host::Socket(dir) => dir.display().to_string(),
            };
            let port = endpoint.port.to_string();
            endpoint.passfile_password =
                passfile::password(&content, [&host, &port, &target.database, &target.user])
                    .map(Secret::new);
        }
        Ok(())
    }

    /// Whole seconds, as libpq has it. There, zero and less mean no limit; here, the limit stays.
    fn connect_timeout(
        &self,
        warnings: &mut Vec<Warning>,
    ) -> Result<Option<Duration>, TargetError> {
        let Some(text) = self.get("connect_timeout")? else {
            return Ok(None);
        };
        let seconds: i32 = text.trim().parse().map_err(|_| TargetError::Value {
            key: "connect_timeout",
            expected: "a whole number of seconds",
        })?;
        match u64::try_from(seconds) {
            Ok(seconds) if seconds > 0 => Ok(Some(Duration::from_secs(seconds))),
            _ => {
                warnings.push(Warning::IgnoredKey {
                    key: "connect_timeout",
                    reason: "zero would mean to wait for ever",
                });
                Ok(None)
            }
        }
    }

    fn session_attrs(&self) -> Result<SessionAttrs, TargetError> {
        match self.get("target_session_attrs")?.as_deref() {
            None | Some("any") => Ok(SessionAttrs::Any),
            Some("read-write") => Ok(SessionAttrs::ReadWrite),
            Some("read-only") => Ok(SessionAttrs::ReadOnly),
            Some("primary") => Ok(SessionAttrs::Primary),
            Some("standby") => Ok(SessionAttrs::Standby),
            Some("prefer-standby") => Ok(SessionAttrs::PreferStandby),
            Some(_) => Err(TargetError::Value {
                key: "target_session_attrs",
                expected: "any, read-write, read-only, primary, standby or prefer-standby",
            }),
        }
    }
}

fn split(list: Option<&str>) -> Vec<&str> {
    list.map(|list| list.split(',').map(str::trim).collect())
        .unwrap_or_default()
}

fn read_port(text: &str) -> Result<u16, TargetError> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(TargetError::Value {
            key: "port",
            expected: "a number from 1 to 65535",
        }),
    }
}
