//! What Lockstep keeps in a database: the mark, the ledger, the recorded schema.
//!
//! Everything here reads on a connection that the caller opened. A table that does not exist is an
//! answer; any other failure is an error, never "nothing there".

mod accepted;
mod attached;
mod foreign;
mod format;
mod ledger;
mod mark;
mod occupancy;
mod own;
mod place;
mod standing;
mod survey;
mod tables;

pub use accepted::Accepted;
pub use attached::{OwnTables, own_tables_print, own_tables_query, own_tables_state};
pub use foreign::{ForeignLedger, NamedTool};
pub use format::{LEDGER_FORMAT, MARK_FORMAT, Outdated, Own};
pub use ledger::RecordedSchema;
pub use mark::{Mark, terms};
pub use own::{
    Intruder, RECORDS_OWN, SQLITE_ACCEPTED, SQLITE_ENVIRONMENT, SQLITE_ENVIRONMENT_ADDED,
    SQLITE_LEDGER_FORMAT, SQLITE_MIGRATIONS, SQLITE_SCHEMA, SQLITE_SCHEMA_HISTORY,
};
pub use place::Place;
pub use standing::OtherName;
pub use survey::{Setting, Survey};
pub use tables::{LEDGER_DEFAULT, LEDGER_TABLES, LedgerName, LedgerNameError, OWN_POSTGRES};

use std::cell::OnceCell;

use contract::{Class, Classify};

/// Why a record can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite refused.
    #[error("cannot read {what}")]
    Sqlite {
        /// Which record.
        what: &'static str,
        /// SQLite's answer.
        #[source]
        source: rusqlite::Error,
    },
    /// PostgreSQL refused, or the connection was lost.
    #[error("cannot read {what}")]
    Postgres {
        /// Which record.
        what: &'static str,
        /// The server's answer.
        #[source]
        source: postgres::Error,
    },
    /// A newer Lockstep wrote it.
    #[error(
        "cannot read {what}: it was written by a newer Lockstep ({lockstep}; it has format {format}, \
         and this one, {}, knows formats up to {newest})",
        env!("CARGO_PKG_VERSION")
    )]
    Newer {
        /// Which record.
        what: &'static str,
        /// Its format.
        format: i32,
        /// The newest that this program knows.
        newest: i32,
        /// The version that wrote it.
        lockstep: String,
    },
    /// A record holds what Lockstep does not write.
    #[error("cannot understand {what}: {why}")]
    Unreadable {
        /// Which record.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

impl Error {
    /// Whether the role may not read it. A transaction on PostgreSQL has failed then.
    pub fn is_forbidden(&self) -> bool {
        use postgres::error::SqlState;
        matches!(self, Error::Postgres { source, .. }
            if source.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE))
    }
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Error::Sqlite { source, .. }
                if source.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) =>
            {
                Class::Busy
            }
            Error::Postgres { source, .. } => match db_connect::class_of(source) {
                class @ (Class::Unavailable | Class::Busy) => class,
                _ => Class::Error,
            },
            _ => Class::Error,
        }
    }

    fn remedy(&self) -> Option<String> {
        match self {
            Error::Newer { lockstep, .. } => {
                Some(format!("install Lockstep {lockstep} or newer, then run it again"))
            }
            Error::Unreadable { .. } => Some(
                "look at the table by hand; it was written by another version or by somebody else"
                    .into(),
            ),
            _ if self.class() == Class::Busy => Some(
                "another session keeps a lock on that table: try again once it has ended, or find it \
                 in pg_locks; on SQLite close what has the file open"
                    .into(),
            ),
            // No SQL of ours is wrong where the table is the one that we make.
            Error::Sqlite { source, .. }
                if source.sqlite_error_code() == Some(rusqlite::ErrorCode::Unknown) =>
            {
                Some("look at the table by hand; somebody else made it".into())
            }
            _ if self.class() == Class::Unavailable => {
                Some("see whether the server is up, and try again".into())
            }
            _ if self.is_forbidden() => {
                Some("grant the role USAGE on the schema and SELECT on its tables".into())
            }
            _ => None,
        }
    }
}

/// Reads the records of a SQLite database.
#[derive(Debug)]
pub struct SqliteRecords<'a> {
    connection: &'a rusqlite::Connection,
    ledger: &'a LedgerName,
    /// The names of all tables and views, read once: compiling a query for each question costs
    /// more than everything else that a guard does on a small file.
    names: OnceCell<Vec<Name>>,
    ledger_format: OnceCell<i32>,
}

/// A table or view of a SQLite database.
#[derive(Debug)]
struct Name {
    is_table: bool,
    name: String,
}

impl<'a> SqliteRecords<'a> {
    /// Over an open connection; `ledger` is the name that `[migrations] ledger` gives.
    pub fn new(connection: &'a rusqlite::Connection, ledger: &'a LedgerName) -> Self {
        SqliteRecords {
            connection,
            ledger,
            names: OnceCell::new(),
            ledger_format: OnceCell::new(),
        }
    }

    fn names(&self, what: &'static str) -> Result<&[Name], Error> {
        if let Some(names) = self.names.get() {
            return Ok(names);
        }
        let names = self
            .connection
            .prepare_cached(
                "SELECT type = 'table', name FROM sqlite_schema WHERE type IN ('table', 'view')",
            )
            .and_then(|mut statement| {
                statement
                    .query_map([], |row| {
                        Ok(Name {
                            is_table: row.get(0)?,
                            name: row.get(1)?,
                        })
                    })?
                    .collect::<Result<Vec<Name>, _>>()
            })
            .map_err(sqlite(what))?;
        Ok(self.names.get_or_init(|| names))
    }

    /// Whether the database has this table.
    fn has_table(&self, what: &'static str, table: &str) -> Result<bool, Error> {
        let names = self.names(what)?;
        Ok(names
            .iter()
            .any(|known| known.is_table && known.name.eq_ignore_ascii_case(table)))
    }
}

/// Reads the records of a PostgreSQL database. Every name in its queries is qualified, so that the
/// session's `search_path` does not matter, and no statement is left prepared.
#[derive(Debug)]
pub struct PostgresRecords<'a, C: postgres::GenericClient> {
    client: &'a mut C,
    ledger: &'a LedgerName,
    own: Option<format::OwnTables>,
    ledger_format: Option<i32>,
}

impl<'a, C: postgres::GenericClient> PostgresRecords<'a, C> {
    /// Over an open connection or transaction; `ledger` is the name that `[migrations] ledger`
    /// gives.
    pub fn new(client: &'a mut C, ledger: &'a LedgerName) -> Self {
        PostgresRecords {
            client,
            ledger,
            own: None,
            ledger_format: None,
        }
    }
}

fn sqlite(what: &'static str) -> impl Fn(rusqlite::Error) -> Error {
    move |source| Error::Sqlite { what, source }
}

fn server(what: &'static str) -> impl Fn(postgres::Error) -> Error {
    move |source| Error::Postgres { what, source }
}
