//! Many deployments at once, and many files in one.

use std::process::Child;

use crate::place::Place;
use tests::answer::Answer;

fn ten(place: &Place, args: &[&str]) -> Vec<Answer> {
    let children: Vec<Child> = (0..10)
        .map(|_| place.command().args(args).spawn().unwrap())
        .collect();
    children.into_iter().map(Answer::from_child).collect()
}

fn fill(place: &Place) {
    for number in 1..=20 {
        let sql = match number {
            1 => "CREATE TABLE t (x int);".to_owned(),
            number => format!("INSERT INTO t VALUES ({number});"),
        };
        place.file(&format!("{number}_t.sql"), sql);
    }
}

#[test]
fn of_ten_at_once_one_deploys_and_the_others_are_told_who() {
    for place in Place::both() {
        fill(&place);
        // Whoever comes late finds nothing to do.
        let all = ten(&place, &[]);
        let deployed = all.iter().filter(|ran| ran.json["changed"] == "yes");
        assert_eq!(deployed.count(), 1);
        for ran in &all {
            match ran.code {
                Some(0) => {}
                Some(5) => {
                    ran.is(5, "no")
                        .says("held by deploy-db")
                        .says("--wait-lock");
                }
                _ => panic!("{ran:?}"),
            }
        }
        assert_eq!(place.rows("SELECT count(*) FROM t"), ["19"]);
        assert_eq!(place.ledger().len(), 20);
    }
}

#[test]
fn of_ten_that_wait_one_deploys_and_the_others_find_nothing_to_do() {
    for place in Place::both() {
        fill(&place);
        let all = ten(&place, &["--wait-lock", "60s"]);
        assert!(all.iter().all(|ran| ran.code == Some(0)), "{all:?}");
        let deployed = all.iter().filter(|ran| ran.json["changed"] == "yes");
        assert_eq!(deployed.count(), 1);
        assert_eq!(place.rows("SELECT count(*) FROM t"), ["19"]);
    }
}

#[test]
fn the_lock_of_a_file_is_one_whatever_leads_to_it() {
    let place = Place::sqlite();
    fill(&place);
    std::os::unix::fs::symlink(place.database(), place.path("link.db")).unwrap();
    let mut holder = place.writer();
    holder.lock(std::time::Duration::ZERO, &mut |_| {}).unwrap();
    let ran = place.deploy_with(&[], &[("DATABASE_URL", "sqlite:link.db")]);
    ran.is(5, "no").says("held by test");
    drop(holder);
    assert!(!place.path("app.db.lockstep-lock").exists());
}

#[test]
fn ten_thousand_files_are_applied() {
    let place = Place::sqlite_in_memory();
    place.file("00001_t.sql", "CREATE TABLE t (x int);\n");
    for number in 2..=10_000 {
        place.file(
            &format!("{number:05}_t.sql"),
            format!("INSERT INTO t VALUES ({number});\n"),
        );
    }
    place.deployed();
    assert_eq!(place.rows("SELECT count(*) FROM t"), ["9999"]);
    assert_eq!(
        place.rows("SELECT count(*) FROM lockstep_migrations"),
        ["10000"]
    );
    place.deployed().is(0, "no");
}
