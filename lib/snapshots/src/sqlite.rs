//! SQLite: a copy of one moment, its digests, and the compressed artefact.

mod copy;
mod rows;

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use jiff::Timestamp;
use rusqlite::Connection;

pub use copy::open_copy;
pub use rows::{Listing, Table, digest, list};

use crate::buckets;
use crate::compressed::{self, Compressed, Frame};
use crate::error::Error;
use crate::fp1::{self, Accumulator};
use crate::manifest::{self, Content, Database, Engine};
use crate::progress::{Phase, Progress};
use crate::stop::Stop;
use crate::storage;

/// The artefact's name in the snapshot's folder.
pub const FILE_NAME: &str = "database.sqlite.zst";

const RAW_NAME: &str = "database.sqlite";
const READ_BYTES: usize = 1 << 18;

/// Steps of SQLite's virtual machine after which it is looked whether somebody asked for an end.
const STEPS_BETWEEN_LOOKS: i32 = 100_000;

/// What to back up, and where to.
pub struct Request<'a> {
    /// A connection to the source, opened read-only. A transaction that it is in is used, so that
    /// what was read in it is of the copy's moment, and ended with the copying. Without one, its
    /// busy timeout is how long the begin waits for a writer in rollback mode.
    pub source: &'a Connection,
    /// When that transaction began.
    pub since: Option<Instant>,
    /// The folder to write into; see [`crate::publish::Partial`].
    pub folder: &'a Path,
    /// Whether a table is Lockstep's own, which is not digested.
    pub own: &'a dyn Fn(&str) -> bool,
    /// Told how far it is.
    pub progress: Progress<'a>,
    /// Ends it when somebody asks.
    pub stop: &'a Stop,
}

/// Copies the source as of one moment into the folder, digests the copy, compresses it and reads
/// the result back. Leaves `database.sqlite.zst` and `buckets.bin`, both synced.
///
/// The copy is made in one read transaction of the source. In WAL mode writers go on meanwhile; in
/// rollback mode they wait, so the transaction ends with the copying, before anything is digested.
///
/// # Errors
///
/// [`Error::NoSpace`] before anything is written; [`Error::SourceSqlite`], [`Error::CopySqlite`],
/// [`Error::CopyRestarted`], [`Error::CopyDiffers`], [`Error::TableSqlite`], [`Error::Stopped`], and
/// those of files.
pub fn snapshot(request: &Request<'_>) -> Result<Content, Error> {
    let result = take(request);
    // Whatever the end that was asked for looked like from here.
    request.stop.check()?;
    result
}

fn take(request: &Request<'_>) -> Result<Content, Error> {
    storage::require_free(request.folder, copy::bytes_needed(request.source)?)?;
    let raw = request.folder.join(RAW_NAME);
    let consistent_at = Timestamp::now();
    let copied = copy::copy(request, &raw)?;

    let folder = request.folder;
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let asked = request.stop;
    let ended = || stop.load(Ordering::Relaxed) || asked.asked();
    let (digested, compressed) = thread::scope(|scope| {
        let compressing = scope.spawn(|| compress(folder, &raw, &ended, &done));
        let digested = digest_copy(request, &raw, &done);
        stop.store(digested.is_err(), Ordering::Relaxed);
        let joined = compressing.join();
        (
            digested,
            joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        )
    });
    let digested = digested?;
    let compressed = compressed?;
    fs::remove_file(&raw).map_err(|source| Error::Remove { path: raw, source })?;

    Ok(Content {
        consistent_at: crate::rfc3339(consistent_at),
        engine: Engine {
            kind: "sqlite".to_owned(),
            version: rusqlite::version().to_owned(),
            client_version: None,
            encoding: copied.encoding,
            collation: None,
            journal_mode: Some(copied.journal_mode.clone()),
            page_size: Some(copied.page_size),
        },
        database: Database {
            file: FILE_NAME.to_owned(),
            format: "sqlite".to_owned(),
            raw_size: compressed.raw_size,
            raw_sha256: compressed.raw_sha256,
        },
        files: vec![compressed.file, digested.buckets],
        digest_scheme: fp1::SCHEME.to_owned(),
        tables: digested.tables,
        skipped: digested.skipped,
        sequences: Vec::new(),
        large_objects: None,
        roles: Vec::new(),
        extensions: Vec::new(),
        settings: Default::default(),
        source_held_ms: u64::try_from(copied.held.as_millis()).unwrap_or(u64::MAX),
        writers_waited: copied.journal_mode != "wal",
        warnings: digested.warnings,
    })
}

struct Digested {
    tables: Vec<manifest::Table>,
    skipped: Vec<manifest::Skipped>,
    buckets: manifest::File,
    warnings: Vec<String>,
}

fn digest_copy(request: &Request<'_>, raw: &Path, done: &AtomicU64) -> Result<Digested, Error> {
    let mut copy = open_copy(raw)?;
    let stop = request.stop.clone();
    copy.progress_handler(STEPS_BETWEEN_LOOKS, Some(move || stop.asked()))
        .map_err(|source| Error::CopySqlite {
            act: "open the copy",
            source,
        })?;
    let warnings = copy::check(&copy)?;
    let listing = list(&copy, request.own).map_err(|source| Error::CopySqlite {
        act: "list its tables",
        source,
    })?;
    let raw_bytes = fs::metadata(raw).map_err(Error::read(raw))?.len();
    let mut tick = || {
        (request.progress)(
            Phase::Compress,
            done.load(Ordering::Relaxed),
            Some(raw_bytes),
        );
    };
    let mut writer = buckets::Writer::create(request.folder)?;
    let mut accumulator = Accumulator::new();
    let mut tables = Vec::new();
    for (index, table) in listing.tables.iter().enumerate() {
        let total = listing.tables.len() as u64;
        (request.progress)(Phase::Digest, index as u64, Some(total));
        let digest = digest(&copy, table, &mut accumulator, &mut tick).map_err(|source| {
            Error::TableSqlite {
                table: table.name.clone(),
                source,
            }
        })?;
        tables.push(manifest::Table {
            schema: None,
            name: table.name.clone(),
            class: table.class,
            columns: table.columns.clone(),
            key: table.key.clone(),
            rows: digest.rows,
            digest: digest.sum,
            buckets: Some(writer.add(&digest.buckets)?),
            unlogged: false,
            partition_of: None,
        });
    }
    Ok(Digested {
        tables,
        skipped: listing.skipped,
        buckets: writer.finish()?,
        warnings,
    })
}

fn compress(
    folder: &Path,
    raw: &Path,
    ended: &(dyn Fn() -> bool + Sync),
    done: &AtomicU64,
) -> Result<Compressed, Error> {
    let mut source = fs::File::open(raw).map_err(Error::read(raw))?;
    let size = source.metadata().map_err(Error::read(raw))?.len();
    let feed = |frame: &mut Frame<'_>| {
        let mut buffer = vec![0; READ_BYTES];
        while !ended() {
            let count = source.read(&mut buffer).map_err(Error::read(raw))?;
            if count == 0 {
                break;
            }
            frame.put(&buffer[..count])?;
        }
        Ok(())
    };
    compressed::write(folder, FILE_NAME, Some(size), done, feed)
}
