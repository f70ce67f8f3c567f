//! What a script makes that stays: tables, and columns of tables.

use std::fmt;

use crate::Script;
use crate::act::{Name, What};

/// A table that a script makes, or a column that it adds to one, by the names that the engine
/// compares.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Made {
    /// PostgreSQL: the schema, where the script names one.
    pub schema: Option<String>,
    /// The table.
    pub table: String,
    /// The column; nothing for the table itself.
    pub column: Option<String>,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.schema.as_ref(),
            Some(&self.table),
            self.column.as_ref(),
        ];
        let named: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        f.write_str(&named.join("."))
    }
}

/// All of it, in order, what is made only if it is not there yet among it. Temporary tables are left
/// out, and so is what a text made at run time would make.
pub fn made(script: &Script) -> Vec<Made> {
    let of = |name: &Name, column: Option<&str>| Made {
        schema: name.schema.clone(),
        table: name.name.clone(),
        column: column.map(str::to_owned),
    };
    script
        .statements
        .iter()
        .flat_map(|statement| &statement.acts)
        .filter_map(|act| match &act.what {
            What::CreateTable(create) if !create.temporary => Some(of(&create.table, None)),
            What::RenameTable { to, .. } => Some(of(to, None)),
            What::AddColumn { table, column, .. } => Some(of(table, Some(&column.name))),
            _ => None,
        })
        .filter(|made| made.schema.as_deref() != Some("temp"))
        .collect()
}

/// The tables that a script takes away, by name or by renaming them.
pub fn unmade(script: &Script) -> Vec<String> {
    script
        .statements
        .iter()
        .flat_map(|statement| &statement.acts)
        .filter_map(|act| match &act.what {
            What::DropTable(table) => Some(table.name.clone()),
            What::RenameTable { from, .. } => Some(from.name.clone()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dialect, parse};

    #[test]
    fn tables_and_columns_are_made() {
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            let script = parse(
                dialect,
                "CREATE TABLE Users (id int); CREATE TABLE IF NOT EXISTS a.b (id int);
                 CREATE TEMP TABLE work (a int); ALTER TABLE users ADD COLUMN age int;
                 ALTER TABLE old RENAME TO new; DROP TABLE gone; INSERT INTO users VALUES (1)",
            );
            let found: Vec<String> = made(&script).iter().map(Made::to_string).collect();
            assert_eq!(found, ["users", "a.b", "users.age", "new"], "{dialect:?}");
            assert_eq!(unmade(&script), ["old", "gone"], "{dialect:?}");
        }
    }
}
