//! Locks first, then the snapshot, then the list of tables again.
//!
//! The other way round a `TRUNCATE` or a rewriting `ALTER TABLE` between snapshot and dump makes
//! `pg_dump` write no rows and exit 0: the new file of the table has no row that the old snapshot
//! may see.
//!
//! Where the server has no room for two holders, the snapshot comes first all the same, and
//! [`unchanged`] holds what `pg_dump` locked against what the snapshot saw.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use postgres::Client;
use postgres::error::SqlState;

use super::catalog::{self, Listing, Own, Table, server};
use super::locks::{self, Budget, Holder};
use crate::error::Error;
use crate::stop::Stop;

/// What an open transaction holds: its exported snapshot and, where there is room, a lock on every
/// table.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) snapshot: String,
    /// Who holds the tables.
    pub(super) holder: Holder,
    pub(super) budget: Budget,
    /// How many locks `pg_dump` takes.
    pub(super) needed: u64,
    /// The tables as the snapshot sees them, without their columns.
    pub(super) names: Listing,
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
    Held(Box<Held>),
    Locked(postgres::Error),
    Changed,
    /// There was no room for both holders after all.
    Full,
}

/// Begins the transaction, locks every table that a dump reads where there is room for it, exports
/// the snapshot. With `alone`, `pg_dump` is to be the only holder in any case.
///
/// Leaves the transaction open; after an error it is ended.
pub(super) fn hold(
    client: &mut Client,
    own: Own<'_>,
    patience: Patience,
    alone: bool,
    stop: &Stop,
) -> Result<Held, Error> {
    let mut alone = alone;
    let attempts = patience.attempts.max(1);
    let mut attempt = 1;
    loop {
        stop.check()?;
        let names = readable(catalog::names(client, own)?)?;
        let tables = names.tables.len();
        let (budget, needed) = locks::look(client, &names)?;
        let holder = match budget.holder(needed)? {
            Holder::Both if !alone => Holder::Both,
            _ => Holder::PgDump,
        };
        let found = Found {
            names,
            holder,
            budget,
            needed,
        };
        let result = try_hold(client, own, found, patience);
        if let Ok(Attempt::Held(held)) = result {
            return Ok(*held);
        }
        // A connection that is lost has no transaction to end, and the error says so.
        let ended = client
            .batch_execute("ROLLBACK")
            .map_err(server("the end of a transaction"));
        match result? {
            Attempt::Held(held) => return Ok(*held),
            // Not an attempt: the next one does without our locks.
            Attempt::Full => {
                ended?;
                alone = true;
                continue;
            }
            _ if attempt < attempts => {}
            Attempt::Locked(source) => {
                ended?;
                return Err(Error::Locked {
                    tables,
                    attempts,
                    blockers: blockers_or_gone(client)?,
                    source: Some(source),
                });
            }
            Attempt::Changed => return Err(Error::TablesKeepChanging { attempts }),
        }
        ended?;
        attempt += 1;
    }
}

/// What was found before the transaction.
struct Found {
    names: Listing,
    holder: Holder,
    budget: Budget,
    needed: u64,
}

fn try_hold(
    client: &mut Client,
    own: Own<'_>,
    found: Found,
    patience: Patience,
) -> Result<Attempt, Error> {
    let Found {
        names: before,
        holder,
        budget,
        needed,
    } = found;
    let begin = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
         SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = 0",
        patience.lock_timeout_ms()
    );
    client
        .batch_execute(&begin)
        .map_err(server("a transaction"))?;
    // LOCK takes no snapshot; the first statement that does is the export.
    if !before.tables.is_empty() && holder == Holder::Both {
        let names: Vec<String> = before
            .tables
            .iter()
            .map(|table| format!("ONLY {}", table.quoted()))
            .collect();
        let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", names.join(", "));
        match client.batch_execute(&lock) {
            Err(error) if is_locked(&error) => return Ok(Attempt::Locked(error)),
            Err(error) if is_gone(&error) => return Ok(Attempt::Changed),
            Err(error) if locks::is_full(&error) => return Ok(Attempt::Full),
            locked => locked.map_err(server("locks on its tables"))?,
        }
    }
    let since = Instant::now();
    let consistent_at = Timestamp::now();
    let snapshot = client
        .query_one("SELECT pg_catalog.pg_export_snapshot()", &[])
        .map_err(server("a snapshot"))?
        .get(0);
    let names = readable(catalog::names(client, own)?)?;
    if holder == Holder::Both && !names.same_tables(&before) {
        return Ok(Attempt::Changed);
    }
    Ok(Attempt::Held(Box::new(Held {
        snapshot,
        holder,
        budget,
        needed,
        names,
        since,
        consistent_at,
    })))
}

/// Holds the tables as they are now, when `pg_dump` has its locks, against what the snapshot saw:
/// each is there with its oid, its name, its columns in their order and the file that holds its
/// rows, and so is each sequence by oid and name. A table that is new since is no part of the dump.
///
/// Rows change by the snapshot's own rules; what it can't see past is a file that is another one
/// (`TRUNCATE`, a rewrite), a name that leads to another table, a column that changed places.
///
/// # Errors
///
/// [`Error::ChangedBetween`] with the first table that does not fit; [`Error::RowSecurity`] and
/// [`Error::NoRight`] where the role lost its rights meanwhile.
pub(super) fn unchanged(seen: &Listing, now: Listing) -> Result<(), Error> {
    let now = readable(now)?;
    let by_oid: BTreeMap<u32, &Table> = now.tables.iter().map(|table| (table.oid, table)).collect();
    let sequences: BTreeSet<_> = now.sequences.iter().collect();
    for sequence in &seen.sequences {
        if !sequences.contains(sequence) {
            return Err(Error::ChangedBetween {
                table: format!("{}.{}", sequence.1, sequence.2),
                found: "was dropped or renamed",
            });
        }
    }
    for table in &seen.tables {
        let changed = |found| Error::ChangedBetween {
            table: table.full_name(),
            found,
        };
        let Some(now_table) = by_oid.get(&table.oid) else {
            return Err(changed("was dropped"));
        };
        if now.files.get(&table.oid) != seen.files.get(&table.oid) {
            return Err(changed("was truncated or rewritten"));
        }
        if *now_table != table {
            return Err(changed("was altered"));
        }
    }
    Ok(())
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

pub(super) fn is_locked(error: &postgres::Error) -> bool {
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

/// Lets go of the snapshot, which `pg_dump` has made its own, and sees from now on what is committed.
pub(super) fn release(client: &mut Client) -> Result<(), Error> {
    client
        .batch_execute("COMMIT; BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY")
        .map_err(server("another transaction"))
}

/// The error of an attempt that met a lock on one table while it asked for sizes. Ends the
/// transaction.
pub(super) fn locked(client: &mut Client, source: postgres::Error) -> Result<Error, Error> {
    client
        .batch_execute("ROLLBACK")
        .map_err(server("the end of a transaction"))?;
    Ok(Error::Locked {
        tables: 1,
        attempts: 1,
        blockers: blockers_or_gone(client)?,
        source: Some(source),
    })
}

fn blockers_or_gone(client: &mut Client) -> Result<String, Error> {
    let gone = || "whoever held them is gone".to_owned();
    Ok(blockers(client)?.unwrap_or_else(gone))
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
