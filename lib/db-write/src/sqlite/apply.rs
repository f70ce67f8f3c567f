//! One migration and its ledger row in one transaction on SQLite.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Instant;

use contract::Class;
use fallible_iterator::FallibleIterator as _;
use migrations::{LedgerRow, Migration, RowState};
use rusqlite::OptionalExtension as _;
use sql::Dialect;

use super::census::{self, Census, OwnObjects};
use super::foreign_keys::Violations;
use super::pieces::{line_of, pieces};
use super::reach::Reach;
use super::schema_table::SchemaTable;
use super::tables::{self, NewRow};
use super::usable::{Unusable, Usable};
use super::{Broken, SqliteWriter, holders, pragmas};
use crate::error::{ledger_moved, sqlite_class, sqlite_code, sqlite_remedy, sqlite_words, stopped};
use crate::writer::{LastRow, millis, next_position, row_of};
use crate::{Applied, ApplyError, Cause};

/// How often a migration that found the database locked is tried again.
const ATTEMPTS: u32 = 3;

/// What there was at the end of a migration. It holds until another connection commits, which
/// shows in `data_version`.
pub(super) struct Seen {
    data_version: i64,
    /// The row that it wrote, the ledger's last.
    row: LedgerRow,
    violations: Violations,
    shape: Shape,
}

/// The schema, as far as a migration is held to it.
pub(super) struct Shape {
    /// It moves with every change of the schema.
    version: i64,
    own: OwnObjects,
    usable: Usable,
}

impl SqliteWriter {
    pub(super) fn apply_in_transaction(
        &mut self,
        migration: &Migration,
        reach: &Reach,
        ledger: &[LedgerRow],
        say: &mut dyn FnMut(&str),
    ) -> Result<Applied, ApplyError> {
        self.begin(say)?;
        let began = Instant::now();
        let stop = self.options.stop.clone();
        let cancellable = stop.cancellable();
        let work = self.work(migration, reach, ledger, began);
        let seen = match work {
            Ok(done) => done,
            Err(cause) => {
                drop(cancellable);
                let ended = self.roll_back(cause);
                return Err(self.look_again(ended, ledger));
            }
        };
        let committed = self.patiently("COMMIT");
        drop(cancellable);
        if let Err(error) = committed {
            self.after_failed_commit(migration, &error)?;
        }
        let row = seen.row.clone();
        self.seen = Some(seen);
        self.tables_are_there();
        Ok(Applied {
            row,
            duration_ms: millis(began),
        })
    }

    /// Takes the write lock.
    pub(super) fn begin(&self, say: &mut dyn FnMut(&str)) -> Result<(), ApplyError> {
        for attempt in 1..=ATTEMPTS {
            let Err(error) = self.patiently("BEGIN IMMEDIATE") else {
                return Ok(());
            };
            let cause = self.engine(&error);
            if cause.class != Class::Busy {
                return Err(ApplyError::Undone(cause));
            }
            if attempt == ATTEMPTS {
                return Err(ApplyError::Undone(cause));
            }
            say(&format!(
                "attempt {attempt} of {ATTEMPTS} timed out: {}",
                cause.message
            ));
        }
        Ok(())
    }

    /// Everything between BEGIN and COMMIT.
    fn work(
        &mut self,
        migration: &Migration,
        reach: &Reach,
        ledger: &[LedgerRow],
        began: Instant,
    ) -> Result<Seen, Cause> {
        let seen = self.seen.take();
        self.touched.set(false);
        let failed = |error: rusqlite::Error| self.engine(&error);
        self.own_tables()?;
        // Asked within the transaction, where nobody else can commit; our own commits don't show.
        let data_version = self.data_version().map_err(failed)?;
        let seen = seen.filter(|seen| seen.data_version == data_version);
        if seen.as_ref().map(|seen| &seen.row) != ledger.last() {
            self.ends_with(ledger.last())?;
        }
        let (violations, shape) = match seen {
            Some(seen) => (seen.violations, seen.shape),
            None => {
                let shape = self.shape(None).map_err(failed)?;
                (self.violations(&shape).map_err(failed)?, shape)
            }
        };
        let before = match reach.schema_table {
            true => Some((
                self.census()?,
                SchemaTable::read(&self.connection).map_err(failed)?,
            )),
            false => None,
        };
        self.touched.set(true);
        self.held.transaction.store(true, Ordering::Relaxed);
        let ran = self.run(migration);
        self.held.transaction.store(false, Ordering::Relaxed);
        if reach.schema_table {
            // Whatever the file ended with: an error of a schema that it left is its own.
            self.read_anew()?;
        }
        let written = ran?;
        if self.connection.is_autocommit() {
            return Err(Cause::new(
                Class::Partial,
                "the file ended the transaction that it ran in",
            ));
        }
        if reach.session {
            pragmas::put_back(&self.connection).map_err(failed)?;
        }
        if let Some((_, table)) = &before
            && let Some(damage) = table.damage(&self.connection).map_err(failed)?
        {
            return Err(damaged(damage));
        }
        let shape_after = match self.schema_version().map_err(failed)? {
            // No statement changes the schema without it, but for one that a pragma opens the door to.
            version if version == shape.version && !reach.session => None,
            version => Some(self.shape_at(version, Some(&shape)).map_err(failed)?),
        };
        if let Some(after) = &shape_after {
            self.is_kept(&shape, after, migration)?;
        }
        let shape_now = shape_after.as_ref().unwrap_or(&shape);
        let violations_after = self.violations(shape_now).map_err(failed)?;
        if let Some(new) = violations_after.new_since(&violations) {
            return Err(Cause::new(Class::Fail, new)
                .remedy(
                "let the file put no row in without its parent, and take care of those that refer to what it removes",
            ));
        }
        let mut change = None;
        if before.is_some() || !written.is_empty() {
            let named = sql::names(Dialect::Sqlite, &migration.up);
            if let Some((census, _)) = &before {
                change = census.change(&self.census()?, &named);
            }
            if change.is_none() {
                let (connection, ledger) = (&self.connection, &self.options.ledger);
                change = census::written_unnamed(connection, ledger, &written, &named)
                    .map_err(failed)?;
            }
        }
        if let Some(change) = change {
            return Err(Cause::new(Class::Fail, change).remedy(
                "keep what the table had; if it is meant, name the table in a statement of the file",
            ));
        }
        // The authorizer keeps a file from mark and ledger by name. Only the schema table leads round
        // it, which a reviewed file may write; what such a file left behind for later ones shows in
        // the mark, and in the ledger after the run.
        if before.is_some() {
            self.ledger_is(ledger)?;
        }
        let applied_at = contract::now();
        let duration_ms = millis(began);
        let position = next_position(ledger);
        let new = NewRow {
            position,
            state: RowState::Applied,
            applied_at: &applied_at,
            duration_ms,
            because: None,
        };
        self.write_row(migration, &new)?;
        // Last of all, so that nothing comes behind it but COMMIT.
        self.mark_is_judged()?;
        Ok(Seen {
            data_version,
            row: row_of(migration, &self.options, position, applied_at, duration_ms),
            violations: violations_after,
            shape: shape_after.unwrap_or(shape),
        })
    }

    /// The schema now; `former` is what was seen of it before.
    pub(super) fn shape(&self, former: Option<&Shape>) -> Result<Shape, rusqlite::Error> {
        self.shape_at(self.schema_version()?, former)
    }

    fn shape_at(&self, version: i64, former: Option<&Shape>) -> Result<Shape, rusqlite::Error> {
        let (connection, ledger) = (&self.connection, &self.options.ledger);
        let usable = Usable::find(connection, ledger, former.map(|former| &former.usable))?;
        let mut own = census::temporary_own_objects(connection, ledger)?;
        own.append(&mut usable.entries.own());
        Ok(Shape {
            version,
            own,
            usable,
        })
    }

    /// The rows that lack their parent; without a key there is none.
    pub(super) fn violations(&self, shape: &Shape) -> Result<Violations, rusqlite::Error> {
        match shape.usable.entries.have_keys() {
            true => Violations::find(&self.connection),
            false => Ok(Violations::default()),
        }
    }

    fn schema_version(&self) -> Result<i64, rusqlite::Error> {
        self.connection
            .prepare_cached("PRAGMA main.schema_version")?
            .query_row([], |row| row.get(0))
    }

    /// Lockstep's own tables are as they were, and what could be used before can be used.
    pub(super) fn is_kept(
        &self,
        before: &Shape,
        after: &Shape,
        migration: &Migration,
    ) -> Result<(), Cause> {
        if after.own != before.own {
            return Err(Cause::new(
                Class::Fail,
                "it changed the definition of Lockstep's own tables",
            )
            .remedy("leave the tables of the mark and the ledger as they are"));
        }
        // SQLite never counts back; a file can by a pragma, and keeps its changes from others with it.
        if after.version < before.version {
            return Err(Cause::new(
                Class::Fail,
                "it set schema_version back, so that other connections go on with the schema that \
                 they have read",
            )
            .remedy("take PRAGMA schema_version out of the file"));
        }
        match after
            .usable
            .broken_since(&before.usable, || self.names_to_come(migration))
        {
            None => Ok(()),
            Some(Unusable { message, remedy }) => {
                Err(Cause::new(Class::Fail, message).remedy(remedy))
            }
        }
    }

    /// The names in the files that come behind this one in the run, in lower case.
    fn names_to_come(&self, migration: &Migration) -> BTreeSet<String> {
        self.expected
            .iter()
            .skip_while(|(version, _)| *version != migration.version)
            .skip(1)
            .flat_map(|(_, text)| sql::names(Dialect::Sqlite, text))
            .collect()
    }

    /// Reads the schema as the next connection will, of a file that may have written its table.
    pub(super) fn read_anew(&self) -> Result<(), Cause> {
        pragmas::read_anew(&self.connection).map_err(|error| match sqlite_code(&error) {
            Some(rusqlite::ErrorCode::DatabaseCorrupt) => damaged(sqlite_words(&error)),
            _ => self.engine(&error),
        })
    }

    /// Writes the migration's row, or says that it does not get into the ledger.
    pub(super) fn write_row(&self, migration: &Migration, row: &NewRow<'_>) -> Result<(), Cause> {
        match tables::insert_row(&self.connection, &self.options, migration, row) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Cause::new(
                Class::Fail,
                "its row does not get into the ledger: a trigger of the ledger's table keeps it out",
            )
            .remedy("drop that trigger, then deploy again")),
            Err(error) => Err(self.engine(&error)),
        }
    }

    /// What [`SqliteWriter::own_tables`] made is committed.
    pub(super) fn tables_are_there(&mut self) {
        self.ledger_there = true;
        self.mark_with_first = None;
        self.outdated.clear();
    }

    pub(super) fn own_tables(&self) -> Result<(), Cause> {
        let failed = |error: rusqlite::Error| self.engine(&error);
        if !self.ledger_there {
            tables::make_ledger(&self.connection, &self.options.ledger).map_err(failed)?;
        }
        self.upgrade_outdated().map_err(failed)?;
        if let Some(mark) = &self.mark_with_first {
            // Nobody else of ours writes one under the deployment lock.
            let (connection, options) = (&self.connection, &self.options);
            tables::write_mark(connection, options, &self.path, mark, None).map_err(|broken| {
                match broken {
                    Broken::Engine(error) => failed(error),
                    Broken::Refused(error) => Cause::from(*error),
                }
            })?;
        }
        Ok(())
    }

    /// Sends the file to SQLite as it stands, but for a transaction of its own. Returns the tables that triggers may have written and
    /// the file did not make, each with the trigger.
    pub(super) fn run(&self, migration: &Migration) -> Result<BTreeMap<String, String>, Cause> {
        self.held.take_made();
        self.held.records.store(true, Ordering::Relaxed);
        let ran = self.run_statements(migration);
        self.held.records.store(false, Ordering::Relaxed);
        let mut written = ran?;
        let made = self.held.take_made();
        written.retain(|table, _| !made.contains(table));
        Ok(written)
    }

    fn run_statements(&self, migration: &Migration) -> Result<BTreeMap<String, String>, Cause> {
        let mut written = BTreeMap::new();
        let mut done = 0;
        let text = match migration.no_transaction {
            true => Cow::Borrowed(migration.up.as_str()),
            false => sql::within_transaction(Dialect::Sqlite, &migration.up),
        };
        for piece in pieces(&text) {
            let end = piece.end;
            let mut batch = rusqlite::Batch::new(&self.connection, &text[piece]);
            loop {
                if self.options.stop.asked() {
                    return Err(stopped());
                }
                let rows = self.connection.total_changes();
                self.held.take_trigger_writes();
                let ran = match batch.next() {
                    Ok(None) => break,
                    Ok(Some(mut statement)) => exhaust(&mut statement),
                    Err(error) => Err(error),
                };
                // Which of its triggers wrote, SQLite does not tell; that one did, it does.
                let rows = self.connection.total_changes() - rows;
                if rows > 0 && rows > self.connection.changes() {
                    written.append(&mut self.held.take_trigger_writes());
                }
                if let Err(error) = ran {
                    let line = line_of(migration, &text, end, done, &error);
                    return Err(self.engine(&error).at(line));
                }
                done += 1;
            }
        }
        Ok(written)
    }

    /// The ledger is looked at again under the write lock: what was planned before it may be
    /// history.
    pub(super) fn ends_with(&self, last: Option<&LedgerRow>) -> Result<(), Cause> {
        let found = self
            .connection
            .prepare_cached(&format!(
                "SELECT position, version, sha256, state FROM main.\"{}\" \
                 ORDER BY position DESC LIMIT 1",
                self.options.ledger.sqlite_table("migrations")
            ))
            .and_then(|mut statement| {
                statement
                    .query_row([], |row| {
                        Ok(LastRow {
                            position: row.get(0)?,
                            version: row.get(1)?,
                            sha256: row.get(2)?,
                            state: row.get(3)?,
                        })
                    })
                    .optional()
            })
            .map_err(|error| self.engine(&error))?;
        if found == last.map(LastRow::of) {
            Ok(())
        } else {
            Err(ledger_moved())
        }
    }

    fn census(&self) -> Result<Census, Cause> {
        Census::take(&self.connection, &self.options.ledger).map_err(|error| self.engine(&error))
    }

    /// The ledger is the one that was read and written.
    pub(super) fn ledger_is(&self, ledger: &[LedgerRow]) -> Result<(), Cause> {
        let found = self.records().ledger().map_err(|error| {
            if self.options.stop.asked() {
                stopped()
            } else {
                Cause::from(error)
            }
        })?;
        if found.unwrap_or_default() == ledger {
            Ok(())
        } else {
            Err(ledger_moved())
        }
    }

    pub(super) fn mark_is_judged(&self) -> Result<(), Cause> {
        let Some(mark) = &self.judged else {
            return Ok(());
        };
        match tables::has_mark(&self.connection, mark) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Cause::new(
                Class::Fail,
                "it changed the database's mark, on which every guard stands",
            )
            .remedy("leave the mark to mark-db")),
            Err(error) => Err(self.engine(&error)),
        }
    }

    pub(super) fn roll_back(&mut self, cause: Cause) -> ApplyError {
        if cause.class == Class::Partial {
            return ApplyError::Unknown(cause);
        }
        if self.connection.is_autocommit() {
            // SQLite rolled back by itself, as it does on some errors.
            return ApplyError::Undone(cause);
        }
        match self.connection.execute_batch("ROLLBACK") {
            Ok(()) => ApplyError::Undone(cause),
            Err(_) if self.connection.is_autocommit() => ApplyError::Undone(cause),
            Err(error) => ApplyError::Unknown(Cause::new(
                Class::Partial,
                format!("{}; and the rollback failed: {error}", cause.message),
            )),
        }
    }

    /// After a rollback, on a session of its own: a rollback without a journal takes nothing back, and
    /// then the answer is not that nothing was changed.
    fn look_again(&mut self, ended: ApplyError, ledger: &[LedgerRow]) -> ApplyError {
        let cause = match ended {
            ApplyError::Undone(cause) if self.touched.get() => cause,
            ended => return ended,
        };
        self.stale = true;
        let found = self
            .renew()
            .ok()
            .and_then(|()| Some((self.records().mark().ok()?, self.records().ledger().ok()?)));
        // A database that can't be read now was rolled back all the same, as SQLite said.
        let Some((mark, rows)) = found else {
            return ApplyError::Undone(cause);
        };
        let judged = match self.mark_with_first {
            Some(_) => None,
            None => self.judged.as_ref(),
        };
        let is_judged = match (&mark, judged) {
            (None, None) => true,
            (Some(mark), Some(judged)) => {
                mark.environment == judged.environment
                    && mark.protected == judged.protected
                    && mark.uuid == judged.uuid
            }
            // Nobody judged a mark where a library is used without guards.
            (Some(_), None) => self.judged.is_none(),
            (None, Some(_)) => false,
        };
        if is_judged && rows.unwrap_or_default() == ledger {
            return ApplyError::Undone(cause);
        }
        ApplyError::Unknown(
            Cause::new(
                Class::Partial,
                format!(
                    "{}; it was rolled back, and mark or ledger are not what they were before it",
                    cause.message
                ),
            )
            .remedy("compare verify-guards and verify-migrations with this result before anything else is done"),
        )
    }

    /// A COMMIT that failed has committed nothing or everything; the ledger says which.
    pub(super) fn after_failed_commit(
        &mut self,
        migration: &Migration,
        error: &rusqlite::Error,
    ) -> Result<(), ApplyError> {
        let cause = self.engine(error);
        if !self.connection.is_autocommit() {
            return Err(self.roll_back(cause));
        }
        match self.records().ledger() {
            Ok(rows) => {
                let rows = rows.unwrap_or_default();
                if rows.iter().any(|row| row.version == migration.version) {
                    Ok(())
                } else {
                    Err(ApplyError::Undone(cause))
                }
            }
            Err(_) => Err(ApplyError::Unknown(cause)),
        }
    }

    fn data_version(&self) -> Result<i64, rusqlite::Error> {
        self.connection
            .prepare_cached("PRAGMA data_version")?
            .query_row([], |row| row.get(0))
    }

    /// The cause that an error of SQLite is.
    pub(super) fn engine(&self, error: &rusqlite::Error) -> Cause {
        if self.options.stop.asked() {
            return stopped();
        }
        if let Some(pragma) = self.held.take_pragma() {
            return Cause::new(Class::Fail, pragma).remedy("take it out of the file");
        }
        let class = match (sqlite_class(error), sqlite_code(error)) {
            // Without a shared cache nobody else takes part in this one.
            (_, Some(rusqlite::ErrorCode::DatabaseLocked)) => Class::Fail,
            (Class::Busy, _) => {
                return Cause::new(
                    Class::Busy,
                    format!(
                        "another connection kept the database locked{}",
                        holders::in_words(&self.path)
                    ),
                )
                .remedy(
                    "try again when the application is less busy; --lock-timeout waits longer",
                );
            }
            // An error in the file's own SQL says no; anything else could not find out.
            (
                _,
                Some(
                    rusqlite::ErrorCode::Unknown
                    | rusqlite::ErrorCode::AuthorizationForStatementDenied
                    | rusqlite::ErrorCode::TypeMismatch
                    | rusqlite::ErrorCode::TooBig,
                ),
            ) => Class::Fail,
            (class, _) => class,
        };
        let mut cause = Cause::new(class, sqlite_words(error));
        cause.remedy = sqlite_remedy(error).map(str::to_owned);
        cause
    }
}

/// What a file did to the schema table.
pub(super) fn damaged(what: impl std::fmt::Display) -> Cause {
    Cause::new(Class::Fail, format!("it left the schema damaged: {what}"))
        .remedy("change the schema with statements for it, and leave the schema table to SQLite")
}

/// Runs a statement to its end, whatever rows it gives.
fn exhaust(statement: &mut rusqlite::Statement<'_>) -> Result<(), rusqlite::Error> {
    let mut rows = statement.raw_query();
    while rows.next()?.is_some() {}
    Ok(())
}
