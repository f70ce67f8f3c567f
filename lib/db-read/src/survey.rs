use records::{
    Accepted, LedgerName, Place, PostgresRecords, RecordedSchema, SqliteRecords, Survey,
};
use settings::Target;

use crate::Session;

impl Session {
    /// Mark, ledger, tables and place of the database that `target` led to.
    ///
    /// # Errors
    ///
    /// One of the records can't be read.
    pub fn survey(
        &mut self,
        target: &Target,
        ledger: &LedgerName,
    ) -> Result<Survey, records::Error> {
        match (self, target) {
            (Session::Postgres(session), Target::Postgres(target)) => {
                let answered = session.endpoint().to_owned();
                PostgresRecords::new(session.client(), ledger).survey(target, &answered)
            }
            (Session::Sqlite(session), _) => {
                SqliteRecords::new(session.connection(), ledger).survey(session.path())
            }
            (Session::Postgres(_), Target::Sqlite(_)) => Err(another_target()),
        }
    }

    /// What the mark calls the target in every result; nothing where it has no mark.
    ///
    /// # Errors
    ///
    /// Mark or place can't be read.
    pub fn identity(
        &mut self,
        target: &Target,
        ledger: &LedgerName,
    ) -> Result<Option<String>, records::Error> {
        match (self, target) {
            (Session::Postgres(session), Target::Postgres(target)) => {
                let answered = session.endpoint().to_owned();
                let mut records = PostgresRecords::new(session.client(), ledger);
                let Some(mark) = records.mark()? else {
                    return Ok(None);
                };
                Ok(Some(mark.identity(&records.place(target, &answered)?)))
            }
            (Session::Sqlite(session), _) => {
                let mark = SqliteRecords::new(session.connection(), ledger).mark()?;
                Ok(mark.map(|mark| mark.identity(&Place::sqlite(session.path()))))
            }
            (Session::Postgres(_), Target::Sqlite(_)) => Err(another_target()),
        }
    }

    /// The schema that the last deployment recorded.
    ///
    /// # Errors
    ///
    /// The record can't be read.
    pub fn recorded_schema(
        &mut self,
        ledger: &LedgerName,
    ) -> Result<Option<RecordedSchema>, records::Error> {
        match self {
            Session::Postgres(session) => {
                PostgresRecords::new(session.client(), ledger).recorded_schema()
            }
            Session::Sqlite(session) => {
                SqliteRecords::new(session.connection(), ledger).recorded_schema()
            }
        }
    }

    /// What was accepted by reviewed lines.
    ///
    /// # Errors
    ///
    /// The record can't be read.
    pub fn accepted(&mut self, ledger: &LedgerName) -> Result<Vec<Accepted>, records::Error> {
        match self {
            Session::Postgres(session) => PostgresRecords::new(session.client(), ledger).accepted(),
            Session::Sqlite(session) => SqliteRecords::new(session.connection(), ledger).accepted(),
        }
    }
}

fn another_target() -> records::Error {
    records::Error::Unreadable {
        what: "the database",
        why: "the session is another target's".to_owned(),
    }
}
