//! A replay in memory.

use contract::{Class, Failure};
use fallible_iterator::FallibleIterator as _;
use migrations::{Migration, Set};
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, OpenFlags};
use schema::Scope;

use super::{Ended, Fault, manner};

/// A database in memory that every connection of this process to this name shares. It is gone with
/// the last of them.
const NAME: &str = "file:/lockstep_replay?vfs=memdb";

pub(super) fn replay(
    set: &Set,
    migrations: &[&Migration],
    scope: &Scope,
) -> Result<Ended, Failure> {
    let unopened =
        |error| Failure::caused_by(Class::Error, "cannot open a database in memory", &error);
    let keeper = connect().map_err(unopened)?;
    let mut connection = connect().map_err(unopened)?;
    for migration in migrations {
        if let Err(fault) = apply(&connection, set, migration) {
            return Ok(Ended::Faulty(fault));
        }
        if changes_the_session(set, migration) {
            connection = connect().map_err(unopened)?;
        }
    }
    Ok(Ended::Replayed(schema::read_sqlite(&keeper, scope)?))
}

fn connect() -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(NAME, flags)?;
    // As deploy-db has it: a rebuild drops the old table.
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.authorizer(Some(no_other_file))?;
    Ok(connection)
}

/// No statement reaches a file: neither ATTACH nor VACUUM INTO, which attaches what it writes. An
/// ordinary VACUUM attaches a nameless database.
fn no_other_file(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Attach { filename: "" } => Authorization::Allow,
        AuthAction::Attach { .. } => Authorization::Deny,
        // An ATTACH of an expression.
        AuthAction::Unknown {
            code: rusqlite::ffi::SQLITE_ATTACH,
            ..
        } => Authorization::Deny,
        _ => Authorization::Allow,
    }
}

/// Whether a file can leave something behind in the session: a pragma, a temporary object.
fn changes_the_session(set: &Set, migration: &Migration) -> bool {
    let names = sql::names(set.dialect, &migration.up);
    ["pragma", "temp", "temporary"]
        .iter()
        .any(|word| names.contains(*word))
}

fn apply(connection: &Connection, set: &Set, migration: &Migration) -> Result<(), Fault> {
    let manner = manner(set, migration)?;
    let failed = |error: rusqlite::Error| Fault::of(set, migration, error.to_string());
    if manner.in_transaction {
        connection.execute_batch("BEGIN").map_err(failed)?;
    }
    let mut batch = rusqlite::Batch::new(connection, &migration.up);
    let mut done = 0;
    loop {
        let ran = match batch.next() {
            Ok(None) => break,
            Ok(Some(mut statement)) => exhaust(&mut statement),
            Err(error) => Err(error),
        };
        if let Err(error) = ran {
            let statement = manner.script.statements.get(done);
            return Err(Fault {
                line: statement.map(|statement| migration.up_line + statement.line - 1),
                ..failed(error)
            });
        }
        done += 1;
    }
    if manner.in_transaction {
        connection.execute_batch("COMMIT").map_err(failed)?;
    } else if !connection.is_autocommit() {
        // As when a shell closes after a file that began a transaction and did not end it.
        connection.execute_batch("ROLLBACK").map_err(failed)?;
    }
    Ok(())
}

/// Runs a statement to its end, whatever rows it gives.
fn exhaust(statement: &mut rusqlite::Statement<'_>) -> Result<(), rusqlite::Error> {
    let mut rows = statement.raw_query();
    while rows.next()?.is_some() {}
    Ok(())
}
