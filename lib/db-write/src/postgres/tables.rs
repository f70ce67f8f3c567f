//! Lockstep's own schema and tables on PostgreSQL, made where they are missing.
//!
//! Each is looked for first: `CREATE SCHEMA IF NOT EXISTS` asks for the right to create one even
//! where it exists, and a role that deploys need not have that right.

use postgres::GenericClient;
use postgres::types::Type;
use records::LedgerName;

const MARK_SCHEMA: &str = "lockstep";

/// Makes the ledger's schema and tables where they are missing.
pub(super) fn make_ledger<C: GenericClient>(
    client: &mut C,
    ledger: &LedgerName,
) -> Result<(), postgres::Error> {
    make_schema(client, ledger.as_str())?;
    let migrations = ledger.postgres_table("migrations");
    make_table(
        client,
        &migrations,
        &format!(
            "CREATE TABLE {migrations} (
    position pg_catalog.int8 PRIMARY KEY,
    version pg_catalog.text NOT NULL UNIQUE,
    name pg_catalog.text NOT NULL,
    sha256 pg_catalog.text NOT NULL,
    sha256_tokens pg_catalog.text,
    state pg_catalog.text NOT NULL CHECK (state IN ('applied', 'started')),
    applied_at pg_catalog.text NOT NULL,
    duration_ms pg_catalog.int8 NOT NULL,
    applied_by pg_catalog.text NOT NULL,
    run_id pg_catalog.text NOT NULL,
    because pg_catalog.text
)"
        ),
    )?;
    let schema = ledger.postgres_table("schema");
    make_table(
        client,
        &schema,
        &format!(
            "CREATE TABLE {schema} (
    id pg_catalog.int4 PRIMARY KEY CHECK (id OPERATOR(pg_catalog.=) 1),
    document pg_catalog.text NOT NULL,
    ledger_state pg_catalog.text NOT NULL,
    recorded_at pg_catalog.text NOT NULL,
    run_id pg_catalog.text NOT NULL
)"
        ),
    )
}

/// Makes the mark's schema and table where they are missing.
pub(super) fn make_mark<C: GenericClient>(client: &mut C) -> Result<(), postgres::Error> {
    make_schema(client, MARK_SCHEMA)?;
    make_table(
        client,
        "\"lockstep\".\"environment\"",
        "CREATE TABLE \"lockstep\".\"environment\" (
    id pg_catalog.int4 PRIMARY KEY CHECK (id OPERATOR(pg_catalog.=) 1),
    name pg_catalog.text NOT NULL,
    protected pg_catalog.bool NOT NULL,
    uuid pg_catalog.text NOT NULL,
    system_identifier pg_catalog.text,
    database_oid pg_catalog.text,
    endpoint pg_catalog.text NOT NULL,
    marked_at pg_catalog.text NOT NULL,
    marked_by pg_catalog.text NOT NULL
)",
    )
}

/// What an administrator has to do where the role may not make these.
pub(super) fn grant(ledger: &LedgerName, user: &str) -> String {
    let mut schemas = vec![MARK_SCHEMA];
    if ledger.as_str() != MARK_SCHEMA {
        schemas.push(ledger.as_str());
    }
    let user = super::session::identifier(user);
    let sql: Vec<String> = schemas
        .iter()
        .map(|schema| {
            format!(
                "CREATE SCHEMA IF NOT EXISTS {schema}; GRANT ALL ON SCHEMA {schema} TO {user}; \
                 GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {user};"
            )
        })
        .collect();
    format!("let the database's owner run: {}", sql.join(" "))
}

fn make_schema<C: GenericClient>(client: &mut C, name: &str) -> Result<(), postgres::Error> {
    let rows = client.query_typed(
        "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1",
        &[(&name, Type::TEXT)],
    )?;
    if rows.is_empty() {
        client.batch_execute(&format!(
            "CREATE SCHEMA {}",
            super::session::identifier(name)
        ))?;
    }
    Ok(())
}

fn make_table<C: GenericClient>(
    client: &mut C,
    name: &str,
    sql: &str,
) -> Result<(), postgres::Error> {
    let rows = client.query_typed(
        "SELECT pg_catalog.to_regclass($1) IS NULL",
        &[(&name, Type::TEXT)],
    )?;
    if rows.first().is_some_and(|row| row.get(0)) {
        client.batch_execute(sql)?;
    }
    Ok(())
}
