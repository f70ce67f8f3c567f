//! At which version a database is that is not adopted.

use serde_json::Value;
use tests::own_tables::Engine;
use tests::postgres_server::Server;

use crate::support::{ENGINES, Place};

const FILES: [(&str, &str); 3] = [
    (
        "0001_users.sql",
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);",
    ),
    (
        "0002_posts.sql",
        "CREATE TABLE posts (id INTEGER PRIMARY KEY, body TEXT DEFAULT 'x');",
    ),
    (
        "0003_tags.sql",
        "CREATE TABLE tags (id INTEGER PRIMARY KEY);",
    ),
];

/// The target's own server, which is nobody's production.
const SAME_SERVER: &str = "[scratch]\nserver = { env = \"DATABASE_URL\" }\nsame_server = true\n";

/// A database in which the first files were run by hand.
fn ran(engine: Engine, files: &[(&str, &str)], count: usize) -> Place {
    let place = Place::new(engine, files);
    place.write_beside("lockstep.toml", SAME_SERVER);
    for (_, text) in &files[..count] {
        place.change(text);
    }
    place
}

fn versions(json: &Value) -> Vec<&str> {
    let found = json["facts"]["adoption"]["versions"].as_array();
    let found = found.unwrap_or_else(|| panic!("{json:#}"));
    found
        .iter()
        .map(|version| version.as_str().unwrap())
        .collect()
}

#[test]
fn the_version_is_the_one_whose_files_make_the_schema() {
    for engine in ENGINES {
        for count in 1..=3 {
            let place = ran(engine, &FILES, count);
            place
                .run(&[])
                .exits(1)
                .says(&format!(
                    "not adopted: its schema is that of version {count}\n"
                ))
                .says(&format!("mark-migrations --applied-through {count}"));
            let json = place.json(&[]);
            assert_eq!(versions(&json), [count.to_string()]);
            for name in ["schema", "files"] {
                let digest = json["facts"]["adoption"][name].as_str().unwrap();
                assert_eq!(digest.len(), 64);
            }
        }
    }
}

#[test]
fn a_plain_owner_may_find_it_too() {
    let mut place = ran(Engine::Postgres, &FILES, 0);
    Server::shared()
        .connect("postgres")
        .batch_execute("CREATE ROLE finder LOGIN CREATEDB PASSWORD 'f'")
        .unwrap();
    place.change("GRANT CREATE ON SCHEMA public TO finder");
    place.change(&format!("SET ROLE finder; {}", FILES[0].1));
    let database = place.url.rsplit('/').next().unwrap().to_owned();
    place.url = Server::shared().url_as("finder", "f", &database);
    assert_eq!(versions(&place.json(&[])), ["1"]);
    place.write_beside("lockstep.toml", "[scratch]\nserver = \"temporary\"\n");
    assert_eq!(versions(&place.json(&[])), ["1"]);
}

#[test]
fn versions_that_a_schema_cannot_tell_apart_are_all_named() {
    for engine in ENGINES {
        let files: Vec<(&str, &str)> = vec![
            FILES[0],
            ("0002_fill.sql", "INSERT INTO users VALUES (1, 'a');"),
            ("0003_gone.sql", "CREATE TABLE gone (a INTEGER);"),
            ("0004_gone.sql", "DROP TABLE gone;"),
            (
                "0005_tags.sql",
                "CREATE TABLE tags (id INTEGER PRIMARY KEY);",
            ),
        ];
        let place = ran(engine, &files, 2);
        place
            .run(&[])
            .exits(1)
            .says("its schema is that of the versions 1, 2 and 4")
            .says("the schema can't tell");
        assert_eq!(versions(&place.json(&[])), ["1", "2", "4"]);
    }
}

#[test]
fn what_differs_from_the_nearest_version_is_said() {
    for engine in ENGINES {
        let place = ran(engine, &FILES, 2);
        place.change("ALTER TABLE posts ADD COLUMN by_hand INTEGER");
        let ran = place.run(&[]);
        ran.exits(1)
            .says("no version has this schema, and the nearest is 2 with 1 difference: column-declared")
            .says("posts.by_hand: not expected")
            .says("--applied-through none");
        let json = place.json(&[]);
        assert_eq!(json["facts"]["adoption"], Value::Null);
    }
}

#[test]
fn what_an_outline_does_not_show_counts_all_the_same() {
    for engine in ENGINES {
        let files = [
            ("0001_t.sql", "CREATE TABLE t (a INTEGER DEFAULT 1);"),
            (
                "0002_t.sql",
                "DROP TABLE t; CREATE TABLE t (a INTEGER DEFAULT 2);",
            ),
            (
                "0003_t.sql",
                "DROP TABLE t; CREATE TABLE t (a INTEGER DEFAULT 3);",
            ),
        ];
        let place = ran(engine, &files, 2);
        assert_eq!(versions(&place.json(&[])), ["2"]);
        place.change("DROP TABLE t; CREATE TABLE t (a INTEGER DEFAULT 4);");
        place
            .run(&[])
            .exits(1)
            .says("with 1 difference: column-as-expected");
    }
}

#[test]
fn a_file_that_cannot_be_replayed_leaves_a_doubt() {
    for engine in ENGINES {
        let files = [
            FILES[0],
            ("0002_fill.sql", "INSERT INTO missing VALUES (1);"),
            FILES[2],
        ];
        let place = ran(engine, &files, 1);
        place
            .run(&[])
            .exits(1)
            .says("its schema is that of version 1; a later one may have it too")
            .says("migrations/0002_fill.sql")
            .says("the schema can't tell");
    }
}

#[test]
fn without_a_scratch_server_the_version_is_unknown() {
    let place = ran(Engine::Postgres, &FILES, 2);
    place.write_beside("lockstep.toml", "");
    place
        .run(&[])
        .exits(1)
        .says("version unknown: no scratch server is named")
        .says("`[scratch]` and below it `server = \"temporary\"`");
    // One that may not be used is no better.
    place.write_beside(
        "lockstep.toml",
        "[scratch]\nserver = { env = \"DATABASE_URL\" }\n",
    );
    place
        .run(&[])
        .exits(1)
        .says("version unknown: cannot replay on the scratch server");
}

#[test]
fn beside_another_tools_ledger_no_version_is_named() {
    for engine in ENGINES {
        let place = ran(engine, &FILES, 2);
        place.change(
            "CREATE TABLE flyway_schema_history (installed_rank INTEGER, version TEXT, checksum INTEGER)",
        );
        let ran = place.run(&[]);
        ran.exits(1)
            .says("flyway_schema_history: Flyway keeps there which migrations are applied")
            .says_not("--applied-through 2")
            .says_not("--applied-through 3");
        assert_eq!(place.json(&[])["facts"]["adoption"], Value::Null);
    }
}

#[test]
fn a_view_of_all_columns_grows_with_its_table() {
    for engine in ENGINES {
        let files = [
            (
                "0001_a.sql",
                "CREATE TABLE a (x INTEGER); CREATE VIEW v AS SELECT * FROM a;",
            ),
            ("0002_y.sql", "ALTER TABLE a ADD COLUMN y INTEGER;"),
            ("0003_y.sql", "UPDATE a SET y = 1;"),
        ];
        let place = ran(engine, &files, 2);
        assert_eq!(versions(&place.json(&[])), ["2", "3"]);
    }
}
