//! Which file a pipeline's name means.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use settings::nearest::nearest;

/// The folder whose pipelines are called by their names.
const FOLDER: &str = "pipelines";
/// More are not told.
const KNOWN_MAX: usize = 10;

/// There is no such pipeline.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot find the pipeline {name}: there is no file {name} here, and no {} here or above{hint}",
    place(name).display()
)]
pub(crate) struct Unknown {
    name: String,
    /// What was meant, or what there is.
    hint: String,
}

/// The file that `named` means from `folder`: a path is one, a bare name is a file's there, or that of
/// a pipeline in `pipelines`, there or above.
///
/// # Errors
///
/// A bare name that is neither.
pub(crate) fn find(named: &Path, folder: &Path) -> Result<PathBuf, Unknown> {
    let bare = |name: &&str| !name.contains('/') && !matches!(*name, "" | "." | "..");
    let here = folder.join(named);
    let Some(name) = named.to_str().filter(bare) else {
        return Ok(named.to_owned());
    };
    if here.exists() && !here.is_dir() {
        return Ok(named.to_owned());
    }
    let place = place(name);
    let mut known = Vec::new();
    for (above, folder) in folder.ancestors().enumerate() {
        let file = folder.join(&place);
        if file.exists() && (above == 0 || is_own(&file)) {
            // Short, as it would have been typed.
            return Ok(if above == 0 { place } else { file });
        }
        known.extend(names(&folder.join(FOLDER)));
    }
    known.sort();
    known.dedup();
    let typed = name.strip_suffix(".toml").unwrap_or(name);
    let hint = match nearest(typed, known.iter().map(String::as_str)) {
        Some(known) => format!("; did you mean {known}?"),
        None if known.is_empty() => String::new(),
        None => {
            known.truncate(KNOWN_MAX);
            format!("; there are {}", known.join(", "))
        }
    };
    Err(Unknown {
        name: name.to_owned(),
        hint,
    })
}

/// Where the pipeline of a name is.
fn place(name: &str) -> PathBuf {
    match name.ends_with(".toml") {
        true => Path::new(FOLDER).join(name),
        false => Path::new(FOLDER).join(format!("{name}.toml")),
    }
}

/// Whether a file above the working folder is taken for the user's own: not where another account has
/// laid it into a folder into which everybody may write, or may put such a folder.
fn is_own(file: &Path) -> bool {
    let own = rustix::process::geteuid().as_raw();
    let mode = |folder: &Path| folder.metadata().map_or(0o777, |found| found.mode());
    let owner = file.metadata().map_or(u32::MAX, |found| found.uid());
    let modes = file.ancestors().skip(1).take(2).map(mode);
    is_trusted(owner, modes, own)
}

fn is_trusted(owner: u32, mut modes: impl Iterator<Item = u32>, own: u32) -> bool {
    [own, 0].contains(&owner) || modes.all(|mode| mode & 0o002 == 0)
}

/// The names of the pipelines in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| path.extension() == Some(OsStr::new("toml")))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(dir: &Path, file: &str) -> PathBuf {
        let path = dir.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "").unwrap();
        path
    }

    #[track_caller]
    fn unknown(named: &str, folder: &Path) -> String {
        find(Path::new(named), folder).unwrap_err().to_string()
    }

    #[test]
    fn a_bare_name_is_a_file_here_or_a_pipeline_here_or_above() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("repository");
        let below = root.join("app/src");
        std::fs::create_dir_all(&below).unwrap();
        let production = put(&root, "pipelines/production.toml");
        let at = |named: &str, folder: &Path| find(Path::new(named), folder).unwrap();
        let short = Path::new("pipelines/production.toml");
        for named in ["production", "production.toml"] {
            assert_eq!(at(named, &root), short);
            assert_eq!(at(named, &below), production);
        }
        // The nearer one, and a file before a pipeline; a folder of that name is no file.
        let nearer = put(&root, "app/pipelines/production.toml");
        assert_eq!(at("production", &below), nearer);
        std::fs::create_dir(root.join("production")).unwrap();
        assert_eq!(at("production", &root), short);
        put(&below, "production.toml");
        assert_eq!(at("production.toml", &below), Path::new("production.toml"));
        assert_eq!(at("production", &below), nearer);
        // A path is what it says, there or not.
        for named in ["./production", "pipelines/no", "/no/such", "..", "."] {
            assert_eq!(at(named, &root), Path::new(named));
        }
    }

    #[test]
    fn a_name_that_is_mistyped_is_guessed_and_a_stranger_is_told_what_there_is() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["production", "dev"] {
            put(dir.path(), &format!("pipelines/{name}.toml"));
        }
        put(dir.path(), "pipelines/README.md");
        let below = dir.path().join("app");
        std::fs::create_dir(&below).unwrap();
        for folder in [dir.path(), &below] {
            for named in ["prodution", "prodution.toml", "prod"] {
                let said = unknown(named, folder);
                assert!(said.ends_with("; did you mean production?"), "{said}");
            }
            assert!(unknown("xyzzy", folder).ends_with("; there are dev, production"));
        }
        let said = unknown("a", tempfile::tempdir().unwrap().path());
        assert!(
            said.ends_with("no pipelines/a.toml here or above"),
            "{said}"
        );
    }

    #[test]
    fn another_accounts_file_where_everybody_may_write_is_not_taken() {
        let trusted = |owner, modes: [u32; 2], own| is_trusted(owner, modes.into_iter(), own);
        for (owner, modes, own, expected) in [
            (1000, [0o40755, 0o41777], 1000, true),
            (0, [0o40755, 0o41777], 1000, true),
            (1001, [0o40755, 0o40755], 1000, true),
            // In the folder, or in a folder that was put there.
            (1001, [0o41777, 0o40755], 1000, false),
            (1001, [0o40755, 0o41777], 1000, false),
            (1001, [0o40755, 0o41777], 0, false),
        ] {
            assert_eq!(trusted(owner, modes, own), expected, "{owner} {modes:?}");
        }
    }
}
