//! A replay in a scratch database on a server.

use contract::{Class, Classify, Failure, Report, Run};
use db_connect::{Link, Route, StatementError};
use migrations::{Migration, Set};
use postgres::types::Type;
use records::{LedgerName, PostgresRecords};
use schema::{Schema, Scope};
use settings::{Ambient, PostgresTarget, Resolved, Target};

use super::stop::Stop;
use super::{Ended, Fault, SCRATCH_DROPPED, manner};
use crate::{Found, TOOL};

/// What tells two servers apart, whatever they are called.
pub(super) const STARTED: &str = "SELECT pg_catalog.to_char(\
    pg_catalog.timezone('UTC', pg_catalog.pg_postmaster_start_time()), 'YYYY-MM-DD HH24:MI:SS.US')";

pub(super) fn replay(
    resolved: &Resolved,
    found: &Found,
    set: &Set,
    migrations: &[&Migration],
    scope: &Scope,
    run: &Run,
    report: &mut Report,
) -> Result<Ended, Failure> {
    let target = scratch_target(resolved)?;
    let stop = Stop::armed()
        .map_err(|error| Failure::caused_by(Class::Error, "cannot take signals over", &error))?;
    let mut server = ScratchServer::connect(target, run)?;
    server.refuse_the_targets(found)?;
    let mut scratch = server.create_database()?;
    let ended = (|| {
        let mut session = ScratchSession::open(&scratch, resolved, found, stop.clone())?;
        if let Some(schema) = &resolved.settings.migrations.schema {
            session.make_schema(schema, migrations)?;
        }
        session.run(set, migrations, scope)
    })();
    stop.cancels_nothing();
    if let Err(failure) = scratch.drop_database() {
        let message = format!("{} is still there: {}", scratch.name, failure.line());
        run.say(&format!("the scratch database {message}"));
        report
            .warned(&SCRATCH_DROPPED, &scratch.name, message)
            .remedy(format!(
                "DROP DATABASE {} on the scratch server",
                scratch.name
            ));
    } else {
        report.held(&SCRATCH_DROPPED, &scratch.name);
    }
    if stop.asked() {
        return Err(Failure::new(
            Class::Error,
            "cannot replay: stopped by a signal",
        ));
    }
    ended
}

/// What `[schema] scratch` names.
fn scratch_target(resolved: &Resolved) -> Result<PostgresTarget, Failure> {
    let ambient = Ambient::of_process(resolved.variables.clone());
    let remedy = "name a server with scratch in [schema] of lockstep.toml, on which a database may \
                  be created";
    match resolved.scratch(&ambient)? {
        Some(Target::Postgres(target)) => Ok(target),
        Some(Target::Sqlite(_)) => Err(Failure::new(
            Class::Usage,
            "cannot replay: scratch in [schema] names a SQLite file, and the target is PostgreSQL",
        )
        .remedy(remedy)),
        None => Err(
            Failure::new(Class::Usage, "cannot replay: no scratch server is named").remedy(remedy),
        ),
    }
}

/// The server, in the database that `[schema] scratch` names; nothing in that one is read but its
/// mark, and nothing is changed.
struct ScratchServer {
    target: PostgresTarget,
    link: Link,
    application_name: String,
}

/// The scratch database, which goes when this goes.
struct Scratch {
    server: ScratchServer,
    name: String,
    dropped: bool,
}

impl ScratchServer {
    fn connect(target: PostgresTarget, run: &Run) -> Result<ScratchServer, Failure> {
        let application_name = format!("{}/{}", TOOL.name, run.run_id());
        let link = connect(&target, &application_name)?;
        Ok(ScratchServer {
            target,
            link,
            application_name,
        })
    }

    /// Migrations change more than the database that they run in: roles, settings of databases and
    /// of the server. So a protected database's server is no place for them, nor is one whose named
    /// database is protected itself, or may be: it has tables, and no mark.
    fn refuse_the_targets(&mut self, found: &Found) -> Result<(), Failure> {
        let refused = |why: &str| {
            Failure::new(
                Class::Usage,
                format!("cannot replay on [schema] scratch: {why}"),
            )
            .remedy(
                "name a server that no protected database is on: migrations may change what all \
                 databases of a server share, such as roles",
            )
        };
        // The mark stands in the same place whatever the ledger is called.
        let ledger = LedgerName::default();
        let mut records = PostgresRecords::new(&mut self.link.client, &ledger);
        let mark = records.mark().map_err(|error| on_scratch(error.into()))?;
        let place = records.place(&self.target, &self.link.endpoint);
        let place = place.map_err(|error| on_scratch(error.into()))?;
        let tables = records.tables(1);
        let tables = tables.map_err(|error| on_scratch(error.into()))?;
        match mark {
            Some(mark) if mark.protected => {
                return Err(refused("the database that it names is protected"));
            }
            None if !tables.is_empty() => {
                return Err(refused(
                    "the database that it names has tables, and no mark that says unprotected",
                )
                .remedy("name an empty database of a server where nothing is to be lost"));
            }
            _ => {}
        }
        let rows = self
            .link
            .client
            .query_typed(STARTED, &[])
            .map_err(|error| failed("read when the server started", error))?;
        let started: Option<String> = rows.first().map(|row| row.get(0));
        let same_start = found.server.as_ref().map(|server| &server.started) == started.as_ref();
        let known = found.survey.place.system_identifier.as_ref();
        let same_cluster = known.is_some() && known == place.system_identifier.as_ref();
        let protected = found.survey.mark.as_ref().is_none_or(|mark| mark.protected);
        match (same_start || same_cluster, protected) {
            (true, true) => Err(refused(
                "it is the server of the target, or a copy of it, and the target is not marked \
                 unprotected",
            )),
            _ => Ok(()),
        }
    }

    fn create_database(self) -> Result<Scratch, Failure> {
        let name = format!("lockstep_replay_{}", contract::new_uuid().replace('-', ""));
        let mut scratch = Scratch {
            server: self,
            name,
            dropped: false,
        };
        // template1 may hold what somebody put there for every new database.
        let create = format!("CREATE DATABASE \"{}\" TEMPLATE template0", scratch.name);
        let created = scratch.server.link.client.batch_execute(&create);
        created.map_err(|error| failed("create a scratch database", error))?;
        Ok(scratch)
    }
}

impl Scratch {
    fn drop_database(&mut self) -> Result<(), Failure> {
        if self.dropped {
            return Ok(());
        }
        let sql = format!("DROP DATABASE IF EXISTS \"{}\" WITH (FORCE)", self.name);
        let mut dropped = self.server.link.client.batch_execute(&sql);
        // This session was idle while the migrations ran, and servers end idle sessions.
        if dropped.as_ref().is_err_and(lost) {
            self.server.link = connect(&self.server.target, &self.server.application_name)?;
            dropped = self.server.link.client.batch_execute(&sql);
        }
        dropped.map_err(|error| failed("drop the scratch database", error))?;
        self.dropped = true;
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Where this fails, nobody is left to be told.
        let _ = self.drop_database();
    }
}

/// The session that the migrations run in.
struct ScratchSession<'a> {
    link: Link,
    search_path: Option<String>,
    checks_connection: bool,
    stop: Stop,
    _scratch: &'a Scratch,
}

impl<'a> ScratchSession<'a> {
    fn open(
        scratch: &'a Scratch,
        resolved: &Resolved,
        found: &Found,
        stop: Stop,
    ) -> Result<ScratchSession<'a>, Failure> {
        let target = PostgresTarget {
            database: scratch.name.clone(),
            ..scratch.server.target.clone()
        };
        let mut link = connect(&target, &scratch.server.application_name)?;
        // A second look, because everything below changes what it is connected to.
        let rows = link
            .client
            .query_typed(
                "SELECT pg_catalog.current_database() = $1, \
                 pg_catalog.current_setting('server_version_num')::pg_catalog.int4",
                &[(&scratch.name, Type::TEXT)],
            )
            .map_err(|error| failed("connect to the scratch database", error))?;
        if !rows.first().is_some_and(|row| row.get(0)) {
            return Err(Failure::new(
                Class::Error,
                "cannot replay: the connection leads to another database than the scratch one",
            )
            .remedy("give the direct URL of the server in scratch, without a pooler"));
        }
        let version: i32 = rows.first().map_or(0, |row| row.get(1));
        stop.cancels(link.cancel_handle());
        Ok(ScratchSession {
            link,
            search_path: search_path(resolved, found),
            checks_connection: version >= 140_000,
            stop,
            _scratch: scratch,
        })
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

    fn run(
        &mut self,
        set: &Set,
        migrations: &[&Migration],
        scope: &Scope,
    ) -> Result<Ended, Failure> {
        for migration in migrations {
            if self.stop.asked() {
                break;
            }
            self.prepare()?;
            if let Some(fault) = self.apply(set, migration)? {
                return Ok(Ended::Faulty(fault));
            }
        }
        self.prepare()?;
        self.read_schema(scope).map(Ended::Replayed)
    }

    /// Makes the session as new: what a file left behind in it must not reach the next one.
    fn prepare(&mut self) -> Result<(), Failure> {
        let failed = |error| failed("prepare the scratch session", error);
        let client = &mut self.link.client;
        client.batch_execute("DISCARD ALL").map_err(failed)?;
        let mut settings = String::from(
            "SET statement_timeout = 0; SET lock_timeout = 0; \
             SET idle_in_transaction_session_timeout = 0",
        );
        if self.checks_connection {
            // A server whose client was killed runs on until it notices.
            settings.push_str("; SET client_connection_check_interval = '2s'");
        }
        client.batch_execute(&settings).map_err(failed)?;
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

    fn apply(&mut self, set: &Set, migration: &Migration) -> Result<Option<Fault>, Failure> {
        let manner = match manner(set, migration) {
            Ok(manner) => manner,
            Err(fault) => return Ok(Some(fault)),
        };
        let client = &mut self.link.client;
        let ran = if manner.in_transaction {
            let whole = client
                .batch_execute("BEGIN")
                .and_then(|()| client.batch_execute(&migration.up));
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

    fn read_schema(&mut self, scope: &Scope) -> Result<Schema, Failure> {
        let transaction = self.link.client.build_transaction().read_only(true).start();
        let mut transaction =
            transaction.map_err(|error| failed("read the scratch database", error))?;
        schema::read_postgres(&mut transaction, scope).map_err(|error| on_scratch(error.into()))
    }
}

/// A name in double quotes, its own doubled.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The search_path that the files were applied in. `"$user"` there is the target's role, which need
/// not be the scratch server's.
fn search_path(resolved: &Resolved, found: &Found) -> Option<String> {
    if let Some(schema) = &resolved.settings.migrations.schema {
        return Some(quoted(schema));
    }
    let path = found.survey.search_path.as_ref()?;
    Some(match &found.server {
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

/// Connects to the server itself: a pooler knows no database that was made just now, and would keep
/// what the session sets.
fn connect(target: &PostgresTarget, application_name: &str) -> Result<Link, Failure> {
    let options = db_connect::Options::new(application_name);
    let link = db_connect::connect(target, &options).map_err(|error| on_scratch(error.into()))?;
    match &link.route {
        Route::Direct => Ok(link),
        other => Err(Failure::new(
            Class::Usage,
            format!("cannot replay on [schema] scratch: it is reached through {other}"),
        )
        .remedy("name the direct URL of the server there, over TCP and without a pooler")),
    }
}

/// Whether the session is gone, or ended by the server in this very answer.
fn lost(error: &postgres::Error) -> bool {
    let ended_idle = error.code().is_some_and(|code| code.code() == "57P05");
    ended_idle || db_connect::is_unreachable(error)
}

fn failed(act: &str, error: postgres::Error) -> Failure {
    let error = StatementError::new(act, error);
    let privilege = error.sqlstate() == Some("42501");
    let remedy = error.remedy();
    let mut failure = on_scratch(error.into());
    failure.remedy = match privilege {
        true => Some("grant the role on the scratch server CREATEDB".to_owned()),
        false => remedy,
    };
    failure
}

/// A failure that is about the scratch server and not the target.
fn on_scratch(mut failure: Failure) -> Failure {
    failure.causes.insert(0, failure.message);
    failure.message = "cannot replay on [schema] scratch".to_owned();
    failure
}
