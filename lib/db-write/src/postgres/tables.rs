//! Lockstep's own schema and tables on PostgreSQL, made where they are missing.
//!
//! Each is looked for first: `CREATE SCHEMA IF NOT EXISTS` asks for the right to create one even
//! where it exists, and a role that deploys need not have that right.

use postgres::GenericClient;
use postgres::types::Type;
use records::{LedgerName, Outdated, Own};
use settings::file::Terms;

use crate::Options;

const MARK_SCHEMA: &str = "lockstep";

/// The columns that later formats of the mark added to its first.
const MARK_ADDED: [(&str, &str); 3] = [
    ("format", "pg_catalog.int4 NOT NULL DEFAULT 1"),
    ("lockstep", "pg_catalog.text NOT NULL DEFAULT ''"),
    ("terms", "pg_catalog.text"),
];

/// Makes the ledger's schema and tables where they are missing, and gives them the format of this
/// program; whether one was missing.
pub(super) fn make_ledger<C: GenericClient>(
    client: &mut C,
    ledger: &LedgerName,
) -> Result<bool, postgres::Error> {
    make_schema(client, ledger.as_str())?;
    let migrations = ledger.postgres_table("migrations");
    let made = make_table(
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
    let record_made = make_table(
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
    )?;
    let format = ledger.postgres_table("ledger_format");
    let format_made = make_table(
        client,
        &format,
        &format!(
            "CREATE TABLE {format} (
    id pg_catalog.int4 PRIMARY KEY CHECK (id OPERATOR(pg_catalog.=) 1),
    format pg_catalog.int4 NOT NULL,
    lockstep pg_catalog.text NOT NULL
)"
        ),
    )?;
    client.execute_typed(
        &format!(
            "INSERT INTO {format} AS f (id, format, lockstep) VALUES (1, $1, $2) \
             ON CONFLICT (id) DO UPDATE \
             SET format = excluded.format, lockstep = excluded.lockstep \
             WHERE f.format OPERATOR(pg_catalog.<) excluded.format"
        ),
        &[
            (&records::LEDGER_FORMAT, Type::INT4),
            (&env!("CARGO_PKG_VERSION"), Type::TEXT),
        ],
    )?;
    Ok(made || record_made || format_made)
}

/// Makes the mark's schema and table where they are missing, and gives them the format of this
/// program: what a table is made of is what one of the first format is upgraded with.
/// One that is upgraded stores `terms`.
pub(super) fn make_mark<C: GenericClient>(
    client: &mut C,
    terms: Option<&Terms>,
) -> Result<(), postgres::Error> {
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
    )?;
    let rows = client.query_typed(
        "SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute a \
         JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) a.attrelid \
         WHERE a.attrelid OPERATOR(pg_catalog.=) \
            pg_catalog.to_regclass('\"lockstep\".\"environment\"') AND NOT a.attisdropped \
            AND c.relkind IN ('r', 'p')",
        &[],
    )?;
    if rows.is_empty() {
        // Something else has the name. Who writes the mark says so.
        return Ok(());
    }
    // Looked for first: only the table's owner may ask for a column, also for one that is there.
    let there: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    for (column, definition) in MARK_ADDED {
        if !there.iter().any(|known| known == column) {
            client.batch_execute(&add_to_mark(column, definition))?;
        }
    }
    let terms = terms.and_then(|terms| serde_json::to_string(terms).ok());
    client.execute_typed(
        "UPDATE ONLY \"lockstep\".\"environment\" SET format = $1, lockstep = $2, terms = $3 \
         WHERE format OPERATOR(pg_catalog.<) $1",
        &[
            (&records::MARK_FORMAT, Type::INT4),
            (&env!("CARGO_PKG_VERSION"), Type::TEXT),
            (&terms, Type::TEXT),
        ],
    )?;
    Ok(())
}

/// Upgrades what an earlier release wrote.
pub(super) fn upgrade<C: GenericClient>(
    client: &mut C,
    options: &Options,
    outdated: &[Outdated],
) -> Result<(), postgres::Error> {
    for outdated in outdated {
        match outdated.what {
            Own::Mark => make_mark(client, options.terms.as_ref())?,
            Own::Ledger => {
                make_ledger(client, &options.ledger)?;
            }
        }
    }
    Ok(())
}

fn add_to_mark(column: &str, definition: &str) -> String {
    format!(
        "ALTER TABLE \"lockstep\".\"environment\" ADD COLUMN IF NOT EXISTS {column} {definition}"
    )
}

/// What an administrator has to do where the role may not make these, or may not upgrade those that
/// are `outdated`.
pub(super) fn grant(ledger: &LedgerName, user: &str, outdated: &[Outdated]) -> String {
    let mut schemas = vec![MARK_SCHEMA];
    if ledger.as_str() != MARK_SCHEMA {
        schemas.push(ledger.as_str());
    }
    let user = super::session::identifier(user);
    let mut sql: Vec<String> = schemas
        .iter()
        .map(|schema| {
            format!(
                "CREATE SCHEMA IF NOT EXISTS {schema}; GRANT ALL ON SCHEMA {schema} TO {user}; \
                 GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {user};"
            )
        })
        .collect();
    // The ledger's upgrade is a table of the role's own.
    if outdated.iter().any(|outdated| outdated.what == Own::Mark) {
        let added = MARK_ADDED.map(|(column, definition)| add_to_mark(column, definition));
        sql.push(format!("{};", added.join("; ")));
    }
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

pub(super) fn make_table<C: GenericClient>(
    client: &mut C,
    name: &str,
    sql: &str,
) -> Result<bool, postgres::Error> {
    let rows = client.query_typed(
        "SELECT pg_catalog.to_regclass($1) IS NULL",
        &[(&name, Type::TEXT)],
    )?;
    let missing = rows.first().is_some_and(|row| row.get(0));
    if missing {
        client.batch_execute(sql)?;
    }
    Ok(missing)
}
