//! A read leaves no trace.

use std::path::PathBuf;

use crate::other::{Other, Part};
use crate::{Place, open, rows};

const NOTHING: [PathBuf; 0] = [];

#[test]
fn a_read_leaves_the_folder_as_it_was() {
    for mode in ["delete", "truncate", "persist", "wal"] {
        let place = Place::new(mode);
        let before = place.state();
        let session = open(&place.path()).unwrap();
        assert_eq!(rows(&session), 1000);
        assert_eq!(session.close().files, NOTHING, "{mode}");
        assert_eq!(place.state(), before, "{mode}");
        // Also where nobody closes it, as when an error ends the run.
        drop(open(&place.path()).unwrap());
        assert_eq!(place.state(), before, "{mode}");
    }
}

#[test]
fn through_a_link_too() {
    let place = Place::new("wal");
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("link.db");
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    let before = place.state();
    let session = open(&link).unwrap();
    assert_eq!(place.names(), ["app.db", "app.db-shm", "app.db-wal"]);
    assert_eq!(session.close().files, NOTHING);
    assert_eq!(place.state(), before);
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 1);
}

#[test]
fn a_writer_beside_keeps_what_is_its_own() {
    let place = Place::new("wal");
    let other = Other::start(Part::Write, &place.path());
    let mut before = place.state();
    let session = open(&place.path()).unwrap();
    assert_eq!(rows(&session), 1001);
    assert_eq!(session.close().files, NOTHING);
    let mut after = place.state();
    // The index that all readers share notes who reads.
    before.remove("app.db-shm");
    assert!(after.remove("app.db-shm").is_some());
    assert_eq!(after, before);
    other.end();
    assert_eq!(place.names(), ["app.db"]);
    assert_eq!(rows(&open(&place.path()).unwrap()), 1001);
}

#[test]
fn a_dead_writers_log_is_read_and_left() {
    let place = Place::new("wal");
    Other::start(Part::Write, &place.path()).kill();
    // With the index that it left, and without, as in a copy.
    for keep_index in [true, false] {
        let index = place.dir.path().join("app.db-shm");
        if !keep_index {
            std::fs::remove_file(&index).unwrap();
        }
        let mut before = place.state();
        before.remove("app.db-shm");
        let session = open(&place.path()).unwrap();
        assert_eq!(rows(&session), 1001);
        let left = session.close().files;
        let mut after = place.state();
        after.remove("app.db-shm");
        assert_eq!(after, before);
        // What can't be taken away safely is said.
        let expected = if keep_index { vec![] } else { vec![index] };
        assert_eq!(left, expected);
    }
}

#[test]
fn a_writer_that_came_and_went_meanwhile_loses_nothing() {
    let place = Place::new("wal");
    let before = place.state();
    let session = open(&place.path()).unwrap();
    assert_eq!(rows(&session), 1000);
    Other::start(Part::WriteAndClose, &place.path()).end();
    assert_eq!(rows(&session), 1000);
    // Its row is in the log, which is not ours to merge or to take away, nor a trace of ours.
    assert_eq!(session.close().files, NOTHING);
    let after = place.state();
    assert_eq!(after["app.db"], before["app.db"]);
    assert_eq!(rows(&open(&place.path()).unwrap()), 1001);
}

#[test]
fn a_reader_that_stays_takes_the_files_away_itself() {
    let place = Place::new("wal");
    let session = open(&place.path()).unwrap();
    let other = rusqlite::Connection::open(place.path()).unwrap();
    other
        .query_row("SELECT count(*) FROM t", [], |_| Ok(()))
        .unwrap();
    assert_eq!(session.close().files, NOTHING);
    assert_eq!(place.names(), ["app.db", "app.db-shm", "app.db-wal"]);
    drop(other);
    assert_eq!(place.names(), ["app.db"]);
}

#[test]
fn files_that_can_not_be_taken_away_are_said() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new("wal");
    let mode = |path: &std::path::Path, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, mode).unwrap();
    };
    // A user that may write the folder, and not the file.
    mode(&place.path(), 0o444);
    mode(place.dir.path(), 0o777);
    let other = Other::start_unprivileged(Part::Leftovers, &place.path());
    assert_eq!(other.said, "2 files");
    assert_eq!(place.names(), ["app.db", "app.db-shm", "app.db-wal"]);
}

#[test]
fn a_writer_that_stays_keeps_its_files() {
    let place = Place::new("wal");
    let session = open(&place.path()).unwrap();
    let other = Other::start(Part::Write, &place.path());
    assert_eq!(session.close().files, NOTHING);
    assert_eq!(place.names(), ["app.db", "app.db-shm", "app.db-wal"]);
    assert_eq!(rows(&open(&place.path()).unwrap()), 1001);
    other.end();
    assert_eq!(place.names(), ["app.db"]);
}
