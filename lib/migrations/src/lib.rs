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

use std::path::{Path, PathBuf};

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
    let mut others = Vec::new();
    let list = |levels| listing::list(dir, levels).map_err(unlisted);
    let mut entries = for_engine(list(listing::LEVELS_DETECTED)?, dialect, &mut others);
    let mut sources = source::Sources::new(dir);
    let layout = match asked {
        Some(layout) => layout,
        None => detect::detect(dir, &entries, &mut sources)?,
    };
    if layout == Layout::Versioned {
        others.clear();
        entries = for_engine(list(listing::LEVELS_VERSIONED)?, dialect, &mut others);
    }
    let mut collector = collect::Collector::new(layout, dialect, sources);
    let own = names::engine_of(dialect);
    for (file, engine) in &others {
        collector.set_aside(file, &format!("for {engine}: not run on {own}"));
    }
    layouts::collect(layout, &entries, &mut collector);
    let mut set = collector.finish(dir);
    for (file, engine) in &others {
        if let Some(version) = names::version(layout, file)
            && !set.migrations.iter().any(|own| own.version == version)
            && !set.unusable.contains(&version)
        {
            let message = format!("is for {engine}, and no file of its version is for {own}");
            let problem = Problem::new(ProblemKind::EngineMissing, message);
            set.problems.push(problem.version(&version).file(file));
        }
    }
    Ok(set)
}

/// The entries without those whose names say that they are for another engine, which are put aside.
fn for_engine(
    entries: Vec<listing::Entry>,
    dialect: Dialect,
    others: &mut Vec<(PathBuf, &'static str)>,
) -> Vec<listing::Entry> {
    let mut own = Vec::with_capacity(entries.len());
    for mut entry in entries {
        let other = names::other_engine(&entry.name, dialect);
        match (&mut entry.kind, other) {
            (listing::Kind::Folder(children), Some(engine)) if collect::has_sql(children) => {
                others.push((entry.file, engine));
            }
            (listing::Kind::File, Some(engine)) if entry.name.contains('.') => {
                others.push((entry.file, engine));
            }
            (listing::Kind::Folder(children), _) => {
                *children = for_engine(std::mem::take(children), dialect, others);
                own.push(entry);
            }
            _ => own.push(entry),
        }
    }
    own
}
