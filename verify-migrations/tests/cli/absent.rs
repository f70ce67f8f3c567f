//! What the database does not have, as it says itself.

use tests::own_tables::Engine;

use crate::support::{ENGINES, Place};

#[test]
fn a_history_that_starts_anew_passes_on_an_empty_database() {
    for engine in ENGINES {
        let place = Place::new(
            engine,
            &[
                (
                    "1_a.sql",
                    "DROP TABLE IF EXISTS a;\nCREATE TABLE IF NOT EXISTS a (x int, y int);\nINSERT INTO a VALUES (1, 2);\n",
                ),
                (
                    "2_b.sql",
                    "ALTER TABLE a DROP COLUMN y;\nDELETE FROM a;\nDROP TABLE a;\n",
                ),
            ],
        );
        place.run(&["--strict"]).exits(0);
        // Lockstep's own mark is no data.
        place.mark("1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b");
        place.run(&["--strict"]).exits(0);
    }
    let place = Place::new(
        Engine::Postgres,
        &[(
            "1_a.sql",
            "DROP SCHEMA IF EXISTS shop CASCADE;\nDROP TYPE IF EXISTS mood CASCADE;\n\
             DROP EXTENSION IF EXISTS citext CASCADE;\nCREATE TYPE mood AS ENUM ('a');\n\
             CREATE TABLE a (m mood);\nTRUNCATE a CASCADE;\n\
             DO $$ BEGIN EXECUTE format('DROP TABLE %I', 'a'); END $$;\n",
        )],
    );
    place.run(&["--strict"]).exits(0);
}

#[test]
fn what_is_there_is_there_in_every_form() {
    for (engine, there) in [
        (
            Engine::Sqlite,
            "CREATE TABLE users (id int); CREATE VIEW seen AS SELECT * FROM users; \
             CREATE VIRTUAL TABLE found USING fts5(x);",
        ),
        (
            Engine::Postgres,
            "CREATE TABLE users (id int, a text, g int GENERATED ALWAYS AS (1) STORED); \
             CREATE VIEW seen AS SELECT id FROM users; CREATE TABLE bare (); \
             CREATE TYPE pair AS (a int, b int); CREATE SCHEMA shop; \
             CREATE MATERIALIZED VIEW found AS SELECT id FROM users;",
        ),
    ] {
        let place = Place::new(engine, &[("1_a.sql", "CREATE TABLE users (id int);\n")]);
        place.change(there);
        place.apply_all("applied");
        for name in ["users", "seen", "found"] {
            place.write(
                "2_b.sql",
                format!("CREATE TABLE IF NOT EXISTS {name} (id int);\nDELETE FROM {name};\n"),
            );
            place
                .run(&[])
                .exits(1)
                .says(&format!("FAIL delete-without-where {name}"))
                .says("  at: migrations/2_b.sql:2\n");
        }
        for sql in [
            "CREATE TABLE IF NOT EXISTS absent (id int);\nDELETE FROM absent;\nDROP TABLE absent;\n",
            "DROP TABLE IF EXISTS absent;\n",
        ] {
            place.write("2_b.sql", sql);
            place.run(&["--strict"]).exits(0);
        }
    }
    let place = Place::new(
        Engine::Postgres,
        &[("1_a.sql", "CREATE TABLE users (id int);\n")],
    );
    place.change(
        "CREATE TABLE users (id int, a text); CREATE TABLE bare (); CREATE SCHEMA shop; \
         CREATE TYPE pair AS (a int, b int); CREATE DOMAIN short AS varchar(3);",
    );
    place.apply_all("applied");
    for (sql, failure) in [
        ("DROP TABLE IF EXISTS bare;", "drop-table bare"),
        ("DROP SCHEMA IF EXISTS shop;", "drop-schema shop"),
        ("DROP DOMAIN IF EXISTS short CASCADE;", "drop-cascade short"),
        (
            "ALTER TYPE pair DROP ATTRIBUTE IF EXISTS a;",
            "drop-column pair.a",
        ),
        (
            "ALTER TABLE users DROP COLUMN IF EXISTS a;",
            "drop-column users.a",
        ),
        (
            "DROP EXTENSION IF EXISTS plpgsql;",
            "drop-extension plpgsql",
        ),
    ] {
        place.write("2_b.sql", sql);
        place.run(&[]).exits(1).says(&format!("FAIL {failure}"));
    }
    // Code that was there before may give a table another name.
    place.change(
        "CREATE FUNCTION moves() RETURNS void LANGUAGE sql AS 'ALTER TABLE users RENAME TO absent'",
    );
    place.record();
    place.write("2_b.sql", "SELECT moves();\nDROP TABLE IF EXISTS absent;\n");
    place.run(&[]).exits(1).says("FAIL drop-table absent");
    place.write(
        "2_b.sql",
        "SELECT lower('A');\nDROP TABLE IF EXISTS absent;\n",
    );
    place.run(&["--strict"]).exits(0);
    place.write("2_b.sql", "ALTER TABLE users DROP COLUMN IF EXISTS b;\n");
    place.run(&["--strict"]).exits(0);
}
