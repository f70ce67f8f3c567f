//! Where a step's program is, asked for every step before the first one starts.

use std::path::{Path, PathBuf};

use crate::executable::{self, Obstacle};

/// What was found under a program's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A program that can be run.
    Runnable {
        /// Absolute, and as written: a symbolic link keeps the name that holds the verb.
        path: PathBuf,
        /// Whether it stands in the orchestrator's own folder.
        beside: bool,
    },
    /// Something that can't be run, and why.
    NotRunnable {
        /// Its path.
        path: PathBuf,
        /// Why it can't be run.
        obstacle: Obstacle,
    },
    /// Nothing.
    Missing,
}

/// Where programs are looked for.
#[derive(Debug)]
pub(crate) struct Places {
    /// The folder of the pipeline file: a name with a separator is relative to it.
    pub(crate) pipeline: PathBuf,
    /// The folder of the orchestrator itself.
    pub(crate) beside: PathBuf,
    /// The folders of PATH. Only absolute ones count: what runs must not depend on where it is
    /// run.
    pub(crate) path: Vec<PathBuf>,
}

impl Places {
    /// The places of this process.
    ///
    /// # Errors
    ///
    /// When the working folder or the own executable can't be told.
    pub(crate) fn of_process(pipeline_file: &Path) -> std::io::Result<Places> {
        let file = std::path::absolute(pipeline_file)?;
        let own = std::env::current_exe()?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        Ok(Places {
            pipeline: file.parent().unwrap_or(Path::new("/")).to_owned(),
            beside: own.parent().unwrap_or(Path::new("/")).to_owned(),
            path: std::env::split_paths(&path)
                .filter(|folder| folder.is_absolute())
                .collect(),
        })
    }

    /// Looks a program up: with a separator as a path, without one beside the orchestrator, then
    /// in PATH.
    pub(crate) fn find(&self, program: &str) -> Found {
        if program.contains('/') {
            let path = self.pipeline.join(program);
            let beside = path
                .parent()
                .and_then(|parent| parent.canonicalize().ok())
                .is_some_and(|parent| parent == self.beside);
            return probe(path, beside);
        }
        let mut blocked = None;
        let folders = self
            .path
            .iter()
            .map(|folder| (folder, *folder == self.beside));
        for (folder, beside) in std::iter::once((&self.beside, true)).chain(folders) {
            match probe(folder.join(program), beside) {
                Found::Missing => {}
                found @ Found::Runnable { .. } => return found,
                found @ Found::NotRunnable { .. } => blocked = blocked.or(Some(found)),
            }
        }
        blocked.unwrap_or(Found::Missing)
    }
}

fn probe(path: PathBuf, beside: bool) -> Found {
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) if is_absence(&error) => return Found::Missing,
        Err(error) => {
            return Found::NotRunnable {
                path,
                obstacle: Obstacle {
                    why: format!("it can't be looked at: {error}"),
                    remedy: "correct the permissions of the folders above it".to_owned(),
                },
            };
        }
    };
    match executable::obstacle_to(&path, &metadata) {
        Some(obstacle) => Found::NotRunnable { path, obstacle },
        None => Found::Runnable { path, beside },
    }
}

fn is_absence(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn program(folder: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = folder.join(name);
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn places(dir: &Path) -> Places {
        Places {
            pipeline: dir.join("repository"),
            beside: dir.join("suite"),
            path: vec![dir.join("first"), dir.join("second")],
        }
    }

    #[test]
    fn a_bare_name_is_looked_up_beside_then_in_path_and_never_in_the_working_folder() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        program(&dir.path().join("repository"), "tool", "#!/bin/sh\n", 0o755);
        assert_eq!(places.find("tool"), Found::Missing);
        let second = program(&dir.path().join("second"), "tool", "#!/bin/sh\n", 0o755);
        let found = |path: &PathBuf, beside| Found::Runnable {
            path: path.clone(),
            beside,
        };
        assert_eq!(places.find("tool"), found(&second, false));
        // What can't be run does not hide what can.
        program(&dir.path().join("first"), "tool", "#!/bin/sh\n", 0o644);
        assert_eq!(places.find("tool"), found(&second, false));
        let beside = program(&dir.path().join("suite"), "tool", "#!/bin/sh\n", 0o755);
        assert_eq!(places.find("tool"), found(&beside, true));
    }

    #[test]
    fn a_name_with_a_separator_is_relative_to_the_pipeline_file() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        program(
            &dir.path().join("repository/scripts"),
            "tool",
            "#!/bin/sh\n",
            0o755,
        );
        assert!(matches!(
            places.find("./scripts/tool"),
            Found::Runnable { beside: false, .. }
        ));
        assert!(matches!(
            places.find("scripts/tool"),
            Found::Runnable { .. }
        ));
        assert_eq!(places.find("./tool"), Found::Missing);
        assert!(matches!(places.find("/bin/sh"), Found::Runnable { .. }));
    }
}
