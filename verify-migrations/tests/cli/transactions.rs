//! Transactions of a file's own, and files that do nothing.

use tests::own_tables::Engine;

use crate::support::{ENGINES, Place};

#[test]
fn a_pair_that_is_left_out_is_said_once_for_its_file() {
    for engine in ENGINES {
        let text =
            "BEGIN;\nCREATE TABLE a (x int);\nCOMMIT;\nBEGIN;\nCREATE TABLE b (x int);\nCOMMIT;\n";
        let place = Place::new(
            engine,
            &[("1_a.sql", text), ("2_b.sql", "CREATE TABLE c (x int);\n")],
        );
        let ran = place.run(&["--strict"]);
        ran.exits(0)
            .says("PASS files-runnable 1_a.sql: its own BEGIN and COMMIT (lines 1, 3, 4, 6) are left out")
            .says("PASS files-runnable 1 pending file\n");
        assert_eq!(ran.stdout.matches("left out: the runner").count(), 1);
        let pending = &place.json(&[])["facts"]["pending"];
        assert_eq!(pending[0]["own_transaction"], "left out");
        assert!(pending[1]["own_transaction"].is_null());
    }
}

#[test]
fn what_a_transaction_does_not_take_fails_with_line_and_remedy() {
    for (engine, text, line, remedy) in [
        (
            Engine::Postgres,
            "BEGIN;\nALTER TYPE m ADD VALUE 'x';\nCOMMIT;\nSELECT 'x'::m;\n",
            4,
            "begin the file with `-- lockstep: no-transaction`",
        ),
        (
            Engine::Postgres,
            "ALTER TYPE m ADD VALUE 'x';\nSELECT 'x'::m;\n",
            2,
            "add the value in a file of its own before this one",
        ),
        (
            Engine::Postgres,
            "BEGIN ISOLATION LEVEL SERIALIZABLE;\nSELECT 1;\nCOMMIT;\n",
            1,
            "begin the file with `-- lockstep: no-transaction`",
        ),
        (
            Engine::Postgres,
            "-- lockstep: no-transaction\nBEGIN;\nCREATE INDEX CONCURRENTLY i ON t (x);\nCOMMIT;\n",
            3,
            "before the BEGIN or behind the COMMIT",
        ),
        (
            Engine::Postgres,
            "-- lockstep: no-transaction\nSELECT 1;\nBEGIN;\nSELECT 2;\n",
            3,
            "write the COMMIT",
        ),
        (
            Engine::Sqlite,
            "-- lockstep: no-transaction\nSELECT 1;\nBEGIN;\nSELECT 2;\n",
            3,
            "write the COMMIT",
        ),
        (
            Engine::Sqlite,
            "-- lockstep: no-transaction\nBEGIN;\nVACUUM;\nCOMMIT;\n",
            3,
            "before the BEGIN or behind the COMMIT",
        ),
        (Engine::Sqlite, "BEGIN;\nSELECT 1;\n", 1, "remove it"),
        (
            Engine::Sqlite,
            "BEGIN;\nSELECT 1;\nROLLBACK;\n",
            3,
            "begin the file with `-- lockstep: no-transaction`",
        ),
    ] {
        let place = Place::new(engine, &[("1_a.sql", text)]);
        let ran = place.run(&[]);
        ran.exits(1)
            .says(&format!("  at: migrations/1_a.sql:{line}\n"))
            .says(remedy);
        assert_eq!(ran.failures().len(), 1, "{text}: {}", ran.stdout);
        assert!(
            ran.failures()[0].starts_with("files-runnable "),
            "{}",
            ran.stdout
        );
    }
}

#[test]
fn a_file_without_a_statement_fails_where_it_is_the_newest_alone() {
    for engine in ENGINES {
        for text in ["", "-- Nothing to do.\n", "/* Nothing */;\n"] {
            let place = Place::new(engine, &[("1_a.sql", text)]);
            place
                .run(&[])
                .exits(1)
                .says("FAIL statement-present 1_a.sql");
            place.write("2_b.sql", "CREATE TABLE b (x int);\n");
            place
                .run(&[])
                .exits(0)
                .says("WARN statement-present 1_a.sql");
            place.run(&["--strict"]).exits(1);
            let allow = "-- lockstep: allow no-statement because it was one once\n";
            place.write("1_a.sql", format!("{allow}{text}"));
            place.run(&["--strict"]).exits(0);
        }
    }
}

#[test]
fn a_zone_is_a_warning_and_utc_is_none() {
    let place = Place::new(
        Engine::Postgres,
        &[("1_a.sql", "CREATE TABLE a (t timestamp);\n")],
    );
    place.change("CREATE TABLE a (t timestamp);");
    place.apply_all("applied");
    place.write("2_b.sql", "ALTER TABLE a ALTER t TYPE timestamptz;\n");
    place
        .run(&[])
        .exits(0)
        .says("WARN narrow-type a.t: every timestamp is taken for the time in the TimeZone of the session")
        .says("AT TIME ZONE 'UTC'");
    place.write(
        "2_b.sql",
        "ALTER TABLE a ALTER t TYPE timestamptz USING t AT TIME ZONE 'UTC';\n",
    );
    place.run(&["--strict"]).exits(0);
}
