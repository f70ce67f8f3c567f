//! The commit that is checked out.

use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::error::Error;
use crate::manifest::Git;

/// Commit, tag and state of the work tree that holds `folder`; none outside a work tree, before the
/// first commit, and where git is not installed.
///
/// # Errors
///
/// [`Error::Git`] when there is a repository and git does not read it.
pub fn look(folder: &Path) -> Result<Option<Git>, Error> {
    let head = match git(folder, &["rev-parse", "--verify", "--quiet", "HEAD"]) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        output => output.map_err(failed)?,
    };
    if !head.status.success() {
        let said = text(&head.stderr);
        if said.is_empty() || said.contains("not a git repository") {
            return Ok(None);
        }
        return Err(failed(io::Error::other(said)));
    }
    let tag = git(folder, &["describe", "--tags", "--exact-match", "HEAD"]).map_err(failed)?;
    let status = git(folder, &["status", "--porcelain", "--untracked-files=no"]).map_err(failed)?;
    if !status.status.success() {
        return Err(failed(io::Error::other(text(&status.stderr))));
    }
    Ok(Some(Git {
        commit: text(&head.stdout),
        tag: tag.status.success().then(|| text(&tag.stdout)),
        modified: !status.stdout.is_empty(),
    }))
}

fn git(folder: &Path, arguments: &[&str]) -> io::Result<Output> {
    let mut command = Command::new("git");
    // Those of a hook or of another repository lead elsewhere; settings say what may be read.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("GIT_") && !name.starts_with("GIT_CONFIG_") {
            command.env_remove(&*name);
        }
    }
    command
        .arg("-C")
        .arg(folder)
        .args(arguments)
        // It reads: not even the index is refreshed on the disk.
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
}

fn failed(source: io::Error) -> Error {
    Error::Git { source }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(folder: &Path, arguments: &[&str]) {
        let named = [
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.org",
            "-c",
            "commit.gpgsign=false",
        ];
        let status = Command::new("git")
            .arg("-C")
            .arg(folder)
            .args(named)
            .args(arguments)
            .status();
        assert!(status.unwrap().success(), "{arguments:?}");
    }

    #[test]
    fn commit_tag_and_changes_are_told() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(look(dir.path()).unwrap(), None);
        run(dir.path(), &["init", "--quiet"]);
        assert_eq!(look(dir.path()).unwrap(), None, "no commit yet");
        std::fs::write(dir.path().join("a"), "1").unwrap();
        run(dir.path(), &["add", "a"]);
        run(dir.path(), &["commit", "--quiet", "-m", "first"]);
        let first = look(dir.path()).unwrap().unwrap();
        assert_eq!(
            (first.commit.len(), &first.tag, first.modified),
            (40, &None, false)
        );
        run(dir.path(), &["tag", "v1"]);
        std::fs::write(dir.path().join("a"), "2").unwrap();
        let second = look(dir.path()).unwrap().unwrap();
        assert_eq!(second.commit, first.commit);
        assert_eq!((second.tag.as_deref(), second.modified), (Some("v1"), true));
    }
}
