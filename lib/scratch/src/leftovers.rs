//! Scratch databases that a killed run left on a server.
//!
//! A run holds an advisory lock on its database, in the session through which it made it. What has
//! the name of one made through the same database, belongs to the same role, is locked by nobody and
//! has no session in it, is left.

use contract::Run;
use postgres::Client;
use postgres::types::Type;

/// What every scratch database's name begins with. The oid of the database through which it was made
/// and 32 hexadecimal digits follow.
const PREFIX: &str = "lockstep_scratch_";

/// What the comment on one begins with.
const COMMENT: &str = "scratch database of Lockstep, run ";

const FIND: &str = "SELECT d.datname::pg_catalog.text FROM pg_catalog.pg_database d \
    JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) d.datdba \
    WHERE r.rolname OPERATOR(pg_catalog.=) current_user \
        AND d.datname::pg_catalog.text OPERATOR(pg_catalog.~) $1 \
        AND coalesce(pg_catalog.starts_with( \
            pg_catalog.shobj_description(d.oid, 'pg_database'), $2), true) \
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a \
            WHERE a.datid OPERATOR(pg_catalog.=) d.oid)";

/// A new name.
pub(crate) fn name(through: u32) -> String {
    format!(
        "{PREFIX}{through}_{}",
        contract::new_uuid().replace('-', "")
    )
}

/// The statement that says on the database whose it is.
pub(crate) fn comment(name: &str, run: &Run) -> String {
    // A run id has letters, digits and a few marks that need no quoting.
    format!(
        "COMMENT ON DATABASE \"{name}\" IS '{COMMENT}{}'",
        run.run_id().replace('\'', "")
    )
}

/// Takes the lock that says that a run still needs the database.
pub(crate) fn hold(client: &mut Client, name: &str) -> Result<(), postgres::Error> {
    let lock = "SELECT pg_catalog.pg_advisory_lock(pg_catalog.hashtextextended($1, 0))";
    client.query_typed(lock, &[(&name, Type::TEXT)]).map(drop)
}

/// Drops what is left of runs that were killed, as far as it is the same role's and was made through
/// the same database. Which were dropped; what can't be is tried again by the next run.
pub(crate) fn drop_all(client: &mut Client, through: u32) -> Vec<String> {
    let form = format!("^{PREFIX}{through}_[0-9a-f]{{32}}$");
    let found = client.query_typed(FIND, &[(&form, Type::TEXT), (&COMMENT, Type::TEXT)]);
    let names: Vec<String> = match found {
        Ok(rows) => rows.iter().map(|row| row.get(0)).collect(),
        Err(_) => return Vec::new(),
    };
    names
        .into_iter()
        .filter(|name| drop_one(client, name).unwrap_or(false))
        .collect()
}

fn drop_one(client: &mut Client, name: &str) -> Result<bool, postgres::Error> {
    let key = [(&name as &(dyn postgres::types::ToSql + Sync), Type::TEXT)];
    let lock = "SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended($1, 0))";
    let rows = client.query_typed(lock, &key)?;
    if !rows.first().is_some_and(|row| row.get::<_, bool>(0)) {
        return Ok(false);
    }
    // Without FORCE: where a session has come meanwhile it is somebody's.
    let dropped = client.batch_execute(&format!("DROP DATABASE IF EXISTS \"{name}\""));
    let unlock = "SELECT pg_catalog.pg_advisory_unlock(pg_catalog.hashtextextended($1, 0))";
    client.query_typed(unlock, &key)?;
    dropped.map(|()| true)
}
