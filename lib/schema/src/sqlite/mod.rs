//! SQLite: structure from its pragmas, and from the stored text only what no pragma tells.

mod create_table;
mod definitions;
mod queries;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use crate::{Column, Engine, Error, Index, Named, Schema, Scope, Table, Trigger, View};
use create_table::TableText;
use definitions::{Parents, constraint, foreign_keys, index_definition, primary_key, unique};
use queries::{IndexRow, Rows, TableRow};

pub(crate) use text::{canonical, canonical_default};

/// Reads the main database's schema: not `temp`, not what is attached, none of SQLite's own tables,
/// no shadow tables of virtual ones. Outside a transaction it reads in one of its own.
///
/// # Errors
///
/// What SQLite says to a query on its schema: busy, not a database, malformed.
pub fn read_sqlite(conn: &Connection, scope: &Scope) -> Result<Schema, Error> {
    let snapshot = conn
        .is_autocommit()
        .then(|| conn.unchecked_transaction())
        .transpose();
    let _snapshot = snapshot.map_err(|source| Error::Sqlite {
        what: "a snapshot",
        source,
    })?;
    let rows = Rows::read(conn)?;
    let parents = rows.primary_keys();
    let mut schema = Schema::empty(Engine::Sqlite);
    for row in &rows.tables {
        let statement = rows.statement(&row.name).unwrap_or_default();
        match row.kind.as_str() {
            "view" => {
                let view = View {
                    definition: statement.trim().to_owned(),
                    triggers: triggers(&rows, &row.name),
                    ..View::default()
                };
                schema.views.insert(row.name.clone(), view);
            }
            "virtual" => {
                let table = Table {
                    definition: Some(statement.trim().to_owned()),
                    ..Table::default()
                };
                schema.tables.insert(row.name.clone(), table);
            }
            _ => {
                let table = table(&rows, &parents, row, statement);
                schema.tables.insert(row.name.clone(), table);
            }
        }
    }
    scope.keep_within(&mut schema);
    Ok(schema)
}

fn table(rows: &Rows, parents: &Parents, row: &TableRow, statement: &str) -> Table {
    let read = create_table::read(statement);
    let definition = read.is_none().then(|| statement.trim().to_owned());
    let text = read.unwrap_or_default();
    let indexes = rows.of(&rows.indexes, &row.name);
    let columns = rows.of(&rows.columns, &row.name);
    let collations: BTreeMap<_, _> = columns
        .iter()
        .map(|column| (column.name.to_ascii_lowercase(), column.collation.as_str()))
        .collect();
    let has_key_index = indexes.iter().any(|index| index.origin == "pk");
    Table {
        options: options(row),
        definition,
        columns: columns
            .iter()
            .map(|column| {
                // The rowid is never NULL, whether its alias says so or not: neither counts.
                let rowid = column.key_place > 0 && !row.without_rowid && !has_key_index;
                let mut described = column.to_column(&text);
                described.not_null &= !rowid;
                (column.name.clone(), described)
            })
            .collect(),
        primary_key: primary_key(columns, indexes, &collations, &text),
        unique: unique(indexes, &collations, &text),
        checks: checks(&text),
        foreign_keys: foreign_keys(rows.of(&rows.foreign_keys, &row.name), parents, &text),
        indexes: created_indexes(rows, indexes, &collations),
        triggers: triggers(rows, &row.name),
        ..Table::default()
    }
}

impl queries::ColumnRow {
    fn to_column(&self, text: &TableText) -> Column {
        let folded = self.name.to_ascii_lowercase();
        // table_xinfo's `hidden`: 2 is a virtual, 3 a stored generated column.
        let stored = if self.hidden == 3 {
            "STORED"
        } else {
            "VIRTUAL"
        };
        let generated = text.generated.get(&folded);
        Column {
            data_type: self.data_type.clone(),
            not_null: self.not_null,
            default: self.default.clone(),
            generated: generated.map(|expression| format!("({expression}) {stored}")),
            collation: Some(self.collation.clone())
                .filter(|name| !name.eq_ignore_ascii_case("BINARY")),
            on_conflict: text.not_null_conflicts.get(&folded).cloned(),
            ..Column::default()
        }
    }
}

fn options(row: &TableRow) -> BTreeSet<String> {
    let strict = row.strict.then(|| "STRICT".to_owned());
    let without_rowid = row.without_rowid.then(|| "WITHOUT ROWID".to_owned());
    strict.into_iter().chain(without_rowid).collect()
}

fn checks(text: &TableText) -> Vec<crate::Constraint> {
    let mut checks: Vec<_> = text
        .checks
        .iter()
        .map(|expression| constraint(format!("CHECK ({expression})")))
        .collect();
    checks.sort();
    checks
}

fn created_indexes(
    rows: &Rows,
    indexes: &[IndexRow],
    collations: &BTreeMap<String, &str>,
) -> Named<Index> {
    indexes
        .iter()
        .filter(|index| index.origin == "c")
        .map(|index| {
            let statement = rows.statement(&index.name).unwrap_or_default();
            let definition = index_definition(index, statement, collations);
            let valid = true;
            (index.name.clone(), Index { definition, valid })
        })
        .collect()
}

fn triggers(rows: &Rows, table: &str) -> Named<Trigger> {
    rows.triggers(table)
        .map(|(name, statement)| {
            let definition = statement.trim().to_owned();
            let enabled = None;
            (
                name.to_owned(),
                Trigger {
                    definition,
                    enabled,
                },
            )
        })
        .collect()
}
