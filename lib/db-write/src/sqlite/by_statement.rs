//! A migration outside a transaction, statement by statement; the ledger says `started` first.

use std::time::Instant;

use contract::Class;
use migrations::{LedgerRow, Migration, RowState};

use super::SqliteWriter;
use super::census::OwnObjects;
use super::foreign_keys::Violations;
use super::tables::{self, NewRow};
use crate::writer::{millis, next_position, row_of};
use crate::{Applied, ApplyError, Cause};

impl SqliteWriter {
    pub(super) fn apply_by_statement(
        &mut self,
        migration: &Migration,
        ledger: &[LedgerRow],
        say: &mut dyn FnMut(&str),
    ) -> Result<Applied, ApplyError> {
        self.begin(say)?;
        let began = Instant::now();
        let applied_at = contract::now();
        let noted = self.note_start(migration, ledger, &applied_at);
        let (position, own, before) = match noted {
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
        let after = Violations::find(&self.connection)
            .map_err(|error| ApplyError::Dirty(self.engine(&error)))?;
        if let Some(new) = after.new_since(&before) {
            return Err(ApplyError::Dirty(Cause::new(Class::Fail, new)));
        }
        let duration_ms = millis(began);
        let row = row_of(migration, &self.options, position, applied_at, duration_ms);
        self.note_end(&own, ledger, &row)
            .map_err(ApplyError::Dirty)?;
        Ok(Applied { row, duration_ms })
    }

    /// Writes the row that says `started`.
    fn note_start(
        &self,
        migration: &Migration,
        ledger: &[LedgerRow],
        applied_at: &str,
    ) -> Result<(i64, OwnObjects, Violations), Cause> {
        let failed = |error: rusqlite::Error| self.engine(&error);
        self.own_tables().map_err(failed)?;
        self.ends_with(ledger.last())?;
        let own = self.own_objects()?;
        self.records_are(&own, ledger)?;
        let violations = Violations::find(&self.connection).map_err(failed)?;
        let position = next_position(ledger);
        let new = NewRow {
            position,
            state: RowState::Started,
            applied_at,
            duration_ms: 0,
            because: None,
        };
        self.write_row(migration, &new)?;
        Ok((position, own, violations))
    }

    /// Ends the row that says `started`, if `ledger` and this row are all that there is. What ran
    /// in between was committed statement by statement, also what it did to mark and ledger.
    fn note_end(
        &mut self,
        own: &OwnObjects,
        ledger: &[LedgerRow],
        row: &LedgerRow,
    ) -> Result<(), Cause> {
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
                self.records_are(own, &rows)?;
                tables::end_row(
                    &self.connection,
                    &self.options,
                    &row.version,
                    row.duration_ms,
                )
                .and_then(|_| self.patiently("COMMIT"))
                .map_err(failed)
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
