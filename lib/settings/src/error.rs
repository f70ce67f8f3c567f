//! Why the settings can't be used. Each is exit 2: nothing was looked at.

use std::io::ErrorKind;
use std::path::PathBuf;

use contract::{Class, Classify};

use crate::TargetError;
use crate::dotenv::DotenvFault;
use crate::environment::NameError;
use crate::file::{Fault, FileError};
use crate::nearest::nearest;
use crate::variables::NotUnicode;

/// Why the settings can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `lockstep.toml`.
    #[error(transparent)]
    File(#[from] FileError),
    /// The environment's name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A variable that is not UTF-8.
    #[error(transparent)]
    NotUnicode(#[from] NotUnicode),
    /// The file declares environments, and this one is not among them.
    #[error("cannot find the environment \"{name}\" in {}", path.display())]
    UnknownEnvironment {
        /// The name that was asked for.
        name: String,
        /// The file.
        path: PathBuf,
        /// The declared names.
        declared: Vec<String>,
    },
    /// A file that `--env-file` or `--database-url-file` names can't be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The `--env-file` does not hold what it should.
    #[error("cannot use {}", path.display())]
    EnvFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: DotenvFault,
    },
    /// A value of the `--env-file` that programs read differently.
    #[error("cannot use {name} in {}: {reason}", path.display())]
    EnvFileDoubt {
        /// The file.
        path: PathBuf,
        /// The variable.
        name: String,
        /// Why it is not clear.
        reason: &'static str,
    },
    /// `--env-file` for a protected environment.
    #[error("cannot use --env-file: the environment \"{0}\" is protected")]
    EnvFileProtected(String),
    /// `--database-url-file` names a file that does not hold one line of text.
    #[error("cannot use {}: {reason}", path.display())]
    UrlFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// A text that should be a target and is none.
    #[error("cannot use {origin} as target")]
    Target {
        /// Where the text stands.
        origin: String,
        /// Why it is none.
        source: TargetError,
    },
    /// A password where the process list shows it.
    #[error("cannot use TARGET: a password on the command line shows in the process list")]
    PasswordInArgument,
    /// The declared variable is not set.
    #[error("cannot find the target: {place} names the variable {variable}, which is not set")]
    NotSet {
        /// What names it.
        place: String,
        /// The variable.
        variable: String,
        /// A `.env` that is there and was not read.
        env_file: Option<PathBuf>,
    },
    /// What is declared and what `DATABASE_URL` says are two databases.
    #[error(
        "cannot tell the target: [environments.{environment}] declares {declared}, and DATABASE_URL names {ambient}"
    )]
    Contradiction {
        /// The environment.
        environment: String,
        /// The declared target, without its password.
        declared: String,
        /// The other one, without its password.
        ambient: String,
    },
    /// Nothing names a target.
    #[error("cannot find the target: none was named{}", undeclared(undeclared_in))]
    NoTarget {
        /// The environment that is named though no file declares one, and the folder where the
        /// search for the file began.
        undeclared_in: Option<(String, PathBuf)>,
        /// A `.env` that is there and was not read.
        env_file: Option<PathBuf>,
    },
}

impl Classify for Error {
    fn class(&self) -> Class {
        Class::Usage
    }

    fn remedy(&self) -> Option<String> {
        Some(match self {
            Error::File(FileError::Read { source, .. }) | Error::Read { source, .. } => {
                read_remedy(source).to_owned()
            }
            Error::File(FileError::Use { source, .. }) => match source {
                Fault::TooLarge => "name a lockstep.toml; this is another file".to_owned(),
                Fault::At { .. } => "correct the file at that place".to_owned(),
            },
            Error::Name(NameError::Contradiction { .. }) => {
                "unset one of the two, or make them agree".to_owned()
            }
            Error::Name(NameError::Form { source_name }) => {
                format!("correct {source_name}, as in \"production\"")
            }
            Error::Name(NameError::NotUnicode(NotUnicode(name)))
            | Error::NotUnicode(NotUnicode(name)) => format!("set {name} to text in UTF-8"),
            Error::UnknownEnvironment { name, declared, .. } => {
                let known = declared.iter().map(String::as_str);
                let meant = nearest(name, known).map(|known| format!("did you mean {known}? "));
                format!(
                    "{}name one that it declares: {}",
                    meant.unwrap_or_default(),
                    declared.join(", ")
                )
            }
            Error::EnvFile { source, .. } => source.remedy().to_owned(),
            Error::EnvFileDoubt { .. } => {
                "put the value in single quotes, and a blank before the # of a comment".to_owned()
            }
            Error::EnvFileProtected(_) => {
                "set the variables in the environment that deploys".to_owned()
            }
            Error::UrlFile { .. } => "write the target alone, on one line".to_owned(),
            Error::Target { origin, .. } => format!(
                "correct {origin}; a target is sqlite:PATH or postgres://USER@HOST:PORT/DATABASE"
            ),
            Error::PasswordInArgument => {
                "put it into DATABASE_URL, PGPASSWORD, a password file, or a file named with \
                 --database-url-file"
                    .to_owned()
            }
            Error::NotSet {
                variable, env_file, ..
            } => format!("set {variable}{}", or_env_file(env_file)),
            Error::Contradiction { .. } => {
                "unset DATABASE_URL, or give the target that is meant as TARGET".to_owned()
            }
            Error::NoTarget {
                undeclared_in,
                env_file,
            } => {
                let declared = match undeclared_in {
                    Some(_) => "run it where lockstep.toml is, or name that with --config",
                    None => "name an environment with --environment",
                };
                format!(
                    "give TARGET (sqlite:PATH or postgres://USER@HOST/DATABASE), {declared}, or set \
                     DATABASE_URL{}",
                    or_env_file(env_file)
                )
            }
        })
    }
}

fn undeclared(of: &Option<(String, PathBuf)>) -> String {
    of.as_ref().map_or_else(String::new, |(name, folder)| {
        format!(
            "; the environment \"{name}\" would be declared in lockstep.toml, and there is none in {} \
             or above it",
            folder.display()
        )
    })
}

/// A file that is there is not read by itself, so that nobody's own settings slip into a run.
fn or_env_file(path: &Option<PathBuf>) -> String {
    path.as_ref().map_or_else(String::new, |path| {
        format!(
            ", or take it from the file that is there: --env-file {}",
            path.display()
        )
    })
}

/// What to do about a file that was named and can't be read.
pub fn read_remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "create the file, or name one that is there",
        ErrorKind::PermissionDenied => "let this process's account read the file",
        ErrorKind::IsADirectory => "name a file; this is a folder",
        _ => "name a file that can be read",
    }
}
