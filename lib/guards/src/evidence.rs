//! What earlier runs say about the data.

use std::path::Path;

use contract::evidence::Line;
use serde_json::Value;
use settings::Resolved;

/// Snapshots that are looked at, newest first; those of other environments are passed over.
const SNAPSHOTS_READ_MAX: usize = 100;

/// Why the database of the run's environment should have tables: the last snapshot of it that the
/// evidence has, or the newest in `[backup] dir`, is one with tables. A snapshot that can't be read
/// says nothing here; reading it is backup-snapshot's business.
pub fn data_expected(chain: Option<&[Line]>, resolved: &Resolved) -> Option<String> {
    let environment = resolved.environment.as_deref()?;
    by_evidence(chain.unwrap_or_default(), environment).or_else(|| {
        let dir = resolved.settings.backup.dir.as_deref()?;
        by_snapshots(dir, environment)
    })
}

fn by_evidence(chain: &[Line], environment: &str) -> Option<String> {
    let last = chain.iter().rev().find(|line| {
        line.value["tool"] == "backup-snapshot"
            && line.value["class"] == "pass"
            && line.value["environment"] == environment
    })?;
    has_tables("its last snapshot", last.value["facts"]["tables"].as_u64()?)
}

fn by_snapshots(dir: &Path, environment: &str) -> Option<String> {
    // Names begin with the time, so the newest is the last.
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort_unstable_by(|one, other| other.cmp(one));
    names.truncate(SNAPSHOTS_READ_MAX);
    let (name, manifest) = names.iter().find_map(|name| {
        let bytes = std::fs::read(dir.join(name).join("manifest.json")).ok()?;
        let manifest: Value = serde_json::from_slice(&bytes).ok()?;
        (manifest["environment"] == environment).then_some((name, manifest))
    })?;
    let tables = manifest["tables"].as_array()?.len() as u64;
    has_tables(&format!("its snapshot {name}"), tables)
}

fn has_tables(what: &str, tables: u64) -> Option<String> {
    match tables {
        0 => None,
        1 => Some(format!("{what} has a table")),
        tables => Some(format!("{what} has {tables} tables")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_snapshot_of_the_environment_counts() {
        let dir = tempfile::tempdir().unwrap();
        for (name, environment, tables) in [
            ("20260101T000000Z-blue-1", "blue", 3),
            ("20260102T000000Z-blue-2", "blue", 2),
            ("20260103T000000Z-green-3", "green", 9),
        ] {
            let folder = dir.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            let tables: Vec<u32> = (0..tables).collect();
            let manifest = serde_json::json!({ "environment": environment, "tables": tables });
            std::fs::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
        }
        assert_eq!(
            by_snapshots(dir.path(), "blue").as_deref(),
            Some("its snapshot 20260102T000000Z-blue-2 has 2 tables")
        );
        assert_eq!(by_snapshots(dir.path(), "red"), None);
        assert_eq!(by_snapshots(&dir.path().join("none"), "blue"), None);
    }
}
