//! Locks first, then the snapshot, then the list of tables again.
//!
//! The other way round a `TRUNCATE` or a rewriting `ALTER TABLE` between snapshot and dump makes
//! `pg_dump` write no rows and exit 0: the new file of the table has no row that the old snapshot
//! may see.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use postgres::Client;
use postgres::error::SqlState;

use super::catalog::{self, Listing, Own, server};
use crate::error::Error;
use crate::stop::Stop;

/// What an open transaction holds: a lock on every table, and its exported snapshot.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) snapshot: String,
    pub(super) listing: Listing,
    pub(super) since: Instant,
    pub(super) consistent_at: Timestamp,
}

/// How long and how often to try.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long to wait for a lock; whoever comes later waits behind us meanwhile.
    pub lock_timeout: Duration,
    /// How many times to try.
    pub attempts: u32,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            lock_timeout: Duration::from_secs(5),
            attempts: 3,
        }
    }
}

impl Patience {
    pub(super) fn lock_timeout_ms(&self) -> u128 {
        self.lock_timeout.as_millis().max(1)
    }
}

/// Why an attempt did not succeed although the next one may.
enum Attempt {
    Held(Held),
    Locked(postgres::Error),
    Changed,
}

/// Begins the transaction, locks every table that a dump reads, exports the snapshot.
///
/// Leaves the transaction open; after an error it is ended.
pub(super) fn hold(
    client: &mut Client,
    own: Own<'_>,
    patience: Patience,
    stop: &Stop,
) -> Result<Held, Error> {
    let attempts = patience.attempts.max(1);
    let mut attempt = 1;
    loop {
        stop.check()?;
        let listing = readable(catalog::list(client, own)?)?;
        let tables = listing.tables.len();
        let result = try_hold(client, own, listing, patience);
        if let Ok(Attempt::Held(held)) = result {
            return Ok(held);
        }
        // A connection that is lost has no transaction to end, and the error says so.
        let ended = client
            .batch_execute("ROLLBACK")
            .map_err(server("the end of a transaction"));
        match result? {
            Attempt::Held(held) => return Ok(held),
            _ if attempt < attempts => {}
            Attempt::Locked(source) => {
                ended?;
                let gone = || "whoever held them is gone".to_owned();
                let blockers = blockers(client)?.unwrap_or_else(gone);
                return Err(Error::Locked {
                    tables,
                    attempts,
                    blockers,
                    source: Some(source),
                });
            }
            Attempt::Changed => return Err(Error::TablesKeepChanging { attempts }),
        }
        ended?;
        attempt += 1;
    }
}

fn try_hold(
    client: &mut Client,
    own: Own<'_>,
    before: Listing,
    patience: Patience,
) -> Result<Attempt, Error> {
    let begin = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
         SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = 0",
        patience.lock_timeout_ms()
    );
    client
        .batch_execute(&begin)
        .map_err(server("a transaction"))?;
    // LOCK takes no snapshot; the first statement that does is the export.
    if !before.tables.is_empty() {
        let names: Vec<String> = before
            .tables
            .iter()
            .map(|table| format!("ONLY {}", table.quoted()))
            .collect();
        let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", names.join(", "));
        match client.batch_execute(&lock) {
            Err(error) if is_locked(&error) => return Ok(Attempt::Locked(error)),
            Err(error) if is_gone(&error) => return Ok(Attempt::Changed),
            locked => locked.map_err(server("locks on its tables"))?,
        }
    }
    let since = Instant::now();
    let consistent_at = Timestamp::now();
    let snapshot = client
        .query_one("SELECT pg_catalog.pg_export_snapshot()", &[])
        .map_err(server("a snapshot"))?
        .get(0);
    let listing = readable(catalog::list(client, own)?)?;
    if listing.tables != before.tables {
        return Ok(Attempt::Changed);
    }
    Ok(Attempt::Held(Held {
        snapshot,
        listing,
        since,
        consistent_at,
    }))
}

/// Refuses what a dump would hold in part only.
fn readable(listing: Listing) -> Result<Listing, Error> {
    if !listing.unreadable.is_empty() {
        return Err(Error::NoRight {
            objects: listing.unreadable,
        });
    }
    if !listing.row_secured.is_empty() {
        return Err(Error::RowSecurity {
            tables: listing.row_secured,
        });
    }
    Ok(listing)
}

fn is_locked(error: &postgres::Error) -> bool {
    let states = [
        &SqlState::LOCK_NOT_AVAILABLE,
        &SqlState::T_R_DEADLOCK_DETECTED,
    ];
    error.code().is_some_and(|code| states.contains(&code))
}

fn is_gone(error: &postgres::Error) -> bool {
    let states = [&SqlState::UNDEFINED_TABLE, &SqlState::INVALID_SCHEMA_NAME];
    error.code().is_some_and(|code| states.contains(&code))
}

/// Who holds or waits for a lock that keeps readers out. Their statements are not quoted: they may
/// hold a password or a customer's data.
pub(super) fn blockers(client: &mut Client) -> Result<Option<String>, Error> {
    let query = "
        SELECT DISTINCT l.pid, coalesce(a.usename::text, '?'), coalesce(a.application_name, ''),
               n.nspname || '.' || c.relname, l.granted
        FROM pg_catalog.pg_locks l
        JOIN pg_catalog.pg_class c ON c.oid = l.relation
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
        WHERE l.mode = 'AccessExclusiveLock' AND l.pid <> pg_catalog.pg_backend_pid()
          AND l.database = (SELECT oid FROM pg_catalog.pg_database
                            WHERE datname = current_database())
          AND c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_'
        ORDER BY l.pid";
    let rows = client
        .query(query, &[])
        .map_err(server("who holds the locks"))?;
    let blocker = |row: &postgres::Row| {
        let (pid, user, program): (i32, String, String) = (row.get(0), row.get(1), row.get(2));
        let table: String = row.get(3);
        let act = if row.get(4) { "holds" } else { "waits for" };
        format!("process {pid} ({user}, {program:?}) {act} an exclusive lock on {table}")
    };
    let blockers: Vec<String> = rows.iter().map(blocker).collect();
    Ok((!blockers.is_empty()).then(|| blockers.join("; ")))
}
