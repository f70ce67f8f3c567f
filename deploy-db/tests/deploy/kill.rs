//! `kill -9` at any point of time: ledger and schema agree afterwards, and the next run goes on.

use std::time::Duration;

use crate::place::{Place, until};

fn fill(place: &Place) {
    for number in 1..=40 {
        place.file(
            &format!("{number}_t.sql"),
            format!("CREATE TABLE t{number} (x int);\nINSERT INTO t{number} VALUES (1);"),
        );
    }
}

/// How many tables there are; each has to have its row in the ledger.
#[track_caller]
fn agree(place: &Place) -> usize {
    let tables = place.tables();
    let there = tables
        .iter()
        .filter(|name| name.trim_start_matches("public.").starts_with('t'))
        .count();
    let ledger = match tables.iter().any(|name| name.ends_with("migrations")) {
        true => place.ledger(),
        false => Vec::new(),
    };
    let expected: Vec<String> = (1..=there).map(|number| number.to_string()).collect();
    assert_eq!(ledger, expected);
    there
}

fn kill_again_and_again(new: impl Fn() -> Place, rounds: u32, step: Duration) {
    let mut place = new();
    fill(&place);
    let mut killed_midway = 0;
    for round in 0..rounds {
        let mut child = place.command().spawn().unwrap();
        std::thread::sleep(step * (round % 50));
        child.kill().unwrap();
        child.wait().unwrap();
        if !place.is_sqlite() {
            // The server ends the session by itself once it sees that nobody is there.
            until("the end of the session", || {
                place.rows(
                    "SELECT count(*) FROM pg_stat_activity \
                     WHERE datname = current_database() AND application_name LIKE 'deploy-db%'",
                ) == ["0"]
            });
        }
        let there = agree(&place);
        if (1..40).contains(&there) {
            killed_midway += 1;
        }
        if there == 40 {
            place.deployed();
            place = new();
            fill(&place);
        }
    }
    place.deployed();
    assert_eq!(agree(&place), 40);
    assert!(killed_midway > rounds / 20, "{killed_midway}");
}

#[test]
fn sqlite_on_a_rollback_journal() {
    kill_again_and_again(Place::sqlite_in_memory, 150, Duration::from_micros(700));
}

#[test]
fn sqlite_in_wal_mode() {
    let new = || {
        let place = Place::sqlite();
        place.execute("PRAGMA journal_mode = WAL");
        place
    };
    kill_again_and_again(new, 150, Duration::from_micros(700));
}

#[test]
fn postgres() {
    kill_again_and_again(Place::postgres, 150, Duration::from_millis(2));
}
