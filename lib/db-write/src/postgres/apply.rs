//! One migration and its ledger row in one transaction on PostgreSQL.
//!
//! Five messages a file: BEGIN with every check of what has to be so, the file as it stands but for a
//! transaction of its own, what makes the session as new, the ledger's row, COMMIT.

use std::time::{Duration, Instant};

use contract::Class;
use migrations::{LedgerRow, Migration, RowState};
use postgres::error::{ErrorPosition, SqlState};
use postgres::{SimpleQueryMessage, SimpleQueryRow};
use records::PostgresRecords;
use sql::Dialect;

use super::conditions::{Condition, Conditions};
use super::outcome::{cause, deferred};
use super::rows::NewRow;
use super::watcher::Watcher;
use super::{Broken, PostgresWriter, mark, tables};
use crate::error::{ledger_moved, stopped};
use crate::writer::{LastRow, millis, next_position, row_of};
use crate::{Applied, ApplyError, Cause};

/// How often a migration that timed out on a lock is tried again.
const LOCK_ATTEMPTS: u32 = 4;
const LOCK_REMEDY: &str =
    "see whether a file unlocks advisory locks, then run the deployment again";
/// What completes "cannot" where a file's own SQL failed.
const FILE: &str = "apply the file";
/// What the session has prepared, whatever prepared it: a trigger does without a word of the file.
/// The function behind the view `pg_prepared_statements`, which is planned anew for each file.
const PREPARED: &str = "SELECT from_sql, statement FROM pg_catalog.pg_prepared_statement()";
pub(super) const DEALLOCATE: &str = "DEALLOCATE ALL; ";
const LOCK_PAUSE: Duration = Duration::from_millis(500);

impl PostgresWriter {
    pub(super) fn apply_in_transaction(
        &mut self,
        migration: &Migration,
        ledger: &[LedgerRow],
        say: &mut dyn FnMut(&str),
    ) -> Result<Applied, ApplyError> {
        let mut attempt = 1;
        loop {
            let pid = self.backend.pid;
            self.watcher().begin(pid);
            let ended = self.attempt(migration, ledger, say);
            let blockers = self.watcher().end();
            let mut cause = match ended {
                Err(ApplyError::Undone(cause)) if cause.class == Class::Busy => cause,
                ended => return ended,
            };
            if !blockers.is_empty() {
                cause.message = format!("{}; blocked by {}", cause.message, blockers.join(", "));
            }
            if attempt == LOCK_ATTEMPTS {
                cause.message = format!("{}; tried {LOCK_ATTEMPTS} times", cause.message);
                return Err(ApplyError::Undone(cause.remedy(
                    "end what blocks it or wait for its end, then deploy again; --lock-timeout waits longer",
                )));
            }
            say(&format!(
                "{}: attempt {attempt} of {LOCK_ATTEMPTS} timed out: {}",
                migration.file.display(),
                cause.message
            ));
            if self.options.stop.pause(LOCK_PAUSE * attempt) {
                return Err(ApplyError::Undone(stopped()));
            }
            attempt += 1;
        }
    }

    pub(super) fn watcher(&mut self) -> &Watcher {
        self.watcher
            .get_or_insert_with(|| Watcher::start(&self.target, &self.options))
    }

    fn attempt(
        &mut self,
        migration: &Migration,
        ledger: &[LedgerRow],
        say: &mut dyn FnMut(&str),
    ) -> Result<Applied, ApplyError> {
        let began = Instant::now();
        let stop = self.options.stop.clone();
        let cancellable = stop.cancellable();
        let began_at = self.begin(ledger, Next::File);
        let ran = began_at.is_ok();
        let work = began_at.and_then(|id| self.work(migration, id, ledger, began));
        let row = match work {
            Ok(row) => row,
            Err(cause) => {
                drop(cancellable);
                let before = ran.then_some(ledger);
                return Err(self.roll_back(&migration.version, before, cause, say));
            }
        };
        let committed = self.commit(&migration.version, Some(ledger), say)?;
        let row = committed.unwrap_or(row);
        self.tables_are_there();
        Ok(Applied {
            row,
            duration_ms: millis(began),
        })
    }

    /// Begins the transaction, under the lock and after the row that was planned for, and with the
    /// ledger's tables there, and makes the session ready for what comes next. Returns the
    /// transaction's id.
    pub(super) fn begin(&mut self, ledger: &[LedgerRow], then: Next) -> Result<i64, Cause> {
        let Some(key) = self.lock_key else {
            return Err(Cause::new(
                Class::Fail,
                "the connection was lost in the file before it, and the deployment lock with it",
            )
            .remedy("run the deployment again; it goes on where it ended"));
        };
        let mut begin = "BEGIN; ";
        if !self.ledger_there || !self.standing.is_known() {
            self.client_batch("begin the transaction", "BEGIN")?;
            let made = !self.ledger_there && self.make_tables()?;
            self.begin_standing(made)?;
            begin = "";
        }
        // The lock counts how often it was taken. Once more is what can be asked in a moment on a
        // busy server, whose pg_locks stops all others while it is put together, and it leaves the
        // lock held also where a file let go of it. The ledger is read after that, in a statement
        // with a snapshot of its own where transactions do not keep one; where they do, a row that is
        // missed is in the way of ours by its position.
        let sql = format!(
            "{begin}SELECT pg_catalog.txid_current(), pg_catalog.pg_try_advisory_lock({key}); \
             SELECT position, version, sha256, state FROM ONLY {} ORDER BY position DESC LIMIT 1{}",
            self.options.ledger.postgres_table("migrations"),
            match then {
                Next::File => format!("; {}", self.path_of_files),
                Next::Row => String::new(),
            }
        );
        let messages = self
            .link
            .client
            .simple_query(&sql)
            .map_err(|error| self.stopped_or("begin the transaction", error))?;
        let mut rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let session = rows.next();
        let Some(id) = session.and_then(|row| row.get(0)?.parse().ok()) else {
            return Err(Cause::new(Class::Error, "cannot read the transaction's id"));
        };
        if session.and_then(|row| row.get(1)) != Some("t") {
            return Err(Cause::new(
                Class::Fail,
                "a file let go of the deployment lock, and another session has it now",
            )
            .remedy(LOCK_REMEDY));
        }
        // What sets the path may be a row of its own, of one column.
        let last = rows.next().and_then(last_row);
        if last == ledger.last().map(LastRow::of) {
            Ok(id)
        } else {
            Err(ledger_moved())
        }
    }

    /// Everything between BEGIN and COMMIT.
    fn work(
        &mut self,
        migration: &Migration,
        id: i64,
        ledger: &[LedgerRow],
        began: Instant,
    ) -> Result<LedgerRow, Cause> {
        let reach = Reach::of(migration);
        if reach.prepared {
            self.forget_prepared();
        }
        let before = self.link.statements_completed();
        let text = sql::within_transaction(Dialect::Postgres, &migration.up);
        if let Err(error) = self.link.client.batch_execute(&text) {
            let done = self.link.statements_completed() - before;
            let mut cause = self.in_file(migration, 0, error);
            cause.line = cause.line.or_else(|| line_of(migration, &text, done));
            return Err(cause);
        }
        // Deferred constraints first, while the file's own settings hold. Then the session is made
        // as new inside the transaction: the row below needs the session's own role, and the next
        // file a session without this one's leftovers.
        let reset = format!("SET CONSTRAINTS ALL IMMEDIATE; {}; {PREPARED}", self.reset);
        let before = self.link.statements_completed();
        let ended = self.link.client.simple_query(&reset);
        let messages = ended.map_err(|error| {
            let first = self.link.statements_completed() == before;
            let cause = self.stopped_or("end the file", error);
            match first && !self.options.stop.asked() {
                true => deferred(cause),
                false => cause,
            }
        })?;
        if !self.is_all_prepared(&messages) {
            self.forget_prepared();
            self.client_batch("end the file", DEALLOCATE)?;
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
        let mut conditions = Conditions::default().in_transaction(id);
        if reach.ledger {
            conditions = conditions.after_rows(ledger);
        }
        self.write_row(migration, &new, &conditions)?;
        // Behind the row: whatever the row itself has set off, it has done.
        self.check_standing()?;
        Ok(row_of(
            migration,
            &self.options,
            position,
            applied_at,
            duration_ms,
        ))
    }

    /// Writes the migration's row, or says what kept it out.
    pub(super) fn write_row(
        &mut self,
        migration: &Migration,
        row: &NewRow<'_>,
        conditions: &Conditions,
    ) -> Result<(), Cause> {
        let (client, options) = (&mut self.link.client, &self.options);
        let written = self
            .row_insert
            .write(client, options, migration, row, conditions);
        match written.map_err(|error| self.stopped_or("write the ledger's row", error))? {
            true => Ok(()),
            false => Err(self.why_not_written(conditions)),
        }
    }

    /// Which of the conditions kept the row from being written.
    pub(super) fn why_not_written(&mut self, conditions: &Conditions) -> Cause {
        let ended = || {
            Cause::new(
                Class::Partial,
                "the file ended the transaction that it ran in",
            )
        };
        let no = |message, remedy| Cause::new(Class::Fail, message).remedy(remedy);
        match conditions.broken(&mut self.link.client, &self.options) {
            Err(_) | Ok(Some(Condition::Transaction)) => ended(),
            Ok(Some(Condition::Lock)) => no(
                "this session does not hold the deployment lock any more",
                LOCK_REMEDY,
            ),
            Ok(Some(Condition::Mark)) => no(
                "it changed the database's mark, on which every guard stands",
                "leave the mark to mark-db",
            ),
            Ok(Some(Condition::Ledger)) => no(
                "the ledger was changed meanwhile, by the file or by somebody else",
                "leave the ledger to mark-migrations; see verify-migrations for what it says",
            ),
            Ok(None) => no(
                "its row does not get into the ledger: a rule or a trigger of the ledger's table keeps it out",
                "drop that rule or trigger, then deploy again",
            ),
        }
    }

    /// What [`PostgresWriter::begin`] made is committed.
    pub(super) fn tables_are_there(&mut self) {
        self.ledger_there = true;
        self.mark_with_first = None;
        self.outdated.clear();
    }

    /// Makes Lockstep's own tables where they are not there yet, in the transaction of the first
    /// migration; whether one was made or upgraded.
    fn make_tables(&mut self) -> Result<bool, Cause> {
        let (client, options) = (&mut self.link.client, &self.options);
        let made = tables::make_ledger(client, &options.ledger).and_then(|made| {
            tables::upgrade(client, options, &self.outdated)?;
            Ok(made || !self.outdated.is_empty())
        });
        let made = made.map_err(|error| self.not_made("make the ledger's tables", error))?;
        let Some(mark) = self.mark_with_first.clone() else {
            return Ok(made);
        };
        let target = self.target.clone();
        let place = PostgresRecords::new(&mut self.link.client, &self.options.ledger)
            .place(&target, &self.link.endpoint)
            .map_err(Cause::from)?;
        let client = &mut self.link.client;
        match mark::write(client, &self.options, &target.database, &place, &mark, None) {
            Ok(()) => Ok(true),
            Err(Broken::Refused(error)) => Err(Cause::from(*error)),
            Err(Broken::Server(error)) => Err(self.not_made("mark the database", error)),
        }
    }

    fn not_made(&self, act: &str, error: postgres::Error) -> Cause {
        let forbidden = error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE);
        let cause = self.stopped_or(act, error);
        if forbidden {
            cause.remedy(self.grant())
        } else {
            cause
        }
    }

    pub(super) fn client_batch(&mut self, act: &str, sql: &str) -> Result<(), Cause> {
        self.link
            .client
            .batch_execute(sql)
            .map_err(|error| self.stopped_or(act, error))
    }

    /// The cause of an error, which is our own cancel request where somebody asked for an end.
    pub(super) fn stopped_or(&self, act: &str, error: postgres::Error) -> Cause {
        if self.options.stop.asked() && error.code() == Some(&SqlState::QUERY_CANCELED) {
            stopped()
        } else {
            cause(act, error)
        }
    }

    /// The cause of an error that the file's own SQL raised. `offset` is where the text that was
    /// sent stands in the file's.
    pub(super) fn in_file(
        &self,
        migration: &Migration,
        offset: usize,
        error: postgres::Error,
    ) -> Cause {
        let line = match error.as_db_error().and_then(|said| said.position()) {
            Some(ErrorPosition::Original(character)) => {
                let sent = migration.up.get(offset..).unwrap_or_default();
                let before = sent
                    .chars()
                    .take(character.saturating_sub(1) as usize)
                    .filter(|c| *c == '\n')
                    .count();
                let earlier = migration.up[..offset].matches('\n').count();
                u32::try_from(before + earlier)
                    .ok()
                    .map(|lines| migration.up_line + lines)
            }
            _ => None,
        };
        let mut cause = self.stopped_or(FILE, error).at(line);
        // Which file it is, whoever reads this knows.
        if let Some(said) = cause.message.strip_prefix(&format!("cannot {FILE}: ")) {
            cause.message = said.to_owned();
        }
        cause
    }
}

/// What a transaction that was begun is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// A file, in the path that it runs in.
    File,
    /// A row of the ledger alone.
    Row,
}

/// What a file may reach beside what its statements name, which the parser has seen.
struct Reach {
    /// The ledger: by code, or by another way for names to lead. Comparing it takes a quarter of
    /// the time of a small migration; it is compared after the run in any case, for what was there
    /// before the file.
    ledger: bool,
    /// The names of prepared statements, of which the ledger's own INSERT has one.
    prepared: bool,
}

impl Reach {
    fn of(migration: &Migration) -> Reach {
        const CODE: [&str; 9] = [
            "do",
            "execute",
            "call",
            "select",
            "perform",
            "function",
            "procedure",
            "trigger",
            "rule",
        ];
        const PREPARED: [&str; 3] = ["prepare", "deallocate", "discard"];
        let names = sql::names(Dialect::Postgres, &migration.up);
        let has = |words: &[&str]| words.iter().any(|word| names.contains(*word));
        let code = has(&CODE);
        Reach {
            ledger: code || has(&["search_path"]),
            prepared: code || has(&PREPARED),
        }
    }
}

/// The line of the statement after `done` others. Few errors of a row name a place in the text.
fn line_of(migration: &Migration, text: &str, done: u64) -> Option<u32> {
    let script = sql::parse(Dialect::Postgres, text);
    let statement = script.statements.get(usize::try_from(done).ok()?)?;
    Some(migration.up_line + statement.line - 1)
}

fn last_row(row: &SimpleQueryRow) -> Option<LastRow> {
    Some(LastRow {
        position: row.get(0)?.parse().ok()?,
        version: row.get(1)?.to_owned(),
        sha256: row.get(2)?.to_owned(),
        state: row.get(3)?.to_owned(),
    })
}
