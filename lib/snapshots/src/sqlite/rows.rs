//! Which tables a SQLite database has, and the `fp1` digest of one.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use crate::fp1::{Accumulator, Digest};
use crate::manifest::{Skipped, TableClass};

/// A table whose rows can be digested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// What a difference in it means.
    pub class: TableClass,
    /// Its columns in order, without generated ones.
    pub columns: Vec<String>,
    /// The primary key's columns in the key's order. The implicit rowid is no key: it may change
    /// when the table is rebuilt.
    pub key: Vec<String>,
}

/// The tables, and what is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Sorted by name.
    pub tables: Vec<Table>,
    /// Sorted by name.
    pub skipped: Vec<Skipped>,
}

/// Lists the tables of the main database. Views have no rows of their own and are not named.
///
/// # Errors
///
/// SQLite's own.
pub fn list(connection: &Connection, own: &dyn Fn(&str) -> bool) -> rusqlite::Result<Listing> {
    let mut statement = connection.prepare(
        "SELECT name, type FROM pragma_table_list \
         WHERE schema = 'main' AND type <> 'view' AND name <> 'sqlite_schema' ORDER BY name",
    )?;
    let names: Vec<(String, String)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut listing = Listing::default();
    for (name, kind) in names {
        let skip = if kind == "virtual" {
            Some("a virtual table: its content stands in other tables, or outside the database")
        } else if own(&name) {
            Some("a table of Lockstep's own")
        } else {
            None
        };
        if let Some(reason) = skip {
            listing.skipped.push(Skipped {
                name,
                reason: reason.to_owned(),
            });
            continue;
        }
        let derived = kind == "shadow" || name.starts_with("sqlite_stat");
        let (columns, key) = columns(connection, &name)?;
        listing.tables.push(Table {
            name,
            class: if derived {
                TableClass::Derived
            } else {
                TableClass::Data
            },
            columns,
            key,
        });
    }
    Ok(listing)
}

fn columns(connection: &Connection, table: &str) -> rusqlite::Result<(Vec<String>, Vec<String>)> {
    // hidden: 0 an ordinary column, 2 and 3 a generated one.
    let mut statement = connection.prepare_cached(
        "SELECT name, pk FROM pragma_table_xinfo(?1, 'main') WHERE hidden = 0 ORDER BY cid",
    )?;
    let found: Vec<(String, u32)> = statement
        .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut key: Vec<&(String, u32)> = found.iter().filter(|(_, place)| *place > 0).collect();
    key.sort_by_key(|(_, place)| *place);
    let key = key.into_iter().map(|(name, _)| name.clone()).collect();
    Ok((found.into_iter().map(|(name, _)| name).collect(), key))
}

/// Rows between two calls of `tick`.
const TICK_ROWS: u64 = 4096;

/// The digest of a table's rows over `table.columns`, bucketed by `table.key`. `tick` is called now
/// and then.
///
/// # Errors
///
/// SQLite's own.
pub fn digest(
    connection: &Connection,
    table: &Table,
    accumulator: &mut Accumulator,
    tick: &mut dyn FnMut(),
) -> rusqlite::Result<Digest> {
    let columns: Vec<String> = table.columns.iter().map(|column| quoted(column)).collect();
    // NOT INDEXED: the rows of the table itself, not those that a covering index says it has.
    let query = format!(
        "SELECT {} FROM main.{} NOT INDEXED",
        columns.join(", "),
        quoted(&table.name)
    );
    let place = |name| table.columns.iter().position(|column| column == name);
    let key: Vec<usize> = table.key.iter().filter_map(place).collect();
    let mut statement = connection.prepare(&query)?;
    let mut rows = statement.query([])?;
    let mut bytes = RowBytes::default();
    while let Some(row) = rows.next()? {
        bytes.encode(row, table.columns.len())?;
        if accumulator.rows().is_multiple_of(TICK_ROWS) {
            tick();
        }
        bytes.take_key(&key);
        accumulator.add_row(
            &bytes.row,
            (!key.is_empty()).then_some(bytes.key.as_slice()),
        );
    }
    tick();
    Ok(accumulator.finish())
}

/// The row bytes of one row and its key; reused, so that a row costs no allocation.
#[derive(Default)]
struct RowBytes {
    row: Vec<u8>,
    ends: Vec<usize>,
    key: Vec<u8>,
}

impl RowBytes {
    /// Per column a tag and the value: 0 NULL; 1 integer, 8 bytes big-endian; 2 float, its IEEE 754
    /// bits in 8 bytes big-endian; 3 text and 4 blob, their length in 8 bytes big-endian and
    /// their bytes. Text may hold NUL and bytes that are no UTF-8; they are taken as they are.
    fn encode(&mut self, row: &Row<'_>, columns: usize) -> rusqlite::Result<()> {
        self.row.clear();
        self.ends.clear();
        for column in 0..columns {
            match row.get_ref(column)? {
                ValueRef::Null => self.row.push(0),
                ValueRef::Integer(value) => self.fixed(1, value.to_be_bytes()),
                ValueRef::Real(value) => self.fixed(2, value.to_bits().to_be_bytes()),
                ValueRef::Text(text) => self.sized(3, text),
                ValueRef::Blob(blob) => self.sized(4, blob),
            }
            self.ends.push(self.row.len());
        }
        Ok(())
    }

    fn fixed(&mut self, tag: u8, value: [u8; 8]) {
        self.row.push(tag);
        self.row.extend_from_slice(&value);
    }

    fn sized(&mut self, tag: u8, bytes: &[u8]) {
        self.fixed(tag, (bytes.len() as u64).to_be_bytes());
        self.row.extend_from_slice(bytes);
    }

    fn take_key(&mut self, columns: &[usize]) {
        self.key.clear();
        for &column in columns {
            let from = column.checked_sub(1).map_or(0, |before| self.ends[before]);
            self.key
                .extend_from_slice(&self.row[from..self.ends[column]]);
        }
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
