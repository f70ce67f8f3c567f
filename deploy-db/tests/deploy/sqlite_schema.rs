//! SQLite: what a file leaves of the schema can be used.

use crate::place::Place;

/// A bill, its lines, a view and a trigger.
fn bills() -> Place {
    let place = Place::sqlite();
    place.file(
        "1_bills.sql",
        "CREATE TABLE bill (id INTEGER PRIMARY KEY, no TEXT, note TEXT);\n\
         CREATE TABLE line (id INTEGER PRIMARY KEY, bill_id INTEGER REFERENCES bill (id));\n\
         CREATE TABLE log (what TEXT);\n\
         CREATE VIEW notes AS SELECT note FROM bill;\n\
         CREATE TRIGGER logged AFTER INSERT ON line BEGIN \
            INSERT INTO log SELECT note FROM bill; END;\n\
         INSERT INTO bill VALUES (1, 'a', 'b');",
    );
    place.deployed();
    place
}

const OUTSIDE: &str = "-- lockstep: no-transaction\n";

#[test]
fn a_child_of_a_table_that_was_renamed_away_is_found_without_a_row() {
    let rebuild = "ALTER TABLE bill RENAME TO bill_old;\n\
        CREATE TABLE bill (id INTEGER PRIMARY KEY, no TEXT, note TEXT NOT NULL);\n\
        INSERT INTO bill SELECT * FROM bill_old;\nDROP TABLE bill_old;\n";
    let place = bills();
    place.execute("DROP VIEW notes; DROP TRIGGER logged");
    place.as_recorded();
    place.file("2_rebuild.sql", rebuild);
    let before = place.state();
    place
        .deploy()
        .is(1, "no")
        .says("the foreign key of line (bill_id) refers to bill_old (id)")
        .says("it went along when bill was renamed")
        .says("ALTER TABLE new_bill RENAME TO bill");
    assert_eq!(place.state(), before);
    // Outside a transaction it is too late, and told.
    place.file("2_rebuild.sql", format!("{OUTSIDE}{rebuild}"));
    place.deploy().is(6, "yes").says("refers to bill_old (id)");
    assert_eq!(place.ledger(), ["1", "2!"]);
}

#[test]
fn the_order_that_the_remedy_names_is_right() {
    let place = bills();
    place.file(
        "2_rebuild.sql",
        "DROP VIEW notes;\nDROP TRIGGER logged;\n\
         CREATE TABLE new_bill (id INTEGER PRIMARY KEY, no TEXT, note TEXT NOT NULL);\n\
         INSERT INTO new_bill SELECT * FROM bill;\nDROP TABLE bill;\n\
         ALTER TABLE new_bill RENAME TO bill;\n\
         CREATE VIEW notes AS SELECT note FROM bill;",
    );
    place.deployed();
    place.execute("PRAGMA foreign_keys = ON; INSERT INTO line (bill_id) VALUES (1)");
}

#[test]
fn whatever_a_file_makes_unusable_is_rolled_back_and_named() {
    let ways = [
        (
            "DROP TABLE bill;",
            "the foreign key of line (bill_id) refers to bill (id), and there is no such table",
        ),
        (
            "DROP VIEW notes;\nDROP TRIGGER logged;\nDROP TABLE line;\nDROP TABLE bill;\n\
             CREATE TABLE line (id INTEGER PRIMARY KEY, bill_id REFERENCES bill (id));",
            "refers to bill (id), and there is no such table",
        ),
        (
            "DROP TABLE line;\nDROP TABLE bill;",
            "the view notes can't be used: no such table: main.bill",
        ),
        (
            "DROP TABLE log;",
            "the trigger logged can't be used: no such table: main.log",
        ),
        (
            "CREATE TABLE part (no TEXT REFERENCES bill (no));",
            "the foreign key of part (no) refers to bill (no), which is neither a PRIMARY KEY nor UNIQUE",
        ),
        (
            "CREATE TABLE part (a TEXT, b TEXT, FOREIGN KEY (a, b) REFERENCES bill);",
            "the foreign key of part (a, b) refers to the primary key of bill, which it does not fit",
        ),
        (
            "CREATE UNIQUE INDEX no ON bill (no) WHERE note IS NOT NULL;\n\
             CREATE TABLE part (no TEXT REFERENCES bill (no));",
            "which is neither",
        ),
        (
            "CREATE UNIQUE INDEX no ON bill (no COLLATE NOCASE);\n\
             CREATE TABLE part (no TEXT REFERENCES bill (no));",
            "which is neither",
        ),
        (
            "CREATE TABLE part (v REFERENCES notes (note));",
            "refers to notes (note), which is neither",
        ),
        (
            "CREATE VIEW more AS SELECT absent FROM bill;",
            "the view more can't be used: no such column: absent",
        ),
        (
            "CREATE VIEW more AS SELECT * FROM absent;",
            "the view more can't be used: no such table: main.absent",
        ),
        (
            "CREATE VIEW more AS SELECT id FROM bill UNION SELECT id, no FROM bill;",
            "the view more can't be used",
        ),
        (
            "CREATE TRIGGER t AFTER DELETE ON bill BEGIN DELETE FROM absent; END;",
            "the trigger t can't be used: no such table: main.absent",
        ),
        (
            "CREATE TRIGGER t AFTER UPDATE OF note ON bill BEGIN INSERT INTO log VALUES (1, 2); END;",
            "the trigger t can't be used: table log has 1 columns but 2 values were supplied",
        ),
        (
            "CREATE TRIGGER t INSTEAD OF INSERT ON notes BEGIN UPDATE log SET missing = 1; END;",
            "the trigger t can't be used: no such column: missing",
        ),
        (
            "PRAGMA legacy_alter_table = ON;\nALTER TABLE log RENAME TO logs;",
            "the trigger logged can't be used: no such table: main.log",
        ),
    ];
    for (sql, message) in ways {
        let place = bills();
        place.file("2_b.sql", sql);
        let before = place.state();
        place.deploy().is(1, "no").says(message);
        assert_eq!(place.state(), before, "{sql}");
        place.file("2_b.sql", format!("{OUTSIDE}{sql}"));
        place.deploy().is(6, "yes").says(message);
    }
}

#[test]
fn a_unique_index_that_a_key_needs_is_missed() {
    let place = bills();
    place.file(
        "2_part.sql",
        "CREATE UNIQUE INDEX no ON bill (no);\nCREATE TABLE part (no TEXT REFERENCES bill (no));",
    );
    place.deployed();
    place.file("3_drop.sql", "DROP INDEX no;");
    place
        .deploy()
        .is(1, "no")
        .says("the foreign key of part (no) refers to bill (no), which is neither")
        .says("CREATE UNIQUE INDEX on bill (no)");
}

#[test]
fn what_could_not_be_used_before_is_no_reason_to_fail() {
    let place = bills();
    place.execute(
        "CREATE TABLE lost (id INTEGER, p REFERENCES nowhere); CREATE TABLE loose (x REFERENCES bill (note)); \
         CREATE VIEW broken AS SELECT * FROM absent; \
         CREATE TRIGGER broken_too AFTER INSERT ON log BEGIN DELETE FROM absent; END",
    );
    place
        .file("2_ok.sql", "CREATE TABLE t (x);")
        // A table that is rebuilt or renamed takes its old key along.
        .file(
            "3_rebuild.sql",
            "CREATE TABLE new_lost (id INTEGER, p REFERENCES nowhere, more);\n\
             DROP TABLE lost;\nALTER TABLE loose RENAME TO looser;",
        )
        .file("4_drop.sql", "CREATE VIEW fine AS SELECT * FROM t;");
    // SQLite itself refuses to rename where a view is broken.
    place.execute("DROP VIEW broken; DROP TRIGGER broken_too");
    place.as_recorded();
    place.deployed();
    place.file("5_more.sql", "CREATE TABLE more (p REFERENCES nowhere);");
    place
        .deploy()
        .is(1, "no")
        .says("the foreign key of more (p) refers to nowhere, and there is no such table");
}

#[test]
fn a_view_that_was_broken_stays_as_it_is() {
    let place = bills();
    place.execute(
        "CREATE VIEW broken AS SELECT * FROM absent; \
         CREATE TRIGGER broken_too AFTER INSERT ON log BEGIN DELETE FROM absent; END",
    );
    place.as_recorded();
    place.file("2_ok.sql", "CREATE TABLE t (x);");
    place.deployed();
}

#[test]
fn what_a_later_file_brings_is_not_missed_in_an_earlier_one() {
    let place = Place::sqlite();
    place
        .file(
            "1_line.sql",
            "CREATE TABLE line (bill_id REFERENCES bill (id));",
        )
        .file(
            "2_view.sql",
            "CREATE VIEW totals AS SELECT total FROM bill;",
        )
        .file(
            "3_bill.sql",
            "CREATE TABLE bill (id INTEGER PRIMARY KEY, total);",
        )
        .file(
            "4_drop.sql",
            "ALTER TABLE bill ADD COLUMN sum;\nDROP VIEW totals;",
        )
        .file("5_view.sql", "CREATE VIEW totals AS SELECT sum FROM bill;");
    // The view of the second file is named again by the fourth.
    place.deployed();
    assert_eq!(place.ledger().len(), 5);
    // In a run of its own nothing comes behind it.
    let place = Place::sqlite();
    place.file(
        "1_line.sql",
        "CREATE TABLE line (bill_id REFERENCES bill (id));",
    );
    place
        .deploy()
        .is(1, "no")
        .says("create bill in this file or in one before it");
}

#[test]
fn functions_collations_and_modules_of_the_application_are_its_own() {
    let place = bills();
    place.file(
        "2_own.sql",
        "CREATE VIEW a AS SELECT slug(note) FROM bill;\n\
         CREATE VIEW b AS SELECT note FROM bill ORDER BY note COLLATE german;\n\
         CREATE VIEW c AS SELECT value FROM generate_series(1, 3);\n\
         CREATE TRIGGER d AFTER INSERT ON bill BEGIN INSERT INTO log VALUES (slug(new.note)); END;",
    );
    place.deployed();
}

#[test]
fn a_schema_that_no_connection_can_read_any_more_is_rolled_back() {
    let ways = [
        (
            "UPDATE sqlite_schema SET sql = 'CREATE TABLE bill (' WHERE name = 'bill';",
            "it left the schema damaged: malformed database schema (bill)",
        ),
        (
            "UPDATE sqlite_schema SET rootpage = 12345 WHERE name = 'bill';",
            "it left the schema damaged: malformed database schema (bill)",
        ),
        (
            "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema \
                WHERE name = 'log') WHERE name = 'bill';",
            "bill and log are kept in the same pages",
        ),
        (
            "UPDATE sqlite_schema SET sql = 'CREATE TABLE bill (id INTEGER PRIMARY KEY, no TEXT, \
                note TEXT, CHECK (note = 7))' WHERE name = 'bill';",
            "it left the schema damaged: CHECK constraint failed in bill",
        ),
        (
            "INSERT INTO log VALUES (NULL);\n\
             UPDATE sqlite_schema SET sql = 'CREATE TABLE log (what TEXT NOT NULL)' WHERE name = 'log';",
            "it left the schema damaged: NULL value in log.what",
        ),
    ];
    for (sql, message) in ways {
        for (head, code, changed) in [("", 1, "no"), (OUTSIDE, 6, "yes")] {
            let place = bills();
            let sql = format!("{head}PRAGMA writable_schema = ON;\n{sql}\n");
            place.file("2_b.sql", sql);
            let before = place.state();
            place.deploy().is(code, changed).says(message);
            if head.is_empty() {
                assert_eq!(place.state(), before, "{message}");
            }
        }
    }
}

#[test]
fn a_file_is_held_to_what_the_one_before_it_in_the_run_left() {
    for (sql, message) in [
        (
            "DROP TABLE b;",
            "the foreign key of c (b) refers to b (id), and there is no such table",
        ),
        (
            "DROP INDEX no;",
            "the foreign key of d (no) refers to b (no), which is neither",
        ),
        (
            "DROP TABLE log;",
            "the trigger t can't be used: no such table: main.log",
        ),
        ("ALTER TABLE b DROP COLUMN more;", "more"),
    ] {
        let place = Place::sqlite();
        place
            .file(
                "1_a.sql",
                "CREATE TABLE b (id INTEGER PRIMARY KEY, no TEXT, more);\n\
                 CREATE UNIQUE INDEX no ON b (no);\nCREATE TABLE log (x);",
            )
            .file(
                "2_b.sql",
                "CREATE TABLE c (b REFERENCES b (id));\nCREATE TABLE d (no REFERENCES b (no));\n\
                 CREATE VIEW v AS SELECT more FROM b;\n\
                 CREATE TRIGGER t AFTER INSERT ON c BEGIN INSERT INTO log VALUES (1); END;",
            )
            .file("3_c.sql", "CREATE TABLE e (x);")
            .file("4_d.sql", sql);
        place.deploy().is(6, "yes").says(message);
        assert_eq!(place.ledger(), ["1", "2", "3"], "{sql}");
    }
}

#[test]
fn a_change_of_the_schema_is_not_hidden_from_others() {
    for head in ["", OUTSIDE] {
        let place = bills();
        place.file(
            "2_b.sql",
            format!("{head}CREATE TABLE b (x);\nPRAGMA schema_version = 1;\n"),
        );
        let ran = place.deploy();
        match head {
            "" => ran.is(1, "no"),
            _ => ran.is(6, "yes"),
        }
        .says("it set schema_version back");
    }
    let place = bills();
    place.file(
        "2_b.sql",
        "CREATE TABLE b (x);\nPRAGMA schema_version = 100000;\n",
    );
    place.deployed();
}
