//! What each table has, before and after a migration: indexes, triggers, and whether a trigger wrote
//! to it.
//!
//! A table that a migration does not name has to come out as it went in. With foreign keys off,
//! only a trigger can write to such a table, so its rows need not be looked at.

use std::collections::{BTreeMap, BTreeSet};

use records::LedgerName;
use rusqlite::Connection;

/// Kind, name and definition of everything on Lockstep's own tables. A file with `writable_schema`
/// could take a table away without touching it.
pub(super) type OwnObjects = BTreeSet<(String, String, Option<String>)>;

pub(super) fn own_objects(
    connection: &Connection,
    ledger: &LedgerName,
) -> Result<OwnObjects, rusqlite::Error> {
    connection
        .prepare_cached(
            "SELECT type, name, sql FROM main.sqlite_schema \
             WHERE tbl_name LIKE 'lockstep\\_%' ESCAPE '\\' OR tbl_name IN (?1, ?2)",
        )?
        .query_map(
            ["migrations", "schema"].map(|table| ledger.sqlite_table(table)),
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?
        .collect()
}

/// The tables of a database.
#[derive(Debug, Default)]
pub(super) struct Census(BTreeMap<String, Table>);

#[derive(Debug, Default)]
struct Table {
    indexes: BTreeSet<String>,
    triggers: BTreeSet<String>,
}

impl Census {
    /// Takes the census of all tables but Lockstep's own.
    pub(super) fn take(
        connection: &Connection,
        ledger: &LedgerName,
    ) -> Result<Census, rusqlite::Error> {
        let own = ["migrations", "schema"].map(|table| ledger.sqlite_table(table));
        let mut tables: BTreeMap<String, Table> = BTreeMap::new();
        let mut statement = connection.prepare_cached(
            "SELECT type, name, tbl_name FROM main.sqlite_schema \
             WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
        )?;
        let objects = statement.query_map([], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
            ))
        })?;
        for object in objects {
            let (kind, name, table) = object?;
            if table.starts_with("lockstep_") || own.contains(&table) {
                continue;
            }
            let table = tables.entry(table).or_default();
            match kind.as_str() {
                "index" => table.indexes.insert(name),
                "trigger" => table.triggers.insert(name),
                _ => false,
            };
        }
        Ok(Census(tables))
    }

    /// The first difference of a table that the migration does not name; `named` are the names in
    /// it, in lower case.
    pub(super) fn change(&self, after: &Census, named: &BTreeSet<String>) -> Option<String> {
        let unnamed = |(name, _): &(&String, &Table)| !named.contains(&name.to_lowercase());
        for (name, before) in self.0.iter().filter(unnamed) {
            let Some(now) = after.0.get(name) else {
                return Some(format!(
                    "table {name}, which the file does not name, is gone"
                ));
            };
            let lost = |before: &BTreeSet<String>, now: &BTreeSet<String>| {
                before
                    .difference(now)
                    .find(|object| !named.contains(&object.to_lowercase()))
                    .cloned()
            };
            if let Some(index) = lost(&before.indexes, &now.indexes) {
                return Some(format!(
                    "table {name}, which the file does not name, lost its index {index}"
                ));
            }
            if let Some(trigger) = lost(&before.triggers, &now.triggers) {
                return Some(format!(
                    "table {name}, which the file does not name, lost its trigger {trigger}"
                ));
            }
        }
        None
    }

    /// The first table here that a trigger wrote and the migration does not name; `written` are the
    /// tables and triggers. A virtual table that follows its table by triggers, as a full-text index
    /// does, holds no rows of its own.
    pub(super) fn written(
        &self,
        connection: &Connection,
        written: &BTreeMap<String, String>,
        named: &BTreeSet<String>,
    ) -> Result<Option<String>, rusqlite::Error> {
        let has_rows = |table: &str| {
            connection
                .prepare_cached(
                    "SELECT 1 FROM pragma_table_list \
                     WHERE schema = 'main' AND type = 'table' AND name = ?1",
                )?
                .exists([table])
        };
        for table in self.0.keys() {
            let name = table.to_lowercase();
            if let Some(trigger) = written.get(&name)
                && !named.contains(&name)
                && has_rows(table)?
            {
                return Ok(Some(format!(
                    "table {table}, which the file does not name, was written by the trigger {trigger}"
                )));
            }
        }
        Ok(None)
    }
}
