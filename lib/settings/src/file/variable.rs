//! `[env.NAME]`: what is demanded of one variable.

use std::collections::BTreeMap;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// What `verify-env` demands of one variable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VariableRule {
    /// What its value is; `string` where nothing is said.
    pub kind: VariableKind,
    /// Whether it has to be set; so where nothing is said, unless `required_if` or `forbidden` is.
    pub required: Option<bool>,
    /// The environments to which the rule applies; all where nothing is said.
    pub environments: Option<Vec<String>>,
    /// Whether it must not be set.
    pub forbidden: bool,
    /// The condition under which it is required.
    pub required_if: Option<Condition>,
    /// The fewest characters.
    pub min_length: Option<u32>,
    /// `url`: the schemes that will do, without their colon.
    pub schemes: Option<Vec<String>>,
    /// `integer`, `port`: the smallest number.
    pub min: Option<i64>,
    /// `integer`, `port`: the largest number.
    pub max: Option<i64>,
    /// The only values that will do.
    pub one_of: Option<Vec<String>>,
    /// A regular expression that has to match the whole value.
    pub pattern: Option<String>,
    /// Another variable that must not have the same value.
    pub must_differ_from: Option<String>,
    /// `path`: what has to be there; a file or a folder where nothing is said.
    pub must_exist: Option<PathKind>,
    /// `secret`: the programs that an orchestrator hands it to; see [`reaches`](Self::reaches).
    #[serde(rename = "for")]
    pub programs: Option<Vec<String>>,
}

/// The program that judges variables by these rules, and so reads those that they are about.
const READER: &str = "verify-env";

impl VariableRule {
    /// Whether a program of the suite gets the variable from an orchestrator. A secret reaches those
    /// that `for` names alone; where it is left out, the one that judges the variable.
    pub fn reaches(&self, program: &str) -> bool {
        match &self.programs {
            _ if self.kind != VariableKind::Secret => true,
            Some(programs) => programs.iter().any(|name| name == program),
            None => program == READER,
        }
    }
}

/// What a variable's value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VariableKind {
    /// Any text.
    #[default]
    String,
    /// Text of which nothing is ever shown.
    Secret,
    /// A URL.
    Url,
    /// A whole number.
    Integer,
    /// A TCP port.
    Port,
    /// One of the words for yes and no.
    Boolean,
    /// An e-mail address.
    Email,
    /// A file or folder that is there.
    Path,
}

/// What a path has to name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathKind {
    /// A file.
    File,
    /// A folder.
    Dir,
}

/// When a variable is required.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `"OTHER"`: when the other one is set.
    Set(String),
    /// `{ OTHER = "value" }`: when each of the others has its value.
    Equal(BTreeMap<String, String>),
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Condition, D::Error> {
        struct When;
        impl<'de> Visitor<'de> for When {
            type Value = Condition;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("\"OTHER\", or { OTHER = \"value\" }")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Condition, E> {
                Ok(Condition::Set(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Condition, A::Error> {
                BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(Condition::Equal)
            }
        }
        deserializer.deserialize_any(When)
    }
}
