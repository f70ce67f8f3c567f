//! SQLite sessions on real files, beside other processes.

#![allow(
    clippy::unwrap_used,
    reason = "a helper that fails fails the test that asked for it"
)]

mod other;
mod refusals;
mod traces;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use db_read::{Options, SqliteError, SqliteSession};
use rusqlite::Connection;
use settings::SqliteTarget;

fn open(path: &Path) -> Result<SqliteSession, SqliteError> {
    let target = SqliteTarget {
        path: path.to_owned(),
    };
    let options = Options {
        lock_timeout: Duration::from_millis(50),
        ..Options::new("test")
    };
    SqliteSession::open(&target, &options)
}

fn rows(session: &SqliteSession) -> i64 {
    session
        .connection()
        .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .unwrap()
}

/// A folder with `app.db`, which has a table `t` of 1000 rows.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new(journal_mode: &str) -> Place {
        let place = Place {
            dir: tempfile::tempdir().unwrap(),
        };
        let connection = Connection::open(place.path()).unwrap();
        connection
            .pragma_update(None, "journal_mode", journal_mode)
            .unwrap();
        connection
            .execute_batch(
                "CREATE TABLE t (x); WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 \
                 FROM c WHERE i < 1000) INSERT INTO t SELECT printf('%0200d', i) FROM c",
            )
            .unwrap();
        connection.close().unwrap();
        place
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("app.db")
    }

    /// Everything in the folder, byte by byte, and when it was changed. Never while a session of
    /// this process is open.
    fn state(&self) -> BTreeMap<String, (SystemTime, Vec<u8>)> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let entry = |entry: std::fs::DirEntry| {
            let changed = entry.metadata().unwrap().modified().unwrap();
            let bytes = std::fs::read(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), (changed, bytes))
        };
        entries.map(|found| entry(found.unwrap())).collect()
    }

    fn names(&self) -> Vec<String> {
        // Without opening them: closing a database would drop this process's locks on it.
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn one_snapshot_until_renewed_and_no_write() {
    let place = Place::new("wal");
    let mut session = open(&place.path()).unwrap();
    let writer = Connection::open(place.path()).unwrap();
    assert_eq!(rows(&session), 1000);
    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    assert_eq!(rows(&session), 1000);
    session.renew_snapshot().unwrap();
    assert_eq!(rows(&session), 1001);
    for sql in ["INSERT INTO t VALUES (2)", "PRAGMA user_version = 7"] {
        assert!(session.connection().execute_batch(sql).is_err(), "{sql}");
    }
}

#[test]
fn what_the_file_is_is_known() {
    for mode in ["wal", "delete"] {
        let place = Place::new(mode);
        let session = open(&place.path()).unwrap();
        let facts = session.facts().unwrap();
        assert_eq!(facts.journal_mode, mode);
        assert_eq!(facts.encoding, "UTF-8");
        assert_eq!(facts.sqlite_version, rusqlite::version());
        let size = std::fs::metadata(place.path()).unwrap().len();
        assert_eq!(
            u64::from(facts.page_size) * u64::from(facts.page_count),
            size
        );
    }
}

#[test]
fn a_name_is_never_read_as_a_uri_and_an_empty_file_is_a_database() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file:app.db?mode=memory");
    std::fs::write(&path, "").unwrap();
    let session = open(&path).unwrap();
    assert_eq!(session.facts().unwrap().page_count, 0);
}
