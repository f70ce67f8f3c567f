//! What the rules on lost data have to know of a database.

use std::collections::BTreeSet;

use records::{LEDGER_DEFAULT, LedgerName};
use sql::{Before, Table};

use crate::{OpenError, PostgresSession, Session, SqliteSession};

/// Stored columns of real tables: 2 is a virtual generated one, 3 a stored one.
const SQLITE: &str = "SELECT t.name, x.name, x.type \
     FROM main.sqlite_schema AS t, pragma_table_xinfo(t.name, 'main') AS x \
     WHERE t.type = 'table' AND t.sql NOT LIKE 'CREATE VIRTUAL TABLE %' AND x.hidden = 0 \
     ORDER BY t.name, x.cid";

/// Tables, partitioned ones, foreign ones and composite types.
const POSTGRES: &str = "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text, \
        a.attname::pg_catalog.text, pg_catalog.format_type(a.atttypid, a.atttypmod) \
     FROM pg_catalog.pg_attribute a \
     JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p', 'f', 'c') AND c.relpersistence <> 't' \
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') \
        AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' \
     ORDER BY c.oid, a.attnum";

const ACT: &str = "read the columns of the tables";

impl Session {
    /// Tables, columns and types as they are, and where files look for names without a schema:
    /// `schema` if `[migrations]` names one, or else in the role's own path.
    ///
    /// # Errors
    ///
    /// The catalog can't be read.
    pub fn before(
        &mut self,
        schema: Option<&str>,
        ledger: &LedgerName,
    ) -> Result<Before, OpenError> {
        match self {
            Session::Sqlite(session) => of_sqlite(session),
            Session::Postgres(session) => of_postgres(session, schema, ledger),
        }
    }
}

fn of_sqlite(session: &SqliteSession) -> Result<Before, OpenError> {
    let failed = |error| session.error("read the columns of", error);
    let mut statement = session.connection().prepare(SQLITE).map_err(failed)?;
    let rows = statement.query_map([], |row| Ok((None, row.get(0)?, row.get(1)?, row.get(2)?)));
    let rows: Result<Vec<_>, _> = rows.map_err(failed)?.collect();
    Ok(Before {
        tables: tables(rows.map_err(failed)?),
        ..Before::default()
    })
}

fn of_postgres(
    session: &mut PostgresSession,
    schema: Option<&str>,
    ledger: &LedgerName,
) -> Result<Before, OpenError> {
    let schemas = session.rows(
        "read the schemas",
        "SELECT nspname::pg_catalog.text FROM pg_catalog.pg_namespace",
    )?;
    let schemas: BTreeSet<String> = schemas.iter().map(|row| row.get(0)).collect();
    let rows = session.rows(ACT, POSTGRES)?;
    let rows = rows
        .iter()
        .map(|row| (Some(row.get(0)), row.get(1), row.get(2), row.get(3)));
    let facts = session.facts();
    let search_path = match schema {
        Some(schema) => vec![schema.to_owned()],
        None => {
            let mut path = sql::search_path(&facts.search_path, &facts.role);
            // The runner leaves `"$user"` out where it would lead among Lockstep's tables.
            path.retain(|schema| schema != LEDGER_DEFAULT && schema != ledger.as_str());
            path
        }
    };
    Ok(Before {
        tables: tables(rows.collect()),
        schemas,
        search_path,
    })
}

/// From the rows of columns, those of one table side by side.
fn tables(columns: Vec<(Option<String>, String, String, String)>) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for (schema, table, name, ty) in columns {
        let last = tables.last_mut();
        match last.filter(|last| last.schema == schema && last.name == table) {
            Some(last) => last.columns.push((name, ty)),
            None => tables.push(Table {
                schema,
                name: table,
                columns: vec![(name, ty)],
            }),
        }
    }
    tables
}
