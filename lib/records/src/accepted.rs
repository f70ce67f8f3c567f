//! What was found in the database and accepted, by a reviewed line, and what was said of that since.

use crate::{Error, PostgresRecords, SqliteRecords, server, sqlite};

const WHAT: &str = "what was accepted";

/// The columns in the order in which both engines' rows are taken.
const COLUMNS: &str = "check_id, target, digest, because, accepted_at, accepted_by, run_id";

/// One `[[accept]]` line that an action went by, or what took it back or proved it later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The check that had found it.
    pub check: String,
    /// The UUID of the mark that the database had then.
    pub target: String,
    /// What was found: `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// Why it was right.
    pub because: String,
    /// When, RFC 3339 UTC.
    pub accepted_at: String,
    /// Account and machine, or CI job.
    pub accepted_by: String,
    /// The run that accepted it.
    pub run_id: String,
}

impl SqliteRecords<'_> {
    /// What was accepted here, in order; nothing where there is no such table.
    ///
    /// # Errors
    ///
    /// When the table can't be read.
    pub fn accepted(&self) -> Result<Vec<Accepted>, Error> {
        let table = self.ledger.sqlite_table("accepted");
        if !self.has_table(WHAT, &table)? {
            return Ok(Vec::new());
        }
        let sql = format!("SELECT {COLUMNS} FROM main.\"{table}\" ORDER BY position");
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Accepted {
                check: row.get(0)?,
                target: row.get(1)?,
                digest: row.get(2)?,
                because: row.get(3)?,
                accepted_at: row.get(4)?,
                accepted_by: row.get(5)?,
                run_id: row.get(6)?,
            })
        };
        self.connection
            .prepare(&sql)
            .and_then(|mut statement| statement.query_map([], read)?.collect())
            .map_err(sqlite(WHAT))
    }
}

impl<C: postgres::GenericClient> PostgresRecords<'_, C> {
    /// What was accepted here, in order; nothing where there is no such table.
    ///
    /// # Errors
    ///
    /// When the table can't be read.
    pub fn accepted(&mut self) -> Result<Vec<Accepted>, Error> {
        let table = self.ledger.postgres_table("accepted");
        if !self.own(WHAT)?.accepted {
            return Ok(Vec::new());
        }
        let sql = format!("SELECT {COLUMNS} FROM ONLY {table} ORDER BY position");
        let rows = self.client.query_typed(&sql, &[]).map_err(server(WHAT))?;
        Ok(rows
            .iter()
            .map(|row| Accepted {
                check: row.get(0),
                target: row.get(1),
                digest: row.get(2),
                because: row.get(3),
                accepted_at: row.get(4),
                accepted_by: row.get(5),
                run_id: row.get(6),
            })
            .collect())
    }
}
