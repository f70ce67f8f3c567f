//! The settings by which a PostgreSQL server ends a statement, a transaction or a session by itself.
//! A role or a database may have them set for its application, whose statements are short.

use crate::Options;

/// What a reading session does about such a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// It sets it, on servers of this version (`server_version_num`) or newer.
    Set {
        /// The first that has it.
        since: u32,
    },
    /// It leaves it alone, for this reason.
    Left(&'static str),
}

/// Every timeout that a session may have set for it.
pub const TIMEOUTS: [(&str, Timeout); 9] = [
    ("statement_timeout", Timeout::Set { since: 0 }),
    ("lock_timeout", Timeout::Set { since: 0 }),
    (
        "idle_in_transaction_session_timeout",
        Timeout::Set { since: 0 },
    ),
    ("transaction_timeout", Timeout::Set { since: 170_000 }),
    (
        "idle_session_timeout",
        Timeout::Left("it counts outside of a transaction, and a reading session is in one"),
    ),
    (
        "deadlock_timeout",
        Timeout::Left("it says when a wait is looked at, and ends none that is no deadlock"),
    ),
    (
        "tcp_user_timeout",
        Timeout::Left("it ends a connection that the network has lost already"),
    ),
    (
        "wal_sender_timeout",
        Timeout::Left("it concerns connections for replication"),
    ),
    (
        "wal_receiver_timeout",
        Timeout::Left("it concerns connections for replication"),
    ),
];

/// What begins a reading transaction on a server of this version, with its timeouts.
pub(crate) fn begin(options: &Options, version: u32) -> String {
    let mut sql = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY".to_owned();
    for (name, timeout) in TIMEOUTS {
        let Timeout::Set { since } = timeout else {
            continue;
        };
        if version < since {
            continue;
        }
        let limit = match name {
            "statement_timeout" => options.statement_timeout.as_millis(),
            "lock_timeout" => options.lock_timeout.as_millis(),
            "idle_in_transaction_session_timeout" => options.idle_timeout.as_millis(),
            // Off: what a reading takes in all depends on the size of what it reads.
            _ => 0,
        };
        let limit = limit.min(i32::MAX as u128);
        sql.push_str(&format!("; SET LOCAL {name} = {limit}"));
    }
    sql
}
