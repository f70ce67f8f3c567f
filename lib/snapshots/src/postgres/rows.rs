//! The `fp1` digests of a dump's tables, and of a live one.

use std::collections::BTreeMap;
use std::io::BufRead;

use postgres::GenericClient;
use sha2::{Digest as _, Sha256};

use super::archive::{Archive, Block};
use super::catalog::{Listing, Sizes, Table, quoted, server};
use super::lines::{Lines, Wrong};
use super::pace::Pace;
use crate::buckets;
use crate::error::Error;
use crate::fp1::{Accumulator, Digest};
use crate::manifest::{BucketRange, LargeObjects};

/// What the stream of a dump holds.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// By the table's oid.
    pub(super) tables: BTreeMap<u32, (Digest, BucketRange)>,
    pub(super) large_objects: Option<LargeObjects>,
}

/// Digests every table of the archive, and holds that the archive has the rows of each table of
/// the listing and of no other.
pub(super) fn digest_archive(
    source: impl BufRead,
    listing: &Listing,
    sizes: &Sizes,
    pace: &Pace<'_>,
    writer: &mut buckets::Writer,
) -> Result<Rows, Error> {
    let mut archive = Archive::open(source)?;
    let mut expected: BTreeMap<(&str, &str), &Table> = listing
        .tables
        .iter()
        .filter(|table| !table.partitioned)
        .map(|table| ((table.schema.as_str(), table.name.as_str()), table))
        .collect();
    let mut by_id = BTreeMap::new();
    for entry in archive
        .entries
        .iter()
        .filter(|entry| entry.kind == "TABLE DATA")
    {
        let name = format!("{}.{}", entry.schema, entry.tag);
        let Some(table) = expected.remove(&(entry.schema.as_str(), entry.tag.as_str())) else {
            return Err(differs(format!(
                "it holds rows of {name}, which was not locked"
            )));
        };
        by_id.insert(entry.id, table);
    }
    if let Some(table) = expected.values().next() {
        return Err(differs(format!(
            "it holds no rows of {}",
            table.full_name()
        )));
    }

    let mut rows = Rows::default();
    let mut accumulator = Accumulator::new();
    let mut objects = ObjectSums::default();
    let mut large_objects = sizes.large_objects;
    while let Some(block) = archive.next_block()? {
        match block {
            Block::Table { id } => {
                let Some(table) = by_id.remove(&id) else {
                    return Err(differs(format!(
                        "it holds data that its contents don't name: {id}"
                    )));
                };
                pace.table(sizes.tables.get(&table.oid).copied().unwrap_or(0));
                let digest = digest_block(&mut archive, table, &mut accumulator)?;
                if !table.own {
                    let range = writer.add(&digest.buckets)?;
                    rows.tables.insert(table.oid, (digest, range));
                }
            }
            Block::LargeObjects => {
                // From 17 on they come in several blocks.
                pace.table(std::mem::take(&mut large_objects));
                while let Some(loid) = archive.large_object()? {
                    objects.add(&mut archive, loid)?;
                }
            }
        }
    }
    if let Some(table) = by_id.values().next() {
        return Err(differs(format!(
            "the rows of {} are missing",
            table.full_name()
        )));
    }
    pace.end();
    rows.large_objects = (objects.count > 0).then(|| objects.finish());
    Ok(rows)
}

fn digest_block(
    archive: &mut Archive<impl BufRead>,
    table: &Table,
    accumulator: &mut Accumulator,
) -> Result<Digest, Error> {
    let mut lines = Lines::new(table.key_places());
    let wrong = |wrong| differs(format!("the rows of {} {}", table.full_name(), text(wrong)));
    archive.pieces(|bytes| lines.feed(bytes, accumulator).map_err(wrong))?;
    lines.finish().map_err(wrong)?;
    if !lines.ended() {
        return Err(differs(format!(
            "the rows of {} have no end",
            table.full_name()
        )));
    }
    Ok(accumulator.finish())
}

#[derive(Default)]
struct ObjectSums {
    count: u64,
    bytes: u64,
    rows: Accumulator,
}

impl ObjectSums {
    fn add(&mut self, archive: &mut Archive<impl BufRead>, loid: u32) -> Result<(), Error> {
        let mut hasher = Sha256::new();
        hasher.update(loid.to_be_bytes());
        archive.pieces(|bytes| {
            hasher.update(bytes);
            self.bytes += bytes.len() as u64;
            Ok(())
        })?;
        self.count += 1;
        self.rows.add_hash(&hasher.finalize().into(), None);
        Ok(())
    }

    fn finish(mut self) -> LargeObjects {
        LargeObjects {
            count: self.count,
            bytes: self.bytes,
            digest: self.rows.finish().sum,
        }
    }
}

/// The digest of a table's rows as the session's transaction sees them. The session has to have
/// the settings of [`super::pin`].
///
/// # Errors
///
/// [`Error::Server`], [`Error::Copy`], [`Error::DumpDiffers`].
pub fn digest(
    client: &mut impl GenericClient,
    table: &Table,
    accumulator: &mut Accumulator,
) -> Result<Digest, Error> {
    let columns: Vec<String> = table.columns.iter().map(|column| quoted(column)).collect();
    let copy = format!(
        "COPY (SELECT {} FROM ONLY {} {}) TO STDOUT",
        columns.join(", "),
        table.quoted(),
        table.condition
    );
    let failed = |source| Error::Copy {
        table: table.full_name(),
        source,
    };
    let wrong = |wrong| differs(format!("the rows of {} {}", table.full_name(), text(wrong)));
    let mut reader = client
        .copy_out(&copy)
        .map_err(server("the rows of a table"))?;
    let mut lines = Lines::new(table.key_places());
    loop {
        let bytes = reader.fill_buf().map_err(failed)?;
        if bytes.is_empty() {
            break;
        }
        let count = bytes.len();
        lines.feed(bytes, accumulator).map_err(wrong)?;
        reader.consume(count);
    }
    lines.finish().map_err(wrong)?;
    Ok(accumulator.finish())
}

fn text(wrong: Wrong) -> &'static str {
    match wrong {
        Wrong::AfterEnd => "go on behind their end",
        Wrong::CutLine => "end within a line",
        Wrong::Columns => "have fewer columns than the table",
    }
}

fn differs(found: String) -> Error {
    Error::DumpDiffers { found }
}
