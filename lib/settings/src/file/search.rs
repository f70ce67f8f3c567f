//! Where `lockstep.toml` is, if nobody names it: in the working directory, or in the nearest folder
//! above it, as cargo and git look for theirs.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::FILE_NAME;

/// What a search came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Search {
    /// The file that counts.
    pub(super) found: Option<PathBuf>,
    /// One that was passed over: above the working directory, another account's, in a folder into
    /// which everybody may write. Whoever lays one there would decide what the programs do.
    pub(super) passed_over: Option<PathBuf>,
}

/// Looks in `cwd`, empty for the working directory, and above it. The paths stay as short as `cwd`.
pub(super) fn search(cwd: &Path) -> Search {
    let here = cwd.join(FILE_NAME);
    let mut search = Search::default();
    // What can't be looked at is an error for whoever reads it.
    if std::fs::metadata(&here).is_ok() || std::fs::symlink_metadata(&here).is_ok() {
        search.found = Some(here);
        return search;
    }
    let Some(whole) = whole(cwd) else {
        return search;
    };
    let mut above = cwd.to_owned();
    for folder in whole.ancestors().skip(1) {
        above.push("..");
        let Ok(file) = std::fs::metadata(folder.join(FILE_NAME)) else {
            continue;
        };
        let path = match cwd.is_absolute() {
            true => folder.join(FILE_NAME),
            false => above.join(FILE_NAME),
        };
        if !file.is_file() {
            continue;
        }
        let mode = std::fs::metadata(folder).map_or(0o777, |folder| folder.mode());
        if is_trusted(file.uid(), mode, rustix::process::geteuid().as_raw()) {
            search.found = Some(path);
            return search;
        }
        search.passed_over.get_or_insert(path);
    }
    search
}

/// The folder that a search begins in, for a message.
pub(crate) fn whole(cwd: &Path) -> Option<PathBuf> {
    match cwd.as_os_str().is_empty() {
        true => std::env::current_dir().ok(),
        false => cwd.canonicalize().ok(),
    }
}

/// Whether a file above the working directory is taken: this account's or root's, or in a folder into
/// which not everybody may write.
fn is_trusted(owner: u32, folder_mode: u32, own: u32) -> bool {
    owner == own || owner == 0 || folder_mode & 0o002 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_file_above_counts() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        let deep = top.join("a/b/c");
        std::fs::create_dir_all(&deep).unwrap();
        assert_eq!(search(&deep), Search::default());
        for folder in [top.clone(), top.join("a/b"), deep.clone()] {
            std::fs::write(folder.join(FILE_NAME), "").unwrap();
            assert_eq!(search(&deep).found, Some(folder.join(FILE_NAME)));
        }
        assert_eq!(search(&top.join("a")).found, Some(top.join(FILE_NAME)));
    }

    #[test]
    fn a_folder_of_that_name_above_is_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a");
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::create_dir(dir.path().join(FILE_NAME)).unwrap();
        assert_eq!(search(&deep), Search::default());
        assert!(search(dir.path()).found.is_some());
    }

    #[test]
    fn another_accounts_file_in_a_folder_for_everybody_is_not_taken() {
        assert!(is_trusted(1000, 0o41777, 1000));
        assert!(is_trusted(0, 0o41777, 1000));
        assert!(is_trusted(1001, 0o40755, 1000));
        assert!(!is_trusted(1001, 0o41777, 1000));
        assert!(!is_trusted(1001, 0o40757, 0));
    }
}
