//! Tables and views as such; what stands under them is in the module `tables`.

use std::collections::{BTreeSet, HashMap};

use postgres::{GenericClient, Row};

use super::{queries, query, sequences, tables, texts};
use crate::name::qualified;
use crate::{Column, Error, Named, Schema, Table, View};

/// Where a relation's parts go.
#[derive(Debug)]
pub(super) enum Relation {
    Table {
        table: Box<Table>,
        parents: Vec<u32>,
    },
    View(View),
}

/// The relations by oid, each with its name.
pub(super) type Relations = HashMap<u32, (String, Relation)>;

/// Reads tables, views and free sequences.
pub(super) fn read<C: GenericClient>(
    client: &mut C,
    schemas: &[&str],
    schema: &mut Schema,
) -> Result<(), Error> {
    let mut relations: Relations = HashMap::new();
    for row in query(
        client,
        "tables and views",
        queries::RELATIONS,
        &[texts(&schemas)],
    )? {
        let row = row?;
        let name = qualified(row.get("schema"), row.get("name"));
        relations.insert(row.get("oid"), (name, relation(&row)));
    }
    let oids: Vec<u32> = relations.keys().copied().collect();
    tables::read(client, &oids, &mut relations)?;
    sequences::read(client, schemas, &oids, &mut relations, schema)?;
    leave_to_parents(&mut relations);
    for (name, relation) in relations.into_values() {
        match relation {
            Relation::Table { table, .. } => {
                schema.tables.insert(name, *table);
            }
            Relation::View(view) => {
                schema.views.insert(name, view);
            }
        }
    }
    Ok(())
}

fn relation(row: &Row) -> Relation {
    let kind: &str = row.get("kind");
    if !matches!(kind, "v" | "m") {
        return Relation::Table {
            table: Box::new(Table {
                options: table_options(row),
                ..Table::default()
            }),
            parents: row.get("parents"),
        };
    }
    let definition: Option<String> = row.get("view_definition");
    let options: Option<Vec<String>> = row.get("view_options");
    let mut options: BTreeSet<String> = options.into_iter().flatten().collect();
    if kind == "m" {
        options.insert("MATERIALIZED".to_owned());
        options.extend(using(row));
    }
    Relation::View(View {
        options,
        definition: definition.unwrap_or_default().trim().to_owned(),
        ..View::default()
    })
}

fn table_options(row: &Row) -> BTreeSet<String> {
    let mut options = BTreeSet::new();
    for (column, option) in [
        ("unlogged", "UNLOGGED"),
        ("row_security", "ROW LEVEL SECURITY"),
        ("force_row_security", "FORCE ROW LEVEL SECURITY"),
    ] {
        if row.get(column) {
            options.insert(option.to_owned());
        }
    }
    if let Some(key) = row.get::<_, Option<String>>("partition_key") {
        options.insert(format!("PARTITION BY {key}"));
    }
    let schemas: Vec<String> = row.get("parent_schemas");
    let names: Vec<String> = row.get("parent_names");
    let parents = schemas.iter().zip(&names);
    let parents: Vec<_> = parents
        .map(|(schema, name)| qualified(schema, name))
        .collect();
    let bound: Option<String> = row.get("partition_bound");
    if row.get("is_partition") {
        let bound = bound.unwrap_or_default();
        options.insert(format!("PARTITION OF {} {bound}", parents.join(", ")));
    } else if !parents.is_empty() {
        options.insert(format!("INHERITS ({})", parents.join(", ")));
    }
    if let Some(server) = row.get::<_, Option<String>>("server") {
        let details: Option<Vec<String>> = row.get("server_options");
        let details = details.unwrap_or_default().join(", ");
        options.insert(format!("SERVER {server} ({details})"));
    }
    options.extend(using(row));
    if let Some(of_type) = row.get::<_, Option<String>>("of_type") {
        options.insert(format!("OF {of_type}"));
    }
    if row.get("detach_pending") {
        options.insert("DETACH PENDING".to_owned());
    }
    options
}

fn using(row: &Row) -> Option<String> {
    let method: Option<String> = row.get("access_method");
    method.map(|method| format!("USING {method}"))
}

/// Takes from partitions and children the columns that are exactly their parent's, so that a
/// change of the parent is one difference and not one more for every partition.
fn leave_to_parents(relations: &mut Relations) {
    let mut inherited: HashMap<u32, BTreeSet<String>> = HashMap::new();
    for (oid, (_, relation)) in relations.iter() {
        let Relation::Table { table, parents } = relation else {
            continue;
        };
        let parents: Vec<&Table> = parents
            .iter()
            .filter_map(|parent| match relations.get(parent) {
                Some((_, Relation::Table { table, .. })) => Some(&**table),
                _ => None,
            })
            .collect();
        let same = |name: &String| {
            let own = &table.columns[name.as_str()];
            parents.iter().any(|parent| {
                parent
                    .columns
                    .get(name)
                    .is_some_and(|parent| is_inherited(own, parent))
            })
        };
        inherited.insert(
            *oid,
            table
                .columns
                .keys()
                .filter(|name| same(name))
                .cloned()
                .collect(),
        );
    }
    for (oid, (_, relation)) in relations.iter_mut() {
        if let (Relation::Table { table, .. }, Some(names)) = (relation, inherited.get(oid)) {
            table.columns.retain(|name, _| !names.contains(name));
        }
    }
}

/// Whether a child's column is its parent's. A NOT NULL that is handed down says nothing of its name.
fn is_inherited(own: &Column, parent: &Column) -> bool {
    if own.not_null_name.is_some() || parent.not_null_name.is_none() {
        return own == parent;
    }
    let unnamed = Column {
        not_null_name: None,
        ..parent.clone()
    };
    *own == unnamed
}

impl Relation {
    pub(super) fn indexes(&mut self) -> &mut Named<crate::Index> {
        match self {
            Relation::Table { table, .. } => &mut table.indexes,
            Relation::View(view) => &mut view.indexes,
        }
    }

    pub(super) fn triggers(&mut self) -> &mut Named<crate::Trigger> {
        match self {
            Relation::Table { table, .. } => &mut table.triggers,
            Relation::View(view) => &mut view.triggers,
        }
    }

    pub(super) fn rules(&mut self) -> &mut Named<String> {
        match self {
            Relation::Table { table, .. } => &mut table.rules,
            Relation::View(view) => &mut view.rules,
        }
    }

    pub(super) fn table(&mut self) -> Option<&mut Table> {
        match self {
            Relation::Table { table, .. } => Some(table),
            Relation::View(_) => None,
        }
    }
}
