//! SQLite: what a migration must not do to rows and objects that it does not name.

use crate::place::Place;

fn parents_and_children() -> Place {
    let place = Place::sqlite();
    place.file(
        "1_tables.sql",
        "CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT);\n\
         CREATE TABLE child (id INTEGER PRIMARY KEY, \
            parent INTEGER NOT NULL REFERENCES parent ON DELETE CASCADE);\n\
         CREATE INDEX child_parent ON child (parent);\n\
         INSERT INTO parent VALUES (1, 'a'), (2, 'b');\n\
         INSERT INTO child VALUES (1, 1), (2, 2), (3, 2);",
    );
    place.deployed();
    place
}

const REBUILD: &str = "CREATE TABLE new_parent (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n\
    INSERT INTO new_parent SELECT id, name FROM parent;\nDROP TABLE parent;\n\
    ALTER TABLE new_parent RENAME TO parent;";

#[test]
fn a_rebuild_keeps_the_children() {
    let place = parents_and_children();
    place.file("2_rebuild.sql", REBUILD);
    place.deployed();
    assert_eq!(place.rows("SELECT count(*) FROM child"), ["3"]);
    assert_eq!(place.ledger(), ["1", "2"]);
}

#[test]
fn a_row_that_loses_its_parent_is_found() {
    let place = parents_and_children();
    place.file("2_delete.sql", "DELETE FROM parent WHERE id = 2;");
    let before = place.state();
    place
        .deploy()
        .is(1, "no")
        .says("2 rows refer to a parent that is not there: child (2) → parent")
        .says("cascades do not run");
    assert_eq!(place.state(), before);
}

#[test]
fn orphans_that_were_there_are_no_reason_to_fail() {
    let place = parents_and_children();
    place.execute("PRAGMA foreign_keys = OFF; INSERT INTO child VALUES (9, 77)");
    // Rowids change in this one, and the orphan stays one.
    place.file(
        "2_rebuild.sql",
        "CREATE TABLE new_child (parent INTEGER NOT NULL REFERENCES parent, id INTEGER);\n\
         INSERT INTO new_child SELECT parent, id FROM child ORDER BY id DESC;\n\
         DROP TABLE child;\nALTER TABLE new_child RENAME TO child;\n\
         CREATE INDEX child_parent ON child (parent);",
    );
    place.deployed();
    place.file("3_more.sql", "INSERT INTO child (parent) VALUES (77);");
    place
        .deploy()
        .is(1, "no")
        .says("1 row refers to a parent that is not there");
}

#[test]
fn a_key_that_can_not_be_checked_hides_no_other() {
    let place = parents_and_children();
    place.execute(
        "PRAGMA foreign_keys = OFF; CREATE TABLE loose (x REFERENCES parent (name)); \
         INSERT INTO loose VALUES ('a')",
    );
    place.as_recorded();
    place.file("2_ok.sql", "CREATE TABLE t (x);");
    place.deployed();
    place.file("3_delete.sql", "DELETE FROM parent WHERE id = 1;");
    place.deploy().is(1, "no").says("child (1) → parent");
    place.file("3_delete.sql", "CREATE TABLE u (x);");
    place.file(
        "4_loose.sql",
        "CREATE TABLE looser (x REFERENCES parent (name));\nINSERT INTO looser VALUES ('a');",
    );
    place
        .deploy()
        .is(6, "yes")
        .says("the foreign key of looser (x) refers to parent (name), which is neither");
}

#[test]
fn a_trigger_that_writes_to_a_table_that_is_not_named_is_found() {
    let place = parents_and_children();
    place.file(
        "2_trigger.sql",
        "CREATE TABLE audit (what TEXT);\n\
         CREATE TRIGGER log AFTER UPDATE ON parent BEGIN INSERT INTO audit VALUES (new.name); END;",
    );
    place.deployed();
    place.file("3_update.sql", "UPDATE parent SET name = 'c';");
    place
        .deploy()
        .is(1, "no")
        .says("table audit, which the file does not name, was written by the trigger log");
    place.file(
        "3_update.sql",
        "UPDATE parent SET name = 'c';\nSELECT count(*) FROM audit;",
    );
    place.deployed();
    assert_eq!(place.rows("SELECT count(*) FROM audit"), ["2"]);
}

#[test]
fn rows_that_a_trigger_changes_in_place_are_found_and_those_it_leaves_are_not() {
    let place = parents_and_children();
    place.file(
        "2_trigger.sql",
        "CREATE TABLE Audit (n INTEGER) STRICT;\nINSERT INTO Audit VALUES (0);\n\
         CREATE TABLE seen (id INTEGER PRIMARY KEY, n INTEGER) WITHOUT ROWID;\n\
         INSERT INTO seen VALUES (1, 0);\n\
         CREATE TRIGGER count AFTER UPDATE ON parent BEGIN UPDATE AUDIT SET n = n + 1; END;\n\
         CREATE TRIGGER touch AFTER UPDATE ON child WHEN new.parent = 1 BEGIN \
            UPDATE seen SET n = n + 1; END;",
    );
    place.deployed();
    let before = place.state();
    place.file("3_update.sql", "UPDATE parent SET name = 'c';");
    place
        .deploy()
        .is(1, "no")
        .says("table Audit, which the file does not name, was written by the trigger count");
    place.file("3_update.sql", "UPDATE child SET id = id WHERE parent = 1;");
    place
        .deploy()
        .is(1, "no")
        .says("table seen, which the file does not name, was written by the trigger touch");
    assert_eq!(place.state(), before);
    // It has a trigger, which does nothing.
    place.file("3_update.sql", "UPDATE child SET id = id WHERE parent = 2;");
    place.deployed();
}

#[test]
fn a_name_beyond_ascii_is_found_and_a_table_that_the_file_makes_is_its_own() {
    let place = Place::sqlite();
    place
        .file(
            "1_a.sql",
            "CREATE TABLE \"Ärger\" (x int);\nCREATE TABLE t (x int);\n\
             CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO \"Ärger\" VALUES (new.x); END;",
        )
        .file(
            "2_b.sql",
            "CREATE TABLE s (x int);\nCREATE TABLE 'log' (x int);\n\
             CREATE TRIGGER h AFTER INSERT ON s BEGIN INSERT INTO 'log' VALUES (new.x); END;\n\
             INSERT INTO s VALUES (1);",
        );
    place.deployed();
    assert_eq!(place.rows("SELECT x FROM log"), ["1"]);
    place.file("3_c.sql", "INSERT INTO t VALUES (1);");
    place
        .deploy()
        .is(1, "no")
        .says("table Ärger, which the file does not name, was written by the trigger g");
    place.file("3_c.sql", "INSERT INTO s VALUES (1);");
    place.deploy().is(1, "no").says("table log");
}

#[test]
fn a_full_text_index_follows_its_table() {
    let place = Place::sqlite();
    place
        .file(
            "1_posts.sql",
            "CREATE TABLE posts (id INTEGER PRIMARY KEY, body TEXT);\n\
             CREATE VIRTUAL TABLE found USING fts5 (body);\n\
             CREATE TRIGGER t AFTER INSERT ON posts BEGIN \
                INSERT INTO found (rowid, body) VALUES (new.id, new.body); END;",
        )
        .file("2_post.sql", "INSERT INTO posts VALUES (1, 'hello');");
    place.deployed();
    assert_eq!(
        place.rows("SELECT rowid FROM found WHERE found MATCH 'hello'"),
        ["1"]
    );
}

#[test]
fn a_virtual_table_is_renamed_and_dropped_with_the_tables_that_are_its_own() {
    let place = Place::sqlite();
    place
        .file(
            "1_found.sql",
            "CREATE VIRTUAL TABLE found USING fts5 (body);",
        )
        .file("2_rename.sql", "ALTER TABLE found RENAME TO kept;")
        .file(
            "3_drop.sql",
            "-- lockstep: allow drop-table because it is made anew\nDROP TABLE kept;",
        );
    place.deployed();
    assert_eq!(place.tables().len(), 4, "{:?}", place.tables());
}

#[test]
fn what_is_taken_by_way_of_the_schema_table_is_found() {
    let place = parents_and_children();
    for pragma in ["writable_schema", "'Writable_Schema'"] {
        place.file(
            "2_take.sql",
            format!(
                "PRAGMA {pragma} = ON;\n\
                 DELETE FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL;\n\
                 PRAGMA writable_schema = RESET;"
            ),
        );
        place
            .deploy()
            .is(1, "no")
            .says("table child, which the file does not name, lost its index child_parent");
    }
}

#[test]
fn an_index_of_another_table_stays_unless_it_is_named() {
    let place = parents_and_children();
    place.file("2_drop.sql", "DROP INDEX child_parent;");
    place.deployed();
    // A trigger with an action on another table goes with its own table, and with nothing else.
    assert_eq!(
        place
            .rows("SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'child'"),
        ["0"]
    );
}

#[test]
fn the_ledgers_own_rows_are_no_surprise() {
    for ledger in ["lockstep", "billing"] {
        let place = Place::sqlite();
        place.toml(&format!("ledger = \"{ledger}\"\n"));
        place
            .file(
                "1_a.sql",
                "CREATE TABLE a (x int);\n\
                 CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET x = 2; END;",
            )
            .file("2_b.sql", "INSERT INTO a VALUES (1);")
            .file("3_c.sql", "CREATE TABLE c (x int);");
        place.deployed();
        assert_eq!(place.rows("SELECT x FROM a"), ["2"]);
    }
}
