//! A migration outside a transaction, statement by statement; the ledger says `started` first.

use std::time::Instant;

use contract::Class;
use migrations::{LedgerRow, Migration, RowState};

use super::SqliteWriter;
use super::apply::{Shape, damaged};
use super::foreign_keys::Violations;
use super::reach::Reach;
use super::schema_table::SchemaTable;
use super::tables::{self, NewRow};
use crate::writer::{millis, next_position, row_of};
use crate::{Applied, ApplyError, Cause};

/// What there was before the file.
struct Before {
    violations: Violations,
    shape: Shape,
    /// Where the file can write it.
    table: Option<SchemaTable>,
}

impl SqliteWriter {
    pub(super) fn apply_by_statement(
        &mut self,
        migration: &Migration,
        reach: &Reach,
        ledger: &[LedgerRow],
        say: &mut dyn FnMut(&str),
    ) -> Result<Applied, ApplyError> {
        self.begin(say)?;
        let began = Instant::now();
        let applied_at = contract::now();
        let noted = self.note_start(migration, reach, ledger, &applied_at);
        let (position, before) = match noted {
            Ok(noted) => noted,
            Err(cause) => return Err(self.roll_back(cause)),
        };
        if let Err(error) = self.patiently("COMMIT") {
            self.after_failed_commit(migration, &error)?;
        }
        self.tables_are_there();
        self.seen = None;
        let stop = self.options.stop.clone();
        let cancellable = stop.cancellable();
        let ran = self.run(migration);
        drop(cancellable);
        if !self.connection.is_autocommit() {
            let mut cause = Cause::new(
                Class::Fail,
                "the file left its own transaction open, which was rolled back",
            );
            if let Err(failed) = ran {
                cause.line = failed.line;
                cause.message = format!("{}; {}", failed.message, cause.message);
            }
            let _ = self.connection.execute_batch("ROLLBACK");
            return Err(ApplyError::Dirty(cause));
        }
        // What its triggers wrote is committed; a file in a transaction is rolled back for it.
        let _written = ran.map_err(ApplyError::Dirty)?;
        if reach.schema_table {
            self.read_anew().map_err(ApplyError::Dirty)?;
        }
        // Its settings, which no transaction holds any more, go with the session.
        self.renew()
            .map_err(|error| ApplyError::Dirty(error.into()))?;
        self.is_sound(&before, migration)
            .map_err(ApplyError::Dirty)?;
        let duration_ms = millis(began);
        let row = row_of(migration, &self.options, position, applied_at, duration_ms);
        self.note_end(ledger, &row).map_err(ApplyError::Dirty)?;
        Ok(Applied { row, duration_ms })
    }

    /// Writes the row that says `started`.
    fn note_start(
        &self,
        migration: &Migration,
        reach: &Reach,
        ledger: &[LedgerRow],
        applied_at: &str,
    ) -> Result<(i64, Before), Cause> {
        let failed = |error: rusqlite::Error| self.engine(&error);
        self.own_tables()?;
        self.ends_with(ledger.last())?;
        self.mark_is_judged()?;
        self.ledger_is(ledger)?;
        let shape = self.shape(None).map_err(failed)?;
        let before = Before {
            violations: self.violations(&shape).map_err(failed)?,
            shape,
            table: match reach.schema_table {
                true => Some(SchemaTable::read(&self.connection).map_err(failed)?),
                false => None,
            },
        };
        let position = next_position(ledger);
        let new = NewRow {
            position,
            state: RowState::Started,
            applied_at,
            duration_ms: 0,
            because: None,
        };
        self.write_row(migration, &new)?;
        Ok((position, before))
    }

    /// What the file left fits what there was: what its statements did is committed already.
    fn is_sound(&self, before: &Before, migration: &Migration) -> Result<(), Cause> {
        let failed = |error: rusqlite::Error| self.engine(&error);
        if let Some(table) = &before.table
            && let Some(damage) = table.damage(&self.connection).map_err(failed)?
        {
            return Err(damaged(damage));
        }
        let after = self.shape(Some(&before.shape)).map_err(failed)?;
        self.is_kept(&before.shape, &after, migration)?;
        let violations = self.violations(&after).map_err(failed)?;
        match violations.new_since(&before.violations) {
            None => Ok(()),
            Some(new) => Err(Cause::new(Class::Fail, new)),
        }
    }

    /// Ends the row that says `started`, if `ledger` and this row are all that there is. What ran
    /// in between was committed statement by statement, also what it did to mark and ledger.
    fn note_end(&mut self, ledger: &[LedgerRow], row: &LedgerRow) -> Result<(), Cause> {
        let mut rows = ledger.to_vec();
        rows.push(LedgerRow {
            state: RowState::Started,
            duration_ms: 0,
            ..row.clone()
        });
        let failed = |error: rusqlite::Error| self.engine(&error);
        let ended = self
            .patiently("BEGIN IMMEDIATE")
            .map_err(failed)
            .and_then(|()| {
                self.ledger_is(&rows)?;
                let (connection, options) = (&self.connection, &self.options);
                tables::end_row(connection, options, &row.version, row.duration_ms)
                    .map_err(failed)?;
                self.mark_is_judged()?;
                self.patiently("COMMIT").map_err(failed)
            });
        ended.map_err(|mut cause| {
            if !self.connection.is_autocommit() {
                // What can't be rolled back is rolled back by whoever opens the file next.
                let _ = self.connection.execute_batch("ROLLBACK");
            }
            cause.message = format!("every statement ran, but {}", cause.message);
            cause
        })
    }
}
