//! What an environment demands of whoever acts on its database: `require`, `runs_in`, `endpoints`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::EnvironmentSettings;

/// Where actions on a protected database run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunsIn {
    /// In a CI job: the process has `CI=true`.
    #[default]
    Ci,
    /// Inside the application's machine, as a platform's release phase or start command does: no
    /// terminal, and the platform's own variables, which `require` names.
    Release,
}

impl RunsIn {
    /// The word in the file.
    pub fn word(self) -> &'static str {
        match self {
            RunsIn::Ci => "ci",
            RunsIn::Release => "release",
        }
    }
}

/// What is asked of one variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Required {
    /// `true`: it is set, to whatever.
    Present,
    /// It has this value.
    Value(String),
}

impl Required {
    /// Whether a process in which the variable is `found` meets it.
    pub fn is_met(&self, found: Option<&str>) -> bool {
        match self {
            Required::Present => found.is_some(),
            Required::Value(value) => found == Some(value),
        }
    }
}

/// What the variable has to be, as a clause.
impl fmt::Display for Required {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Required::Present => f.write_str("it has to be set"),
            Required::Value(value) => write!(f, "required is {value}"),
        }
    }
}

impl Serialize for Required {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Required::Present => serializer.serialize_bool(true),
            Required::Value(value) => serializer.serialize_str(value),
        }
    }
}

impl<'de> Deserialize<'de> for Required {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Required, D::Error> {
        struct Value;
        impl Visitor<'_> for Value {
            type Value = Required;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the value that the variable has to have, or true for any value")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Required, E> {
                match text {
                    // A variable that is set but empty counts as not set, so this is never met.
                    "" => Err(E::custom(
                        "no variable can be required to be empty; write true for any value",
                    )),
                    text => Ok(Required::Value(text.to_owned())),
                }
            }

            fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Required, E> {
                match value {
                    true => Ok(Required::Present),
                    false => Err(E::custom(
                        "write true for a variable that has to be set, or leave it out",
                    )),
                }
            }
        }
        deserializer.deserialize_any(Value)
    }
}

/// What an environment demands. A mark stores it as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// Where actions run.
    pub runs_in: RunsIn,
    /// What the process has to have, beside the built-in guards. No secrets.
    pub require: BTreeMap<String, Required>,
    /// The addresses by which the database may be reached, as `host:port`, or as absolute paths of
    /// a file; one that is not marked at any of them is a copy or was moved.
    pub endpoints: Vec<String>,
}

impl Terms {
    /// In words, for a person: what a mark with these terms stores.
    pub fn in_words(&self) -> String {
        let mut words = vec![format!("runs_in {}", self.runs_in.word())];
        for (name, required) in &self.require {
            words.push(match required {
                Required::Present => format!("{name} set"),
                Required::Value(value) => format!("{name} {value}"),
            });
        }
        if !self.endpoints.is_empty() {
            words.push(format!("endpoints {}", self.endpoints.join(" and ")));
        }
        words.join(", ")
    }
}

impl EnvironmentSettings {
    /// What the file says that this environment demands.
    pub fn terms(&self) -> Terms {
        Terms {
            runs_in: self.runs_in.unwrap_or_default(),
            require: self.require.clone(),
            endpoints: self.endpoints.clone(),
        }
    }

    /// What can't be meant, if anything.
    pub(super) fn contradiction(&self) -> Option<&'static str> {
        match self.runs_in {
            Some(_) if !self.protected => Some(
                "runs_in is for protected environments; an unprotected one is changed from anywhere",
            ),
            Some(RunsIn::Release) if self.require.is_empty() => Some(
                "runs_in = \"release\" asks for the platform's own variables: name them under \
                 require, with their value, or true for any",
            ),
            _ => None,
        }
    }
}

/// Addresses: `host:port`, or a file's absolute path.
pub(super) fn endpoints<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    let endpoints = Vec::<String>::deserialize(deserializer)?;
    match endpoints.iter().all(|endpoint| is_endpoint(endpoint)) {
        true => Ok(endpoints),
        false => Err(D::Error::custom(
            "an address is \"host:port\", without user or database, or a file's absolute path",
        )),
    }
}

fn is_endpoint(text: &str) -> bool {
    if Path::new(text).is_absolute() {
        return true;
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    !host.is_empty()
        && (bracketed || !host.contains(':'))
        && !host.contains(['/', '@', ',', '?'])
        && !host.contains(char::is_whitespace)
        && port.parse::<u16>().is_ok_and(|port| port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_with_its_port_or_a_path() {
        for good in [
            "db.internal:5432",
            "localhost:6543",
            "10.0.0.1:1",
            "[::1]:5432",
            "/data/app.db",
        ] {
            assert!(is_endpoint(good), "{good}");
        }
        for bad in [
            "",
            "db",
            "db:",
            ":5432",
            "db:0",
            "db:70000",
            "::1:5432",
            "app@db:5432",
            "postgres://db:5432",
            "a:1,b:2",
            "data/app.db",
            "d b:5432",
        ] {
            assert!(!is_endpoint(bad), "{bad}");
        }
    }

    #[test]
    fn a_requirement_is_met_by_its_value_or_by_any() {
        let main = Required::Value("main".into());
        for (required, found, met) in [
            (&main, Some("main"), true),
            (&main, Some("topic"), false),
            (&main, None, false),
            (&Required::Present, Some("topic"), true),
            (&Required::Present, None, false),
        ] {
            assert_eq!(required.is_met(found), met, "{required:?} {found:?}");
        }
    }
}
