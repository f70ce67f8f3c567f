//! A migrations folder on disk, and shorthands to read it.

use std::fs;
use std::path::Path;

use migrations::{Dialect, Error, Layout, LedgerRow, Problem, RowState, Set, compare, discover};
use tempfile::TempDir;

/// A folder with these files: names with `/` make folders, a name that ends with `/` is one.
pub(crate) fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (name, bytes) in files {
        write(dir.path(), name, bytes);
    }
    dir
}

pub(crate) fn write(dir: &Path, name: &str, bytes: &[u8]) {
    let path = dir.join(name);
    if name.ends_with('/') {
        fs::create_dir_all(path).unwrap();
    } else {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// The set in a folder with these files.
#[track_caller]
pub(crate) fn set(files: &[(&str, &str)]) -> Set {
    set_as(files, None).unwrap()
}

pub(crate) fn set_as(files: &[(&str, &str)], asked: Option<Layout>) -> Result<Set, Error> {
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, text)| (*name, text.as_bytes()))
        .collect();
    discover(folder(&files).path(), asked, Dialect::Sqlite)
}

/// A statement that differs for each `n`.
pub(crate) fn create(n: u32) -> String {
    format!("CREATE TABLE t{n}(a int);\n")
}

/// The row that applying a migration of the set leaves behind.
#[track_caller]
pub(crate) fn row(set: &Set, version: &str) -> LedgerRow {
    let index = set.position(version).expect("no such version");
    let migration = &set.migrations[index];
    LedgerRow {
        version: migration.version.clone(),
        name: migration.name.clone(),
        sha256: migration.sha256,
        sha256_tokens: migration.sha256_tokens,
        state: RowState::Applied,
        applied_at: "2026-01-02T03:04:05Z".to_owned(),
        duration_ms: 7,
        applied_by: "deploy".to_owned(),
        run_id: "run-1".to_owned(),
        because: None,
        position: index as i64 + 1,
    }
}

/// Versions in order.
pub(crate) fn versions(set: &Set) -> Vec<&str> {
    set.migrations
        .iter()
        .map(|migration| migration.version.as_str())
        .collect()
}

/// Problems as `check-id subject: message`, with `!` in front of failures and `?` of warnings.
pub(crate) fn problems(problems: &[Problem]) -> Vec<String> {
    problems
        .iter()
        .map(|problem| {
            let mark = if problem.is_failure() { '!' } else { '?' };
            let line = problem
                .line
                .map(|line| format!(":{line}"))
                .unwrap_or_default();
            let (check, subject) = (problem.kind.check_id(), problem.subject());
            format!("{mark}{check} {subject}{line}: {}", problem.message)
        })
        .collect()
}

/// `version name file` of each migration.
pub(crate) fn listed(set: &Set) -> Vec<String> {
    let each = set.migrations.iter();
    each.map(|one| format!("{} {} {}", one.version, one.name, one.file.display()))
        .collect()
}

/// The file and SQL that revert each migration.
pub(crate) fn downs(set: &Set) -> Vec<Option<(&str, &str)>> {
    let each = set.migrations.iter().map(|one| one.down.as_ref());
    each.map(|down| down.map(|down| (down.file.to_str().unwrap_or_default(), down.sql.as_str())))
        .collect()
}

#[track_caller]
pub(crate) fn assert_clean(set: &Set) {
    assert_eq!(problems(&set.problems), [] as [String; 0]);
    assert_eq!(problems(&compare(set, &[]).problems), [] as [String; 0]);
}

pub(crate) fn outside(set: &Set) -> Vec<bool> {
    set.migrations
        .iter()
        .map(|migration| migration.no_transaction)
        .collect()
}

/// Files that are not run on a database, with the reason.
pub(crate) fn aside(set: &Set) -> Vec<String> {
    let named = set.set_aside.iter();
    named
        .map(|one| format!("{}: {}", one.file.display(), one.why))
        .collect()
}
