//! A folder's entries, sorted by name. Links to files count as files; links to folders are not
//! followed, so that a listing ends and stays inside the folder.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Levels in which migrations are looked for. Layouts are told apart by the first two; deeper ones, a
/// folder for each year and month, are there to be named.
pub(crate) const LEVELS_DETECTED: usize = 4;
/// Flyway and refinery look into folders of any depth. The bound is there to have one.
pub(crate) const LEVELS_VERSIONED: usize = 64;

/// One entry of a folder.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Relative to the migrations folder.
    pub(crate) file: PathBuf,
    /// Last part of `file`; with replacement characters where it is not UTF-8.
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    File,
    /// With its entries, if the listing goes that deep. Hidden folders are never looked into.
    Folder(Vec<Entry>),
    FolderLink,
    /// A folder that can't be listed.
    Unlisted(io::Error),
    /// A socket, a pipe, a device: opening one could wait for ever.
    Special,
}

impl Entry {
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.kind, Kind::File)
    }

    /// The entries of a folder; none for anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Folder(entries) => entries,
            _ => &[],
        }
    }

    pub(crate) fn has_file(&self, name: &str) -> bool {
        self.entries()
            .iter()
            .any(|entry| entry.is_file() && entry.name == name)
    }

    pub(crate) fn is_hidden(&self) -> bool {
        self.name.starts_with('.')
    }
}

/// Lists a folder and, up to `levels` in all, the folders in it.
pub(crate) fn list(dir: &Path, levels: usize) -> io::Result<Vec<Entry>> {
    list_below(dir, Path::new(""), levels)
}

fn list_below(dir: &Path, below: &Path, levels: usize) -> io::Result<Vec<Entry>> {
    let mut names: Vec<(OsString, fs::FileType)> = Vec::new();
    for entry in fs::read_dir(dir.join(below))? {
        let entry = entry?;
        names.push((entry.file_name(), entry.file_type()?));
    }
    names.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok(names
        .into_iter()
        .map(|(name, kind)| entry(dir, below, &name.into(), kind, levels))
        .collect())
}

fn entry(dir: &Path, below: &Path, name: &PathBuf, kind: fs::FileType, levels: usize) -> Entry {
    let file = below.join(name);
    let name = name.to_string_lossy().into_owned();
    let kind = if kind.is_file() {
        Kind::File
    } else if kind.is_dir() {
        if levels <= 1 || name.starts_with('.') {
            Kind::Folder(Vec::new())
        } else {
            list_below(dir, &file, levels - 1).map_or_else(Kind::Unlisted, Kind::Folder)
        }
    } else if kind.is_symlink() {
        match fs::metadata(dir.join(&file)) {
            Ok(target) if target.is_dir() => Kind::FolderLink,
            Ok(target) if !target.is_file() => Kind::Special,
            // A link that leads nowhere fails when it is read, which names it.
            _ => Kind::File,
        }
    } else {
        Kind::Special
    };
    Entry { file, name, kind }
}
