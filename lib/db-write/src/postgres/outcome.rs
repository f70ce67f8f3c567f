//! How a migration's transaction ended: by our word, by the server's, or by a lost connection.

use contract::Class;
use db_connect::{Link, StatementError, is_unreachable};
use migrations::LedgerRow;
use postgres::error::{Severity, SqlState};

use super::PostgresWriter;
use super::apply::DEALLOCATE;
use crate::{ApplyError, Cause, Writer as _};

/// Whether the session ended with this error, so that it does not say what became of the
/// transaction: a server that shuts down while a COMMIT waits for its standby has committed.
pub(super) fn is_lost(link: &Link, error: &postgres::Error) -> bool {
    let fatal = error.as_db_error().is_some_and(|said| {
        matches!(
            said.parsed_severity(),
            Some(Severity::Fatal | Severity::Panic)
        )
    });
    fatal || is_unreachable(error) || link.client.is_closed()
}

/// The cause that a server's or a connection's error is. A server that understood and refused has
/// answered: the answer is no.
pub(super) fn cause(act: &str, error: postgres::Error) -> Cause {
    let refused = error.as_db_error().is_some_and(|said| {
        !matches!(
            said.parsed_severity(),
            Some(Severity::Fatal | Severity::Panic)
        )
    });
    let code = error.code().cloned();
    let mut cause = Cause::from(StatementError::new(act, error));
    match code {
        // The other side of a deadlock and of a serialization conflict has gone on meanwhile.
        Some(SqlState::T_R_DEADLOCK_DETECTED | SqlState::T_R_SERIALIZATION_FAILURE) => {
            cause.class = Class::Busy;
        }
        Some(SqlState::QUERY_CANCELED) => {
            cause.class = Class::Fail;
            cause.remedy = Some("find out who cancelled it, or what timeout the file sets".into());
        }
        Some(SqlState::READ_ONLY_SQL_TRANSACTION) => {
            cause.remedy = Some(
                "let the role write here: default_transaction_read_only is on for it, the database or the server".to_owned(),
            );
        }
        Some(SqlState::INVALID_SCHEMA_NAME) => {
            cause.remedy = Some(
                "create the schema first: in a migration, or as the database's owner".to_owned(),
            );
        }
        _ => {}
    }
    if refused && matches!(cause.class, Class::Error | Class::Unavailable) {
        cause.class = Class::Fail;
    }
    cause
}

impl PostgresWriter {
    /// Sends COMMIT, as a message of its own: if the connection is lost before it, nothing was
    /// committed; if it is lost in it, the ledger says what happened.
    ///
    /// The server answers ROLLBACK, and no error, to the COMMIT of a transaction that has failed
    /// already. It can't come to that here: the statement before it succeeded, within the same
    /// transaction.
    ///
    /// Returns the ledger's row where that says what the server could not.
    pub(super) fn commit(
        &mut self,
        version: &str,
        say: &mut dyn FnMut(&str),
    ) -> Result<Option<LedgerRow>, ApplyError> {
        let Err(error) = self.link.client.batch_execute("COMMIT") else {
            return Ok(None);
        };
        let lost = is_lost(&self.link, &error);
        let mut cause = cause("commit", error);
        if !lost {
            // A deferred constraint, a cancelled statement. The server rolled back.
            if self.options.stop.asked() {
                cause = crate::error::stopped();
            }
            return Err(self.roll_back(version, cause, say));
        }
        match self.what_was_left(version, say) {
            Ok(Some(row)) => Ok(Some(row)),
            Ok(None) => {
                cause.class = Class::Fail;
                cause.message.push_str(
                    "; the connection was lost in COMMIT, and the ledger shows that it was not committed",
                );
                Err(ApplyError::Undone(
                    cause.remedy("run the deployment again once the connection holds"),
                ))
            }
            Err(reading) => Err(ApplyError::Unknown(
                Cause::new(
                    Class::Partial,
                    format!(
                        "the connection was lost in COMMIT ({}), and what was committed can't be read: {}",
                        cause.message, reading.message
                    ),
                )
                .remedy("run verify-migrations once the server answers: the ledger says whether it was applied"),
            )),
        }
    }

    /// Ends the transaction without a COMMIT.
    pub(super) fn roll_back(
        &mut self,
        version: &str,
        mut cause: Cause,
        say: &mut dyn FnMut(&str),
    ) -> ApplyError {
        if cause.class == Class::Partial {
            // The file ended our transaction; whatever is open now is the file's.
            let _ = self.link.client.batch_execute("ROLLBACK");
            return ApplyError::Unknown(cause);
        }
        // What was prepared outlives a rollback, and the file may be tried again.
        self.row_insert.forget();
        let end = format!("ROLLBACK; {DEALLOCATE}");
        // Twice, because a cancel request may come late and hit the first.
        for _ in 0..2 {
            if self.link.client.is_closed() {
                break;
            }
            if self.link.client.batch_execute(&end).is_ok() {
                return ApplyError::Undone(cause);
            }
        }
        match self.what_was_left(version, say) {
            Ok(None) => {
                cause.class = Class::Fail;
                cause
                    .message
                    .push_str("; the connection was lost, and the server rolled it back");
                ApplyError::Undone(
                    cause.remedy("run the deployment again once the connection holds"),
                )
            }
            Ok(Some(_)) => ApplyError::Unknown(Cause::new(
                Class::Partial,
                format!("{}; and yet the ledger has its row", cause.message),
            )),
            Err(reading) => {
                cause.class = Class::Unavailable;
                cause.message = format!(
                    "{}; it was not asked to commit, so the server rolls it back, which can't be looked at: {}",
                    cause.message, reading.message
                );
                ApplyError::Undone(cause.remedy("run verify-migrations once the server answers"))
            }
        }
    }

    /// Connects anew, waits until the lost session is gone, and reads the ledger's row.
    pub(super) fn what_was_left(
        &mut self,
        version: &str,
        say: &mut dyn FnMut(&str),
    ) -> Result<Option<LedgerRow>, Cause> {
        self.note_loss();
        self.recover(say).map_err(Cause::from)?;
        let rows = self.ledger().map_err(Cause::from)?;
        Ok(rows.into_iter().find(|row| row.version == version))
    }
}
