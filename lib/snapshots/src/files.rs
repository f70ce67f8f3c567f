//! Files that go into a snapshot beside the database, and those that never do.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Component, Path, PathBuf};

use secrets::{Finding, Scan, Unread};
use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::manifest;
use crate::publish::new_file;

/// The folder in the snapshot that holds them.
pub const FOLDER: &str = "files";

/// Bytes that are read at once.
const READ_BYTES: usize = 1 << 16;

/// Files that are to go into a snapshot, and what is against it.
#[derive(Debug)]
pub struct Chosen {
    /// Where each stands, by its place below the root.
    files: BTreeMap<PathBuf, PathBuf>,
    /// What holds a secret. Such a file does not get into a snapshot.
    pub secrets: Vec<(PathBuf, Finding)>,
    /// What could not be looked through.
    pub unread: Vec<(PathBuf, Unread)>,
}

/// Looks at `files`, paths that lead to somewhere below `root`, links followed. One that is named
/// twice counts once.
///
/// # Errors
///
/// [`Error::FileOutside`]; [`Error::FileUnread`].
pub fn choose(root: &Path, files: &[PathBuf]) -> Result<Chosen, Error> {
    let unread = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::FileUnread { path, source }
    };
    let mut chosen = Chosen {
        files: BTreeMap::new(),
        secrets: Vec::new(),
        unread: Vec::new(),
    };
    for path in files {
        let outside = || Error::FileOutside {
            path: path.clone(),
            root: root.to_owned(),
        };
        let relative = below(root, path).ok_or_else(outside)?;
        let leads_to = fs::canonicalize(path).map_err(unread(path))?;
        let folder = if root.as_os_str().is_empty() {
            Path::new(".")
        } else {
            root
        };
        if !leads_to.starts_with(fs::canonicalize(folder).map_err(unread(folder))?) {
            return Err(outside());
        }
        // Opened as what it is: a pipe would wait for a writer.
        if !fs::metadata(path).map_err(unread(path))?.is_file() {
            let source = io::Error::other("it is not a file");
            return Err(unread(path)(source));
        }
        if chosen.files.contains_key(&relative) {
            continue;
        }
        let mut file = File::open(path).map_err(unread(path))?;
        let (_, (found, not_read)) = read(path, &mut file, |_| Ok(()))?;
        let found = found.into_iter().map(|finding| (path.clone(), finding));
        chosen.secrets.extend(found);
        chosen
            .unread
            .extend(not_read.map(|why| (path.clone(), why)));
        chosen.files.insert(relative, path.clone());
    }
    Ok(chosen)
}

impl Chosen {
    /// Copies them into `folder/files`, each at its place below the root, and syncs them.
    ///
    /// # Errors
    ///
    /// [`Error::SecretFile`] for a file that holds a secret; [`Error::FileUnread`],
    /// [`Error::Create`], [`Error::Write`], [`Error::Sync`].
    pub fn copy(&self, folder: &Path) -> Result<Vec<manifest::File>, Error> {
        let copy = |(relative, path): (&PathBuf, &PathBuf)| {
            let to = folder.join(FOLDER).join(relative);
            if let Some(parent) = to.parent() {
                let mut builder = fs::DirBuilder::new();
                builder
                    .recursive(true)
                    .mode(0o700)
                    .create(parent)
                    .map_err(Error::create(parent))?;
            }
            let mut from = File::open(path).map_err(|source| Error::FileUnread {
                path: path.clone(),
                source,
            })?;
            let mut file = new_file(&to)?;
            let mut hasher = Sha256::new();
            let (size, (found, _)) = read(path, &mut from, |bytes| {
                hasher.update(bytes);
                file.write_all(bytes).map_err(Error::write(&to))
            })?;
            // It may be another file by now than the one that was looked at.
            if let Some(Finding { line, kind }) = found.first() {
                return Err(Error::SecretFile {
                    path: path.clone(),
                    line: *line,
                    kind: *kind,
                });
            }
            file.sync_all().map_err(Error::sync(&to))?;
            Ok(manifest::File {
                path: format!("{FOLDER}/{}", relative.to_string_lossy()),
                size,
                sha256: crate::hex(&hasher.finalize()),
            })
        };
        self.files.iter().map(copy).collect()
    }
}

type Looked = (Vec<Finding>, Option<Unread>);

/// Reads a file piece by piece; says how long it is, and what secrets are in it.
fn read(
    path: &Path,
    file: &mut File,
    mut take: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(u64, Looked), Error> {
    let mut scan = Scan::new(path);
    let mut size = 0;
    let mut piece = vec![0; READ_BYTES];
    loop {
        let count = file.read(&mut piece).map_err(|source| Error::FileUnread {
            path: path.to_owned(),
            source,
        })?;
        if count == 0 {
            return Ok((size, scan.finish()));
        }
        size += count as u64;
        scan.feed(&piece[..count]);
        take(&piece[..count])?;
    }
}

/// The place of a path below the root, if it names one that a manifest can hold.
fn below(root: &Path, path: &Path) -> Option<PathBuf> {
    let mut relative = PathBuf::new();
    for component in path.strip_prefix(root).ok()?.components() {
        match component {
            Component::Normal(part) => relative.push(part.to_str()?),
            Component::CurDir => {}
            _ => return None,
        }
    }
    (!relative.as_os_str().is_empty()).then_some(relative)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_a_secret_is_named_with_its_line() {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("tls.key", ""),
            ("app.json", "{\n  \"password\": \"hunter2\"\n}\n"),
            ("app.toml", "url = { env = \"DATABASE_URL\" }\n"),
            ("logo.gz", "\u{1f}\u{8b}"),
        ] {
            // The first byte of gzip's two is a letter, the second is none.
            let bytes: Vec<u8> = text.chars().map(|c| c as u8).collect();
            fs::write(root.path().join(name), bytes).unwrap();
        }
        let files =
            ["tls.key", "app.json", "app.toml", "logo.gz"].map(|name| root.path().join(name));
        let chosen = choose(root.path(), &files).unwrap();
        let found: Vec<_> = chosen
            .secrets
            .iter()
            .map(|(path, found)| (path.clone(), found.line))
            .collect();
        assert_eq!(
            found,
            [(files[0].clone(), None), (files[1].clone(), Some(2))]
        );
        assert_eq!(
            chosen.unread,
            [(files[3].clone(), secrets::Unread::Packed("gzip"))]
        );
        // One that became a secret since.
        fs::write(&files[2], "password = \"hunter2\"\n").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let error = choose(root.path(), &files[2..3])
            .unwrap()
            .copy(folder.path())
            .unwrap_err();
        assert!(
            matches!(error, Error::SecretFile { line: Some(1), .. }),
            "{error}"
        );
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn what_lies_outside_or_is_no_file_is_refused() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("config")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", root.path().join("link")).unwrap();
        for (bad, outside) in [
            ("../x", true),
            ("/etc/hostname", true),
            ("link", true),
            ("missing", false),
            ("config", false),
        ] {
            let error = choose(root.path(), &[root.path().join(bad)]).unwrap_err();
            let found = matches!(error, Error::FileOutside { .. });
            assert_eq!(found, outside, "{bad}: {error}");
        }
    }

    #[test]
    fn files_are_copied_once_each_at_their_place() {
        let root = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("config")).unwrap();
        let text = "a = 1\n".repeat(READ_BYTES);
        fs::write(root.path().join("config/app.toml"), &text).unwrap();
        std::os::unix::fs::symlink("config/app.toml", root.path().join("link")).unwrap();
        let files = ["config/app.toml", "link", "config/./app.toml"];
        let files = files.map(|name| root.path().join(name));
        let copied = choose(root.path(), &files)
            .unwrap()
            .copy(folder.path())
            .unwrap();
        let paths: Vec<&str> = copied.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["files/config/app.toml", "files/link"]);
        for file in &copied {
            let written = fs::read(folder.path().join(&file.path)).unwrap();
            assert_eq!(file.size, text.len() as u64);
            assert_eq!(written, text.as_bytes());
            assert_eq!(file.sha256, crate::sha256_hex(text.as_bytes()));
        }
    }
}
