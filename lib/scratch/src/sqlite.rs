//! A scratch database in memory.

use std::sync::atomic::{AtomicU32, Ordering};

use contract::{Class, Failure};
use fallible_iterator::FallibleIterator as _;
use migrations::{Migration, Set};
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, OpenFlags};
use schema::{Outline, OutlineCache, Schema, Scope, Sketch, SketchCache};

use crate::manner::{Fault, manner};

static MADE: AtomicU32 = AtomicU32::new(0);

/// A database in memory that every connection of this process to this name shares. It is gone with
/// the last of them.
#[derive(Debug)]
pub(crate) struct Memory {
    name: String,
    /// Keeps the database, and reads it undisturbed by what a file left in its session.
    keeper: Connection,
    connection: Connection,
    sketched: SketchCache,
    outlined: OutlineCache,
    /// The last outline, and the version of the schema that it is of.
    last: Option<(String, Outline)>,
}

impl Memory {
    pub(crate) fn new() -> Result<Memory, Failure> {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("file:/lockstep_scratch_{number}?vfs=memdb");
        Ok(Memory {
            keeper: connect(&name)?,
            connection: connect(&name)?,
            name,
            sketched: SketchCache::default(),
            outlined: OutlineCache::default(),
            last: None,
        })
    }

    pub(crate) fn apply(
        &mut self,
        set: &Set,
        migration: &Migration,
    ) -> Result<Option<Fault>, Failure> {
        if let Err(fault) = apply(&self.connection, set, migration) {
            return Ok(Some(fault));
        }
        if changes_the_session(set, migration) {
            self.connection = connect(&self.name)?;
        }
        Ok(None)
    }

    pub(crate) fn read_schema(&self, scope: &Scope) -> Result<Schema, Failure> {
        Ok(schema::read_sqlite(&self.keeper, scope)?)
    }

    pub(crate) fn stamp(&self) -> Result<String, Failure> {
        let version = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        self.connection
            .query_row("PRAGMA main.schema_version", [], version)
            .map(|version| version.to_string())
            .map_err(|error| {
                Failure::caused_by(Class::Error, "cannot read the schema's version", &error)
            })
    }

    /// Through the session of the files, as the outline is.
    pub(crate) fn sketch(&mut self, scope: &Scope) -> Result<Sketch, Failure> {
        let (connection, cache) = (&self.connection, &mut self.sketched);
        Ok(Sketch::read_sqlite(connection, scope, cache)?)
    }

    /// Through the session of the files, which knows the schema that it has just changed.
    pub(crate) fn outline(&mut self, scope: &Scope) -> Result<Outline, Failure> {
        let stamp = self.stamp()?;
        if let Some((of, outline)) = &self.last
            && *of == stamp
        {
            return Ok(outline.clone());
        }
        let outline = Outline::read_sqlite(&self.connection, scope, &mut self.outlined)?;
        self.last = Some((stamp, outline.clone()));
        Ok(outline)
    }
}

fn connect(name: &str) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(name, flags).and_then(|mut connection| {
        // As deploy-db has it: a rebuild drops the old table.
        connection.pragma_update(None, "foreign_keys", false)?;
        connection.authorizer(Some(no_other_file))?;
        Ok(connection)
    });
    opened.map_err(|error| {
        Failure::caused_by(Class::Error, "cannot open a database in memory", &error)
    })
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
    let manner = manner(set, migration, true)?;
    let failed = |error: rusqlite::Error| Fault::of(set, migration, error.to_string());
    if manner.in_transaction {
        connection.execute_batch("BEGIN").map_err(failed)?;
    }
    let mut batch = rusqlite::Batch::new(connection, &manner.text);
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
