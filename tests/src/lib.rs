//! Fixtures of the whole-suite tests: a real PostgreSQL server of one's own, and the built programs.
//!
//! Nothing here knows what a program does. A fixture panics when it cannot be had: a test without
//! its database must fail, never pass or be skipped.

#![allow(
    clippy::unwrap_used,
    reason = "a fixture that cannot be had fails the test that asked for it"
)]

pub mod answer;
pub mod application;
pub mod certificates;
pub mod older;
pub mod own_tables;
pub mod pgbouncer;
pub mod postgres_server;
pub mod programs;
pub mod proxy;
pub mod ran;
