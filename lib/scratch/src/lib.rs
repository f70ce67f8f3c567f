//! Scratch databases, in which migrations run without harm to anybody.
//!
//! [`with`] makes one, lends it, and drops it again, also after an error or a signal. The session
//! that files run in can open no other database: SQLite's is in memory and may attach nothing,
//! PostgreSQL's is connected to the database that was made for it, on the server that `[scratch]`
//! names or on a private one of this run's own. The target's session is closed by then.

mod leftovers;
mod manner;
mod named;
mod postgres;
mod shared;
mod sqlite;
mod stop;
mod temporary;

use contract::{Check, Class, Failure, Report, Run};
use db_connect::StatementError;
use db_read::PostgresSession;
use migrations::{Migration, Set};
use records::Survey;
use schema::{Outline, Schema, Scope, Sketch};
use settings::{Resolved, Target};

pub use manner::Fault;

/// What a scratch database leaves behind.
pub const SCRATCH_DROPPED: Check = Check {
    id: "scratch-dropped",
    holds: "the scratch database of the replay was dropped",
    remedy: "drop it by hand",
};

/// The lines that name a scratch server.
pub const LINES: &str = "write `[scratch]` and below it `server = \"temporary\"` in lockstep.toml, \
                         or `server = { env = \"SCRATCH_URL\" }` with the URL of a server where a \
                         database may be created and nothing is to be lost";

/// What has to be known of the target's server.
#[derive(Clone, Debug, Default)]
pub struct ServerFacts {
    /// Its major version.
    pub(crate) major: u32,
    /// Who the target's session runs as: what `"$user"` in its search_path means.
    pub(crate) role: String,
    /// What that role may do: superuser, create databases, create roles.
    pub(crate) may: [bool; 3],
    /// Every other role of the server, which files may name.
    pub(crate) roles: Vec<String>,
    /// When the server started, to the microsecond.
    pub(crate) started: String,
}

const ROLES: &str = "SELECT rolname::pg_catalog.text, rolname OPERATOR(pg_catalog.=) current_user, \
        rolsuper, rolcreatedb, rolcreaterole \
     FROM pg_catalog.pg_roles \
     WHERE NOT pg_catalog.starts_with(rolname::pg_catalog.text, 'pg_')";

impl ServerFacts {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// The server's, or the connection's.
    pub fn read(session: &mut PostgresSession) -> Result<ServerFacts, StatementError> {
        let rows = session.rows("read when the server started", named::STARTED)?;
        let mut facts = ServerFacts {
            major: session.facts().version_num / 10_000,
            role: session.facts().role.clone(),
            started: rows.first().map(|row| row.get(0)).unwrap_or_default(),
            ..ServerFacts::default()
        };
        for row in session.rows("read the server's roles", ROLES)? {
            match row.get(1) {
                true => facts.may = [row.get(2), row.get(3), row.get(4)],
                false => facts.roles.push(row.get(0)),
            }
        }
        Ok(facts)
    }
}

/// Whose migrations are to be run in a scratch database.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The target, and what `lockstep.toml` says.
    pub resolved: &'a Resolved,
    /// What was read of the target.
    pub survey: &'a Survey,
    /// The same of its server, for PostgreSQL.
    pub server: Option<&'a ServerFacts>,
    /// The program.
    pub tool: &'static str,
    /// The run.
    pub run: &'a Run,
}

/// A scratch database and the session in it.
#[derive(Debug)]
pub struct Scratch(Engine);

#[derive(Debug)]
enum Engine {
    Sqlite(Box<sqlite::Memory>),
    Postgres(Box<postgres::Session>),
}

/// What a scratch database's catalog was at a moment, good for a comparison within that database
/// alone: while it is the same, so is the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp(String);

/// Whether a scratch database can be made at all: always in memory, and on PostgreSQL where
/// `[scratch]` names a server.
pub fn is_named(resolved: &Resolved) -> bool {
    matches!(resolved.target, Target::Sqlite(_)) || resolved.settings.scratch.server.is_some()
}

/// Whether a signal has asked for an end since a scratch database was made.
pub fn stopped() -> bool {
    stop::was_asked()
}

/// Makes a scratch database for `migrations`, lends it to `work`, and drops it, which is reported.
///
/// # Errors
///
/// Those of `work`; no server is named, or it can't be used; a signal asked for an end.
pub fn with<T>(
    wanted: &Wanted<'_>,
    migrations: &[&Migration],
    report: &mut Report,
    work: impl FnOnce(&mut Scratch) -> Result<T, Failure>,
) -> Result<T, Failure> {
    if let Target::Sqlite(_) = wanted.resolved.target {
        let memory = Box::new(sqlite::Memory::new()?);
        return work(&mut Scratch(Engine::Sqlite(memory)));
    }
    let stop = stop::Stop::armed()
        .map_err(|error| Failure::caused_by(Class::Error, "cannot take signals over", &error))?;
    let made = postgres::Session::new(wanted, migrations, stop.clone());
    let worked = made.and_then(|session| {
        let mut scratch = Scratch(Engine::Postgres(Box::new(session)));
        let worked = work(&mut scratch);
        stop.cancels_nothing();
        if let Engine::Postgres(session) = scratch.0 {
            session.end(wanted.run, report);
        }
        worked
    });
    match stop.asked() {
        true => Err(Failure::new(
            Class::Error,
            "cannot replay: stopped by a signal",
        )),
        false => worked,
    }
}

impl Scratch {
    /// Runs one migration as the runner would; why it can't be run, if so.
    ///
    /// # Errors
    ///
    /// What is no fault of the file: the connection is lost, a signal asked for an end.
    pub fn apply(&mut self, set: &Set, migration: &Migration) -> Result<Option<Fault>, Failure> {
        match &mut self.0 {
            Engine::Sqlite(memory) => memory.apply(set, migration),
            Engine::Postgres(session) => session.apply(set, migration),
        }
    }

    /// The schema that the migrations have made so far.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn read_schema(&mut self, scope: &Scope) -> Result<Schema, Failure> {
        match &mut self.0 {
            Engine::Sqlite(memory) => memory.read_schema(scope),
            Engine::Postgres(session) => session.read_schema(scope),
        }
    }

    /// Tells whether anything in the schema can have changed since, for far less than it takes to
    /// read it.
    ///
    /// # Errors
    ///
    /// When the catalog can't be read.
    pub fn stamp(&mut self) -> Result<Stamp, Failure> {
        match &mut self.0 {
            Engine::Sqlite(memory) => memory.stamp().map(Stamp),
            Engine::Postgres(session) => session.stamp().map(Stamp),
        }
    }

    /// The schema's sketch, for next to nothing, as far as it may be `wanted`. One scratch database is
    /// looked at in one scope.
    ///
    /// # Errors
    ///
    /// When the catalog can't be read.
    pub fn sketch(&mut self, scope: &Scope, wanted: &Sketch) -> Result<Sketch, Failure> {
        match &mut self.0 {
            Engine::Sqlite(memory) => memory.sketch(scope),
            Engine::Postgres(session) => session.sketch(scope, wanted),
        }
    }

    /// The schema in outline, for less than it takes to read it.
    ///
    /// # Errors
    ///
    /// When the catalog can't be read.
    pub fn outline(&mut self, scope: &Scope) -> Result<Outline, Failure> {
        match &mut self.0 {
            Engine::Sqlite(memory) => memory.outline(scope),
            Engine::Postgres(session) => session.outline(scope),
        }
    }
}
