//! The server that `[scratch]` names, and the database made on it.

use contract::{Class, Failure, Report, Run};
use db_connect::{Link, Route, StatementError};
use postgres::types::Type;
use records::{LedgerName, PostgresRecords};
use settings::PostgresTarget;

use crate::{LINES, SCRATCH_DROPPED, Wanted, leftovers};

/// What tells two servers apart, whatever they are called.
pub(crate) const STARTED: &str = "SELECT pg_catalog.to_char(\
    pg_catalog.timezone('UTC', pg_catalog.pg_postmaster_start_time()), 'YYYY-MM-DD HH24:MI:SS.US')";

/// The server, in the database that `[scratch]` names; nothing in that one is read but its mark, and
/// nothing is changed.
#[derive(Debug)]
pub(crate) struct Server {
    target: PostgresTarget,
    link: Link,
    application_name: String,
    /// The oid of the database that it is connected to: where the lock on a scratch database lies.
    through: u32,
}

/// A scratch database there, which goes when this goes.
#[derive(Debug)]
pub(crate) struct Database {
    server: Server,
    name: String,
    dropped: bool,
}

impl Server {
    pub(crate) fn connect(target: PostgresTarget, wanted: &Wanted<'_>) -> Result<Server, Failure> {
        let application_name = application_name(wanted);
        let mut link = connect(&target, &application_name)?;
        let rows = link.client.query_typed(
            "SELECT oid FROM pg_catalog.pg_database \
             WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database()",
            &[],
        );
        let rows = rows.map_err(|error| failed("read the name of the database", error))?;
        Ok(Server {
            target,
            link,
            application_name,
            through: rows.first().map_or(0, |row| row.get(0)),
        })
    }

    /// Migrations change more than the database that they run in: roles, settings of databases and
    /// of the server. So a protected database's server is no place for them unless the file says so,
    /// nor is one whose named database is protected itself, or may be: it has tables, and no mark.
    pub(crate) fn refuse_the_targets(&mut self, wanted: &Wanted<'_>) -> Result<(), Failure> {
        let refused = |why: &str| {
            Failure::new(
                Class::Usage,
                format!("cannot replay on the scratch server: {why}"),
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
        let rows = self.link.client.query_typed(STARTED, &[]);
        let rows = rows.map_err(|error| failed("read when the server started", error))?;
        let started: Option<String> = rows.first().map(|row| row.get(0));
        let same_start = wanted.server.map(|server| &server.started) == started.as_ref();
        let known = wanted.survey.place.system_identifier.as_ref();
        let same_cluster = known.is_some() && known == place.system_identifier.as_ref();
        let targets = same_start || same_cluster;
        if targets && wanted.resolved.settings.scratch.same_server {
            return Ok(());
        }
        match mark {
            Some(mark) if mark.protected => {
                return Err(refused("the database that it names is protected").remedy(
                    "name a server that no protected database is on: migrations may change what \
                     all databases of a server share, such as roles",
                ));
            }
            None if !tables.is_empty() => {
                return Err(refused(
                    "the database that it names has tables, and no mark that says unprotected",
                )
                .remedy("name an empty database of a server where nothing is to be lost"));
            }
            _ => {}
        }
        let protected = wanted
            .survey
            .mark
            .as_ref()
            .is_none_or(|mark| mark.protected);
        match targets && protected {
            true => Err(refused(
                "it is the server of the target, or a copy of it, and the target is not marked \
                 unprotected",
            )
            .remedy(
                "name a server that no protected database is on, or write `server = \
                 \"temporary\"`; where the target's own is meant, write `same_server = true` below \
                 [scratch]: migrations may change what all databases of a server share, such as \
                 roles",
            )),
            false => Ok(()),
        }
    }

    /// Drops what killed runs left, and makes a database.
    pub(crate) fn create_database(mut self, run: &Run) -> Result<Database, Failure> {
        for name in leftovers::drop_all(&mut self.link.client, self.through) {
            run.say(&format!(
                "dropped {name} on the scratch server, which a killed run had left"
            ));
        }
        let name = leftovers::name(self.through);
        // Held until the session ends, so that no other run takes the database for a left one.
        leftovers::hold(&mut self.link.client, &name)
            .map_err(|error| failed("lock a scratch database", error))?;
        let mut database = Database {
            server: self,
            name,
            dropped: false,
        };
        // template1 may hold what somebody put there for every new database.
        let create = format!("CREATE DATABASE \"{}\" TEMPLATE template0", database.name);
        let client = &mut database.server.link.client;
        let created = client
            .batch_execute(&create)
            .and_then(|()| client.batch_execute(&leftovers::comment(&database.name, run)));
        created.map_err(|error| failed("create a scratch database", error))?;
        Ok(database)
    }
}

impl Database {
    /// Opens the session that the files run in.
    pub(crate) fn open(&self) -> Result<Link, Failure> {
        let target = PostgresTarget {
            database: self.name.clone(),
            ..self.server.target.clone()
        };
        let link = connect(&target, &self.server.application_name)?;
        is_in(link, &self.name)
    }

    pub(crate) fn end(mut self, run: &Run, report: &mut Report) {
        let Err(failure) = self.drop_database() else {
            report.held(&SCRATCH_DROPPED, &self.name);
            return;
        };
        let message = format!("{} is still there: {}", self.name, failure.line());
        run.say(&format!("the scratch database {message}"));
        report
            .warned(&SCRATCH_DROPPED, &self.name, message)
            .remedy(format!(
                "DROP DATABASE {} on the scratch server; the next run there does it too",
                self.name
            ));
    }

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

impl Drop for Database {
    fn drop(&mut self) {
        // Where this fails, nobody is left to be told.
        let _ = self.drop_database();
    }
}

pub(crate) fn application_name(wanted: &Wanted<'_>) -> String {
    format!("{}/{}", wanted.tool, wanted.run.run_id())
}

/// Hands a link on if it leads to the database that was made: everything after this changes what it
/// is connected to.
pub(crate) fn is_in(mut link: Link, name: &str) -> Result<Link, Failure> {
    let rows = link.client.query_typed(
        "SELECT pg_catalog.current_database() OPERATOR(pg_catalog.=) $1",
        &[(&name, Type::TEXT)],
    );
    let rows = rows.map_err(|error| failed("connect to the scratch database", error))?;
    match rows.first().is_some_and(|row| row.get(0)) {
        true => Ok(link),
        false => Err(Failure::new(
            Class::Error,
            "cannot replay: the connection leads to another database than the scratch one",
        )
        .remedy("give the direct URL of the server in [scratch], without a pooler")),
    }
}

/// Connects to the server itself: a pooler knows no database that was made just now, and would keep
/// what the session sets.
pub(crate) fn connect(target: &PostgresTarget, application_name: &str) -> Result<Link, Failure> {
    let options = db_connect::Options::new(application_name);
    let mut link =
        db_connect::connect(target, &options).map_err(|error| on_scratch(error.into()))?;
    match &link.route {
        Route::Direct => {
            // Making a database may take longer than an application's statements.
            let mut settings = "SET statement_timeout = 0; SET lock_timeout = 0".to_owned();
            if link.server_version_num >= 170_000 {
                settings.push_str("; SET transaction_timeout = 0");
            }
            let set = link.client.batch_execute(&settings);
            set.map_err(|error| failed("prepare the session", error))?;
            Ok(link)
        }
        other => Err(Failure::new(
            Class::Usage,
            format!("cannot replay on the scratch server: it is reached through {other}"),
        )
        .remedy("name the direct URL of the server in [scratch], without a pooler")),
    }
}

/// Whether the session is gone, or ended by the server in this very answer.
fn lost(error: &postgres::Error) -> bool {
    let ended_idle = error.code().is_some_and(|code| code.code() == "57P05");
    ended_idle || db_connect::is_unreachable(error)
}

pub(crate) fn failed(act: &str, error: postgres::Error) -> Failure {
    use contract::Classify as _;

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
pub(crate) fn on_scratch(mut failure: Failure) -> Failure {
    failure.causes.insert(0, failure.message);
    failure.message = "cannot replay on the scratch server".to_owned();
    failure
}

/// Nothing says where a scratch database may be made.
pub(crate) fn not_named() -> Failure {
    Failure::new(Class::Usage, "cannot replay: no scratch server is named").remedy(LINES)
}
