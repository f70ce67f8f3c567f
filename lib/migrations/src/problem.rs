//! What can be wrong with migration files or with their ledger, as data.

use std::path::{Path, PathBuf};

/// One thing that is wrong, in one file or one ledger row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which kind of thing it is; the kind decides check and severity.
    pub kind: ProblemKind,
    /// Canonical version of the migration concerned, where it is known.
    pub version: Option<String>,
    /// File concerned, relative to the migrations folder.
    pub file: Option<PathBuf>,
    /// 1-based line in that file.
    pub line: Option<u32>,
    /// What was found, as a clause without the name of file or version.
    pub message: String,
    /// What was expected, in the same unit as `actual`.
    pub expected: Option<String>,
    /// What was found instead.
    pub actual: Option<String>,
}

impl Problem {
    pub(crate) fn new(kind: ProblemKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            version: None,
            file: None,
            line: None,
            message: message.into(),
            expected: None,
            actual: None,
        }
    }

    pub(crate) fn version(mut self, version: &str) -> Self {
        self.version = Some(version.to_owned());
        self
    }

    pub(crate) fn file(mut self, file: &Path) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    pub(crate) fn line(mut self, line: u32) -> Self {
        self.line = Some(line);
        self
    }

    pub(crate) fn differs(
        mut self,
        expected: impl Into<String>,
        actual: impl Into<String>,
    ) -> Self {
        self.expected = Some(expected.into());
        self.actual = Some(actual.into());
        self
    }

    /// Whether it is a comment that may be a mark.
    pub(crate) fn is_a_mark(&self) -> bool {
        matches!(
            self.kind,
            ProblemKind::MarkNearly | ProblemKind::MarkForeign
        )
    }

    /// Whether it fails a check or only warns.
    pub fn severity(&self) -> Severity {
        self.kind.severity()
    }

    /// True if nothing may be deployed while this stands.
    pub fn is_failure(&self) -> bool {
        self.severity() == Severity::Failure
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        self.kind.remedy()
    }

    /// What a finding about it is called: the file, else the version.
    pub fn subject(&self) -> String {
        match (&self.file, &self.version) {
            (Some(file), _) => file.display().to_string(),
            (None, Some(version)) => version.clone(),
            (None, None) => "migrations".to_owned(),
        }
    }
}

/// How much a problem weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The check does not hold; nothing may be deployed.
    Failure,
    /// Worth a look; deploying goes on.
    Warning,
}

/// The text of one check, from which a program declares its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckText {
    /// Stable name of the thing that holds.
    pub id: &'static str,
    /// The promise as a clause.
    pub holds: &'static str,
    /// What to do if it does not hold.
    pub remedy: &'static str,
}

/// The checks that problems of this crate belong to.
pub mod checks {
    use super::CheckText;

    /// Applied files still say what was applied.
    pub const DRIFT_NONE: CheckText = CheckText {
        id: "drift-none",
        holds: "every applied migration still says what was applied",
        remedy: "restore the file as it was applied, and write the change as a new migration",
    };
    /// Applied migrations have their files.
    pub const FILES_PRESENT: CheckText = CheckText {
        id: "files-present",
        holds: "every applied migration has its file",
        remedy: "restore the file, or deploy the release that contains it",
    };
    /// Files can be read as SQL text.
    pub const FILES_READABLE: CheckText = CheckText {
        id: "files-readable",
        holds: "every migration file can be read as UTF-8 text",
        remedy: "save the file as UTF-8, readable by this user",
    };
    /// A version belongs to one file.
    pub const VERSIONS_UNIQUE: CheckText = CheckText {
        id: "versions-unique",
        holds: "no two migrations have the same version",
        remedy: "give the newer file a new version",
    };
    /// New migrations come after applied ones.
    pub const ORDER_KEPT: CheckText = CheckText {
        id: "order-kept",
        holds: "every pending migration comes after the applied ones",
        remedy: "give the file a newer version, or write `-- lockstep: allow out-of-order because …` in it",
    };
    /// The ledger has finished rows only.
    pub const LEDGER_CLEAN: CheckText = CheckText {
        id: "ledger-clean",
        holds: "every ledger row is finished and there is one for each version",
        remedy: "look at what the migration left behind, then record it with mark-migrations --resolve",
    };
    /// Names keep to the layout.
    pub const NAMES_FIT: CheckText = CheckText {
        id: "names-fit",
        holds: "every SQL file in the migrations folder has a name of the layout",
        remedy: "rename the file as the layout wants it, or move it out of the migrations folder",
    };
    /// The name of an applied migration is unchanged.
    pub const NAMES_KEPT: CheckText = CheckText {
        id: "names-kept",
        holds: "every applied migration has the name under which it was applied",
        remedy: "give the file its former name",
    };
    /// Files have what their layout needs.
    pub const LAYOUT_KEPT: CheckText = CheckText {
        id: "layout-kept",
        holds: "every migration has the parts that its layout asks for, and no others",
        remedy: "write the migration as its layout wants it",
    };
    /// There is something to run.
    pub const STATEMENT_PRESENT: CheckText = CheckText {
        id: "statement-present",
        holds: "every migration contains a statement",
        remedy: "write the statement, or delete the file if it was never applied; if it was, write \
                 `-- lockstep: allow no-statement because …` in it",
    };
    /// Lockstep's own directives are well formed.
    pub const DIRECTIVES_VALID: CheckText = CheckText {
        id: "directives-valid",
        holds: "every `-- lockstep:` line can be understood",
        remedy: "write `-- lockstep: no-transaction` or `-- lockstep: allow RULE because REASON`",
    };
    /// What reverts belongs to something.
    pub const DOWN_PAIRED: CheckText = CheckText {
        id: "down-paired",
        holds: "every file that reverts belongs to one migration",
        remedy: "give the file the name of its migration, or delete it",
    };

    /// All of them.
    pub const ALL: [CheckText; 12] = [
        FILES_READABLE,
        NAMES_FIT,
        LAYOUT_KEPT,
        VERSIONS_UNIQUE,
        STATEMENT_PRESENT,
        DIRECTIVES_VALID,
        DOWN_PAIRED,
        FILES_PRESENT,
        DRIFT_NONE,
        NAMES_KEPT,
        ORDER_KEPT,
        LEDGER_CLEAN,
    ];
}

/// The kinds of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The file differs from what was applied, its SQL does not: line ends, comments, other sections.
    CosmeticDrift,
    /// The SQL differs from what was applied, or can't be shown to be the same.
    SemanticDrift,
    /// A ledger row has no file.
    MissingFile,
    /// A pending migration sorts before an applied one.
    OutOfOrder,
    /// Two files have one version.
    DuplicateVersion,
    /// A ledger row says that a migration was started and never finished.
    DirtyRow,
    /// The ledger has two rows for one version.
    DuplicateRow,
    /// An applied migration has another name now.
    Renamed,
    /// The file can't be opened or read, or is no regular file.
    Unreadable,
    /// The file is larger than what is read as a migration.
    TooLarge,
    /// The file is not UTF-8, or holds a NUL byte.
    NotText,
    /// The name begins as a migration's would, and is none of the layout.
    NameUnfit,
    /// No name in the folder is one of a layout.
    NamesUnfit,
    /// An SQL file, or a folder with some, whose name is not a migration's.
    NameForeign,
    /// The file has no section, or its folder no file, that applies something.
    UpMissing,
    /// The layout's own tool demands a section that reverts.
    DownMissing,
    /// Marks of a section are missing, doubled or in the wrong order.
    SectionBroken,
    /// A comment is nearly a mark of the layout.
    MarkNearly,
    /// A comment is a mark of a tool whose layout this is not.
    MarkForeign,
    /// A migration that is code.
    Code,
    /// Something the layout's own tool does to a file and this one does not.
    Unsupported,
    /// Text that the layout's own tool may replace before it runs the file.
    Placeholder,
    /// The folder was made for another database engine.
    OtherEngine,
    /// A version has files for other database engines alone.
    EngineMissing,
    /// The layout's own settings file can't be understood or leaves open what it means.
    SettingUnclear,
    /// Nothing to run in the newest migration: empty, or comments only. Most likely unfinished.
    NoStatement,
    /// The same in an older one: most likely meant so.
    NoStatementKept,
    /// A `-- lockstep:` line that can't be understood.
    DirectiveInvalid,
    /// A file that reverts and belongs to no migration, or a second one for the same.
    DownUnpaired,
}

impl ProblemKind {
    /// The check this kind belongs to.
    pub const fn check(self) -> CheckText {
        match self {
            Self::CosmeticDrift | Self::SemanticDrift => checks::DRIFT_NONE,
            Self::MissingFile => checks::FILES_PRESENT,
            Self::OutOfOrder => checks::ORDER_KEPT,
            Self::DuplicateVersion => checks::VERSIONS_UNIQUE,
            Self::DirtyRow | Self::DuplicateRow => checks::LEDGER_CLEAN,
            Self::Renamed => checks::NAMES_KEPT,
            Self::Unreadable | Self::TooLarge | Self::NotText => checks::FILES_READABLE,
            Self::NameUnfit | Self::NamesUnfit | Self::NameForeign => checks::NAMES_FIT,
            Self::UpMissing
            | Self::DownMissing
            | Self::SectionBroken
            | Self::MarkNearly
            | Self::MarkForeign
            | Self::Code
            | Self::Unsupported
            | Self::Placeholder
            | Self::OtherEngine
            | Self::EngineMissing
            | Self::SettingUnclear => checks::LAYOUT_KEPT,
            Self::NoStatement | Self::NoStatementKept => checks::STATEMENT_PRESENT,
            Self::DirectiveInvalid => checks::DIRECTIVES_VALID,
            Self::DownUnpaired => checks::DOWN_PAIRED,
        }
    }

    /// The id of that check.
    pub const fn check_id(self) -> &'static str {
        self.check().id
    }

    /// What to do about it, where that is more than the check's own remedy.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::CosmeticDrift => "restore the file as it was applied",
            Self::DuplicateRow => {
                "find out who wrote the ledger, then record what is applied with mark-migrations"
            }
            Self::NamesUnfit => {
                "name the folder that has the migrations as dir under [migrations], or rename the files"
            }
            Self::TooLarge => "load data in a step of its own, or split the file",
            Self::UpMissing => {
                "write the part that applies, or delete what is left of the migration"
            }
            Self::DownMissing => "write the section that reverts",
            Self::MarkNearly => {
                "write the mark as it is expected; where it is none, write the comment in other words"
            }
            Self::MarkForeign => {
                "write what applies into a file of this layout and what reverts into another, \
                 without the mark; where it is none, write the comment in other words"
            }
            Self::Code => {
                "write it as SQL; once it is applied everywhere, move it out of the folder"
            }
            Self::Unsupported | Self::Placeholder => "write the text itself into the file",
            Self::OtherEngine => "deploy to the engine that the migrations were written for",
            Self::NoStatementKept => {
                "write `-- lockstep: allow no-statement because …` in it where that is meant; it gets \
                 its row in the ledger"
            }
            Self::EngineMissing => {
                "write a file of this version for this engine, if it needs the change too"
            }
            Self::SettingUnclear => "say in the file what is meant, or delete it",
            _ => self.check().remedy,
        }
    }

    /// Whether it fails the check or only warns.
    pub const fn severity(self) -> Severity {
        match self {
            Self::CosmeticDrift
            | Self::Renamed
            | Self::NameForeign
            | Self::DownMissing
            | Self::Placeholder
            | Self::NoStatementKept
            | Self::EngineMissing
            | Self::DownUnpaired => Severity::Warning,
            _ => Severity::Failure,
        }
    }
}
