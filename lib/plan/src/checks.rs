//! What stands against a plan, as data.

use contract::Check;
use migrations::{CheckText, Migration, checks as text};
use sql::{Hindered, Hindrance, Trouble};

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
    pub(crate) message: String,
    pub(crate) remedy: String,
}

/// What a hindrance means for a file that runs in a transaction, or outside one.
pub(crate) fn hindrance(hindered: &Hindered, no_transaction: bool) -> Option<Verdict> {
    let fails = |message: &str, remedy: &str| {
        Some(Verdict {
            fails: true,
            message: message.to_owned(),
            remedy: remedy.to_owned(),
        })
    };
    match hindered.hindrance {
        // What becomes of a file's own transactions, all of its statements together tell.
        Hindrance::EndsTransaction => None,
        Hindrance::NeedsNoTransaction if no_transaction => None,
        Hindrance::NeedsNoTransaction => fails(
            "it can't run in a transaction",
            "put it in a file of its own that begins with `-- lockstep: no-transaction`",
        ),
        Hindrance::NoEffectInTransaction if no_transaction => None,
        Hindrance::NoEffectInTransaction => Some(Verdict {
            fails: false,
            message: "it has no effect in a transaction".to_owned(),
            remedy:
                "leave it out: foreign keys are off while a migration runs, and checked afterwards"
                    .to_owned(),
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

const RUNNERS: &str =
    "it would begin or end the transaction that holds the file and its ledger row";
const REMOVE: &str = "remove it: the runner puts the file in a transaction of its own";
const OUTSIDE: &str = "begin the file with `-- lockstep: no-transaction`";

/// How a statement weighs that does not go with the transaction that it would run in.
pub(crate) fn transaction(trouble: &Trouble, migration: &Migration) -> Verdict {
    let outside = migration.no_transaction;
    let (message, remedy) = match trouble {
        Trouble::NotLeftOut(why) => (
            format!(
                "it {why}; its BEGIN and COMMIT can't be left out then, and would begin or end the \
                 transaction that holds the file and its ledger row"
            ),
            format!("{OUTSIDE}: its statements then run one by one, in its own transactions"),
        ),
        Trouble::LeftOpen => (
            "no COMMIT ends the transaction that it begins".to_owned(),
            match outside {
                true => "write the COMMIT".to_owned(),
                false => {
                    "remove it: the runner puts the file in a transaction of its own".to_owned()
                }
            },
        ),
        Trouble::NothingToEnd if outside => (
            "it ends what the file has not begun".to_owned(),
            "remove it, or write what it belongs to".to_owned(),
        ),
        Trouble::NothingToEnd => (RUNNERS.to_owned(), REMOVE.to_owned()),
        Trouble::BeginsWithin => (
            "a transaction can't be begun within another".to_owned(),
            "remove it, or end the one before it first".to_owned(),
        ),
        Trouble::InTransaction => (
            "it can't run in a transaction, and it stands in one of the file's own or in code, \
             which runs in one"
                .to_owned(),
            "move it out of there, before the BEGIN or behind the COMMIT".to_owned(),
        ),
        Trouble::OutsideTransaction => (
            "it can't run where no transaction was begun".to_owned(),
            "write BEGIN before it and COMMIT behind what belongs to it".to_owned(),
        ),
        Trouble::EnumValueUsed {
            ty,
            value,
            added,
            is_own,
        } => {
            let line = migration.up_line + added - 1;
            let own_file = "add the value in a file of its own before this one";
            (
                format!(
                    "it uses the value '{value}' of {ty}, which line {line} adds in the same \
                     transaction: PostgreSQL refuses that until it is committed (55P04)"
                ),
                match (outside, is_own) {
                    (false, false) => format!("{own_file}, or {OUTSIDE}"),
                    (false, true) => own_file.to_owned(),
                    (true, _) => format!("{own_file}, or behind a COMMIT of its own"),
                },
            )
        }
    };
    Verdict {
        fails: true,
        message,
        remedy,
    }
}
