//! Files as they should not be, and as they may be.

use crate::place::Place;

#[test]
fn a_file_that_can_not_be_applied_stops_the_run_before_it_begins() {
    let unusable: [(&str, &[u8], &str, Option<u64>); 9] = [
        ("empty", b"", "has no statement", None),
        ("comment", b"-- nothing\n", "has no statement", None),
        ("latin", b"SELECT '\xe9';\n", "is not UTF-8", None),
        ("nul", b"SELECT 1;\0\n", "NUL", None),
        (
            "nearly",
            b"-- migrate: up\nCREATE TABLE b (x int);\n-- migrate: down\nDROP TABLE b;\n",
            "dbmate takes for a mark",
            Some(3),
        ),
        (
            "other",
            b"-- +migrate Up\nCREATE TABLE b (x int);\n-- +migrate Down\nDROP TABLE b;\n",
            "sql-migrate takes for a mark",
            Some(3),
        ),
        (
            "heading",
            b"CREATE TABLE b (x int);\n-- ==== DOWN ====\nDROP TABLE b;\n",
            "takes for a mark",
            Some(2),
        ),
        (
            "commit",
            b"CREATE TABLE b (x int);\nCOMMIT;\nCREATE TABLE c (x int);\n",
            "it would begin or end the transaction",
            Some(2),
        ),
        (
            "syntax",
            b"CREATE TABLE b (x int);\nSELECT 1;\nCREATE TABEL c (x int);\nSELECT 1;\nSELECT 2;\n",
            "the parser cannot read it",
            Some(3),
        ),
    ];
    for place in Place::both() {
        place.file("1_a.sql", "CREATE TABLE a (x int);");
        for (name, content, message, line) in unusable {
            let file = format!("2_{name}.sql");
            place.file(&file, content);
            let before = place.state();
            let ran = place.deploy();
            ran.is(1, "no").says(message).says(&file);
            assert_eq!(ran.line(), line, "{name}");
            assert_eq!(place.state(), before, "{name}");
            std::fs::remove_file(place.path("migrations").join(&file)).unwrap();
        }
    }
}

#[test]
fn a_byte_order_mark_and_carriage_returns_are_no_trouble() {
    for place in Place::both() {
        place.file(
            "1_a.sql",
            b"\xef\xbb\xbfCREATE TABLE a (x int);\r\n\r\nINSERT INTO a\r\nVALUES (1);\r\n",
        );
        place.deployed();
        assert_eq!(place.rows("SELECT x FROM a"), ["1"]);
    }
}

#[test]
fn an_error_at_run_time_rolls_the_file_back() {
    for place in Place::both() {
        place.file(
            "1_a.sql",
            "CREATE TABLE a (x int PRIMARY KEY);\nINSERT INTO a VALUES (1);\n\
             INSERT INTO a VALUES (1);\nCREATE TABLE b (x int);\n",
        );
        let before = place.state();
        let ran = place.deploy();
        ran.is(1, "no").says("1_a.sql");
        assert_eq!(ran.line(), Some(3));
        assert_eq!(place.state(), before);
    }
}

#[test]
fn a_file_of_which_the_engine_alone_knows_the_error_is_named_by_its_line() {
    for place in Place::both() {
        place.file(
            "1_a.sql",
            "CREATE TABLE a (x int);\nINSERT INTO a VALUES (1);\n\n\
             INSERT INTO nowhere VALUES (1);\nCREATE TABLE b (x int);\n",
        );
        let before = place.state();
        let ran = place.deploy();
        ran.is(1, "no").says("nowhere");
        assert_eq!(ran.line(), Some(4));
        assert_eq!(place.state(), before);
    }
}

#[test]
fn what_came_before_the_file_that_failed_stays() {
    for place in Place::both() {
        place
            .file("1_a.sql", "CREATE TABLE a (x int);")
            .file("2_b.sql", "CREATE TABLE b (x int);")
            .file(
                "3_c.sql",
                "CREATE TABLE c (x int);\nINSERT INTO nowhere VALUES (1);",
            )
            .file("4_d.sql", "CREATE TABLE d (x int);")
            .file("5_e.sql", "CREATE TABLE e (x int);");
        let ran = place.deploy();
        ran.is(6, "yes")
            .says("applied are 1_a.sql to 2_b.sql, not applied are 3_c.sql to 5_e.sql");
        assert_eq!(place.ledger(), ["1", "2"]);
        place.file("3_c.sql", "CREATE TABLE c (x int);");
        place.deployed();
        assert_eq!(place.ledger(), ["1", "2", "3", "4", "5"]);
    }
}

#[test]
fn no_migration_at_all_is_a_warning() {
    for place in Place::both() {
        let before = place.state();
        let ran = place.deployed();
        ran.is(0, "no");
        assert_eq!(ran.found("warn").len(), 1);
        assert_eq!(place.state(), before);
    }
}

#[test]
fn an_applied_file_that_says_something_else_now_stops_the_run() {
    for place in Place::both() {
        place.file("1_a.sql", "CREATE TABLE a (x int);");
        place.deployed();
        place.file("1_a.sql", "CREATE TABLE a (x  int); -- the same\r\n");
        let ran = place.deployed();
        assert_eq!(ran.found("warn").len(), 1);
        place
            .file("1_a.sql", "CREATE TABLE a (y int);")
            .file("2_b.sql", "CREATE TABLE b (x int);");
        place.deploy().is(1, "no").says("has other SQL");
        assert_eq!(place.ledger(), ["1"]);
    }
}

#[test]
fn a_file_that_changes_the_mark_is_refused_however_it_does_so() {
    for place in Place::both() {
        place.file("1_a.sql", "CREATE TABLE a (x int);");
        place.deploy().is(0, "yes");
        // By name, which the parser sees; and from behind, which only the engine can.
        let ways: [&str; 2] = if place.is_sqlite() {
            [
                "UPDATE lockstep_environment SET name = 'other' WHERE id = 1;",
                "CREATE TRIGGER t AFTER INSERT ON a BEGIN \
                    DELETE FROM lockstep_environment; END;\nINSERT INTO a VALUES (1);",
            ]
        } else {
            [
                "UPDATE lockstep.environment SET name = 'other' WHERE id = 1;",
                "DO $$ BEGIN EXECUTE 'UPDATE lockstep' || '.environment SET protected = true'; \
                    END $$;",
            ]
        };
        for sql in ways {
            place.file("2_b.sql", sql);
            let before = place.state();
            place.deploy().is(1, "no");
            assert_eq!(place.state(), before, "{sql}");
        }
    }
}

#[test]
fn a_file_outside_a_transaction_can_not_change_the_mark_either() {
    for place in Place::both() {
        place.file("1_a.sql", "CREATE TABLE a (x int);");
        place.deploy().is(0, "yes");
        // What no parser sees: a trigger that was there before, and SQL that is put together.
        let sql = if place.is_sqlite() {
            place.execute(
                "CREATE TRIGGER t AFTER INSERT ON a BEGIN \
                 UPDATE lockstep_environment SET name = 'other'; END",
            );
            place.as_recorded();
            "INSERT INTO a VALUES (1);"
        } else {
            "DO $$ BEGIN EXECUTE 'UPDATE lockstep' || '.environment SET protected = true'; END $$;"
        };
        place.file("2_b.sql", format!("-- lockstep: no-transaction\n{sql}"));
        place
            .deploy()
            .is(6, "yes")
            .says("mark-migrations --resolve 2");
        assert_eq!(place.ledger(), ["1", "2!"]);
        if place.is_sqlite() {
            let name = "SELECT name FROM lockstep_environment";
            assert_eq!(place.rows(name), ["dev"]);
        }
    }
}

#[test]
fn a_carriage_return_alone_ends_a_comment_or_the_file_is_refused() {
    let text = "CREATE TABLE a (x int);\r-- the other one\rCREATE TABLE b (x int);\r";
    let place = Place::sqlite();
    place.file("1_a.sql", text);
    let ran = place.deploy();
    ran.is(1, "no").says("does not end at the carriage return");
    assert_eq!(ran.line(), Some(2));
    // PostgreSQL and its parser take it for a line end.
    let place = Place::postgres();
    place.file("1_a.sql", text);
    place.deployed().is(0, "yes");
    assert_eq!(place.rows("SELECT count(*)::text FROM a, b"), ["0"]);
}

#[test]
fn a_project_may_have_a_table_with_the_name_of_a_ledger() {
    for place in Place::both() {
        place.file("1_a.sql", "CREATE TABLE schema_migrations (version text);");
        place.deployed().is(0, "yes");
        place.file("2_b.sql", "CREATE TABLE b (x int);");
        let ran = place.deploy();
        ran.is(0, "yes");
        assert_eq!(ran.found("warn").len(), 1);
        assert!(ran.found("warn")[0].contains("one-tool"));
    }
}
