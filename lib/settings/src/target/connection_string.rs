//! libpq's two notations, read into settings: the URL and `key=value`.
//!
//! The grammar is that of PostgreSQL's manual, "Connection Strings". Stricter than libpq in one
//! point: an `@` that was not encoded is an error wherever it could be a piece of a password, which
//! libpq would take for a host or a database name, and results would show.

use super::keys::{self, Becomes, Key};
use super::{Secret, TargetError, percent_decode};
use crate::Warning;

/// The settings that a text has.
#[derive(Debug, Default)]
pub(super) struct ConnectionString {
    settings: Vec<Setting>,
    pub(super) warnings: Vec<Warning>,
    /// The password as it stood in the text, for the redactor.
    pub(super) password_as_written: Option<Secret>,
}

struct Setting {
    key: &'static Key,
    value: Secret,
    /// Before a URL's `?`; the same key behind it counts instead, as with libpq.
    authority: bool,
}

impl std::fmt::Debug for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.key.name)
    }
}

impl ConnectionString {
    /// The value of a key, if the text has one that is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.settings
            .iter()
            .find(|setting| setting.key.name == name)
            .map(|setting| setting.value.expose())
            .filter(|value| !value.is_empty())
    }

    pub(super) fn has_password(&self) -> bool {
        self.get("password").is_some()
    }

    /// Takes a setting in, or says why not. `position` counts the settings from 1.
    fn add(&mut self, position: usize, name: &str, value: String) -> Result<(), TargetError> {
        let Some(key) = keys::find(name) else {
            return Err(TargetError::UnknownKey {
                position,
                in_url: false,
                nearest: crate::nearest::nearest(name, keys::POSTGRES.iter().map(|key| key.name)),
            });
        };
        match key.becomes {
            Becomes::Used => self.set(key, value, false),
            Becomes::Refused(reason) => Err(TargetError::Unsupported {
                key: key.name,
                reason,
            }),
            Becomes::Ignored(reason) => {
                let warning = Warning::IgnoredKey {
                    key: key.name,
                    reason,
                };
                if !self.warnings.contains(&warning) {
                    self.warnings.push(warning);
                }
                Ok(())
            }
        }
    }

    fn set(
        &mut self,
        key: &'static Key,
        value: String,
        authority: bool,
    ) -> Result<(), TargetError> {
        let value = Secret::new(value);
        let before = self
            .settings
            .iter_mut()
            .find(|setting| setting.key.name == key.name);
        match before {
            Some(setting) if setting.authority => {
                setting.value = value;
                setting.authority = false;
                Ok(())
            }
            Some(setting) if setting.value != value => Err(TargetError::Repeated(key.name)),
            Some(_) => Ok(()),
            None => {
                self.settings.push(Setting {
                    key,
                    value,
                    authority,
                });
                Ok(())
            }
        }
    }

    fn set_authority(&mut self, name: &str, value: String) -> Result<(), TargetError> {
        match keys::POSTGRES.iter().find(|key| key.name == name) {
            Some(key) if !value.is_empty() => self.set(key, value, true),
            _ => Ok(()),
        }
    }
}

/// Reads what follows `postgres:`.
pub(super) fn read_url(rest: &str) -> Result<ConnectionString, TargetError> {
    let rest = rest.strip_prefix("//").ok_or(TargetError::MissingSlashes)?;
    let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = before_query.split_once('/').unwrap_or((before_query, ""));
    let (login, hosts) = match authority.split_once('@') {
        Some((login, hosts)) => (Some(login), hosts),
        None => (None, authority),
    };
    if hosts.contains('@') || database.contains('@') {
        return Err(TargetError::StrayAt);
    }

    let mut string = ConnectionString::default();
    if let Some(login) = login {
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (login, None),
        };
        string.set_authority("user", percent_decode(user, "user")?)?;
        if let Some(password) = password {
            string.password_as_written = Some(Secret::new(password));
            string.set_authority("password", percent_decode(password, "password")?)?;
        }
    }
    let (names, ports) = read_hosts(hosts)?;
    string.set_authority("host", names)?;
    string.set_authority("port", ports)?;
    string.set_authority("dbname", percent_decode(database, "database name")?)?;
    read_query(query, &mut string)?;
    Ok(string)
}

/// Hosts and ports as the two comma-separated lists of `key=value` form.
fn read_hosts(text: &str) -> Result<(String, String), TargetError> {
    let mut names = Vec::new();
    let mut ports = Vec::new();
    for host in text.split(',') {
        let (name, port) = if let Some(bracketed) = host.strip_prefix('[') {
            let (name, after) = bracketed.split_once(']').ok_or(TargetError::Brackets)?;
            match after.strip_prefix(':') {
                Some(port) => (name, port),
                None if after.is_empty() => (name, ""),
                None => return Err(TargetError::Brackets),
            }
        } else {
            host.split_once(':').unwrap_or((host, ""))
        };
        if port.contains(':') {
            return Err(TargetError::Brackets);
        }
        let name = percent_decode(name, "host")?;
        if name.contains(',') || name.contains('@') {
            return Err(TargetError::PercentEncoding("host"));
        }
        names.push(name);
        ports.push(percent_decode(port, "port")?);
    }
    let list = |parts: Vec<String>| {
        if parts.iter().all(String::is_empty) {
            String::new()
        } else {
            parts.join(",")
        }
    };
    Ok((list(names), list(ports)))
}

fn read_query(query: &str, string: &mut ConnectionString) -> Result<(), TargetError> {
    // A password with an unencoded `?` in it ends up here.
    for (index, setting) in query.split('&').filter(|text| !text.is_empty()).enumerate() {
        let stray = setting.contains('@');
        let Some((name, value)) = setting.split_once('=') else {
            return Err(match stray {
                true => TargetError::StrayAt,
                false => TargetError::QueryUnequal(index + 1),
            });
        };
        if stray && (name.contains('@') || !matches!(name, "user" | "password")) {
            return Err(TargetError::StrayAt);
        }
        if name == "password" {
            string.password_as_written = Some(Secret::new(value));
        }
        let name = percent_decode(name, "query")?;
        string
            .add(index + 1, &name, percent_decode(value, "query")?)
            .map_err(TargetError::in_url)?;
    }
    Ok(())
}

/// Whether a text begins like `key=value` form.
pub(super) fn is_key_value(text: &str) -> bool {
    match text.split_once('=') {
        Some((name, _)) => {
            let name = name.trim_end();
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        }
        None => false,
    }
}

/// Reads `key = value` pairs: white space around `=` is allowed, a value with white space stands in
/// single quotes, and a backslash takes the next character as it is.
pub(super) fn read_key_value(text: &str) -> Result<ConnectionString, TargetError> {
    let mut string = ConnectionString::default();
    let mut rest = text.trim_start();
    let mut position = 0;
    while !rest.is_empty() {
        position += 1;
        let end = rest
            .find(|c: char| c == '=' || c.is_ascii_whitespace())
            .unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let after = after
            .trim_start()
            .strip_prefix('=')
            .ok_or(TargetError::MissingEquals(position))?;
        let (value, after) = read_value(after.trim_start())?;
        string.add(position, name, value)?;
        rest = after.trim_start();
    }
    Ok(string)
}

/// One value, and what follows it.
fn read_value(text: &str) -> Result<(String, &str), TargetError> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut chars = text.char_indices().skip(usize::from(quoted));
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.push(chars.next().ok_or(TargetError::OpenQuote)?.1),
            '\'' if quoted => return Ok((value, &text[at + 1..])),
            c if !quoted && c.is_ascii_whitespace() => return Ok((value, &text[at..])),
            c => value.push(c),
        }
    }
    if quoted {
        return Err(TargetError::OpenQuote);
    }
    Ok((value, ""))
}
