//! Comparisons of SQLite files.

use rusqlite::Connection;
use schema::Scope;
use tests::own_tables::Engine;

use crate::support::{Place, json};

pub(crate) const TARGET: &str = "sqlite:app.db";

const DDL: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT NOT NULL, age INT);
    CREATE TABLE posts (id INTEGER PRIMARY KEY, user_id INT NOT NULL REFERENCES users (id));
    CREATE INDEX posts_user ON posts (user_id);
    CREATE VIEW adults AS SELECT id FROM users WHERE age >= 18;
    CREATE TRIGGER no_delete BEFORE DELETE ON users BEGIN SELECT RAISE(ABORT, 'kept'); END";

impl Place {
    pub(crate) fn sqlite(&self, sql: &str) -> Connection {
        let connection = Connection::open(self.path("app.db")).unwrap();
        connection.execute_batch(sql).unwrap();
        connection
    }

    pub(crate) fn record(&self, file: &str) {
        let connection = self.sqlite("");
        let schema = schema::read_sqlite(&connection, &Scope::default()).unwrap();
        self.write(file, schema.to_toml().unwrap());
    }

    /// Records the schema as it is now in the ledger, for a state of the ledger.
    fn record_in_ledger(&self, state: &str) {
        let connection = self.sqlite("");
        let schema = schema::read_sqlite(&connection, &Scope::default()).unwrap();
        self.sqlite(&Engine::Sqlite.recorded_schema(&schema.to_json().unwrap(), state));
    }
}

#[test]
fn where_nothing_says_what_should_be_that_is_a_warning() {
    let place = Place::new();
    place.sqlite(DDL);
    let before = std::fs::read(place.path("app.db")).unwrap();
    let ran = place.run(&[TARGET]);
    ran.exits(0)
        .says("WARN expectation-known: nothing says what the schema should be\n")
        .says("remedy: record the schema with record-schema");
    place.run(&[TARGET, "--strict"]).exits(1);
    assert_eq!(std::fs::read(place.path("app.db")).unwrap(), before);
    assert_eq!(place.names(), ["app.db"]);
}

#[test]
fn what_is_as_recorded_passes_and_each_class_is_counted() {
    let place = Place::new();
    place.sqlite(DDL);
    place.record("schema.toml");
    let ran = place.run(&[TARGET, "--expected", "schema.toml"]);
    ran.exits(0);
    let findings: Vec<&str> = ran
        .stdout
        .lines()
        .take_while(|line| line.starts_with("PASS"))
        .collect();
    assert_eq!(
        findings,
        [
            "PASS expectation-known schema.toml",
            "PASS table-as-expected 2 tables",
            "PASS view-as-expected 1 view",
            "PASS column-as-expected 5 columns",
            "PASS primary-key-as-expected 2 primary keys",
            "PASS foreign-key-as-expected 1 foreign key",
            "PASS index-as-expected 1 index",
            "PASS trigger-as-expected 1 trigger",
        ]
    );
    ran.says("verify-schema: pass: as expected by schema.toml\n");
    assert_eq!(ran.stderr, "");
    let json = json(&place.run(&[TARGET, "--expected", "schema.toml", "--format", "json"]));
    assert_eq!(json["facts"]["expected_by"], "file");
    assert_eq!(json["facts"]["digest"], json["facts"]["digest_expected"]);
    assert_eq!(json["changed"], "no");
}

#[test]
fn a_rebuild_and_another_way_of_writing_are_no_difference() {
    let place = Place::new();
    place.sqlite(DDL);
    place.record("schema.toml");
    place.sqlite(
        "PRAGMA foreign_keys = 0; PRAGMA legacy_alter_table = 1; BEGIN;
         DROP TRIGGER no_delete; DROP VIEW adults;
         create table \"new users\"
            (age int, \"email\" text not null, -- moved
             id integer not null primary key);
         INSERT INTO \"new users\" SELECT age, email, id FROM users;
         DROP TABLE users; ALTER TABLE \"new users\" RENAME TO users;
         CREATE VIEW adults AS SELECT id FROM users WHERE age >= 18;
         CREATE TRIGGER no_delete BEFORE DELETE ON users BEGIN SELECT RAISE(ABORT, 'kept'); END;
         COMMIT; VACUUM",
    );
    place
        .run(&[TARGET, "--expected", "schema.toml"])
        .exits(0)
        .says("as expected by schema.toml");
}

#[test]
fn what_was_changed_by_hand_is_found_with_what_should_be_and_what_is() {
    let place = Place::new();
    place.sqlite(DDL);
    place.record("schema.toml");
    place.sqlite(
        "ALTER TABLE users ADD COLUMN nick TEXT; DROP INDEX posts_user; DROP TRIGGER no_delete;
         CREATE INDEX users_age ON users (age); DROP TABLE posts;
         CREATE TABLE posts (id INTEGER PRIMARY KEY, user_id TEXT REFERENCES users (id));
         CREATE TABLE scratch (a)",
    );
    let ran = place.run(&[TARGET, "--expected", "schema.toml"]);
    ran.exits(1);
    assert_eq!(
        ran.failures(),
        [
            "column-as-expected posts.user_id: differs in type, nullability",
            "index-present posts.posts_user: not found",
            "table-declared scratch: not expected",
            "column-declared users.nick: not expected",
            "index-declared users.users_age: not expected",
            "trigger-present users.no_delete: not found",
        ]
    );
    ran.says("  expected: INT; not null\n  actual: TEXT; nullable\n")
        .says("fail (exit 1): 6 differences from schema.toml\n")
        .says("PASS view-as-expected 1 view\n")
        .says_not("PASS index-as-expected");
}

#[test]
fn the_settings_name_the_file_and_bound_what_counts() {
    let place = Place::new();
    place.sqlite(DDL);
    place.sqlite("CREATE TABLE audit_log (a)");
    place.record("db/schema.toml");
    place.sqlite("DROP TABLE audit_log; CREATE TABLE audit_2 (b)");
    place.write(
        "lockstep.toml",
        "[schema]\nexpected = \"db/schema.toml\"\nignore = [\"audit_*\"]\n",
    );
    place
        .run(&[TARGET])
        .exits(0)
        .says("PASS expectation-known db/schema.toml");
    place.write("lockstep.toml", "[schema]\nexpected = \"db/schema.toml\"\n");
    let ran = place.run(&[TARGET]);
    ran.exits(1);
    assert_eq!(ran.failures().len(), 2, "{}", ran.stdout);
}

#[test]
fn the_ledgers_record_counts_where_there_is_no_file() {
    let place = Place::new();
    let applied = place.migrations(&[("0001_users.sql", DDL)]);
    place.sqlite(&applied);
    place.sqlite(&place.ledger(Engine::Sqlite));
    let survey = {
        let set = place.set(Engine::Sqlite);
        let row = migrations::LedgerRow {
            version: "1".to_owned(),
            name: "users".to_owned(),
            sha256: set.migrations[0].sha256,
            sha256_tokens: None,
            state: migrations::RowState::Applied,
            applied_at: String::new(),
            duration_ms: 0,
            applied_by: String::new(),
            run_id: String::new(),
            because: None,
            position: 1,
        };
        migrations::ledger_state(&[row])
    };
    place.record_in_ledger(&survey);
    let ran = place.run(&[TARGET, "--strict"]);
    ran.exits(0)
        .says("PASS record-current 2026-01-02T03:04:05.000Z\n")
        .says("pass: as expected by the deployment of 2026-01-02T03:04:05.000Z\n");

    place.sqlite("ALTER TABLE users ADD COLUMN by_hand TEXT");
    let ran = place.run(&[TARGET]);
    ran.exits(1);
    assert_eq!(
        ran.failures(),
        [
            "column-declared users.by_hand: not expected",
            "schema-as-recorded schema: 1 difference from what run run-1 recorded at \
             2026-01-02T03:04:05.000Z"
        ]
    );

    // A file counts before it.
    place.record("schema.toml");
    place
        .run(&[TARGET, "--expected", "schema.toml"])
        .exits(0)
        .says_not("record-current");
}

#[test]
fn a_record_of_another_ledger_state_is_said() {
    let place = Place::new();
    place.sqlite(&place.migrations(&[("0001_users.sql", DDL)]));
    place.sqlite(&place.ledger(Engine::Sqlite));
    place.record_in_ledger(&"0".repeat(64));
    place
        .run(&[TARGET])
        .exits(0)
        .says(
            "WARN record-current 2026-01-02T03:04:05.000Z: run run-1 recorded it, and the ledger has \
             changed since\n",
        )
        .says("as expected by the deployment of");
    place.run(&[TARGET, "--strict"]).exits(1);
}

#[test]
fn a_record_that_cannot_be_understood_is_no_verdict() {
    let place = Place::new();
    place.sqlite(DDL);
    place.sqlite(&Engine::Sqlite.ledger(&[]));
    for document in [
        "{",
        "{\"format\":\"lockstep-schema/9\",\"engine\":\"sqlite\"}",
        "",
    ] {
        place.sqlite(&Engine::Sqlite.recorded_schema(document, "x"));
        place
            .run(&[TARGET])
            .exits(3)
            .says("cannot understand the schema that the ledger holds");
    }
}

#[test]
fn a_database_that_is_not_there_is_an_answer() {
    let place = Place::new();
    place
        .run(&["sqlite:gone.db"])
        .exits(1)
        .says("there is no such file");
    place.write(
        "text.db",
        "this is no database, and long enough to be read as one",
    );
    place.run(&["sqlite:text.db"]).exits(1);
    place.run(&[]).exits(2).says("cannot find the target");
    assert_eq!(place.names(), ["text.db"]);
}

#[test]
fn a_wal_file_is_left_as_it_was() {
    let place = Place::new();
    place.sqlite(&format!("PRAGMA journal_mode = WAL; {DDL}"));
    place.record("schema.toml");
    let before = std::fs::read(place.path("app.db")).unwrap();
    place.run(&[TARGET, "--expected", "schema.toml"]).exits(0);
    assert_eq!(std::fs::read(place.path("app.db")).unwrap(), before);
    assert_eq!(place.names(), ["app.db", "schema.toml"]);
}
