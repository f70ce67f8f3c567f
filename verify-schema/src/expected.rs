//! What the schema should be, and who says so.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use contract::{Class, Classify};
use migrations::LedgerRow;
use records::RecordedSchema;
use schema::Schema;

/// Largest file that is read, in bytes: ten times a schema of five thousand tables.
const SIZE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A schema that should be, and who says so.
pub(crate) struct Expected {
    pub(crate) schema: Schema,
    pub(crate) source: Source,
}

/// Who says what the schema should be.
pub(crate) enum Source {
    /// A file that record-schema wrote.
    File(PathBuf),
    /// The last deployment, at this time.
    Ledger(String),
    /// An adoption that nothing was deployed after, at this time.
    Adoption(String),
    /// So many applied migrations, run on an empty database.
    Replay(usize),
}

impl Source {
    /// The name that stands in results.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Source::File(_) => "file",
            Source::Ledger(_) | Source::Adoption(_) => "ledger",
            Source::Replay(_) => "replay",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File(path) => path.display().fmt(f),
            Source::Ledger(at) => write!(f, "the deployment of {at}"),
            Source::Adoption(at) => write!(f, "the adoption of {at}"),
            Source::Replay(1) => f.write_str("the replay of 1 migration"),
            Source::Replay(count) => write!(f, "the replay of {count} migrations"),
        }
    }
}

/// Why it can't be told what the schema should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file can't be read.
    #[error("cannot read {}", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The file is something else.
    #[error("cannot use {}: {reason}", .path.display())]
    Unusable { path: PathBuf, reason: &'static str },
    /// The file is no recorded schema, or of another version.
    #[error("cannot use {}", .path.display())]
    Form {
        path: PathBuf,
        #[source]
        source: schema::Error,
    },
    /// The ledger holds what this version does not understand.
    #[error("cannot understand the schema that the ledger holds")]
    Record(#[source] schema::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Error::Read { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
                Class::Error
            }
            Error::Read { .. } | Error::Unusable { .. } | Error::Form { .. } => Class::Usage,
            Error::Record(_) => Class::Error,
        }
    }

    fn remedy(&self) -> Option<String> {
        let remedy = match self {
            Error::Read { .. } => "name a file that record-schema wrote",
            Error::Unusable { .. } | Error::Form { .. } => {
                "name a file that record-schema wrote, or record it again with this version"
            }
            Error::Record(_) => "record the schema in a file with record-schema, and name that",
        };
        Some(remedy.to_owned())
    }
}

impl Expected {
    /// What a file says.
    pub(crate) fn read(path: &Path) -> Result<Expected, Error> {
        let text = read(path)?;
        let schema = Schema::from_toml(&text).map_err(|source| Error::Form {
            path: path.to_owned(),
            source,
        })?;
        Ok(Expected {
            schema,
            source: Source::File(path.to_owned()),
        })
    }

    /// What the ledger says.
    pub(crate) fn recorded(
        recorded: &RecordedSchema,
        rows: &[LedgerRow],
    ) -> Result<Expected, Error> {
        let schema = Schema::from_json(&recorded.document).map_err(Error::Record)?;
        // Where nothing was deployed, what has tables was adopted as it was.
        let is_adopted = match rows.is_empty() {
            true => !schema.tables.is_empty(),
            false => migrations::are_adopted(rows),
        };
        let at = recorded.recorded_at.clone();
        let source = match is_adopted {
            true => Source::Adoption(at),
            false => Source::Ledger(at),
        };
        Ok(Expected { schema, source })
    }
}

fn read(path: &Path) -> Result<String, Error> {
    let unusable = |reason| Error::Unusable {
        path: path.to_owned(),
        reason,
    };
    let bytes =
        contract::file::read_limited(path, SIZE_BYTES_MAX).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
    if bytes.len() as u64 > SIZE_BYTES_MAX {
        return Err(unusable("it is larger than 64 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| unusable("it is not UTF-8"))
}
