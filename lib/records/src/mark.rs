//! The mark: which environment a database belongs to, and whether it is protected.

use rusqlite::OptionalExtension as _;
use serde_json::Value;
use settings::file::Terms;

use crate::format::{self, MARK_FORMAT};
use crate::tables::{MARK_POSTGRES, MARK_SQLITE};
use crate::{Error, Place, PostgresRecords, SqliteRecords, server, sqlite};

const WHAT: &str = "the database's mark";

/// The columns that every format has, beside those of PostgreSQL's place.
const COLUMNS: [&str; 6] = [
    "name",
    "protected",
    "uuid",
    "endpoint",
    "marked_at",
    "marked_by",
];

/// The one row of the mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The environment's name.
    pub environment: String,
    /// Whether only a deployment of that environment may change the database.
    pub protected: bool,
    /// Random UUID: the target's identity in every result. A copy that is marked anew gets
    /// another one.
    pub uuid: String,
    /// Where the database was when it was marked.
    pub place: Place,
    /// When, RFC 3339 UTC.
    pub marked_at: String,
    /// Account and machine, or CI job.
    pub marked_by: String,
    /// The format in which it was read.
    pub format: i32,
    /// What its environment demands; nothing where the mark stores none, as one of the first format.
    pub terms: Option<Terms>,
}

impl Mark {
    /// What shows that the database, which is `now` there, was copied or moved since it was marked;
    /// to be reached by another of the addresses that the mark stores is none of it.
    pub fn moved_to(&self, now: &Place) -> Vec<String> {
        let endpoints = self.terms.as_ref().map(|terms| terms.endpoints.as_slice());
        self.place.moved_to(now, endpoints.unwrap_or_default())
    }

    /// What the target is called in every result, when its database is `now` there. What was
    /// verified or saved of a copy never counts for the original.
    pub fn identity(&self, now: &Place) -> String {
        if self.moved_to(now).is_empty() {
            self.uuid.clone()
        } else {
            format!("{} copied-or-moved {now}", self.uuid)
        }
    }
}

impl SqliteRecords<'_> {
    /// The mark, if the database has one.
    ///
    /// # Errors
    ///
    /// When the table can't be read.
    pub fn mark(&self) -> Result<Option<Mark>, Error> {
        if !self.has_table(WHAT, MARK_SQLITE)? {
            return Ok(None);
        }
        // Its columns say the format, and cost no query of their own.
        let mut statement = self
            .connection
            .prepare("SELECT * FROM main.lockstep_environment WHERE id = 1")
            .map_err(sqlite(WHAT))?;
        let numbered = statement.column_index("format").is_ok();
        if numbered {
            let row = statement
                .query_row([], |row| Ok((row.get("format")?, row.get("lockstep")?)))
                .optional()
                .map_err(sqlite(WHAT))?;
            if let Some((format, lockstep)) = row {
                let lockstep: String = lockstep;
                format::known(WHAT, format, MARK_FORMAT, &lockstep)?;
            }
        }
        let missing = |column: &&str| statement.column_index(column).is_err();
        if let Some(column) = COLUMNS.into_iter().find(missing) {
            return Err(Error::Unreadable {
                what: WHAT,
                why: format!("its table has no column {column}"),
            });
        }
        statement
            .query_row([], |row| {
                Ok(Mark {
                    environment: row.get("name")?,
                    protected: row.get("protected")?,
                    uuid: row.get("uuid")?,
                    place: Place {
                        endpoint: row.get("endpoint")?,
                        ..Place::default()
                    },
                    marked_at: row.get("marked_at")?,
                    marked_by: row.get("marked_by")?,
                    format: match numbered {
                        true => row.get("format")?,
                        false => format::FIRST,
                    },
                    terms: None,
                })
            })
            .optional()
            .map_err(sqlite(WHAT))?
            .map(|mark| {
                let stored: Option<String> = match numbered {
                    true => statement
                        .query_row([], |row| row.get("terms"))
                        .map_err(sqlite(WHAT))?,
                    false => None,
                };
                Ok(Mark {
                    terms: terms(stored.as_deref())?,
                    ..mark
                })
            })
            .transpose()
    }
}

impl<C: postgres::GenericClient> PostgresRecords<'_, C> {
    /// The mark, if the database has one.
    ///
    /// # Errors
    ///
    /// When the table can't be read.
    pub fn mark(&mut self) -> Result<Option<Mark>, Error> {
        if !self.own(WHAT)?.mark {
            return Ok(None);
        }
        // By names, so that one query reads every format, and says which one it is of a newer one.
        let sql = format!(
            "SELECT pg_catalog.to_jsonb(m)::pg_catalog.text FROM ONLY {MARK_POSTGRES} m WHERE id = 1"
        );
        let rows = self.client.query_typed(&sql, &[]).map_err(server(WHAT))?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        of_columns(row.get(0)).map(Some)
    }
}

/// The mark in a row of its table, as JSON.
fn of_columns(row: &str) -> Result<Mark, Error> {
    let unreadable = |why: String| Error::Unreadable { what: WHAT, why };
    let row: Value = serde_json::from_str(row).map_err(|error| unreadable(error.to_string()))?;
    let format = match &row["format"] {
        Value::Null => format::FIRST,
        format => format
            .as_i64()
            .and_then(|format| i32::try_from(format).ok())
            .ok_or_else(|| unreadable(format!("its format is {format}")))?,
    };
    let known = row["lockstep"].as_str().unwrap_or("a later version");
    format::known(WHAT, format, MARK_FORMAT, known)?;
    let missing = |column: &str| unreadable(format!("its table has no column {column}"));
    let maybe = |column: &str| row[column].as_str().map(str::to_owned);
    let text = |column: &str| maybe(column).ok_or_else(|| missing(column));
    Ok(Mark {
        environment: text("name")?,
        protected: row["protected"]
            .as_bool()
            .ok_or_else(|| missing("protected"))?,
        uuid: text("uuid")?,
        place: Place {
            system_identifier: maybe("system_identifier"),
            database_oid: maybe("database_oid"),
            endpoint: text("endpoint")?,
        },
        marked_at: text("marked_at")?,
        marked_by: text("marked_by")?,
        format,
        terms: terms(maybe("terms").as_deref())?,
    })
}

/// The terms as a mark stores them.
///
/// # Errors
///
/// When Lockstep does not write such.
pub fn terms(stored: Option<&str>) -> Result<Option<Terms>, Error> {
    let read = stored.map(serde_json::from_str).transpose();
    read.map_err(|error| Error::Unreadable {
        what: WHAT,
        why: format!("its terms: {error}"),
    })
}
