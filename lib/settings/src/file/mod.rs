//! `lockstep.toml`, typed: every table of every program in one value, so that a mistyped key is an
//! error in whichever program reads the file.

mod accept;
mod fault;
mod search;
mod terms;
#[cfg(test)]
mod tests;
mod values;
mod variable;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

pub use accept::{Accept, Acceptable, is_digest};
pub use fault::Fault;
pub use terms::{Required, RunsIn, Terms};
pub use values::{DatabaseSource, ScratchServer, Version};
pub use variable::{Condition, PathKind, VariableKind, VariableRule};

pub(crate) use search::whole as folder_searched;

/// The name of the file in the working directory or above it.
pub const FILE_NAME: &str = "lockstep.toml";

/// Largest file that is read, in bytes. What is larger is another file.
pub const SIZE_BYTES_MAX: u64 = 1024 * 1024;

/// What `lockstep.toml` says; what it leaves out has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The file, if there is one.
    #[serde(skip)]
    pub path: Option<PathBuf>,
    /// A file above the working directory that was passed over, since another account laid it into a
    /// folder for everybody.
    #[serde(skip)]
    pub passed_over: Option<PathBuf>,
    /// Where the environment's name comes from.
    pub environment: EnvironmentTable,
    /// The environments that the file declares.
    #[serde(deserialize_with = "values::environments")]
    pub environments: BTreeMap<String, EnvironmentSettings>,
    /// What `verify-env` demands of variables.
    pub env: BTreeMap<String, VariableRule>,
    /// Where the migrations are and how they are run.
    pub migrations: MigrationSettings,
    /// What backups hold and where they go.
    pub backup: BackupSettings,
    /// What the schema should be.
    pub schema: SchemaSettings,
    /// Where scratch databases are made.
    pub scratch: ScratchSettings,
    /// What `verify-connection` demands of the server.
    pub connection: ConnectionSettings,
    /// Where a SQLite database lies.
    pub sqlite: SqliteSettings,
    /// `[[accept]]`: what was found in a database and is excused.
    #[serde(deserialize_with = "accept::lines")]
    pub accept: Vec<Accept>,
}

/// `[environment]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnvironmentTable {
    /// The variable that holds the environment's name where `LOCKSTEP_ENV` is not set, as
    /// `NODE_ENV`.
    pub variable: Option<String>,
}

/// `[environments.NAME]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnvironmentSettings {
    /// Its database.
    pub database: Option<DatabaseSource>,
    /// Whether its database needs the guards of production; so unless it says otherwise.
    pub protected: bool,
    /// Variables and what an action demands of them, besides the built-in guards.
    pub require: BTreeMap<String, Required>,
    /// The addresses by which its database may be reached.
    #[serde(deserialize_with = "terms::endpoints")]
    pub endpoints: Vec<String>,
    /// Where actions on its database run; in a CI job where nothing is said.
    pub runs_in: Option<RunsIn>,
}

impl Default for EnvironmentSettings {
    fn default() -> EnvironmentSettings {
        EnvironmentSettings {
            database: None,
            protected: true,
            require: BTreeMap::new(),
            endpoints: Vec::new(),
            runs_in: None,
        }
    }
}

/// `[migrations]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MigrationSettings {
    /// The folder; `migrations` unless the file names another.
    pub dir: PathBuf,
    /// The layout, where detection is not enough. `lib/migrations` knows the names.
    pub layout: Option<String>,
    /// The team's own migration tool, which deploys and keeps its ledger. `lib/records` knows the names.
    pub tool: Option<String>,
    /// The ledger's table, where two projects share a database.
    pub ledger: Option<String>,
    /// PostgreSQL: the schema that migrations run in, instead of the role's own `search_path`.
    pub schema: Option<String>,
}

impl Default for MigrationSettings {
    fn default() -> MigrationSettings {
        MigrationSettings {
            dir: PathBuf::from("migrations"),
            layout: None,
            tool: None,
            ledger: None,
            schema: None,
        }
    }
}

/// `[backup]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackupSettings {
    /// The folder of the snapshots.
    pub dir: Option<PathBuf>,
    /// How old a snapshot may be that a deployment relies on; never zero.
    #[serde(deserialize_with = "values::limit")]
    pub max_age: Option<Duration>,
    /// Files that are copied into the snapshot.
    pub files: Vec<PathBuf>,
    /// The command that stores the snapshot elsewhere, as program and arguments.
    pub publish: Vec<String>,
    /// The command that is PostgreSQL's `pg_dump`, as program and first arguments.
    pub pg_dump: Vec<String>,
}

/// `[schema]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SchemaSettings {
    /// The file that `record-schema` wrote.
    pub expected: Option<PathBuf>,
    /// PostgreSQL: the schemas that are compared; `public` unless the file names others.
    pub schemas: Vec<String>,
    /// Patterns of the objects that are left out.
    pub ignore: Vec<String>,
}

impl Default for SchemaSettings {
    fn default() -> SchemaSettings {
        SchemaSettings {
            expected: None,
            schemas: vec!["public".to_owned()],
            ignore: Vec::new(),
        }
    }
}

/// `[scratch]`: PostgreSQL's. SQLite's scratch databases are in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScratchSettings {
    /// The server that scratch databases are made on.
    pub server: Option<ScratchServer>,
    /// Whether that may be the server of a protected target.
    pub same_server: bool,
}

/// `[connection]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionSettings {
    /// The oldest server, or SQLite, that will do.
    pub min_version: Option<Version>,
    /// Whether the session has to be encrypted.
    pub tls: Option<bool>,
    /// Whether the server has to be the primary, or has to be a standby.
    pub primary: Option<bool>,
}

/// `[sqlite]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SqliteSettings {
    /// Whose the file system of the database is.
    pub file_system: FileSystem,
    /// The folder of the deployment's lock file; beside the database where nothing is said.
    pub lock_dir: Option<PathBuf>,
}

/// Who writes a file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileSystem {
    /// This machine alone.
    #[default]
    Local,
    /// Perhaps another one too: a network's, FUSE, a shared folder. The database is opened on one
    /// machine at a time, as who wrote this into the file knows.
    Shared,
}

/// Why `lockstep.toml` can't be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It can't be read, or `--config` names a file that is not there.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It was read and does not say what it should.
    #[error("cannot use {}", path.display())]
    Use {
        /// The file.
        path: PathBuf,
        /// What, and where in the file.
        source: Fault,
    },
}

impl Settings {
    /// Reads the file at `path`, or `lockstep.toml` in `cwd` or the nearest folder above it; if there
    /// is none, all is default. Paths in it are relative to its folder, and stay short where `cwd` is empty.
    ///
    /// # Errors
    ///
    /// The file can't be read, is larger than [`SIZE_BYTES_MAX`], or does not say what it should.
    pub fn read(path: Option<&Path>, cwd: &Path) -> Result<Settings, FileError> {
        let search::Search { found, passed_over } = match path {
            Some(path) => search::Search {
                found: Some(cwd.join(path)),
                passed_over: None,
            },
            None => search::search(cwd),
        };
        let Some(file) = found else {
            return Ok(Settings {
                passed_over,
                ..Settings::default()
            });
        };
        let bytes = match contract::file::read_limited(&file, SIZE_BYTES_MAX) {
            Err(source) => return Err(FileError::Read { path: file, source }),
            Ok(bytes) => bytes,
        };
        match Settings::parse(&bytes) {
            Ok(mut settings) => {
                settings.anchor(file.parent().unwrap_or(Path::new("")));
                settings.path = Some(file);
                settings.passed_over = passed_over;
                Ok(settings)
            }
            Err(source) => Err(FileError::Use { path: file, source }),
        }
    }

    fn parse(bytes: &[u8]) -> Result<Settings, Fault> {
        if bytes.len() as u64 > SIZE_BYTES_MAX {
            return Err(Fault::TooLarge);
        }
        let text = fault::text(bytes)?;
        let mut settings: Settings =
            toml::from_str(text).map_err(|error| fault::explain(text, &error))?;
        for accept in &mut settings.accept {
            accept.number(text);
        }
        fault::refuse_passwords(text)?;
        Ok(settings)
    }

    /// Makes the paths that the file names relative to its folder.
    fn anchor(&mut self, folder: &Path) {
        let paths = [
            &mut self.backup.dir,
            &mut self.schema.expected,
            &mut self.sqlite.lock_dir,
        ];
        for path in paths.into_iter().flatten().chain(&mut self.backup.files) {
            *path = folder.join(&*path);
        }
        self.migrations.dir = folder.join(&self.migrations.dir);
    }

    /// The folder that the file's relative paths start from; empty for the working directory.
    pub fn folder(&self) -> &Path {
        self.path
            .as_deref()
            .and_then(Path::parent)
            .unwrap_or(Path::new(""))
    }
}
