//! Whether what stands in the schema can be used, before and after a migration.
//!
//! SQLite looks at a foreign key, a view or a trigger when it is used, and not when that goes which
//! it refers to: a key to a table that was renamed away shows at the first write to the child.

use std::collections::{BTreeMap, BTreeSet};

use records::LedgerName;
use rusqlite::Connection;

use super::entries::{Entries, Entry, Key};
use super::foreign_keys::{identifier, is_mismatch};
use crate::error::{sqlite_code, sqlite_words};

/// The schema, as far as this comparison needs it.
#[derive(Debug, Default)]
pub(super) struct Usable {
    pub(super) entries: Entries,
    /// What can't be used, with the reason.
    faults: Faults,
}

/// Something in the schema that can be unusable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Key(Key),
    View(String),
    Trigger(String),
}

/// What a migration made unusable.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unusable {
    pub(super) message: String,
    pub(super) remedy: String,
}

const NO_TABLE: &str = "there is no such table";
const NOT_UNIQUE: &str = "which is neither a PRIMARY KEY nor UNIQUE there";

impl Usable {
    /// The schema as this connection sees it, and what of it can't be used. What `former` has seen is
    /// not looked at again where nothing but new entries can concern it: a file that only adds to a
    /// schema of 20,000 tables costs no more than to read their names.
    pub(super) fn find(
        connection: &Connection,
        ledger: &LedgerName,
        former: Option<&Usable>,
    ) -> Result<Usable, rusqlite::Error> {
        let entries = Entries::read(connection, ledger, former.map(|former| &former.entries))?;
        let is_faulty = |part: &Part| former.is_some_and(|former| former.faults.contains_key(part));
        // What is new, or could not be used, is looked at in any case.
        let is_asked = |(entry, is_new): &(&Entry, bool)| {
            !entries.grown
                || *is_new
                || match entry.kind.as_str() {
                    "view" => is_faulty(&Part::View(entry.name.clone())),
                    "trigger" => is_faulty(&Part::Trigger(entry.name.clone())),
                    _ => entry
                        .keys
                        .iter()
                        .any(|key| is_faulty(&Part::Key(key.clone()))),
                }
        };
        let asked = |entry: &&Entry| match entry.kind.as_str() {
            "view" | "trigger" => true,
            _ => !entry.keys.is_empty(),
        };
        let looked_at: Vec<&Entry> = entries
            .iter()
            .filter(|(entry, _)| asked(entry))
            .filter(is_asked)
            .map(|(entry, _)| entry)
            .collect();
        let mut look = Look::default();
        look.check_keys(connection, &entries, &looked_at)?;
        look.check_code(connection, &looked_at)?;
        let faults = look.0;
        Ok(Usable { entries, faults })
    }

    /// What can't be used and could be `before`. What a file to come names is its business, as where
    /// a key refers to a table that the next file makes; `later` gives the names in those, in lower
    /// case.
    pub(super) fn broken_since(
        &self,
        before: &Usable,
        later: impl FnOnce() -> BTreeSet<String>,
    ) -> Option<Unusable> {
        let mut new: Vec<(&Part, &String)> = self
            .faults
            .iter()
            .filter(|(part, _)| {
                !before.faults.contains_key(part) && !self.was_renamed(before, part)
            })
            .collect();
        if new.is_empty() {
            return None;
        }
        let later = later();
        new.retain(|(part, _)| {
            let named = |name: &str| later.contains(&name.to_lowercase());
            match part {
                Part::Key(key) => {
                    let made_here = !before.entries.has(&key.child);
                    !(named(&key.parent) || made_here && named(&key.child))
                }
                Part::View(name) | Part::Trigger(name) => !named(name),
            }
        });
        let (part, why) = new.first()?;
        let mut unusable = match part {
            Part::Key(key) => key.unusable(why, before),
            Part::View(name) => of_code("view", name, why),
            Part::Trigger(name) => of_code("trigger", name, why),
        };
        match new.len() - 1 {
            0 => {}
            1 => unusable.message.push_str("; and 1 more"),
            more => unusable.message.push_str(&format!("; and {more} more")),
        }
        Some(unusable)
    }

    /// Whether this is a key that was unusable before, of a table of another name.
    fn was_renamed(&self, before: &Usable, part: &Part) -> bool {
        let Part::Key(key) = part else { return false };
        before.faults.keys().any(|part| {
            matches!(part, Part::Key(was) if !self.faults.contains_key(part)
                && was.columns == key.columns
                && was.parent == key.parent
                && was.parent_columns == key.parent_columns)
        })
    }
}

/// What can't be used, with the reason.
type Faults = BTreeMap<Part, String>;

/// Gathers what can't be used.
#[derive(Default)]
struct Look(Faults);

impl Look {
    /// Looks at the keys of `entries`; `all` is where their parents are.
    fn check_keys(
        &mut self,
        connection: &Connection,
        all: &Entries,
        entries: &[&Entry],
    ) -> Result<(), rusqlite::Error> {
        for child in entries.iter().filter(|entry| !entry.keys.is_empty()) {
            let (there, missing): (Vec<&Key>, Vec<&Key>) =
                child.keys.iter().partition(|key| all.has(&key.parent));
            self.0.extend(
                missing
                    .into_iter()
                    .map(|key| (Part::Key(key.clone()), NO_TABLE.to_owned())),
            );
            if there.is_empty() {
                continue;
            }
            // SQLite compares the key with the parent's unique indexes when it compiles the check; no
            // row is looked at.
            let check = format!("PRAGMA main.foreign_key_check({})", identifier(&child.name));
            let Some(words) = mismatch(connection, &check)? else {
                continue;
            };
            // It names the first key that does not fit, by the parent.
            let named =
                |key: &&&Key| words.ends_with(&format!("referencing {}", identifier(&key.parent)));
            self.0.extend(
                there
                    .iter()
                    .find(named)
                    .map(|key| (Part::Key((*key).clone()), NOT_UNIQUE.to_owned())),
            );
        }
        Ok(())
    }

    fn check_code(
        &mut self,
        connection: &Connection,
        entries: &[&Entry],
    ) -> Result<(), rusqlite::Error> {
        let of_kind = |kind| entries.iter().filter(move |entry| entry.kind == kind);
        for view in of_kind("view") {
            let select = format!("SELECT * FROM main.{}", identifier(&view.name));
            if let Some(why) = refusal(connection, &select)?
                && !is_a_function(&why, view.text())
            {
                self.0.insert(Part::View(view.name.clone()), why);
            }
        }
        let mut of_tables: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
        for trigger in of_kind("trigger") {
            of_tables.entry(&trigger.table).or_default().push(trigger);
        }
        // Compiles what fires the triggers of each table that has any.
        for (table, triggers) in of_tables {
            if self.0.contains_key(&Part::View(table.to_owned())) {
                continue;
            }
            for statement in firing(connection, table)? {
                let Some(why) = refusal(connection, &statement)? else {
                    continue;
                };
                if triggers
                    .iter()
                    .any(|trigger| is_a_function(&why, trigger.text()))
                {
                    continue;
                }
                for trigger in blamed(&why, &triggers) {
                    self.0.insert(Part::Trigger(trigger), why.clone());
                }
            }
        }
        Ok(())
    }
}

impl Key {
    fn unusable(&self, why: &str, before: &Usable) -> Unusable {
        let Key { child, parent, .. } = self;
        let columns = self.columns.join(", ");
        let to = match self.parent_columns.as_slice() {
            [] if why == NOT_UNIQUE => format!("the primary key of {parent}"),
            [] => parent.clone(),
            columns => format!("{parent} ({})", columns.join(", ")),
        };
        let message = format!("the foreign key of {child} ({columns}) refers to {to}, ");
        if why == NOT_UNIQUE {
            let why = match self.parent_columns.is_empty() {
                true => "which it does not fit",
                false => why,
            };
            let remedy = match self.parent_columns.is_empty() {
                true => format!("name the columns of {parent} that it refers to"),
                false => format!(
                    "CREATE UNIQUE INDEX on {parent} ({}), or refer to its primary key",
                    self.parent_columns.join(", ")
                ),
            };
            return Unusable {
                message: format!("{message}{why}: SQLite refuses every write to {child}"),
                remedy,
            };
        }
        let mut keys_before = before.entries.keys_of(child).iter();
        let former = keys_before.find(|key| key.columns == self.columns && key.parent != *parent);
        let (more, remedy) = match former {
            Some(former) => {
                let former = &former.parent;
                (
                    format!(": it went along when {former} was renamed"),
                    format!(
                        "rebuild {former} in the other order: CREATE TABLE new_{former}, copy the rows, \
                         DROP TABLE {former}, ALTER TABLE new_{former} RENAME TO {former}; \
                         PRAGMA legacy_alter_table is no way round, it leaves other names behind"
                    ),
                )
            }
            None if before.entries.has(parent) => (
                String::new(),
                format!("keep {parent}, or rebuild {child} without that key"),
            ),
            None => (
                String::new(),
                format!("create {parent} in this file or in one before it"),
            ),
        };
        Unusable {
            message: format!("{message}and {why}{more}"),
            remedy,
        }
    }
}

fn of_code(kind: &str, name: &str, why: &str) -> Unusable {
    Unusable {
        message: format!("the {kind} {name} can't be used: {why}"),
        remedy: format!(
            "DROP {} {name} and create it as it has to be now, in this file",
            kind.to_uppercase()
        ),
    }
}

/// Statements that fire the triggers of a table or a view, whatever they wait for.
fn firing(connection: &Connection, table: &str) -> Result<Vec<String>, rusqlite::Error> {
    let columns: Vec<String> = connection
        .prepare_cached("SELECT name FROM pragma_table_xinfo(?1, 'main') WHERE hidden = 0")?
        .query_map([table], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let set: Vec<String> = columns
        .iter()
        .map(|column| format!("{0} = {0}", identifier(column)))
        .collect();
    let table = identifier(table);
    let mut statements = vec![
        format!("INSERT INTO main.{table} DEFAULT VALUES"),
        format!("DELETE FROM main.{table}"),
    ];
    if !set.is_empty() {
        statements.push(format!("UPDATE main.{table} SET {}", set.join(", ")));
    }
    Ok(statements)
}

fn mismatch(connection: &Connection, check: &str) -> Result<Option<String>, rusqlite::Error> {
    match connection.prepare(check) {
        Ok(_) => Ok(None),
        Err(error) if is_mismatch(&error) => Ok(Some(sqlite_words(&error))),
        Err(error) => Err(error),
    }
}

/// Why SQLite does not compile a statement; nothing where it lacks only what the application brings
/// along: functions, collations, modules.
fn refusal(connection: &Connection, sql: &str) -> Result<Option<String>, rusqlite::Error> {
    const THE_APPLICATIONS: [&str; 5] = [
        "no such function",
        "no such collation sequence",
        "no such module",
        "wrong number of arguments to function",
        "unsafe use of",
    ];
    // An INSTEAD OF trigger waits for one kind of statement; the others are no fault.
    const NOT_FIRED: [&str; 1] = ["cannot modify"];
    match connection.prepare(sql) {
        Ok(_) => Ok(None),
        Err(error) if sqlite_code(&error) == Some(rusqlite::ErrorCode::Unknown) => {
            let words = sqlite_words(&error);
            let begins = |known: &str| words.starts_with(known);
            let excused = THE_APPLICATIONS
                .iter()
                .chain(&NOT_FIRED)
                .any(|known| begins(known));
            Ok((!excused).then_some(words))
        }
        Err(error) => Err(error),
    }
}

/// The name that a message ends with: `no such table: main.x` is about `x`.
fn missing(why: &str) -> Option<String> {
    let name = why.rsplit_once(": ")?.1;
    let name = name.rsplit_once('.').map_or(name, |(_, name)| name);
    Some(name.to_ascii_lowercase())
}

/// Whether the table that is missing is called like a function in `sql`: it is one that the
/// application brings along.
fn is_a_function(why: &str, sql: &str) -> bool {
    let Some(name) = missing(why).filter(|_| why.starts_with("no such table")) else {
        return false;
    };
    let sql = sql.to_ascii_lowercase();
    sql.match_indices(&name).any(|(at, _)| {
        let before = sql[..at].trim_end();
        sql[at + name.len()..].trim_start().starts_with('(') && !before.ends_with("into")
    })
}

/// The triggers of a table whose text has what is missing; all of them where none has.
fn blamed(why: &str, triggers: &[&Entry]) -> Vec<String> {
    let missing = missing(why).filter(|name| !name.is_empty());
    let has_it = |trigger: &&&Entry| {
        let sql = trigger.text().to_ascii_lowercase();
        missing.as_ref().is_some_and(|name| sql.contains(name))
    };
    let name = |trigger: &&Entry| trigger.name.clone();
    let named: Vec<String> = triggers.iter().filter(has_it).map(name).collect();
    match named.is_empty() {
        true => triggers.iter().map(name).collect(),
        false => named,
    }
}
