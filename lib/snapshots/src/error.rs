//! What can go wrong while a snapshot is written or read.

use std::io;
use std::path::{Path, PathBuf};

/// One variant per act that can fail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum Error {
    #[error("cannot create {}", path.display())]
    Create {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot write {} to the disk", path.display())]
    Sync {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot read back what was written to {}", path.display())]
    ReadBack {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot remove {}", path.display())]
    Remove {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot rename {} to {}", path.display(), to.display())]
    Rename {
        path: PathBuf,
        to: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot find out the free space of {}", path.display())]
    FreeSpace {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "cannot fit the snapshot into {}: it needs up to {needed_bytes} bytes and {free_bytes} \
         are free, {} are missing", path.display(), needed_bytes - free_bytes
    )]
    NoSpace {
        path: PathBuf,
        needed_bytes: u64,
        free_bytes: u64,
    },
    #[error("cannot draw random bytes for the snapshot's id")]
    Random {
        #[source]
        source: getrandom::Error,
    },

    #[error("cannot take the snapshot: ended by a signal; nothing was published")]
    Stopped,

    #[error("cannot read the snapshot to its end: stopped by a signal")]
    ReadStopped,

    #[error("cannot read the source database: {act}")]
    SourceSqlite {
        act: &'static str,
        #[source]
        source: rusqlite::Error,
    },
    #[error("cannot copy the database: {act}")]
    CopySqlite {
        act: &'static str,
        #[source]
        source: rusqlite::Error,
    },
    #[error("cannot copy the database in one read transaction: the copying began anew")]
    CopyRestarted,
    #[error("cannot back up the database: it is damaged: {found}")]
    SourceDamaged { found: String },
    #[error("cannot accept the copy {}: {found}", path.display())]
    CopyDiffers { path: PathBuf, found: String },
    #[error("cannot read table {table} of the copy")]
    TableSqlite {
        table: String,
        #[source]
        source: rusqlite::Error,
    },

    #[error("cannot ask the server for {act}")]
    Server {
        act: &'static str,
        #[source]
        source: postgres::Error,
    },
    #[error("cannot read {}: no right to SELECT", objects.join(", "))]
    NoRight { objects: Vec<String> },
    #[error("cannot read all rows of {}: row-level security hides some", tables.join(", "))]
    RowSecurity { tables: Vec<String> },
    #[error(
        "cannot lock {} after {attempts} attempts: {blockers}",
        match tables { 1 => "1 table".to_owned(), count => format!("{count} tables") }
    )]
    Locked {
        tables: usize,
        attempts: u32,
        blockers: String,
        #[source]
        source: Option<postgres::Error>,
    },
    #[error("cannot dump the database: pg_dump got no locks ({said}); {blockers}")]
    LockedOut { said: String, blockers: String },
    #[error("cannot list the tables: the list changed {attempts} times while they were locked")]
    TablesKeepChanging { attempts: u32 },
    #[error(
        "cannot dump the database: it takes {needed} locks, one for each table, sequence and view, and \
         the server promises room for {promised}"
    )]
    NoLocks {
        needed: u64,
        promised: u64,
        wanted: u64,
    },
    #[error("cannot accept the dump: {table} {found} between its snapshot and its locks")]
    ChangedBetween { table: String, found: &'static str },
    #[error("cannot take the snapshot: it was given up in its transaction")]
    GivenUp,
    #[error("cannot find a pg_dump of version {wanted}; found: {found}")]
    NoPgDump { wanted: u32, found: String },
    #[error("cannot use {command}: it is of version {found}, the server of {wanted}")]
    WrongPgDump {
        command: String,
        wanted: u32,
        found: String,
    },
    #[error("cannot start {command}")]
    StartPgDump {
        command: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot dump the database: pg_dump ended with {status}: {said}")]
    PgDump { status: String, said: String },
    #[error("cannot pass the password to pg_dump: it holds a line end")]
    Password,
    #[error("cannot understand the dump: {found} at byte {at}")]
    Archive { found: String, at: u64 },
    #[error("cannot accept the dump: it is cut short at byte {at}")]
    CutShort { at: u64 },
    #[error("cannot accept the dump: {found}")]
    DumpDiffers { found: String },
    #[error("cannot read the rows of {table}")]
    Copy {
        table: String,
        #[source]
        source: io::Error,
    },

    #[error("cannot copy {} into the snapshot", path.display())]
    FileUnread {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot copy {} into the snapshot: {kind}{}", path.display(), in_line(*line))]
    SecretFile {
        path: PathBuf,
        line: Option<u64>,
        kind: secrets::Kind,
    },
    #[error("cannot copy {} into the snapshot: it lies outside {}", path.display(), folder(root))]
    FileOutside { path: PathBuf, root: PathBuf },

    #[error("cannot ask git for the commit")]
    Git {
        #[source]
        source: io::Error,
    },

    #[error("cannot read the manifest {}: {found}", path.display())]
    Manifest { path: PathBuf, found: String },
    #[error("cannot read the manifest {}", path.display())]
    ManifestJson {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("cannot accept {}: {found}", path.display())]
    Damaged { path: PathBuf, found: String },
}

/// A folder in words: the empty path is the working directory's.
fn folder(path: &Path) -> String {
    match path.as_os_str().is_empty() {
        true => "the working directory".to_owned(),
        false => path.display().to_string(),
    }
}

fn in_line(line: Option<u64>) -> String {
    line.map_or_else(String::new, |line| format!(" in line {line}"))
}

/// What an [`Error`] means for the one who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The answer is no: the disk is full, a right is missing, a file is damaged.
    Refused,
    /// The database gave no answer, or the connection to it was lost.
    Unavailable,
    /// Somebody else holds a lock.
    Busy,
    /// It could not be found out.
    Unknown,
}

impl Error {
    /// What the error means; see [`Cause`].
    pub fn cause(&self) -> Cause {
        if self.io().is_some_and(is_full) {
            return Cause::Refused;
        }
        match self {
            Error::Stopped
            | Error::ReadStopped
            | Error::NoSpace { .. }
            | Error::NoRight { .. }
            | Error::RowSecurity { .. }
            | Error::NoPgDump { .. }
            | Error::WrongPgDump { .. }
            | Error::NoLocks { .. }
            | Error::PgDump { .. }
            | Error::SourceDamaged { .. }
            | Error::CopyDiffers { .. }
            | Error::CutShort { .. }
            | Error::DumpDiffers { .. }
            | Error::FileUnread { .. }
            | Error::SecretFile { .. }
            | Error::FileOutside { .. }
            | Error::Manifest { .. }
            | Error::ManifestJson { .. }
            | Error::Damaged { .. } => Cause::Refused,
            Error::Locked { .. }
            | Error::LockedOut { .. }
            | Error::TablesKeepChanging { .. }
            | Error::ChangedBetween { .. } => Cause::Busy,
            Error::Server { source, .. }
                if source.is_closed() || source.as_db_error().is_none() =>
            {
                Cause::Unavailable
            }
            Error::SourceSqlite { source, .. }
            | Error::CopySqlite { source, .. }
            | Error::TableSqlite { source, .. } => sqlite_cause(source),
            _ => Cause::Unknown,
        }
    }

    /// True when there was no room on the disk.
    pub fn is_disk_full(&self) -> bool {
        let sqlite = match self {
            Error::CopySqlite { source, .. } => {
                source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
            }
            _ => false,
        };
        sqlite || matches!(self, Error::NoSpace { .. }) || self.io().is_some_and(is_full)
    }

    fn io(&self) -> Option<&io::Error> {
        match self {
            Error::Create { source, .. }
            | Error::Read { source, .. }
            | Error::Write { source, .. }
            | Error::Sync { source, .. }
            | Error::Rename { source, .. } => Some(source),
            _ => None,
        }
    }

    pub(crate) fn create(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Create { path, source }
    }

    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Read { path, source }
    }

    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Write { path, source }
    }

    pub(crate) fn sync(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Sync { path, source }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

fn sqlite_cause(error: &rusqlite::Error) -> Cause {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Cause::Refused
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Cause::Busy,
        _ => Cause::Unknown,
    }
}
