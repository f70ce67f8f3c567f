//! The program as it is run, against real SQLite files and a real PostgreSQL server.

#![allow(
    clippy::unwrap_used,
    reason = "a fixture that cannot be had fails its test"
)]

mod create;
mod interrupted;
mod kept;
mod marks;
mod names;
mod support;
