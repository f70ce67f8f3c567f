//! What the guards ask of a process.

use std::collections::BTreeMap;
use std::fmt;
use std::io::IsTerminal as _;

use settings::Variables;
use settings::file::Terms;

/// A process that wants to change a database. Its `Debug` shows no value of a variable.
#[derive(Clone, Default)]
pub struct Process {
    /// Whether it has `CI=true`.
    pub ci: bool,
    /// Whether its standard input is a terminal.
    pub terminal: bool,
    /// Those of its variables that somebody requires. What is set but empty is not set.
    pub values: BTreeMap<String, String>,
}

impl Process {
    /// This process, with these variables of its own; `terms` say which of them are asked for.
    pub fn with<'a>(variables: &Variables, terms: impl Iterator<Item = &'a Terms>) -> Process {
        let value = |name: &str| variables.text(name).ok().flatten();
        Process {
            ci: value("CI") == Some("true"),
            terminal: std::io::stdin().is_terminal(),
            values: terms
                .flat_map(|terms| terms.require.keys())
                .filter_map(|name| Some((name.clone(), value(name)?.to_owned())))
                .collect(),
        }
    }

    /// The value of a variable that somebody requires.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Those of the terms' requirements that it does not meet.
    pub fn unmet<'a>(&self, terms: &'a Terms) -> Vec<&'a str> {
        terms
            .require
            .iter()
            .filter(|(name, required)| !required.is_met(self.value(name)))
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("ci", &self.ci)
            .field("terminal", &self.terminal)
            .field("set", &self.values.keys())
            .finish()
    }
}
