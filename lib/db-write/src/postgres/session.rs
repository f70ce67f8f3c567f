//! The session on the server: how it is made, made as new, and found again after it was lost.

use std::time::{Duration, Instant};

use db_connect::{ConnectError, Link, Route, StatementError};
use postgres::types::Type;
use settings::PostgresTarget;

use super::PostgresWriter;
use crate::{Error, Options};

/// How often a lost connection and its session are looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// A lost session that is still there after this is ended by us.
const TERMINATE_AFTER: Duration = Duration::from_secs(2);

/// How long a server is still waited for after somebody asked for an end: what it has done is worth
/// knowing, and whoever asked kills after some seconds (GitHub after ten).
const STOP_GRACE: Duration = Duration::from_secs(4);

const STOPPED: Error = Error::Stopped {
    act: "wait for the server",
};

/// A process of the server. Ids are given out again, so its start belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Backend {
    pub(super) pid: i32,
    started: String,
}

/// A connection with its session's own facts.
pub(super) struct Session {
    pub(super) link: Link,
    pub(super) backend: Backend,
    /// What makes the session as new.
    pub(super) reset: String,
    /// What gives it the path that files run in.
    pub(super) path_of_files: String,
}

impl Session {
    /// Connects to the server itself and makes the session ready. A server that does not answer is
    /// waited for no longer than `grace` after an end was asked for.
    pub(super) fn open(
        target: &PostgresTarget,
        options: &Options,
        grace: Duration,
    ) -> Result<Session, Error> {
        let (to, with) = (target.clone(), options.clone());
        let opened = options
            .stop
            .wait_for(grace, move || Session::open_now(&to, &with))
            .map_err(|source| Error::Connect(ConnectError::Thread(source)))?;
        let session = opened.unwrap_or(Err(Error::Stopped { act: "connect" }))?;
        let cancel = session.link.cancel_handle();
        options.stop.cancel_with(move || {
            // If the request can't be sent, it is sent again.
            let _ = cancel.cancel();
        });
        Ok(session)
    }

    fn open_now(target: &PostgresTarget, options: &Options) -> Result<Session, Error> {
        let mut link = connect(target, options)?;
        let mut facts = Facts::read(&mut link, target)?;
        if !facts.unpinned.is_empty() {
            // As the connection's own, so that RESET and DEFAULT lead back to them within a file too.
            link = connect_pinned(target, options, &facts.unpinned)?;
            facts = Facts::read(&mut link, target)?;
            if !facts.unpinned.is_empty() {
                return Err(not_pinned(target, &facts.unpinned));
            }
        }
        // Not every platform can check, and one that can't refuses the setting.
        let checks = facts.version >= 140_000
            && link
                .client
                .batch_execute("SET client_connection_check_interval = '2s'")
                .is_ok();
        let reset = reset_sql(facts.version, checks, options);
        link.client
            .batch_execute(&reset)
            .map_err(|error| StatementError::new("prepare the session", error))?;
        Ok(Session {
            link,
            backend: facts.backend,
            reset,
            path_of_files: path_of_files(options, &facts.role, &facts.search_path),
        })
    }
}

/// What the server says of the session.
struct Facts {
    backend: Backend,
    version: i32,
    role: String,
    /// The role's own.
    search_path: String,
    /// The settings of [`sql::PINNED`] that have another value, with that value.
    unpinned: Vec<(String, String)>,
}

impl Facts {
    fn read(link: &mut Link, target: &PostgresTarget) -> Result<Facts, Error> {
        const ACT: &str = "read what the session is";
        // The role's own path may lead to other operators than the catalog's.
        link.client
            .batch_execute(OWN_PATH)
            .map_err(|error| StatementError::new(ACT, error))?;
        let (names, values): (Vec<&str>, Vec<&str>) = sql::PINNED.into_iter().unzip();
        let rows = link
            .client
            .query_typed(
                "SELECT a.pid, a.backend_start::pg_catalog.text, \
                    pg_catalog.current_setting('server_version_num')::pg_catalog.int4, \
                    current_user::pg_catalog.text, s.path, s.names, s.values \
                 FROM pg_catalog.pg_stat_activity a, ( \
                    SELECT pg_catalog.max(s.reset_val) FILTER (WHERE s.name = 'search_path') AS path, \
                        pg_catalog.array_agg(s.name) FILTER (WHERE s.reset_val <> p.value) AS names, \
                        pg_catalog.array_agg(s.reset_val) FILTER (WHERE s.reset_val <> p.value) AS values \
                    FROM pg_catalog.pg_settings s \
                    LEFT JOIN ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS p(name, value) \
                        ON p.name = s.name) s \
                 WHERE a.pid = pg_catalog.pg_backend_pid()",
                &[
                    (&names, Type::TEXT_ARRAY),
                    (&values, Type::TEXT_ARRAY),
                ],
            )
            .map_err(|error| StatementError::new(ACT, error))?;
        let row = rows.first().ok_or_else(|| Error::Unfit {
            target: target.database.clone(),
            why: "the server does not show this session among its own".to_owned(),
            remedy: "set track_activities = on for the role".to_owned(),
        })?;
        let list = |at| row.get::<_, Option<Vec<String>>>(at).unwrap_or_default();
        Ok(Facts {
            backend: Backend {
                pid: row.get(0),
                started: row.get::<_, Option<String>>(1).unwrap_or_default(),
            },
            version: row.get(2),
            role: row.get(3),
            search_path: row.get::<_, Option<String>>(4).unwrap_or_default(),
            unpinned: list(5).into_iter().zip(list(6)).collect(),
        })
    }
}

/// Connects with the pinned values of these settings among the connection's options.
fn connect_pinned(
    target: &PostgresTarget,
    options: &Options,
    unpinned: &[(String, String)],
) -> Result<Link, Error> {
    let mut own = target.options.clone().unwrap_or_default();
    for (name, value) in sql::PINNED {
        if unpinned.iter().any(|(unpinned, _)| unpinned == name) {
            // What comes last counts.
            own.push_str(&format!(" -c {name}={value}"));
        }
    }
    let pinned = PostgresTarget {
        options: Some(own),
        ..target.clone()
    };
    connect(&pinned, options).map_err(|error| match error {
        // The role may not set it, not even to what it is elsewhere.
        Error::Connect(refused) if refused.sqlstate() == Some("42501") => {
            not_pinned(target, unpinned)
        }
        error => error,
    })
}

fn not_pinned(target: &PostgresTarget, unpinned: &[(String, String)]) -> Error {
    let set: Vec<String> = unpinned
        .iter()
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    let reset: Vec<String> = unpinned
        .iter()
        .map(|(name, _)| format!("ALTER ROLE {} RESET {name};", identifier(&target.user)))
        .collect();
    Error::Unfit {
        target: target.database.clone(),
        why: format!(
            "its sessions begin with {}, under which files mean something else than was read",
            set.join(", ")
        ),
        remedy: format!(
            "run {} or, where the database or the server sets it, reset it there",
            reset.join(" ")
        ),
    }
}

/// The path of every query of ours: the catalog alone.
pub(super) const OWN_PATH: &str = "SET search_path = ''";

/// Makes the session as new, with our settings: what a file left behind in it (a role, an empty
/// `search_path` as a dump sets it, a cursor) must not reach the next one. Never DISCARD ALL, which
/// would drop the advisory lock, and nothing that a transaction refuses: it is sent inside the
/// file's own, so that it is committed with it. Prepared statements are left to whoever knows
/// whether a file can have made some: the ledger's own INSERT is one.
fn reset_sql(version: i32, checks: bool, options: &Options) -> String {
    let mut sql = format!(
        "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; CLOSE ALL; \
         UNLISTEN *; DISCARD TEMP; DISCARD SEQUENCES; {OWN_PATH}; \
         SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
         SET lock_timeout = {}",
        // 0 would switch it off.
        options.lock_timeout.as_millis().clamp(1, i32::MAX as u128)
    );
    if checks {
        // A server whose client was killed keeps its locks until it notices.
        sql.push_str("; SET client_connection_check_interval = '2s'");
    }
    if version >= 140_000 {
        sql.push_str("; SET idle_session_timeout = 0");
    }
    if version >= 170_000 {
        sql.push_str("; SET transaction_timeout = 0");
    }
    sql
}

/// What gives the session the `search_path` that files run in: the role's own as it stands, or
/// another.
///
/// A role that is called as one of our schemas would have that schema first in its path, by
/// `"$user"`, as soon as it exists: its files' tables would be made among ours.
fn path_of_files(options: &Options, role: &str, own: &str) -> String {
    let path = if let Some(schema) = &options.schema {
        identifier(schema)
    } else if role != records::LEDGER_DEFAULT && role != options.ledger.as_str() {
        return "RESET search_path".to_owned();
    } else {
        let kept: Vec<&str> = own
            .split(',')
            .filter(|entry| !matches!(entry.trim(), "\"$user\"" | "$user"))
            .collect();
        kept.join(",")
    };
    format!(
        "SELECT pg_catalog.set_config('search_path', '{}', false)",
        path.replace('\'', "''")
    )
}

/// Connects to the server itself, or says why a deployment can't go this way.
fn connect(target: &PostgresTarget, options: &Options) -> Result<Link, Error> {
    let name = format!("{}/{}", options.tool, options.run_id);
    let link = db_connect::connect(target, &db_connect::Options::new(name))?;
    let unfit = |why: String, remedy: &str| Error::Unfit {
        target: target.database.clone(),
        why,
        remedy: remedy.to_owned(),
    };
    match &link.route {
        Route::Direct => {}
        Route::Pooler { why } => {
            return Err(unfit(
                format!("the connection goes through a pooler ({why}), which can't keep a lock"),
                "give the direct URL of the server, without the pooler",
            ));
        }
        Route::Unknown { why } => {
            return Err(unfit(
                format!("it can't be told whether a pooler is in between ({why})"),
                "connect over TCP, with the direct URL of the server",
            ));
        }
    }
    if link.in_recovery {
        return Err(unfit(
            "it is a replica, which can't be written".to_owned(),
            "give the URL of the primary",
        ));
    }
    Ok(link)
}

impl PostgresWriter {
    /// The connection is gone, and with it the deployment lock.
    pub(super) fn note_loss(&mut self) {
        self.lock_key = None;
        self.lost.get_or_insert_with(|| self.backend.clone());
    }

    /// After a lost connection: connects anew, trying for as long as the options have patience,
    /// and waits until the lost session has ended. Until then it may still commit. Once somebody
    /// asked for an end, both are waited for a few seconds only.
    pub(super) fn recover(&mut self, say: &mut dyn FnMut(&str)) -> Result<(), Error> {
        if !self.link.client.is_closed() && self.lost.is_none() {
            return Ok(());
        }
        self.note_loss();
        // Patience is for once: what did not come back then is asked only whether it has since.
        let patience = std::mem::take(&mut self.patience);
        let until = Instant::now() + patience;
        let mut told = false;
        let session = loop {
            match Session::open(&self.target, &self.options, STOP_GRACE) {
                Ok(session) => break session,
                Err(error) if Instant::now() >= until || !may_come_back(&error) => {
                    return Err(error);
                }
                Err(_) if self.options.stop.asked_for(STOP_GRACE) => return Err(STOPPED),
                Err(error) => {
                    if !told {
                        told = true;
                        say(&format!(
                            "the connection was lost; waiting up to {} s for the server: {error}",
                            patience.as_secs()
                        ));
                    }
                    std::thread::sleep(LOOK_AGAIN);
                }
            }
        };
        self.link = session.link;
        self.link.hear(self.ear.clone());
        self.backend = session.backend;
        self.reset = session.reset;
        self.path_of_files = session.path_of_files;
        self.forget_prepared();
        if let Some(lost) = self.lost.clone() {
            self.wait_until_gone(&lost, until, say)?;
        }
        self.lost = None;
        Ok(())
    }

    fn wait_until_gone(
        &mut self,
        lost: &Backend,
        until: Instant,
        say: &mut dyn FnMut(&str),
    ) -> Result<(), Error> {
        let began = Instant::now();
        let mut terminated = false;
        loop {
            let rows = self
                .link
                .client
                .query_typed(
                    "SELECT 1 FROM pg_catalog.pg_stat_activity \
                     WHERE pid = $1 AND coalesce(backend_start::pg_catalog.text, '') = $2",
                    &[(&lost.pid, Type::INT4), (&lost.started, Type::TEXT)],
                )
                .map_err(|error| StatementError::new("look for the lost session", error))?;
            if rows.is_empty() {
                return Ok(());
            }
            if self.options.stop.asked_for(STOP_GRACE) {
                return Err(STOPPED);
            }
            if Instant::now() >= until {
                return Err(Error::Unfit {
                    target: self.target.database.clone(),
                    why: format!("the lost session (process {}) is still at work", lost.pid),
                    remedy: "wait for it to end, then run verify-migrations".to_owned(),
                });
            }
            if !terminated && began.elapsed() >= TERMINATE_AFTER {
                // It is our own session, and nobody is left to hear its answer. A commit that it
                // is in the midst of, it ends first.
                terminated = true;
                say(&format!(
                    "ending the lost session (process {}), which is still at work",
                    lost.pid
                ));
                let _ = self.link.client.query_typed(
                    "SELECT pg_catalog.pg_terminate_backend($1)",
                    &[(&lost.pid, Type::INT4)],
                );
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

/// Whether trying again may help: a server that is starting up is, a wrong password is not.
fn may_come_back(error: &Error) -> bool {
    use contract::Classify as _;
    matches!(
        error.class(),
        contract::Class::Unavailable | contract::Class::Error
    )
}

/// A name in double quotes, its own doubled.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
