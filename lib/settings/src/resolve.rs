//! Which settings and which target count.
//!
//! The target is the positional TARGET or the file that `--database-url-file` names, then the
//! environment's declared `database`, then `DATABASE_URL`. A declared one and a `DATABASE_URL` that
//! names another database are an error: one of them is what somebody believes to be deploying to. One
//! that names the same, with the same user, lends its password, which can stand in no other place.

use std::path::{Path, PathBuf};

use crate::file::{
    self, DatabaseSource, EnvironmentSettings, FileSystem, SIZE_BYTES_MAX, ScratchServer,
};
use crate::{
    Ambient, Error, Settings, SettingsArgs, Target, TargetArgs, Variables, Warning, dotenv,
    environment, target,
};

/// The variable that names the target where nothing else does.
pub const AMBIENT: &str = "DATABASE_URL";

/// Settings, and the environment that they are read for.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What `lockstep.toml` says.
    pub settings: Settings,
    /// The variables of the process and of the `--env-file`. Whoever reads a variable reads it
    /// here.
    pub variables: Variables,
    /// The environment's name, if anything says it.
    pub environment: Option<String>,
    /// What the file declares of it.
    pub declared: Option<EnvironmentSettings>,
    /// What the reader should know.
    pub warnings: Vec<Warning>,
}

/// Settings with the target that counts.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The database.
    pub target: Target,
    /// What named it.
    pub source: Source,
    /// What `lockstep.toml` says.
    pub settings: Settings,
    /// See [`Loaded::variables`].
    pub variables: Variables,
    /// The environment's name, if anything says it.
    pub environment: Option<String>,
    /// What the file declares of it.
    pub declared: Option<EnvironmentSettings>,
    /// What the reader should know.
    pub warnings: Vec<Warning>,
}

/// What named the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The argument TARGET.
    Argument,
    /// The file that `--database-url-file` names.
    UrlFile(PathBuf),
    /// A key of `lockstep.toml`, as `[environments.dev] database`.
    Key(String),
    /// A variable: the one that such a key names, or `DATABASE_URL`.
    Variable(String),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Argument => f.write_str("TARGET"),
            Source::UrlFile(path) => path.display().fmt(f),
            Source::Key(name) | Source::Variable(name) => f.write_str(name),
        }
    }
}

impl Loaded {
    /// Reads the settings with the variables and from the folder given.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn from(args: &SettingsArgs, variables: Variables, cwd: &Path) -> Result<Loaded, Error> {
        let settings = Settings::read(args.config.as_deref(), cwd)?;
        let mut variables = variables;
        let mut warnings = Vec::new();
        if let Some(path) = &args.env_file {
            add_file(&cwd.join(path), &mut variables, &mut warnings)?;
        }
        let named = settings.environment.variable.as_deref();
        let name = environment::name(args.environment.as_deref(), named, &variables)?;
        if let (None, Some(environment)) = (&settings.path, &name)
            && let Some(folder) = file::folder_searched(cwd)
        {
            let environment = environment.clone();
            warnings.push(Warning::NoFile {
                environment,
                folder,
            });
        }
        if let Some(path) = &settings.passed_over {
            warnings.push(Warning::PassedOver { path: path.clone() });
        }
        Loaded::with(settings, variables, warnings, name, args)
    }

    /// As [`Loaded::from`], for the environment `name` whatever the variables say.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn named(
        args: &SettingsArgs,
        name: &str,
        variables: Variables,
        cwd: &Path,
    ) -> Result<Loaded, Error> {
        let settings = Settings::read(args.config.as_deref(), cwd)?;
        if !environment::is_name(name) {
            return Err(environment::NameError::Form {
                source_name: "the arguments".to_owned(),
            }
            .into());
        }
        Loaded::with(settings, variables, Vec::new(), Some(name.to_owned()), args)
    }

    fn with(
        settings: Settings,
        variables: Variables,
        warnings: Vec<Warning>,
        name: Option<String>,
        args: &SettingsArgs,
    ) -> Result<Loaded, Error> {
        let declared = match &name {
            None => None,
            Some(name) => declared(&settings, name)?,
        };
        // A name that the file does not declare is protected like one that says nothing of it.
        let protected = declared.as_ref().is_none_or(|declared| declared.protected);
        if let Some(name) = &name
            && protected
            && args.env_file.is_some()
        {
            return Err(Error::EnvFileProtected(name.clone()));
        }
        Ok(Loaded {
            settings,
            variables,
            environment: name,
            declared,
            warnings,
        })
    }
}

/// What the file declares of an environment. A file without any leaves the name to others.
fn declared(settings: &Settings, name: &str) -> Result<Option<EnvironmentSettings>, Error> {
    match (settings.environments.get(name), &settings.path) {
        (Some(declared), _) => Ok(Some(declared.clone())),
        (None, Some(path)) if !settings.environments.is_empty() => Err(Error::UnknownEnvironment {
            name: name.to_owned(),
            path: path.clone(),
            declared: settings.environments.keys().cloned().collect(),
        }),
        _ => Ok(None),
    }
}

fn add_file(
    path: &Path,
    variables: &mut Variables,
    warnings: &mut Vec<Warning>,
) -> Result<(), Error> {
    let assignments = dotenv::parse(&read_limited(path)?).map_err(|source| Error::EnvFile {
        path: path.to_owned(),
        source,
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for assignment in assignments {
        if let Some(reason) = assignment.doubt {
            return Err(Error::EnvFileDoubt {
                path: path.to_owned(),
                name: assignment.name,
                reason,
            });
        }
        if !variables.add(&assignment.name, &assignment.value, folder) {
            let name = assignment.name;
            warnings.push(Warning::EnvFileDiffers { name });
        }
    }
    Ok(())
}

/// A file's bytes, one more than the limit at most.
fn read_limited(path: &Path) -> Result<Vec<u8>, Error> {
    contract::file::read_limited(path, SIZE_BYTES_MAX).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

impl Resolved {
    /// Finds the target that counts.
    ///
    /// # Errors
    ///
    /// None is named, the one that counts is none, or two are named that differ. See [`Error`].
    pub fn from(
        args: &TargetArgs,
        loaded: Loaded,
        ambient: &Ambient,
        cwd: &Path,
    ) -> Result<Resolved, Error> {
        let mut warnings = loaded.warnings.clone();
        let (source, target) = match (given(args, cwd)?, loaded.declared(cwd)) {
            (Some(given), declared) => {
                let mut target = given.read(ambient, &mut warnings)?;
                if let Source::UrlFile(path) = &given.source
                    && target::has_password(&given.text).unwrap_or(true)
                    && target::may_be_read_by_others(path)
                {
                    warnings.push(Warning::Readable { path: path.clone() });
                }
                if let Ok(Some(other)) = loaded.variable(AMBIENT, cwd)
                    && let Ok(other) = other.read(ambient, &mut Vec::new())
                {
                    target.borrow_password(&other);
                }
                // What was given counts even where the declared one can't be read.
                if let Ok(Some(declared)) = declared
                    && let Ok(declared) = declared.read(ambient, &mut Vec::new())
                    && !declared.same_database(&target)
                {
                    let environment = loaded.environment.clone().unwrap_or_default();
                    warnings.push(Warning::NotTheDeclared { environment });
                }
                (given.source, target)
            }
            (None, Ok(Some(declared))) => {
                let mut target = declared.read(ambient, &mut warnings)?;
                if let Some(other) = loaded.variable(AMBIENT, cwd)?
                    && other.source != declared.source
                {
                    let other = other.read(ambient, &mut Vec::new())?;
                    target.borrow_password(&other);
                    warnings.extend(loaded.compare(&target, &other)?);
                }
                (declared.source, target)
            }
            (None, Ok(None)) => {
                let named = loaded
                    .variable(AMBIENT, cwd)?
                    .ok_or_else(|| loaded.no_target(args, cwd))?;
                let target = named.read(ambient, &mut warnings)?;
                (named.source, target)
            }
            (
                None,
                Err(Error::NotSet {
                    place, variable, ..
                }),
            ) => {
                let env_file = loaded.env_file(args, cwd);
                return Err(Error::NotSet {
                    place,
                    variable,
                    env_file,
                });
            }
            (None, Err(error)) => return Err(error),
        };
        if let (Target::Sqlite(file), FileSystem::Local) =
            (&target, loaded.settings.sqlite.file_system)
            && let Some(file_system) = file.shared_file_system()
        {
            let path = file.path.clone();
            warnings.push(Warning::SharedFileSystem { path, file_system });
        }
        Ok(Resolved {
            target,
            source,
            settings: loaded.settings,
            variables: loaded.variables,
            environment: loaded.environment,
            declared: loaded.declared,
            warnings,
        })
    }

    /// The environment beside the run's own whose declared database is this target. Only what the
    /// file names itself counts: a variable has another value in another environment's job.
    pub fn claimed_by_another(&self) -> Option<String> {
        let ambient = Ambient::of_process(self.variables.clone());
        self.settings
            .environments
            .iter()
            .filter(|(name, _)| Some(*name) != self.environment.as_ref())
            .find(|(_, declared)| match &declared.database {
                Some(DatabaseSource::Text(text)) => {
                    Target::parse_with(text, self.settings.folder(), &ambient)
                        .is_ok_and(|(target, _)| target.same_database(&self.target))
                }
                _ => false,
            })
            .map(|(name, _)| name.clone())
    }

    /// Where `[scratch]` says that scratch databases are made.
    ///
    /// # Errors
    ///
    /// Its variable is not set, or what it says is no target.
    pub fn scratch(&self, ambient: &Ambient) -> Result<Scratch, Error> {
        let source = match &self.settings.scratch.server {
            None => return Ok(Scratch::NotNamed),
            Some(ScratchServer::Temporary) => return Ok(Scratch::Temporary),
            Some(ScratchServer::Named(source)) => source,
        };
        let named = name(
            source,
            "[scratch] server".to_owned(),
            &self.settings,
            &self.variables,
            Path::new(""),
        )?;
        let target = named.read(ambient, &mut Vec::new())?;
        Ok(Scratch::Server(Box::new(target)))
    }
}

/// Where scratch databases are made, beside those of SQLite, which are in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scratch {
    /// Nothing says so.
    NotNamed,
    /// On a server of the run's own.
    Temporary,
    /// On this one.
    Server(Box<Target>),
}

/// A text that should be a target, before it is read.
struct Named {
    text: String,
    source: Source,
    /// Where relative paths in it start from.
    base: PathBuf,
}

impl Named {
    fn read(&self, ambient: &Ambient, warnings: &mut Vec<Warning>) -> Result<Target, Error> {
        let read = Target::parse_with(&self.text, &self.base, ambient);
        let (target, said) = read.map_err(|source| Error::Target {
            origin: self.source.to_string(),
            source,
        })?;
        warnings.extend(said);
        Ok(target)
    }
}

/// What the command line names.
fn given(args: &TargetArgs, cwd: &Path) -> Result<Option<Named>, Error> {
    if let Some(text) = &args.target {
        let source = Source::Argument;
        return match target::has_password(text) {
            Ok(true) => Err(Error::PasswordInArgument),
            Ok(false) => Ok(Some(Named {
                text: text.clone(),
                source,
                base: cwd.to_owned(),
            })),
            Err(error) => Err(Error::Target {
                origin: source.to_string(),
                source: error,
            }),
        };
    }
    let Some(path) = &args.database_url_file else {
        return Ok(None);
    };
    let path = cwd.join(path);
    Ok(Some(Named {
        text: read_url_file(&path)?,
        base: path.parent().unwrap_or(Path::new("")).to_owned(),
        source: Source::UrlFile(path),
    }))
}

fn read_url_file(path: &Path) -> Result<String, Error> {
    let unusable = |reason| {
        let path = path.to_owned();
        Error::UrlFile { path, reason }
    };
    let bytes = read_limited(path)?;
    let text = String::from_utf8(bytes).map_err(|_| unusable("it is not UTF-8"))?;
    match text.trim_start_matches('\u{feff}').trim() {
        "" => Err(unusable("it is empty")),
        line if line.lines().count() > 1 => Err(unusable("it has more than one line")),
        line => Ok(line.to_owned()),
    }
}

impl Loaded {
    /// What the environment declares.
    fn declared(&self, cwd: &Path) -> Result<Option<Named>, Error> {
        let (Some(environment), Some(declared)) = (&self.environment, &self.declared) else {
            return Ok(None);
        };
        let Some(source) = &declared.database else {
            return Ok(None);
        };
        let place = format!("[environments.{environment}] database");
        name(source, place, &self.settings, &self.variables, cwd).map(Some)
    }

    fn variable(&self, name: &str, cwd: &Path) -> Result<Option<Named>, Error> {
        variable(name, &self.variables, cwd)
    }

    fn no_target(&self, args: &TargetArgs, cwd: &Path) -> Error {
        let undeclared_in = match (&self.settings.path, &self.environment) {
            (None, Some(name)) => file::folder_searched(cwd).map(|folder| (name.clone(), folder)),
            _ => None,
        };
        Error::NoTarget {
            undeclared_in,
            env_file: self.env_file(args, cwd),
        }
    }

    /// A `.env` in the working directory, or beside `lockstep.toml`, that could be named and was not.
    fn env_file(&self, args: &TargetArgs, cwd: &Path) -> Option<PathBuf> {
        let protected = self
            .declared
            .as_ref()
            .is_none_or(|declared| declared.protected);
        if args.settings.env_file.is_some() || self.environment.is_some() && protected {
            return None;
        }
        [cwd, self.settings.folder()]
            .map(|folder| folder.join(".env"))
            .into_iter()
            .find(|path| path.is_file())
    }

    /// Whether `DATABASE_URL` agrees with what is declared.
    fn compare(&self, declared: &Target, ambient: &Target) -> Result<Option<Warning>, Error> {
        let environment = self.environment.clone().unwrap_or_default();
        if !declared.same_database(ambient) {
            return Err(Error::Contradiction {
                environment,
                declared: declared.to_string(),
                ambient: ambient.to_string(),
            });
        }
        // Of a file there is nothing but its path, however it is written.
        let otherwise = matches!(declared, Target::Postgres(_)) && declared != ambient;
        Ok(otherwise.then_some(Warning::AmbientOtherwise { environment }))
    }
}

/// The text behind a key of the file.
fn name(
    source: &DatabaseSource,
    place: String,
    settings: &Settings,
    variables: &Variables,
    cwd: &Path,
) -> Result<Named, Error> {
    match source {
        DatabaseSource::Text(text) => Ok(Named {
            text: text.clone(),
            source: Source::Key(place),
            base: settings.folder().to_owned(),
        }),
        DatabaseSource::Variable(name) => {
            variable(name, variables, cwd)?.ok_or_else(|| Error::NotSet {
                place,
                variable: name.clone(),
                env_file: None,
            })
        }
    }
}

fn variable(name: &str, variables: &Variables, cwd: &Path) -> Result<Option<Named>, Error> {
    Ok(variables.text(name)?.map(|text| Named {
        text: text.to_owned(),
        source: Source::Variable(name.to_owned()),
        base: variables.folder(name).unwrap_or(cwd).to_owned(),
    }))
}

#[cfg(test)]
mod tests;
