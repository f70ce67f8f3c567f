//! The options that every program with settings has, for `#[command(flatten)]`.

use std::path::{Path, PathBuf};

use contract::{Check, Report, Run};

use crate::resolve::{Loaded, Resolved};
use crate::{Ambient, Error, Variables, Warning};

/// Where the settings come from. For programs without a database.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Settings")]
pub struct SettingsArgs {
    /// The environment that is meant [env: LOCKSTEP_ENV].
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,

    /// Settings to read instead of lockstep.toml in the working directory or above it.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Take variables that are not set from FILE; refused for protected environments.
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
}

/// Where the settings and the database come from.
///
/// It has no `Debug`: a person may have typed a password.
#[derive(Clone, Default, clap::Args)]
pub struct TargetArgs {
    /// The database: sqlite:PATH, or postgres://USER@HOST:PORT/DATABASE without a password. Without
    /// it, the environment's own database, then DATABASE_URL.
    #[arg(value_name = "TARGET")]
    pub target: Option<String>,

    /// Read the target from FILE, where it may hold a password.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "target",
        help_heading = "Settings"
    )]
    pub database_url_file: Option<PathBuf>,

    /// The others.
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// What holds where [`report`] has nothing to report. A program that resolves settings declares it.
pub const SETTINGS_USED: Check = Check {
    id: "settings-used",
    holds: "everything that the settings and the target say is used as it is written",
    remedy: "write the setting so that it can be used, or leave it out",
};

/// The target is not another environment's: [`Resolved::claimed_by_another`].
pub const TARGET_OWN: Check = Check {
    id: "target-own",
    holds: "no other environment of lockstep.toml declares this database",
    remedy: "check the target: the file says that it is another environment's",
};

impl SettingsArgs {
    /// Reads file, variables and environment of this process, and names the environment in the
    /// result.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn load(&self, run: &Run) -> Result<Loaded, Error> {
        let loaded = Loaded::from(self, Variables::of_process(), Path::new(""))?;
        if let Some(name) = &loaded.environment {
            run.environment(name);
        }
        if let Some(path) = loaded
            .settings
            .path
            .as_deref()
            .filter(|path| path.starts_with(".."))
        {
            run.say(&format!("reading {}", path.display()));
        }
        Ok(loaded)
    }
}

impl TargetArgs {
    /// As [`TargetArgs::load`], for the environment `name`, whatever name the process's own variable
    /// says: for what runs in one environment's name and speaks of another.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn load_as(&self, name: &str, run: &Run) -> Result<Resolved, Error> {
        let settings = SettingsArgs {
            environment: Some(name.to_owned()),
            ..self.settings.clone()
        };
        let variables = Variables::of_process();
        let loaded = Loaded::named(&settings, name, variables, Path::new(""))?;
        run.environment(name);
        self.resolve(loaded, run)
    }

    /// Reads file, variables, environment and target of this process, and names environment and
    /// target in the result.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn load(&self, run: &Run) -> Result<Resolved, Error> {
        let loaded = self.settings.load(run)?;
        self.resolve(loaded, run)
    }

    fn resolve(&self, loaded: Loaded, run: &Run) -> Result<Resolved, Error> {
        let ambient = Ambient::of_process(loaded.variables.clone());
        let resolved = Resolved::from(self, loaded, &ambient, Path::new(""))?;
        run.target(resolved.target.describe());
        Ok(resolved)
    }
}

/// Puts the warnings into a report, as [`SETTINGS_USED`].
pub fn report(warnings: &[Warning], report: &mut Report) {
    for warning in warnings {
        report
            .warned(&SETTINGS_USED, "", warning.to_string())
            .remedy(warning.remedy());
    }
}
