//! Migrations against the ledger: what is applied, what is pending, what does not fit.

use std::collections::HashMap;

use crate::{LedgerRow, Migration, Problem, ProblemKind, RowState, Set, hex};

/// Where a database stands, measured against a set of migrations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Finished rows of the ledger, whether or not their files are there.
    pub applied: usize,
    /// Indices into [`Set::migrations`] of those without a row, in the order in which they run.
    pub pending: Vec<usize>,
    /// What does not fit between files and rows. Problems of the files alone are the set's own.
    pub problems: Vec<Problem>,
}

/// Compares files with ledger rows. Rows may come in any order. Problems come in the order of the
/// rows' positions, then of the pending migrations.
pub fn compare(set: &Set, ledger: &[LedgerRow]) -> State {
    let mut rows: Vec<&LedgerRow> = ledger.iter().collect();
    rows.sort_by(|a, b| (a.position, &a.version).cmp(&(b.position, &b.version)));

    let mut files: HashMap<&str, Vec<usize>> = HashMap::with_capacity(set.migrations.len());
    for (index, migration) in set.migrations.iter().enumerate() {
        files.entry(&migration.version).or_default().push(index);
    }

    let mut problems = Vec::new();
    let mut recorded: HashMap<&str, &LedgerRow> = HashMap::with_capacity(rows.len());
    let mut latest = Latest::default();
    for row in &rows {
        if recorded.insert(&row.version, row).is_some() {
            let message = "has two rows in the ledger";
            problems.push(Problem::new(ProblemKind::DuplicateRow, message).version(&row.version));
            continue;
        }
        let indices = files
            .get(row.version.as_str())
            .map_or(&[][..], Vec::as_slice);
        latest.take(set, row, indices);
        // Of two files with one version, the one that was applied is compared.
        let same = indices
            .iter()
            .find(|index| set.migrations[**index].sha256 == row.sha256);
        let migration = same
            .or(indices.first())
            .map(|index| &set.migrations[*index]);
        if row.state == RowState::Started {
            problems.push(dirty(row, migration));
            continue;
        }
        match migration {
            Some(migration) => problems.extend(drift(row, migration)),
            None if set.unusable.contains(&row.version) => {}
            None => problems.push(missing(row)),
        }
    }

    let pending: Vec<usize> = (0..set.migrations.len())
        .filter(|index| !recorded.contains_key(set.migrations[*index].version.as_str()))
        .collect();
    for index in &pending {
        problems.extend(latest.out_of_order(set, *index));
        problems.extend(unmended(set, *index));
    }
    let problems = gathered(problems);
    let applied = recorded
        .values()
        .filter(|row| row.state == RowState::Applied)
        .count();
    State {
        applied,
        pending,
        problems,
    }
}

/// The newest migration that the ledger knows: by its place in the set, and by version where the
/// file is gone.
#[derive(Default)]
struct Latest<'a> {
    index: Option<usize>,
    gone: Option<(crate::version::Key, &'a LedgerRow)>,
}

impl<'a> Latest<'a> {
    fn take(&mut self, set: &Set, row: &'a LedgerRow, indices: &[usize]) {
        if let Some(last) = indices.last() {
            self.index = self.index.max(Some(*last));
        } else if let Some(key) = set.layout.key(&row.version)
            && self.gone.as_ref().is_none_or(|(newest, _)| key > *newest)
        {
            self.gone = Some((key, row));
        }
    }

    fn out_of_order(&self, set: &Set, index: usize) -> Option<Problem> {
        let migration = &set.migrations[index];
        if migration.reason(sql::OUT_OF_ORDER).is_some() {
            return None;
        }
        let after = match (self.index.filter(|latest| *latest > index), &self.gone) {
            (Some(latest), _) => set.migrations[latest].file.display().to_string(),
            (None, Some((newest, row)))
                if set
                    .layout
                    .key(&migration.version)
                    .is_some_and(|key| key < *newest) =>
            {
                format!("version {}", row.version)
            }
            _ => return None,
        };
        let message = format!("is pending, but sorts before {after}, which is in the ledger");
        Some(about(ProblemKind::OutOfOrder, message, migration))
    }
}

/// A folder of another tool is one thing that is wrong, however many files it has: marks of one kind
/// in more files than can be named are one problem.
fn gathered(problems: Vec<Problem>) -> Vec<Problem> {
    const NAMED_MAX: usize = 3;
    let mut files: HashMap<String, Vec<String>> = HashMap::new();
    for problem in problems.iter().filter(|problem| problem.is_a_mark()) {
        let named = files.entry(problem.message.clone()).or_default();
        named.push(problem.subject());
    }
    let mut gathered = Vec::with_capacity(problems.len());
    for mut problem in problems {
        let is_many = |files: &Vec<String>| files.len() > NAMED_MAX;
        if !problem.is_a_mark() || !files.get(&problem.message).is_some_and(is_many) {
            // Those that were gathered are gone from the map, and their others with them.
            if !problem.is_a_mark() || files.contains_key(&problem.message) {
                gathered.push(problem);
            }
            continue;
        }
        if let Some(others) = files.remove(&problem.message) {
            problem.message = format!(
                "{} (so have {} files: {}, …)",
                problem.message,
                others.len(),
                others[..NAMED_MAX].join(", ")
            );
            gathered.push(problem);
        }
    }
    gathered
}

/// What is wrong with the text of a pending migration.
fn unmended(set: &Set, index: usize) -> Vec<Problem> {
    let migration = &set.migrations[index];
    let mut problems = migration.until_applied.clone();
    if migration.reason(sql::NO_STATEMENT).is_none() && sql::is_empty(set.dialect, &migration.up) {
        let (kind, message) = match index + 1 == set.migrations.len() {
            true => (ProblemKind::NoStatement, "has no statement to apply"),
            false => (
                ProblemKind::NoStatementKept,
                "has no statement to apply, and newer migrations stand behind it",
            ),
        };
        problems.push(about(kind, message, migration));
    }
    problems
}

fn drift(row: &LedgerRow, migration: &Migration) -> Option<Problem> {
    if row.sha256 == migration.sha256 {
        return (!row.name.is_empty() && row.name != migration.name).then(|| {
            about(
                ProblemKind::Renamed,
                "was applied under another name",
                migration,
            )
            .differs(&row.name, &migration.name)
        });
    }
    let (kind, message) = match migration.has_tokens_of(row) {
        Some(true) => (
            ProblemKind::CosmeticDrift,
            "differs from what was applied, but not in its SQL (line ends, comments or the part that reverts)",
        ),
        Some(false) => (
            ProblemKind::SemanticDrift,
            "has other SQL than what was applied",
        ),
        None => (
            ProblemKind::SemanticDrift,
            "differs from what was applied, and its SQL can't be compared",
        ),
    };
    Some(about(kind, message, migration).differs(hex(&row.sha256), hex(&migration.sha256)))
}

fn dirty(row: &LedgerRow, migration: Option<&Migration>) -> Problem {
    let message = format!(
        "was started at {} by {} (run {}) and never finished",
        row.applied_at, row.applied_by, row.run_id
    );
    let problem = Problem::new(ProblemKind::DirtyRow, message).version(&row.version);
    match migration {
        Some(migration) => problem.file(&migration.file),
        None => problem,
    }
}

fn missing(row: &LedgerRow) -> Problem {
    let named = if row.name.is_empty() {
        String::new()
    } else {
        format!(" ({})", row.name)
    };
    let message = format!("was applied at {}{named} and has no file", row.applied_at);
    Problem::new(ProblemKind::MissingFile, message).version(&row.version)
}

fn about(kind: ProblemKind, message: impl Into<String>, migration: &Migration) -> Problem {
    Problem::new(kind, message)
        .version(&migration.version)
        .file(&migration.file)
}
