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
        if let Some(table) = table(relations, &row) {
            table.columns.insert(row.get("name"), column(&row));
        }
    }
    for row in query(client, "constraints", queries::CONSTRAINTS, &of)? {
        if let Some(table) = table(relations, &row) {
            add_constraint(table, &row);
        }
    }
    for row in query(client, "indexes", queries::INDEXES, &of)? {
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
        if let Some(table) = table(relations, &row) {
            table.policies.insert(row.get("name"), policy(&row));
        }
    }
    for row in query(client, "rules", queries::RULES, &of)? {
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
