//! Rows whose parent is missing, before and after a migration.
//!
//! Foreign keys are off while a migration runs (a rebuild needs that), so nothing but this
//! comparison stands between a dropped parent and orphans. Rows are compared by table and key
//! values: a rebuild gives them new rowids.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use rusqlite::{Connection, OptionalExtension as _};

use crate::error::sqlite_code;

/// How often each child table has an orphan with these key values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Violations(BTreeMap<Orphan, u64>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Orphan {
    child: String,
    parent: String,
    /// The key's values as SQL literals; empty for a table without rowids, whose violations
    /// SQLite does not identify. Those are compared by their number.
    key: String,
}

/// Orphans that a message names.
const NAMED_MAX: usize = 3;

impl Violations {
    /// All violations that there are now.
    pub(super) fn find(connection: &Connection) -> Result<Violations, rusqlite::Error> {
        let mut found = Violations::default();
        match found.add(connection, "PRAGMA foreign_key_check") {
            Err(error) if is_mismatch(&error) => Violations::find_by_table(connection),
            ended => ended.map(|()| found),
        }
    }

    /// Table by table: one key that can't be checked, because its parent's columns are not unique,
    /// hides the violations of all others.
    fn find_by_table(connection: &Connection) -> Result<Violations, rusqlite::Error> {
        let mut found = Violations::default();
        let children: Vec<String> = connection
            .prepare_cached(
                "SELECT DISTINCT t.name FROM pragma_table_list t, pragma_foreign_key_list(t.name) \
                 WHERE t.schema = 'main' AND t.type = 'table'",
            )?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for child in children {
            let check = format!("PRAGMA foreign_key_check({})", identifier(&child));
            match found.add(connection, &check) {
                // That it can't be checked is said of the schema, not of its rows.
                Err(error) if is_mismatch(&error) => {}
                ended => ended?,
            }
        }
        Ok(found)
    }

    fn add(&mut self, connection: &Connection, check: &str) -> Result<(), rusqlite::Error> {
        let mut check = connection.prepare(check)?;
        let rows = check.query_map([], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, Option<i64>>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, i64>(3)?,
            ))
        })?;
        let mut columns_of: BTreeMap<(String, i64), Vec<String>> = BTreeMap::new();
        for row in rows {
            let (child, rowid, parent, key_id) = row?;
            let key = match rowid {
                Some(rowid) => {
                    let columns = match columns_of.entry((child.clone(), key_id)) {
                        Entry::Occupied(known) => known.into_mut(),
                        Entry::Vacant(new) => new.insert(columns(connection, &child, key_id)?),
                    };
                    values(connection, &child, columns, rowid)?
                }
                None => String::new(),
            };
            *self.0.entry(Orphan { child, parent, key }).or_insert(0) += 1;
        }
        Ok(())
    }

    /// What `self` has that `before` had not, in words; nothing if there is nothing new.
    pub(super) fn new_since(&self, before: &Violations) -> Option<String> {
        let mut count = 0;
        let mut named = Vec::new();
        for (orphan, times) in &self.0 {
            let new = times.saturating_sub(before.0.get(orphan).copied().unwrap_or(0));
            if new == 0 {
                continue;
            }
            count += new;
            if named.len() < NAMED_MAX {
                named.push(if orphan.key.is_empty() {
                    format!("{} → {}", orphan.child, orphan.parent)
                } else {
                    format!("{} ({}) → {}", orphan.child, orphan.key, orphan.parent)
                });
            }
        }
        if count == 0 {
            return None;
        }
        let more = if count > named.len() as u64 {
            " and more"
        } else {
            ""
        };
        Some(format!(
            "{count} {} to a parent that is not there: {}{more}; cascades do not run in migrations",
            if count == 1 {
                "row refers"
            } else {
                "rows refer"
            },
            named.join("; ")
        ))
    }
}

/// Whether a key's parent has no unique columns to match: "foreign key mismatch", which has no code
/// of its own.
pub(super) fn is_mismatch(error: &rusqlite::Error) -> bool {
    sqlite_code(error) == Some(rusqlite::ErrorCode::Unknown)
}

/// The child's columns of one foreign key.
fn columns(
    connection: &Connection,
    child: &str,
    key_id: i64,
) -> Result<Vec<String>, rusqlite::Error> {
    connection
        .prepare_cached(
            "SELECT \"from\" FROM pragma_foreign_key_list(?1) WHERE id = ?2 ORDER BY seq",
        )?
        .query_map((child, key_id), |row| row.get(0))?
        .collect()
}

fn values(
    connection: &Connection,
    child: &str,
    columns: &[String],
    rowid: i64,
) -> Result<String, rusqlite::Error> {
    let quoted: Vec<String> = columns
        .iter()
        .map(|column| format!("quote({})", identifier(column)))
        .collect();
    let values = connection
        .prepare_cached(&format!(
            "SELECT {} FROM {} WHERE rowid = ?1",
            quoted.join(" || ', ' || "),
            identifier(child)
        ))?
        .query_row([rowid], |row| row.get::<_, String>(0))
        .optional()?;
    Ok(values.unwrap_or_default())
}

/// A name in double quotes, its own doubled.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
