//! `manifest.json`: what a snapshot holds, in the published format [`FORMAT`].
//!
//! The file is JSON. Its last member, on a line of its own, is the SHA-256 of all bytes before that
//! line, as in PostgreSQL's `backup_manifest`: `head -n -2 manifest.json | sha256sum` prints it.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::fp1::Sum;
use crate::publish::{new_file, open_plain};

/// The id of the format. A reader refuses any other.
pub const FORMAT: &str = "lockstep-snapshot/1";

/// The manifest's name in the snapshot's folder.
pub const FILE_NAME: &str = "manifest.json";

const CHECKSUM: &str = "manifest_sha256";

/// The whole manifest. Times are RFC 3339 in UTC; members that a reader does not know are ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// The snapshot's name, which is its folder's.
    pub id: String,
    /// The program that wrote it, and that program's version.
    pub tool: String,
    /// See `tool`.
    pub version: String,
    /// The environment's name.
    pub environment: String,
    /// The database's identity: the mark's UUID, or what stands for it.
    pub target_identity: String,
    /// The target as it is shown: never with a password.
    pub target: String,
    /// The state of the migration ledger; opaque here.
    pub ledger_state: String,
    /// When the work began.
    pub started_at: String,
    /// When the last byte but the manifest's was on the disk. A snapshot's age counts from here.
    pub completed_at: String,
    /// The commit that was checked out, where there was one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub git: Option<Git>,
    /// What was backed up.
    #[serde(flatten)]
    pub content: Content,
}

/// What a snapshot says about the database, as an engine's module found it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// The moment that the content is of: no later write is in it.
    pub consistent_at: String,
    /// The server or library that was read.
    pub engine: Engine,
    /// The artefact.
    pub database: Database,
    /// Every other file of the snapshot but the manifest, and the artefact again.
    pub files: Vec<File>,
    /// The scheme of the digests: [`crate::fp1::SCHEME`].
    pub digest_scheme: String,
    /// The tables whose rows were digested.
    pub tables: Vec<Table>,
    /// Objects with content that was not digested, each with the reason.
    pub skipped: Vec<Skipped>,
    /// Sequences; read after the data, so never behind it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub sequences: Vec<Sequence>,
    /// Large objects (PostgreSQL).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub large_objects: Option<LargeObjects>,
    /// Roles that own or were granted something. A dump does not hold them; a restore needs them.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub roles: Vec<String>,
    /// Extensions that a restore needs.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub extensions: Vec<Extension>,
    /// The settings under which rows were written as text.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub settings: BTreeMap<String, String>,
    /// How long the source was held: SQLite's read transaction, PostgreSQL's snapshot and locks.
    pub source_held_ms: u64,
    /// Whether writers had to wait during that time.
    pub writers_waited: bool,
    /// What the engine's own tool said, line by line.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub warnings: Vec<String>,
}

/// Engine and client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Engine {
    /// `sqlite` or `postgres`.
    pub kind: String,
    /// Version of the server, or of the SQLite library that copied.
    pub version: String,
    /// Version of `pg_dump`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub client_version: Option<String>,
    /// Encoding of the database.
    pub encoding: String,
    /// Collation of the database, and its provider's version where the server tells.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub collation: Option<String>,
    /// SQLite: `wal`, `delete`, …
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub journal_mode: Option<String>,
    /// SQLite: bytes per page.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub page_size: Option<u64>,
}

/// The artefact: one zstd frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Database {
    /// Its name in the snapshot's folder.
    pub file: String,
    /// What is in the frame: `sqlite` (a database file) or `pg_dump-custom` (for `pg_restore`).
    pub format: String,
    /// Bytes of what is in the frame. The frame has a checksum of its own (XXH64) over them.
    pub raw_size: u64,
    /// SHA-256 of what is in the frame, hexadecimal; for a SQLite file, not for a dump.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub raw_sha256: Option<String>,
}

/// A file of the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Relative to the snapshot's folder, parts joined by `/`.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// Why a table is what it is to a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableClass {
    /// Rows that somebody put there: a difference counts.
    Data,
    /// Rows that the engine derives (planner statistics, full-text shadows): a difference is
    /// reported and does not count.
    Derived,
    /// A partitioned table: the sum of its leaves, which are listed themselves.
    Partitioned,
}

/// A table and its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// PostgreSQL's schema; none for SQLite.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub schema: Option<String>,
    /// The table's name.
    pub name: String,
    /// See [`TableClass`].
    pub class: TableClass,
    /// The digested columns, in the order of the row bytes. Generated columns are not among them.
    pub columns: Vec<String>,
    /// The primary key's columns, in the key's order; empty without one.
    pub key: Vec<String>,
    /// Number of rows.
    pub rows: u64,
    /// Sum of the row hashes.
    pub digest: Sum,
    /// Where the buckets stand in `buckets.bin`; none for a partitioned table.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub buckets: Option<BucketRange>,
    /// PostgreSQL: the table is unlogged, so a physical backup or a standby lacks its rows.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub unlogged: bool,
    /// PostgreSQL: the partitioned table that this is a partition of, `schema.name`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub partition_of: Option<String>,
}

/// A part of `buckets.bin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketRange {
    /// The first bucket, counted from the file's begin in buckets.
    pub first: u64,
    /// A power of two of buckets.
    pub count: u64,
}

/// An object whose content was not digested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The object, with its schema on PostgreSQL.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// A sequence. Sequences do not obey transactions: the value is at least the dump's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    /// The sequence's schema.
    pub schema: String,
    /// The sequence's name.
    pub name: String,
    /// The last value that was handed out, or the first to come when `is_called` is false.
    pub last_value: i64,
    /// See `last_value`.
    pub is_called: bool,
    /// Always false: said in the file for whoever reads it alone.
    pub snapshot_consistent: bool,
}

/// All large objects together. Row bytes of one: its loid (4 bytes, big-endian) and its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LargeObjects {
    /// How many.
    pub count: u64,
    /// Bytes of all their contents.
    pub bytes: u64,
    /// Sum of their hashes.
    pub digest: Sum,
}

/// An extension of the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The schema that holds its objects.
    pub schema: String,
}

/// What was checked out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Git {
    /// The commit's full hash.
    pub commit: String,
    /// A tag of exactly this commit.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tag: Option<String>,
    /// Whether tracked files differed from the commit.
    pub modified: bool,
}

impl Manifest {
    /// Rows of all tables of class [`TableClass::Data`].
    pub fn rows(&self) -> u64 {
        let data = |table: &&Table| table.class == TableClass::Data;
        self.content
            .tables
            .iter()
            .filter(data)
            .map(|table| table.rows)
            .sum()
    }

    /// The file's bytes, checksum included.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Serialising these types to memory has no way to fail: no map has a key that is no text.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.truncate(bytes.len().saturating_sub("\n}".len()));
        bytes.extend_from_slice(b",\n");
        let checksum = crate::sha256_hex(&bytes);
        bytes.extend_from_slice(format!("  \"{CHECKSUM}\": \"{checksum}\"\n}}\n").as_bytes());
        bytes
    }

    /// Writes `manifest.json` into `folder`, which must not have one, and syncs it.
    ///
    /// # Errors
    ///
    /// [`Error::Create`], [`Error::Write`], [`Error::Sync`].
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(FILE_NAME);
        let mut file = new_file(&path)?;
        file.write_all(&self.to_bytes())
            .map_err(Error::write(&path))?;
        file.sync_all().map_err(Error::sync(&path))
    }

    /// Reads the manifest of the snapshot in `folder` and checks its checksum and format.
    ///
    /// # Errors
    ///
    /// [`Error::Read`]; [`Error::Damaged`] when it is no plain file; [`Error::Manifest`] when it is
    /// damaged or of another format; [`Error::ManifestJson`].
    pub fn read(folder: &Path) -> Result<Manifest, Error> {
        Manifest::read_hashed(folder).map(|(manifest, _)| manifest)
    }

    /// As [`Manifest::read`], with the SHA-256 of the whole file, as `sha256sum` prints it.
    pub(crate) fn read_hashed(folder: &Path) -> Result<(Manifest, String), Error> {
        let path = folder.join(FILE_NAME);
        let mut bytes = Vec::new();
        open_plain(&path)?
            .read_to_end(&mut bytes)
            .map_err(Error::read(&path))?;
        Ok((parse(&path, &bytes)?, crate::sha256_hex(&bytes)))
    }

    /// SHA-256 of the file that [`Manifest::write`] writes, as `sha256sum` prints it. Who keeps it
    /// elsewhere sees an edit that brought the checksum inside along.
    pub fn sha256(&self) -> String {
        crate::sha256_hex(&self.to_bytes())
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Manifest, Error> {
    let wrong = |found: &str| Error::Manifest {
        path: path.to_owned(),
        found: found.to_owned(),
    };
    let (body, checksum) = split_checksum(bytes).ok_or_else(|| wrong("its end is missing"))?;
    if crate::sha256_hex(body) != checksum {
        return Err(wrong("its content does not fit its own checksum"));
    }
    #[derive(Deserialize)]
    struct Format {
        format: String,
    }
    let json = |source| Error::ManifestJson {
        path: path.to_owned(),
        source,
    };
    let Format { format } = serde_json::from_slice(bytes).map_err(json)?;
    if format != FORMAT {
        return Err(wrong(&format!("its format is {format}, not {FORMAT}")));
    }
    serde_json::from_slice(bytes).map_err(json)
}

/// The bytes before the checksum's line, and the checksum.
fn split_checksum(bytes: &[u8]) -> Option<(&[u8], &str)> {
    let line = format!("  \"{CHECKSUM}\": \"");
    let tail = line.len() + 64 + "\"\n}\n".len();
    let (body, tail) = bytes.split_at_checked(bytes.len().checked_sub(tail)?)?;
    let checksum = tail
        .strip_prefix(line.as_bytes())?
        .strip_suffix(b"\"\n}\n")?;
    Some((body, std::str::from_utf8(checksum).ok()?))
}
