//! The mark, written and read back in one transaction.

use postgres::GenericClient;
use postgres::error::SqlState;
use postgres::types::{ToSql, Type};
use records::{Mark, Place, PostgresRecords};

use super::{Broken, tables};
use crate::{Error, NewMark, Options};

/// Writes the mark in place of `surveyed`, and in place of nothing else, makes its table where there
/// is none, and reads it back.
pub(super) fn write<C: GenericClient>(
    client: &mut C,
    options: &Options,
    database: &str,
    place: &Place,
    mark: &NewMark,
    surveyed: Option<&Mark>,
) -> Result<(), Broken> {
    let not_kept = |why: String| {
        Broken::from(Error::MarkNotKept {
            target: database.to_owned(),
            why,
            table: "lockstep.environment",
        })
    };
    let rows = client.query_typed(
        "SELECT relkind IN ('r', 'p') FROM pg_catalog.pg_class WHERE oid OPERATOR(pg_catalog.=) \
            pg_catalog.to_regclass('\"lockstep\".\"environment\"')",
        &[],
    )?;
    if rows.first().is_some_and(|row| !row.get::<_, bool>(0)) {
        return Err(not_kept("lockstep.environment is no table".to_owned()));
    }
    let written = put(client, options, place, mark, surveyed);
    let written = match written {
        // Our own statement is right where the table is the one that we make. What stands on
        // another one may raise whatever it likes; that a lock or a right is missing is the server's
        // own word.
        Err(error)
            if error
                .as_db_error()
                .is_some_and(|said| is_of_the_table(said.code())) =>
        {
            let said = error.as_db_error().map(|said| said.message().to_owned());
            return Err(not_kept(said.unwrap_or_default()));
        }
        written => written?,
    };
    // A constraint trigger that waits for the COMMIT changes the row now or never.
    client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE")?;
    let found = PostgresRecords::new(client, &options.ledger)
        .mark()
        .map_err(Error::from)?;
    let Some(differs) = mark.differs_from(found.as_ref(), place) else {
        return Ok(());
    };
    let uuid = |mark: Option<&Mark>| mark.map(|mark| mark.uuid.clone());
    if !written && uuid(found.as_ref()) != uuid(surveyed) {
        return Err(Error::MarkChanged.into());
    }
    Err(not_kept(differs))
}

fn is_of_the_table(code: &SqlState) -> bool {
    let class = code.code().get(..2).unwrap_or_default();
    // Data, constraints, a trigger's own word, row security, generated columns, a raise.
    matches!(class, "0A" | "09" | "22" | "23" | "27" | "42" | "44" | "P0")
        && *code != SqlState::INSUFFICIENT_PRIVILEGE
}

/// Whether it was written.
fn put<C: GenericClient>(
    client: &mut C,
    options: &Options,
    place: &Place,
    mark: &NewMark,
    surveyed: Option<&Mark>,
) -> Result<bool, postgres::Error> {
    tables::make_mark(client, options.terms.as_ref())?;
    let marked_at = contract::now();
    let terms = mark.stored_terms();
    let version = env!("CARGO_PKG_VERSION");
    let mut values: Vec<(&(dyn ToSql + Sync), Type)> = vec![
        (&mark.environment, Type::TEXT),
        (&mark.protected, Type::BOOL),
        (&mark.uuid, Type::TEXT),
        (&place.system_identifier, Type::TEXT),
        (&place.database_oid, Type::TEXT),
        (&place.endpoint, Type::TEXT),
        (&marked_at, Type::TEXT),
        (&options.actor, Type::TEXT),
        (&version, Type::TEXT),
        (&terms, Type::TEXT),
    ];
    let sql = match surveyed {
        None => {
            values.push((&records::MARK_FORMAT, Type::INT4));
            "INSERT INTO \"lockstep\".\"environment\" (id, name, protected, uuid, \
                system_identifier, database_oid, endpoint, marked_at, marked_by, lockstep, terms, \
                format) \
             VALUES (1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING"
        }
        Some(surveyed) => {
            values.push((&surveyed.environment, Type::TEXT));
            values.push((&surveyed.protected, Type::BOOL));
            values.push((&surveyed.uuid, Type::TEXT));
            "UPDATE \"lockstep\".\"environment\" SET name = $1, protected = $2, uuid = $3, \
                system_identifier = $4, database_oid = $5, endpoint = $6, marked_at = $7, \
                marked_by = $8, lockstep = $9, terms = $10 \
             WHERE id = 1 AND name = $11 AND protected = $12 AND uuid = $13"
        }
    };
    Ok(client.execute_typed(sql, &values)? == 1)
}
