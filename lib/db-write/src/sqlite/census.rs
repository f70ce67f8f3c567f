//! What a migration may do to a table that it does not name: take its indexes and triggers, or write
//! to it by a trigger.
//!
//! A table that a migration does not name has to come out as it went in. With foreign keys off,
//! only a trigger can write to such a table, so its rows need not be looked at. DROP and ALTER take
//! from the object that they name alone, and a virtual table's own tables go with it: only a file
//! that writes the schema table can take something from another.

use std::collections::{BTreeMap, BTreeSet};

use records::{LEDGER_TABLES, LedgerName};
use rusqlite::Connection;

/// What no table of the application may begin with while a file runs.
const PREFIX: &str = "lockstep_";

/// Kind, name and definition of everything on Lockstep's own tables, temporary objects included.
pub(super) type OwnObjects = BTreeSet<(String, String, Option<String>)>;

/// Those of them that are temporary.
pub(super) fn temporary_own_objects(
    connection: &Connection,
    ledger: &LedgerName,
) -> Result<OwnObjects, rusqlite::Error> {
    let own = own_names(ledger);
    let mut statement = connection
        .prepare_cached("SELECT type, name, tbl_name, sql FROM temp.sqlite_temp_schema")?;
    let mut objects = statement.query([])?;
    let mut found = OwnObjects::new();
    while let Some(object) = objects.next()? {
        let (name, table): (String, String) = (object.get(1)?, object.get(2)?);
        if is_about_own(&name, &table, &own) {
            found.insert((object.get(0)?, name, object.get(3)?));
        }
    }
    Ok(found)
}

/// Whether an object is one of Lockstep's own, or stands on one.
pub(super) fn is_about_own(name: &str, table: &str, own: &[String]) -> bool {
    [name, table].iter().any(|name| {
        let begins = name.get(..PREFIX.len());
        begins.is_some_and(|begins| begins.eq_ignore_ascii_case(PREFIX))
            || own.iter().any(|own| own.eq_ignore_ascii_case(name))
    })
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
        let own = own_names(ledger);
        let mut tables: BTreeMap<String, Table> = BTreeMap::new();
        let mut statement = connection.prepare_cached(
            "SELECT type, name, tbl_name FROM main.sqlite_schema \
             WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
        )?;
        let mut objects = statement.query([])?;
        while let Some(object) = objects.next()? {
            let [kind, name, table] = [0, 1, 2].map(|at| object.get_ref(at));
            let (kind, name, table) = (kind?.as_str()?, name?.as_str()?, table?.as_str()?);
            if is_own(table, &own) {
                continue;
            }
            let table = tables.entry(table.to_owned()).or_default();
            match kind {
                "index" => table.indexes.insert(name.to_owned()),
                "trigger" => table.triggers.insert(name.to_owned()),
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
}

/// The first table that a trigger wrote and the migration does not name; `written` are the tables,
/// each with the trigger, and `named` the names in it, in lower case. A virtual table that follows
/// its table by triggers, as a full-text index does, holds no rows of its own.
pub(super) fn written_unnamed(
    connection: &Connection,
    ledger: &LedgerName,
    written: &BTreeMap<String, String>,
    named: &BTreeSet<String>,
) -> Result<Option<String>, rusqlite::Error> {
    let own = own_names(ledger);
    for (table, trigger) in written {
        if named.contains(&table.to_lowercase()) || is_own(table, &own) {
            continue;
        }
        let has_rows = connection
            .prepare_cached(
                "SELECT 1 FROM pragma_table_list \
                 WHERE schema = 'main' AND type = 'table' AND name = ?1",
            )?
            .exists([table])?;
        if has_rows {
            return Ok(Some(format!(
                "table {table}, which the file does not name, was written by the trigger {trigger}"
            )));
        }
    }
    Ok(None)
}

pub(super) fn own_names(ledger: &LedgerName) -> [String; LEDGER_TABLES.len()] {
    LEDGER_TABLES.map(|table| ledger.sqlite_table(table))
}

fn is_own(table: &str, own: &[String]) -> bool {
    table.starts_with(PREFIX) || own.iter().any(|name| name == table)
}
