//! The deployment lock of a PostgreSQL database: one advisory lock of the session.
//!
//! It is polled in autocommit. A waiting `pg_advisory_lock` holds a snapshot, and the
//! `CREATE INDEX CONCURRENTLY` of whoever has the lock would wait for that snapshot for ever.

use std::time::{Duration, Instant};

use db_connect::StatementError;
use postgres::types::Type;
use sha2::{Digest as _, Sha256};

use super::PostgresWriter;
use crate::Error;

const POLL_FIRST: Duration = Duration::from_millis(25);
const POLL_MAX: Duration = Duration::from_secs(1);

impl PostgresWriter {
    pub(super) fn take_lock(
        &mut self,
        wait: Duration,
        say: &mut dyn FnMut(&str),
    ) -> Result<(), Error> {
        const ACT: &str = "take the deployment lock";
        let key = self.key()?;
        let until = Instant::now() + wait;
        let mut poll = POLL_FIRST;
        let mut told = false;
        let mut again = false;
        loop {
            let rows = self
                .link
                .client
                .query_typed(
                    "SELECT pg_catalog.pg_try_advisory_lock($1)",
                    &[(&key, Type::INT8)],
                )
                .map_err(|error| StatementError::new(ACT, error))?;
            if rows.first().is_some_and(|row| row.get(0)) {
                self.lock_key = Some(key);
                return Ok(());
            }
            let holder = match self.holder(key)? {
                Some(holder) => holder,
                // It has ended since; once more, for somebody may hold it for longer.
                None if !again => {
                    again = true;
                    continue;
                }
                None => "another session".to_owned(),
            };
            if Instant::now() >= until {
                return Err(Error::Locked {
                    target: self.target.database.clone(),
                    holder,
                });
            }
            if !told {
                say(&format!(
                    "waiting for the deployment lock, held by {holder}"
                ));
                told = true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if self.options.stop.pause(poll.min(left)) {
                return Err(Error::Stopped {
                    act: "wait for the deployment lock",
                });
            }
            poll = (poll * 2).min(POLL_MAX);
        }
    }

    /// The lock's key: the first eight bytes of a SHA-256 over database and ledger. Never a path,
    /// so that two checkouts of one project exclude each other; never a constant, so that two
    /// projects in one cluster do not.
    fn key(&mut self) -> Result<i64, Error> {
        let rows = self
            .link
            .client
            .query_typed(
                "SELECT oid::pg_catalog.text FROM pg_catalog.pg_database \
                 WHERE datname = pg_catalog.current_database()",
                &[],
            )
            .map_err(|error| StatementError::new("read the database's oid", error))?;
        let oid: String = rows.first().map(|row| row.get(0)).unwrap_or_default();
        let digest = Sha256::digest(format!(
            "lockstep deployment lock\0{oid}\0{}",
            self.options.ledger.as_str()
        ));
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        Ok(i64::from_be_bytes(first))
    }

    fn holder(&mut self, key: i64) -> Result<Option<String>, Error> {
        let rows = self
            .link
            .client
            .query_typed(
                "SELECT pg_catalog.format('%s as %s (process %s%s)', \
                    coalesce(nullif(a.application_name, ''), 'a session'), a.usename, l.pid, \
                    pg_catalog.to_char(a.backend_start AT TIME ZONE 'UTC', \
                        ', \"since\" YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')) \
                 FROM pg_catalog.pg_locks l \
                 JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
                 WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
                 AND l.database = (SELECT oid FROM pg_catalog.pg_database \
                    WHERE datname = pg_catalog.current_database()) \
                 AND ((l.classid::pg_catalog.int8 << 32) | l.objid::pg_catalog.int8) = $1",
                &[(&key, Type::INT8)],
            )
            .map_err(|error| StatementError::new("look for the lock's holder", error))?;
        Ok(rows.first().map(|row| row.get(0)))
    }
}
