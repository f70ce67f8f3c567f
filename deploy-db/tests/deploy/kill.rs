//! `kill -9` at any point of time: ledger and schema agree afterwards, and the next run goes on.

use std::io::{BufRead as _, BufReader};
use std::process::Child;

use crate::place::{Place, until};
use crate::signals::{long, until_long};

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

/// Kills with what no process sees coming, and waits until nothing of it is left.
fn kill(place: &Place, mut child: Child) {
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
}

/// Kills when the program says that it begins with a file, a few behind the last that is applied:
/// what it does in the moment after that is as chance has it.
fn kill_again_and_again(new: impl Fn() -> Place, rounds: usize) {
    let mut place = new();
    fill(&place);
    let mut there = 0;
    let mut killed_midway = 0;
    for round in 0..rounds {
        let mut child = place.command().spawn().unwrap();
        let begins = format!("applying {}_t.sql", there + 1 + round % 6);
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let _ = stderr
            .lines()
            .map_while(Result::ok)
            .find(|line| line.contains(&begins));
        kill(&place, child);
        there = agree(&place);
        killed_midway += usize::from((1..40).contains(&there));
        if there == 40 {
            place.deployed();
            place = new();
            fill(&place);
            there = 0;
        }
    }
    place.deployed();
    assert_eq!(agree(&place), 40);
    assert!(killed_midway > 0);
}

#[test]
fn sqlite_on_a_rollback_journal() {
    kill_again_and_again(Place::sqlite_in_memory, 100);
}

#[test]
fn sqlite_in_wal_mode() {
    let new = || {
        let place = Place::sqlite();
        place.execute("PRAGMA journal_mode = WAL");
        place
    };
    kill_again_and_again(new, 100);
}

#[test]
fn postgres() {
    kill_again_and_again(Place::postgres, 100);
}

#[test]
fn in_a_transaction_nothing_is_left() {
    for place in Place::both() {
        place.file("1_a.sql", "CREATE TABLE a (x int);");
        place.deployed();
        place.file(
            "2_b.sql",
            format!("CREATE TABLE b (x int);\n{}", long(&place)),
        );
        let child = place.command().spawn().unwrap();
        until_long(&place);
        kill(&place, child);
        assert_eq!(place.ledger(), ["1"]);
        place.file("2_b.sql", "CREATE TABLE b (x int);");
        place.deployed();
    }
}

#[test]
fn outside_a_transaction_the_row_is_dirty() {
    for place in Place::both() {
        place.file("1_a.sql", "CREATE TABLE a (x int);");
        place.deployed();
        place.file(
            "2_b.sql",
            format!(
                "-- lockstep: no-transaction\nCREATE TABLE b (x int);\n{}\n",
                long(&place)
            ),
        );
        let child = place.command().spawn().unwrap();
        if place.is_sqlite() {
            until("the table", || place.tables().contains(&"b".to_owned()));
        } else {
            until_long(&place);
        }
        kill(&place, child);
        assert_eq!(place.ledger(), ["1", "2!"]);
        place.deploy().is(1, "no").says("never finished");
        place.execute("DROP TABLE b");
        place
            .writer()
            .resolve("2", db_write::Resolution::Pending, "undone by hand")
            .unwrap();
        place.file(
            "2_b.sql",
            "-- lockstep: no-transaction\nCREATE TABLE b (x int);\n",
        );
        place.deployed();
        assert_eq!(place.ledger(), ["1", "2"]);
    }
}
