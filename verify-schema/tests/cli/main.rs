//! The program as it is run: a database, files and variables in, exit code and both streams out.

#![allow(clippy::unwrap_used, reason = "what a test can't set up fails it")]

mod expected_file;
mod postgres;
mod postgres_replay;
mod readme;
mod scratch_server;
mod sqlite;
mod sqlite_replay;
mod support;
