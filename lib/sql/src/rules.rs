//! The rules on what loses data.
//!
//! A rule is a function from one act, and what is known when its turn comes, to what would be lost.
//! It never sees SQL.

use std::collections::HashSet;
use std::fmt;

use crate::act::{Act, Name, What};
use crate::directives::{self, Allowance};
use crate::history::History;
use crate::rebuild::{Cause, Rebuild, rebuilds};
use crate::unfold::Kept;
use crate::{Before, Dialect, NO_STATEMENT, OUT_OF_ORDER, parse};

mod code;
mod column;
mod rows;
mod schema;
mod table;
mod ty;

/// One rule: what holds when it is kept, and what to do when it is not.
pub struct Rule {
    /// What `-- lockstep: allow` names.
    pub id: &'static str,
    /// The dialects that it is about.
    pub dialects: &'static [Dialect],
    /// What is true of a script that keeps the rule, as a clause.
    pub holds: &'static str,
    /// What to do about a violation, besides allowing it.
    pub remedy: &'static str,
    /// Whether it is about more than the rows of this database, so that it counts on an empty one too.
    reaches_further: bool,
    find: fn(&Moment) -> Option<Loss>,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rule").field(&self.id).finish()
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Rule) -> bool {
        self.id == other.id
    }
}

impl Eq for Rule {}

const BOTH: &[Dialect] = &[Dialect::Sqlite, Dialect::Postgres];
const POSTGRES: &[Dialect] = &[Dialect::Postgres];
const SQLITE: &[Dialect] = &[Dialect::Sqlite];

/// Every rule, in the order of their findings on one statement.
pub static RULES: &[Rule] = &[
    Rule {
        id: "drop-table",
        dialects: BOTH,
        holds: "no table that may hold rows is dropped",
        remedy: "rename the table and drop it in a later release",
        reaches_further: false,
        find: table::dropped,
    },
    Rule {
        id: "drop-column",
        dialects: BOTH,
        holds: "no column that may hold values is dropped",
        remedy: "stop using the column and drop it in a later release",
        reaches_further: false,
        find: column::dropped,
    },
    Rule {
        id: "narrow-type",
        dialects: BOTH,
        holds: "a changed column type holds every value of the old one",
        remedy: "add a column of the new type, fill it, and drop the old one in a later release",
        reaches_further: false,
        find: ty::narrowed,
    },
    Rule {
        id: "truncate",
        dialects: POSTGRES,
        holds: "no table that may hold rows is truncated",
        remedy: "delete the rows that are meant, with a WHERE",
        reaches_further: false,
        find: rows::truncated,
    },
    Rule {
        id: "delete-without-where",
        dialects: BOTH,
        holds: "every DELETE says which rows",
        remedy: "add a WHERE that says which rows are meant",
        reaches_further: false,
        find: rows::deleted,
    },
    Rule {
        id: "update-without-where",
        dialects: BOTH,
        holds: "every UPDATE of values that were there before says which rows",
        remedy: "add a WHERE that says which rows are meant",
        reaches_further: false,
        find: rows::updated,
    },
    Rule {
        id: "replace-rows",
        dialects: SQLITE,
        holds: "no row that may have been there before is replaced",
        remedy: "write ON CONFLICT … DO UPDATE with the columns that are meant",
        reaches_further: false,
        find: rows::replaced,
    },
    Rule {
        id: "drop-schema",
        dialects: POSTGRES,
        holds: "no schema is dropped",
        remedy: "drop what is in it by name",
        reaches_further: false,
        find: schema::dropped,
    },
    Rule {
        id: "drop-database",
        dialects: POSTGRES,
        holds: "no database is dropped",
        remedy: "drop a database by hand, not in a migration",
        reaches_further: true,
        find: schema::database_dropped,
    },
    Rule {
        id: "drop-owned",
        dialects: POSTGRES,
        holds: "nothing is dropped because of who owns it",
        remedy: "drop what is meant by name",
        reaches_further: true,
        find: schema::owned_dropped,
    },
    Rule {
        id: "drop-extension",
        dialects: POSTGRES,
        holds: "no extension is dropped, with the tables and types that belong to it",
        remedy: "move what depends on the extension away first",
        reaches_further: false,
        find: schema::extension_dropped,
    },
    Rule {
        id: "drop-cascade",
        dialects: POSTGRES,
        holds: "no type is dropped together with the columns that use it",
        remedy: "leave CASCADE out, and drop those columns by name",
        reaches_further: false,
        find: schema::cascaded,
    },
    Rule {
        id: "dynamic-sql",
        dialects: POSTGRES,
        holds: "every statement that runs can be read",
        remedy: "write the statements out",
        reaches_further: false,
        find: code::unread,
    },
    Rule {
        id: "writable-schema",
        dialects: SQLITE,
        holds: "the schema table is not written by hand",
        remedy: "rebuild the table: create the new one, copy, drop the old one, rename",
        reaches_further: true,
        find: code::writable_schema,
    },
    Rule {
        id: "catalog-write",
        dialects: POSTGRES,
        holds: "the system catalogs are not written by hand",
        remedy: "write the ALTER, CREATE or DROP that is meant",
        reaches_further: true,
        find: code::catalog_written,
    },
];

/// Everything that `-- lockstep: allow` can name: the rules, [`OUT_OF_ORDER`] and
/// [`NO_STATEMENT`].
pub fn allowable() -> impl Iterator<Item = &'static str> {
    RULES
        .iter()
        .map(|rule| rule.id)
        .chain([OUT_OF_ORDER, NO_STATEMENT])
}

/// A place where a script breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: &'static Rule,
    /// 1-based.
    pub line: u32,
    /// What would lose data: a table, `table.column`, a schema.
    pub subject: String,
    /// What happens to it, as a clause.
    pub message: String,
    /// Nothing is lost, and what happens is worth a look all the same.
    pub is_note: bool,
    /// If a table is dropped in what looks like a rebuild of SQLite's: why it is none.
    pub no_rebuild: Option<Cause>,
    /// The file's own reason, if it allows the rule to be broken.
    pub allowed: Option<String>,
}

/// A pending file, or the part of it that applies.
#[derive(Debug, Clone, Copy)]
pub struct Pending<'a> {
    /// Its statements. With syntax errors it is looked into as far as it was read.
    pub sql: &'a str,
    /// What the file allows itself, wherever in it that stands.
    pub allows: &'a [Allowance],
}

/// What each of the pending files would lose, in the order in which they run on a database as it was
/// before. Rows that the pending files themselves put into a table that they created do not count as
/// data.
pub fn violations(dialect: Dialect, before: &Before, pending: &[Pending]) -> Vec<Vec<Violation>> {
    let mut history = History::new(dialect, before);
    let mut kept = Kept::new(dialect);
    pending
        .iter()
        .map(|file| of_file(dialect, file, &mut history, &mut kept))
        .collect()
}

/// What a rule sees: an act, and what is known when its turn comes.
struct Moment<'a> {
    what: &'a What,
    /// Whether the file goes on where there is nothing of the name: it asks for it, or its code may.
    may_find_nothing: bool,
    history: &'a History,
    /// If the act drops a table whose rows were carried over.
    rebuild: Option<&'a Rebuild<'a>>,
}

impl Moment<'_> {
    /// Whether the act is spared because there is no such table.
    fn finds_no_table(&self, table: &Name) -> bool {
        self.may_find_nothing && self.history.is_absent_table(table)
    }
}

/// What would be lost.
struct Loss {
    subject: String,
    message: String,
    /// See [`Violation::is_note`].
    is_note: bool,
}

fn of_file(
    dialect: Dialect,
    file: &Pending,
    history: &mut History,
    kept: &mut Kept,
) -> Vec<Violation> {
    let script = parse(dialect, file.sql);
    let acts = script
        .statements
        .iter()
        .flat_map(|statement| &statement.acts);
    let steps = kept.unfold(acts);
    let acts: Vec<&Act> = steps.iter().map(|step| step.act.as_ref()).collect();
    history.begin_file();
    let rebuilds = match dialect {
        Dialect::Sqlite => rebuilds(&acts, &|table| history.is_absent_table(table)),
        // ALTER TABLE does there what a rebuild is for, and a rebuild would lose grants and more.
        Dialect::Postgres => Default::default(),
    };
    let mut found = Vec::new();
    let mut places = HashSet::new();
    for (at, step) in steps.iter().enumerate() {
        let act = step.act.as_ref();
        let rebuild = rebuilds.get(&at).map(Result::as_ref);
        let moment = Moment {
            what: &act.what,
            may_find_nothing: act.if_exists || !act.certain,
            history,
            rebuild: rebuild.and_then(Result::ok),
        };
        let is_spared =
            history.is_empty() && (moment.may_find_nothing || !history.lacks(&act.what));
        let rules = RULES.iter().filter(|rule| {
            rule.dialects.contains(&dialect) && (rule.reaches_further || !is_spared)
        });
        let mut loses = false;
        for rule in rules {
            if let Some(loss) = (rule.find)(&moment) {
                loses |= !loss.is_note;
                // Code is one place, from however many lines it is set off; so is a line that does
                // the same to the same again.
                let place = match &step.by {
                    Some(by) => (Some(by), 0),
                    None => (None, act.line),
                };
                if !places.insert((rule.id, loss.subject.clone(), place)) {
                    continue;
                }
                found.push(Violation {
                    rule,
                    line: act.line,
                    subject: loss.subject,
                    message: match &step.by {
                        Some(by) => format!("{}, by {by}", loss.message),
                        None => loss.message,
                    },
                    is_note: loss.is_note,
                    no_rebuild: rebuild.and_then(Result::err).cloned(),
                    allowed: directives::reason(file.allows, rule.id).map(str::to_owned),
                });
            }
        }
        history.follow(act, loses);
    }
    found
}
