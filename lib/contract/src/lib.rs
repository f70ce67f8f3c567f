//! The contract of every program: exit codes, results, output, evidence.
//!
//! A program declares itself and its checks with [`tool!`], and hands [`run`] the one function
//! that decides:
//!
//! ```ignore
//! const TOOL: Tool = contract::tool!([PRESENT]);
//!
//! fn main() -> ExitCode {
//!     contract::run(&TOOL, |args: Args, run| check(&args, run))
//! }
//! ```
//!
//! Whatever happens then, arguments that can't be used and panics included, comes out the same
//! way: one result, in the format that was asked for, and the exit code of its [`Class`]. Nothing
//! else in the workspace parses common options, prints, or picks an exit code.
//!
//! An error that can end a run implements [`Classify`], so that `?` turns it into a [`Failure`]
//! with its class, its causes and its remedy.

mod class;
mod cli;
mod console;
mod ended;
pub mod evidence;
mod failure;
pub mod file;
mod github;
mod log;
mod manual;
mod report;
mod result;
mod run;
mod run_id;
pub mod secret;
pub mod signals;
mod tool;

pub use class::{CLASSES, Class};
pub use evidence::EvidenceError;
pub use failure::{Classify, Failure};
pub use report::{Changed, Counts, Finding, Location, Report, Status, TargetFacts};
pub use run::{Progress, Run, Voice, now, run, timestamp};
pub use run_id::{actor, new_run_id, new_uuid, run_id};
pub use tool::{Check, Entry, Manual, Reads, Tool, join};
