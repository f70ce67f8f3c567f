//! The mark: which environment a database belongs to, and whether it is protected.

use rusqlite::OptionalExtension as _;

use crate::tables::{MARK_POSTGRES, MARK_SQLITE};
use crate::{Error, Place, PostgresRecords, SqliteRecords, server, sqlite};

const WHAT: &str = "the database's mark";

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
}

impl Mark {
    /// What the target is called in every result, when its database is `now` there. What was
    /// verified or saved of a copy never counts for the original.
    pub fn identity(&self, now: &Place) -> String {
        if self.place.moved_to(now).is_empty() {
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
        self.connection
            .query_row(
                "SELECT name, protected, uuid, endpoint, marked_at, marked_by \
                 FROM main.lockstep_environment WHERE id = 1",
                [],
                |row| {
                    Ok(Mark {
                        environment: row.get(0)?,
                        protected: row.get(1)?,
                        uuid: row.get(2)?,
                        place: Place {
                            endpoint: row.get(3)?,
                            ..Place::default()
                        },
                        marked_at: row.get(4)?,
                        marked_by: row.get(5)?,
                    })
                },
            )
            .optional()
            .map_err(sqlite(WHAT))
    }
}

impl<C: postgres::GenericClient> PostgresRecords<'_, C> {
    /// The mark, if the database has one.
    ///
    /// # Errors
    ///
    /// When the table can't be read.
    pub fn mark(&mut self) -> Result<Option<Mark>, Error> {
        if !self.has_table(WHAT, MARK_POSTGRES)? {
            return Ok(None);
        }
        let rows = self
            .client
            .query_typed(
                "SELECT name, protected, uuid, system_identifier, database_oid, endpoint, \
                    marked_at, marked_by \
                 FROM \"lockstep\".\"environment\" WHERE id = 1",
                &[],
            )
            .map_err(server(WHAT))?;
        Ok(rows.first().map(|row| Mark {
            environment: row.get(0),
            protected: row.get(1),
            uuid: row.get(2),
            place: Place {
                system_identifier: row.get(3),
                database_oid: row.get(4),
                endpoint: row.get(5),
            },
            marked_at: row.get(6),
            marked_by: row.get(7),
        }))
    }
}
