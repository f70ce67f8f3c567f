//! A migration outside a transaction, statement by statement; the ledger says `started` first.

use std::time::Instant;

use contract::Class;
use migrations::{LedgerRow, Migration, RowState};

use super::SqliteWriter;
use super::foreign_keys::Violations;
use super::tables::{self, NewRow};
use crate::writer::{millis, row_of};
use crate::{Applied, ApplyError, Cause};

impl SqliteWriter {
    pub(super) fn apply_by_statement(
        &mut self,
        migration: &Migration,
        last: Option<&LedgerRow>,
        say: &mut dyn FnMut(&str),
    ) -> Result<Applied, ApplyError> {
        self.begin(say)?;
        let began = Instant::now();
        let applied_at = contract::now();
        let noted = self.note_start(migration, last, &applied_at);
        let (position, before) = match noted {
            Ok(noted) => noted,
            Err(cause) => return Err(self.roll_back(cause)),
        };
        if let Err(error) = self.patiently("COMMIT") {
            self.after_failed_commit(migration, &error)?;
        }
        self.ledger_there = true;
        self.mark_with_first = None;
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
        ran.map_err(ApplyError::Dirty)?;
        let after = Violations::find(&self.connection)
            .map_err(|error| ApplyError::Dirty(self.engine(&error)))?;
        if let Some(new) = after.new_since(&before) {
            return Err(ApplyError::Dirty(Cause::new(Class::Fail, new)));
        }
        let duration_ms = millis(began);
        self.note_end(migration, duration_ms)
            .map_err(ApplyError::Dirty)?;
        Ok(Applied {
            row: row_of(migration, &self.options, position, applied_at, duration_ms),
            duration_ms,
        })
    }

    /// Writes the row that says `started`.
    fn note_start(
        &self,
        migration: &Migration,
        last: Option<&LedgerRow>,
        applied_at: &str,
    ) -> Result<(i64, Violations), Cause> {
        let failed = |error: rusqlite::Error| self.engine(&error);
        self.own_tables().map_err(failed)?;
        self.ends_with(last)?;
        let violations = Violations::find(&self.connection).map_err(failed)?;
        let new = NewRow {
            state: RowState::Started,
            applied_at,
            duration_ms: 0,
            because: None,
        };
        let position =
            tables::insert_row(&self.connection, &self.options, migration, &new).map_err(failed)?;
        Ok((position, violations))
    }

    /// Ends the row that says `started`.
    fn note_end(&self, migration: &Migration, duration_ms: i64) -> Result<(), Cause> {
        let updated = self.connection.execute(
            &format!(
                "UPDATE \"{}\" SET state = 'applied', duration_ms = ?2 \
                 WHERE version = ?1 AND state = 'started'",
                self.options.ledger.sqlite_table("migrations")
            ),
            (&migration.version, duration_ms),
        );
        let why = match updated {
            Ok(1) => return Ok(()),
            Ok(_) => "its row is gone from the ledger".to_owned(),
            Err(error) => format!("its row can't be ended: {}", self.engine(&error).message),
        };
        Err(Cause::new(
            Class::Fail,
            format!("every statement ran, but {why}"),
        ))
    }
}
