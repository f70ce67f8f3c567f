//! The rows of Lockstep's own tables, as they are written.

use migrations::{LedgerRow, Migration, RowState};
use postgres::types::{ToSql, Type};
use postgres::{GenericClient, Statement};

use super::conditions::{Condition, Conditions};
use crate::writer::state_text;
use crate::{NewSchema, Options, Resolution};

/// What a row of the ledger says beside its migration.
pub(super) struct NewRow<'a> {
    /// Place in the order of the rows, from 1.
    pub(super) position: i64,
    pub(super) state: RowState,
    pub(super) applied_at: &'a str,
    pub(super) duration_ms: i64,
    pub(super) because: Option<&'a str>,
}

/// The statement that writes a row of the ledger, which the server has parsed and planned: that
/// takes twice the time of writing one.
#[derive(Default)]
pub(super) struct RowInsert {
    prepared: Option<(String, Statement)>,
}

impl RowInsert {
    /// The text of what is prepared.
    pub(super) fn prepared(&self) -> Option<&str> {
        self.prepared.as_ref().map(|(sql, _)| sql.as_str())
    }

    /// Lets the server forget it.
    pub(super) fn forget(&mut self) {
        self.prepared = None;
    }

    /// Writes one row of the ledger, under conditions. Returns whether it was written.
    pub(super) fn write<C: GenericClient>(
        &mut self,
        client: &mut C,
        options: &Options,
        migration: &Migration,
        row: &NewRow<'_>,
        conditions: &Conditions,
    ) -> Result<bool, postgres::Error> {
        let table = options.ledger.postgres_table("migrations");
        let sha256 = migrations::hex(&migration.sha256);
        let sha256_tokens = migration
            .sha256_tokens
            .map(|digest| migrations::hex(&digest));
        let state = state_text(row.state);
        let mut values: Vec<(&(dyn ToSql + Sync), Type)> = vec![
            (&migration.version, Type::TEXT),
            (&migration.name, Type::TEXT),
            (&sha256, Type::TEXT),
            (&sha256_tokens, Type::TEXT),
            (&state, Type::TEXT),
            (&row.applied_at, Type::TEXT),
            (&row.duration_ms, Type::INT8),
            (&options.actor, Type::TEXT),
            (&options.run_id, Type::TEXT),
            (&row.because, Type::TEXT),
            (&row.position, Type::INT8),
        ];
        let sql = format!(
            "INSERT INTO {table} (version, name, sha256, sha256_tokens, state, \
                applied_at, duration_ms, applied_by, run_id, because, position) \
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 WHERE true{}",
            and_all(conditions.sql(options, &mut values))
        );
        let (values, types): (Vec<_>, Vec<_>) = values.into_iter().unzip();
        let statement = match self.prepared.take() {
            Some((of, statement)) if of == sql => statement,
            _ => client.prepare_typed(&sql, &types)?,
        };
        let written = client.execute(&statement, &values)?;
        self.prepared = Some((sql, statement));
        Ok(written == 1)
    }
}

/// Ends the row that says `started`, under conditions; how many there were.
pub(super) fn end_row<C: GenericClient>(
    client: &mut C,
    options: &Options,
    version: &str,
    duration_ms: i64,
    conditions: &Conditions,
) -> Result<u64, postgres::Error> {
    let mut values: Vec<(&(dyn ToSql + Sync), Type)> =
        vec![(&version, Type::TEXT), (&duration_ms, Type::INT8)];
    let sql = format!(
        "UPDATE ONLY {} SET state = 'applied', duration_ms = $2 \
         WHERE version = $1 AND state = 'started'{}",
        options.ledger.postgres_table("migrations"),
        and_all(conditions.sql(options, &mut values))
    );
    client.execute_typed(&sql, &values)
}

fn and_all(conditions: Vec<(Condition, String)>) -> String {
    let each = conditions.iter().map(|(_, sql)| format!(" AND {sql}"));
    each.collect()
}

/// The position of the ledger's last row; 0 where there is none.
pub(super) fn last_position<C: GenericClient>(
    client: &mut C,
    options: &Options,
) -> Result<i64, postgres::Error> {
    let rows = client.query_typed(
        &format!(
            "SELECT coalesce(pg_catalog.max(position), 0) FROM ONLY {}",
            options.ledger.postgres_table("migrations")
        ),
        &[],
    )?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

/// Deletes rows that are in the ledger as they are given; how many there were.
pub(super) fn delete<C: GenericClient>(
    client: &mut C,
    options: &Options,
    rows: &[LedgerRow],
) -> Result<usize, postgres::Error> {
    let sql = format!(
        "DELETE FROM ONLY {} WHERE position = $1 AND version = $2 AND sha256 = $3 \
         AND state = $4 AND run_id = $5 AND because IS NOT DISTINCT FROM $6",
        options.ledger.postgres_table("migrations")
    );
    let types = [
        Type::INT8,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
    ];
    let statement = client.prepare_typed(&sql, &types)?;
    let mut deleted = 0;
    for row in rows {
        let sha256 = migrations::hex(&row.sha256);
        let values: [&(dyn ToSql + Sync); 6] = [
            &row.position,
            &row.version,
            &sha256,
            &state_text(row.state),
            &row.run_id,
            &row.because,
        ];
        deleted += client.execute(&statement, &values)?;
    }
    Ok(usize::try_from(deleted).unwrap_or(usize::MAX))
}

/// Deletes the recorded schema.
pub(super) fn delete_schema<C: GenericClient>(
    client: &mut C,
    options: &Options,
) -> Result<u64, postgres::Error> {
    let table = options.ledger.postgres_table("schema");
    client.execute_typed(&format!("DELETE FROM ONLY {table} WHERE id = 1"), &[])
}

/// Ends the dirty row of `version`; how many there were.
pub(super) fn resolve<C: GenericClient>(
    client: &mut C,
    options: &Options,
    version: &str,
    to: Resolution,
    because: &str,
) -> Result<u64, postgres::Error> {
    let table = options.ledger.postgres_table("migrations");
    match to {
        Resolution::Applied => client.execute_typed(
            &format!(
                "UPDATE ONLY {table} SET state = 'applied', because = $2, run_id = $3, \
                    applied_by = $4, applied_at = $5, \
                    duration_ms = greatest(duration_ms, 1) \
                 WHERE version = $1 AND state = 'started'"
            ),
            &[
                (&version, Type::TEXT),
                (&because, Type::TEXT),
                (&options.run_id, Type::TEXT),
                (&options.actor, Type::TEXT),
                (&contract::now(), Type::TEXT),
            ],
        ),
        Resolution::Pending => client.execute_typed(
            &format!("DELETE FROM ONLY {table} WHERE version = $1 AND state = 'started'"),
            &[(&version, Type::TEXT)],
        ),
    }
}

pub(super) fn insert_schema<C: GenericClient>(
    client: &mut C,
    options: &Options,
    schema: &NewSchema,
) -> Result<(), postgres::Error> {
    client.execute_typed(
        &format!(
            "INSERT INTO {} (id, document, ledger_state, recorded_at, run_id) \
             VALUES (1, $1, $2, $3, $4) ON CONFLICT (id) DO UPDATE SET \
             document = excluded.document, ledger_state = excluded.ledger_state, \
             recorded_at = excluded.recorded_at, run_id = excluded.run_id",
            options.ledger.postgres_table("schema")
        ),
        &[
            (&schema.document, Type::TEXT),
            (&schema.ledger_state, Type::TEXT),
            (&contract::now(), Type::TEXT),
            (&options.run_id, Type::TEXT),
        ],
    )?;
    Ok(())
}
