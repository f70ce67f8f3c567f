//! The environment variables a program sees, as a value.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

/// Environment variables: those of the process, or any that a test names, and what `--env-file`
/// adds. Its `Debug` shows names only.
#[derive(Clone, Default)]
pub struct Variables {
    /// Shared, because a job may have hundreds and every part of a program holds some.
    values: Arc<Values>,
    /// The variables that come from the `--env-file`, with its folder.
    added: BTreeMap<OsString, PathBuf>,
}

type Values = BTreeMap<OsString, OsString>;

/// Read once: no program sets a variable of its own.
static OF_PROCESS: LazyLock<Arc<Values>> =
    LazyLock::new(|| Arc::new(std::env::vars_os().collect()));

/// A variable whose value is not UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the variable {0}: it is not UTF-8")]
pub struct NotUnicode(pub String);

impl Variables {
    /// Those of this process, as they were when it first looked at them.
    pub fn of_process() -> Variables {
        Variables {
            values: Arc::clone(&OF_PROCESS),
            added: BTreeMap::new(),
        }
    }

    /// The value as it is.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.values.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// The value as text; set but empty counts as not set.
    ///
    /// # Errors
    ///
    /// The value is not UTF-8.
    pub fn text(&self, name: &str) -> Result<Option<&str>, NotUnicode> {
        match self.get(name) {
            None => Ok(None),
            Some(value) if value.is_empty() => Ok(None),
            Some(value) => value
                .to_str()
                .map(Some)
                .ok_or_else(|| NotUnicode(name.to_owned())),
        }
    }

    /// The folder of the file that set the variable, if not the environment did: where a relative
    /// path in its value starts from.
    pub fn folder(&self, name: &str) -> Option<&Path> {
        self.added.get(OsStr::new(name)).map(PathBuf::as_path)
    }

    /// Sets a variable that is not set; one that is keeps its value, and `false` says that the two
    /// differ.
    pub(crate) fn add(&mut self, name: &str, value: &str, folder: &Path) -> bool {
        match self.values.get(OsStr::new(name)) {
            Some(present) => present == OsStr::new(value),
            None => {
                Arc::make_mut(&mut self.values).insert(name.into(), value.into());
                self.added.insert(name.into(), folder.to_owned());
                true
            }
        }
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Variables {
        let pairs = pairs.into_iter();
        let values: Values = pairs
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Variables {
            values: Arc::new(values),
            added: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}
