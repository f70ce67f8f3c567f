//! What was accepted by reviewed lines, and the recorded schemas that were replaced.

use records::{LedgerName, SQLITE_ACCEPTED, SQLITE_SCHEMA_HISTORY};
use rusqlite::Connection;

use crate::{NewAccepted, Options};

/// Makes the tables where they are missing. A ledger that nothing was accepted in needs none.
pub(super) fn make(connection: &Connection, ledger: &LedgerName) -> Result<(), rusqlite::Error> {
    for (table, columns) in [
        ("accepted", SQLITE_ACCEPTED),
        ("schema_history", SQLITE_SCHEMA_HISTORY),
    ] {
        let table = ledger.sqlite_table(table);
        connection.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS main.\"{table}\" {columns}"
        ))?;
    }
    Ok(())
}

pub(super) fn insert_accepted(
    connection: &Connection,
    options: &Options,
    accepted: &NewAccepted,
) -> Result<(), rusqlite::Error> {
    connection.execute(
        &format!(
            "INSERT INTO main.\"{}\" (check_id, target, digest, because, accepted_at, accepted_by, \
             run_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            options.ledger.sqlite_table("accepted")
        ),
        (
            &accepted.check,
            &accepted.target,
            &accepted.digest,
            &accepted.because,
            contract::now(),
            &options.actor,
            &options.run_id,
        ),
    )?;
    Ok(())
}

/// Keeps the recorded schema, where there is one, before another takes its place.
pub(super) fn keep_schema(
    connection: &Connection,
    options: &Options,
) -> Result<(), rusqlite::Error> {
    connection.execute(
        &format!(
            "INSERT INTO main.\"{}\" (document, ledger_state, recorded_at, run_id, replaced_at, \
             replaced_by, replaced_in) \
             SELECT document, ledger_state, recorded_at, run_id, ?1, ?2, ?3 \
             FROM main.\"{}\" WHERE id = 1",
            options.ledger.sqlite_table("schema_history"),
            options.ledger.sqlite_table("schema"),
        ),
        (contract::now(), &options.actor, &options.run_id),
    )?;
    Ok(())
}
