//! Whether Lockstep's own tables are as it made them, and carry nothing of others.
//!
//! The guards stand on the mark, so whatever changes it behind a statement that only writes the
//! ledger (a trigger, a rule, a view in a table's place) would open them.

use contract::{Check, Report};

use crate::tables::MARK_SQLITE;
use crate::{Error, SqliteRecords, Survey, sqlite};

const WHAT: &str = "what hangs on Lockstep's own tables";

/// Lockstep's own tables carry nothing of others.
pub const RECORDS_OWN: Check = Check {
    id: "records-own",
    holds: "Lockstep's own tables are as it made them, and carry nothing of others",
    remedy: "drop what is named, then run verify-guards again",
};

/// Something on Lockstep's own tables that it did not put there, or a table that it did not make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intruder {
    /// The table of ours.
    pub table: String,
    /// What is so, as a clause: `it carries the trigger spy, which is not Lockstep's`.
    pub message: String,
    /// A deed.
    pub remedy: String,
}

/// The columns of `lockstep_environment` as the first release made it.
pub const SQLITE_ENVIRONMENT: &str = "(
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL,
    protected INTEGER NOT NULL CHECK (protected IN (0, 1)),
    uuid TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    marked_at TEXT NOT NULL,
    marked_by TEXT NOT NULL
) STRICT";

/// The columns that later releases added to it, in their order, each with its definition.
pub const SQLITE_ENVIRONMENT_ADDED: [(&str, &str); 3] = [
    ("format", "INTEGER NOT NULL DEFAULT 1"),
    ("lockstep", "TEXT NOT NULL DEFAULT ''"),
    ("terms", "TEXT"),
];

/// The columns of the ledger. `because` holds the reason that a person gave for a row that no
/// deployment wrote.
pub const SQLITE_MIGRATIONS: &str = "(
    position INTEGER PRIMARY KEY,
    version TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    sha256_tokens TEXT CHECK (length(sha256_tokens) = 64),
    state TEXT NOT NULL CHECK (state IN ('applied', 'started')),
    applied_at TEXT NOT NULL,
    duration_ms INTEGER NOT NULL,
    applied_by TEXT NOT NULL,
    run_id TEXT NOT NULL,
    because TEXT
) STRICT";

/// The columns of the recorded schema.
pub const SQLITE_SCHEMA: &str = "(
    id INTEGER PRIMARY KEY CHECK (id = 1),
    document TEXT NOT NULL,
    ledger_state TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    run_id TEXT NOT NULL
) STRICT";

/// The columns of what was accepted by reviewed lines.
pub const SQLITE_ACCEPTED: &str = "(
    position INTEGER PRIMARY KEY,
    check_id TEXT NOT NULL,
    target TEXT NOT NULL,
    digest TEXT NOT NULL,
    because TEXT NOT NULL,
    accepted_at TEXT NOT NULL,
    accepted_by TEXT NOT NULL,
    run_id TEXT NOT NULL
) STRICT";

/// The columns of the recorded schemas that were replaced.
pub const SQLITE_SCHEMA_HISTORY: &str = "(
    position INTEGER PRIMARY KEY,
    document TEXT NOT NULL,
    ledger_state TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    run_id TEXT NOT NULL,
    replaced_at TEXT NOT NULL,
    replaced_by TEXT NOT NULL,
    replaced_in TEXT NOT NULL
) STRICT";

/// The columns of the table that says which format the ledger has.
pub const SQLITE_LEDGER_FORMAT: &str = "(
    id INTEGER PRIMARY KEY CHECK (id = 1),
    format INTEGER NOT NULL,
    lockstep TEXT NOT NULL
) STRICT";

/// Every form of `lockstep_environment` that a release wrote: SQLite puts a column that is added
/// behind the last one, and keeps the text otherwise.
fn forms_of_environment() -> Vec<String> {
    let first = spaced(SQLITE_ENVIRONMENT);
    let mut form = first.trim_end_matches(") STRICT").to_owned();
    let mut forms = vec![first];
    for (column, definition) in SQLITE_ENVIRONMENT_ADDED {
        form.push_str(&format!(", {column} {definition}"));
        forms.push(format!("{form}) STRICT"));
    }
    forms
}

impl Survey {
    /// Enters what was found on Lockstep's own tables.
    pub fn report_records(&self, report: &mut Report) {
        for intruder in &self.intruders {
            report
                .broken(&RECORDS_OWN, &intruder.table, &intruder.message)
                .remedy(&intruder.remedy);
        }
        if self.intruders.is_empty() {
            report.held(&RECORDS_OWN, "records");
        }
    }
}

/// An entry of the schema table.
struct Entry {
    kind: String,
    name: String,
    table: String,
    sql: Option<String>,
}

impl SqliteRecords<'_> {
    /// What stands on Lockstep's own tables and is not its own, temporary objects of this session
    /// included.
    ///
    /// # Errors
    ///
    /// When the schema can't be read.
    pub fn intruders(&self) -> Result<Vec<Intruder>, Error> {
        let mut found = Vec::new();
        for entry in self.entries_of_own().map_err(sqlite(WHAT))? {
            found.extend(self.judge(&entry));
        }
        for (child, table) in self.keys_to_own().map_err(sqlite(WHAT))? {
            found.push(Intruder {
                message: format!("a foreign key of {child} refers to it"),
                remedy: format!("rebuild {child} without that key"),
                table,
            });
        }
        Ok(found)
    }

    /// Whatever has the name of a table of ours, or stands on it.
    fn entries_of_own(&self) -> Result<Vec<Entry>, rusqlite::Error> {
        let own = self.ledger.own_sqlite();
        let is_own = |name: &str| own.iter().any(|own| own.eq_ignore_ascii_case(name));
        let mut entries = Vec::new();
        for schema in ["main.sqlite_schema", "temp.sqlite_temp_schema"] {
            let mut statement = self
                .connection
                .prepare_cached(&format!("SELECT type, name, tbl_name, sql FROM {schema}"))?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let [kind, name, table] = [0, 1, 2].map(|at| row.get_ref(at));
                let (kind, name, table) = (kind?.as_str()?, name?.as_str()?, table?.as_str()?);
                if is_own(name) || is_own(table) {
                    entries.push(Entry {
                        kind: kind.to_owned(),
                        name: name.to_owned(),
                        table: table.to_owned(),
                        sql: row.get(3)?,
                    });
                }
            }
        }
        Ok(entries)
    }

    fn judge(&self, entry: &Entry) -> Option<Intruder> {
        let Entry {
            kind,
            name,
            table,
            sql,
        } = entry;
        match (kind.as_str(), sql) {
            ("table", Some(sql)) if self.is_as_written(name, sql) => None,
            // What a PRIMARY KEY or UNIQUE of ours makes by itself.
            ("index", None) => None,
            ("table", _) => Some(Intruder {
                table: name.clone(),
                message: "it has another form than any that Lockstep writes".to_owned(),
                remedy: format!(
                    "compare its CREATE TABLE with that of a new database, copy its rows into one of \
                     that form, then DROP TABLE {name} and give the new one its name"
                ),
            }),
            ("view", _) => Some(Intruder {
                table: name.clone(),
                message: "a view stands in its place".to_owned(),
                remedy: format!("DROP VIEW {name}, then run verify-guards again"),
            }),
            (kind, _) => Some(Intruder {
                table: table.clone(),
                message: format!("it carries the {kind} {name}, which is not Lockstep's"),
                remedy: format!(
                    "DROP {} {name}, then run verify-guards again",
                    kind.to_uppercase()
                ),
            }),
        }
    }

    /// Whether a table's text is one that a release of ours wrote, spaces aside.
    fn is_as_written(&self, name: &str, sql: &str) -> bool {
        let lower = name.to_ascii_lowercase();
        let has_end = |end: &str| lower.ends_with(end);
        let forms = match () {
            () if lower == MARK_SQLITE => forms_of_environment(),
            () if has_end("_migrations") => vec![spaced(SQLITE_MIGRATIONS)],
            () if has_end("_schema") => vec![spaced(SQLITE_SCHEMA)],
            () if has_end("_ledger_format") => vec![spaced(SQLITE_LEDGER_FORMAT)],
            () if has_end("_accepted") => vec![spaced(SQLITE_ACCEPTED)],
            () if has_end("_schema_history") => vec![spaced(SQLITE_SCHEMA_HISTORY)],
            () => return false,
        };
        let found = spaced(sql);
        let columns = [
            format!("CREATE TABLE {lower} "),
            format!("CREATE TABLE \"{lower}\" "),
        ]
        .iter()
        .find_map(|head| found.strip_prefix(head.as_str()).map(str::to_owned));
        columns.is_some_and(|columns| forms.contains(&columns))
    }

    /// Foreign keys of other tables to ours: each child with the table of ours.
    fn keys_to_own(&self) -> Result<Vec<(String, String)>, rusqlite::Error> {
        // Only a table whose text leads on to such a name is looked at closer.
        let mut statement = self.connection.prepare_cached(
            "SELECT name FROM main.sqlite_schema WHERE type = 'table' \
             AND (sql LIKE '%references%lockstep%' OR sql LIKE '%references%' || ?1 || '%')",
        )?;
        let children: Vec<String> = statement
            .query_map([self.ledger.as_str()], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut keys = Vec::new();
        for child in children {
            let mut statement = self.connection.prepare_cached(
                "SELECT DISTINCT \"table\" FROM pragma_foreign_key_list(?1, 'main')",
            )?;
            let parents = statement.query_map([&child], |row| row.get::<_, String>(0))?;
            for parent in parents {
                let parent = parent?;
                if self.ledger.is_own_sqlite(&parent) {
                    keys.push((child.clone(), parent));
                }
            }
        }
        Ok(keys)
    }
}

/// A text with one space wherever it had any, and none inside brackets or before a comma, where
/// SQLite puts them as it adds a column.
fn spaced(text: &str) -> String {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    words
        .join(" ")
        .replace(" ,", ",")
        .replace("( ", "(")
        .replace(" )", ")")
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::LedgerName;

    fn database() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        for (name, columns) in [
            ("lockstep_environment", SQLITE_ENVIRONMENT),
            ("\"lockstep_migrations\"", SQLITE_MIGRATIONS),
            ("\"lockstep_schema\"", SQLITE_SCHEMA),
            ("\"lockstep_ledger_format\"", SQLITE_LEDGER_FORMAT),
            ("\"lockstep_accepted\"", SQLITE_ACCEPTED),
            ("\"lockstep_schema_history\"", SQLITE_SCHEMA_HISTORY),
        ] {
            connection
                .execute_batch(&format!("CREATE TABLE main.{name} {columns}"))
                .unwrap();
        }
        connection
    }

    fn found(connection: &Connection) -> Vec<(String, String)> {
        let ledger = LedgerName::default();
        let intruders = SqliteRecords::new(connection, &ledger).intruders().unwrap();
        intruders
            .into_iter()
            .map(|intruder| (intruder.table, intruder.message))
            .collect()
    }

    #[test]
    fn the_tables_as_they_are_made_are_no_intruders() {
        let connection = database();
        assert_eq!(found(&connection), []);
        // Nor is what only has the prefix.
        connection
            .execute_batch(
                "CREATE TABLE lockstep_orders (id INTEGER PRIMARY KEY);
                 CREATE TABLE line (o REFERENCES lockstep_orders (id));
                 CREATE TRIGGER t AFTER INSERT ON lockstep_orders BEGIN SELECT 1; END",
            )
            .unwrap();
        assert_eq!(found(&connection), []);
    }

    #[test]
    fn every_form_that_a_release_wrote_counts() {
        let connection = database();
        for (column, definition) in SQLITE_ENVIRONMENT_ADDED {
            connection
                .execute_batch(&format!(
                    "ALTER TABLE main.lockstep_environment ADD COLUMN {column} {definition}"
                ))
                .unwrap();
            assert_eq!(found(&connection), []);
        }
    }

    #[test]
    fn whatever_hangs_on_them_is_found() {
        let remade = |table: &str, columns: &str| {
            format!("DROP TABLE {table}; CREATE TABLE {table} {columns}")
        };
        let generated = SQLITE_ENVIRONMENT.replace(
            "protected INTEGER NOT NULL CHECK (protected IN (0, 1))",
            "protected INTEGER AS (0)",
        );
        for (made, table, message) in [
            (
                "CREATE TRIGGER spy AFTER INSERT ON Lockstep_Migrations BEGIN SELECT 1; END".to_owned(),
                "lockstep_migrations",
                "it carries the trigger spy",
            ),
            (
                "CREATE TEMP TRIGGER spy AFTER INSERT ON main.lockstep_schema BEGIN SELECT 1; END"
                    .to_owned(),
                "lockstep_schema",
                "it carries the trigger spy",
            ),
            (
                "CREATE UNIQUE INDEX one ON lockstep_migrations (run_id)".to_owned(),
                "lockstep_migrations",
                "it carries the index one",
            ),
            (
                "CREATE TABLE line (e REFERENCES lockstep_environment ON DELETE CASCADE)".to_owned(),
                "lockstep_environment",
                "a foreign key of line refers to it",
            ),
            (
                "ALTER TABLE lockstep_environment ADD COLUMN more TEXT".to_owned(),
                "lockstep_environment",
                "another form",
            ),
            (
                remade("lockstep_environment", &generated),
                "lockstep_environment",
                "another form",
            ),
            (
                remade("lockstep_environment", "AS SELECT 1 AS id"),
                "lockstep_environment",
                "another form",
            ),
            (
                "DROP TABLE lockstep_environment; CREATE VIEW lockstep_environment AS SELECT 1 AS id"
                    .to_owned(),
                "lockstep_environment",
                "a view stands in its place",
            ),
            (
                "CREATE TEMP TABLE lockstep_environment AS SELECT * FROM main.lockstep_environment"
                    .to_owned(),
                "lockstep_environment",
                "another form",
            ),
        ] {
            let connection = database();
            connection.execute_batch(&made).unwrap();
            let found = found(&connection);
            assert_eq!(found.len(), 1, "{made}: {found:?}");
            assert!(found[0].0.eq_ignore_ascii_case(table), "{made}: {found:?}");
            assert!(found[0].1.contains(message), "{made}: {found:?}");
        }
    }

    #[test]
    fn another_ledger_of_ours_is_looked_at_by_its_name() {
        let connection = database();
        connection
            .execute_batch(
                "CREATE TABLE shop_migrations (x);
                 CREATE TRIGGER t AFTER INSERT ON shop_migrations BEGIN SELECT 1; END",
            )
            .unwrap();
        assert_eq!(found(&connection), []);
        let shop = LedgerName::new(Some("shop")).unwrap();
        let intruders = SqliteRecords::new(&connection, &shop).intruders().unwrap();
        assert_eq!(intruders.len(), 2, "{intruders:?}");
    }
}
