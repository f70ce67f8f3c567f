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
    match &code {
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
    // The server could not, whatever it was asked.
    if let Some(remedy) = code.as_ref().and_then(out_of_means) {
        cause.class = Class::Error;
        cause.remedy = Some(remedy.to_owned());
    }
    cause
}

/// What to do where the server lacks what it needs, or its files can't be read: that says nothing of
/// the file.
fn out_of_means(code: &SqlState) -> Option<&'static str> {
    Some(match *code {
        SqlState::DISK_FULL => "make room where the server keeps its data, then deploy again",
        SqlState::OUT_OF_MEMORY | SqlState::INSUFFICIENT_RESOURCES => {
            "give the server more memory, or deploy when it is less busy"
        }
        SqlState::IO_ERROR
        | SqlState::UNDEFINED_FILE
        | SqlState::SYSTEM_ERROR
        | SqlState::DATA_CORRUPTED
        | SqlState::INDEX_CORRUPTED => {
            "read the server's log: its storage is at fault; look at that before anything else is run"
        }
        _ => return None,
    })
}

/// The cause of a deferred constraint or trigger that is checked at the end, when every statement has
/// run: what it refuses are the rows that the file leaves.
pub(super) fn deferred(mut cause: Cause) -> Cause {
    if cause.class == Class::Fail {
        cause.message = format!("a check that was deferred to the end: {}", cause.message);
        cause.remedy = Some(
            "mend the rows that the file leaves: its statements ran, and a deferred constraint or trigger refuses what they left"
                .to_owned(),
        );
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
        before: Option<&[LedgerRow]>,
        say: &mut dyn FnMut(&str),
    ) -> Result<Option<LedgerRow>, ApplyError> {
        let Err(error) = self.link.client.batch_execute("COMMIT") else {
            return Ok(None);
        };
        let lost = is_lost(&self.link, &error);
        let mut cause = cause("commit", error);
        if !lost {
            // A deferred constraint, a cancelled statement. The server rolled back.
            cause = match self.options.stop.asked() {
                true => crate::error::stopped(),
                false => deferred(cause),
            };
            return Err(self.roll_back(version, before, cause, say));
        }
        match self.what_was_left(version, say) {
            Ok(Some(row)) => Ok(Some(row)),
            Ok(None) => {
                cause.class = self.class_of_loss();
                cause.message.push_str(
                    "; the connection was lost in COMMIT, and the ledger shows that it was not committed",
                );
                let cause = cause.remedy("run the deployment again once the connection holds");
                Err(self.undone_after(before, cause))
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

    /// Ends the transaction without a COMMIT. `before` is the ledger that it has to leave, where a file
    /// ran in it.
    pub(super) fn roll_back(
        &mut self,
        version: &str,
        before: Option<&[LedgerRow]>,
        mut cause: Cause,
        say: &mut dyn FnMut(&str),
    ) -> ApplyError {
        if cause.class == Class::Partial {
            // The file ended our transaction; whatever is open now is the file's.
            let _ = self.link.client.batch_execute("ROLLBACK");
            return ApplyError::Unknown(cause);
        }
        // What was prepared outlives a rollback, and the file may be tried again.
        self.forget_prepared();
        if !self.ledger_there {
            self.standing.forget_tables();
        }
        let end = format!("ROLLBACK; {DEALLOCATE}");
        // Twice, because a cancel request may come late and hit the first.
        for _ in 0..2 {
            if self.link.client.is_closed() {
                break;
            }
            if self.link.client.batch_execute(&end).is_ok() {
                return self.undone_after(before, cause);
            }
        }
        match self.what_was_left(version, say) {
            Ok(None) => {
                cause.class = self.class_of_loss();
                cause
                    .message
                    .push_str("; the connection was lost, and the server rolled it back");
                let cause = cause.remedy("run the deployment again once the connection holds");
                self.undone_after(before, cause)
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

    fn undone_after(&mut self, before: Option<&[LedgerRow]>, cause: Cause) -> ApplyError {
        match before {
            Some(ledger) => self.undone(cause, ledger),
            None => ApplyError::Undone(cause),
        }
    }

    /// What a connection that was lost comes to where nothing was committed: the server gave no
    /// answer, unless it was not to be waited for.
    fn class_of_loss(&self) -> Class {
        match self.options.stop.asked() {
            true => Class::Fail,
            false => Class::Unavailable,
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
