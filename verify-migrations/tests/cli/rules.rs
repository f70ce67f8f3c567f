//! The rules on what loses data, each as a finding of this program.

use std::collections::BTreeSet;

use sql::Dialect;
use tests::own_tables::Engine;

use crate::support::Place;

/// Statements that break one rule, on a table that no pending file made.
const LOSSES: [(&str, Engine, &str); 21] = [
    ("drop-table", Engine::Sqlite, "DROP TABLE users"),
    ("drop-table", Engine::Postgres, "DROP TABLE users"),
    (
        "drop-column",
        Engine::Sqlite,
        "ALTER TABLE users DROP COLUMN age",
    ),
    (
        "drop-column",
        Engine::Postgres,
        "ALTER TABLE users DROP COLUMN age",
    ),
    (
        "narrow-type",
        Engine::Postgres,
        "ALTER TABLE users ALTER age TYPE smallint",
    ),
    (
        "narrow-type",
        Engine::Sqlite,
        "CREATE TABLE n (id REAL, age REAL); INSERT INTO n SELECT id, age FROM users; \
         DROP TABLE users; ALTER TABLE n RENAME TO users",
    ),
    ("truncate", Engine::Postgres, "TRUNCATE users"),
    ("delete-without-where", Engine::Sqlite, "DELETE FROM users"),
    (
        "delete-without-where",
        Engine::Postgres,
        "DELETE FROM users",
    ),
    (
        "update-without-where",
        Engine::Sqlite,
        "UPDATE users SET age = 0",
    ),
    (
        "update-without-where",
        Engine::Postgres,
        "UPDATE users SET age = 0",
    ),
    (
        "replace-rows",
        Engine::Sqlite,
        "INSERT OR REPLACE INTO users (id) VALUES (1)",
    ),
    (
        "catalog-write",
        Engine::Postgres,
        "UPDATE pg_attribute SET attisdropped = true WHERE attname = 'age'",
    ),
    ("drop-schema", Engine::Postgres, "DROP SCHEMA shop"),
    ("drop-database", Engine::Postgres, "DROP DATABASE shop"),
    ("drop-owned", Engine::Postgres, "DROP OWNED BY clerk"),
    ("drop-extension", Engine::Postgres, "DROP EXTENSION postgis"),
    ("drop-cascade", Engine::Postgres, "DROP TYPE mood CASCADE"),
    (
        "dynamic-sql",
        Engine::Postgres,
        "DO $$ BEGIN EXECUTE 'DROP' || ' TABLE users'; END $$",
    ),
    (
        "writable-schema",
        Engine::Sqlite,
        "PRAGMA writable_schema = 1",
    ),
    (
        "writable-schema",
        Engine::Sqlite,
        "DELETE FROM sqlite_schema WHERE name = 'users'",
    ),
];

/// Calls `check` for each, in a place where the file is the only one that is pending.
fn each(text: impl Fn(&str, &str) -> String, check: impl Fn(&str, &Place)) {
    for engine in crate::support::ENGINES {
        let users = "CREATE TABLE users (id int, age real);";
        let place = Place::new(engine, &[("0000_users.sql", users)]);
        place.change(users);
        place.apply_all("applied");
        for (rule, of, sql) in LOSSES {
            if of == engine {
                place.write("0001_loss.sql", text(rule, sql));
                check(rule, &place);
            }
        }
    }
}

/// DROP DATABASE can't stand in a transaction at all.
fn first_lines(rule: &str) -> &'static str {
    match rule {
        "drop-database" => "-- lockstep: no-transaction\n",
        _ => "-- One of ours.\n",
    }
}

#[test]
fn every_rule_of_every_dialect_is_tried() {
    let tried: BTreeSet<(&str, &str)> = LOSSES
        .iter()
        .map(|(rule, engine, _)| match engine {
            Engine::Sqlite => (*rule, Dialect::Sqlite.name()),
            Engine::Postgres => (*rule, Dialect::Postgres.name()),
        })
        .collect();
    let all: BTreeSet<(&str, &str)> = sql::RULES
        .iter()
        .flat_map(|rule| {
            rule.dialects
                .iter()
                .map(|dialect| (rule.id, dialect.name()))
        })
        .collect();
    assert_eq!(tried, all);
}

#[test]
fn what_loses_data_fails_at_its_line_and_names_the_way_to_allow_it() {
    let text = |rule: &str, sql: &str| format!("{}\n{sql};\n", first_lines(rule));
    each(text, |rule, place| {
        let ran = place.run(&[]);
        ran.exits(1)
            .says("  at: migrations/0001_loss.sql:3\n")
            .says(&format!("`-- lockstep: allow {rule} because …`"));
        assert_eq!(ran.failures().len(), 1, "{rule}: {}", ran.stdout);
        assert!(
            ran.failures()[0].starts_with(&format!("{rule} ")),
            "{}",
            ran.stdout
        );
    });
}

#[test]
fn a_reviewed_exception_stands_with_its_reason() {
    let text = |rule: &str, sql: &str| {
        let first = first_lines(rule);
        format!("{first}-- lockstep: allow {rule} because nobody uses it\n{sql};\n")
    };
    each(text, |_, place| {
        place
            .run(&["--strict"])
            .exits(0)
            .says("PASS exception-reviewed")
            .says("; allowed because nobody uses it\n")
            .says("  at: migrations/0001_loss.sql:3\n");
    });
}

#[test]
fn an_exception_without_a_reason_or_of_another_rule_allows_nothing() {
    for allow in ["", " because", " because  ", " since it is old"] {
        let text = |rule: &str, sql: &str| {
            let first = first_lines(rule);
            format!("{first}-- lockstep: allow {rule}{allow}\n{sql};\n")
        };
        each(text, |rule, place| {
            place
                .run(&[])
                .exits(1)
                .says("FAIL directives-valid 0001_loss.sql")
                .says(&format!("FAIL {rule} "));
        });
    }
    let text = "-- lockstep: allow drop-column because nobody uses it\nDROP TABLE users;\n";
    let place = Place::new(Engine::Sqlite, &[("0001_loss.sql", text)]);
    place.run(&[]).exits(1).says("FAIL drop-table ");
}

#[test]
fn what_the_pending_files_made_themselves_holds_nothing_to_lose() {
    for engine in crate::support::ENGINES {
        let place = Place::new(
            engine,
            &[
                ("0001_t.sql", "CREATE TABLE draft (a INT);"),
                ("0002_drop.sql", "DROP TABLE draft;"),
            ],
        );
        place
            .run(&["--strict"])
            .exits(0)
            .says("PASS drop-table 2 pending files");
        // Once the first is applied, there may be rows.
        place.remove("0002_drop.sql");
        place.apply_all("applied");
        place.change("CREATE TABLE draft (a INT)");
        place.write("0002_drop.sql", "DROP TABLE draft;");
        place.run(&[]).exits(1).says("FAIL drop-table ");
    }
}

/// What the database has decides, and not what a file says that was there.
#[test]
fn the_columns_of_the_database_are_known() {
    let applied = [("0000_applied.sql", "SELECT 1;")];
    let sqlite = Place::new(Engine::Sqlite, &applied);
    sqlite.change("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT)");
    sqlite.apply_all("applied");
    let rebuild = |query: &str| {
        format!(
            "CREATE TABLE n (id INTEGER PRIMARY KEY, name TEXT, email TEXT);\n\
             INSERT INTO n {query} FROM users;\nDROP TABLE users;\nALTER TABLE n RENAME TO users;\n"
        )
    };
    sqlite.write("0001_rebuild.sql", rebuild("SELECT *"));
    sqlite.run(&[]).exits(0);
    sqlite.write("0001_rebuild.sql", rebuild("SELECT DISTINCT *"));
    sqlite.run(&[]).exits(1).says(
        "FAIL drop-table users: the table is dropped with its rows; it is no rebuild, because in \
         line 2 DISTINCT leaves rows out\n",
    );
    sqlite.write("0001_rebuild.sql", rebuild("(id, name) SELECT id, name"));
    sqlite
        .run(&[])
        .exits(1)
        .says("FAIL drop-column users.email: the rebuild of the table leaves the column out\n");
    sqlite.write(
        "0001_rebuild.sql",
        rebuild("SELECT id, CAST(name AS INTEGER), email"),
    );
    sqlite
        .run(&[])
        .exits(1)
        .says("FAIL narrow-type users.name: ");

    let postgres = Place::new(Engine::Postgres, &applied);
    postgres.change(
        "CREATE SCHEMA shop; CREATE TABLE shop.users (id bigint, price float8);
         CREATE TABLE users (id int, name varchar(50), price numeric(8,2))",
    );
    postgres.apply_all("applied");
    postgres.write(
        "0001_wider.sql",
        "ALTER TABLE users ALTER id TYPE bigint, ALTER name TYPE varchar(100),
            ALTER price TYPE numeric(12,2);",
    );
    postgres.run(&[]).exits(0);
    postgres.write_beside("lockstep.toml", "[migrations]\nschema = \"shop\"\n");
    postgres.write(
        "0001_wider.sql",
        "ALTER TABLE users ALTER price TYPE numeric;",
    );
    postgres
        .run(&[])
        .exits(1)
        .says("FAIL narrow-type users.price: numeric does not hold every double precision\n");
}

#[test]
fn the_line_is_the_files_own_in_a_layout_with_sections() {
    let text =
        "-- a file of dbmate's\n-- migrate:up\n\nDROP TABLE users;\n-- migrate:down\nSELECT 1;\n";
    let place = Place::new(Engine::Postgres, &[("1_drop.sql", text)]);
    place
        .run(&[])
        .exits(1)
        .says("  at: migrations/1_drop.sql:4\n");
}

#[test]
fn an_exception_above_a_section_counts() {
    let text = "-- lockstep: allow drop-table because nobody uses it\n-- migrate:up\nDROP TABLE users;\n\
                -- migrate:down\nSELECT 1;\n";
    let place = Place::new(Engine::Postgres, &[("1_drop.sql", text)]);
    place
        .run(&[])
        .exits(0)
        .says("PASS exception-reviewed users: ");
}
