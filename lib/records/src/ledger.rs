//! The ledger's rows and the schema that the last deployment recorded.

use migrations::{LedgerRow, RowState};
use rusqlite::OptionalExtension as _;

use crate::{Error, PostgresRecords, SqliteRecords, server, sqlite};

const LEDGER: &str = "the ledger";
const SCHEMA: &str = "the recorded schema";

/// The columns in the order in which [`row_of`] takes them.
const COLUMNS: &str = "version, name, sha256, sha256_tokens, state, applied_at, duration_ms, \
                       applied_by, run_id, because, position";

/// The schema as the last deployment left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedSchema {
    /// The schema as JSON, as it was written.
    pub document: String,
    /// The state of the ledger that it belongs to.
    pub ledger_state: String,
    /// When, RFC 3339 UTC.
    pub recorded_at: String,
    /// The run that recorded it.
    pub run_id: String,
}

const RECORDED: &str = "document, ledger_state, recorded_at, run_id";

struct Columns {
    version: String,
    name: String,
    sha256: String,
    sha256_tokens: Option<String>,
    state: String,
    applied_at: String,
    duration_ms: i64,
    applied_by: String,
    run_id: String,
    because: Option<String>,
    position: i64,
}

fn row_of(columns: Columns) -> Result<LedgerRow, Error> {
    let unreadable = |what: &str| Error::Unreadable {
        what: LEDGER,
        why: format!("the {what} of version {}", columns.version),
    };
    Ok(LedgerRow {
        sha256: digest(&columns.sha256).ok_or_else(|| unreadable("digest"))?,
        sha256_tokens: match &columns.sha256_tokens {
            Some(text) => Some(digest(text).ok_or_else(|| unreadable("digest of the tokens"))?),
            None => None,
        },
        state: match columns.state.as_str() {
            "applied" => RowState::Applied,
            "started" => RowState::Started,
            _ => return Err(unreadable("state")),
        },
        version: columns.version,
        name: columns.name,
        applied_at: columns.applied_at,
        duration_ms: columns.duration_ms,
        applied_by: columns.applied_by,
        run_id: columns.run_id,
        because: columns.because,
        position: columns.position,
    })
}

/// The 32 bytes of 64 hexadecimal digits.
fn digest(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

impl SqliteRecords<'_> {
    /// The ledger's rows in the order in which they were written; `None` where there is no ledger.
    ///
    /// # Errors
    ///
    /// When the ledger can't be read or understood.
    pub fn ledger(&self) -> Result<Option<Vec<LedgerRow>>, Error> {
        let table = self.ledger.sqlite_table("migrations");
        if !self.has_table(LEDGER, &table)? {
            return Ok(None);
        }
        self.ledger_format()?;
        let mut statement = self
            .connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM main.\"{table}\" ORDER BY position"
            ))
            .map_err(sqlite(LEDGER))?;
        let rows = statement
            .query_map([], |row| {
                Ok(Columns {
                    version: row.get(0)?,
                    name: row.get(1)?,
                    sha256: row.get(2)?,
                    sha256_tokens: row.get(3)?,
                    state: row.get(4)?,
                    applied_at: row.get(5)?,
                    duration_ms: row.get(6)?,
                    applied_by: row.get(7)?,
                    run_id: row.get(8)?,
                    because: row.get(9)?,
                    position: row.get(10)?,
                })
            })
            .map_err(sqlite(LEDGER))?;
        let rows: Result<Vec<LedgerRow>, Error> = rows
            .map(|row| row_of(row.map_err(sqlite(LEDGER))?))
            .collect();
        rows.map(Some)
    }

    /// The state of the ledger that the recorded schema belongs to, if one is recorded.
    pub(crate) fn recorded_state(&self) -> Result<Option<String>, Error> {
        let table = self.ledger.sqlite_table("schema");
        if !self.has_table(SCHEMA, &table)? {
            return Ok(None);
        }
        self.ledger_format()?;
        self.connection
            .prepare_cached(&format!(
                "SELECT ledger_state FROM main.\"{table}\" WHERE id = 1"
            ))
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)).optional())
            .map_err(sqlite(SCHEMA))
    }

    /// The schema that the last deployment recorded.
    ///
    /// # Errors
    ///
    /// When the table can't be read.
    pub fn recorded_schema(&self) -> Result<Option<RecordedSchema>, Error> {
        let table = self.ledger.sqlite_table("schema");
        if !self.has_table(SCHEMA, &table)? {
            return Ok(None);
        }
        self.ledger_format()?;
        self.connection
            .query_row(
                &format!("SELECT {RECORDED} FROM main.\"{table}\" WHERE id = 1"),
                [],
                |row| {
                    Ok(RecordedSchema {
                        document: row.get(0)?,
                        ledger_state: row.get(1)?,
                        recorded_at: row.get(2)?,
                        run_id: row.get(3)?,
                    })
                },
            )
            .optional()
            .map_err(sqlite(SCHEMA))
    }
}

impl<C: postgres::GenericClient> PostgresRecords<'_, C> {
    /// The ledger's rows in the order in which they were written; `None` where there is no ledger.
    ///
    /// # Errors
    ///
    /// When the ledger can't be read or understood.
    pub fn ledger(&mut self) -> Result<Option<Vec<LedgerRow>>, Error> {
        let table = self.ledger.postgres_table("migrations");
        if !self.own(LEDGER)?.migrations {
            return Ok(None);
        }
        self.ledger_format()?;
        let rows = self
            .client
            .query_typed(
                &format!("SELECT {COLUMNS} FROM ONLY {table} ORDER BY position"),
                &[],
            )
            .map_err(server(LEDGER))?;
        let rows: Result<Vec<LedgerRow>, Error> = rows
            .iter()
            .map(|row| {
                row_of(Columns {
                    version: row.get(0),
                    name: row.get(1),
                    sha256: row.get(2),
                    sha256_tokens: row.get(3),
                    state: row.get(4),
                    applied_at: row.get(5),
                    duration_ms: row.get(6),
                    applied_by: row.get(7),
                    run_id: row.get(8),
                    because: row.get(9),
                    position: row.get(10),
                })
            })
            .collect();
        rows.map(Some)
    }

    /// The state of the ledger that the recorded schema belongs to, if one is recorded.
    pub(crate) fn recorded_state(&mut self) -> Result<Option<String>, Error> {
        let table = self.ledger.postgres_table("schema");
        if !self.own(SCHEMA)?.schema {
            return Ok(None);
        }
        self.ledger_format()?;
        let rows = self
            .client
            .query_typed(
                &format!("SELECT ledger_state FROM ONLY {table} WHERE id = 1"),
                &[],
            )
            .map_err(server(SCHEMA))?;
        Ok(rows.first().map(|row| row.get(0)))
    }

    /// The schema that the last deployment recorded.
    ///
    /// # Errors
    ///
    /// When the table can't be read.
    pub fn recorded_schema(&mut self) -> Result<Option<RecordedSchema>, Error> {
        let table = self.ledger.postgres_table("schema");
        if !self.own(SCHEMA)?.schema {
            return Ok(None);
        }
        self.ledger_format()?;
        let rows = self
            .client
            .query_typed(
                &format!("SELECT {RECORDED} FROM ONLY {table} WHERE id = 1"),
                &[],
            )
            .map_err(server(SCHEMA))?;
        Ok(rows.first().map(|row| RecordedSchema {
            document: row.get(0),
            ledger_state: row.get(1),
            recorded_at: row.get(2),
            run_id: row.get(3),
        }))
    }
}
