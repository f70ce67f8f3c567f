//! Migration files as other tools lay them out, and their state against a ledger.
//!
//! [`discover`] reads a folder into a [`Set`], by the rules of the tool that laid it out.
//! [`compare`] measures a set against the rows of a ledger, and [`ledger_state`] and [`plan_hash`]
//! name what was found, so that a later step can show that it acts on the same. Nothing here opens
//! a database; reading files is all the input there is.

mod collect;
mod compare;
mod detect;
mod digest;
mod error;
mod layout;
mod layouts;
mod listing;
mod marks;
mod names;
mod problem;
mod set;
mod source;
mod version;

use std::path::Path;

pub use compare::{State, compare};
pub use digest::{hex, ledger_state, plan_hash};
pub use error::Error;
pub use layout::Layout;
pub use problem::{CheckText, Problem, ProblemKind, Severity, checks};
pub use set::{Down, LedgerRow, Migration, Named, RowState, Set, are_adopted};
pub use sql::{Allowance, Dialect};

/// Reads the migrations in `dir`, in the layout `asked` for or else the one that its files show.
///
/// What is wrong with single files stands in [`Set::problems`]; a folder without migrations is an
/// empty set.
///
/// # Errors
///
/// If the folder can't be listed, or if its files fit more than one layout and none was asked for.
pub fn discover(dir: &Path, asked: Option<Layout>, dialect: Dialect) -> Result<Set, Error> {
    let unlisted = |source| Error::ReadDir {
        dir: dir.to_owned(),
        source,
    };
    let mut entries = listing::list(dir, listing::LEVELS_DETECTED).map_err(unlisted)?;
    let mut sources = source::Sources::new(dir);
    let layout = match asked {
        Some(layout) => layout,
        None => detect::detect(dir, &entries, &mut sources)?,
    };
    if layout == Layout::Versioned {
        entries = listing::list(dir, listing::LEVELS_VERSIONED).map_err(unlisted)?;
    }
    let mut collector = collect::Collector::new(layout, dialect, sources);
    layouts::collect(layout, &entries, &mut collector);
    Ok(collector.finish(dir))
}
