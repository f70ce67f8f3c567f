//! PostgreSQL: its catalogs, and what it prints itself, under pinned settings.

mod functions;
mod queries;
mod relations;
mod sequences;
mod tables;
mod types;

use db_connect::StatementError;
use postgres::fallible_iterator::FallibleIterator as _;
use postgres::types::{ToSql, Type};
use postgres::{GenericClient, Row, RowIter};

use crate::{Engine, Error, Schema, Scope};

/// Everything that a printed definition depends on but the schema itself. An empty search path
/// makes PostgreSQL qualify every name that is not in `pg_catalog`.
const PINNED: &str = "SET LOCAL search_path = '';
    SET LOCAL quote_all_identifiers = off;
    SET LOCAL datestyle = 'ISO, YMD';
    SET LOCAL intervalstyle = 'postgres';
    SET LOCAL timezone = 'UTC';
    SET LOCAL bytea_output = 'hex';
    SET LOCAL extra_float_digits = 3";

/// Reads the schemas of the scope from PostgreSQL 13 or newer, in one query for each class of
/// objects. What an extension owns is left out.
///
/// The client has to be in a transaction, which may be read-only. The settings that are needed
/// (`SET LOCAL`) stand in a savepoint that is rolled back, so that the transaction is afterwards as
/// it was, also after an error of the server. No statement is left prepared.
///
/// # Errors
///
/// What the server says to a query on its catalogs, or that there is no transaction (25P01); a lost
/// connection.
pub fn read_postgres<C: GenericClient>(client: &mut C, scope: &Scope) -> Result<Schema, Error> {
    pinned(client, |client| read(client, scope))
}

/// Reads under the settings that a printed definition depends on.
pub(crate) fn pinned<C: GenericClient, T>(
    client: &mut C,
    read: impl FnOnce(&mut C) -> Result<T, Error>,
) -> Result<T, Error> {
    let begin = format!("SAVEPOINT lockstep_schema; {PINNED}");
    client.batch_execute(&begin).map_err(reading("settings"))?;
    let found = read(client);
    let end = "ROLLBACK TO SAVEPOINT lockstep_schema; RELEASE SAVEPOINT lockstep_schema";
    let ended = client.batch_execute(end).map_err(reading("settings"));
    // The first error is the cause of the second.
    found.and_then(|found| ended.map(|()| found))
}

fn read<C: GenericClient>(client: &mut C, scope: &Scope) -> Result<Schema, Error> {
    let schemas = scope.read_schemas();
    let mut schema = Schema::empty(Engine::Postgres);
    for row in query(client, "schemas", queries::SCHEMAS, &[texts(&&schemas[..])])? {
        let row = row?;
        let version: i32 = row.get(1);
        schema.server_major = u32::try_from(version / 10_000).ok();
        schema.schemas.extend(row.get::<_, Option<String>>(0));
    }
    relations::read(client, &schemas, &mut schema)?;
    // Looking for them takes a pass over the server's own thousands, and most schemas have none.
    let mut has = (false, false);
    for row in query(client, "schemas", queries::KINDS, &[texts(&&schemas[..])])? {
        let row = row?;
        has = (row.get(0), row.get(1));
    }
    if has.0 {
        functions::read(client, &schemas, &mut schema)?;
    }
    if has.1 {
        types::read(client, &schemas, &mut schema)?;
    }
    types::read_extensions(client, scope, &mut schema)?;
    scope.keep_within(&mut schema);
    Ok(schema)
}

/// Runs a query without a prepared statement of any name: a pooler may give the server's session
/// to somebody else afterwards, whose own statements have such names too.
pub(crate) fn query<'c, C: GenericClient>(
    client: &'c mut C,
    what: &'static str,
    sql: &str,
    values: &[Value<'_>],
) -> Result<Rows<'c>, Error> {
    let values = values.iter().map(|(value, of)| (*value, of.clone()));
    let rows = client.query_typed_raw(sql, values).map_err(reading(what))?;
    Ok(Rows { rows, what })
}

/// The rows as they come: those of a class of objects may take more memory than the objects.
pub(crate) struct Rows<'c> {
    rows: RowIter<'c>,
    what: &'static str,
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, Error>;

    fn next(&mut self) -> Option<Result<Row, Error>> {
        self.rows.next().map_err(reading(self.what)).transpose()
    }
}

/// What there is to say, in one text; nothing where there is nothing.
fn joined(details: Vec<String>) -> Option<String> {
    (!details.is_empty()).then(|| details.join(", "))
}

/// A value of a query and its type, which the server need not be asked for then.
pub(crate) type Value<'v> = (&'v (dyn ToSql + Sync), Type);

pub(crate) fn texts<'v>(texts: &'v &[&str]) -> Value<'v> {
    (texts, Type::TEXT_ARRAY)
}

fn oids<'v>(oids: &'v &[u32]) -> Value<'v> {
    (oids, Type::OID_ARRAY)
}

fn reading(what: &'static str) -> impl Fn(postgres::Error) -> Error {
    move |error| StatementError::new(format!("read PostgreSQL's {what}"), error).into()
}
