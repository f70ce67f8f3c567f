//! Reading a snapshot back: is it what its manifest says?

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::compressed::read_frame;
use crate::error::Error;
use crate::manifest::{self, Content, Manifest};
use crate::progress::{Phase, Progress};

/// Reads every file of the snapshot in `folder`: the manifest fits its own checksum, each file its
/// size and SHA-256, the decompressed database its own; and no file is there that the manifest
/// does not name. Returns the manifest.
///
/// # Errors
///
/// Those of [`Manifest::read`]; [`Error::Read`]; [`Error::Damaged`] with what does not fit.
pub fn snapshot(folder: &Path, progress: Progress<'_>) -> Result<Manifest, Error> {
    files(folder, &mut |path, file, content| {
        if file.path == content.database.file {
            database(path, &content.database, progress)
        } else {
            plain(path)
        }
    })
}

/// As [`snapshot`], but of the database file the size alone is asked for: its content was read back
/// while it was written.
///
/// # Errors
///
/// Those of [`snapshot`].
pub fn written(folder: &Path) -> Result<Manifest, Error> {
    files(folder, &mut |path, file, content| {
        if file.path == content.database.file {
            let size = fs::metadata(path).map_err(Error::read(path))?.len();
            Ok((size, file.sha256.clone()))
        } else {
            plain(path)
        }
    })
}

type Read<'a> = dyn FnMut(&Path, &manifest::File, &Content) -> Result<(u64, String), Error> + 'a;

/// Holds what `read` finds of each file, its size and SHA-256, against the manifest.
fn files(folder: &Path, read: &mut Read<'_>) -> Result<Manifest, Error> {
    let manifest = Manifest::read(folder)?;
    let content = &manifest.content;
    for file in &content.files {
        let path = folder.join(&file.path);
        if !stays_inside(&file.path) {
            return Err(damaged(&path, "its path leads out of the snapshot"));
        }
        let (size, sha256) = read(&path, file, content)?;
        if size != file.size {
            let found = format!("it has {size} bytes, the manifest says {}", file.size);
            return Err(damaged(&path, &found));
        }
        if sha256 != file.sha256 {
            return Err(damaged(&path, "its SHA-256 is not the manifest's"));
        }
    }
    if !content
        .files
        .iter()
        .any(|file| file.path == content.database.file)
    {
        return Err(damaged(folder, "the manifest names no database file"));
    }
    for found in files_below(folder, folder)? {
        let named = found == manifest::FILE_NAME || content.files.iter().any(|f| f.path == found);
        if !named {
            return Err(damaged(
                &folder.join(&found),
                "the manifest does not name it",
            ));
        }
    }
    Ok(manifest)
}

/// Size and SHA-256 of a file.
pub(crate) fn plain(path: &Path) -> Result<(u64, String), Error> {
    let mut file = File::open(path).map_err(Error::read(path))?;
    let mut hasher = Sha256::new();
    let mut size = 0;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = file.read(&mut buffer).map_err(Error::read(path))?;
        if count == 0 {
            return Ok((size, crate::hex(&hasher.finalize())));
        }
        hasher.update(&buffer[..count]);
        size += count as u64;
    }
}

fn database(
    path: &Path,
    expected: &manifest::Database,
    progress: Progress<'_>,
) -> Result<(u64, String), Error> {
    let file = File::open(path).map_err(Error::read(path))?;
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
    Ok((read.size, read.sha256))
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

/// The files below `folder`, relative to `root`, parts joined by `/`.
fn files_below(root: &Path, folder: &Path) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::read(folder))? {
        let entry = entry.map_err(Error::read(folder))?;
        let path = entry.path();
        if entry.file_type().map_err(Error::read(&path))?.is_dir() {
            found.extend(files_below(root, &path)?);
        } else {
            let relative = path.strip_prefix(root).unwrap_or(&path);
            found.push(relative.to_string_lossy().into_owned());
        }
    }
    Ok(found)
}
