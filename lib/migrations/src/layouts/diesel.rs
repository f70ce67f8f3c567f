//! `<version>_<name>/up.sql`, with an optional `down.sql` and `metadata.toml`.
//!
//! The version is what stands before the first underscore, without its dashes; diesel sorts it as
//! text. Hidden folders don't count, and any other folder has to have an `up.sql`.

use crate::collect::{Collector, Draft};
use crate::layouts::after_first_underscore;
use crate::listing::{Entry, Kind};
use crate::{Problem, ProblemKind};

const UP: &str = "up.sql";
const DOWN: &str = "down.sql";
const METADATA: &str = "metadata.toml";

pub(super) fn collect(entries: &[Entry], out: &mut Collector) {
    for entry in entries {
        if matches!(entry.kind, Kind::Folder(_)) && !entry.is_hidden() {
            migration(entry, out);
        } else {
            out.leave(entry);
        }
    }
}

fn migration(folder: &Entry, out: &mut Collector) {
    for child in folder.entries() {
        if ![UP, DOWN].contains(&child.name.as_str()) {
            out.leave(child);
        }
    }
    let prefix = folder.name.split('_').next().unwrap_or_default();
    let Some(version) = out.layout.canonical_version(prefix) else {
        let why = "has no version before its first underscore";
        out.ignore(ProblemKind::NameUnfit, &folder.file, why);
        return;
    };
    if !folder.has_file(UP) {
        let problem =
            Problem::new(ProblemKind::UpMissing, format!("has no {UP}")).file(&folder.file);
        out.unusable(&version, &folder.file, problem);
        return;
    }
    let no_transaction = folder.has_file(METADATA) && runs_outside_transaction(folder, out);
    let down = if folder.has_file(DOWN) {
        out.down(&folder.file.join(DOWN))
    } else {
        None
    };
    let file = folder.file.join(UP);
    let Some(source) = out.read(&version, &file) else {
        return;
    };
    out.add(Draft {
        no_transaction,
        down,
        ..Draft::whole(version, after_first_underscore(&folder.name), &file, source)
    });
}

/// What `metadata.toml` says. diesel reads a file without the key as *outside* a transaction,
/// though its documentation says the opposite, and one that it can't parse as inside; neither is
/// surely meant, so both have to be made clear.
fn runs_outside_transaction(folder: &Entry, out: &mut Collector) -> bool {
    let file = folder.file.join(METADATA);
    let Some(source) = out.read_beside(&file) else {
        return false;
    };
    let (message, is_outside) = match source.text.parse::<toml::Table>() {
        Ok(table) => match table.get("run_in_transaction") {
            Some(toml::Value::Boolean(is_inside)) => return !is_inside,
            Some(_) => (
                "has a run_in_transaction that is neither true nor false",
                false,
            ),
            None => (
                "does not say run_in_transaction, which diesel takes for false",
                true,
            ),
        },
        Err(_) => ("is not TOML", false),
    };
    out.problem(Problem::new(ProblemKind::SettingUnclear, message).file(&file));
    is_outside
}
