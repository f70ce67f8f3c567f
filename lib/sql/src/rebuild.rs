//! SQLite's way to change a table (sqlite.org `lang_altertable`, "Making Other Kinds Of Table Schema
//! Changes"): create the new one, copy every row, drop the old one, rename the new one.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::act::{Act, Column, Copy, CreateTable, Name, Type, Value, What};
use crate::affinity;
use crate::history::History;

/// A DROP TABLE whose rows were carried over to the table that takes its name.
pub(crate) struct Rebuild<'a> {
    create: &'a CreateTable,
    copy: &'a Copy,
}

/// What a rebuild does to the values of a column.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// They are not copied.
    LeftOut,
    /// Others are made of them, or the new column of this name gets another one's.
    Overwritten,
    /// They are copied into a type that does not hold them all.
    Narrowed { from: Type, to: Type },
}

impl Rebuild<'_> {
    /// The columns of the old table that had values before the pending files and do not keep them.
    pub(crate) fn lost(&self, history: &History, table: &Name) -> Vec<(String, Fate)> {
        let columns = history.old_columns(table);
        let values: Vec<Value> = self
            .copy
            .values
            .iter()
            .flat_map(|value| match value {
                Value::All => columns.iter().map(|column| carried(column)).collect(),
                value => vec![value.clone()],
            })
            .collect();
        let old = columns
            .iter()
            .filter(|column| !history.is_new_column(table, column));
        old.filter_map(|column| {
            let ty = history.column_type(table, column);
            Some((column.clone(), self.fate(&values, column, ty)?))
        })
        .collect()
    }

    fn fate(&self, values: &[Value], column: &str, old: Option<&Type>) -> Option<Fate> {
        let mut fate = Fate::LeftOut;
        for (place, value) in values.iter().enumerate() {
            match value {
                Value::Column { name, .. } if name == column && self.leads_away(place, column) => {
                    fate = Fate::Overwritten;
                }
                Value::Column { name, cast } if name == column => {
                    let narrowed = old.and_then(|old| {
                        let cast = cast.as_ref();
                        let in_cast = cast.filter(|cast| !affinity::cast_holds(cast, old));
                        let new = in_cast.or_else(|| {
                            let new = self.type_at(place)?;
                            (!affinity::holds(new, cast.unwrap_or(old))).then_some(new)
                        })?;
                        Some((old.clone(), new.clone()))
                    });
                    match narrowed {
                        None => return None,
                        Some((from, to)) => fate = Fate::Narrowed { from, to },
                    }
                }
                Value::Made(columns) if columns.contains(column) && fate == Fate::LeftOut => {
                    fate = Fate::Overwritten;
                }
                _ => (),
            }
        }
        Some(fate)
    }

    /// Whether the copy's value at a place goes to another column although the new table has one of
    /// its name: a `SELECT *` of columns that stand in another order there. Where it has none, the
    /// column gets another name.
    fn leads_away(&self, place: usize, column: &str) -> bool {
        let columns = self.create.columns.as_deref().unwrap_or_default();
        columns.iter().any(|new| new.name == column)
            && self.column_at(place).is_some_and(|new| new.name != column)
    }

    /// The type of the new column that the copy's value at a place goes to.
    fn type_at(&self, place: usize) -> Option<&Type> {
        self.column_at(place)?.ty.as_ref()
    }

    fn column_at(&self, place: usize) -> Option<&Column> {
        let columns = self.create.columns.as_ref()?;
        match self.copy.into.get(place) {
            Some(name) => columns.iter().find(|column| column.name == *name),
            None if self.copy.into.is_empty() => columns.get(place),
            None => None,
        }
    }
}

fn carried(column: &str) -> Value {
    Value::Column {
        name: column.to_owned(),
        cast: None,
    }
}

/// What keeps a DROP TABLE from being the end of a rebuild, though a copy and a rename stand around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// 1-based.
    pub line: u32,
    /// As a clause that begins with its subject.
    pub why: &'static str,
}

/// The rebuilds of one file, by the place of their DROP TABLE among its acts, and what looks like one.
///
/// All in this order and without exception: the new table is created (not IF NOT EXISTS), every row
/// of the old one is copied by one INSERT, the old one is dropped, the new one is renamed to it.
/// After the copy nothing is written to the old table, and at no time are rows of the new one deleted
/// or overwritten, by a constraint or a trigger neither. No temporary table takes one of the two names.
///
/// `is_absent` says of a table that there surely is none when the file begins: IF NOT EXISTS makes it then.
pub(crate) fn rebuilds<'a>(
    acts: &[&'a Act],
    is_absent: &dyn Fn(&Name) -> bool,
) -> BTreeMap<usize, Result<Rebuild<'a>, Cause>> {
    let mut places: HashMap<&Name, Vec<usize>> = HashMap::new();
    for (at, act) in acts.iter().enumerate() {
        for table in act.what.tables() {
            places.entry(table).or_default().push(at);
        }
    }
    let hiding = temporary_names(acts);
    let mut found = BTreeMap::new();
    for (at, act) in acts.iter().enumerate() {
        if let What::DropTable(old) = &act.what
            && let Some(rebuild) = carried_over(acts, &places, &hiding, is_absent, old, at)
        {
            found.insert(at, rebuild);
        }
    }
    found
}

fn carried_over<'a>(
    acts: &[&'a Act],
    places: &HashMap<&Name, Vec<usize>>,
    hiding: &HashSet<&str>,
    is_absent: &dyn Fn(&Name) -> bool,
    old: &Name,
    drop: usize,
) -> Option<Result<Rebuild<'a>, Cause>> {
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
    let before = &of_new[..of_new.binary_search(&rename).ok()?];
    let cause = |at: usize, why| {
        let line = acts[at].line;
        Some(Err(Cause { line, why }))
    };
    let copied = before.iter().find_map(|at| match &acts[*at].what {
        What::Insert { copy: Ok(copy), .. } if copy.source == *old && *at < drop => {
            Some((*at, copy))
        }
        _ => None,
    });
    let Some((insert, copy)) = copied else {
        // The one that was to be the copy.
        return before.iter().find_map(|at| match &acts[*at].what {
            What::Insert {
                copy: Err(why),
                from,
                ..
            } if from.contains(old) => cause(*at, why),
            _ => None,
        });
    };
    if hiding.contains(old.name.as_str()) || hiding.contains(new.name.as_str()) {
        return cause(insert, "a temporary table has the name of one of the two");
    }
    let quiet = of_old[..position].iter().filter(|at| **at > insert);
    for at in quiet {
        if !matches!(acts[*at].what, What::Touch(_) | What::CreateTrigger { .. }) {
            return cause(*at, "the old table changes after the copy");
        }
    }
    for at in before.iter().rev() {
        match &acts[*at].what {
            What::CreateTable(create) => {
                let is_made = !create.if_not_exists || before[0] == *at && is_absent(new);
                return if *at > insert || !is_made || create.temporary {
                    cause(*at, "the copy may go to another table")
                } else if create.dependent {
                    cause(*at, "the new table may not keep what is put into it")
                } else if create.loses_rows {
                    cause(*at, "a constraint of the new table leaves rows out")
                } else {
                    Some(Ok(Rebuild { create, copy }))
                };
            }
            // Whatever else was put in does no harm.
            What::Insert { .. } | What::Touch(_) => (),
            What::CreateTrigger { .. } if *at > insert => (),
            What::CreateTrigger { .. } => {
                return cause(*at, "a trigger of the new table may change what is copied");
            }
            _ => return cause(*at, "the new table changes before it is renamed"),
        }
    }
    cause(insert, "the new table is not created in the same file")
}

/// The names of temporary tables, which stand before others of the same name.
fn temporary_names<'a>(acts: &[&'a Act]) -> HashSet<&'a str> {
    let mut names = HashSet::new();
    for act in acts {
        if let What::CreateTable(create) = &act.what
            && create.temporary
        {
            names.insert(create.table.name.as_str());
        }
        let tables = act.what.tables().into_iter();
        let temporary = tables.filter(|table| table.is_temporary(crate::Dialect::Sqlite));
        names.extend(temporary.map(|table| table.name.as_str()));
    }
    names
}
