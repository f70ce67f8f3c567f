//! Sequences: free ones stand alone, owned ones belong to their column.

use postgres::GenericClient;

use super::relations::Relations;
use super::{queries, query, texts};
use crate::name::qualified;
use crate::{Error, Schema, Sequence};

/// Reads the free sequences into the schema and the owned ones into their columns.
pub(super) fn read<C: GenericClient>(
    client: &mut C,
    schemas: &[&str],
    oids: &[u32],
    relations: &mut Relations,
    schema: &mut Schema,
) -> Result<(), Error> {
    let of = [texts(&schemas), super::oids(&oids)];
    for row in query(client, "sequences", queries::SEQUENCES, &of)? {
        let row = row?;
        let sequence = Parameters {
            data_type: row.get("type"),
            start: row.get("seqstart"),
            increment: row.get("seqincrement"),
            min: row.get("seqmin"),
            max: row.get("seqmax"),
            cache: row.get("seqcache"),
            cycle: row.get("seqcycle"),
        };
        let owner: Option<u32> = row.get("owner");
        let owner_column: Option<String> = row.get("owner_column");
        let table = owner
            .and_then(|oid| relations.get_mut(&oid))
            .and_then(|(_, relation)| relation.table());
        let of_table = table
            .as_ref()
            .is_some_and(|table| table.options.contains("UNLOGGED"));
        let column =
            table.and_then(|table| table.columns.get_mut(&owner_column.unwrap_or_default()));
        let Some(column) = column else {
            let (of, name): (String, String) = (row.get("schema"), row.get("name"));
            if schemas.contains(&of.as_str()) {
                let sequence = Sequence {
                    definition: sequence.definition(),
                    unlogged: row.get("unlogged"),
                };
                schema.sequences.insert(qualified(&of, &name), sequence);
            }
            continue;
        };
        // Servers before 15 have no unlogged sequence.
        if schema.server_major.is_some_and(|major| major >= 15) {
            let persistence = match (of_table, row.get("unlogged")) {
                (false, true) => Some("UNLOGGED"),
                (true, false) => Some("LOGGED"),
                _ => None,
            };
            column.sequence_persistence = persistence.map(str::to_owned);
        }
        let said = sequence.beyond(&column.data_type);
        if said.is_empty() {
            continue;
        }
        let all = column.sequence.take().into_iter().chain([said]);
        column.sequence = Some(all.collect::<Vec<_>>().join("; "));
    }
    Ok(())
}

/// What `CREATE SEQUENCE` says.
#[derive(Debug)]
struct Parameters {
    data_type: String,
    start: i64,
    increment: i64,
    min: i64,
    max: i64,
    cache: i64,
    cycle: bool,
}

impl Parameters {
    fn definition(&self) -> String {
        let said = self.beyond(&self.data_type);
        format!("{} {said}", self.data_type).trim_end().to_owned()
    }

    /// What has to be said of a sequence of the given type; nothing for an ordinary one.
    fn beyond(&self, data_type: &str) -> String {
        let (least, greatest) = match self.data_type.as_str() {
            "smallint" => (i64::from(i16::MIN), i64::from(i16::MAX)),
            "integer" => (i64::from(i32::MIN), i64::from(i32::MAX)),
            _ => (i64::MIN, i64::MAX),
        };
        let up = self.increment > 0;
        let (min, max) = if up { (1, greatest) } else { (least, -1) };
        let start = if up { self.min } else { self.max };
        let mut said = Vec::new();
        if self.data_type != data_type {
            said.push(format!("AS {}", self.data_type));
        }
        for (clause, value, ordinary) in [
            ("INCREMENT BY", self.increment, 1),
            ("MINVALUE", self.min, min),
            ("MAXVALUE", self.max, max),
            ("START WITH", self.start, start),
            ("CACHE", self.cache, 1),
        ] {
            if value != ordinary {
                said.push(format!("{clause} {value}"));
            }
        }
        if self.cycle {
            said.push("CYCLE".to_owned());
        }
        said.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_ordinary_is_said() {
        let ordinary = Parameters {
            data_type: "integer".to_owned(),
            start: 1,
            increment: 1,
            min: 1,
            max: i64::from(i32::MAX),
            cache: 1,
            cycle: false,
        };
        assert_eq!(ordinary.definition(), "integer");
        assert_eq!(ordinary.beyond("bigint"), "AS integer");
        let down = Parameters {
            increment: -5,
            min: i64::from(i32::MIN),
            max: -1,
            start: -1,
            cycle: true,
            ..ordinary
        };
        assert_eq!(down.definition(), "integer INCREMENT BY -5 CYCLE");
    }
}
