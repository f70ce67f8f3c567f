//! The orchestrator against doubles of the programs that it runs.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    reason = "it is a test"
)]

mod bench;
mod cleanup;
mod killed;
mod lock;
mod output;
mod refusals;
mod reports;
mod sequence;
mod signals;
mod supervision;
mod terminal;
mod then;
