//! A migration outside a transaction, statement by statement; the ledger says `started` first.
//!
//! No lock timeout and no retry: a timed-out `CREATE INDEX CONCURRENTLY` leaves an invalid index
//! that `IF NOT EXISTS` then accepts.

use std::collections::BTreeSet;
use std::time::Instant;

use contract::Class;
use migrations::{LedgerRow, Migration, RowState};
use postgres::SimpleQueryMessage;
use sql::Dialect;

use super::PostgresWriter;
use super::apply::{DEALLOCATE, Next};
use super::conditions::Conditions;
use super::outcome::{cause, is_lost};
use super::rows::{self, NewRow};
use crate::error::stopped;
use crate::writer::{millis, next_position, row_of};
use crate::{Applied, ApplyError, Cause};

/// What completes "cannot" where the pins could not be set.
const READING: &str = "set how the next statement is read";

impl PostgresWriter {
    pub(super) fn apply_by_statement(
        &mut self,
        migration: &Migration,
        ledger: &[LedgerRow],
        say: &mut dyn FnMut(&str),
    ) -> Result<Applied, ApplyError> {
        let began = Instant::now();
        let applied_at = contract::now();
        let position = next_position(ledger);
        self.note_start(migration, ledger, &applied_at, say)?;
        self.forget_prepared();
        let before = self.invalid_indexes().map_err(ApplyError::Dirty)?;
        let stop = self.options.stop.clone();
        let cancellable = stop.cancellable();
        let ran = self.run_statements(migration);
        drop(cancellable);
        let left = self.left_behind(&before, say);
        match (ran, left) {
            (Ok(()), Ok(None)) => {}
            (Ok(()), Ok(Some(left))) => {
                return Err(ApplyError::Dirty(Cause::new(Class::Fail, left)));
            }
            (Ok(()), Err(cause)) => return Err(ApplyError::Dirty(cause)),
            (Err(mut cause), left) => {
                match left {
                    Ok(None) => {}
                    Ok(Some(left)) => cause.message = format!("{}; {left}", cause.message),
                    Err(reading) => {
                        cause.message = format!(
                            "{}; and what it left can't be looked at: {}",
                            cause.message, reading.message
                        );
                    }
                }
                return Err(ApplyError::Dirty(cause));
            }
        }
        // Nothing that hangs on the ledger may run with the end of its row, which is a commit.
        self.check_standing().map_err(|mut cause| {
            cause.message = format!("every statement ran, but {}", cause.message);
            ApplyError::Dirty(cause)
        })?;
        let duration_ms = millis(began);
        let row = row_of(migration, &self.options, position, applied_at, duration_ms);
        self.note_end(ledger, &row, say)
            .map_err(ApplyError::Dirty)?;
        Ok(Applied { row, duration_ms })
    }

    /// Writes the row that says `started`.
    fn note_start(
        &mut self,
        migration: &Migration,
        ledger: &[LedgerRow],
        applied_at: &str,
        say: &mut dyn FnMut(&str),
    ) -> Result<(), ApplyError> {
        let stop = self.options.stop.clone();
        let cancellable = stop.cancellable();
        let noted = self.begin(ledger, Next::Row).and_then(|id| {
            let new = NewRow {
                position: next_position(ledger),
                state: RowState::Started,
                applied_at,
                duration_ms: 0,
                because: None,
            };
            let conditions = Conditions::default().in_transaction(id).after_rows(ledger);
            self.write_row(migration, &new, &conditions)?;
            self.check_standing()
        });
        drop(cancellable);
        if let Err(cause) = noted {
            return Err(self.roll_back(&migration.version, None, cause, say));
        }
        if self.commit(&migration.version, None, say)?.is_some() {
            return Err(ApplyError::Dirty(Cause::new(
                Class::Unavailable,
                "the connection was lost before its first statement, so nothing of it ran",
            )));
        }
        self.tables_are_there();
        Ok(())
    }

    fn run_statements(&mut self, migration: &Migration) -> Result<(), Cause> {
        let script = sql::parse(Dialect::Postgres, &migration.up);
        let prepare = format!("SET lock_timeout = 0; {}", self.path_of_files);
        self.client_batch("prepare the session", &prepare)?;
        // Whether triggers fire is the file's own matter from statement to statement, as it is within
        // a transaction.
        let pins = sql::reading_pins();
        for (at, statement) in script.statements.iter().enumerate() {
            if self.options.stop.asked() {
                return Err(stopped());
            }
            let line = Some(migration.up_line + statement.line - 1);
            // A statement before it may have changed by code how the server reads this one. Behind one
            // that failed there is none, so no transaction of the file's has failed here, and any error
            // says that the text is not known to be read as it was.
            if at > 0
                && let Err(error) = self.link.client.batch_execute(&pins)
            {
                self.note_loss_in(&error);
                return Err(self.stopped_or(READING, error).at(line));
            }
            let text = &migration.up[statement.range.clone()];
            if let Err(error) = self.link.client.batch_execute(text) {
                self.note_loss_in(&error);
                let mut cause = self.in_file(migration, statement.range.start, error);
                // Few errors name a place; which statement it was is known in any case.
                cause.line = cause.line.or(line);
                return Err(cause);
            }
        }
        Ok(())
    }

    fn note_loss_in(&mut self, error: &postgres::Error) {
        if is_lost(&self.link, error) {
            self.note_loss();
        }
    }

    /// What the statements left behind that they should not have, in words. Makes the session as
    /// new.
    fn left_behind(
        &mut self,
        before: &BTreeSet<String>,
        say: &mut dyn FnMut(&str),
    ) -> Result<Option<String>, Cause> {
        self.recover(say).map_err(Cause::from)?;
        let mut left = Vec::new();
        if self.transaction_is_open() {
            self.client_batch("roll the file's own transaction back", "ROLLBACK")?;
            left.push("left its own transaction open, which was rolled back".to_owned());
        }
        let reset = format!("{DEALLOCATE}{}", self.reset);
        self.client_batch("make the session as new", &reset)?;
        let now = self.invalid_indexes()?;
        let new: Vec<&str> = now.difference(before).map(String::as_str).collect();
        if !new.is_empty() {
            left.push(format!(
                "left behind an index that is invalid: {}; drop it before the file is tried again",
                new.join(", ")
            ));
        }
        Ok((!left.is_empty()).then(|| left.join("; ")))
    }

    /// Outside a transaction, one begins with each statement. An error means one that has failed.
    fn transaction_is_open(&mut self) -> bool {
        let asked = self.link.client.simple_query(
            "SELECT pg_catalog.now() OPERATOR(pg_catalog.=) pg_catalog.statement_timestamp()",
        );
        !asked.is_ok_and(|messages| {
            messages.iter().any(
                |message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("t")),
            )
        })
    }

    /// Ends the row that says `started`, if `ledger` and this row are all that there is. What ran
    /// in between was committed statement by statement, also what it did to mark, ledger and lock.
    fn note_end(
        &mut self,
        ledger: &[LedgerRow],
        row: &LedgerRow,
        say: &mut dyn FnMut(&str),
    ) -> Result<(), Cause> {
        let mut rows = ledger.to_vec();
        rows.push(LedgerRow {
            state: RowState::Started,
            ..row.clone()
        });
        let conditions = Conditions::default()
            .under_lock(self.lock_key)
            .under_mark(self.judged.as_ref())
            .after_rows(&rows);
        let updated = rows::end_row(
            &mut self.link.client,
            &self.options,
            &row.version,
            row.duration_ms,
            &conditions,
        );
        let mut failed = match updated {
            Ok(1) => return Ok(()),
            Ok(_) => self.why_not_written(&conditions),
            Err(error) => {
                let lost = is_lost(&self.link, &error);
                let failed = cause("end the ledger's row", error);
                if lost
                    && let Ok(Some(row)) = self.what_was_left(&row.version, say)
                    && row.state == RowState::Applied
                {
                    return Ok(());
                }
                failed
            }
        };
        failed.message = format!("every statement ran, but {}", failed.message);
        Err(failed)
    }

    /// The indexes that are invalid, without those that another session is at work on: it holds its
    /// lock on the table for as long as it builds one concurrently.
    fn invalid_indexes(&mut self) -> Result<BTreeSet<String>, Cause> {
        let rows = self
            .link
            .client
            .query_typed(
                "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) \
                 FROM pg_catalog.pg_index i \
                 JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE NOT i.indisvalid AND c.relkind = 'i' \
                 AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_locks l \
                    JOIN pg_catalog.pg_stat_progress_create_index p ON p.pid = l.pid \
                    JOIN pg_catalog.pg_database d ON d.oid = l.database \
                    WHERE l.locktype = 'relation' AND l.granted AND l.relation = i.indrelid \
                    AND l.mode = 'ShareUpdateExclusiveLock' \
                    AND d.datname = pg_catalog.current_database() \
                    AND l.pid <> pg_catalog.pg_backend_pid())",
                &[],
            )
            .map_err(|error| cause("look for invalid indexes", error))?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}
