//! Whether what stands in the schema can be used, before and after a migration.
//!
//! SQLite looks at a foreign key, a view or a trigger when it is used, and not when that goes which
//! it refers to: a key to a table that was renamed away shows at the first write to the child.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use rusqlite::Connection;

use super::foreign_keys::{identifier, is_mismatch};
use crate::error::{sqlite_code, sqlite_words};

/// The schema, as far as this comparison needs it.
#[derive(Debug, Default)]
pub(super) struct Usable {
    /// Every entry of the schema table by its name in lower case.
    entries: BTreeMap<String, Seen>,
    /// The keys of each child.
    keys: BTreeMap<String, Vec<Key>>,
    /// What can't be used, with the reason.
    faults: BTreeMap<Part, String>,
}

/// What tells an entry of the schema table from another of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    is_table: bool,
    text: u64,
}

/// An entry of the schema table.
struct Entry {
    kind: String,
    name: String,
    table: String,
    sql: String,
}

/// A foreign key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    child: String,
    columns: Vec<String>,
    parent: String,
    /// Empty where the key refers to the parent's primary key without naming it.
    parent_columns: Vec<String>,
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

static NOTHING: Usable = Usable {
    entries: BTreeMap::new(),
    keys: BTreeMap::new(),
    faults: BTreeMap::new(),
};

impl Usable {
    /// The schema as this connection sees it, and what of it can't be used. What `former` has seen is
    /// not looked at again where nothing but new entries can concern it: a file that only adds to a
    /// schema of 20,000 tables costs no more than to read their names.
    pub(super) fn find(
        connection: &Connection,
        former: Option<&Usable>,
    ) -> Result<Usable, rusqlite::Error> {
        let mut usable = Usable::default();
        let mut code = Vec::new();
        let mut children = Vec::new();
        for entry in entries(connection)? {
            let name = entry.name.to_ascii_lowercase();
            let mut hasher = DefaultHasher::new();
            (&entry.kind, &entry.table, &entry.sql).hash(&mut hasher);
            let seen = Seen {
                is_table: matches!(entry.kind.as_str(), "table" | "view"),
                text: hasher.finish(),
            };
            usable.entries.insert(name, seen);
            match entry.kind.as_str() {
                "view" | "trigger" => code.push(entry),
                // Without the word there is no key.
                "table" if has_keyword(&entry.sql) => children.push(entry.name),
                _ => {}
            }
        }
        let former = former.unwrap_or(&NOTHING);
        let mut known = former.entries.iter();
        let grown = known.all(|(name, seen)| usable.entries.get(name) == Some(seen));
        // What is new, or could not be used, is looked at in any case.
        let is_known = |name: &str| {
            let name = name.to_ascii_lowercase();
            let seen = usable.entries.get(&name);
            seen.is_some() && former.entries.get(&name) == seen
        };
        let faulty: BTreeSet<&str> = former
            .faults
            .keys()
            .filter_map(|part| match part {
                Part::Key(key) => Some(key.child.as_str()),
                _ => None,
            })
            .collect();
        let mut asked = BTreeSet::new();
        let mut keys = BTreeMap::new();
        for child in children {
            let known = former.keys.get(&child).filter(|_| is_known(&child));
            if known.is_none() || !grown || faulty.contains(child.as_str()) {
                asked.insert(child.clone());
            }
            let of_child = match known {
                Some(keys) => keys.clone(),
                None => keys_of(connection, &child)?,
            };
            keys.insert(child, of_child);
        }
        code.retain(|entry| {
            let part = match entry.kind.as_str() {
                "view" => Part::View(entry.name.clone()),
                _ => Part::Trigger(entry.name.clone()),
            };
            !grown || !is_known(&entry.name) || former.faults.contains_key(&part)
        });
        usable.keys = keys;
        usable.check_keys(connection, &asked)?;
        usable.check_code(connection, &code)?;
        Ok(usable)
    }

    fn has(&self, table: &str) -> bool {
        let seen = self.entries.get(&table.to_ascii_lowercase());
        seen.is_some_and(|seen| seen.is_table)
    }

    fn check_keys(
        &mut self,
        connection: &Connection,
        children: &BTreeSet<String>,
    ) -> Result<(), rusqlite::Error> {
        let mut faults: Vec<(Part, String)> = Vec::new();
        for child in children {
            let (there, missing): (Vec<&Key>, Vec<&Key>) = self
                .keys
                .get(child)
                .into_iter()
                .flatten()
                .partition(|key| self.has(&key.parent));
            faults.extend(
                missing
                    .into_iter()
                    .map(|key| (Part::Key(key.clone()), NO_TABLE.to_owned())),
            );
            if there.is_empty() {
                continue;
            }
            // SQLite compares the key with the parent's unique indexes when it compiles the check; no
            // row is looked at.
            let check = format!("PRAGMA main.foreign_key_check({})", identifier(child));
            let Some(words) = mismatch(connection, &check)? else {
                continue;
            };
            // It names the first key that does not fit, by the parent.
            let named =
                |key: &&&Key| words.ends_with(&format!("referencing {}", identifier(&key.parent)));
            faults.extend(
                there
                    .iter()
                    .find(named)
                    .map(|key| (Part::Key((*key).clone()), NOT_UNIQUE.to_owned())),
            );
        }
        self.faults.extend(faults);
        Ok(())
    }

    fn check_code(
        &mut self,
        connection: &Connection,
        code: &[Entry],
    ) -> Result<(), rusqlite::Error> {
        let of_kind = |kind| code.iter().filter(move |entry| entry.kind == kind);
        for view in of_kind("view") {
            let select = format!("SELECT * FROM main.{}", identifier(&view.name));
            if let Some(why) = refusal(connection, &select)?
                && !is_a_function(&why, &view.sql)
            {
                self.faults.insert(Part::View(view.name.clone()), why);
            }
        }
        let mut of_tables: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
        for trigger in of_kind("trigger") {
            of_tables.entry(&trigger.table).or_default().push(trigger);
        }
        // Compiles what fires the triggers of each table that has any.
        for (table, triggers) in of_tables {
            if self.faults.contains_key(&Part::View(table.to_owned())) {
                continue;
            }
            for statement in firing(connection, table)? {
                let Some(why) = refusal(connection, &statement)? else {
                    continue;
                };
                if triggers
                    .iter()
                    .any(|trigger| is_a_function(&why, &trigger.sql))
                {
                    continue;
                }
                for trigger in blamed(&why, &triggers) {
                    self.faults.insert(Part::Trigger(trigger), why.clone());
                }
            }
        }
        Ok(())
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
                    let made_here = !before.has(&key.child);
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
        let mut keys_before = before.keys.get(child).into_iter().flatten();
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
            None if before.has(parent) => (
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

fn entries(connection: &Connection) -> Result<Vec<Entry>, rusqlite::Error> {
    connection
        .prepare_cached("SELECT type, name, tbl_name, sql FROM main.sqlite_schema")?
        .query_map([], |row| {
            Ok(Entry {
                kind: row.get(0)?,
                name: row.get(1)?,
                table: row.get(2)?,
                sql: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
            })
        })?
        .collect()
}

fn has_keyword(sql: &str) -> bool {
    const KEYWORD: &[u8] = b"references";
    sql.as_bytes()
        .windows(KEYWORD.len())
        .any(|word| word.eq_ignore_ascii_case(KEYWORD))
}

fn keys_of(connection: &Connection, child: &str) -> Result<Vec<Key>, rusqlite::Error> {
    let mut statement = connection.prepare_cached(
        "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1, 'main') \
         ORDER BY id, seq",
    )?;
    let mut rows = statement.query([child])?;
    let mut keys: Vec<Key> = Vec::new();
    let mut last = None;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        if last != Some(id) {
            keys.push(Key {
                child: child.to_owned(),
                columns: Vec::new(),
                parent: row.get(1)?,
                parent_columns: Vec::new(),
            });
            last = Some(id);
        }
        if let Some(key) = keys.last_mut() {
            key.columns.push(row.get(2)?);
            key.parent_columns.extend(row.get::<_, Option<String>>(3)?);
        }
    }
    Ok(keys)
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
        let sql = trigger.sql.to_ascii_lowercase();
        missing.as_ref().is_some_and(|name| sql.contains(name))
    };
    let name = |trigger: &&Entry| trigger.name.clone();
    let named: Vec<String> = triggers.iter().filter(has_it).map(name).collect();
    match named.is_empty() {
        true => triggers.iter().map(name).collect(),
        false => named,
    }
}
