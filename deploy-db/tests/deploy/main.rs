//! The program as it is run, against real SQLite files and a real PostgreSQL server.

#![allow(
    clippy::unwrap_used,
    reason = "a fixture that cannot be had fails its test"
)]

mod attached;
mod baselines;
mod crowd;
mod evidence;
mod files;
mod heard;
mod kill;
mod library;
mod network;
mod own_transactions;
mod place;
mod postgres;
mod postgres_files;
mod records;
mod refusals;
mod roles;
mod settings_of_sessions;
mod signals;
mod sqlite;
mod sqlite_rows;
mod sqlite_schema;
mod sqlite_session;
mod unchanged;
