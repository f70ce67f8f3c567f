//! The program as it is run: a database with or without a mark, variables and settings in, exit
//! code and both streams out.

#![allow(clippy::unwrap_used, reason = "what a test can't set up fails it")]

mod combinations;
mod readme;
mod scenarios;
mod support;
