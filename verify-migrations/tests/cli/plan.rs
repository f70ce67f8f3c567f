//! The plan's hash, which a deployment is held to.

use tests::own_tables::Engine;

use crate::support::{ENGINES, Place};

const FILES: [(&str, &str); 2] = [
    ("0001_a.sql", "CREATE TABLE a (x INT);\n"),
    ("0002_b.sql", "CREATE TABLE b (x INT);\n"),
];

/// A database with an identity.
fn place(engine: Engine, uuid: &str) -> Place {
    let place = Place::new(engine, &FILES);
    place.mark(uuid);
    place
}

#[test]
fn it_is_the_same_on_two_machines_and_twice_on_one() {
    for engine in ENGINES {
        let (one, other) = (place(engine, "u-1"), place(engine, "u-1"));
        assert_eq!(one.plan(), other.plan());
        assert_eq!(one.plan(), one.plan());
        // Another way of naming the folder.
        std::fs::create_dir(one.path("db")).unwrap();
        std::fs::rename(one.path("migrations"), one.path("db/moved")).unwrap();
        one.write_beside("lockstep.toml", "[migrations]\ndir = \"db/moved\"\n");
        assert_eq!(one.plan(), other.plan());
        let json = one.json(&[]);
        assert_eq!(json["facts"]["identity"], "u-1");
        assert_eq!(json["target"]["identity"], "u-1");
    }
}

#[test]
fn it_changes_with_target_ledger_and_files() {
    for engine in ENGINES {
        let here = place(engine, "u-1");
        let first = here.plan();
        let mut seen = vec![first.clone(), place(engine, "u-2").plan()];

        here.write(FILES[1].0, "CREATE TABLE b (x INT, y INT);\n");
        seen.push(here.plan());
        // Comments count as well: what was read is what is deployed.
        here.write(FILES[1].0, "-- b\nCREATE TABLE b (x INT);\n");
        seen.push(here.plan());
        here.write(
            FILES[1].0,
            format!("-- lockstep: no-transaction\n{}", FILES[1].1),
        );
        seen.push(here.plan());
        here.write(FILES[1].0, FILES[1].1);
        assert_eq!(here.plan(), first);
        here.write("0003_c.sql", "CREATE TABLE c (x INT);\n");
        seen.push(here.plan());
        here.remove("0003_c.sql");

        here.remove(FILES[1].0);
        here.apply_all("applied");
        here.write(FILES[1].0, FILES[1].1);
        seen.push(here.plan());

        let count = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), count);
    }
}

#[test]
fn the_search_path_that_files_run_in_is_part_of_it() {
    let here = place(Engine::Postgres, "u-1");
    let json = here.json(&[]);
    assert_eq!(json["facts"]["search_path"], "public");
    let first = here.plan();
    here.write_beside("lockstep.toml", "[migrations]\nschema = \"shop\"\n");
    assert_ne!(here.plan(), first);
    assert_eq!(here.json(&[])["facts"]["search_path"], "shop");
}

#[test]
fn without_a_mark_the_place_is_the_identity() {
    for (engine, begins) in [
        (Engine::Sqlite, "unmarked /"),
        (Engine::Postgres, "unmarked localhost:"),
    ] {
        // On PostgreSQL two databases of one server.
        let (one, other) = (Place::new(engine, &FILES), Place::new(engine, &FILES));
        assert_ne!(one.plan(), other.plan());
        let json = one.json(&[]);
        let identity = json["facts"]["identity"].as_str().unwrap();
        assert!(identity.starts_with(begins), "{identity}");
        assert_eq!(json["target"]["identity"], serde_json::Value::Null);
    }
}

#[test]
fn targets_that_can_not_be_read() {
    let mut here = Place::new(Engine::Sqlite, &FILES);
    here.run(&["sqlite:gone.db"])
        .exits(1)
        .says("there is no such file");
    assert!(!here.path("gone.db").exists());
    here.run(&["--expect", "some"]).exits(2);
    here.url = String::new();
    here.run(&[]).exits(2).says("cannot find the target");
    here.url = format!(
        "postgres://u:hunter2x@127.0.0.1:{}/d",
        tests::postgres_server::free_port()
    );
    here.run(&[]).exits(4).says_not("hunter2x");
}
