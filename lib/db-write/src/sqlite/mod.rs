//! Changing a SQLite database.

mod apply;
mod by_statement;
mod census;
mod create;
mod entries;
mod foreign_keys;
mod history;
mod holders;
mod lock;
mod pieces;
mod pragmas;
mod reach;
mod schema_table;
mod tables;
mod usable;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use contract::{Class, Classify as _};
use migrations::{LedgerRow, Migration, RowState};
use records::{
    Accepted, LEDGER_TABLES, Mark, OtherName, Outdated, Own, RecordedSchema, SqliteRecords, Survey,
};
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, OpenFlags};
use schema::{Schema, Scope};
use settings::file::FileSystem;
use settings::{SqliteTarget, warning};

use crate::error::{kept_out, not_of_adoption, sqlite_class, stopped};
use crate::writer::UPGRADE;
use crate::{
    Applied, ApplyError, Error, NewAccepted, NewMark, NewSchema, Options, Resolution, Row, Writer,
};
use apply::Seen;
use lock::FileLock;
use reach::Reach;
use tables::NewRow;

pub use create::create_sqlite;

/// Why a transaction of ours was not committed.
enum Broken {
    /// SQLite's answer.
    Engine(rusqlite::Error),
    /// Our own word on what is there.
    Refused(Box<Error>),
}

impl From<rusqlite::Error> for Broken {
    fn from(error: rusqlite::Error) -> Broken {
        Broken::Engine(error)
    }
}

impl From<Error> for Broken {
    fn from(error: Error) -> Broken {
        Broken::Refused(Box::new(error))
    }
}

/// How long SQLite itself waits for another's lock before we look whether an end was asked for.
const BUSY_SLICE: Duration = Duration::from_millis(100);

/// A session on a SQLite file.
pub(crate) struct SqliteWriter {
    path: PathBuf,
    connection: Connection,
    options: Options,
    lock: Option<FileLock>,
    mark_with_first: Option<NewMark>,
    /// The mark that the guards judged; no file may change it.
    judged: Option<NewMark>,
    /// Whether the ledger's tables are known to be there.
    ledger_there: bool,
    /// What an earlier release wrote; the first change upgrades it.
    outdated: Vec<Outdated>,
    /// What the authorizer holds against the file that runs.
    held: Arc<Held>,
    /// What the last migration left, for the next one to compare with.
    seen: Option<Seen>,
    /// Whether the file of this transaction has begun to run.
    touched: Cell<bool>,
    /// Version and text of every migration of this run, in order.
    expected: Vec<(String, String)>,
    /// Whether a file may have left something behind in the session.
    stale: bool,
}

impl SqliteWriter {
    pub(crate) fn open(target: &SqliteTarget, options: Options) -> Result<SqliteWriter, Error> {
        let path = target.path.clone();
        is_file(&path)?;
        is_at_home(target, &options)?;
        let held = Arc::default();
        let connection = connect(&path, &options, &held)?;
        Ok(SqliteWriter {
            held,
            ledger_there: false,
            outdated: Vec::new(),
            path,
            connection,
            options,
            lock: None,
            mark_with_first: None,
            judged: None,
            seen: None,
            touched: Cell::new(false),
            expected: Vec::new(),
            stale: false,
        })
    }

    /// Connects anew where a file may have left something behind in the session. The old one goes
    /// first: it may keep the file for itself (`locking_mode`).
    fn renew(&mut self) -> Result<(), Error> {
        if !self.stale {
            return Ok(());
        }
        const ACT: &str = "leave the session";
        self.connection =
            Connection::open_in_memory().map_err(|source| Error::Sqlite { act: ACT, source })?;
        self.connection = connect(&self.path, &self.options, &self.held)?;
        self.seen = None;
        self.stale = false;
        Ok(())
    }

    fn records(&self) -> SqliteRecords<'_> {
        SqliteRecords::new(&self.connection, &self.options.ledger)
    }

    /// Runs one of our own statements that may meet another's lock, for at most the lock timeout.
    fn patiently(&self, sql: &str) -> Result<(), rusqlite::Error> {
        let busy = |error: &rusqlite::Error| sqlite_class(error) == Class::Busy;
        in_slices(&self.connection, &self.options, busy, |connection| {
            connection.execute_batch(sql)
        })
    }

    /// Upgrades what an earlier release wrote, in the transaction that is open.
    fn upgrade_outdated(&self) -> Result<(), rusqlite::Error> {
        for outdated in &self.outdated {
            match outdated.what {
                Own::Mark => tables::make_mark(&self.connection, self.options.terms.as_ref())?,
                Own::Ledger => tables::make_ledger(&self.connection, &self.options.ledger)?,
            }
        }
        Ok(())
    }

    /// Runs `work` in one immediate transaction, which is committed only under the mark that was
    /// judged.
    fn in_transaction<T, E: Into<Broken>>(
        &mut self,
        act: &'static str,
        work: impl FnOnce(&Connection, &Options, &Path) -> Result<T, E>,
    ) -> Result<T, Error> {
        let judged = self.judged.clone();
        self.committed(act, |connection, options, path| {
            let done = work(connection, options, path).map_err(E::into)?;
            match &judged {
                Some(mark) if !tables::has_mark(connection, mark)? => {
                    Err(Error::MarkMoved { act }.into())
                }
                _ => Ok::<T, Broken>(done),
            }
        })
    }

    /// Runs `work` in one immediate transaction, which also upgrades what an earlier release wrote.
    fn committed<T>(
        &mut self,
        act: &'static str,
        work: impl FnOnce(&Connection, &Options, &Path) -> Result<T, Broken>,
    ) -> Result<T, Error> {
        let begun = self.patiently("BEGIN IMMEDIATE").map_err(Broken::from);
        let done = begun.and_then(|()| {
            self.upgrade_outdated()?;
            let done = work(&self.connection, &self.options, &self.path)?;
            self.patiently("COMMIT")?;
            Ok(done)
        });
        if done.is_ok() {
            self.outdated.clear();
        }
        done.map_err(|broken| {
            if !self.connection.is_autocommit() {
                // What can't be rolled back is rolled back by whoever opens the file next.
                let _ = self.connection.execute_batch("ROLLBACK");
            }
            let source = match broken {
                Broken::Refused(error) => return *error,
                Broken::Engine(source) => source,
            };
            match sqlite_class(&source) {
                Class::Busy => Error::InUse {
                    act,
                    by: holders::in_words(&self.path),
                },
                _ => Error::Sqlite { act, source },
            }
        })
    }
}

/// Does `work` again for as long as it meets another's lock, at most for the lock timeout, or until
/// an end is asked for. SQLite does not say when it waits, so it waits in slices.
fn in_slices<T, E>(
    connection: &Connection,
    options: &Options,
    is_busy: impl Fn(&E) -> bool,
    work: impl Fn(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    let until = Instant::now() + options.lock_timeout;
    // SQLite refuses a busy timeout to no connection that is open.
    let _ = connection.busy_timeout(BUSY_SLICE.min(options.lock_timeout));
    let ended = loop {
        match work(connection) {
            Err(error) if is_busy(&error) && Instant::now() < until && !options.stop.asked() => {}
            ended => break ended,
        }
    };
    let _ = connection.busy_timeout(options.lock_timeout);
    ended
}

fn is_file(path: &Path) -> Result<(), Error> {
    let unfit = |why: &str, remedy: &str| Error::Unfit {
        target: path.display().to_string(),
        why: why.to_owned(),
        remedy: remedy.to_owned(),
    };
    match std::fs::metadata(path) {
        // SQLite names journals after the path: by another name of the file a writer sees neither
        // the other's log nor its locks on it, and both together destroy the database.
        Ok(meta) if meta.is_file() => match OtherName::of(path, &meta) {
            None => Ok(()),
            Some(other) => Err(unfit(&other.to_string(), other.remedy())),
        },
        Ok(_) => Err(unfit("it is not a file", "name the database's file")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(unfit(
            "the file does not exist",
            "check the path; mark-db --create makes a new database",
        )),
        Err(source) => Err(Error::File {
            act: "look at",
            path: path.display().to_string(),
            source,
        }),
    }
}

/// Refuses a file system on which SQLite's locks and ours may not hold, unless the reviewed file says
/// that it is known.
fn is_at_home(target: &SqliteTarget, options: &Options) -> Result<(), Error> {
    match (options.sqlite.file_system, target.shared_file_system()) {
        (FileSystem::Local, Some(file_system)) => Err(Error::Unfit {
            target: target.path.display().to_string(),
            why: warning::shared(file_system),
            remedy: warning::SHARED_REMEDY.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// A session of its own making: what a file leaves behind in one is gone with it.
fn connect(path: &Path, options: &Options, held: &Arc<Held>) -> Result<Connection, Error> {
    const ACT: &str = "open the database";
    let failed = |source| match sqlite_class(&source) {
        Class::Busy => Error::InUse {
            act: ACT,
            by: holders::in_words(path),
        },
        _ if source.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => {
            Error::Unfit {
                target: path.display().to_string(),
                why: "the file is not a database".to_owned(),
                remedy: "check the path".to_owned(),
            }
        }
        _ => Error::Sqlite { act: ACT, source },
    };
    // Without CREATE: a mistyped path must not become a new, empty database.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection
        .busy_timeout(options.lock_timeout)
        .map_err(failed)?;
    // A rebuild drops the old table; with foreign keys enforced that would delete the children's
    // rows. Inside a transaction this pragma does nothing, so it is set here, once.
    connection
        .pragma_update(None, "foreign_keys", false)
        .map_err(failed)?;
    // Reads the file's header, so that something that is no database is told now.
    let busy = |error: &rusqlite::Error| sqlite_class(error) == Class::Busy;
    in_slices(&connection, options, busy, |connection| {
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
    })
    .map_err(|error| match options.stop.asked() && busy(&error) {
        true => Error::Stopped { act: ACT },
        false => failed(error),
    })?;
    // SQLite opens a file that may not be written for reading, without a word.
    if connection.is_readonly("main").map_err(failed)? {
        if let Err(errno @ rustix::io::Errno::ROFS) =
            rustix::fs::access(path, rustix::fs::Access::WRITE_OK)
        {
            return Err(Error::File {
                act: "write",
                path: path.display().to_string(),
                source: errno.into(),
            });
        }
        return Err(Error::Unfit {
            target: path.display().to_string(),
            why: "this user may not write the file".to_owned(),
            remedy: "run it as the user that the database belongs to".to_owned(),
        });
    }
    forbid(&mut connection, options, held).map_err(failed)?;
    let interrupt = connection.get_interrupt_handle();
    options.stop.cancel_with(move || interrupt.interrupt());
    Ok(connection)
}

/// What a file must not touch while it runs. Both are off while our own statements run.
#[derive(Default)]
struct Held {
    /// The mark and the ledgers.
    records: AtomicBool,
    /// The transaction, which is ours.
    transaction: AtomicBool,
    /// Tables that triggers of the prepared statement write, each with the trigger.
    trigger_writes: Mutex<BTreeMap<String, String>>,
    /// Tables that the file makes.
    made: Mutex<BTreeSet<String>>,
    /// The pragma that the file was refused, in words.
    pragma: Mutex<Option<String>>,
}

impl Held {
    /// What was noted of triggers since this was asked last.
    fn take_trigger_writes(&self) -> BTreeMap<String, String> {
        take(&self.trigger_writes)
    }

    /// The tables that were made since this was asked last.
    fn take_made(&self) -> BTreeSet<String> {
        take(&self.made)
    }

    /// The pragma that was refused since this was asked last.
    fn take_pragma(&self) -> Option<String> {
        take(&self.pragma)
    }
}

fn take<T: Default>(noted: &Mutex<T>) -> T {
    let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *noted)
}

/// Refuses what would change the mark or a ledger, or end our transaction, while a file runs. The
/// parser finds both before anything runs; this is SQLite's own word on it, triggers included.
/// Savepoints are none of its business.
fn forbid(
    connection: &mut Connection,
    options: &Options,
    held: &Arc<Held>,
) -> Result<(), rusqlite::Error> {
    let held = Arc::clone(held);
    let ledger = LEDGER_TABLES.map(|table| options.ledger.sqlite_table(table));
    let is_own = move |table: &str| {
        let table = table.to_ascii_lowercase();
        table.starts_with("lockstep_") || ledger.contains(&table)
    };
    connection.authorizer(Some(move |context: AuthContext<'_>| match context.action {
        AuthAction::Pragma {
            pragma_name,
            pragma_value: Some(value),
        } if held.records.load(Ordering::Relaxed) => match pragmas::refused(pragma_name, value) {
            Some(why) => {
                if let Ok(mut pragma) = held.pragma.lock() {
                    *pragma = Some(format!("PRAGMA {pragma_name} = {value} {why}"));
                }
                Authorization::Deny
            }
            None => Authorization::Allow,
        },
        AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Delete { table_name }
        | AuthAction::DropTable { table_name }
        | AuthAction::AlterTable { table_name, .. }
        | AuthAction::CreateTrigger { table_name, .. }
        | AuthAction::CreateIndex { table_name, .. }
        // A temporary object would stand before ours of the same name, or watch it.
        | AuthAction::CreateTempTable { table_name }
        | AuthAction::CreateTempView { view_name: table_name }
        | AuthAction::CreateTempTrigger { table_name, .. }
            if held.records.load(Ordering::Relaxed)
                && is_own(table_name)
                && !context.database_name.is_some_and(is_vacuumed) =>
        {
            Authorization::Deny
        }
        // `CREATE TABLE temp.x` is no CreateTempTable to SQLite.
        AuthAction::CreateTable { table_name }
        | AuthAction::CreateView {
            view_name: table_name,
        } if held.records.load(Ordering::Relaxed)
            && is_own(table_name)
            && context.database_name == Some("temp") =>
        {
            Authorization::Deny
        }
        // VACUUM attaches its copy without a name, and VACUUM INTO under the one that it is given:
        // a copy outside of every guard.
        AuthAction::Attach { filename }
            if held.records.load(Ordering::Relaxed) && !filename.is_empty() =>
        {
            Authorization::Deny
        }
        AuthAction::Transaction { .. } | AuthAction::Attach { .. } | AuthAction::Detach { .. }
            if held.transaction.load(Ordering::Relaxed) =>
        {
            Authorization::Deny
        }
        AuthAction::CreateTable { table_name } => {
            if let Ok(mut made) = held.made.lock() {
                made.insert(table_name.to_owned());
            }
            Authorization::Allow
        }
        AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Delete { table_name } => {
            // Of a trigger's statements SQLite tells the trigger.
            if let Some(trigger) = context.accessor
                && let Ok(mut writes) = held.trigger_writes.lock()
            {
                writes.insert(table_name.to_owned(), trigger.to_owned());
            }
            Authorization::Allow
        }
        _ => Authorization::Allow,
    }))
}

/// Whether this is the copy that VACUUM attaches and fills, every table of ours included:
/// `vacuum_` and a random number (`sqlite3RunVacuum` in `vacuum.c`, 3.54). A file can't attach
/// anything under such a name: the parser refuses ATTACH.
fn is_vacuumed(database: &str) -> bool {
    database.starts_with("vacuum_")
}

impl Writer for SqliteWriter {
    fn lock(&mut self, wait: Duration, say: &mut dyn FnMut(&str)) -> Result<(), Error> {
        self.lock = Some(FileLock::take(&self.path, &self.options, wait, say)?);
        Ok(())
    }

    fn survey(&mut self) -> Result<Survey, Error> {
        const ACT: &str = "read the database's records";
        let read = |connection: &Connection| {
            SqliteRecords::new(connection, &self.options.ledger).survey(&self.path)
        };
        let busy = |error: &records::Error| error.class() == Class::Busy;
        let survey = in_slices(&self.connection, &self.options, busy, read);
        let survey = survey.map_err(|error| match error.class() {
            Class::Busy if self.options.stop.asked() => Error::Stopped { act: ACT },
            Class::Busy => Error::InUse {
                act: ACT,
                by: holders::in_words(&self.path),
            },
            _ => error.into(),
        })?;
        self.outdated = survey.outdated();
        self.judged = survey.mark.as_ref().map(NewMark::from);
        if let Some(judged) = &mut self.judged
            && self
                .outdated
                .iter()
                .any(|outdated| outdated.what == Own::Mark)
        {
            judged.terms.clone_from(&self.options.terms);
        }
        Ok(survey)
    }

    fn other_sessions(&mut self) -> Result<Vec<String>, Error> {
        // SQLite keeps no list of its connections, and one that is idle on a rollback journal
        // holds no lock; the system knows who has the file open.
        let holders = holders::of(&self.path);
        if !holders.is_empty() {
            return Ok(holders);
        }
        // Where the system shows nobody, an exclusive lock is to be had only if nobody reads. A
        // second connection asks, so that this one stays as it is.
        const ACT: &str = "ask for other connections";
        let failed = |source| Error::Sqlite { act: ACT, source };
        let asking = connect(&self.path, &self.options, &self.held)?;
        self.connection = Connection::open_in_memory().map_err(failed)?;
        let alone = asking
            .busy_timeout(2 * BUSY_SLICE)
            .and_then(|()| asking.pragma_update(None, "locking_mode", "EXCLUSIVE"))
            .and_then(|()| asking.execute_batch("BEGIN EXCLUSIVE; ROLLBACK"));
        drop(asking);
        self.connection = connect(&self.path, &self.options, &self.held)?;
        match alone {
            Ok(()) => Ok(Vec::new()),
            Err(error) if sqlite_class(&error) == Class::Busy => {
                Ok(vec!["another connection to the file".to_owned()])
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn write_mark(&mut self, mark: &NewMark, surveyed: Option<&Mark>) -> Result<(), Error> {
        self.committed("write the mark", |connection, options, path| {
            tables::write_mark(connection, options, path, mark, surveyed)
        })
    }

    fn upgrade(&mut self) -> Result<(), Error> {
        self.in_transaction(UPGRADE, |_, _, _| Ok::<(), Broken>(()))
    }

    fn mark_with_first(&mut self, mark: NewMark) {
        self.judged = Some(mark.clone());
        self.mark_with_first = Some(mark);
    }

    fn expect(&mut self, migrations: &[&Migration]) {
        self.expected = migrations
            .iter()
            .map(|migration| (migration.version.clone(), migration.up.clone()))
            .collect();
    }

    fn apply(
        &mut self,
        migration: &Migration,
        ledger: &[LedgerRow],
        say: &mut dyn FnMut(&str),
    ) -> Result<Applied, ApplyError> {
        if self.options.stop.asked() {
            return Err(ApplyError::Undone(stopped()));
        }
        self.renew()
            .map_err(|error| ApplyError::Undone(error.into()))?;
        let reach = Reach::of(migration);
        self.stale = reach.session;
        if migration.no_transaction {
            self.apply_by_statement(migration, &reach, ledger, say)
        } else {
            self.apply_in_transaction(migration, &reach, ledger, say)
        }
    }

    fn adopt(
        &mut self,
        rows: &[Row<'_>],
        schema: &NewSchema,
        accepted: Option<&NewAccepted>,
    ) -> Result<(), Error> {
        let applied_at = contract::now();
        self.in_transaction("enter the rows", |connection, options, _| {
            tables::make_ledger(connection, &options.ledger)?;
            let last = tables::last_position(connection, options)?;
            for (position, row) in (last + 1..).zip(rows) {
                let new = NewRow {
                    position,
                    state: RowState::Applied,
                    applied_at: &applied_at,
                    duration_ms: 0,
                    because: Some(row.because),
                };
                if !tables::insert_row(connection, options, row.migration, &new)? {
                    return Err(rusqlite::Error::StatementChangedRows(0));
                }
            }
            if let Some(accepted) = accepted {
                history::make(connection, &options.ledger)?;
                history::insert_accepted(connection, options, accepted)?;
            }
            tables::insert_schema(connection, options, schema)
        })
        .map_err(|error| match error {
            Error::Sqlite {
                source: rusqlite::Error::StatementChangedRows(0),
                ..
            } => kept_out(&self.path.display().to_string()),
            error => error,
        })
    }

    fn undo_adoption(&mut self, rows: &[LedgerRow], undone: &NewAccepted) -> Result<(), Error> {
        let target = self.path.display().to_string();
        self.in_transaction("take back the adoption", |connection, options, _| {
            history::make(connection, &options.ledger)?;
            if tables::delete_rows(connection, options, rows)? != rows.len()
                || tables::last_position(connection, options)? != 0
            {
                return Err(Broken::from(not_of_adoption(&target)));
            }
            history::keep_schema(connection, options)?;
            tables::delete_schema(connection, options)?;
            history::insert_accepted(connection, options, undone)?;
            Ok(())
        })
    }

    fn resolve(&mut self, version: &str, to: Resolution, because: &str) -> Result<(), Error> {
        let changed = self.in_transaction("end the dirty row", |connection, options, _| {
            tables::resolve(connection, options, version, to, because)
        })?;
        if changed == 1 {
            Ok(())
        } else {
            Err(Error::Unfit {
                target: self.path.display().to_string(),
                why: format!("its ledger has no dirty row for version {version}"),
                remedy: "see verify-migrations for the state of the ledger".to_owned(),
            })
        }
    }

    fn record_schema(&mut self, schema: &NewSchema) -> Result<(), Error> {
        self.renew()?;
        self.in_transaction("record the schema", |connection, options, _| {
            tables::insert_schema(connection, options, schema)
        })
    }

    fn replace_schema(
        &mut self,
        schema: &NewSchema,
        accepted: Option<&NewAccepted>,
    ) -> Result<(), Error> {
        self.in_transaction("record the schema", |connection, options, _| {
            history::make(connection, &options.ledger)?;
            history::keep_schema(connection, options)?;
            if let Some(accepted) = accepted {
                history::insert_accepted(connection, options, accepted)?;
            }
            tables::insert_schema(connection, options, schema)
        })
    }

    fn recorded_schema(&mut self) -> Result<Option<RecordedSchema>, Error> {
        Ok(self.records().recorded_schema()?)
    }

    fn accepted(&mut self) -> Result<Vec<Accepted>, Error> {
        Ok(self.records().accepted()?)
    }

    fn ledger(&mut self) -> Result<Vec<LedgerRow>, Error> {
        self.renew()?;
        Ok(self.records().ledger()?.unwrap_or_default())
    }

    fn read_schema(&mut self, scope: &Scope) -> Result<Schema, Error> {
        self.renew()?;
        Ok(schema::read_sqlite(&self.connection, scope)?)
    }
}
