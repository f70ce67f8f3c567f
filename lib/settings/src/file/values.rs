//! Values of `lockstep.toml` that say more than their TOML type.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, IntoDeserializer as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::EnvironmentSettings;
use crate::{duration, environment, target};

/// Where a database's target is written: here, or in a variable, where secrets belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseSource {
    /// The target itself, without a password.
    Text(String),
    /// `{ env = "NAME" }`: the variable that holds it.
    Variable(String),
}

impl<'de> Deserialize<'de> for DatabaseSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DatabaseSource, D::Error> {
        struct Source;
        impl<'de> Visitor<'de> for Source {
            type Value = DatabaseSource;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a target, or { env = \"NAME\" }")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<DatabaseSource, E> {
                match target::has_password(text) {
                    Ok(false) => Ok(DatabaseSource::Text(text.to_owned())),
                    Ok(true) => Err(E::custom(PASSWORD)),
                    Err(error) => Err(E::custom(format!("not a target: {error}"))),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<DatabaseSource, A::Error> {
                #[derive(Deserialize)]
                #[serde(deny_unknown_fields)]
                struct Table {
                    env: String,
                }
                let table = Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(DatabaseSource::Variable(table.env))
            }
        }
        deserializer.deserialize_any(Source)
    }
}

/// The server that scratch databases are made on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScratchServer {
    /// `"temporary"`: one of the run's own, from the programs of this machine.
    Temporary,
    /// One that is there.
    Named(DatabaseSource),
}

impl<'de> Deserialize<'de> for ScratchServer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ScratchServer, D::Error> {
        struct Server;
        impl<'de> Visitor<'de> for Server {
            type Value = ScratchServer;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"temporary\", a server's URL, or { env = \"SCRATCH_URL\" }")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ScratchServer, E> {
                match text {
                    "temporary" => Ok(ScratchServer::Temporary),
                    _ if !text.contains([':', '=', '/']) => Err(E::custom(
                        "it is \"temporary\", a server's URL, or { env = \"SCRATCH_URL\" }",
                    )),
                    _ => DatabaseSource::deserialize(text.into_deserializer())
                        .map(ScratchServer::Named),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ScratchServer, A::Error> {
                DatabaseSource::deserialize(MapAccessDeserializer::new(map))
                    .map(ScratchServer::Named)
            }
        }
        deserializer.deserialize_any(Server)
    }
}

/// What is said of a password in the file.
pub(super) const PASSWORD: &str = "a password can't stand in this file; name the variable that holds it: { env = \"DATABASE_URL\" }";

/// A version of a server or of SQLite, as `15`, `15.4` or `3.45.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub [u32; 3]);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        match (minor, patch) {
            (0, 0) => write!(f, "{major}"),
            (_, 0) => write!(f, "{major}.{minor}"),
            _ => write!(f, "{major}.{minor}.{patch}"),
        }
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Version, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parts: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
        match parts.as_deref() {
            Some(&[major]) => Ok(Version([major, 0, 0])),
            Some(&[major, minor]) => Ok(Version([major, minor, 0])),
            Some(&[major, minor, patch]) => Ok(Version([major, minor, patch])),
            _ => Err(D::Error::custom(
                "a version is up to three numbers, as in \"15.4\"",
            )),
        }
    }
}

/// A length of time that is not zero.
pub(super) fn limit<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    let duration::Written(text) = duration::Written::deserialize(deserializer)?;
    duration::parse_limit(&text)
        .map(Some)
        .map_err(D::Error::custom)
}

/// The environments, whose names end up in file names and messages.
pub(super) fn environments<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, EnvironmentSettings>, D::Error> {
    let environments = BTreeMap::<String, EnvironmentSettings>::deserialize(deserializer)?;
    if !environments.keys().all(|name| environment::is_name(name)) {
        return Err(D::Error::custom(environment::NAME_FORM));
    }
    for (name, declared) in &environments {
        if let Some(contradiction) = declared.contradiction() {
            return Err(D::Error::custom(format!(
                "[environments.{name}]: {contradiction}"
            )));
        }
    }
    Ok(environments)
}
