//! Functions, procedures and aggregates.

use postgres::{GenericClient, Row};

use super::{queries, query, texts};
use crate::name::qualified;
use crate::{Error, Function, Schema};

/// Reads the functions of the schemas.
pub(super) fn read<C: GenericClient>(
    client: &mut C,
    schemas: &[&str],
    schema: &mut Schema,
) -> Result<(), Error> {
    let of = [texts(&schemas)];
    for row in query(client, "functions", queries::FUNCTIONS, &of)? {
        let row = row?;
        let arguments: Vec<String> = row.get("arguments");
        let name = qualified(row.get("schema"), row.get("name"));
        let name = format!("{name}({})", arguments.join(", "));
        let printed: Option<String> = row.get("definition");
        let definition = match printed {
            Some(printed) => trimmed(&printed, row.get("body")),
            None if row.get("is_aggregate") => aggregate(&row),
            // Dropped since this transaction's snapshot.
            None => continue,
        };
        let details = match row.get("is_aggregate") {
            true => super::joined(row.get("details")),
            false => None,
        };
        let function = Function {
            definition,
            details,
        };
        schema.functions.insert(name, function);
    }
    Ok(())
}

/// The definition with its body trimmed at both ends and its lines ended by LF. A body in SQL's own syntax is printed by
/// PostgreSQL and has no text of its own.
fn trimmed(definition: &str, body: &str) -> String {
    let definition = definition.trim();
    let trimmed = match definition.rfind(body) {
        Some(at) if !body.is_empty() => {
            let (before, after) = (&definition[..at], &definition[at + body.len()..]);
            format!("{before}{}{after}", body.trim())
        }
        _ => definition.to_owned(),
    };
    trimmed.replace("\r\n", "\n")
}

fn aggregate(row: &Row) -> String {
    let parts = [
        ("SFUNC", "transition"),
        ("STYPE", "state"),
        ("FINALFUNC", "final"),
        ("COMBINEFUNC", "combine"),
        ("INITCOND", "initial"),
        ("SORTOP", "sort_operator"),
        ("SERIALFUNC", "serial"),
        ("DESERIALFUNC", "deserial"),
        ("MSFUNC", "moving_transition"),
        ("MINVFUNC", "moving_inverse"),
        ("MSTYPE", "moving_state"),
        ("MFINALFUNC", "moving_final"),
        ("MINITCOND", "moving_initial"),
        ("PARALLEL", "parallel"),
    ];
    let parts: Vec<_> = parts
        .iter()
        .filter_map(|(clause, column)| {
            let value: Option<String> = row.get(column);
            value.map(|value| format!("{clause} = {value}"))
        })
        .collect();
    format!("AGGREGATE ({})", parts.join(", "))
}
