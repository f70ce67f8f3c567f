//! The values of sequences.

use postgres::Client;
use postgres::error::SqlState;

use super::catalog::{quoted, server};
use crate::error::Error;
use crate::manifest::{Sequence, Skipped};

/// How many are asked for at once.
const AT_ONCE: usize = 200;

const ACT: &str = "the value of a sequence";

/// Reads the values in the session's transaction, whose snapshot they don't obey. The locks that
/// this takes are let go of after each few: they would be as many as those of the tables.
///
/// A sequence that is gone stands among the `skipped`: `pg_dump` has its value.
pub(super) fn read(
    client: &mut Client,
    listed: &[(u32, String, String)],
    skipped: &mut Vec<Skipped>,
) -> Result<Vec<Sequence>, Error> {
    let mut sequences = Vec::new();
    for few in listed.chunks(AT_ONCE) {
        match ask(client, few) {
            Ok(found) => sequences.extend(found),
            Err(error) if is_gone(&error) => {
                for one in few.chunks(1) {
                    match ask(client, one) {
                        Ok(found) => sequences.extend(found),
                        Err(error) if is_gone(&error) => {
                            skipped.extend(one.iter().map(|(_, schema, name)| Skipped {
                                name: format!("{schema}.{name}"),
                                reason: "a sequence that was dropped while the dump ran".to_owned(),
                            }));
                        }
                        Err(error) => return Err(server(ACT)(error)),
                    }
                }
            }
            Err(error) => return Err(server(ACT)(error)),
        }
    }
    Ok(sequences)
}

fn ask(
    client: &mut Client,
    few: &[(u32, String, String)],
) -> Result<Vec<Sequence>, postgres::Error> {
    let one = |(place, (_, schema, name)): (usize, &(u32, String, String))| {
        let name = format!("{}.{}", quoted(schema), quoted(name));
        format!("SELECT {place}, last_value, is_called FROM {name}")
    };
    let all: Vec<String> = few.iter().enumerate().map(one).collect();
    client.batch_execute("SAVEPOINT sequences")?;
    let rows = client.query(&format!("{} ORDER BY 1", all.join(" UNION ALL ")), &[]);
    client.batch_execute("ROLLBACK TO SAVEPOINT sequences; RELEASE SAVEPOINT sequences")?;
    let sequence = |((_, schema, name), row): (&(u32, String, String), &postgres::Row)| Sequence {
        schema: schema.clone(),
        name: name.clone(),
        last_value: row.get(1),
        is_called: row.get(2),
        snapshot_consistent: false,
    };
    Ok(few.iter().zip(&rows?).map(sequence).collect())
}

fn is_gone(error: &postgres::Error) -> bool {
    let states = [&SqlState::UNDEFINED_TABLE, &SqlState::INVALID_SCHEMA_NAME];
    error.code().is_some_and(|code| states.contains(&code))
}
