//! What stands under a table or view: columns, constraints, indexes, triggers, policies, rules.

use postgres::{GenericClient, Row};

use super::relations::{Relation, Relations};
use super::{queries, query};
use crate::name::{part, qualified};
use crate::{Column, Constraint, Error, Index, Table, Trigger};

/// Fills in everything under the relations but their sequences.
pub(super) fn read<C: GenericClient>(
    client: &mut C,
    oids: &[u32],
    relations: &mut Relations,
) -> Result<(), Error> {
    let of = [super::oids(&oids)];
    for row in query(client, "columns", queries::COLUMNS, &of)? {
        let row = row?;
        match relation(relations, &row) {
            Some(Relation::Table { table, .. }) => {
                table.columns.insert(row.get("name"), column(&row));
            }
            Some(Relation::View(view)) => {
                if let Some(default) = row.get("expression") {
                    view.defaults.insert(row.get("name"), default);
                }
            }
            None => {}
        }
    }
    for row in query(client, "NOT NULL constraints", queries::NOT_NULLS, &of)? {
        let row = row?;
        let name: &str = row.get("column");
        let column = table(relations, &row).and_then(|table| table.columns.get_mut(name));
        if let Some(column) = column {
            not_null(column, &row);
        }
    }
    for row in query(client, "constraints", queries::CONSTRAINTS, &of)? {
        let row = row?;
        if let Some(table) = table(relations, &row) {
            add_constraint(table, &row);
        }
    }
    for row in query(client, "indexes", queries::INDEXES, &of)? {
        let row = row?;
        if let (Some(relation), Some(definition)) =
            (relation(relations, &row), row.get("definition"))
        {
            let valid = row.get("valid");
            relation
                .indexes()
                .insert(row.get("name"), Index { definition, valid });
        }
    }
    for row in query(client, "triggers", queries::TRIGGERS, &of)? {
        let row = row?;
        if let (Some(relation), Some(definition)) =
            (relation(relations, &row), row.get("definition"))
        {
            let enabled = enabled(row.get("enabled")).map(str::to_owned);
            relation.triggers().insert(
                row.get("name"),
                Trigger {
                    definition,
                    enabled,
                },
            );
        }
    }
    for row in query(client, "policies", queries::POLICIES, &of)? {
        let row = row?;
        if let Some(table) = table(relations, &row) {
            table.policies.insert(row.get("name"), policy(&row));
        }
    }
    for row in query(client, "rules", queries::RULES, &of)? {
        let row = row?;
        if let (Some(relation), Some(definition)) =
            (relation(relations, &row), row.get("definition"))
        {
            relation.rules().insert(row.get("name"), definition);
        }
    }
    for (_, relation) in relations.values_mut() {
        if let Some(table) = relation.table() {
            table.unique.sort();
            table.checks.sort();
            table.foreign_keys.sort();
            table.exclusions.sort();
        }
    }
    Ok(())
}

fn relation<'r>(relations: &'r mut Relations, row: &Row) -> Option<&'r mut Relation> {
    relations.get_mut(&row.get(0)).map(|(_, relation)| relation)
}

fn table<'r>(relations: &'r mut Relations, row: &Row) -> Option<&'r mut Table> {
    relation(relations, row)?.table()
}

fn column(row: &Row) -> Column {
    let expression: Option<String> = row.get("expression");
    let generated = match row.get("generated") {
        "s" => Some("STORED"),
        "v" => Some("VIRTUAL"),
        _ => None,
    };
    let identity = match row.get("identity") {
        "a" => Some("ALWAYS"),
        "d" => Some("BY DEFAULT"),
        _ => None,
    };
    let (default, generated) = match (expression, generated) {
        (Some(expression), Some(kind)) => (None, Some(format!("({expression}) {kind}"))),
        (expression, _) => (expression, None),
    };
    Column {
        data_type: row.get("type"),
        not_null: row.get("not_null"),
        default,
        generated,
        identity: identity.map(str::to_owned),
        collation: collation(row),
        ..Column::default()
    }
}

fn not_null(column: &mut Column, row: &Row) {
    let mut state = Vec::new();
    if row.get("no_inherit") {
        state.push("NO INHERIT");
    }
    if row.get("not_valid") {
        state.push("NOT VALID");
    }
    column.not_null_state = (!state.is_empty()).then(|| state.join(" "));
    let (name, relation, of): (String, &str, &str) =
        (row.get("name"), row.get("relation"), row.get("column"));
    let is_own = row.get("is_local") && name != format!("{relation}_{of}_not_null");
    column.not_null_name = is_own.then_some(name);
}

/// The collation where it is not the type's own; PostgreSQL's without its schema.
pub(super) fn collation(row: &Row) -> Option<String> {
    let (schema, name): (Option<String>, Option<String>) =
        (row.get("collation_schema"), row.get("collation"));
    match (schema?.as_str(), name?) {
        ("pg_catalog", name) => Some(part(&name).into_owned()),
        (schema, name) => Some(qualified(schema, &name)),
    }
}

fn add_constraint(table: &mut Table, row: &Row) {
    let Some(definition) = row.get("definition") else {
        return;
    };
    let constraint = Constraint {
        name: Some(row.get("name")),
        definition,
    };
    match row.get("kind") {
        "p" => table.primary_key = Some(constraint),
        "u" => table.unique.push(constraint),
        "c" => table.checks.push(constraint),
        "f" => table.foreign_keys.push(constraint),
        _ => table.exclusions.push(constraint),
    }
}

fn enabled(state: &str) -> Option<&'static str> {
    match state {
        "D" => Some("DISABLED"),
        "R" => Some("REPLICA"),
        "A" => Some("ALWAYS"),
        _ => None,
    }
}

fn policy(row: &Row) -> String {
    let permissive = if row.get("permissive") {
        "PERMISSIVE"
    } else {
        "RESTRICTIVE"
    };
    let command = match row.get("command") {
        "r" => "SELECT",
        "a" => "INSERT",
        "w" => "UPDATE",
        "d" => "DELETE",
        _ => "ALL",
    };
    let roles: Vec<String> = row.get("roles");
    let mut policy = format!("AS {permissive} FOR {command} TO {}", roles.join(", "));
    for (clause, column) in [
        ("USING", "using_expression"),
        ("WITH CHECK", "check_expression"),
    ] {
        if let Some(expression) = row.get::<_, Option<String>>(column) {
            policy.push_str(&format!(" {clause} ({expression})"));
        }
    }
    policy
}
