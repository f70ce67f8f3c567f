//! What a file did to the schema table itself, which it may write with `writable_schema`.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::foreign_keys::identifier;

/// Root page and text of every table and index; those without pages left out.
pub(super) struct SchemaTable(BTreeMap<(String, String), (String, i64, Option<String>)>);

impl SchemaTable {
    pub(super) fn read(connection: &Connection) -> Result<SchemaTable, rusqlite::Error> {
        connection
            .prepare_cached(
                "SELECT type, name, tbl_name, rootpage, sql FROM main.sqlite_schema \
                 WHERE rootpage > 0",
            )?
            .query_map([], |row| {
                let key = (row.get(0)?, row.get(1)?);
                Ok((key, (row.get(2)?, row.get(3)?, row.get(4)?)))
            })?
            .collect::<Result<_, _>>()
            .map(SchemaTable)
    }

    /// What is wrong with a table that has come to be otherwise since: two over the same pages, or
    /// rows that do not fit its new text. SQLite reads the schema without a look at them.
    pub(super) fn damage(
        &self,
        connection: &Connection,
    ) -> Result<Option<String>, rusqlite::Error> {
        let now = SchemaTable::read(connection)?;
        let changed = |(key, entry): &(&(String, String), &(String, i64, Option<String>))| {
            self.0.get(*key) != Some(*entry)
        };
        let mut tables = BTreeSet::new();
        for ((_, name), (table, page, _)) in now.0.iter().filter(changed) {
            let other = now
                .0
                .iter()
                .find(|((_, other), (_, at, _))| at == page && other != name);
            if let Some(((_, other), _)) = other {
                return Ok(Some(format!(
                    "{name} and {other} are kept in the same pages"
                )));
            }
            tables.insert(table);
        }
        for table in tables {
            let check = format!("PRAGMA main.integrity_check({})", identifier(table));
            let found: String = connection.query_row(&check, [], |row| row.get(0))?;
            if found != "ok" {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}
