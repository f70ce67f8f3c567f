//! Reading a snapshot back: is it what its manifest says?

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::compressed::read_frame;
use crate::error::Error;
use crate::manifest::{self, Content, Manifest};
use crate::progress::{Phase, Progress};
use crate::publish::open_plain;

/// Reads every file of the snapshot in `folder`: the manifest fits its own checksum, each file its
/// size and SHA-256, the decompressed database its own; and no file is there that the manifest
/// does not name. Returns the manifest.
///
/// # Errors
///
/// Those of [`Manifest::read`]; [`Error::Read`]; [`Error::Damaged`] with what does not fit.
pub fn snapshot(folder: &Path, progress: Progress<'_>) -> Result<Manifest, Error> {
    let manifest = Manifest::read(folder)?;
    files(folder, &manifest.content, &mut |path, file| {
        let content = &manifest.content;
        if file.path == content.database.file {
            database(path, &content.database, progress)
        } else {
            plain(path, &mut |_| Ok(()))
        }
    })?;
    Ok(manifest)
}

/// As [`snapshot`], but of the database file the size alone is asked for: its content was read back
/// while it was written.
///
/// # Errors
///
/// Those of [`snapshot`].
pub fn written(folder: &Path) -> Result<Manifest, Error> {
    let manifest = Manifest::read(folder)?;
    files(folder, &manifest.content, &mut |path, file| {
        if file.path == manifest.content.database.file {
            Ok(file.sha256.clone())
        } else {
            plain(path, &mut |_| Ok(()))
        }
    })?;
    Ok(manifest)
}

/// What is known of a snapshot from elsewhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// SHA-256 of the manifest's whole file, see [`Manifest::sha256`].
    pub manifest_sha256: Option<&'a str>,
    /// SHA-256 of the database file.
    pub database_sha256: Option<&'a str>,
}

/// As [`snapshot`], but nothing is decompressed: the files are hashed as they lie there. What is
/// `known` from elsewhere has to fit too, which an edited manifest would not. Ends early where
/// `asked` says that somebody wants an end.
///
/// # Errors
///
/// Those of [`snapshot`]; [`Error::ReadStopped`].
pub fn hashed(
    folder: &Path,
    known: Known<'_>,
    progress: Progress<'_>,
    asked: &dyn Fn() -> bool,
) -> Result<Manifest, Error> {
    let (manifest, sha256) = Manifest::read_hashed(folder)?;
    let content = &manifest.content;
    if known.manifest_sha256.is_some_and(|known| known != sha256) {
        let path = folder.join(manifest::FILE_NAME);
        return Err(damaged(&path, "it is not the one that was written"));
    }
    let database = content
        .files
        .iter()
        .find(|file| file.path == content.database.file);
    if let (Some(known), Some(database)) = (known.database_sha256, database)
        && known != database.sha256
    {
        let path = folder.join(manifest::FILE_NAME);
        return Err(damaged(
            &path,
            "it names another database file than was written",
        ));
    }
    let total = content.files.iter().map(|file| file.size).sum();
    let mut done = 0;
    files(folder, content, &mut |path, _| {
        plain(path, &mut |count| {
            done += count;
            progress(Phase::Verify, done, Some(total));
            if asked() {
                return Err(Error::ReadStopped);
            }
            Ok(())
        })
    })?;
    Ok(manifest)
}

type Sha256Of<'a> = dyn FnMut(&Path, &manifest::File) -> Result<String, Error> + 'a;

/// Holds what is in the folder against the manifest: first what is there and how long it is, which
/// is known at once, then what `sha256_of` finds of each file.
fn files(folder: &Path, content: &Content, sha256_of: &mut Sha256Of<'_>) -> Result<(), Error> {
    if !content
        .files
        .iter()
        .any(|file| file.path == content.database.file)
    {
        return Err(damaged(folder, "the manifest names no database file"));
    }
    for file in &content.files {
        let path = folder.join(&file.path);
        if !stays_inside(&file.path) {
            return Err(damaged(&path, "its path leads out of the snapshot"));
        }
        let size = open_plain(&path)?
            .metadata()
            .map_err(Error::read(&path))?
            .len();
        if size != file.size {
            let found = format!("it has {size} bytes, the manifest says {}", file.size);
            return Err(damaged(&path, &found));
        }
    }
    unnamed(folder, folder, content)?;
    for file in &content.files {
        let path = folder.join(&file.path);
        if sha256_of(&path, file)? != file.sha256 {
            return Err(damaged(&path, "its SHA-256 is not the manifest's"));
        }
    }
    Ok(())
}

/// SHA-256 of a file; `done` is told of each piece how long it is.
fn plain(path: &Path, done: &mut dyn FnMut(u64) -> Result<(), Error>) -> Result<String, Error> {
    let mut file = open_plain(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = file.read(&mut buffer).map_err(Error::read(path))?;
        if count == 0 {
            return Ok(crate::hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..count]);
        done(count as u64)?;
    }
}

fn database(
    path: &Path,
    expected: &manifest::Database,
    progress: Progress<'_>,
) -> Result<String, Error> {
    let file = open_plain(path)?;
    let read = read_frame(file, expected.raw_sha256.is_some(), &mut |done| {
        progress(Phase::Verify, done, Some(expected.raw_size));
    })
    .map_err(|error| unreadable(path, error))?;
    if read.raw_size != expected.raw_size || read.raw_sha256 != expected.raw_sha256 {
        return Err(damaged(
            path,
            "what is compressed in it is not what was backed up",
        ));
    }
    Ok(read.sha256)
}

/// A frame that can't be decompressed is damaged; a disk that can't be read says nothing about it.
fn unreadable(path: &Path, error: io::Error) -> Error {
    if error.raw_os_error().is_some() {
        return Error::read(path)(error);
    }
    damaged(path, &format!("it can't be decompressed: {error}"))
}

fn damaged(path: &Path, found: &str) -> Error {
    Error::Damaged {
        path: path.to_owned(),
        found: found.to_owned(),
    }
}

fn stays_inside(path: &str) -> bool {
    use std::path::Component;
    let plain = |component| matches!(component, Component::Normal(_));
    !path.is_empty() && Path::new(path).components().all(plain)
}

/// Refuses what is below `folder` and stands neither in the manifest nor on the way to what does.
fn unnamed(root: &Path, folder: &Path, content: &Content) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::read(folder))? {
        let entry = entry.map_err(Error::read(folder))?;
        let path = entry.path();
        let relative = path.strip_prefix(root).unwrap_or(&path);
        let is_folder = entry.file_type().map_err(Error::read(&path))?.is_dir();
        let named = |file: &manifest::File| {
            let file = Path::new(&file.path);
            if is_folder {
                file != relative && file.starts_with(relative)
            } else {
                file == relative
            }
        };
        let is_manifest = relative == Path::new(manifest::FILE_NAME) && !is_folder;
        if !is_manifest && !content.files.iter().any(named) {
            return Err(damaged(&path, "the manifest does not name it"));
        }
        if is_folder {
            unnamed(root, &path, content)?;
        }
    }
    Ok(())
}
