//! Room for locks: how many a dump takes, and how many the server's lock table has room for.
//!
//! `pg_dump` locks every table, and holds a lock on every sequence and view that it reads as well.
//! Where a session of ours holds the tables too, a second entry is needed for each. A server whose
//! lock table is full refuses every session's next lock, so what is known not to fit is not tried.

use postgres::GenericClient;
use postgres::error::SqlState;

use super::catalog::{Listing, server};
use crate::error::Error;

/// Of the room that is free, this share may be taken twice over: entries for a second holder are
/// provided for, other sessions need locks too.
const SHARE_PERCENT: u64 = 70;

/// What the memory that the server sets aside besides has room for at most. 1.6 times what the
/// settings promise was measured, and some four hundred locks on a server of the smallest settings.
const BEYOND: u64 = 2;
const BEYOND_ALWAYS: u64 = 2_000;

/// Who holds the tables while they are dumped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// Our session, from before the snapshot; `pg_dump` besides.
    Both,
    /// `pg_dump` alone, from after the snapshot: that nothing was rewritten in between is checked.
    PgDump,
}

/// What the server has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget {
    /// `max_locks_per_transaction`.
    pub(super) per_session: u64,
    /// `max_connections` and `max_prepared_transactions`.
    pub(super) sessions: u64,
    /// Sessions of the server's own, for which there is room besides.
    pub(super) own_sessions: u64,
    /// What other sessions have in the table now.
    pub(super) used: u64,
}

impl Budget {
    /// What the server's settings promise; its manual has this formula.
    pub(super) fn promised(&self) -> u64 {
        self.per_session.saturating_mul(self.sessions)
    }

    /// Who can hold `needed` locks.
    ///
    /// # Errors
    ///
    /// [`Error::NoLocks`] where nobody can.
    pub(super) fn holder(&self, needed: u64) -> Result<Holder, Error> {
        let free = self.promised().saturating_sub(self.used);
        if needed.saturating_mul(100) <= free.saturating_mul(SHARE_PERCENT) {
            return Ok(Holder::Both);
        }
        let all = self.sessions.saturating_add(self.own_sessions);
        let most = self.per_session.saturating_mul(all);
        if needed > most.saturating_mul(BEYOND).saturating_add(BEYOND_ALWAYS) {
            return Err(self.refused(needed));
        }
        Ok(Holder::PgDump)
    }

    /// What to say where a dump took more than is promised: other sessions may have been refused a
    /// lock meanwhile.
    pub(super) fn warning(&self, needed: u64) -> Option<String> {
        if needed <= self.promised() {
            return None;
        }
        let Error::NoLocks {
            promised, wanted, ..
        } = self.refused(needed)
        else {
            return None;
        };
        Some(format!(
            "pg_dump held {needed} locks, and the server promises room for {promised}: other sessions \
             may have been refused one (ALTER SYSTEM SET max_locks_per_transaction = {wanted}, and \
             restart the server)"
        ))
    }

    /// The refusal of `needed` locks, with the setting that has room for them.
    pub(super) fn refused(&self, needed: u64) -> Error {
        let room = self.used.saturating_add(needed).saturating_mul(100);
        let wanted = room.div_ceil(self.sessions.max(1).saturating_mul(SHARE_PERCENT));
        Error::NoLocks {
            needed,
            promised: self.promised(),
            wanted: wanted.max(self.per_session.saturating_add(1)),
        }
    }
}

/// Reads the budget and what the dump of a listing needs.
pub(super) fn look(
    client: &mut impl GenericClient,
    listing: &Listing,
) -> Result<(Budget, u64), Error> {
    // Autovacuum's slots have a setting of their own from 18 on.
    let query = "
        SELECT current_setting('max_locks_per_transaction')::int8,
               current_setting('max_connections')::int8
                 + current_setting('max_prepared_transactions')::int8,
               current_setting('max_worker_processes')::int8
                 + current_setting('max_wal_senders')::int8
                 + coalesce(current_setting('autovacuum_worker_slots', true),
                            current_setting('autovacuum_max_workers'))::int8,
               (SELECT count(*) FROM pg_catalog.pg_locks
                WHERE NOT fastpath AND pid IS DISTINCT FROM pg_catalog.pg_backend_pid()),
               (SELECT count(*) FROM pg_catalog.pg_class c
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relkind IN ('v', 'm') AND n.nspname !~ '^pg_'
                  AND n.nspname <> 'information_schema')";
    let row = client
        .query_one(query, &[])
        .map_err(server("its room for locks"))?;
    let number = |at: usize| row.get::<_, i64>(at).unsigned_abs();
    let budget = Budget {
        per_session: number(0),
        sessions: number(1),
        own_sessions: number(2),
        used: number(3),
    };
    let listed = listing.tables.len() + listing.sequences.len();
    Ok((budget, listed as u64 + number(4)))
}

/// Whether the lock table was full.
pub(super) fn is_full(error: &postgres::Error) -> bool {
    error.code() == Some(&SqlState::OUT_OF_MEMORY)
        && error
            .as_db_error()
            .and_then(|error| error.hint())
            .is_some_and(says_full)
}

/// As [`is_full`], of what `pg_dump` says. The server speaks its own language; the setting's name is
/// the same in each.
pub(super) fn says_full(said: &str) -> bool {
    said.contains("max_locks_per_transaction")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOCK: Budget = Budget {
        per_session: 64,
        sessions: 100,
        own_sessions: 21,
        used: 0,
    };

    #[test]
    fn both_hold_what_fits_twice_and_pg_dump_alone_what_may_fit_once() {
        assert_eq!(STOCK.promised(), 6_400);
        for (needed, holder) in [
            (0, Holder::Both),
            (4_480, Holder::Both),
            (4_481, Holder::PgDump),
        ] {
            assert_eq!(STOCK.holder(needed).unwrap(), holder, "{needed}");
        }
        // What pg_dump manages beyond what is promised is not refused.
        assert_eq!(STOCK.holder(12_600).unwrap(), Holder::PgDump);
        let busy = Budget {
            used: 6_000,
            ..STOCK
        };
        assert_eq!(busy.holder(280).unwrap(), Holder::Both);
        assert_eq!(busy.holder(281).unwrap(), Holder::PgDump);
        let full = Budget {
            used: 9_000,
            ..STOCK
        };
        assert_eq!(full.holder(1).unwrap(), Holder::PgDump);
    }

    #[test]
    fn what_can_not_fit_is_refused_with_a_value_that_does() {
        let error = STOCK.holder(20_000).unwrap_err();
        let Error::NoLocks {
            needed,
            promised,
            wanted,
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!((needed, promised, wanted), (20_000, 6_400, 286));
        let raised = Budget {
            per_session: wanted,
            ..STOCK
        };
        assert_eq!(raised.holder(20_000).unwrap(), Holder::Both);
        // One that is refused by the server itself is told more than it has.
        let small = Budget {
            per_session: 10,
            sessions: 20,
            own_sessions: 21,
            used: 100,
        };
        let Error::NoLocks { wanted, .. } = small.refused(10) else {
            panic!();
        };
        assert_eq!(wanted, 11);
    }
}
