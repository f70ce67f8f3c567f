//! PostgreSQL: a dump of one moment, with the digests of the rows that are in it.

mod archive;
mod catalog;
mod dump;
mod hold;
mod lines;
mod locks;
mod pace;
mod program;
mod rows;
mod sequences;

use std::collections::BTreeMap;
use std::io::{self, BufRead as _};
use std::path::Path;

use postgres::{Client, GenericClient};

pub use archive::{Archive, Block, Entry};
pub use catalog::{Listing, Own, Table, list};
pub use hold::Patience;
pub use program::{PgDump, Server, find};
pub use rows::digest;

use catalog::{Sizes, server};
use dump::{Dump, Dumped};
use hold::Held;
use locks::Holder;
use pace::Pace;
use rows::Rows;

use crate::buckets;
use crate::error::Error;
use crate::fp1::{self, Digest};
use crate::manifest::{self, Content, Database, TableClass};
use crate::progress::Progress;
use crate::stop::Stop;
use crate::storage;

/// The artefact's name in the snapshot's folder.
pub const FILE_NAME: &str = "database.pgdump.zst";

/// The settings on which the text of a row depends, and those that keep a session quiet and alive.
/// All of them may be set by anybody, at any server from 12 on.
const SETTINGS: [(&str, &str); 9] = [
    ("TimeZone", "UTC"),
    ("DateStyle", "ISO"),
    ("IntervalStyle", "postgres"),
    ("extra_float_digits", "3"),
    ("bytea_output", "hex"),
    ("lc_monetary", "C"),
    ("row_security", "off"),
    ("synchronize_seqscans", "off"),
    ("idle_in_transaction_session_timeout", "0"),
];

/// What to back up, and where to.
pub struct Request<'a> {
    /// A session with the server itself (not through a pooler), in no transaction. It gets the
    /// settings of [`pin`].
    pub client: &'a mut Client,
    /// How `pg_dump` reaches the same server.
    pub server: &'a Server,
    /// The command that is to be `pg_dump`; found if there is none.
    pub pg_dump: Option<&'a [String]>,
    /// The folder to write into; see [`crate::publish::Partial`].
    pub folder: &'a Path,
    /// Whether a table is Lockstep's own: dumped, but not digested.
    pub own: Own<'a>,
    /// Called in the transaction that holds locks and snapshot, before anything is dumped: what it
    /// reads is of the dump's moment. The snapshot is given up if it answers false. It is called
    /// anew when another attempt is made.
    pub in_snapshot: &'a mut dyn FnMut(&mut Client) -> bool,
    /// How long to wait for locks.
    pub patience: Patience,
    /// Told how far it is.
    pub progress: Progress<'a>,
    /// Ends it, and `pg_dump`, when somebody asks.
    pub stop: &'a Stop,
}

/// Dumps the database as of one moment into the folder, digests the rows as they pass, compresses
/// and reads back. Leaves `database.pgdump.zst` and `buckets.bin`, both synced.
///
/// Readers and writers go on meanwhile; what needs an exclusive lock on a table (`ALTER TABLE`,
/// `TRUNCATE`) waits.
///
/// # Errors
///
/// Before anything is dumped: [`Error::NoRight`], [`Error::RowSecurity`], [`Error::WrongPgDump`],
/// [`Error::NoPgDump`], [`Error::NoLocks`], [`Error::Locked`], [`Error::TablesKeepChanging`],
/// [`Error::ChangedBetween`], [`Error::GivenUp`], [`Error::NoSpace`].
/// At any time [`Error::Stopped`]. Then [`Error::PgDump`], [`Error::Archive`], [`Error::DumpDiffers`], [`Error::Server`], and
/// those of files.
pub fn snapshot(request: &mut Request<'_>) -> Result<Content, Error> {
    let result = take(request);
    // Whatever the end that was asked for looked like from here.
    request.stop.check()?;
    result
}

fn take(request: &mut Request<'_>) -> Result<Content, Error> {
    pin(request.client)?;
    let program = find(
        request.pg_dump,
        catalog::major(request.client)?,
        request.stop,
    )?;
    let mut attempt = 1;
    let mut alone = false;
    loop {
        let held = hold::hold(
            request.client,
            request.own,
            request.patience,
            alone,
            request.stop,
        )?;
        let refused = held.budget.refused(held.needed);
        alone |= held.holder == Holder::PgDump;
        let result = dump_held(request, &program, held);
        let client = &mut *request.client;
        let tried = match result {
            Ok(content) => {
                client
                    .batch_execute("COMMIT")
                    .map_err(server("the end of its transaction"))?;
                return Ok(content);
            }
            Err(tried) => tried,
        };
        // A lost session fails here, and that is why pg_dump failed: it lost its server too.
        client
            .batch_execute("ROLLBACK")
            .map_err(server("the end of its transaction"))?;
        match tried {
            Tried::Full if !alone => alone = true,
            // Both ways were tried.
            Tried::Full => return Err(refused),
            Tried::LockedOut(_) if attempt < request.patience.attempts => attempt += 1,
            Tried::LockedOut(error) | Tried::Failed(error) => return Err(error),
        }
    }
}

enum Tried {
    /// Somebody queued for an exclusive lock between our lock and pg_dump's, which then waits for
    /// them while they wait for us: no server sees that circle. Or somebody changed a table between
    /// snapshot and locks.
    LockedOut(Error),
    /// The server had no room for the locks.
    Full,
    Failed(Error),
}

impl From<Error> for Tried {
    fn from(error: Error) -> Tried {
        Tried::Failed(error)
    }
}

fn dump_held(request: &mut Request<'_>, program: &PgDump, held: Held) -> Result<Content, Tried> {
    let client = &mut *request.client;
    if !(request.in_snapshot)(client) {
        return Err(Tried::Failed(Error::GivenUp));
    }
    let mut engine = catalog::engine(client)?;
    engine.client_version = Some(program.version.clone());
    // Bytes of a database without an encoding are in none that they could be converted from.
    let encoding = if engine.encoding == "SQL_ASCII" {
        "SQL_ASCII"
    } else {
        "UTF8"
    };
    let pace = Pace::new(request.progress);
    let dump = Dump {
        program,
        server: request.server,
        settings: &SETTINGS,
        arguments: [
            "--format=custom",
            "--compress=0",
            "--no-password",
            &format!("--encoding={encoding}"),
            &format!("--snapshot={}", held.snapshot),
            &format!("--lock-wait-timeout={}", request.patience.lock_timeout_ms()),
        ]
        .map(str::to_owned)
        .to_vec(),
        folder: request.folder,
        name: FILE_NAME,
        pace: &pace,
        stop: request.stop,
    };
    let (folder, own) = (request.folder, request.own);
    let mut writer = buckets::Writer::create(folder)?;
    let dumped = dump.run(|stream| {
        // While pg_dump reads the catalog itself, which takes longer.
        let seen = Seen::look(client, own)?;
        storage::require_free(folder, seen.sizes.total().saturating_add(1 << 20))?;
        pace.total(seen.sizes.total());
        // It writes nothing before it has all its locks.
        let begun = !stream.fill_buf().map_err(unread)?.is_empty();
        if begun && held.holder == Holder::PgDump {
            hold::release(client)?;
            hold::unchanged(&seen.listing, catalog::list(client, own)?)?;
        }
        let rows = rows::digest_archive(stream, &seen.listing, &seen.sizes, &pace, &mut writer)?;
        Ok((rows, seen))
    });
    let Dumped {
        read: (rows, seen),
        compressed,
        mut warnings,
    } = match dumped {
        Ok(dumped) => dumped,
        Err(failed) => return Err(explain(request, &held.names, failed)),
    };
    let Seen {
        listing,
        left_out,
        roles,
        extensions,
        ..
    } = seen;

    let mut skipped = listing.skipped.clone();
    skipped.extend(left_out);
    // After the data: a sequence that is behind its table makes the next insert fail.
    let sequences = sequences::read(request.client, &listing.sequences, &mut skipped)?;
    let mut settings: BTreeMap<String, String> = SETTINGS
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    settings.insert("client_encoding".to_owned(), encoding.to_owned());
    warnings.extend(held.budget.warning(held.needed));
    Ok(Content {
        consistent_at: crate::rfc3339(held.consistent_at),
        engine,
        database: Database {
            file: FILE_NAME.to_owned(),
            format: "pg_dump-custom".to_owned(),
            raw_size: compressed.raw_size,
            raw_sha256: compressed.raw_sha256,
        },
        files: vec![compressed.file, writer.finish()?],
        digest_scheme: fp1::SCHEME.to_owned(),
        tables: manifest_tables(&listing, &rows),
        skipped,
        sequences,
        large_objects: rows.large_objects,
        roles,
        extensions,
        settings,
        source_held_ms: u64::try_from(held.since.elapsed().as_millis()).unwrap_or(u64::MAX),
        writers_waited: false,
        warnings,
    })
}

/// What the catalog says at the snapshot's moment.
struct Seen {
    listing: Listing,
    sizes: Sizes,
    left_out: Vec<manifest::Skipped>,
    roles: Vec<String>,
    extensions: Vec<manifest::Extension>,
}

impl Seen {
    fn look(client: &mut Client, own: Own<'_>) -> Result<Seen, Error> {
        let listing = catalog::list(client, own)?;
        Ok(Seen {
            left_out: catalog::left_out(client)?,
            roles: catalog::roles(client)?,
            extensions: catalog::extensions(client)?,
            sizes: catalog::sizes(client, &listing)?,
            listing,
        })
    }
}

fn unread(source: io::Error) -> Error {
    Error::Archive {
        found: source.to_string(),
        at: 0,
    }
}

/// The loss of the server where that is what ended `pg_dump`, else its own error.
fn lost_or(client: &mut Client, error: Error) -> Error {
    if !matches!(error, Error::PgDump { .. }) {
        return error;
    }
    match client.batch_execute("") {
        Err(source) if source.is_closed() || source.as_db_error().is_none() => Error::Server {
            act: "the rest of the dump",
            source,
        },
        _ => error,
    }
}

/// What a failed run of `pg_dump` means; removes what it left, for the next attempt.
fn explain(request: &mut Request<'_>, seen: &Listing, failed: dump::Failed) -> Tried {
    let dump::Failed { begun, error } = failed;
    let tried = match error {
        // It writes only what it holds all locks for.
        Error::PgDump { said, .. } if !begun && locks::says_full(&said) => Tried::Full,
        Error::PgDump { status, said } if !begun => match hold::blockers(request.client) {
            Ok(Some(blockers)) => Tried::LockedOut(Error::LockedOut { said, blockers }),
            // What it could not find may be gone since the snapshot.
            Ok(None) => match gone(request, seen) {
                Ok(None) => return Tried::Failed(Error::PgDump { status, said }),
                Ok(Some(changed)) => Tried::LockedOut(changed),
                Err(error) => return Tried::Failed(error),
            },
            Err(error) => return Tried::Failed(error),
        },
        Error::ChangedBetween { .. } => Tried::LockedOut(error),
        // The size of a table that somebody rewrites, and that we don't hold.
        Error::Server { source, .. } if hold::is_locked(&source) => {
            return match hold::locked(request.client, source) {
                Ok(error) => again(request, Tried::LockedOut(error)),
                Err(error) => Tried::Failed(error),
            };
        }
        error => return Tried::Failed(lost_or(request.client, error)),
    };
    again(request, tried)
}

/// What is gone or another one since the snapshot, which this lets go of.
fn gone(request: &mut Request<'_>, seen: &Listing) -> Result<Option<Error>, Error> {
    hold::release(request.client)?;
    let now = catalog::names(request.client, request.own)?;
    match hold::unchanged(seen, now) {
        Ok(()) => Ok(None),
        Err(error @ Error::ChangedBetween { .. }) => Ok(Some(error)),
        Err(error) => Err(error),
    }
}

/// Removes what the attempt wrote.
fn again(request: &Request<'_>, tried: Tried) -> Tried {
    for name in [FILE_NAME, buckets::FILE_NAME] {
        let path = request.folder.join(name);
        if let Err(source) = std::fs::remove_file(&path) {
            return Tried::Failed(Error::Remove { path, source });
        }
    }
    tried
}

/// Gives a session the settings under which rows are written as text.
///
/// # Errors
///
/// [`Error::Server`].
pub fn pin(client: &mut impl GenericClient) -> Result<(), Error> {
    let set = |(name, value): &(&str, &str)| format!("SET {name} = '{value}'");
    let mut all: Vec<String> = SETTINGS.iter().map(set).collect();
    all.push("SET search_path = ''".to_owned());
    client
        .batch_execute(&all.join("; "))
        .map_err(server("its settings"))?;
    // Servers before 14 and 17 do not know them.
    let newer = "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings
        WHERE name IN ('idle_session_timeout', 'transaction_timeout')";
    client.batch_execute(newer).map_err(server("its settings"))
}

fn manifest_tables(listing: &Listing, rows: &Rows) -> Vec<manifest::Table> {
    let mut combined: BTreeMap<u32, Digest> = BTreeMap::new();
    let tables = listing.tables.iter();
    let parents = tables.map(|table| (table.oid, table.parent)).collect();
    for table in &listing.tables {
        if let Some((digest, _)) = rows.tables.get(&table.oid) {
            for ancestor in catalog::ancestors(&parents, table) {
                combined.entry(ancestor).or_default().combine(digest);
            }
        }
    }
    let partitioned = listing.tables.iter().filter(|table| table.partitioned);
    let names: BTreeMap<u32, String> = partitioned
        .map(|table| (table.oid, table.full_name()))
        .collect();
    let digested = listing.tables.iter().filter(|table| !table.own);
    digested
        .map(|table| {
            let leaf = rows.tables.get(&table.oid);
            let digest = leaf
                .map(|(digest, _)| digest)
                .or_else(|| combined.get(&table.oid));
            manifest::Table {
                schema: Some(table.schema.clone()),
                name: table.name.clone(),
                class: if table.partitioned {
                    TableClass::Partitioned
                } else {
                    TableClass::Data
                },
                columns: table.columns.clone(),
                key: table.key.clone(),
                rows: digest.map_or(0, |digest| digest.rows),
                digest: digest.map(|digest| digest.sum).unwrap_or_default(),
                buckets: leaf.map(|(_, range)| *range),
                unlogged: table.unlogged,
                partition_of: table.parent.and_then(|parent| names.get(&parent).cloned()),
            }
        })
        .collect()
}
