//! What the folder holds.

use tests::own_tables::Engine;

use crate::support::{ENGINES, Place};

#[test]
fn a_folder_without_migrations_is_a_warning_and_no_folder_a_misuse() {
    for engine in ENGINES {
        let place = Place::new(engine, &[]);
        let ran = place.run(&[]);
        ran.exits(0).says("pass: 0 applied, 0 pending, 1 warned\n");
        assert_eq!(
            ran.warnings(),
            ["folder-filled migrations: there is no migration in it"]
        );
        place.run(&["--strict"]).exits(1);
        std::fs::remove_dir(place.path("migrations")).unwrap();
        place
            .run(&[])
            .exits(2)
            .says("cannot read migrations folder migrations")
            .says("name the folder as dir under [migrations]");
    }
}

#[test]
fn every_layout_is_read_as_its_tool_does() {
    let table = "CREATE TABLE t (a INT);\n";
    for (layout, files) in [
        (
            "plain",
            &[
                ("0001_t.sql", table),
                ("0001_t.down.sql", "DROP TABLE t;\n"),
            ][..],
        ),
        (
            "up-down",
            &[("1_t.up.sql", table), ("1_t.down.sql", "DROP TABLE t;\n")],
        ),
        (
            "diesel",
            &[
                ("2024-01-02-030405_t/up.sql", table),
                ("2024-01-02-030405_t/down.sql", "DROP TABLE t;\n"),
            ],
        ),
        ("versioned", &[("V1__t.sql", table)]),
        (
            "dbmate",
            &[(
                "1_t.sql",
                "-- migrate:up\nCREATE TABLE t (a INT);\n-- migrate:down\nDROP TABLE t;\n",
            )],
        ),
        (
            "goose",
            &[(
                "1_t.sql",
                "-- +goose Up\nCREATE TABLE t (a INT);\n-- +goose Down\nDROP TABLE t;\n",
            )],
        ),
    ] {
        for engine in ENGINES {
            let place = Place::new(engine, files);
            // What reverts is not run, so it loses nothing.
            let ran = place.run(&["--strict"]);
            ran.exits(0).says(&format!("layout: {layout}\n"));
            let json = place.json(&[]);
            assert_eq!(
                json["facts"]["pending"].as_array().unwrap().len(),
                1,
                "{layout}"
            );
        }
    }
    for (engine, provider) in [(Engine::Sqlite, "sqlite"), (Engine::Postgres, "postgresql")] {
        let lock = format!("provider = \"{provider}\"\n");
        let files = [
            ("20240102030405_t/migration.sql", table),
            ("migration_lock.toml", lock.as_str()),
        ];
        let place = Place::new(engine, &files);
        place.run(&["--strict"]).exits(0).says("layout: prisma\n");
    }
}

#[test]
fn two_layouts_in_one_folder_are_asked_about() {
    let place = Place::new(
        Engine::Sqlite,
        &[
            ("V1__a.sql", "CREATE TABLE a (x);"),
            ("2_b.up.sql", "CREATE TABLE b (x);"),
        ],
    );
    place
        .run(&[])
        .exits(2)
        .says("cannot tell the layout of migrations folder migrations")
        .says("layout = \"versioned\"");
    place.write_beside("lockstep.toml", "[migrations]\nlayout = \"nonsense\"\n");
    place
        .run(&[])
        .exits(2)
        .says("cannot use the layout \"nonsense\"");
}

#[test]
fn what_the_tool_would_run_besides_is_named_and_not_run() {
    for engine in ENGINES {
        let place = Place::new(
            engine,
            &[
                ("V1__t.sql", "CREATE TABLE t (a INT);"),
                ("R__view.sql", "CREATE VIEW v AS SELECT 1 AS a;"),
                ("B1__base.sql", "CREATE TABLE base (a INT);"),
            ],
        );
        let ran = place.run(&[]);
        ran.exits(0)
            .says("SKIP folder-filled migrations/R__view.sql: ")
            .says(
                "SKIP folder-filled migrations/V1__t.sql: the baseline B1__base.sql stands for it",
            )
            .says("pending[0]: version=1 name=base file=B1__base.sql")
            .says("pass: 0 applied, 1 pending");
    }
}

#[test]
fn a_file_that_is_no_migration_is_said_once() {
    let place = Place::new(
        Engine::Sqlite,
        &[
            ("0001_t.sql", "CREATE TABLE t (a);"),
            ("seed data.sql", "SELECT 1;"),
        ],
    );
    let ran = place.run(&[]);
    let about: Vec<&str> = ran
        .stdout
        .lines()
        .filter(|line| line.contains("seed data.sql") && !line.starts_with("  "))
        .collect();
    assert_eq!(about.len(), 1, "{}", ran.stdout);
}

#[test]
fn texts_that_can_not_be_run_as_they_are() {
    for engine in ENGINES {
        let place = Place::new(engine, &[]);
        for (text, code, said) in [
            (&b""[..], 1, "FAIL statement-present 0001_it.sql"),
            (b"-- nothing yet\n", 1, "FAIL statement-present 0001_it.sql"),
            (
                b"-- lockstep: allow no-statement because it was applied elsewhere\n",
                0,
                "PASS statement-present",
            ),
            (
                b"CREATE TABLE t\xe9 (a INT);",
                1,
                "is not UTF-8 at byte offset 14",
            ),
            (b"\xff\xfeC\x00", 1, "is UTF-16, not UTF-8"),
            (
                b"CREATE TABLE t (a INT);\0DROP TABLE t;",
                1,
                "has a NUL byte",
            ),
            (b"\xef\xbb\xbfCREATE TABLE t (a INT);", 0, "1 pending"),
            (b"CREATE TABLE t (\r\n  a INT\r\n);\r\n", 0, "1 pending"),
            (
                b"CREATE TABLE t (a INT);\nCOMMIT;\nCREATE TABLE u (a INT);",
                1,
                "FAIL files-runnable 0001_it.sql: COMMIT: it would begin or end the transaction",
            ),
            (b"CREATE TABLE t (a INT;\n", 1, "the parser cannot read it"),
            (
                b"CREATE TABLE t (a INT);\nfoo bar;\n",
                1,
                "  at: migrations/0001_it.sql:2\n",
            ),
            (
                b"CREATE TABLE t (a TEXT DEFAULT 'x);\n",
                1,
                "FAIL files-runnable 0001_it.sql",
            ),
            (
                b"-- lockstep: alow drop-table because x\nCREATE TABLE t (a INT);",
                1,
                "FAIL directives-valid",
            ),
        ] {
            place.write("0001_it.sql", text);
            let ran = place.run(&[]);
            ran.exits(code).says(said);
            // What can't be read is there all the same.
            assert_eq!(ran.warnings(), [""; 0], "{}", ran.stdout);
        }
    }
    for (engine, text, said) in [
        (
            Engine::Sqlite,
            "ATTACH 'other.db' AS o;",
            "it would reach another database file",
        ),
        (
            Engine::Sqlite,
            ".read other.sql\n",
            "it is a command of a client program",
        ),
        (Engine::Sqlite, "VACUUM;", "-- lockstep: no-transaction"),
        (
            Engine::Postgres,
            "\\i other.sql\n",
            "it is a command of a client program",
        ),
        (
            Engine::Postgres,
            "CREATE INDEX CONCURRENTLY i ON t (a);",
            "-- lockstep: no-transaction",
        ),
        (
            Engine::Postgres,
            "COPY t FROM STDIN;\n1\n\\.\n",
            "only psql would read it",
        ),
        (
            Engine::Postgres,
            "DISCARD ALL;",
            "it would let go of the deployment lock",
        ),
    ] {
        let place = Place::new(engine, &[("0001_it.sql", text)]);
        place
            .run(&[])
            .exits(1)
            .says("FAIL files-runnable 0001_it.sql")
            .says(said);
    }
    // The same in the way that it can be run.
    for (engine, text) in [
        (Engine::Sqlite, "-- lockstep: no-transaction\nVACUUM;"),
        (
            Engine::Postgres,
            "-- lockstep: no-transaction\nCREATE INDEX CONCURRENTLY i ON t (a);",
        ),
    ] {
        let place = Place::new(engine, &[("0001_it.sql", text)]);
        place.run(&["--strict"]).exits(0);
    }
}

#[test]
fn a_pragma_without_effect_is_a_warning() {
    let text = "PRAGMA foreign_keys = OFF;\nCREATE TABLE t (a INT);";
    let place = Place::new(Engine::Sqlite, &[("0001_it.sql", text)]);
    let ran = place.run(&[]);
    ran.exits(0).says("it has no effect in a transaction");
    assert_eq!(ran.warnings().len(), 1, "{}", ran.stdout);
}

#[test]
fn ten_thousand_migrations_are_read_and_compared() {
    for engine in ENGINES {
        let place = Place::new(engine, &[]);
        for number in 1..=10_000 {
            let text = format!("CREATE TABLE t{number} (id INTEGER PRIMARY KEY, a TEXT);\n");
            place.write(&format!("{number:05}_t{number}.sql"), text);
        }
        let json = place.json(&[]);
        assert_eq!(json["facts"]["pending"].as_array().unwrap().len(), 10_000);
        assert_eq!(json["class"], "pass");
        place.apply_all("applied");
        place
            .run(&["--expect", "none"])
            .exits(0)
            .says("pass: 10000 applied, 0 pending\n");
    }
}

#[test]
fn a_mark_that_the_layout_does_not_read_is_a_failure_with_its_line() {
    for engine in ENGINES {
        let place = Place::new(
            engine,
            &[(
                "1_t.sql",
                "-- migrate:up\nCREATE TABLE t (a INT);\n-- Migrate: Down\nDROP TABLE t;\n",
            )],
        );
        place
            .run(&[])
            .exits(1)
            .says("layout: dbmate\n")
            .says("FAIL layout-kept 1_t.sql: has a line that is nearly a mark of dbmate")
            .says("  at: migrations/1_t.sql:3\n")
            .says("  expected: -- migrate:down\n")
            .says("  actual: -- Migrate: Down\n");
        place.write(
            "1_t.sql",
            "CREATE TABLE t (a INT);\n-- Up to here, all is new\n",
        );
        place.run(&["--strict"]).exits(0);
    }
}
