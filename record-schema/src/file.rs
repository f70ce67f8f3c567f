//! The file of the recorded schema: read, compared, replaced.

use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use contract::{Class, Classify};
use schema::{Difference, Schema};

/// The first lines of every file, so that whoever finds it knows what it is for.
const HEADER: &str = "\
# The schema that the database should have. record-schema writes this file, verify-schema compares
# the database with it. After a migration record it again, and review what changed.

";

/// Why the file can't be read or replaced.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It is there and can't be read.
    #[error("cannot read {}", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// Something else stands under this name.
    #[error("cannot replace {}: it is no recorded schema", .path.display())]
    Foreign {
        path: PathBuf,
        #[source]
        source: schema::Error,
    },
    /// It can't be written.
    #[error("cannot write {}", .path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The schema has no file form.
    #[error(transparent)]
    Form(#[from] schema::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Error::Foreign { .. } => Class::Fail,
            Error::Read { .. } | Error::Write { .. } => Class::Error,
            Error::Form(error) => error.class(),
        }
    }

    fn remedy(&self) -> Option<String> {
        let remedy = match self {
            Error::Foreign { .. } => "name another file, or delete this one if it is not needed",
            Error::Read { .. } => "make it a file that this user may read",
            Error::Write { .. } => "name a file in a folder that exists and may be written",
            Error::Form(error) => return error.remedy(),
        };
        Some(remedy.to_owned())
    }
}

/// What the file held before.
#[derive(Debug)]
pub(crate) struct Recorded {
    text: Option<String>,
    schema: Option<Schema>,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Written {
    New,
    Same,
    /// With every difference between what it held and what it holds.
    Changed(Vec<Difference>),
}

impl Recorded {
    pub(crate) fn read(path: &Path) -> Result<Recorded, Error> {
        let text = match contract::file::open(path).and_then(std::io::read_to_string) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Recorded {
                    text: None,
                    schema: None,
                });
            }
            Err(source) => {
                let path = path.to_owned();
                return Err(Error::Read { path, source });
            }
        };
        // An empty file is what a shell's redirection or `touch` leaves.
        let schema = match Schema::from_toml(&text) {
            Ok(schema) => Some(schema),
            Err(_) if text.trim().is_empty() => None,
            Err(source) => {
                let path = path.to_owned();
                return Err(Error::Foreign { path, source });
            }
        };
        Ok(Recorded {
            text: Some(text),
            schema,
        })
    }

    /// Writes the schema, unless the file says exactly that already.
    pub(crate) fn replace(self, path: &Path, schema: &Schema) -> Result<Written, Error> {
        let text = format!("{HEADER}{}", schema.to_toml()?);
        if self.text.as_deref() == Some(text.as_str()) {
            return Ok(Written::Same);
        }
        write(path, &text).map_err(|source| {
            let path = path.to_owned();
            Error::Write { path, source }
        })?;
        Ok(match self.schema {
            None => Written::New,
            Some(before) => Written::Changed(schema::diff(&before, schema)),
        })
    }
}

/// Through a temporary file in the same folder: a reader sees the old file or the new one, and a
/// crash leaves one of them. A symbolic link stays one.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // What the umask leaves of it, or what the file had: it is reviewed by others.
    let mode = std::fs::metadata(&path).map_or(0o666, |found| found.permissions().mode() & 0o777);
    let mut file = tempfile::Builder::new()
        .prefix(".record-schema-")
        .permissions(std::fs::Permissions::from_mode(mode))
        .tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    std::fs::File::open(folder)?.sync_all()
}
