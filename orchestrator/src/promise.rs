//! What a step may do: by the verb of a program of the suite, or as the pipeline declares.

use crate::pipeline::Changes;

/// What a step may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// A program of the suite; its verb is the promise, and its result proves it.
    Ours(Verb),
    /// Any other program, as its step declares.
    Foreign(Changes),
}

/// The first word of a program's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Reads, and writes nothing but its own result.
    Verify,
    List,
    Report,
    /// Writes files, never the database.
    Record,
    Backup,
    Pack,
    /// Changes a scratch copy that it made itself.
    Rehearse,
    /// Changes the target or deletes files.
    Deploy,
    Restore,
    Revert,
    Freeze,
    Thaw,
    Audit,
    Mark,
    Switch,
    Prune,
}

const VERBS: [(&str, Verb); 16] = [
    ("verify", Verb::Verify),
    ("list", Verb::List),
    ("report", Verb::Report),
    ("record", Verb::Record),
    ("backup", Verb::Backup),
    ("pack", Verb::Pack),
    ("rehearse", Verb::Rehearse),
    ("deploy", Verb::Deploy),
    ("restore", Verb::Restore),
    ("revert", Verb::Revert),
    ("freeze", Verb::Freeze),
    ("thaw", Verb::Thaw),
    ("audit", Verb::Audit),
    ("mark", Verb::Mark),
    ("switch", Verb::Switch),
    ("prune", Verb::Prune),
];

/// The programs of the suite. One of these names means the program wherever it stands; a verb
/// alone does not, because others name their programs by verbs too.
const SUITE: [&str; 11] = [
    "verify-env",
    "verify-connection",
    "verify-schema",
    "verify-migrations",
    "verify-guards",
    "record-schema",
    "backup-snapshot",
    "mark-db",
    "mark-migrations",
    "mark-schema",
    "deploy-db",
];

/// Programs of later releases that a pipeline can name already.
const LATER: [&str; 3] = ["freeze-db", "thaw-db", "restore-snapshot"];

/// The names of all programs that a pipeline can run as the suite's.
pub(crate) fn suite() -> impl Iterator<Item = &'static str> {
    SUITE.into_iter().chain(LATER)
}

/// Whether it is the file name of a program of the suite.
pub(crate) fn is_suite_name(file_name: &str) -> bool {
    suite().any(|name| name == file_name)
}

impl Verb {
    /// The verb of a program's file name: `verify-env` has one, `verify` and `deploy-app.sh` do
    /// not.
    pub(crate) fn of(file_name: &str) -> Option<Verb> {
        let (word, object) = file_name.split_once('-')?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if object.is_empty() || !object.chars().all(plain) {
            return None;
        }
        VERBS
            .into_iter()
            .find(|(name, _)| *name == word)
            .map(|(_, verb)| verb)
    }
}

impl Promise {
    /// Whether an unfinished step may have left something half done: killing it is 6 and not 124,
    /// and a missing result is 6.
    pub(crate) fn changes_target(self) -> bool {
        match self {
            Promise::Ours(verb) => match verb {
                Verb::Verify | Verb::List | Verb::Report => false,
                Verb::Record | Verb::Backup | Verb::Pack | Verb::Rehearse => false,
                Verb::Deploy | Verb::Restore | Verb::Revert | Verb::Audit => true,
                Verb::Freeze | Verb::Thaw | Verb::Mark | Verb::Switch | Verb::Prune => true,
            },
            Promise::Foreign(changes) => matches!(changes, Changes::Database | Changes::Service),
        }
    }

    /// Whether it changes what the database holds. Freezing, thawing and marking leave the data as
    /// it was; switching and pruning do not touch the database.
    pub(crate) fn changes_database(self) -> bool {
        match self {
            Promise::Ours(verb) => matches!(
                verb,
                Verb::Deploy | Verb::Restore | Verb::Revert | Verb::Audit
            ),
            Promise::Foreign(changes) => changes == Changes::Database,
        }
    }

    /// Whether a reported change is one that `rollback` is there to undo. Freezing and marking
    /// have their own counterparts, and pruned files are gone.
    pub(crate) fn change_can_be_undone(self) -> bool {
        match self {
            Promise::Ours(verb) => {
                !matches!(verb, Verb::Freeze | Verb::Thaw | Verb::Mark | Verb::Prune)
            }
            Promise::Foreign(_) => true,
        }
    }

    /// Whether a step that fails, now or later, may leave a change that `rollback` is there to
    /// undo.
    pub(crate) fn may_leave_what_can_be_undone(self) -> bool {
        self.changes_target() && self.change_can_be_undone()
    }

    /// Whether it changes neither files nor the database: what may run after every failure.
    pub(crate) fn leaves_files_and_database(self) -> bool {
        match self {
            Promise::Ours(verb) => matches!(verb, Verb::Verify | Verb::List | Verb::Report),
            Promise::Foreign(changes) => matches!(changes, Changes::Nothing | Changes::Service),
        }
    }

    /// Whether it may be tried again after `unavailable` or `busy`. Exit codes of foreign programs
    /// have no classes, so there is nothing to go by.
    pub(crate) fn may_be_retried(self) -> bool {
        matches!(
            self,
            Promise::Ours(Verb::Verify | Verb::List | Verb::Report)
        )
    }

    /// Whether a declaration admits all that this may do.
    pub(crate) fn is_within(self, declared: Changes) -> bool {
        match declared {
            Changes::Database => true,
            Changes::Service => !self.changes_database(),
            Changes::Files => !self.changes_target(),
            Changes::Nothing => matches!(
                self,
                Promise::Ours(Verb::Verify | Verb::List | Verb::Report)
                    | Promise::Foreign(Changes::Nothing)
            ),
        }
    }

    /// What it does, as a verb.
    pub(crate) fn does(self) -> &'static str {
        let name = self.name();
        name.strip_prefix("declared: ").unwrap_or(name)
    }

    /// As the plan and the record show it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Promise::Ours(verb) => match verb {
                Verb::Verify | Verb::List | Verb::Report => "reads",
                Verb::Record | Verb::Backup | Verb::Pack => "writes files",
                Verb::Rehearse => "changes its own copy",
                Verb::Deploy | Verb::Restore | Verb::Revert | Verb::Audit => "changes the database",
                Verb::Freeze | Verb::Thaw => "freezes or thaws",
                Verb::Mark => "marks",
                Verb::Switch => "switches",
                Verb::Prune => "deletes files",
            },
            Promise::Foreign(Changes::Nothing) => "declared: changes nothing",
            Promise::Foreign(Changes::Files) => "declared: changes files",
            Promise::Foreign(Changes::Database) => "declared: changes the database",
            Promise::Foreign(Changes::Service) => "declared: changes a service",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_needs_an_object_and_no_extension() {
        assert_eq!(Verb::of("verify-env"), Some(Verb::Verify));
        assert_eq!(Verb::of("backup-snapshot"), Some(Verb::Backup));
        for name in [
            "verify",
            "verify-",
            "deploy-app.sh",
            "deployer",
            "systemctl",
            "Deploy-db",
        ] {
            assert_eq!(Verb::of(name), None, "{name}");
        }
    }

    #[test]
    fn every_program_of_this_workspace_is_of_the_suite() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let folders = std::fs::read_dir(root).unwrap().map(Result::unwrap);
        let mut programs: Vec<String> = folders
            .filter(|folder| folder.path().join("src/main.rs").is_file())
            .map(|folder| folder.file_name().into_string().unwrap())
            .filter(|name| name.contains('-'))
            .collect();
        programs.sort();
        let mut suite = SUITE;
        suite.sort_unstable();
        assert_eq!(programs, suite);
        assert!(suite.iter().all(|name| Verb::of(name).is_some()));
        assert!(LATER.iter().all(|name| Verb::of(name).is_some()));
    }

    #[test]
    fn freezing_and_marking_change_the_target_but_not_the_data() {
        for name in ["freeze-db", "thaw-db", "mark-db"] {
            let promise = Promise::Ours(Verb::of(name).unwrap());
            assert!(promise.changes_target(), "{name}");
            assert!(!promise.changes_database(), "{name}");
            assert!(!promise.change_can_be_undone(), "{name}");
        }
        for name in [
            "deploy-db",
            "restore-snapshot",
            "revert-migration",
            "audit-writes",
        ] {
            let promise = Promise::Ours(Verb::of(name).unwrap());
            assert!(
                promise.changes_database() && promise.change_can_be_undone(),
                "{name}"
            );
        }
    }
}
