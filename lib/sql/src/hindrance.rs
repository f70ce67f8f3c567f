use std::collections::BTreeSet;

use crate::Dialect;
use crate::own_tables::OwnTables;
use crate::script::{Script, excerpt};

/// Why a statement can't run in the runner's transaction, or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hindrance {
    /// It begins or ends a transaction: BEGIN, COMMIT, END, ROLLBACK, ABORT, PREPARE TRANSACTION. In
    /// the runner's transaction, what follows and the ledger row would run outside it. Savepoints are
    /// no hindrance.
    EndsTransaction,
    /// The engine refuses it inside a transaction: VACUUM, CREATE INDEX CONCURRENTLY, …
    NeedsNoTransaction,
    /// The engine ignores it inside a transaction without a word: `PRAGMA foreign_keys = …`. The file
    /// runs, but not as its author thinks.
    NoEffectInTransaction,
    /// It lets go of the runner's own session lock: DISCARD ALL, `pg_advisory_unlock…`.
    ReleasesLock,
    /// It sets what the runner stands on, or what outlives the file: `PRAGMA query_only`, a journal
    /// that no rollback can use, limits of the whole process.
    RunnersSession,
    /// COPY … FROM STDIN: the data stands in the file, for psql to send.
    CopyFromStdin,
    /// COPY … TO STDOUT: the rows go to a client that reads none.
    CopyToStdout,
    /// A line for psql (`\connect`) or the sqlite3 shell (`.read`).
    ClientCommand,
    /// ATTACH, DETACH or VACUUM INTO: another database file, outside of every check made before.
    Attach,
    /// It changes a table of Lockstep's own: the mark or the ledger, on which every guard stands.
    OwnTables,
}

/// A place with a [`Hindrance`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hindered {
    /// 1-based.
    pub line: u32,
    /// Why.
    pub hindrance: Hindrance,
    /// The beginning of the statement or line, on one line.
    pub text: String,
}

/// All that hinders a script, in order. `sql` is the text that the script was read from, `ledger` what
/// `[migrations] ledger` calls the ledger.
///
/// Code that can't be read (EXECUTE of a text made at run time) may hide more; the rule `dynamic-sql`
/// reports it.
pub fn hindrances(script: &Script, sql: &str, ledger: &str) -> Vec<Hindered> {
    let mut found: Vec<Hindered> = Vec::new();
    for statement in &script.statements {
        for act in &statement.acts {
            if let crate::act::What::Hindered(hindrance) = act.what {
                found.push(Hindered {
                    line: act.line,
                    hindrance,
                    text: excerpt(sql.get(statement.range.clone()).unwrap_or_default()),
                });
            }
        }
    }
    let mut own = OwnTables::of(script.dialect, ledger);
    for statement in &script.statements {
        let mut touched = None;
        for act in &statement.acts {
            if touched.is_none() && own.is_touched(&act.what) {
                touched = Some(act.line);
            }
            own.follow(&act.what);
        }
        if let Some(line) = touched {
            found.push(Hindered {
                line,
                hindrance: Hindrance::OwnTables,
                text: excerpt(sql.get(statement.range.clone()).unwrap_or_default()),
            });
        }
    }
    for (line, range) in &script.client_commands {
        found.push(Hindered {
            line: *line,
            hindrance: Hindrance::ClientCommand,
            text: excerpt(sql.get(range.clone()).unwrap_or_default()),
        });
    }
    found.sort_by_key(|hindered| hindered.line);
    found
}

/// The tables that a SQLite script creates, alters, drops, renames (both names) or writes, or whose indexes
/// and triggers it creates: the last part of each name, as the engine compares it (lower-cased where
/// it ignores case). Temporary tables that are named as such are left out.
///
/// `DROP INDEX` and `DROP TRIGGER` name no table, and neither do the writes of triggers and of
/// unread code: the caller has to look those up.
pub fn tables_touched(script: &Script) -> BTreeSet<String> {
    script
        .statements
        .iter()
        .flat_map(|statement| &statement.acts)
        .flat_map(|act| act.what.tables())
        .filter(|name| !name.is_temporary(Dialect::Sqlite))
        .map(|name| name.name.clone())
        .collect()
}
