//! SQLite's way to change a table (sqlite.org `lang_altertable`, "Making Other Kinds Of Table Schema
//! Changes"): create the new one, copy every row, drop the old one, rename the new one.

use std::collections::{BTreeMap, HashMap};

use crate::act::{Act, Copy, Name, What};
use crate::history::History;

/// A DROP TABLE whose rows were carried over to the table that takes its name.
pub(crate) struct Rebuild<'a> {
    copy: &'a Copy,
}

impl Rebuild<'_> {
    /// The columns with values of their own that the copy does not read, as far as the old table's
    /// columns are known. For a table that was there before the pending files they usually are not:
    /// then nobody can tell from the text, and the list is empty.
    pub(crate) fn left_out<'h>(&self, history: &'h History, table: &Name) -> Vec<&'h str> {
        let Some(read) = &self.copy.columns else {
            return Vec::new();
        };
        let known = history.old_columns(table);
        known
            .into_iter()
            .filter(|column| !read.contains(*column))
            .collect()
    }
}

/// The rebuilds of one file, by the place of their DROP TABLE among its acts.
///
/// All in this order and without exception: the new table is created (not IF NOT EXISTS), every row
/// of the old one is copied by one INSERT, the old one is dropped, the new one is renamed to it.
/// After the copy nothing is written to the old table, and at no time are rows of the new one deleted
/// or overwritten.
pub(crate) fn rebuilds<'a>(acts: &[&'a Act]) -> BTreeMap<usize, Rebuild<'a>> {
    let mut places: HashMap<&Name, Vec<usize>> = HashMap::new();
    for (at, act) in acts.iter().enumerate() {
        for table in act.what.tables() {
            places.entry(table).or_default().push(at);
        }
    }
    let mut found = BTreeMap::new();
    for (at, act) in acts.iter().enumerate() {
        if let What::DropTable(old) = &act.what
            && let Some(copy) = carried_over(acts, &places, old, at)
        {
            found.insert(at, Rebuild { copy });
        }
    }
    found
}

fn carried_over<'a>(
    acts: &[&'a Act],
    places: &HashMap<&Name, Vec<usize>>,
    old: &Name,
    drop: usize,
) -> Option<&'a Copy> {
    let of_old = &places[old];
    let position = of_old.binary_search(&drop).ok()?;
    let rename = *of_old.get(position + 1)?;
    let What::RenameTable { from: new, to } = &acts[rename].what else {
        return None;
    };
    if to != old || new == old {
        return None;
    }
    let of_new = &places[new];
    let renamed = of_new.binary_search(&rename).ok()?;
    let mut copied = None;
    for at in of_new[..renamed].iter().rev() {
        match &acts[*at].what {
            What::Insert {
                copy: Some(copy), ..
            } if copy.source == *old && *at < drop && copied.is_none() => {
                copied = Some((*at, copy));
            }
            // Whatever else was put in does no harm.
            What::Insert { .. } | What::Touch(_) => (),
            What::CreateTable(create) if !create.if_not_exists && !create.temporary => {
                let (insert, copy) = copied?;
                let quiet = of_old[..position]
                    .iter()
                    .filter(|at| **at > insert)
                    .all(|at| matches!(acts[*at].what, What::Touch(_)));
                return quiet.then_some(copy);
            }
            _ => return None,
        }
    }
    None
}
