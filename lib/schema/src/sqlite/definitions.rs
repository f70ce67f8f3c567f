//! Constraints and indexes of SQLite as definitions of one form, however they were written.

use std::collections::{BTreeMap, HashMap};

use super::create_table::TableText;
use super::queries::{ColumnRow, ForeignKeyRow, IndexPart, IndexRow};
use super::text::{by_commas, closing, shown_name, tidy, tokens};
use crate::Constraint;

/// The columns of each table's primary key, by the table's name in lower case.
pub(super) type Parents = HashMap<String, Vec<String>>;

/// The collation of each column, by name in lower case.
type Collations<'c> = BTreeMap<String, &'c str>;

/// A constraint of SQLite: without a name.
pub(super) fn constraint(definition: String) -> Constraint {
    Constraint {
        name: None,
        definition,
    }
}

/// The primary key: from its index if it has one, for that knows order and collation.
pub(super) fn primary_key(
    columns: &[ColumnRow],
    indexes: &[IndexRow],
    collations: &Collations<'_>,
    text: &TableText,
) -> Option<Constraint> {
    let index = indexes.iter().find(|index| index.origin == "pk");
    let parts: Vec<String> = match index {
        Some(index) => index
            .parts
            .iter()
            .filter_map(|part| column_part(part, collations))
            .collect(),
        None => {
            let mut key: Vec<_> = columns
                .iter()
                .filter(|column| column.key_place > 0)
                .collect();
            key.sort_by_key(|column| column.key_place);
            key.into_iter()
                .map(|column| shown_name(&column.name))
                .collect()
        }
    };
    if parts.is_empty() {
        return None;
    }
    let mut definition = format!("PRIMARY KEY ({})", parts.join(", "));
    if text.autoincrement {
        definition.push_str(" AUTOINCREMENT");
    }
    on_conflict(&mut definition, text.primary_key_conflict.as_deref());
    Some(constraint(definition))
}

/// The unique constraints, from the indexes that they made.
pub(super) fn unique(
    indexes: &[IndexRow],
    collations: &Collations<'_>,
    text: &TableText,
) -> Vec<Constraint> {
    let mut unique: Vec<_> = indexes
        .iter()
        .filter(|index| index.origin == "u")
        .map(|index| {
            let parts: Vec<_> = index
                .parts
                .iter()
                .filter_map(|part| column_part(part, collations))
                .collect();
            let names: Vec<_> = index
                .parts
                .iter()
                .filter_map(|part| part.column.as_deref().map(str::to_ascii_lowercase))
                .collect();
            let mut definition = format!("UNIQUE ({})", parts.join(", "));
            on_conflict(
                &mut definition,
                text.unique_conflicts.get(&names).map(String::as_str),
            );
            constraint(definition)
        })
        .collect();
    unique.sort();
    unique
}

/// The foreign keys, with the parent's key where the statement leaves it out.
pub(super) fn foreign_keys(
    rows: &[ForeignKeyRow],
    parents: &Parents,
    text: &TableText,
) -> Vec<Constraint> {
    let mut keys: Vec<_> = rows
        .iter()
        .map(|row| {
            let parent = row.table.to_ascii_lowercase();
            let own: &[String] = parents.get(&parent).map_or(&[], Vec::as_slice);
            let to: Vec<String> = if row.to.iter().all(Option::is_none) {
                own.to_vec()
            } else {
                row.to.iter().flatten().cloned().collect()
            };
            let mut definition = format!(
                "FOREIGN KEY ({}) REFERENCES {}",
                names(&row.from),
                shown_name(&row.table)
            );
            // A parent that is not there has no key to name.
            if !to.is_empty() {
                definition.push_str(&format!(" ({})", names(&to)));
            }
            for (on, action) in [("DELETE", &row.on_delete), ("UPDATE", &row.on_update)] {
                if action != "NO ACTION" {
                    definition.push_str(&format!(" ON {on} {action}"));
                }
            }
            let from: Vec<_> = row
                .from
                .iter()
                .map(|name| name.to_ascii_lowercase())
                .collect();
            if text
                .deferred
                .iter()
                .any(|(columns, table)| *columns == from && *table == parent)
            {
                definition.push_str(" DEFERRABLE INITIALLY DEFERRED");
            }
            constraint(definition)
        })
        .collect();
    keys.sort();
    keys
}

/// What an index that a statement made is: `UNIQUE INDEX (a, lower(b) DESC) WHERE …`.
pub(super) fn index_definition(
    index: &IndexRow,
    statement: &str,
    collations: &Collations<'_>,
) -> String {
    let unique = if index.unique { "UNIQUE " } else { "" };
    let Some((expressions, predicate)) = index_text(statement) else {
        return statement.trim().to_owned();
    };
    let parts: Vec<_> = index
        .parts
        .iter()
        .enumerate()
        .map(|(at, part)| {
            column_part(part, collations).unwrap_or_else(|| {
                let expression = expressions.get(at).map_or("?", String::as_str);
                format!("{expression}{}", direction(part))
            })
        })
        .collect();
    let mut definition = format!("{unique}INDEX ({})", parts.join(", "));
    if let Some(predicate) = predicate {
        definition.push_str(&format!(" WHERE {predicate}"));
    }
    definition
}

/// The expressions of an index, without their directions, and its predicate.
fn index_text(statement: &str) -> Option<(Vec<String>, Option<String>)> {
    let tokens = tokens(statement)?;
    let open = tokens.iter().position(|token| token.is("("))?;
    let close = closing(&tokens, open)?;
    let expressions = by_commas(&tokens[open + 1..close])
        .into_iter()
        .map(|part| match part {
            [expression @ .., last] if last.is("ASC") || last.is("DESC") => tidy(expression),
            _ => tidy(part),
        })
        .collect();
    let predicate = match &tokens[close + 1..] {
        [first, predicate @ ..] if first.is("WHERE") => Some(tidy(predicate)),
        _ => None,
    };
    Some((expressions, predicate))
}

/// A column of an index, with what differs from the column itself.
fn column_part(part: &IndexPart, collations: &Collations<'_>) -> Option<String> {
    let column = part.column.as_deref()?;
    let mut shown = shown_name(column);
    let own = collations
        .get(&column.to_ascii_lowercase())
        .copied()
        .unwrap_or("BINARY");
    if !part.collation.eq_ignore_ascii_case(own) {
        shown.push_str(&format!(" COLLATE {}", part.collation));
    }
    shown.push_str(direction(part));
    Some(shown)
}

fn direction(part: &IndexPart) -> &'static str {
    if part.descending { " DESC" } else { "" }
}

fn on_conflict(definition: &mut String, resolution: Option<&str>) {
    if let Some(resolution) = resolution {
        definition.push_str(&format!(" ON CONFLICT {resolution}"));
    }
}

fn names(all: &[String]) -> String {
    all.iter()
        .map(|name| shown_name(name))
        .collect::<Vec<_>>()
        .join(", ")
}
