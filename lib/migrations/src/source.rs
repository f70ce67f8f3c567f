//! Migration files as they are read: bytes, digest, text.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::digest::sha256;
use crate::{Problem, ProblemKind};

/// Larger files are not read as migrations: they are data, and belong into a load step.
const SIZE_MAX_MIB: u64 = 64;

/// A file's text, and the digest of the bytes it was read from.
#[derive(Debug)]
pub(crate) struct Source {
    /// Without a byte order mark.
    pub(crate) text: String,
    /// Of the raw bytes, with the byte order mark.
    pub(crate) sha256: [u8; 32],
    pub(crate) has_byte_order_mark: bool,
}

/// Why a file can't be used.
#[derive(Debug)]
pub(crate) enum Unread {
    Io(io::Error),
    TooLarge,
    NotUtf8 { offset: usize, is_utf16: bool },
    Nul { offset: usize },
}

impl Unread {
    pub(crate) fn problem(&self, file: &Path) -> Problem {
        let (kind, message) = match self {
            Self::Io(error) => (ProblemKind::Unreadable, format!("cannot be read: {error}")),
            Self::TooLarge => (
                ProblemKind::TooLarge,
                format!("is larger than {SIZE_MAX_MIB} MiB"),
            ),
            Self::NotUtf8 { is_utf16: true, .. } => {
                (ProblemKind::NotText, "is UTF-16, not UTF-8".to_owned())
            }
            Self::NotUtf8 { offset, .. } => (
                ProblemKind::NotText,
                format!("is not UTF-8 at byte offset {offset}"),
            ),
            // SQLite would stop reading there and call it success.
            Self::Nul { offset } => (
                ProblemKind::NotText,
                format!("has a NUL byte at byte offset {offset}"),
            ),
        };
        Problem::new(kind, message).file(file)
    }
}

/// The files of one folder. Those that had to be read to tell the layout are not read twice.
#[derive(Debug)]
pub(crate) struct Sources {
    dir: PathBuf,
    read: HashMap<PathBuf, Result<Source, Unread>>,
}

impl Sources {
    pub(crate) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            read: HashMap::new(),
        }
    }

    /// Reads a file and keeps it.
    pub(crate) fn peek(&mut self, file: &Path) -> &Result<Source, Unread> {
        let dir = &self.dir;
        self.read
            .entry(file.to_owned())
            .or_insert_with(|| read(&dir.join(file)))
    }

    /// Reads a file, or hands over what was read.
    pub(crate) fn take(&mut self, file: &Path) -> Result<Source, Unread> {
        self.read
            .remove(file)
            .unwrap_or_else(|| read(&self.dir.join(file)))
    }
}

fn read(path: &Path) -> Result<Source, Unread> {
    let bytes = read_bytes(path, SIZE_MAX_MIB * 1024 * 1024)?;
    let sha256 = sha256(&bytes);
    if bytes.contains(&0) && !is_utf16(&bytes) {
        let offset = bytes.iter().take_while(|byte| **byte != 0).count();
        return Err(Unread::Nul { offset });
    }
    let text = String::from_utf8(bytes).map_err(|error| Unread::NotUtf8 {
        offset: error.utf8_error().valid_up_to(),
        is_utf16: is_utf16(error.as_bytes()),
    })?;
    let has_byte_order_mark = text.starts_with('\u{feff}');
    let text = if has_byte_order_mark {
        text['\u{feff}'.len_utf8()..].to_owned()
    } else {
        text
    };
    Ok(Source {
        text,
        sha256,
        has_byte_order_mark,
    })
}

fn read_bytes(path: &Path, size_max: u64) -> Result<Vec<u8>, Unread> {
    let file = File::open(path).map_err(Unread::Io)?;
    let size = file.metadata().map_err(Unread::Io)?.len();
    if size > size_max {
        return Err(Unread::TooLarge);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    // The file may grow while it is read.
    file.take(size_max + 1)
        .read_to_end(&mut bytes)
        .map_err(Unread::Io)?;
    if bytes.len() as u64 > size_max {
        Err(Unread::TooLarge)
    } else {
        Ok(bytes)
    }
}

fn is_utf16(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff])
}
