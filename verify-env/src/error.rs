//! Why there is nothing that can be checked. Each is exit 2.

use std::path::PathBuf;

use contract::{Class, Classify};
use settings::dotenv::DotenvFault;

/// Why there is nothing that can be checked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The `--example` file can't be read.
    #[error("cannot read {}", path.display())]
    ReadExample {
        path: PathBuf,
        source: std::io::Error,
    },
    /// The `--example` file is no `.env` file.
    #[error("cannot use {}", path.display())]
    UseExample { path: PathBuf, source: DotenvFault },
    /// A rule that contradicts itself.
    #[error("cannot use [env.{name}]: {reason}")]
    Rule { name: String, reason: String },
    /// A pattern that is no regular expression.
    #[error("cannot use the pattern in [env.{name}]")]
    Pattern {
        name: String,
        source: regex_lite::Error,
    },
    /// Rules for environments, and no environment.
    #[error("cannot tell whether [env.{name}] applies: no environment is named")]
    NoEnvironment { name: String },
    /// No rules and no example.
    #[error("cannot check anything: no variable is described")]
    Nothing,
    /// No rules and no example, and no file that could have some.
    #[error(
        "cannot check anything: no variable is described; there is no lockstep.toml in {} or above it",
        .0.display()
    )]
    NoFile(PathBuf),
    /// None of the rules is for this environment.
    #[error("cannot check anything: no variable is described for the environment \"{0}\"")]
    NothingHere(String),
}

impl Classify for Error {
    fn class(&self) -> Class {
        Class::Usage
    }

    fn remedy(&self) -> Option<String> {
        let remedy = match self {
            Error::ReadExample { source, .. } => settings::read_remedy(source),
            Error::UseExample { source, .. } => source.remedy(),
            Error::Rule { name, .. } | Error::Pattern { name, .. } => {
                return Some(format!("correct [env.{name}] in the settings"));
            }
            Error::Nothing => {
                "describe variables in lockstep.toml ([env.NAME]), or give --example .env.example"
            }
            Error::NoFile(_) => {
                "run it where lockstep.toml is, name that with --config, or give --example .env.example"
            }
            Error::NothingHere(_) => "describe one for it, or leave the step out there",
            Error::NoEnvironment { .. } => "set LOCKSTEP_ENV, or give --environment",
        };
        Some(remedy.to_owned())
    }
}
