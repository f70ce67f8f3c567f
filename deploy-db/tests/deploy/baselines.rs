//! Flyway's baselines.

use crate::place::Place;

const FILES: [(&str, &str); 4] = [
    ("V1__a.sql", "CREATE TABLE a (x int);"),
    ("V2__b.sql", "ALTER TABLE a ADD COLUMN y int;"),
    (
        "B2__base.sql",
        "CREATE TABLE a (x int, y int); CREATE TABLE of_base (x int);",
    ),
    ("V3__c.sql", "ALTER TABLE a ADD COLUMN z int;"),
];

#[test]
fn an_empty_database_begins_with_the_baseline_and_goes_on_with_what_is_later() {
    for place in Place::both() {
        for (name, text) in FILES {
            place.file(name, text);
        }
        let ran = place.deployed();
        ran.says("2 migrations");
        assert_eq!(place.ledger().len(), 2, "{:?}", place.ledger());
        assert!(place.tables().iter().any(|table| table.contains("of_base")));
        // A newer baseline is none of this database's business, and a later file is.
        place.file("B4__base.sql", "CREATE TABLE never (x int);");
        place.file("V4__d.sql", "CREATE TABLE d (x int);");
        place.deployed().says("1 migration");
        assert!(!place.tables().iter().any(|table| table.contains("never")));
        place.deployed().says("nothing is pending");
    }
}

#[test]
fn a_database_that_has_begun_without_the_baseline_goes_on_without_it() {
    for place in Place::both() {
        place.file(FILES[0].0, FILES[0].1);
        place.deployed();
        for (name, text) in FILES {
            place.file(name, text);
        }
        place.deployed().says("2 migrations");
        assert!(!place.tables().iter().any(|table| table.contains("of_base")));
    }
}

#[test]
fn a_baseline_of_which_nothing_older_is_left_is_run() {
    for place in Place::both() {
        for (name, text) in &FILES[2..] {
            place.file(name, text);
        }
        place.deployed().says("2 migrations");
    }
}
