//! What was accepted by reviewed lines, and the recorded schemas that were replaced.

use postgres::GenericClient;
use postgres::types::Type;
use records::LedgerName;

use super::tables::make_table;
use crate::{NewAccepted, Options};

/// Makes the tables where they are missing. A ledger that nothing was accepted in needs none.
pub(super) fn make<C: GenericClient>(
    client: &mut C,
    ledger: &LedgerName,
) -> Result<(), postgres::Error> {
    let accepted = ledger.postgres_table("accepted");
    make_table(
        client,
        &accepted,
        &format!(
            "CREATE TABLE {accepted} (
    position pg_catalog.int8 PRIMARY KEY,
    check_id pg_catalog.text NOT NULL,
    target pg_catalog.text NOT NULL,
    digest pg_catalog.text NOT NULL,
    because pg_catalog.text NOT NULL,
    accepted_at pg_catalog.text NOT NULL,
    accepted_by pg_catalog.text NOT NULL,
    run_id pg_catalog.text NOT NULL
)"
        ),
    )?;
    let history = ledger.postgres_table("schema_history");
    make_table(
        client,
        &history,
        &format!(
            "CREATE TABLE {history} (
    position pg_catalog.int8 PRIMARY KEY,
    document pg_catalog.text NOT NULL,
    ledger_state pg_catalog.text NOT NULL,
    recorded_at pg_catalog.text NOT NULL,
    run_id pg_catalog.text NOT NULL,
    replaced_at pg_catalog.text NOT NULL,
    replaced_by pg_catalog.text NOT NULL,
    replaced_in pg_catalog.text NOT NULL
)"
        ),
    )?;
    Ok(())
}

pub(super) fn insert_accepted<C: GenericClient>(
    client: &mut C,
    options: &Options,
    accepted: &NewAccepted,
) -> Result<(), postgres::Error> {
    let table = options.ledger.postgres_table("accepted");
    client.execute_typed(
        &format!(
            "INSERT INTO {table} (position, check_id, target, digest, because, accepted_at, \
                accepted_by, run_id) \
             SELECT coalesce(pg_catalog.max(position), 0) OPERATOR(pg_catalog.+) 1, \
                $1, $2, $3, $4, $5, $6, $7 FROM ONLY {table}"
        ),
        &[
            (&accepted.check, Type::TEXT),
            (&accepted.target, Type::TEXT),
            (&accepted.digest, Type::TEXT),
            (&accepted.because, Type::TEXT),
            (&contract::now(), Type::TEXT),
            (&options.actor, Type::TEXT),
            (&options.run_id, Type::TEXT),
        ],
    )?;
    Ok(())
}

/// Keeps the recorded schema, where there is one, before another takes its place.
pub(super) fn keep_schema<C: GenericClient>(
    client: &mut C,
    options: &Options,
) -> Result<(), postgres::Error> {
    let history = options.ledger.postgres_table("schema_history");
    client.execute_typed(
        &format!(
            "INSERT INTO {history} (position, document, ledger_state, recorded_at, run_id, \
                replaced_at, replaced_by, replaced_in) \
             SELECT (SELECT coalesce(pg_catalog.max(position), 0) OPERATOR(pg_catalog.+) 1 \
                    FROM ONLY {history}), \
                document, ledger_state, recorded_at, run_id, $1, $2, $3 \
             FROM ONLY {} WHERE id OPERATOR(pg_catalog.=) 1",
            options.ledger.postgres_table("schema")
        ),
        &[
            (&contract::now(), Type::TEXT),
            (&options.actor, Type::TEXT),
            (&options.run_id, Type::TEXT),
        ],
    )?;
    Ok(())
}
