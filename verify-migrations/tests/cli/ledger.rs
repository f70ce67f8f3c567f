//! The files against the ledger.

use tests::own_tables::Engine;

use crate::support::{ENGINES, Place};

const FILES: [(&str, &str); 3] = [
    (
        "0001_users.sql",
        "CREATE TABLE users (id INTEGER PRIMARY KEY);\n",
    ),
    (
        "0002_posts.sql",
        "CREATE TABLE posts (id INTEGER PRIMARY KEY);\n",
    ),
    (
        "0003_tags.sql",
        "CREATE TABLE tags (id INTEGER PRIMARY KEY);\n",
    ),
];

/// A place where the first two migrations are applied.
fn two_applied(engine: Engine) -> Place {
    let place = Place::new(engine, &FILES[..2]);
    place.change("CREATE TABLE users (id INTEGER PRIMARY KEY); CREATE TABLE posts (id INTEGER)");
    place.apply_all("applied");
    place.write(FILES[2].0, FILES[2].1);
    place
}

#[test]
fn an_empty_database_has_everything_pending_and_nothing_is_written_to_it() {
    for engine in ENGINES {
        let place = Place::new(engine, &FILES);
        let before = std::fs::read(place.path("app.db")).unwrap_or_default();
        let ran = place.run(&[]);
        ran.exits(0)
            .says("pass: 0 applied, 3 pending\n")
            .says("file=0002_posts.sql");
        let json = place.json(&[]);
        assert_eq!(json["facts"]["pending"].as_array().unwrap().len(), 3);
        assert_eq!(json["facts"]["pending"][0]["version"], "1");
        assert_eq!(json["facts"]["pending"][0]["name"], "users");
        assert_eq!(json["facts"]["pending"][0]["no_transaction"], false);
        assert_eq!(json["facts"]["layout"], "plain");
        assert_eq!(json["changed"], "no");
        assert_eq!(place.tables(), Vec::<String>::new(), "no ledger");
        assert_eq!(
            std::fs::read(place.path("app.db")).unwrap_or_default(),
            before
        );
        assert!(place.names().len() <= 2, "{:?}", place.names());
    }
}

#[test]
fn what_is_pending_passes_unless_nothing_is_expected_to_be() {
    for engine in ENGINES {
        let place = two_applied(engine);
        place.run(&[]).exits(0).says("pass: 2 applied, 1 pending\n");
        let ran = place.run(&["--expect", "none"]);
        ran.exits(1);
        assert_eq!(ran.failures(), ["none-pending 0003_tags.sql: pending"]);
        place.apply_all("applied");
        place
            .run(&["--expect", "none", "--strict"])
            .exits(0)
            .says("PASS none-pending 3 applied\n")
            .says("pass: 3 applied, 0 pending\n");
    }
}

#[test]
fn cosmetic_drift_warns_and_semantic_drift_fails() {
    for engine in ENGINES {
        let place = two_applied(engine);
        place.write(
            FILES[0].0,
            "-- The users.\r\nCREATE TABLE users\r\n  (id INTEGER PRIMARY KEY);\r\n",
        );
        let ran = place.run(&[]);
        ran.exits(0);
        assert_eq!(ran.warnings().len(), 1, "{}", ran.stdout);
        ran.says(
            "WARN drift-none 0001_users.sql: differs from what was applied, but not in its SQL",
        );
        place.run(&["--strict"]).exits(1);

        place.write(
            FILES[0].0,
            "CREATE TABLE users (id INTEGER PRIMARY KEY, x INT);\n",
        );
        let ran = place.run(&[]);
        ran.exits(1).says("  at: migrations/0001_users.sql\n");
        assert_eq!(
            ran.failures(),
            ["drift-none 0001_users.sql: has other SQL than what was applied"]
        );
        // Its text is history: what it would lose is no finding.
        ran.says_not("drop-table 0001");
    }
}

#[test]
fn an_applied_migration_without_its_file_fails() {
    for engine in ENGINES {
        let place = two_applied(engine);
        place.remove(FILES[1].0);
        let ran = place.run(&[]);
        ran.exits(1);
        assert_eq!(
            ran.failures(),
            ["files-present 2: was applied at 2026-01-02T03:04:05.000Z (posts) and has no file"]
        );
    }
}

#[test]
fn a_pending_migration_before_an_applied_one_fails_unless_it_is_allowed() {
    for engine in ENGINES {
        let place = Place::new(engine, &[FILES[1]]);
        place.apply_all("applied");
        place.write(FILES[0].0, FILES[0].1);
        let ran = place.run(&[]);
        ran.exits(1);
        assert_eq!(
            ran.failures(),
            [
                "order-kept 0001_users.sql: is pending, but sorts before 0002_posts.sql, which is in the \
              ledger"
            ]
        );
        let allow = "-- lockstep: allow out-of-order because the branch was merged late\n";
        place.write(FILES[0].0, format!("{allow}{}", FILES[0].1));
        place.run(&["--strict"]).exits(0).says("PASS order-kept");
    }
}

#[test]
fn two_files_of_one_version_fail() {
    for engine in ENGINES {
        let place = two_applied(engine);
        place.write("3_labels.sql", "CREATE TABLE labels (id INTEGER);\n");
        let ran = place.run(&[]);
        ran.exits(1);
        assert!(
            ran.failures()
                .iter()
                .all(|line| line.starts_with("versions-unique ")),
            "{}",
            ran.stdout
        );
    }
}

#[test]
fn a_row_that_never_finished_fails_and_names_the_way_out() {
    for engine in ENGINES {
        let place = Place::new(engine, &FILES);
        place.apply_all("started");
        let ran = place.run(&[]);
        ran.exits(1)
            .says("was started at 2026-01-02T03:04:05.000Z by test (run run-1) and never finished")
            .says("mark-migrations --resolve");
        assert_eq!(ran.failures().len(), 1, "{}", ran.stdout);
        assert!(ran.failures()[0].starts_with("ledger-clean "));
    }
}

#[test]
fn tables_without_a_ledger_are_not_all_pending() {
    for engine in ENGINES {
        let place = Place::new(engine, &FILES);
        place.change("CREATE TABLE users (id INTEGER); CREATE TABLE posts (id INTEGER)");
        let ran = place.run(&[]);
        ran.exits(1)
            .says("not adopted: there are tables, but no ledger")
            .says(match engine {
                // The files' column is a primary key.
                Engine::Sqlite => "no version has this schema, and the nearest is ",
                Engine::Postgres => "version unknown: no scratch server is named",
            });
        assert_eq!(ran.failures().len(), 1, "{}", ran.stdout);
        assert!(ran.failures()[0].starts_with("database-adopted "));
    }
}

#[test]
fn another_tools_ledger_names_the_step_that_runs_that_tool() {
    for engine in ENGINES {
        let place = Place::new(engine, &FILES);
        place.change(
            "CREATE TABLE _prisma_migrations (id TEXT, checksum TEXT, migration_name TEXT)",
        );
        place
            .run(&[])
            .exits(1)
            .says("Prisma keeps its ledger here")
            .says("run `prisma migrate deploy` as a step of the pipeline");
    }
}

#[test]
fn a_ledger_is_known_by_name_and_columns_in_whatever_schema_and_case() {
    // In SQLite all of them stand beside each other; each is named.
    let ledgers = [
        (
            "Drizzle",
            "drizzle",
            "__drizzle_migrations",
            "id INT, hash TEXT, created_at BIGINT",
        ),
        (
            "Laravel",
            "app",
            "migrations",
            "id INT, migration TEXT, batch INT",
        ),
        ("Sequelize or Umzug", "public", "SequelizeMeta", "name TEXT"),
        (
            "EF Core",
            "public",
            "__EFMigrationsHistory",
            "\"MigrationId\" TEXT, \"ProductVersion\" TEXT",
        ),
        (
            "Flyway",
            "public",
            "our_history",
            "installed_rank INT, script TEXT, checksum INT, installed_on TEXT",
        ),
        (
            "Knex",
            "public",
            "knex_migrations_lock",
            "\"index\" INT, is_locked INT",
        ),
    ];
    for engine in ENGINES {
        let place = Place::new(engine, &FILES);
        for (_, schema, table, columns) in ledgers {
            match engine {
                Engine::Sqlite => place.change(&format!("CREATE TABLE \"{table}\" ({columns})")),
                Engine::Postgres => place.change(&format!(
                    "CREATE SCHEMA IF NOT EXISTS {schema}; \
                     CREATE TABLE {schema}.\"{table}\" ({columns})"
                )),
            }
        }
        let ran = place.run(&[]);
        ran.exits(1);
        let failures = ran.failures();
        for (tool, _, table, _) in ledgers {
            let says = format!("{tool} keeps its ledger here");
            let found = failures.iter().find(|failure| failure.ends_with(&says));
            let names_it = found.is_some_and(|failure| failure.contains(table));
            assert!(names_it, "{tool}: {}", ran.stdout);
        }
        // Each is named once: those, and that the database is not adopted.
        assert_eq!(failures.len(), ledgers.len() + 1, "{}", ran.stdout);
    }
}

#[test]
fn a_table_like_a_ledger_is_a_warning_where_lockstep_has_deployed() {
    for engine in ENGINES {
        let place = two_applied(engine);
        place.change("CREATE TABLE schema_migrations (version TEXT PRIMARY KEY)");
        place.record();
        let ran = place.run(&[]);
        ran.exits(0)
            .says("is a table as dbmate, Rails or a tool like them keeps its ledger")
            .says("drop the table if nothing uses it");
        assert!(ran.warnings()[0].starts_with("one-tool "), "{}", ran.stdout);
        place.change("DROP TABLE schema_migrations");
        // The application's own.
        place.change("CREATE TABLE migrations (id INT, bird TEXT, route TEXT)");
        place.record();
        place.run(&["--strict"]).exits(0);
    }
}

#[test]
fn a_ledger_that_is_not_ours_is_no_verdict() {
    for engine in ENGINES {
        let place = two_applied(engine);
        place.change(match engine {
            Engine::Sqlite => "UPDATE lockstep_migrations SET sha256 = 'x' || substr(sha256, 2)",
            Engine::Postgres => "UPDATE lockstep.migrations SET sha256 = 'x'",
        });
        place.run(&[]).exits(3).says("cannot understand the ledger");
    }
}

#[test]
fn a_ledger_of_another_name_is_another_ledger() {
    for engine in ENGINES {
        let place = two_applied(engine);
        place.write_beside("lockstep.toml", "[migrations]\nledger = \"shop\"\n");
        place.run(&[]).exits(1).says("not adopted");
        place.write_beside("lockstep.toml", "[migrations]\nledger = \"Shop!\"\n");
        place
            .run(&[])
            .exits(2)
            .says("cannot use \"Shop!\" as the ledger's name");
    }
}
