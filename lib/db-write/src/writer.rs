//! What can be done to a database, whichever engine it is.

use std::sync::Arc;
use std::time::Duration;

use contract::{Changed, Check, Class, Classify as _, Failure, Report, Run};
use migrations::{LedgerRow, Migration, RowState};
use records::{Accepted, LedgerName, Mark, Outdated, Own, Place, RecordedSchema, Survey};
use schema::{Schema, Scope};
use settings::file::{SqliteSettings, Terms};
use settings::{Settings, Target};
use sha2::{Digest as _, Sha256};

use crate::postgres::PostgresWriter;
use crate::sqlite::SqliteWriter;
use crate::{ApplyError, Error, Stop};

/// How a session for writing is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program, as other sessions see it.
    pub tool: &'static str,
    /// The run.
    pub run_id: String,
    /// Who acts: a person or a CI job, with the machine.
    pub actor: String,
    /// The ledger's name.
    pub ledger: LedgerName,
    /// PostgreSQL: the schema that files run in, where it is not the role's own `search_path`.
    pub schema: Option<String>,
    /// How long a statement inside a transaction waits for another's lock.
    pub lock_timeout: Duration,
    /// PostgreSQL: how long a lost connection is tried again, and how long its session is waited
    /// for, before the outcome counts as unknown.
    pub patience: Duration,
    /// SQLite: what the file says of where the database lies.
    pub sqlite: SqliteSettings,
    /// Signals.
    pub stop: Stop,
    /// What the file declares of the environment, which a mark of an earlier format stores once it
    /// is upgraded.
    pub terms: Option<Terms>,
}

impl Options {
    /// For a program that writes rows of ours: no schema of its own, 5 s for another's lock, 30 s of
    /// patience, in which a server that crashed is up again. Takes the signals over.
    ///
    /// # Errors
    ///
    /// When they can't be taken over.
    pub fn new(
        tool: &'static str,
        run: &Run,
        ledger: LedgerName,
        settings: &Settings,
    ) -> Result<Options, Failure> {
        let stop = Stop::armed().map_err(|error| {
            Failure::caused_by(Class::Error, "cannot take signals over", &error)
        })?;
        Ok(Options {
            tool,
            run_id: run.run_id().to_owned(),
            actor: contract::actor(),
            ledger,
            schema: None,
            lock_timeout: Duration::from_secs(5),
            patience: Duration::from_secs(30),
            sqlite: settings.sqlite.clone(),
            stop,
            terms: None,
        })
    }
}

/// The mark that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMark {
    /// The environment's name.
    pub environment: String,
    /// Whether it is protected.
    pub protected: bool,
    /// The target's new identity.
    pub uuid: String,
    /// What its environment demands.
    pub terms: Option<Terms>,
}

impl NewMark {
    /// The terms as the mark stores them.
    pub(crate) fn stored_terms(&self) -> Option<String> {
        // Words, texts and lists of them can't fail to be JSON.
        let terms = self.terms.as_ref()?;
        serde_json::to_string(terms).ok()
    }

    /// What of `found`, which was read back, is not as it was written; nothing where all is.
    pub(crate) fn differs_from(&self, found: Option<&Mark>, place: &Place) -> Option<String> {
        let Some(found) = found else {
            return Some("there is none".to_owned());
        };
        let fields = [
            ("the environment", found.environment == self.environment),
            ("protected", found.protected == self.protected),
            ("the UUID", found.uuid == self.uuid),
            ("the terms", found.terms == self.terms),
            ("the place", found.place == *place),
            ("the format", found.format == records::MARK_FORMAT),
        ];
        let wrong: Vec<&str> = fields
            .iter()
            .filter(|(_, same)| !same)
            .map(|(field, _)| *field)
            .collect();
        match wrong.as_slice() {
            [] => None,
            ["protected"] if self.protected => Some("it says unprotected".to_owned()),
            wrong => Some(format!("another value has {}", wrong.join(", "))),
        }
    }
}

impl From<&Mark> for NewMark {
    /// The mark that is there, as the one that has to stay.
    fn from(mark: &Mark) -> NewMark {
        NewMark {
            environment: mark.environment.clone(),
            protected: mark.protected,
            uuid: mark.uuid.clone(),
            terms: mark.terms.clone(),
        }
    }
}

/// One row of the ledger that is to be written without running anything.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// The migration.
    pub migration: &'a Migration,
    /// Why it counts as applied.
    pub because: &'a str,
}

/// What a reviewed line excused, as it is entered beside the ledger. Its form is that of
/// [`records::Accepted`], without when, by whom and in which run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccepted {
    /// The check that had found it.
    pub check: String,
    /// The UUID of the database's mark.
    pub target: String,
    /// What was found: `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// Why it is right.
    pub because: String,
}

impl NewAccepted {
    /// Whether this is the entry.
    pub(crate) fn is(&self, entry: &Accepted) -> bool {
        self.check == entry.check
            && self.target == entry.target
            && self.digest == entry.digest
            && self.because == entry.because
    }
}

impl From<&settings::file::Accept> for NewAccepted {
    fn from(line: &settings::file::Accept) -> NewAccepted {
        NewAccepted {
            check: line.check.check_id().to_owned(),
            target: line.target.clone(),
            digest: line.digest.clone(),
            because: line.because.clone(),
        }
    }
}

/// What a dirty row becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Applied: somebody finished it by hand.
    Applied,
    /// Pending: somebody undid it by hand.
    Pending,
}

/// A migration that was applied.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Its row in the ledger, whose own duration ends where the row was written.
    pub row: LedgerRow,
    /// From its BEGIN to the end of its COMMIT; the attempts that timed out are not in it.
    pub duration_ms: i64,
}

/// Hears one message of the engine.
pub type Ear = Arc<dyn Fn(&str) + Send + Sync>;

/// A session that changes a database.
pub trait Writer {
    /// Takes the deployment lock, waiting for at most `wait`. `say` is told whom it waits for.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] when another deployment holds it, [`Error::Stopped`] when a signal ended
    /// the wait; nothing was done then.
    fn lock(&mut self, wait: Duration, say: &mut dyn FnMut(&str)) -> Result<(), Error>;

    /// Mark, ledger, tables, place, on this very session.
    ///
    /// # Errors
    ///
    /// When a record can't be read.
    fn survey(&mut self) -> Result<Survey, Error>;

    /// Other sessions that are connected to this database, as far as the engine can tell; on
    /// PostgreSQL those of other roles or other addresses, without a platform's own.
    ///
    /// # Errors
    ///
    /// When the engine can't be asked.
    fn other_sessions(&mut self) -> Result<Vec<String>, Error>;

    /// Writes the mark in place of `surveyed`, the one that was decided upon, and makes its table
    /// where there is none, in one transaction.
    ///
    /// # Errors
    ///
    /// [`Error::MarkChanged`] where the database carries another mark than `surveyed` by now. When
    /// it was not written, the database is as it was, unless the class is `partial`.
    fn write_mark(&mut self, mark: &NewMark, surveyed: Option<&Mark>) -> Result<(), Error>;

    /// Gives what an earlier release wrote the format of this one. Every other change does that
    /// too, in its own transaction; this is for an action that has nothing else to change.
    ///
    /// # Errors
    ///
    /// When it was not upgraded; the database is as it was, unless the class is `partial`.
    fn upgrade(&mut self) -> Result<(), Error>;

    /// The mark that the first migration's transaction writes too, on a database that was empty.
    fn mark_with_first(&mut self, mark: NewMark);

    /// Tells which migrations will be applied, in their order: what the schema lacks after one of
    /// them may be what a later one brings.
    fn expect(&mut self, _migrations: &[&Migration]) {}

    /// Hands what the engine says beside its answers while migrations run, such as a server's notices
    /// and warnings, to `ear`, as it comes. An engine that says nothing has no use for it.
    fn hear(&mut self, _ear: Ear) {}

    /// Applies one migration together with its ledger row. `ledger` is what the ledger has to be at
    /// that moment: another last row stops the migration before it begins, and any other difference
    /// before it is committed.
    ///
    /// # Errors
    ///
    /// See [`ApplyError`].
    fn apply(
        &mut self,
        migration: &Migration,
        ledger: &[LedgerRow],
        say: &mut dyn FnMut(&str),
    ) -> Result<Applied, ApplyError>;

    /// Enters rows without running anything, and records `schema`, in one transaction. Without
    /// rows, the ledger says that nothing of it was applied yet. `accepted` is the line that
    /// excused what could not be proven.
    ///
    /// # Errors
    ///
    /// When they were not entered; the database is as it was, unless the class is `partial`.
    fn adopt(
        &mut self,
        rows: &[Row<'_>],
        schema: &NewSchema,
        accepted: Option<&NewAccepted>,
    ) -> Result<(), Error>;

    /// Takes the rows of an adoption, and the schema that was recorded with them, out again, and
    /// enters `undone`, which says why, in one transaction. `rows` is what the ledger has to be.
    ///
    /// # Errors
    ///
    /// When they were not taken out; the database is as it was, unless the class is `partial`.
    fn undo_adoption(&mut self, rows: &[LedgerRow], undone: &NewAccepted) -> Result<(), Error>;

    /// Ends the dirty row of `version`.
    ///
    /// # Errors
    ///
    /// When it was not ended; the database is as it was, unless the class is `partial`.
    fn resolve(&mut self, version: &str, to: Resolution, because: &str) -> Result<(), Error>;

    /// Records the schema that a deployment left. Takes the deployment lock again where a lost
    /// connection took it away.
    ///
    /// # Errors
    ///
    /// When it was not recorded.
    fn record_schema(&mut self, schema: &NewSchema) -> Result<(), Error>;

    /// Records a schema in place of the one that is recorded, keeps the former, and enters the line
    /// that excused it, in one transaction.
    ///
    /// # Errors
    ///
    /// When it was not recorded; the database is as it was, unless the class is `partial`.
    fn replace_schema(
        &mut self,
        schema: &NewSchema,
        accepted: Option<&NewAccepted>,
    ) -> Result<(), Error>;

    /// The schema that was recorded last.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    fn recorded_schema(&mut self) -> Result<Option<RecordedSchema>, Error>;

    /// What was accepted by reviewed lines.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    fn accepted(&mut self) -> Result<Vec<Accepted>, Error>;

    /// The ledger as it is now. After a lost connection this connects anew and waits until the
    /// lost session is gone, so that what it left behind is final.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    fn ledger(&mut self) -> Result<Vec<LedgerRow>, Error>;

    /// The schema as this session sees it.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    fn read_schema(&mut self, scope: &Scope) -> Result<Schema, Error>;
}

/// What completes "cannot" where Lockstep's own tables are upgraded.
pub(crate) const UPGRADE: &str = "upgrade Lockstep's own tables";

/// Says which of Lockstep's own tables were upgraded by the change that was made; nothing where
/// none was of an earlier release.
/// `terms` are what an upgraded mark stores by now.
pub fn report_upgrade(outdated: &[Outdated], terms: Option<&Terms>, report: &mut Report) {
    let upgraded: Vec<String> = outdated.iter().map(Outdated::to_string).collect();
    if !upgraded.is_empty() {
        report.fact("upgraded", &upgraded);
    }
    if outdated.iter().any(|outdated| outdated.what == Own::Mark) {
        let stores = terms.map_or_else(|| "no requirements".to_owned(), Terms::in_words);
        report.fact("mark_stores", stores);
    }
}

/// A schema, and the state of the ledger that it belongs to.
#[derive(Clone, Debug)]
pub struct NewSchema {
    /// The schema as JSON.
    pub document: String,
    /// See [`migrations::ledger_state`].
    pub ledger_state: String,
}

impl NewSchema {
    /// A schema that was read in `scope`, which is recorded with it, at a state of the ledger.
    ///
    /// # Errors
    ///
    /// None is known; the serializer could refuse.
    pub fn new(schema: &Schema, scope: &Scope, ledger_state: String) -> Result<NewSchema, Error> {
        Ok(NewSchema {
            document: schema.recorded_in(scope).to_json()?,
            ledger_state,
        })
    }
}

/// The recorded schema is the one that is there.
pub const SCHEMA_RECORDED: Check = Check {
    id: "schema-recorded",
    holds: "the schema that the run left is recorded beside the ledger",
    remedy: "run deploy-db; it records the schema also where nothing is pending",
};

/// Reads the schema and records it for a state of the ledger. That it could not be recorded is a
/// warning: what the run changed stands. Where mark or own tables are not what was judged, the run is
/// partial. Whether the record was changed.
pub fn record_schema(
    writer: &mut dyn Writer,
    scope: &Scope,
    ledger_state: String,
    report: &mut Report,
) -> Changed {
    let recorded = writer
        .read_schema(scope)
        .and_then(|schema| NewSchema::new(&schema, scope, ledger_state))
        .and_then(|schema| writer.record_schema(&schema));
    match recorded {
        Ok(()) => {
            report.held(&SCHEMA_RECORDED, "");
            Changed::Yes
        }
        // What stands under a mark that was changed meanwhile is no pass.
        Err(error @ (Error::Disturbed { .. } | Error::MarkMoved { .. })) => {
            let failure = Failure::from(error);
            let finding = report.broken(&SCHEMA_RECORDED, "", failure.line());
            if let Some(remedy) = &failure.remedy {
                finding.remedy(remedy);
            }
            report.stopped_by(Failure {
                class: Class::Partial,
                ..failure
            });
            Changed::No
        }
        Err(error) => not_recorded(error, report),
    }
}

/// Says that the schema was not recorded, or that it can't be told. Whether the record was changed.
pub fn not_recorded(error: Error, report: &mut Report) -> Changed {
    let changed = match error.class() {
        Class::Partial => Changed::Unknown,
        _ => Changed::No,
    };
    let failure = Failure::from(error);
    let what = format!("{}; what was applied stands", failure.line());
    let finding = report.warned(&SCHEMA_RECORDED, "", what);
    if let Some(remedy) = failure.remedy {
        finding.remedy(remedy);
    }
    changed
}

/// Connects for writing. Nothing is changed, created or locked by that.
///
/// # Errors
///
/// When the target can't be reached, or can't be changed from here: a file that does not exist, a
/// replica, a connection pooler.
pub fn open(target: &Target, options: Options) -> Result<Box<dyn Writer>, Error> {
    Ok(match target {
        Target::Sqlite(target) => Box::new(SqliteWriter::open(target, options)?),
        Target::Postgres(target) => Box::new(PostgresWriter::open(target, options)?),
    })
}

/// What is compared of the ledger's last row before a migration begins: enough to see in good time
/// that somebody else wrote to it since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LastRow {
    pub(crate) position: i64,
    pub(crate) version: String,
    pub(crate) sha256: String,
    pub(crate) state: String,
}

impl LastRow {
    pub(crate) fn of(row: &LedgerRow) -> LastRow {
        LastRow {
            position: row.position,
            version: row.version.clone(),
            sha256: migrations::hex(&row.sha256),
            state: state_text(row.state).to_owned(),
        }
    }
}

/// How many of the ledger's rows, the last ones, PostgreSQL compares before another is written. All
/// of them would make the time of a deployment grow by the square of its files; the whole ledger is
/// compared after the run.
pub(crate) const LEDGER_ROWS_COMPARED: usize = 500;

/// What is compared of the ledger before a row is written: SHA-256, hexadecimal, of a line for each
/// of its last rows.
pub(crate) fn ledger_digest(rows: &[LedgerRow]) -> String {
    let last = rows.len().saturating_sub(LEDGER_ROWS_COMPARED);
    let lines: Vec<String> = rows[last..].iter().map(line_of).collect();
    migrations::hex(&Sha256::digest(lines.join("\n")))
}

fn line_of(row: &LedgerRow) -> String {
    let position = row.position.to_string();
    let sha256 = migrations::hex(&row.sha256);
    let tokens = row.sha256_tokens.map(|digest| migrations::hex(&digest));
    let mut fields = vec![position.as_str(), &row.version, &row.name, &sha256];
    fields.extend(tokens.as_deref());
    fields.push(state_text(row.state));
    fields.join(" ")
}

/// The words of a row's state.
pub(crate) fn state_text(state: RowState) -> &'static str {
    match state {
        RowState::Applied => "applied",
        RowState::Started => "started",
    }
}

/// The position after the last row, which was compared with the ledger's own.
pub(crate) fn next_position(ledger: &[LedgerRow]) -> i64 {
    ledger.last().map_or(1, |last| last.position + 1)
}

/// The row that was written for a migration.
pub(crate) fn row_of(
    migration: &Migration,
    options: &Options,
    position: i64,
    applied_at: String,
    duration_ms: i64,
) -> LedgerRow {
    LedgerRow {
        version: migration.version.clone(),
        name: migration.name.clone(),
        sha256: migration.sha256,
        sha256_tokens: migration.sha256_tokens,
        state: RowState::Applied,
        applied_at,
        duration_ms,
        applied_by: options.actor.clone(),
        run_id: options.run_id.clone(),
        because: None,
        position,
    }
}

pub(crate) fn millis(since: std::time::Instant) -> i64 {
    i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX)
}
