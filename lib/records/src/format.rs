//! The formats of Lockstep's own tables. Each has a number, which grows when a table is changed.
//!
//! Format 1 carries no number. What a released program wrote is read for ever; what a newer one
//! wrote is refused, before anything else of it is read.

use postgres::types::Type;
use rusqlite::OptionalExtension as _;

use crate::{Error, PostgresRecords, SqliteRecords, server, sqlite};

/// The format of the mark that this program writes, and the newest that it reads.
pub const MARK_FORMAT: i32 = 2;

/// The same of the ledger with its recorded schema.
pub const LEDGER_FORMAT: i32 = 2;

/// What carries no number.
pub(crate) const FIRST: i32 = 1;

/// The table that says a ledger's format.
pub(crate) const LEDGER_FORMAT_TABLE: &str = "ledger_format";

const LEDGER: &str = "the ledger";

/// What Lockstep keeps in a database, as far as it has a format of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// The mark.
    Mark,
    /// The ledger, and the schema that is recorded beside it.
    Ledger,
}

/// Which of Lockstep's own tables a program of an earlier release wrote, and no action has upgraded
/// since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outdated {
    /// Which one.
    pub what: Own,
    /// Its format.
    pub from: i32,
    /// The format that an action of this program leaves.
    pub to: i32,
}

impl std::fmt::Display for Outdated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.what {
            Own::Mark => "mark",
            Own::Ledger => "ledger",
        };
        write!(f, "{what} from format {} to {}", self.from, self.to)
    }
}

/// Refuses a format that is newer than `newest`. `lockstep` is the version that wrote it.
pub(crate) fn known(
    what: &'static str,
    format: i32,
    newest: i32,
    lockstep: &str,
) -> Result<i32, Error> {
    if format > newest {
        return Err(Error::Newer {
            what,
            format,
            newest,
            lockstep: lockstep.to_owned(),
        });
    }
    if format < FIRST {
        return Err(Error::Unreadable {
            what,
            why: format!("its format is {format}"),
        });
    }
    Ok(format)
}

fn ledger_format(row: Option<(i32, String)>) -> Result<i32, Error> {
    let (format, lockstep) = row.ok_or_else(|| Error::Unreadable {
        what: LEDGER,
        why: format!("its table {LEDGER_FORMAT_TABLE} has no row"),
    })?;
    known(LEDGER, format, LEDGER_FORMAT, &lockstep)
}

impl SqliteRecords<'_> {
    /// The format of the ledger; of one that is not there, the first.
    ///
    /// # Errors
    ///
    /// When it can't be read, or is newer than this program.
    pub fn ledger_format(&self) -> Result<i32, Error> {
        if let Some(format) = self.ledger_format.get() {
            return Ok(*format);
        }
        let table = self.ledger.sqlite_table(LEDGER_FORMAT_TABLE);
        let format = if self.has_table(LEDGER, &table)? {
            let row = self
                .connection
                .prepare_cached(&format!(
                    "SELECT format, lockstep FROM main.\"{table}\" WHERE id = 1"
                ))
                .and_then(|mut statement| {
                    statement
                        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
                        .optional()
                })
                .map_err(sqlite(LEDGER))?;
            ledger_format(row)?
        } else {
            FIRST
        };
        Ok(*self.ledger_format.get_or_init(|| format))
    }
}

impl<C: postgres::GenericClient> PostgresRecords<'_, C> {
    /// The format of the ledger; of one that is not there, the first.
    ///
    /// # Errors
    ///
    /// When it can't be read, or is newer than this program.
    pub fn ledger_format(&mut self) -> Result<i32, Error> {
        if let Some(format) = self.ledger_format {
            return Ok(format);
        }
        let table = self.ledger.postgres_table(LEDGER_FORMAT_TABLE);
        let format = if self.own(LEDGER)?.ledger_format {
            let rows = self
                .client
                .query_typed(
                    &format!("SELECT format, lockstep FROM {table} WHERE id = 1"),
                    &[],
                )
                .map_err(server(LEDGER))?;
            let row = rows
                .first()
                .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
            ledger_format(row.transpose().map_err(server(LEDGER))?)?
        } else {
            FIRST
        };
        self.ledger_format = Some(format);
        Ok(format)
    }

    /// Which of Lockstep's own tables there are, asked once.
    pub(crate) fn own(&mut self, what: &'static str) -> Result<OwnTables, Error> {
        if let Some(own) = self.own {
            return Ok(own);
        }
        let tables = ["migrations", "schema", LEDGER_FORMAT_TABLE, "accepted"]
            .map(|table| self.ledger.postgres_table(table));
        let rows = self
            .client
            .query_typed(
                "SELECT pg_catalog.to_regclass($1) IS NOT NULL, \
                    pg_catalog.to_regclass($2) IS NOT NULL, \
                    pg_catalog.to_regclass($3) IS NOT NULL, \
                    pg_catalog.to_regclass($4) IS NOT NULL, \
                    pg_catalog.to_regclass($5) IS NOT NULL",
                &[
                    (&crate::tables::MARK_POSTGRES, Type::TEXT),
                    (&tables[0], Type::TEXT),
                    (&tables[1], Type::TEXT),
                    (&tables[2], Type::TEXT),
                    (&tables[3], Type::TEXT),
                ],
            )
            .map_err(server(what))?;
        let own = rows
            .first()
            .map(|row| OwnTables {
                mark: row.get(0),
                migrations: row.get(1),
                schema: row.get(2),
                ledger_format: row.get(3),
                accepted: row.get(4),
            })
            .unwrap_or_default();
        self.own = Some(own);
        Ok(own)
    }
}

/// Which of Lockstep's own tables a PostgreSQL database has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OwnTables {
    pub(crate) mark: bool,
    pub(crate) migrations: bool,
    pub(crate) schema: bool,
    pub(crate) ledger_format: bool,
    pub(crate) accepted: bool,
}
