//! A set of migrations and a ledger's rows, as values.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sql::{Allowance, Dialect, TokenDigest};

use crate::{Layout, Problem};

/// The migrations of one folder.
#[derive(Debug, Clone)]
pub struct Set {
    /// How the folder is laid out.
    pub layout: Layout,
    /// The folder, as it was named.
    pub dir: PathBuf,
    /// The dialect it was read in.
    pub dialect: Dialect,
    /// Versioned migrations, in the order in which they apply.
    pub migrations: Vec<Migration>,
    /// Files that their tool runs whenever they change. Never run here.
    pub repeatable: Vec<Named>,
    /// Files that are not run on this database: those for another engine, and, once [`Set::settle`]
    /// has looked, baselines or what one stands for.
    pub set_aside: Vec<Named>,
    /// Files that their tool runs on an empty database in place of older ones, by version.
    pub(crate) baselines: Vec<Migration>,
    /// SQL files, and folders with some, that are no migrations. Each has a problem too.
    pub ignored: Vec<Named>,
    /// What is wrong with names and files, in the order of the names. What is wrong with the text
    /// of a pending migration, [`crate::compare`] reports.
    pub problems: Vec<Problem>,
    /// Versions that have a file which can't be used: not to be reported as missing as well.
    pub(crate) unusable: BTreeSet<String>,
}

fn without_ending(file: &Path) -> Option<&str> {
    let stem = file.to_str()?.strip_suffix(".sql")?;
    Some(stem.strip_suffix(".up").unwrap_or(stem))
}

impl Set {
    /// Index of the migration that a person means: by a version written in any way that
    /// [`Layout::canonical_version`] takes, by its file or its folder, with any path before it, or by
    /// the file's name without its ending.
    pub fn position(&self, written: &str) -> Option<usize> {
        let canonical = self.layout.canonical_version(written);
        let is_meant = |migration: &Migration| {
            // A flat file's parent is the empty path, which nobody means.
            let folder = migration.file.parent();
            let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
            Some(&migration.version) == canonical.as_ref()
                || Path::new(written).ends_with(&migration.file)
                || folder.is_some_and(|folder| Path::new(written).ends_with(folder))
                || without_ending(&migration.file) == Some(written)
        };
        self.migrations.iter().position(is_meant)
    }

    /// Decides for one database whether it begins with a baseline. As with Flyway, an empty database
    /// begins with the newest one, which stands for every migration of its version or an older one; where
    /// the ledger's oldest row is a baseline's, it stays so; elsewhere baselines don't count. A database
    /// that is not adopted may be at any version, so the baseline counts there only where nothing older
    /// is left.
    pub fn settle(&mut self, ledger: &[LedgerRow], is_adopted: bool) {
        let beginning = match ledger.is_empty() {
            true => self.newest_baseline(is_adopted),
            false => self.applied_baseline(ledger),
        };
        let begins = beginning.map(|at| self.baselines.remove(at));
        for baseline in std::mem::take(&mut self.baselines) {
            let why = match &begins {
                Some(first) => format!(
                    "baseline: this database begins with {}",
                    first.file.display()
                ),
                None => "baseline: its tool runs it on an empty database only".to_owned(),
            };
            let file = baseline.file;
            self.set_aside.push(Named { file, why });
        }
        let Some(begins) = begins else { return };
        let key = self.layout.key(&begins.version);
        let older = |migration: &Migration| self.layout.key(&migration.version) <= key;
        let (older, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.migrations)
            .into_iter()
            .partition(older);
        if let [first, others @ ..] = &older[..] {
            let and = match others {
                [] => String::new(),
                [one] => format!(" and {}", one.file.display()),
                [.., last] => format!(" and {} more, to {}", others.len(), last.file.display()),
            };
            self.set_aside.push(Named {
                file: first.file.clone(),
                why: format!("the baseline {} stands for it{and}", begins.file.display()),
            });
        }
        // What is wrong with an older file is no matter here.
        self.problems.retain(|problem| {
            let version = problem
                .version
                .as_deref()
                .map(|version| self.layout.key(version));
            version.is_none_or(|version| version > key)
                || problem.file.as_ref() == Some(&begins.file)
        });
        self.migrations = std::iter::once(begins).chain(later).collect();
    }

    fn newest_baseline(&self, is_adopted: bool) -> Option<usize> {
        let newest = self.baselines.len().checked_sub(1)?;
        let key = self.layout.key(&self.baselines[newest].version);
        let is_older = |migration: &Migration| self.layout.key(&migration.version) <= key;
        (is_adopted || !self.migrations.iter().any(is_older)).then_some(newest)
    }

    /// The baseline that the oldest row of the ledger is of.
    fn applied_baseline(&self, ledger: &[LedgerRow]) -> Option<usize> {
        let key = |row: &&LedgerRow| self.layout.key(&row.version);
        let first = ledger.iter().min_by_key(key)?;
        let of_version = |migration: &&Migration| migration.version == first.version;
        let at = self
            .baselines
            .iter()
            .position(|baseline| of_version(&baseline))?;
        let is_its_own = |migration: &Migration| {
            migration.sha256 == first.sha256 || migration.has_tokens_of(first) == Some(true)
        };
        let mut same = self.migrations.iter().filter(of_version);
        let is_baselines = is_its_own(&self.baselines[at])
            || !same.any(is_its_own)
                && (self.migrations.first().is_none_or(|oldest| {
                    self.layout.key(&oldest.version) != self.layout.key(&first.version)
                }));
        is_baselines.then_some(at)
    }

    /// Where a file named relative to the folder is found from the working directory. Also how it
    /// is shown to people.
    pub fn path(&self, file: &Path) -> PathBuf {
        self.dir.join(file)
    }

    /// True if something is wrong with the files that forbids a deployment.
    pub fn has_failures(&self) -> bool {
        self.problems.iter().any(Problem::is_failure)
    }
}

/// A file that is not run, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Relative to the migrations folder.
    pub file: PathBuf,
    /// Why, as a clause.
    pub why: String,
}

/// One versioned migration.
#[derive(Debug, Clone)]
pub struct Migration {
    /// Canonical text of the version: without leading zeros where versions are numbers.
    pub version: String,
    /// What the file's name says beside the version and the layout's own parts.
    pub name: String,
    /// Relative to the migrations folder.
    pub file: PathBuf,
    /// The SQL to run: the file's text, or the section that applies. Without a byte order mark,
    /// line ends as they stand.
    pub up: String,
    /// 1-based line of `file` on which `up` starts.
    pub up_line: u32,
    /// SHA-256 of the file's raw bytes, all of them.
    pub sha256: [u8; 32],
    /// SHA-256 of the tokens of `up`; none if they can't be told apart.
    pub sha256_tokens: Option<[u8; 32]>,
    pub(crate) tokens: Option<TokenDigest>,
    /// True if the file or its layout says that it runs outside a transaction.
    pub no_transaction: bool,
    /// What reverts it.
    pub down: Option<Down>,
    /// Reviewed exceptions that stand in the file, with lines of `file`.
    pub allows: Vec<Allowance>,
    /// What is wrong with the text, which can't be mended in an applied file without drift. So it
    /// counts only while the migration is pending, and [`crate::compare`] reports it then.
    pub(crate) until_applied: Vec<Problem>,
}

impl Migration {
    /// Whether a row's token digest is that of the SQL to run, also in a ledger that an older release
    /// wrote. None where there is none on either side.
    pub fn has_tokens_of(&self, row: &LedgerRow) -> Option<bool> {
        Some(self.tokens?.is(&row.sha256_tokens?))
    }

    /// The reason for which the file allows what `rule` forbids.
    pub fn reason(&self, rule: &str) -> Option<&str> {
        let allowance = self
            .allows
            .iter()
            .find(|allowance| allowance.rule == rule)?;
        Some(&allowance.reason)
    }
}

/// What reverts a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Down {
    /// Relative to the migrations folder. The migration's own file if it is a section of that.
    pub file: PathBuf,
    /// The SQL to run, without a byte order mark.
    pub sql: String,
}

/// One row of a ledger, as a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// Canonical version.
    pub version: String,
    /// Name of the migration when it was applied.
    pub name: String,
    /// SHA-256 of the raw bytes of the file that was applied.
    pub sha256: [u8; 32],
    /// SHA-256 of the tokens of the SQL that was applied.
    pub sha256_tokens: Option<[u8; 32]>,
    /// Whether it finished.
    pub state: RowState,
    /// When, as RFC 3339 UTC.
    pub applied_at: String,
    /// How long it ran, in milliseconds.
    pub duration_ms: i64,
    /// Database user or person that applied it.
    pub applied_by: String,
    /// The run that applied it.
    pub run_id: String,
    /// Why it counts as applied, where that was entered by a person and not by the run of its file.
    pub because: Option<String>,
    /// Place in the order in which rows were written.
    pub position: i64,
}

impl LedgerRow {
    /// Whether an adoption entered it. A dirty row that somebody ended says why too, but has run.
    pub fn is_adopted(&self) -> bool {
        self.because.is_some() && self.duration_ms == 0 && self.state == RowState::Applied
    }
}

/// Whether the rows are those of one adoption, and nothing was deployed after it.
pub fn are_adopted(rows: &[LedgerRow]) -> bool {
    rows.iter()
        .all(|row| row.is_adopted() && row.run_id == rows[0].run_id)
}

/// Whether a ledger row is finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowState {
    /// Applied to the end.
    Applied,
    /// Started outside a transaction and not known to have finished.
    Started,
}
