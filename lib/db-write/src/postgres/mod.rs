//! Changing a PostgreSQL database.

mod apply;
mod by_statement;
mod conditions;
mod history;
mod lock;
mod mark;
mod outcome;
mod rows;
mod session;
mod standing;
mod strangers;
mod tables;
mod watcher;

use std::sync::Arc;
use std::time::Duration;

use contract::{Class, Classify as _, Failure};
use db_connect::{Link, ServerError, StatementError};
use migrations::{LedgerRow, Migration, RowState};
use postgres::error::SqlState;
use records::{Accepted, Mark, Outdated, Own, PostgresRecords, RecordedSchema, Survey};
use schema::{Schema, Scope};
use settings::PostgresTarget;

use crate::error::{kept_out, not_of_adoption};
use crate::writer::UPGRADE;
use crate::{
    Applied, ApplyError, Ear, Error, NewAccepted, NewMark, NewSchema, Options, Resolution, Row,
    Writer,
};
use conditions::Conditions;
use rows::{NewRow, RowInsert};
use session::{Backend, Session};
use standing::Standing;
use watcher::Watcher;

/// Sessions that a message names.
const SESSIONS_NAMED_MAX: usize = 5;

/// A session on a PostgreSQL server, and nothing in between.
pub(crate) struct PostgresWriter {
    target: PostgresTarget,
    options: Options,
    link: Link,
    backend: Backend,
    /// What makes the session as new.
    reset: String,
    /// What gives it the path that files run in; every query of ours runs in the catalog's alone.
    path_of_files: String,
    row_insert: RowInsert,
    standing: Standing,
    /// The advisory lock that this session holds.
    lock_key: Option<i64>,
    mark_with_first: Option<NewMark>,
    /// The mark that the guards judged; no file may change it.
    judged: Option<NewMark>,
    /// Whether the ledger's tables are known to be there.
    ledger_there: bool,
    /// What an earlier release wrote; the first change upgrades it.
    outdated: Vec<Outdated>,
    /// The session that was lost: what it did is final once it is gone.
    lost: Option<Backend>,
    watcher: Option<Watcher>,
    ear: Option<db_connect::Ear>,
    /// What is left of [`Options::patience`].
    patience: Duration,
}

impl PostgresWriter {
    pub(crate) fn open(target: &PostgresTarget, options: Options) -> Result<PostgresWriter, Error> {
        let session = Session::open(target, &options, Duration::ZERO)?;
        Ok(PostgresWriter {
            patience: options.patience,
            target: target.clone(),
            options,
            link: session.link,
            backend: session.backend,
            reset: session.reset,
            path_of_files: session.path_of_files,
            row_insert: RowInsert::default(),
            standing: Standing::default(),
            lock_key: None,
            mark_with_first: None,
            judged: None,
            ledger_there: false,
            outdated: Vec::new(),
            lost: None,
            watcher: None,
            ear: None,
        })
    }

    fn records(&mut self) -> PostgresRecords<'_, postgres::Client> {
        PostgresRecords::new(&mut self.link.client, &self.options.ledger)
    }

    /// What an administrator has to do where the role may not make or upgrade our tables.
    fn grant(&self) -> String {
        tables::grant(&self.options.ledger, &self.target.user, &self.outdated)
    }

    /// Runs `work` in one transaction, which also upgrades what an earlier release wrote, and after
    /// which the database has to carry `mark` and nothing may hang on the tables that were written.
    /// Where the connection is lost in COMMIT, `is_there` looks
    /// whether the database holds what was to be written, once the lost session is gone.
    fn in_transaction<T, E: Into<Broken>>(
        &mut self,
        act: &'static str,
        mark: Option<&NewMark>,
        work: impl FnOnce(&mut postgres::Transaction<'_>, &Options) -> Result<T, E>,
        is_there: impl FnOnce(
            &mut PostgresRecords<'_, postgres::Client>,
        ) -> Result<bool, records::Error>,
    ) -> Result<T, Error> {
        let grant = self.grant();
        let failed = |error: postgres::Error| match error.as_db_error() {
            Some(said) if *said.code() == SqlState::INSUFFICIENT_PRIVILEGE => Error::Forbidden {
                act,
                source: Box::new(ServerError::from(said)),
                remedy: grant.clone(),
            },
            _ => Error::Postgres(StatementError::new(act, error)),
        };
        let mut transaction = self.link.client.transaction().map_err(failed)?;
        let done = tables::upgrade(&mut transaction, &self.options, &self.outdated)
            .map_err(Broken::from)
            .and_then(|()| work(&mut transaction, &self.options).map_err(E::into))
            .map_err(|broken| match broken {
                Broken::Server(error) => failed(error),
                Broken::Refused(error) => *error,
            })?;
        standing::hold(&mut transaction, &self.options, &self.standing, mark, act)?;
        let Err(error) = transaction.commit() else {
            self.outdated.clear();
            return Ok(done);
        };
        if !outcome::is_lost(&self.link, &error) {
            return Err(failed(error));
        }
        let source = StatementError::new("commit", error);
        self.note_loss();
        let found = self
            .recover(&mut |_| {})
            .and_then(|()| Ok(is_there(&mut self.records())?));
        match found {
            Ok(true) => Ok(done),
            Ok(false) => Err(Error::NotCommitted { act, source }),
            Err(reading) => Err(Error::CommitLost {
                act,
                lost: Failure::from(source).line(),
                source: Box::new(reading),
            }),
        }
    }
}

/// All that a person has of a notice or a warning.
fn in_words(said: &ServerError) -> String {
    let mut text = format!("{}: {}", said.severity, said.message);
    for (what, more) in [("detail", &said.detail), ("hint", &said.hint)] {
        if let Some(more) = more {
            text.push_str(&format!("; {what}: {more}"));
        }
    }
    text
}

/// Why a transaction of ours was not committed.
enum Broken {
    /// The server's answer, or that the connection was lost.
    Server(postgres::Error),
    /// Our own word on what is there.
    Refused(Box<Error>),
}

impl From<postgres::Error> for Broken {
    fn from(error: postgres::Error) -> Broken {
        Broken::Server(error)
    }
}

impl From<Error> for Broken {
    fn from(error: Error) -> Broken {
        Broken::Refused(Box::new(error))
    }
}

/// Whether this schema is the recorded one.
fn is_recorded(
    records: &mut PostgresRecords<'_, postgres::Client>,
    schema: &NewSchema,
) -> Result<bool, records::Error> {
    Ok(records.recorded_schema()?.is_some_and(|recorded| {
        recorded.document == schema.document && recorded.ledger_state == schema.ledger_state
    }))
}

impl Writer for PostgresWriter {
    fn lock(&mut self, wait: Duration, say: &mut dyn FnMut(&str)) -> Result<(), Error> {
        self.take_lock(wait, say)
    }

    fn survey(&mut self) -> Result<Survey, Error> {
        const ACT: &str = "read the database's records";
        let target = self.target.clone();
        let answered = self.link.endpoint.clone();
        let pid = self.backend.pid;
        self.watcher().begin(pid);
        let stop = self.options.stop.clone();
        let cancellable = stop.cancellable();
        let survey = self.records().survey(&target, &answered);
        drop(cancellable);
        let blockers = self.watcher().end();
        let survey = survey.map_err(|error| match error.class() {
            _ if stop.asked() => Error::Stopped { act: ACT },
            Class::Busy => Error::InUse {
                act: ACT,
                by: match blockers.is_empty() {
                    true => String::new(),
                    false => format!("; blocked by {}", blockers.join(", ")),
                },
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
        let (own, others) = strangers::clients(&mut self.link.client)
            .map_err(|error| StatementError::new("list the other sessions", error))?;
        let own = own.ok_or_else(|| Error::Unfit {
            target: self.target.database.clone(),
            why: "the server does not show this session among its own".to_owned(),
            remedy: "set track_activities = on for the role".to_owned(),
        })?;
        let mut strangers = strangers::strangers(&own, &others);
        strangers.truncate(SESSIONS_NAMED_MAX);
        Ok(strangers)
    }

    fn write_mark(&mut self, mark: &NewMark, surveyed: Option<&Mark>) -> Result<(), Error> {
        let target = self.target.clone();
        let answered = self.link.endpoint.clone();
        let place = self.records().place(&target, &answered)?;
        let database = target.database.clone();
        self.in_transaction(
            "write the mark",
            None,
            |transaction, options| {
                mark::write(transaction, options, &database, &place, mark, surveyed)
            },
            |records| {
                Ok(mark
                    .differs_from(records.mark()?.as_ref(), &place)
                    .is_none())
            },
        )
    }

    fn upgrade(&mut self) -> Result<(), Error> {
        let judged = self.judged.clone();
        self.in_transaction(
            UPGRADE,
            judged.as_ref(),
            |_, _| Ok::<(), Broken>(()),
            |records| {
                Ok(records.ledger_format()? == records::LEDGER_FORMAT
                    && records
                        .mark()?
                        .is_none_or(|mark| mark.format == records::MARK_FORMAT))
            },
        )
    }

    fn mark_with_first(&mut self, mark: NewMark) {
        self.judged = Some(mark.clone());
        self.mark_with_first = Some(mark);
    }

    fn hear(&mut self, ear: Ear) {
        let ear: db_connect::Ear = Arc::new(move |said: &ServerError| ear(&in_words(said)));
        self.link.hear(Some(Arc::clone(&ear)));
        self.ear = Some(ear);
    }

    fn apply(
        &mut self,
        migration: &Migration,
        ledger: &[LedgerRow],
        say: &mut dyn FnMut(&str),
    ) -> Result<Applied, ApplyError> {
        if self.options.stop.asked() {
            return Err(ApplyError::Undone(crate::error::stopped()));
        }
        if migration.no_transaction {
            self.apply_by_statement(migration, ledger, say)
        } else {
            self.apply_in_transaction(migration, ledger, say)
        }
    }

    fn adopt(
        &mut self,
        rows: &[Row<'_>],
        schema: &NewSchema,
        accepted: Option<&NewAccepted>,
    ) -> Result<(), Error> {
        let applied_at = contract::now();
        let judged = self.judged.clone();
        let entered = self.in_transaction(
            "enter the rows",
            judged.as_ref(),
            |transaction, options| {
                tables::make_ledger(transaction, &options.ledger)?;
                let last = rows::last_position(transaction, options)?;
                let mut insert = RowInsert::default();
                for (position, row) in (last + 1..).zip(rows) {
                    let new = NewRow {
                        position,
                        state: RowState::Applied,
                        applied_at: &applied_at,
                        duration_ms: 0,
                        because: Some(row.because),
                    };
                    let conditions = Conditions::default();
                    let migration = row.migration;
                    if !insert.write(transaction, options, migration, &new, &conditions)? {
                        // The COMMIT that follows ends no transaction, and says so in a warning.
                        transaction.batch_execute("ROLLBACK")?;
                        return Ok(false);
                    }
                }
                if let Some(accepted) = accepted {
                    history::make(transaction, &options.ledger)?;
                    history::insert_accepted(transaction, options, accepted)?;
                }
                rows::insert_schema(transaction, options, schema)?;
                Ok::<bool, postgres::Error>(true)
            },
            |records| is_recorded(records, schema),
        )?;
        match entered {
            true => Ok(()),
            false => Err(kept_out(&self.target.database)),
        }
    }

    fn undo_adoption(&mut self, rows: &[LedgerRow], undone: &NewAccepted) -> Result<(), Error> {
        let judged = self.judged.clone();
        let target = self.target.database.clone();
        self.in_transaction(
            "take back the adoption",
            judged.as_ref(),
            |transaction, options| {
                history::make(transaction, &options.ledger)?;
                if rows::delete(transaction, options, rows)? != rows.len()
                    || rows::last_position(transaction, options)? != 0
                {
                    return Err(Broken::from(not_of_adoption(&target)));
                }
                history::keep_schema(transaction, options)?;
                rows::delete_schema(transaction, options)?;
                history::insert_accepted(transaction, options, undone)?;
                Ok(())
            },
            |records| {
                let is_entered = records.accepted()?.iter().any(|entry| undone.is(entry));
                let rows = records.ledger()?.unwrap_or_default();
                Ok(is_entered && rows.is_empty() && records.recorded_schema()?.is_none())
            },
        )
    }

    fn resolve(&mut self, version: &str, to: Resolution, because: &str) -> Result<(), Error> {
        let judged = self.judged.clone();
        let changed = self.in_transaction(
            "end the dirty row",
            judged.as_ref(),
            |transaction, options| rows::resolve(transaction, options, version, to, because),
            |records| {
                let rows = records.ledger()?.unwrap_or_default();
                let row = rows.iter().find(|row| row.version == version);
                Ok(match to {
                    Resolution::Applied => row.is_some_and(|row| row.state == RowState::Applied),
                    Resolution::Pending => row.is_none(),
                })
            },
        )?;
        if changed == 1 {
            Ok(())
        } else {
            Err(Error::Unfit {
                target: self.target.database.clone(),
                why: format!("its ledger has no dirty row for version {version}"),
                remedy: "see verify-migrations for the state of the ledger".to_owned(),
            })
        }
    }

    fn record_schema(&mut self, schema: &NewSchema) -> Result<(), Error> {
        if self.lock_key.is_none() {
            self.recover(&mut |_| {})?;
            self.take_lock(Duration::ZERO, &mut |_| {})?;
        }
        let judged = self.judged.clone();
        self.in_transaction(
            "record the schema",
            judged.as_ref(),
            |transaction, options| rows::insert_schema(transaction, options, schema),
            |records| is_recorded(records, schema),
        )
    }

    fn replace_schema(
        &mut self,
        schema: &NewSchema,
        accepted: Option<&NewAccepted>,
    ) -> Result<(), Error> {
        let judged = self.judged.clone();
        self.in_transaction(
            "record the schema",
            judged.as_ref(),
            |transaction, options| {
                history::make(transaction, &options.ledger)?;
                history::keep_schema(transaction, options)?;
                if let Some(accepted) = accepted {
                    history::insert_accepted(transaction, options, accepted)?;
                }
                rows::insert_schema(transaction, options, schema)
            },
            |records| {
                let is_entered = match accepted {
                    Some(new) => records.accepted()?.iter().any(|entry| new.is(entry)),
                    None => true,
                };
                Ok(is_entered && is_recorded(records, schema)?)
            },
        )
    }

    fn recorded_schema(&mut self) -> Result<Option<RecordedSchema>, Error> {
        Ok(self.records().recorded_schema()?)
    }

    fn accepted(&mut self) -> Result<Vec<Accepted>, Error> {
        Ok(self.records().accepted()?)
    }

    fn ledger(&mut self) -> Result<Vec<LedgerRow>, Error> {
        self.recover(&mut |_| {})?;
        Ok(self.records().ledger()?.unwrap_or_default())
    }

    fn read_schema(&mut self, scope: &Scope) -> Result<Schema, Error> {
        self.recover(&mut |_| {})?;
        // In a transaction of its own, because the reading pins settings for that long.
        let mut transaction = self
            .link
            .client
            .build_transaction()
            .read_only(true)
            .start()
            .map_err(|error| StatementError::new("read the schema", error))?;
        // Compiling a query of the catalog takes longer than the query itself.
        transaction
            .batch_execute("SET LOCAL jit = off")
            .map_err(|error| StatementError::new("read the schema", error))?;
        Ok(schema::read_postgres(&mut transaction, scope)?)
    }
}
