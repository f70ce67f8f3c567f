//! The program as it is run: migrations, a ledger and settings in, exit code and both streams out.

#![allow(clippy::unwrap_used, reason = "what a test can't set up fails it")]

mod absent;
mod adoption;
mod files;
mod ledger;
mod other_tool;
mod plan;
mod readme;
mod rules;
mod support;
mod transactions;
