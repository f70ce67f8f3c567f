//! Enums, domains, composite and range types, extensions.

use postgres::{GenericClient, Row};

use super::tables::collation;
use super::{joined, queries, query, texts};
use crate::name::{part, qualified};
use crate::{Constraint, Domain, Error, Extension, Schema, Scope, Type};

/// Reads the types of the schemas.
pub(super) fn read<C: GenericClient>(
    client: &mut C,
    schemas: &[&str],
    schema: &mut Schema,
) -> Result<(), Error> {
    let of = [texts(&schemas)];
    for row in query(client, "types", queries::TYPES, &of)? {
        let row = row?;
        let name = qualified(row.get("schema"), row.get("name"));
        match row.get("kind") {
            "e" => {
                schema.enums.insert(name, row.get("labels"));
            }
            "d" => {
                schema.domains.insert(name, domain(&row));
            }
            "c" => {
                let attributes: Vec<String> = row.get("attributes");
                let composite = Type {
                    definition: format!("({})", attributes.join(", ")),
                    details: joined(row.get("collated")),
                };
                schema.types.insert(name, composite);
            }
            _ => {
                let subtype: Option<String> = row.get("subtype");
                let multirange: Option<String> = row.get("multirange");
                let multirange = multirange.map_or_else(String::new, |name| {
                    format!(", MULTIRANGE_TYPE_NAME = {}", part(&name))
                });
                let definition = format!(
                    "RANGE (SUBTYPE = {}{multirange})",
                    subtype.unwrap_or_default()
                );
                let range = Type {
                    definition,
                    details: joined(row.get("range_details")),
                };
                schema.types.insert(name, range);
            }
        }
    }
    Ok(())
}

/// Reads the extensions.
pub(super) fn read_extensions<C: GenericClient>(
    client: &mut C,
    scope: &Scope,
    schema: &mut Schema,
) -> Result<(), Error> {
    for row in query(client, "extensions", queries::EXTENSIONS, &[])? {
        let row = row?;
        let version: String = row.get("version");
        let extension = Extension {
            schema: row.get("schema"),
            version: scope.extension_versions.then_some(version),
        };
        schema.extensions.insert(row.get("name"), extension);
    }
    Ok(())
}

fn domain(row: &Row) -> Domain {
    let names: Vec<String> = row.get("check_names");
    let checks: Vec<String> = row.get("checks");
    let base: Option<String> = row.get("base");
    Domain {
        data_type: base.unwrap_or_default(),
        not_null: row.get("not_null"),
        default: row.get("expression"),
        collation: collation(row),
        not_null_name: row.get("not_null_name"),
        checks: names
            .into_iter()
            .zip(checks)
            .map(|(name, definition)| Constraint {
                name: Some(name),
                definition,
            })
            .collect(),
    }
}
