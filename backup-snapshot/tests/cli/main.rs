//! The built program against real databases.

#![allow(
    clippy::unwrap_used,
    reason = "a fixture that cannot be had fails the test"
)]

mod backup;
mod beside;
mod ended;
mod support;
