//! Which environment and which database: lockstep.toml, variables and arguments.
//!
//! Opens no connection and knows no driver. What it reads are `lockstep.toml`, the environment,
//! and the files that these or the command line name.

pub mod arguments;
pub mod dotenv;
pub mod duration;
pub mod environment;
mod error;
pub mod file;
mod manual;
pub mod nearest;
pub mod resolve;
pub mod target;
pub mod variables;
pub mod warning;

pub use arguments::{SETTINGS_USED, SettingsArgs, TARGET_OWN, TargetArgs, report};
pub use error::{Error, read_remedy};
pub use file::Settings;
pub use manual::{SETTINGS_READS, TARGET_READS};
pub use resolve::{Loaded, Resolved, Scratch, Source};
pub use target::{Ambient, PostgresTarget, Secret, SqliteTarget, Target, TargetError};
pub use variables::Variables;
pub use warning::Warning;
