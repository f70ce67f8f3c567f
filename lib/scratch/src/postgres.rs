//! The session in a scratch database on a server.

use contract::{Class, Failure, Report, Run};
use db_connect::{Link, StatementError};
use migrations::{Migration, Set};
use postgres::types::Type;
use schema::{Outline, Schema, Scope, Sketch, SketchCache};
use settings::{Ambient, Target};

use crate::manner::{Fault, manner};
use crate::named::{self, failed, on_scratch};
use crate::stop::Stop;
use crate::temporary;
use crate::{Wanted, named::not_named};

/// What makes a session's texts and durations its own: whatever role, database and server set.
const SETTINGS: &str = "SET statement_timeout = 0; SET lock_timeout = 0; \
    SET idle_in_transaction_session_timeout = 0; SET synchronous_commit = off; \
    SET client_min_messages = warning";

/// The session that the migrations run in, and the database that goes with it.
#[derive(Debug)]
pub(crate) struct Session {
    // Before the database, which is dropped after it.
    link: Link,
    place: Place,
    settings: String,
    search_path: Option<String>,
    sketched: SketchCache,
    stop: Stop,
}

/// Where the database is.
#[derive(Debug)]
enum Place {
    Named(Box<named::Database>),
    Temporary(Box<temporary::Server>),
}

impl Session {
    pub(crate) fn new(
        wanted: &Wanted<'_>,
        migrations: &[&Migration],
        stop: Stop,
    ) -> Result<Session, Failure> {
        let place = place(wanted, &stop)?;
        let mut link = match &place {
            Place::Named(database) => database.open()?,
            Place::Temporary(server) => server.open(&named::application_name(wanted))?,
        };
        stop.cancels(link.cancel_handle());
        let rows = link.client.query_typed(
            "SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4",
            &[],
        );
        let rows = rows.map_err(|error| failed("connect to the scratch database", error))?;
        let version: i32 = rows.first().map_or(0, |row| row.get(0));
        let mut settings = format!("{SETTINGS}; {}", sql::reading_pins());
        if version >= 170_000 {
            settings.push_str("; SET transaction_timeout = 0");
        }
        if version >= 140_000 {
            // A server whose client was killed runs on until it notices.
            settings.push_str("; SET client_connection_check_interval = '2s'");
        }
        let mut session = Session {
            link,
            place,
            settings,
            search_path: search_path(wanted),
            sketched: SketchCache::default(),
            stop,
        };
        if let Some(schema) = &wanted.resolved.settings.migrations.schema {
            session.make_schema(schema, migrations)?;
        }
        Ok(session)
    }

    /// Ends the session, and takes the database away.
    pub(crate) fn end(self, run: &Run, report: &mut Report) {
        drop(self.link);
        match self.place {
            Place::Named(database) => database.end(run, report),
            Place::Temporary(server) => server.end(run, report),
        }
    }

    /// Makes the schema that the files run in, which somebody made on the target before the first one
    /// ran, unless a file names it as one that it makes.
    fn make_schema(&mut self, schema: &str, migrations: &[&Migration]) -> Result<(), Failure> {
        let makes = |migration: &&Migration| {
            let names = sql::names(sql::Dialect::Postgres, &migration.up);
            ["create", "schema"]
                .iter()
                .all(|word| names.contains(*word))
                && names.contains(&schema.to_lowercase())
        };
        if migrations.iter().any(makes) {
            return Ok(());
        }
        let create = format!("CREATE SCHEMA IF NOT EXISTS {}", quoted(schema));
        let made = self.link.client.batch_execute(&create);
        made.map_err(|error| failed("make the schema that the migrations run in", error))
    }

    /// Makes the session as new: what a file left behind in it must not reach the next one.
    fn prepare(&mut self) -> Result<(), Failure> {
        let failed = |error| failed("prepare the scratch session", error);
        let client = &mut self.link.client;
        client.batch_execute("DISCARD ALL").map_err(failed)?;
        client.batch_execute(&self.settings).map_err(failed)?;
        if let Some(path) = &self.search_path {
            client
                .query_typed(
                    "SELECT pg_catalog.set_config('search_path', $1, false)",
                    &[(path, Type::TEXT)],
                )
                .map_err(failed)?;
        }
        Ok(())
    }

    pub(crate) fn apply(
        &mut self,
        set: &Set,
        migration: &Migration,
    ) -> Result<Option<Fault>, Failure> {
        if self.stop.asked() {
            return Err(Failure::new(
                Class::Error,
                "cannot replay: stopped by a signal",
            ));
        }
        let private = matches!(self.place, Place::Temporary(_));
        let manner = match manner(set, migration, private) {
            Ok(manner) => manner,
            Err(fault) => return Ok(Some(fault)),
        };
        self.prepare()?;
        let client = &mut self.link.client;
        let ran = if manner.in_transaction {
            let whole = client
                .batch_execute("BEGIN")
                .and_then(|()| client.batch_execute(&manner.text));
            whole
                .and_then(|()| client.batch_execute("COMMIT"))
                .map_err(|error| (0, error))
        } else {
            // One by one, for several statements in one message are a transaction.
            let ran = manner.script.statements.iter().try_for_each(|statement| {
                let at = statement.range.start;
                let ran = client.batch_execute(&migration.up[statement.range.clone()]);
                ran.map_err(|error| (at, error))
            });
            // As when a client leaves after a file that began a transaction and did not end it.
            ran.and_then(|()| client.batch_execute("ROLLBACK").map_err(|error| (0, error)))
        };
        match ran {
            Ok(()) => Ok(None),
            Err((_, error)) if error.as_db_error().is_none() => {
                Err(failed("run the migrations", error))
            }
            Err((offset, error)) => {
                let line = line(migration, offset, &error);
                let error = StatementError::new("run it", error);
                let said = error.server().map(ToString::to_string);
                Ok(Some(Fault {
                    line,
                    remedy: Some(
                        "see that the scratch server has the roles and extensions that the \
                         migrations use, or compare with a recorded schema instead"
                            .to_owned(),
                    ),
                    ..Fault::of(set, migration, said.unwrap_or_else(|| error.to_string()))
                }))
            }
        }
    }

    pub(crate) fn read_schema(&mut self, scope: &Scope) -> Result<Schema, Failure> {
        self.reading(|transaction| schema::read_postgres(transaction, scope))
    }

    pub(crate) fn sketch(&mut self, scope: &Scope, wanted: &Sketch) -> Result<Sketch, Failure> {
        let mut cache = std::mem::take(&mut self.sketched);
        let sketch = self.reading(|transaction| {
            Sketch::read_postgres(transaction, scope, &mut cache, Some(wanted))
        });
        self.sketched = cache;
        sketch
    }

    pub(crate) fn outline(&mut self, scope: &Scope) -> Result<Outline, Failure> {
        self.reading(|transaction| Outline::read_postgres(transaction, scope))
    }

    pub(crate) fn stamp(&mut self) -> Result<String, Failure> {
        self.reading(|transaction| schema::catalog_stamp(transaction))
    }

    fn reading<T>(
        &mut self,
        read: impl FnOnce(&mut postgres::Transaction<'_>) -> Result<T, schema::Error>,
    ) -> Result<T, Failure> {
        self.prepare()?;
        let transaction = self.link.client.build_transaction().read_only(true).start();
        let mut transaction =
            transaction.map_err(|error| failed("read the scratch database", error))?;
        read(&mut transaction).map_err(|error| on_scratch(error.into()))
    }
}

fn place(wanted: &Wanted<'_>, stop: &Stop) -> Result<Place, Failure> {
    let ambient = Ambient::of_process(wanted.resolved.variables.clone());
    match wanted.resolved.scratch(&ambient)? {
        settings::Scratch::NotNamed => Err(not_named()),
        settings::Scratch::Temporary => {
            let server = temporary::Server::start(wanted, stop)?;
            Ok(Place::Temporary(Box::new(server)))
        }
        settings::Scratch::Server(target) => match *target {
            Target::Sqlite(_) => Err(Failure::new(
                Class::Usage,
                "cannot replay: server in [scratch] names a SQLite file, and the target is PostgreSQL",
            )
            .remedy(crate::LINES)),
            Target::Postgres(target) => {
                let mut server = named::Server::connect(target, wanted)?;
                server.refuse_the_targets(wanted)?;
                let database = server.create_database(wanted.run)?;
                Ok(Place::Named(Box::new(database)))
            }
        },
    }
}

/// A name in double quotes, its own doubled.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The search_path that the files were applied in. `"$user"` there is the target's role, which need
/// not be the scratch server's.
fn search_path(wanted: &Wanted<'_>) -> Option<String> {
    if let Some(schema) = &wanted.resolved.settings.migrations.schema {
        return Some(quoted(schema));
    }
    let path = wanted.survey.search_path.as_ref()?;
    Some(match wanted.server {
        Some(server) => path.replace("\"$user\"", &quoted(&server.role)),
        None => path.clone(),
    })
}

/// The line of the file that an error is about.
fn line(migration: &Migration, offset: usize, error: &postgres::Error) -> Option<u32> {
    use postgres::error::ErrorPosition;
    let Some(ErrorPosition::Original(character)) = error.as_db_error()?.position() else {
        return None;
    };
    let before = migration.up[..offset].matches('\n').count();
    let within = migration.up[offset..]
        .chars()
        .take(character.saturating_sub(1) as usize)
        .filter(|c| *c == '\n')
        .count();
    let lines = u32::try_from(before + within).ok()?;
    Some(migration.up_line + lines)
}
