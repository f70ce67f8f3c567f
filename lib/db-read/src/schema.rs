use schema::{Schema, Scope};

use crate::Session;

impl Session {
    /// The database's schema as this session's snapshot has it.
    ///
    /// # Errors
    ///
    /// The catalog can't be read.
    pub fn read_schema(&mut self, scope: &Scope) -> Result<Schema, schema::Error> {
        match self {
            Session::Sqlite(session) => schema::read_sqlite(session.connection(), scope),
            Session::Postgres(session) => schema::read_postgres(session.client(), scope),
        }
    }
}
