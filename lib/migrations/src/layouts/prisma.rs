//! `<timestamp>_<name>/migration.sql` beside a `migration_lock.toml`.
//!
//! A migration's identity is the whole name of its folder, and folders apply in the order of their
//! names as text.

use sql::Dialect;

use crate::collect::{Collector, Draft};
use crate::layouts::after_first_underscore;
use crate::listing::{Entry, Kind};
use crate::{Problem, ProblemKind};

const UP: &str = "migration.sql";
/// What runners of a project's own run in Prisma's folders.
const CODE: [&str; 3] = ["migration.ts", "migration.js", "migration.mjs"];
pub(crate) const LOCK: &str = "migration_lock.toml";

pub(super) fn collect(entries: &[Entry], out: &mut Collector) {
    for entry in entries {
        if entry.is_file() && entry.name == LOCK {
            provider(entry, out);
        } else if matches!(entry.kind, Kind::Folder(_)) && !entry.is_hidden() {
            migration(entry, out);
        } else {
            out.leave(entry);
        }
    }
}

fn migration(folder: &Entry, out: &mut Collector) {
    for child in folder.entries().iter().filter(|child| child.name != UP) {
        out.leave(child);
    }
    let version = &folder.name;
    if !folder.has_file(UP) {
        let problem = match CODE.iter().find(|code| folder.has_file(code)) {
            Some(code) => Problem::new(
                ProblemKind::Code,
                format!("has {code}, which is code and can't be run here, and no {UP}"),
            ),
            None => Problem::new(ProblemKind::UpMissing, format!("has no {UP}")),
        };
        let problem = problem.file(&folder.file);
        out.unusable(version, &folder.file, problem);
        return;
    }
    let file = folder.file.join(UP);
    if let Some(source) = out.read(version, &file) {
        let name = after_first_underscore(version);
        out.add(Draft::whole(version.clone(), name, &file, source));
    }
}

/// The lock file names the engine that the SQL was generated for.
fn provider(entry: &Entry, out: &mut Collector) {
    let Some(source) = out.read_beside(&entry.file) else {
        return;
    };
    let provider = source
        .text
        .parse::<toml::Table>()
        .ok()
        .and_then(|table| Some(table.get("provider")?.as_str()?.to_owned()));
    let Some(provider) = provider else {
        let message = "names no provider";
        out.problem(Problem::new(ProblemKind::SettingUnclear, message).file(&entry.file));
        return;
    };
    let (expected, fits) = match out.dialect {
        Dialect::Sqlite => ("sqlite", provider == "sqlite"),
        Dialect::Postgres => (
            "postgresql",
            ["postgresql", "postgres"].contains(&provider.as_str()),
        ),
    };
    if !fits {
        let message = "was written for another database engine";
        let problem = Problem::new(ProblemKind::OtherEngine, message).file(&entry.file);
        out.problem(problem.differs(expected, provider));
    }
}
