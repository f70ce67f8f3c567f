//! Files that can't be read, and what that means.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use contract::{Class, Classify as _};

use crate::other::{Other, Part};
use crate::{Place, open};

#[track_caller]
fn check(path: &Path, class: Class, says: &str) {
    let error = open(path).unwrap_err();
    assert_eq!(error.class(), class, "{error:?}");
    assert!(error.to_string().contains(says), "{error}");
    let remedy = error.remedy().unwrap();
    assert!(!remedy.contains("  "), "{remedy}");
}

#[test]
fn a_file_of_several_names_is_not_read_by_any_of_them() {
    let place = Place::new("wal");
    let link = place.dir.path().join("link.db");
    std::fs::hard_link(place.path(), &link).unwrap();
    let before = place.state();
    for path in [&link, &place.path()] {
        check(path, Class::Error, "2 names (hard links)");
    }
    assert_eq!(place.state(), before);
    std::fs::remove_file(&link).unwrap();
    open(&place.path()).unwrap();
}

#[test]
fn a_missing_file_is_an_answer_and_stays_missing() {
    let dir = tempfile::tempdir().unwrap();
    check(&dir.path().join("app.db"), Class::Fail, "no such file");
    check(&dir.path().join("no/app.db"), Class::Fail, "no such file");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    check(dir.path(), Class::Fail, "it is no file");
    let link = dir.path().join("link");
    std::os::unix::fs::symlink("gone.db", &link).unwrap();
    check(&link, Class::Fail, "no such file");
}

#[test]
fn something_else_and_a_damaged_file_are_answers() {
    let place = Place::new("delete");
    let path = place.path();
    let sound = std::fs::read(&path).unwrap();
    let text = "this is not a database, whatever its name says. ".repeat(100);
    std::fs::write(&path, text).unwrap();
    check(&path, Class::Fail, "it is no SQLite database");
    let mut damaged = sound.clone();
    damaged[100..200].fill(0xff);
    std::fs::write(&path, damaged).unwrap();
    check(&path, Class::Fail, "the database is corrupt");
}

#[test]
fn a_lock_is_somebody_elses() {
    for mode in ["delete", "truncate"] {
        let place = Place::new(mode);
        let _other = Other::start(Part::Lock, &place.path());
        check(
            &place.path(),
            Class::Busy,
            "another process keeps it locked",
        );
    }
}

#[test]
fn a_hot_journal_is_left_as_it_is() {
    let place = Place::new("delete");
    let other = Other::start(Part::Spill, &place.path());
    check(
        &place.path(),
        Class::Busy,
        "another process keeps it locked",
    );
    other.kill();
    let before = place.state();
    assert_eq!(place.names(), ["app.db", "app.db-journal"]);
    check(&place.path(), Class::Error, "hot journal");
    assert_eq!(place.state(), before);
}

#[test]
fn permissions_are_named() {
    let mode = std::fs::Permissions::from_mode;
    for (journal, folder, file, says) in [
        ("delete", 0o555, 0o444, "open"),
        ("wal", 0o555, 0o444, "error cannot read"),
        ("delete", 0o555, 0o000, "error cannot open"),
        ("delete", 0o000, 0o444, "error cannot open"),
    ] {
        let place = Place::new(journal);
        std::fs::set_permissions(place.path(), mode(file)).unwrap();
        std::fs::set_permissions(place.dir.path(), mode(folder)).unwrap();
        let other = Other::start_unprivileged(Part::Read, &place.path());
        std::fs::set_permissions(place.dir.path(), mode(0o755)).unwrap();
        assert!(other.said.starts_with(says), "{journal}: {}", other.said);
        if journal == "wal" {
            let expected = "it is in WAL mode, and its folder can't be written";
            assert!(other.said.contains(expected), "{}", other.said);
        }
    }
}
