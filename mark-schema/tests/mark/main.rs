//! The program as it is run, against real SQLite files and a real PostgreSQL server, there as the
//! plain owner of the database.

#![allow(
    clippy::unwrap_used,
    reason = "a fixture that cannot be had fails its test"
)]

mod accept;
mod interrupted;
mod renew;
mod support;
