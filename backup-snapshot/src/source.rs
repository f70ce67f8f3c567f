//! The database that is backed up: a session on either engine, and what is taken through it.

use std::path::Path;
use std::time::Instant;

use contract::{Class, Failure, Run};
use db_connect::{Link, Route};
use db_read::SqliteSession;
use postgres::Client;
use records::{LEDGER_TABLES, LedgerName, PostgresRecords, SqliteRecords, Survey};
use settings::{PostgresTarget, Resolved, Target};
use snapshots::{Content, Error, Progress, Stop, postgres as pg, sqlite};

use crate::failure::failed;
use crate::{TOOL, libpq};

/// A session that was opened for the snapshot. What the guards judge is read in it.
pub(crate) struct Source<'a> {
    session: Session<'a>,
    ledger: &'a LedgerName,
    resolved: &'a Resolved,
    /// What the sessions are called on the server: program and run.
    name: String,
}

enum Session<'a> {
    Sqlite(Box<SqliteSession>),
    Postgres(Box<Link>, &'a PostgresTarget),
}

/// What became of a snapshot.
pub(crate) enum Taken {
    /// It is written. The survey is of the very moment that is in it.
    Whole(Survey, Box<Content>),
    /// Nothing is written: at the snapshot's moment the guards no longer allow it.
    Refused(Survey),
}

impl<'a> Source<'a> {
    pub(crate) fn open(
        resolved: &'a Resolved,
        ledger: &'a LedgerName,
        run: &Run,
    ) -> Result<Source<'a>, Failure> {
        let name = format!("{}/{}", TOOL.name, run.run_id());
        let session = match &resolved.target {
            Target::Sqlite(target) => {
                let session = SqliteSession::open(target, &db_read::Options::new(&name))?;
                Session::Sqlite(Box::new(session))
            }
            Target::Postgres(target) => {
                let link = db_connect::connect(target, &db_connect::Options::new(&name))?;
                direct(&link)?;
                for warning in &link.warnings {
                    run.say(warning);
                }
                Session::Postgres(Box::new(link), target)
            }
        };
        Ok(Source {
            session,
            ledger,
            resolved,
            name,
        })
    }

    pub(crate) fn survey(&mut self) -> Result<Survey, Failure> {
        Ok(match &mut self.session {
            Session::Sqlite(session) => {
                SqliteRecords::new(session.connection(), self.ledger).survey(session.path())?
            }
            Session::Postgres(link, target) => {
                let records = &mut PostgresRecords::new(&mut link.client, self.ledger);
                records.survey(target, &link.endpoint)?
            }
        })
    }

    /// Holds nothing any more until the snapshot is taken: writers of a SQLite database in rollback
    /// mode would wait.
    pub(crate) fn rest(&self) -> Result<(), Failure> {
        if let Session::Sqlite(session) = &self.session {
            let ended = session.connection().execute_batch("COMMIT");
            ended.map_err(|error| session.error("read", error))?;
        }
        Ok(())
    }

    /// Takes the snapshot's content into `folder`. `allowed` judges what is found in the
    /// snapshot's own moment.
    pub(crate) fn take(
        mut self,
        folder: &Path,
        allowed: &dyn Fn(&Survey) -> bool,
        progress: Progress<'_>,
        stop: &Stop,
    ) -> Result<Taken, Failure> {
        let since = Instant::now();
        if let Session::Sqlite(session) = &self.session {
            let begun = session.connection().execute_batch("BEGIN");
            begun.map_err(|error| session.error("read", error))?;
        }
        let survey = self.survey()?;
        let ledger = self.ledger;
        match self.session {
            Session::Sqlite(session) => {
                if !allowed(&survey) {
                    return Ok(Taken::Refused(survey));
                }
                let own = LEDGER_TABLES.map(|table| ledger.sqlite_table(table));
                let content = sqlite::snapshot(&sqlite::Request {
                    source: session.connection(),
                    since: Some(since),
                    folder,
                    own: &|name| name.starts_with("lockstep_") || own.iter().any(|own| own == name),
                    progress,
                    stop,
                });
                session.close();
                Ok(Taken::Whole(survey, Box::new(content.map_err(failed)?)))
            }
            Session::Postgres(mut link, target) => {
                let endpoint = link.endpoint.clone();
                let server = libpq::server(target, &endpoint, &self.name)?;
                let pg_dump = &self.resolved.settings.backup.pg_dump;
                let mut seen = None;
                let content = pg::snapshot(&mut pg::Request {
                    client: &mut link.client,
                    server: &server,
                    pg_dump: (!pg_dump.is_empty()).then_some(pg_dump),
                    folder,
                    own: &|schema, name| {
                        schema == "lockstep"
                            || schema == ledger.as_str() && LEDGER_TABLES.contains(&name)
                    },
                    in_snapshot: &mut |client: &mut Client| {
                        let found = PostgresRecords::new(client, ledger).survey(target, &endpoint);
                        let go_on = found.as_ref().is_ok_and(allowed);
                        seen = Some(found);
                        go_on
                    },
                    patience: pg::Patience::default(),
                    progress,
                    stop,
                });
                match (content, seen) {
                    (Err(Error::GivenUp), Some(Ok(survey))) => Ok(Taken::Refused(survey)),
                    (_, Some(Err(error))) => Err(error.into()),
                    (Ok(content), Some(Ok(survey))) => Ok(Taken::Whole(survey, Box::new(content))),
                    (Err(error), _) => Err(failed(error)),
                    (Ok(content), None) => Ok(Taken::Whole(survey, Box::new(content))),
                }
            }
        }
    }
}

/// Snapshot and locks belong to a session, and behind a pooler the session is somebody else's.
fn direct(link: &Link) -> Result<(), Failure> {
    let (why, remedy) = match &link.route {
        // The mark says where the primary is.
        Route::Direct if link.in_recovery => (
            "it is a replica, where the database was not marked".to_owned(),
            "give the URL of the primary",
        ),
        Route::Direct => return Ok(()),
        Route::Pooler { why } => (
            format!("the connection goes through a pooler ({why}), which can't keep a snapshot"),
            "give the direct URL of the server, without the pooler",
        ),
        Route::Unknown { why } => (
            format!("it can't be told whether a pooler is in between ({why})"),
            "connect over TCP, with the direct URL of the server",
        ),
    };
    Err(Failure::new(Class::Fail, format!("cannot back up: {why}")).remedy(remedy))
}
