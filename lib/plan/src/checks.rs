//! What stands against a plan, as data.

use contract::Check;
use migrations::{CheckText, checks as text};
use sql::{Hindered, Hindrance};

const fn check(text: CheckText) -> Check {
    Check {
        id: text.id,
        holds: text.holds,
        remedy: text.remedy,
    }
}

/// The folder has migrations.
pub const FOLDER_FILLED: Check = Check {
    id: "folder-filled",
    holds: "the migrations folder has migrations",
    remedy: "check [migrations] dir in lockstep.toml",
};

/// The database is empty or its tables are accounted for.
pub const ADOPTED: Check = Check {
    id: "database-adopted",
    holds: "the database is empty, or its ledger says which migrations made it",
    remedy: "adopt the database with mark-migrations --applied-through",
};

/// No other tool migrates the database.
pub const ONE_TOOL: Check = Check {
    id: "one-tool",
    holds: "no other migration tool keeps a ledger in the database",
    remedy: "let one tool migrate the database",
};

/// Every pending file can be run.
pub const RUNNABLE: Check = Check {
    id: "files-runnable",
    holds: "every pending file can be read, and has no statement that the runner can't run",
    remedy: "write the statement in a way that can be run and read",
};

/// The checks of single files, in the order of [`migrations::checks::ALL`].
pub(crate) const OF_FILES: [Check; text::ALL.len()] = {
    let mut checks = [check(text::ALL[0]); text::ALL.len()];
    let mut at = 0;
    while at < checks.len() {
        checks[at] = check(text::ALL[at]);
        at += 1;
    }
    checks
};

/// Every check that a plan makes.
pub const CHECKS: [Check; 4 + text::ALL.len()] = {
    let mut checks = [FOLDER_FILLED; 4 + text::ALL.len()];
    checks[1] = ADOPTED;
    checks[2] = ONE_TOOL;
    checks[3] = RUNNABLE;
    let mut at = 0;
    while at < OF_FILES.len() {
        checks[4 + at] = OF_FILES[at];
        at += 1;
    }
    checks
};

pub(crate) fn of(id: &str) -> Option<&'static Check> {
    const ALL: &[Check] = &CHECKS;
    ALL.iter().find(|check| check.id == id)
}

/// How a hindrance weighs.
pub(crate) struct Verdict {
    pub(crate) fails: bool,
    pub(crate) message: &'static str,
    pub(crate) remedy: &'static str,
}

/// What a hindrance means for a file that runs in a transaction, or outside one.
pub(crate) fn hindrance(hindered: &Hindered, no_transaction: bool) -> Option<Verdict> {
    let fails = |message, remedy| {
        Some(Verdict {
            fails: true,
            message,
            remedy,
        })
    };
    match hindered.hindrance {
        // Its own transaction then; whether it ended that one too, the runner looks afterwards.
        Hindrance::EndsTransaction if no_transaction => None,
        Hindrance::EndsTransaction => fails(
            "it would begin or end the transaction that holds the file and its ledger row",
            "remove it: the runner puts the file in a transaction of its own",
        ),
        Hindrance::NeedsNoTransaction if no_transaction => None,
        Hindrance::NeedsNoTransaction => fails(
            "it can't run in a transaction",
            "put it in a file of its own that begins with `-- lockstep: no-transaction`",
        ),
        Hindrance::NoEffectInTransaction if no_transaction => None,
        Hindrance::NoEffectInTransaction => Some(Verdict {
            fails: false,
            message: "it has no effect in a transaction",
            remedy: "leave it out: foreign keys are off while a migration runs, and checked afterwards",
        }),
        Hindrance::ReleasesLock => fails(
            "it would let go of the deployment lock",
            "remove it, or release single locks by their own key",
        ),
        Hindrance::RunnersSession => fails(
            "it would keep the runner from writing or from rolling back, or outlive the file",
            "remove it: the session is the runner's",
        ),
        Hindrance::CopyFromStdin => fails(
            "its data stands in the file, where only psql would read it",
            "write the rows as INSERT statements",
        ),
        Hindrance::CopyToStdout => {
            fails("its rows would go nowhere", "remove it from the migration")
        }
        Hindrance::ClientCommand => fails(
            "it is a command of a client program, not SQL",
            "write it as SQL, or leave it out",
        ),
        Hindrance::OwnTables => fails(
            "it would change the mark or the ledger, on which every guard stands",
            "leave them to mark-db and mark-migrations; leave them out of a dump that is a baseline",
        ),
        Hindrance::Attach => fails(
            "it would reach another database file, outside of every check",
            "let each database have its own migrations",
        ),
    }
}
