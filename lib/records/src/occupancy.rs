//! Whether there is anything in a database beside Lockstep's own tables.

use crate::{Error, OWN_POSTGRES, PostgresRecords, SqliteRecords, server};

const WHAT: &str = "the list of tables";

impl SqliteRecords<'_> {
    /// The names of up to `limit` tables and views that are not Lockstep's.
    ///
    /// # Errors
    ///
    /// When the schema can't be read.
    pub fn tables(&self, limit: u32) -> Result<Vec<String>, Error> {
        // SQLite lets nobody else take its prefix.
        let is_own = |name: &str| {
            name.to_ascii_lowercase().starts_with("sqlite_") || self.ledger.is_own_sqlite(name)
        };
        let mut names: Vec<String> = self
            .names(WHAT)?
            .iter()
            .filter(|known| !is_own(&known.name))
            .map(|known| known.name.clone())
            .collect();
        names.sort();
        names.truncate(limit as usize);
        Ok(names)
    }
}

impl<C: postgres::GenericClient> PostgresRecords<'_, C> {
    /// The names of up to `limit` tables, views and sequences that are not Lockstep's, an
    /// extension's or temporary.
    ///
    /// # Errors
    ///
    /// When the catalog can't be read.
    pub fn tables(&mut self, limit: u32) -> Result<Vec<String>, Error> {
        let rows = self
            .client
            .query_typed(
                &format!(
                    "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) \
                     FROM pg_catalog.pg_class c \
                     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') \
                     AND c.relpersistence <> 't' \
                     AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
                     AND n.nspname !~ '^pg_toast' \
                     AND NOT {OWN_POSTGRES} \
                     AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d \
                        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
                        AND d.objid = c.oid AND d.deptype = 'e') \
                     ORDER BY 1 LIMIT $2"
                ),
                &[
                    (&self.ledger.as_str(), postgres::types::Type::TEXT),
                    (&i64::from(limit), postgres::types::Type::INT8),
                ],
            )
            .map_err(server(WHAT))?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}
