//! What the rules on lost data have to know of a database.

use std::collections::BTreeSet;

use records::{LEDGER_DEFAULT, LedgerName};
use sql::{Before, Table, UserType};

use crate::{OpenError, PostgresSession, Session, SqliteSession};

/// Stored columns of real tables: 2 is a virtual generated one, 3 a stored one.
const SQLITE: &str = "SELECT t.name, x.name, x.type \
     FROM main.sqlite_schema AS t, pragma_table_xinfo(t.name, 'main') AS x \
     WHERE t.type = 'table' AND t.sql NOT LIKE 'CREATE VIRTUAL TABLE %' AND x.hidden = 0 \
     ORDER BY t.name, x.cid";

/// What else has the name of a table. The module of a virtual one may be the application's own.
const SQLITE_OTHERS: &str = "SELECT name FROM main.sqlite_schema \
     WHERE type = 'view' OR type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE %' ORDER BY name";

/// Tables, partitioned ones, foreign ones, views and composite types.
const POSTGRES: &str = "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text, \
        a.attname::pg_catalog.text, pg_catalog.format_type(a.atttypid, a.atttypmod) \
     FROM pg_catalog.pg_class c \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid \
        AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' \
     WHERE c.relkind IN ('r', 'p', 'f', 'c', 'v', 'm') AND c.relpersistence <> 't' \
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') \
     ORDER BY c.oid, a.attnum";

/// Types that are no table's and no other type's array or multirange.
const POSTGRES_TYPES: &str = "SELECT n.nspname::pg_catalog.text, t.typname::pg_catalog.text, \
        t.typtype = 'e' \
     FROM pg_catalog.pg_type t \
     JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
     WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') \
        AND (t.typtype IN ('e', 'd', 'r') OR t.typtype IN ('b', 'p') AND t.typelem = 0) \
     ORDER BY 1, 2";

/// Code that a file may call. What is in C does not change tables.
const POSTGRES_ROUTINES: &str = "SELECT DISTINCT p.proname::pg_catalog.text \
     FROM pg_catalog.pg_proc p \
     JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
     JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
     WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') \
        AND l.lanname NOT IN ('c', 'internal')";

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
            Session::Sqlite(session) => of_sqlite(session, ledger),
            Session::Postgres(session) => of_postgres(session, schema, ledger),
        }
    }
}

fn of_sqlite(session: &SqliteSession, ledger: &LedgerName) -> Result<Before, OpenError> {
    let failed = |error| session.error("read the columns of", error);
    let mut statement = session.connection().prepare(SQLITE).map_err(failed)?;
    let rows = statement.query_map([], |row| {
        Ok(Row {
            schema: None,
            table: row.get(0)?,
            column: Some((row.get(1)?, row.get(2)?)),
        })
    });
    let rows: Result<Vec<_>, _> = rows.map_err(failed)?.collect();
    let mut tables = tables(rows.map_err(failed)?);
    let mut statement = session
        .connection()
        .prepare(SQLITE_OTHERS)
        .map_err(failed)?;
    let others = statement.query_map([], |row| {
        Ok(Table {
            schema: None,
            name: row.get(0)?,
            columns: None,
        })
    });
    let others: Result<Vec<_>, _> = others.map_err(failed)?.collect();
    tables.extend(others.map_err(failed)?);
    // SQLite's own counters and statistics are no data of anybody.
    tables.retain(|table| !ledger.is_own_sqlite(&table.name) && !is_internal(&table.name));
    Ok(Before {
        tables,
        is_complete: true,
        ..Before::default()
    })
}

fn is_internal(table: &str) -> bool {
    ["sqlite_sequence", "sqlite_stat1", "sqlite_stat4"].contains(&table)
}

fn of_postgres(
    session: &mut PostgresSession,
    schema: Option<&str>,
    ledger: &LedgerName,
) -> Result<Before, OpenError> {
    let schemas = session.rows(
        "read the schemas",
        // One that the role may not use is passed over in a search_path.
        "SELECT nspname::pg_catalog.text FROM pg_catalog.pg_namespace \
         WHERE pg_catalog.has_schema_privilege(oid, 'USAGE') \
            OR pg_catalog.pg_has_role(nspowner, 'USAGE')",
    )?;
    let schemas: BTreeSet<String> = schemas.iter().map(|row| row.get(0)).collect();
    let rows = session.rows(ACT, POSTGRES)?;
    let rows = rows.iter().map(|row| Row {
        schema: Some(row.get(0)),
        table: row.get(1),
        column: row.get::<_, Option<String>>(2).zip(row.get(3)),
    });
    let mut tables = tables(rows.collect());
    tables.retain(|table| table.schema.as_deref() != Some(LEDGER_DEFAULT));
    let types = session.rows("read the types", POSTGRES_TYPES)?;
    let types = types.iter().map(|row| UserType {
        schema: row.get(0),
        name: row.get(1),
        is_enum: row.get(2),
    });
    let types = types.collect();
    let extensions = session.rows(
        "read the extensions",
        "SELECT extname::pg_catalog.text FROM pg_catalog.pg_extension",
    )?;
    let extensions = extensions.iter().map(|row| row.get(0)).collect();
    let routines = session.rows("read the functions", POSTGRES_ROUTINES)?;
    let routines = routines.iter().map(|row| row.get(0)).collect();
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
        tables,
        schemas,
        search_path,
        types,
        extensions,
        routines,
        is_complete: true,
    })
}

/// A column of a table, or a table without any.
struct Row {
    schema: Option<String>,
    table: String,
    /// Its name and type.
    column: Option<(String, String)>,
}

/// From the rows of columns, those of one table side by side.
fn tables(rows: Vec<Row>) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for row in rows {
        let last = tables.last_mut();
        match last.filter(|last| last.schema == row.schema && last.name == row.table) {
            Some(last) => last.columns.get_or_insert_default().extend(row.column),
            None => tables.push(Table {
                schema: row.schema,
                name: row.table,
                columns: Some(row.column.into_iter().collect()),
            }),
        }
    }
    tables
}
