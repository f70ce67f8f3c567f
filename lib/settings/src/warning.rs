//! What a program should say about its settings although they can be used.

use std::fmt;
use std::path::PathBuf;

/// Something about the settings that the reader should know. `Display` is the sentence; no variant
/// holds a value that could be secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A key of the target that another tool reads.
    IgnoredKey {
        /// The key.
        key: &'static str,
        /// Why nothing follows from it.
        reason: &'static str,
    },
    /// A password file that libpq would not use either.
    UnusedPassfile {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// A relative SQLite path that was found where another tool puts it.
    FoundElsewhere {
        /// The file that counts.
        path: PathBuf,
        /// Whose habit it is.
        habit: &'static str,
    },
    /// A name that `--env-file` and the environment both set, differently. The environment counts.
    EnvFileDiffers {
        /// The variable.
        name: String,
    },
    /// The target counts that was given, and the environment declares another.
    NotTheDeclared {
        /// The environment.
        environment: String,
    },
    /// An environment is named, and there is no file that could declare it.
    NoFile {
        /// The environment.
        environment: String,
        /// The folder where the search began.
        folder: PathBuf,
    },
    /// A `lockstep.toml` that was not taken.
    PassedOver {
        /// The file.
        path: PathBuf,
    },
    /// A file that holds a password, and that others may read.
    Readable {
        /// The file.
        path: PathBuf,
    },
    /// The database lies on a file system that other machines may write, and the file does not say so.
    SharedFileSystem {
        /// The database.
        path: PathBuf,
        /// What the file system is called.
        file_system: &'static str,
    },
    /// `DATABASE_URL` names the declared database with another user or other connection settings.
    AmbientOtherwise {
        /// The environment whose declaration counts.
        environment: String,
    },
}

/// What to do about a SQLite database on a file system that other machines may write.
pub const SHARED_REMEDY: &str = "move the database to a disk of this machine; or, where it is opened \
     on one machine at a time, write file_system = \"shared\" under [sqlite] of lockstep.toml";

/// Why SQLite is not at home on that file system, as a clause.
pub fn shared(file_system: &str) -> String {
    format!(
        "it lies on {file_system}, where another machine's locks may not be seen, which destroys a \
         SQLite database"
    )
}

impl Warning {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Warning::IgnoredKey { .. } => "leave it out of the target, if nothing else reads it",
            Warning::UnusedPassfile { .. } => "mend the file, or give the password another way",
            Warning::FoundElsewhere { .. } => "write the path as it is",
            Warning::EnvFileDiffers { .. } => "make the two agree, or unset one of them",
            Warning::NotTheDeclared { .. } => {
                "leave TARGET and --database-url-file out if the declared database is meant"
            }
            Warning::NoFile { .. } => {
                "run it in the project's folder, or name the file with --config"
            }
            Warning::PassedOver { .. } => "name it with --config if it is meant",
            Warning::Readable { .. } => "chmod 600 the file",
            Warning::SharedFileSystem { .. } => SHARED_REMEDY,
            Warning::AmbientOtherwise { .. } => "unset DATABASE_URL, or make the two agree",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::IgnoredKey { key, reason } => {
                write!(f, "the target's {key} is ignored: {reason}")
            }
            Warning::UnusedPassfile { path, reason } => {
                write!(f, "{} is not used: {reason}", path.display())
            }
            Warning::FoundElsewhere { path, habit } => {
                write!(f, "the target is {}, where {habit} puts it", path.display())
            }
            Warning::EnvFileDiffers { name } => write!(
                f,
                "{name} is set in the environment and differs in the --env-file; the environment counts"
            ),
            Warning::NotTheDeclared { environment } => write!(
                f,
                "the given target is not the one that [environments.{environment}] declares"
            ),
            Warning::NoFile {
                environment,
                folder,
            } => write!(
                f,
                "the environment \"{environment}\" is named, and nothing declares it: there is no \
                 lockstep.toml in {} or above it",
                folder.display()
            ),
            Warning::PassedOver { path } => write!(
                f,
                "{} is not taken: it is another account's, in a folder into which everybody may write",
                path.display()
            ),
            Warning::Readable { path } => {
                write!(
                    f,
                    "{} holds a password, and others may read it",
                    path.display()
                )
            }
            Warning::SharedFileSystem { path, file_system } => {
                write!(f, "{}: {}", path.display(), shared(file_system))
            }
            Warning::AmbientOtherwise { environment } => write!(
                f,
                "DATABASE_URL names the same database with another user or other settings; \
                 [environments.{environment}] counts"
            ),
        }
    }
}
