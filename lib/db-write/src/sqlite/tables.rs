//! Lockstep's own tables on SQLite, and their rows as they are written.

use std::path::Path;

use migrations::{LedgerRow, Migration, RowState};
use records::{
    LedgerName, Mark, Place, SQLITE_ENVIRONMENT, SQLITE_ENVIRONMENT_ADDED, SQLITE_LEDGER_FORMAT,
    SQLITE_MIGRATIONS, SQLITE_SCHEMA, SqliteRecords,
};
use rusqlite::{Connection, OptionalExtension as _};
use settings::file::Terms;

use super::Broken;
use crate::error::{sqlite_code, sqlite_words};
use crate::writer::state_text;
use crate::{Error, NewMark, NewSchema, Options, Resolution};

/// The statement that makes the mark's table.
fn mark_table() -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS main.lockstep_environment {}",
        SQLITE_ENVIRONMENT
    )
}

/// Makes the mark's table where it is missing, and gives it the format of this program: what a
/// table is made of is what one of the first format is upgraded with.
/// One that is upgraded stores `terms`.
pub(super) fn make_mark(
    connection: &Connection,
    terms: Option<&Terms>,
) -> Result<(), rusqlite::Error> {
    connection.execute_batch(&mark_table())?;
    for (column, definition) in SQLITE_ENVIRONMENT_ADDED {
        let there = connection
            .prepare(
                "SELECT 1 FROM pragma_table_info('lockstep_environment', 'main') WHERE name = ?1",
            )?
            .exists([column])?;
        if !there {
            connection.execute_batch(&format!(
                "ALTER TABLE main.lockstep_environment ADD COLUMN {column} {definition}"
            ))?;
        }
    }
    connection.execute(
        "UPDATE main.lockstep_environment SET format = ?1, lockstep = ?2, terms = ?3 \
         WHERE format < ?1",
        (
            records::MARK_FORMAT,
            env!("CARGO_PKG_VERSION"),
            terms.and_then(|terms| serde_json::to_string(terms).ok()),
        ),
    )?;
    Ok(())
}

/// Makes the ledger's tables where they are missing, and gives them the format of this program.
pub(super) fn make_ledger(
    connection: &Connection,
    ledger: &LedgerName,
) -> Result<(), rusqlite::Error> {
    connection.execute_batch(&ledger_sql(ledger))?;
    let format = ledger.sqlite_table("ledger_format");
    connection.execute(
        &format!(
            "INSERT INTO main.\"{format}\" (id, format, lockstep) VALUES (1, ?1, ?2) \
             ON CONFLICT (id) DO UPDATE SET format = excluded.format, lockstep = excluded.lockstep \
             WHERE format < excluded.format"
        ),
        (records::LEDGER_FORMAT, env!("CARGO_PKG_VERSION")),
    )?;
    Ok(())
}

/// The statements that make the ledger's tables.
fn ledger_sql(ledger: &LedgerName) -> String {
    let tables = [
        ("migrations", SQLITE_MIGRATIONS),
        ("schema", SQLITE_SCHEMA),
        ("ledger_format", SQLITE_LEDGER_FORMAT),
    ];
    tables
        .map(|(table, columns)| {
            let table = ledger.sqlite_table(table);
            format!("CREATE TABLE IF NOT EXISTS main.\"{table}\" {columns};\n")
        })
        .concat()
}

/// Writes the mark in place of `surveyed`, and in place of nothing else, makes its table where there
/// is none, and reads it back.
pub(super) fn write_mark(
    connection: &Connection,
    options: &Options,
    path: &Path,
    mark: &NewMark,
    surveyed: Option<&Mark>,
) -> Result<(), Broken> {
    let not_kept = |why: String| {
        Broken::from(Error::MarkNotKept {
            target: path.display().to_string(),
            why,
            table: "lockstep_environment",
        })
    };
    let kind: Option<String> = connection
        .query_row(
            "SELECT type FROM main.sqlite_schema WHERE type IN ('table', 'view') \
             AND name LIKE 'lockstep\\_environment' ESCAPE '\\'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(kind) = kind.filter(|kind| kind != "table") {
        return Err(not_kept(format!("lockstep_environment is a {kind}")));
    }
    let written = put_mark(connection, options, path, mark, surveyed);
    let written = match written {
        // Our own statements are right where the table is the one that we make.
        Err(error)
            if matches!(
                sqlite_code(&error),
                Some(rusqlite::ErrorCode::Unknown | rusqlite::ErrorCode::ConstraintViolation)
            ) =>
        {
            return Err(not_kept(sqlite_words(&error)));
        }
        written => written?,
    };
    let found = SqliteRecords::new(connection, &options.ledger)
        .mark()
        .map_err(Error::from)?;
    let Some(differs) = mark.differs_from(found.as_ref(), &Place::sqlite(path)) else {
        return Ok(());
    };
    let uuid = |mark: Option<&Mark>| mark.map(|mark| mark.uuid.clone());
    if !written && uuid(found.as_ref()) != uuid(surveyed) {
        return Err(Error::MarkChanged.into());
    }
    Err(not_kept(differs))
}

/// Whether it was written.
fn put_mark(
    connection: &Connection,
    options: &Options,
    path: &Path,
    mark: &NewMark,
    surveyed: Option<&Mark>,
) -> Result<bool, rusqlite::Error> {
    make_mark(connection, options.terms.as_ref())?;
    let terms = mark.stored_terms();
    let endpoint = Place::sqlite(path).endpoint;
    let now = contract::now();
    let written = match surveyed {
        None => connection.execute(
            "INSERT INTO main.lockstep_environment \
             (id, name, protected, uuid, endpoint, marked_at, marked_by, format, lockstep, \
              terms) VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (id) DO NOTHING",
            (
                &mark.environment,
                mark.protected,
                &mark.uuid,
                endpoint,
                now,
                &options.actor,
                records::MARK_FORMAT,
                env!("CARGO_PKG_VERSION"),
                &terms,
            ),
        ),
        Some(surveyed) => connection.execute(
            "UPDATE main.lockstep_environment SET name = ?1, protected = ?2, uuid = ?3, endpoint = ?4, \
             marked_at = ?5, marked_by = ?6, lockstep = ?7, terms = ?8 \
             WHERE id = 1 AND name = ?9 AND protected = ?10 AND uuid = ?11",
            (
                &mark.environment,
                mark.protected,
                &mark.uuid,
                endpoint,
                now,
                &options.actor,
                env!("CARGO_PKG_VERSION"),
                &terms,
                &surveyed.environment,
                surveyed.protected,
                &surveyed.uuid,
            ),
        ),
    }?;
    Ok(written == 1)
}

/// Whether the database carries this mark.
pub(super) fn has_mark(connection: &Connection, mark: &NewMark) -> Result<bool, rusqlite::Error> {
    connection
        .prepare_cached(
            "SELECT 1 FROM main.lockstep_environment \
             WHERE id = 1 AND name = ?1 AND protected = ?2 AND uuid = ?3 AND terms IS ?4",
        )?
        .exists((
            &mark.environment,
            mark.protected,
            &mark.uuid,
            mark.stored_terms(),
        ))
}

/// What a row of the ledger says beside its migration.
pub(super) struct NewRow<'a> {
    /// Place in the order of the rows, from 1.
    pub(super) position: i64,
    pub(super) state: RowState,
    pub(super) applied_at: &'a str,
    pub(super) duration_ms: i64,
    pub(super) because: Option<&'a str>,
}

/// Writes one row of the ledger; whether it was written.
pub(super) fn insert_row(
    connection: &Connection,
    options: &Options,
    migration: &Migration,
    row: &NewRow<'_>,
) -> Result<bool, rusqlite::Error> {
    let table = options.ledger.sqlite_table("migrations");
    let written = connection
        .prepare_cached(&format!(
            "INSERT INTO main.\"{table}\" (position, version, name, sha256, sha256_tokens, state, \
             applied_at, duration_ms, applied_by, run_id, because) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
        ))?
        .execute((
            row.position,
            &migration.version,
            &migration.name,
            migrations::hex(&migration.sha256),
            migration
                .sha256_tokens
                .map(|digest| migrations::hex(&digest)),
            state_text(row.state),
            row.applied_at,
            row.duration_ms,
            &options.actor,
            &options.run_id,
            row.because,
        ))?;
    Ok(written == 1)
}

/// The position of the ledger's last row; 0 where there is none.
pub(super) fn last_position(
    connection: &Connection,
    options: &Options,
) -> Result<i64, rusqlite::Error> {
    connection.query_row(
        &format!(
            "SELECT coalesce(max(position), 0) FROM main.\"{}\"",
            options.ledger.sqlite_table("migrations")
        ),
        [],
        |row| row.get(0),
    )
}

/// Ends the row of a file that ran to its end outside a transaction; how many there were.
pub(super) fn end_row(
    connection: &Connection,
    options: &Options,
    version: &str,
    duration_ms: i64,
) -> Result<usize, rusqlite::Error> {
    connection.execute(
        &format!(
            "UPDATE main.\"{}\" SET state = 'applied', duration_ms = ?2 \
             WHERE version = ?1 AND state = 'started'",
            options.ledger.sqlite_table("migrations")
        ),
        (version, duration_ms),
    )
}

/// Deletes rows that are in the ledger as they are given; how many there were.
pub(super) fn delete_rows(
    connection: &Connection,
    options: &Options,
    rows: &[LedgerRow],
) -> Result<usize, rusqlite::Error> {
    let mut statement = connection.prepare(&format!(
        "DELETE FROM main.\"{}\" WHERE position = ?1 AND version = ?2 AND sha256 = ?3 \
         AND state = ?4 AND run_id = ?5 AND because IS ?6",
        options.ledger.sqlite_table("migrations")
    ))?;
    let mut deleted = 0;
    for row in rows {
        deleted += statement.execute((
            row.position,
            &row.version,
            migrations::hex(&row.sha256),
            state_text(row.state),
            &row.run_id,
            &row.because,
        ))?;
    }
    Ok(deleted)
}

/// Deletes the recorded schema.
pub(super) fn delete_schema(
    connection: &Connection,
    options: &Options,
) -> Result<usize, rusqlite::Error> {
    let table = options.ledger.sqlite_table("schema");
    connection.execute(&format!("DELETE FROM main.\"{table}\" WHERE id = 1"), [])
}

/// Ends the dirty row of `version`; how many there were.
pub(super) fn resolve(
    connection: &Connection,
    options: &Options,
    version: &str,
    to: Resolution,
    because: &str,
) -> Result<usize, rusqlite::Error> {
    let table = options.ledger.sqlite_table("migrations");
    match to {
        Resolution::Applied => connection.execute(
            &format!(
                "UPDATE main.\"{table}\" SET state = 'applied', because = ?2, run_id = ?3, \
                 applied_by = ?4, applied_at = ?5, duration_ms = max(duration_ms, 1) \
                 WHERE version = ?1 AND state = 'started'"
            ),
            (
                version,
                because,
                &options.run_id,
                &options.actor,
                contract::now(),
            ),
        ),
        Resolution::Pending => connection.execute(
            &format!("DELETE FROM main.\"{table}\" WHERE version = ?1 AND state = 'started'"),
            [version],
        ),
    }
}

pub(super) fn insert_schema(
    connection: &Connection,
    options: &Options,
    schema: &NewSchema,
) -> Result<(), rusqlite::Error> {
    connection.execute(
        &format!(
            "INSERT OR REPLACE INTO main.\"{}\" (id, document, ledger_state, recorded_at, run_id) \
             VALUES (1, ?1, ?2, ?3, ?4)",
            options.ledger.sqlite_table("schema")
        ),
        (
            &schema.document,
            &schema.ledger_state,
            contract::now(),
            &options.run_id,
        ),
    )?;
    Ok(())
}
