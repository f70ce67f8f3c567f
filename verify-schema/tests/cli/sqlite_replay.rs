//! Replays in memory.

use migrations::RowState;
use tests::own_tables::Engine;

use crate::sqlite::TARGET;
use crate::support::{Place, ledger};

const REPLAY: [&str; 2] = [TARGET, "--replay"];

/// A place where the files were applied as they stand.
fn applied(files: &[(&str, &str)]) -> Place {
    let place = Place::new();
    place.sqlite(&place.migrations(files));
    place.sqlite(&place.ledger(Engine::Sqlite));
    place
}

#[test]
fn the_applied_migrations_make_what_is_there() {
    let place = applied(&[
        (
            "0001_users.sql",
            "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT);
             INSERT INTO users (email) VALUES ('a'), ('b')",
        ),
        (
            "0002_view.sql",
            "CREATE VIEW emails AS SELECT email FROM users",
        ),
        (
            "0003_session.sql",
            "PRAGMA legacy_alter_table = 1; CREATE TEMP TABLE work (a); SELECT * FROM users",
        ),
        (
            "0004_rebuild.sql",
            "DROP VIEW emails; CREATE TEMP TABLE IF NOT EXISTS main_only (a);
             CREATE TABLE n (id INTEGER PRIMARY KEY, email TEXT NOT NULL);
             INSERT INTO n SELECT * FROM users; DROP TABLE users; ALTER TABLE n RENAME TO users;
             CREATE VIEW emails AS SELECT email FROM users",
        ),
        ("0005_vacuum.sql", "-- lockstep: no-transaction\nVACUUM"),
        (
            "0006_own.sql",
            "BEGIN; CREATE TABLE own (a); COMMIT; CREATE INDEX own_a ON own (a)",
        ),
        (
            "0007_fts.sql",
            "CREATE VIRTUAL TABLE texts USING fts5 (body)",
        ),
    ]);
    // Not applied, so not replayed.
    place.write("migrations/0008_pending.sql", "CREATE TABLE pending (a)");
    let before = std::fs::read(place.path("app.db")).unwrap();
    let ran = place.run(&REPLAY);
    ran.exits(0)
        .says("PASS migrations-replayable 7 applied\n")
        .says("pass: as expected by the replay of 7 migrations\n");
    assert_eq!(std::fs::read(place.path("app.db")).unwrap(), before);
    assert_eq!(place.names(), ["app.db", "migrations"]);

    place.sqlite("DROP INDEX own_a; ALTER TABLE users ADD COLUMN age INT");
    let ran = place.run(&REPLAY);
    ran.exits(1);
    assert_eq!(
        ran.failures(),
        [
            "index-present own.own_a: not found",
            "column-declared users.age: not expected",
        ]
    );
}

#[test]
fn it_counts_before_a_file_and_the_ledger() {
    let place = applied(&[("0001_t.sql", "CREATE TABLE t (a INT)")]);
    place.sqlite("CREATE TABLE by_hand (a)");
    place.record("schema.toml");
    place.write("lockstep.toml", "[schema]\nexpected = \"schema.toml\"\n");
    place.run(&[TARGET]).exits(0);
    let ran = place.run(&REPLAY);
    ran.exits(1);
    assert_eq!(ran.failures(), ["table-declared by_hand: not expected"]);
}

#[test]
fn a_file_that_fails_is_named_with_its_line() {
    let place = applied(&[("0001_t.sql", "CREATE TABLE t (a)")]);
    place.write(
        "migrations/0002_data.sql",
        "CREATE TABLE u (a INT NOT NULL);\n\nINSERT INTO u\n  VALUES (NULL);\n",
    );
    place.sqlite(&place.ledger(Engine::Sqlite));
    place
        .run(&REPLAY)
        .exits(1)
        .says(
            "FAIL migrations-replayable migrations/0002_data.sql: NOT NULL constraint failed: u.a\n  \
             at: migrations/0002_data.sql:3\n",
        )
        .says("the applied migrations can't be replayed")
        .says_not("table-");
}

#[test]
fn what_is_not_as_it_was_applied_is_not_replayed() {
    let place = applied(&[
        ("0001_a.sql", "CREATE TABLE a (x)"),
        ("0002_b.sql", "CREATE TABLE b (x)"),
        ("0003_c.sql", "CREATE TABLE c (x)"),
    ]);
    let set = place.set(Engine::Sqlite);
    // Only its comments changed: the same SQL ran.
    place.write(
        "migrations/0001_a.sql",
        "-- the first\r\nCREATE TABLE a (x)",
    );
    place.run(&REPLAY).exits(0);
    place.write("migrations/0002_b.sql", "CREATE TABLE b (x, y)");
    std::fs::remove_file(place.path("migrations/0003_c.sql")).unwrap();
    let ran = place.run(&REPLAY);
    ran.exits(1);
    assert_eq!(
        ran.failures(),
        [
            "migrations-replayable migrations/0002_b.sql: differs from what was applied",
            "migrations-replayable 3: was applied and has no file",
        ]
    );
    place.write("migrations/0002_b.sql", "CREATE TABLE b (x)");
    place.sqlite(&ledger(Engine::Sqlite, &set, RowState::Started));
    place
        .run(&REPLAY)
        .exits(1)
        .says("FAIL migrations-replayable 3: was started and never finished")
        .says("mark-migrations --resolve");
}

#[test]
fn the_ledgers_order_counts_and_not_the_names() {
    let place = Place::new();
    place.migrations(&[("0002_t.sql", "CREATE TABLE t (a)")]);
    let later = place.set(Engine::Sqlite);
    place.migrations(&[("0001_index.sql", "CREATE INDEX i ON t (a)")]);
    let mut set = place.set(Engine::Sqlite);
    set.migrations.reverse();
    assert_eq!(set.migrations[0].version, later.migrations[0].version);
    place.sqlite("CREATE TABLE t (a); CREATE INDEX i ON t (a)");
    place.sqlite(&ledger(Engine::Sqlite, &set, RowState::Applied));
    place.run(&REPLAY).exits(0);
}

#[test]
fn no_replay_reaches_a_file() {
    for sql in [
        "ATTACH 'other.db' AS o",
        "-- lockstep: no-transaction\nVACUUM INTO 'copy.db'",
    ] {
        let place = Place::new();
        place.migrations(&[("0001_t.sql", "CREATE TABLE t (a)"), ("0002_file.sql", sql)]);
        place.sqlite("CREATE TABLE t (a)");
        place.sqlite(&place.ledger(Engine::Sqlite));
        place.run(&REPLAY).exits(1).says("it can't be run here");
        assert_eq!(place.names(), ["app.db", "migrations"]);
    }
}

#[test]
fn a_database_that_no_ledger_accounts_for_is_refused() {
    let place = Place::new();
    place.migrations(&[("0001_t.sql", "CREATE TABLE t (a)")]);
    place.sqlite("CREATE TABLE t (a)");
    place
        .run(&REPLAY)
        .exits(1)
        .says("no ledger")
        .says("mark-migrations --applied-through");
    // An empty one is what no migration makes.
    place.sqlite("DROP TABLE t");
    place
        .run(&REPLAY)
        .exits(0)
        .says("the replay of 0 migrations");
    std::fs::remove_dir_all(place.path("migrations")).unwrap();
    place
        .run(&REPLAY)
        .exits(2)
        .says("cannot read migrations folder");
}

#[test]
fn thousands_of_migrations_are_replayed() {
    let place = Place::new();
    let mut all = String::from("BEGIN;");
    for number in 1..=3_000 {
        let text = format!("CREATE TABLE t{number} (id INTEGER PRIMARY KEY, a TEXT);\n");
        place.write(&format!("migrations/{number:05}_t.sql"), &text);
        all.push_str(&text);
    }
    place.sqlite(&format!("{all} COMMIT"));
    place.sqlite(&place.ledger(Engine::Sqlite));
    place
        .run(&REPLAY)
        .exits(0)
        .says("as expected by the replay of 3000 migrations");
}

#[test]
fn a_line_end_inside_a_string_is_data() {
    let place = applied(&[(
        "0001_a.sql",
        "CREATE TABLE a (t TEXT DEFAULT 'x\r\ny');\r\n",
    )]);
    place.run(&REPLAY).exits(0);
    // As a checkout that converts line ends leaves it.
    place.write(
        "migrations/0001_a.sql",
        "CREATE TABLE a (t TEXT DEFAULT 'x\ny');\n",
    );
    place
        .run(&REPLAY)
        .exits(1)
        .says("differs from what was applied");
    // With the record of the file as it is now, only the schema differs.
    place.sqlite(&place.ledger(Engine::Sqlite));
    place
        .run(&REPLAY)
        .exits(1)
        .says("  expected: line 1: default 'x\n")
        .says("  actual: line 1: default 'x\\r\n");
}
