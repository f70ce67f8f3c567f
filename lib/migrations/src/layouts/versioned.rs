//! `V1__name.sql`, as Flyway and refinery have them, in folders of any depth.
//!
//! Version parts stand between dots or underscores and compare as numbers. Flyway's repeatable
//! migrations (`R__`) are named and never run; of its baselines (`B…`) the set decides which counts
//! ([`crate::Set::settle`]). A `U` file is an undo script
//! for Flyway and a migration for refinery, so it counts only where a `V` file has its version.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use crate::collect::{Collector, Downs, Draft};
use crate::listing::{Entry, Kind};
use crate::names::{self, Name};
use crate::source::Source;
use crate::{Problem, ProblemKind};

pub(super) fn collect(entries: &[Entry], out: &mut Collector) {
    let mut files = Vec::new();
    walk(entries, &mut files, out);
    let conf: HashSet<&Path> = files
        .iter()
        .filter(|entry| entry.name.ends_with(".sql.conf"))
        .map(|entry| entry.file.as_path())
        .collect();
    let mut undo = Undo::default();
    for entry in &files {
        if let Name::Versioned {
            prefix: 'U',
            version,
            is_code: false,
            ..
        } = names::read(&entry.name)
            && let Some(version) = out.layout.canonical_version(version)
        {
            undo.put(version, &entry.file);
        }
    }
    for entry in &files {
        let Name::Versioned {
            prefix,
            version,
            name,
            is_code,
        } = names::read(&entry.name)
        else {
            leave(entry, out);
            continue;
        };
        let version = out.layout.canonical_version(version);
        match (prefix, version) {
            (_, Some(version)) if is_code => {
                let problem = Problem::new(ProblemKind::Code, "is code, which can't be run here");
                out.unusable(&version, &entry.file, problem.file(&entry.file));
            }
            ('V', Some(version)) => {
                let down = undo.downs.take(&version, out);
                undo.unclear.remove(&version);
                let Some(source) = out.read(&version, &entry.file) else {
                    continue;
                };
                let no_transaction = with_conf(entry, &conf, out);
                out.add(Draft {
                    no_transaction,
                    down,
                    until_applied: placeholders(&source),
                    ..Draft::whole(version, name, &entry.file, source)
                });
            }
            ('R', _) => out.repeatable(&entry.file, "repeatable: its tool runs it at every change"),
            ('B', Some(version)) => {
                let Some(source) = out.read_beside(&entry.file) else {
                    continue;
                };
                let no_transaction = with_conf(entry, &conf, out);
                out.baseline(Draft {
                    no_transaction,
                    until_applied: placeholders(&source),
                    ..Draft::whole(version, name, &entry.file, source)
                });
            }
            _ => {}
        }
    }
    for file in undo.unclear.into_values().flatten() {
        let why = "undoes a version that has no V file (Flyway), or applies one (refinery)";
        out.ignore(ProblemKind::NameUnfit, &file, why);
    }
}

/// Undo scripts by version, until a migration has claimed them.
#[derive(Default)]
struct Undo {
    downs: Downs,
    unclear: BTreeMap<String, Vec<PathBuf>>,
}

impl Undo {
    fn put(&mut self, version: String, file: &Path) {
        self.downs.put(&version, file);
        self.unclear
            .entry(version)
            .or_default()
            .push(file.to_owned());
    }
}

fn walk<'a>(entries: &'a [Entry], files: &mut Vec<&'a Entry>, out: &mut Collector) {
    for entry in entries {
        match &entry.kind {
            Kind::File => files.push(entry),
            Kind::Folder(children) if !entry.is_hidden() => walk(children, files, out),
            _ => out.leave(entry),
        }
    }
}

fn leave(entry: &Entry, out: &mut Collector) {
    let is_callback = ["before", "after"]
        .iter()
        .any(|event| entry.name.starts_with(event));
    if is_callback && entry.name.ends_with(".sql") {
        let why = "is a callback of Flyway, which is not run";
        out.ignore(ProblemKind::NameForeign, &entry.file, why);
    } else {
        out.leave(entry);
    }
}

/// Whether the configuration beside a script says that it runs outside a transaction.
fn with_conf(entry: &Entry, conf: &HashSet<&Path>, out: &mut Collector) -> bool {
    let mut file = entry.file.clone().into_os_string();
    file.push(".conf");
    let file = PathBuf::from(file);
    conf.contains(file.as_path()) && runs_outside_transaction(&file, out)
}

/// What Flyway's script configuration says about the transaction. Other keys would change what is
/// run, or whether.
fn runs_outside_transaction(file: &Path, out: &mut Collector) -> bool {
    let Some(source) = out.read_beside(file) else {
        return false;
    };
    let mut is_outside = false;
    for (number, line) in (1u32..).zip(source.text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let (key, value) = line.split_once(['=', ':']).unwrap_or((line, ""));
        match (key.trim(), value.trim()) {
            ("executeInTransaction", "false") => is_outside = true,
            ("executeInTransaction", "true") | ("encoding", "UTF-8") => {}
            (key, _) => {
                let message = format!("sets {key}, which is not followed here");
                let problem = Problem::new(ProblemKind::SettingUnclear, message);
                out.problem(problem.file(file).line(number));
            }
        }
    }
    is_outside
}

/// Flyway replaces `${name}` before it runs a file; refinery does not.
fn placeholders(source: &Source) -> Vec<Problem> {
    let found = (1u32..)
        .zip(source.text.lines())
        .find_map(|(number, line)| {
            let start = line.find("${")?;
            let length = line[start..].find('}')?;
            Some((number, &line[start..=start + length]))
        });
    found
        .into_iter()
        .map(|(line, text)| {
            let message = format!("has {text}, which is not replaced here");
            Problem::new(ProblemKind::Placeholder, message).line(line)
        })
        .collect()
}
