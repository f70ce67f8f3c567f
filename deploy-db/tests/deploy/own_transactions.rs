//! Files that bring a transaction of their own, and what of transactions is known to fail beforehand.

use crate::place::Place;

#[test]
fn a_pair_of_the_files_own_is_left_out() {
    for place in Place::both() {
        let text = "-- Two tables.\nBEGIN;\nCREATE TABLE a (x int);\nCREATE TABLE b (x int);\nCOMMIT;\n\
                    INSERT INTO a VALUES (1);\n";
        place.file("1_a.sql", text);
        let ran = place.deploy();
        ran.is(0, "yes")
            .says("its own BEGIN and COMMIT (lines 2, 5) are left out");
        assert_eq!(place.ledger(), ["1"]);
        assert_eq!(place.rows("SELECT x FROM a"), ["1"]);
        // The bytes of the file, with what was left out.
        let hash = migrations::hex(&<sha2::Sha256 as sha2::Digest>::digest(text));
        assert_eq!(
            place.rows(&format!("SELECT sha256 FROM {}", place.table("migrations"))),
            [hash]
        );
        let again = place.deploy();
        again.is(0, "no");
        // As one with its row: nothing of it stays where it fails, also behind the COMMIT.
        place.file(
            "2_c.sql",
            "BEGIN;\nCREATE TABLE c (x int);\nCOMMIT;\n\nINSERT INTO nowhere VALUES (1);\n",
        );
        let before = place.state();
        let ran = place.deploy();
        ran.is(1, "no").says("nowhere");
        assert_eq!(ran.line(), Some(5));
        assert_eq!(place.state(), before);
        place.file(
            "2_c.sql",
            "BEGIN;\nCREATE TABLE c (x int PRIMARY KEY);\nINSERT INTO c VALUES (1);\n\
             INSERT INTO c VALUES (1);\nCOMMIT;\n",
        );
        let ran = place.deploy();
        ran.is(1, "no");
        assert_eq!(ran.line(), Some(4));
        assert_eq!(place.state(), before);
    }
}

#[test]
fn an_enum_that_loses_a_value_as_prisma_writes_it() {
    let place = Place::postgres();
    place.file(
        "1_a.sql",
        "CREATE TYPE \"Role\" AS ENUM ('A', 'B', 'C');\n\
         CREATE TABLE \"User\" (id int PRIMARY KEY, role \"Role\" NOT NULL DEFAULT 'A', roles \"Role\"[]);\n\
         INSERT INTO \"User\" VALUES (1, 'B', '{A,B}');",
    );
    place.deployed();
    place.file(
        "2_b.sql",
        "-- AlterEnum\nBEGIN;\nCREATE TYPE \"Role_new\" AS ENUM ('A', 'B');\n\
         ALTER TABLE \"User\" ALTER COLUMN \"role\" DROP DEFAULT;\n\
         ALTER TABLE \"User\" ALTER COLUMN \"role\" TYPE \"Role_new\" USING (\"role\"::text::\"Role_new\");\n\
         ALTER TABLE \"User\" ALTER COLUMN \"roles\" TYPE \"Role_new\"[] USING (\"roles\"::text::\"Role_new\"[]);\n\
         ALTER TYPE \"Role\" RENAME TO \"Role_old\";\nALTER TYPE \"Role_new\" RENAME TO \"Role\";\n\
         DROP TYPE \"Role_old\";\n\
         ALTER TABLE \"User\" ALTER COLUMN \"role\" SET DEFAULT 'A';\nCOMMIT;\n",
    );
    place.deployed();
    assert_eq!(place.ledger(), ["1", "2"]);
    assert_eq!(place.rows("SELECT role FROM \"User\""), ["B"]);
    assert_eq!(place.rows("SELECT roles FROM \"User\""), ["{A,B}"]);
}

#[test]
fn what_a_pair_is_needed_for_is_named_before_anything_runs() {
    let place = Place::postgres();
    place.file(
        "1_a.sql",
        "CREATE TYPE mood AS ENUM ('a');\nCREATE TABLE t (m mood);",
    );
    place.deployed();
    let before = place.state();
    let text = "BEGIN;\nALTER TYPE mood ADD VALUE 'b';\nCOMMIT;\nINSERT INTO t VALUES ('b');\n";
    place.file("2_b.sql", text);
    let ran = place.deploy();
    ran.is(1, "no")
        .says("the value 'b' of mood, which line 2 adds")
        .says("-- lockstep: no-transaction");
    assert_eq!(ran.line(), Some(4));
    assert_eq!(place.state(), before);
    // As the remedy says.
    place.file("2_b.sql", format!("-- lockstep: no-transaction\n{text}"));
    place.deployed();
    assert_eq!(place.rows("SELECT m FROM t"), ["b"]);
}

#[test]
fn what_a_transaction_does_not_take_is_refused_before_anything_runs() {
    let outside = "-- lockstep: no-transaction\n";
    let postgres: &[(&str, u64, &str)] = &[
        (
            "ALTER TYPE mood ADD VALUE 'b';\nINSERT INTO t VALUES ('b');",
            3,
            "55P04",
        ),
        (
            "CREATE TABLE b (x int);\nBEGIN;\nCREATE TABLE c (x int);",
            3,
            "no COMMIT",
        ),
        (
            "BEGIN;\nCREATE INDEX CONCURRENTLY i ON t (m);\nCOMMIT;",
            3,
            "can't run in a transaction",
        ),
        (
            "BEGIN;\nVACUUM t;\nCOMMIT;",
            3,
            "can't run in a transaction",
        ),
        (
            "BEGIN;\nALTER TYPE mood ADD VALUE 'b';\nSELECT 'b'::mood;\nCOMMIT;",
            4,
            "55P04",
        ),
        (
            "CREATE TABLE b (x int);\nLOCK TABLE t;",
            3,
            "no transaction was begun",
        ),
        (
            "CREATE TABLE b (x int);\nSAVEPOINT a;",
            3,
            "no transaction was begun",
        ),
        (
            "DO $$ BEGIN\nCREATE INDEX CONCURRENTLY i ON t (m); END $$;",
            3,
            "in code",
        ),
    ];
    let place = Place::postgres();
    place.file(
        "1_a.sql",
        "CREATE TYPE mood AS ENUM ('a');\nCREATE TABLE t (m mood);",
    );
    place.deployed();
    refused(&place, "", &postgres[..2]);
    refused(&place, outside, &postgres[1..]);
    let sqlite: &[(&str, u64, &str)] = &[
        (
            "CREATE TABLE b (x);\nBEGIN;\nCREATE TABLE c (x);",
            3,
            "no COMMIT",
        ),
        ("CREATE TABLE b (x);\nCOMMIT;", 3, "it e"),
        ("BEGIN;\nVACUUM;\nCOMMIT;", 3, "can't run in a transaction"),
        ("CREATE TABLE b (x);\nSAVEPOINT a;", 3, "no COMMIT"),
        ("BEGIN;\nBEGIN;\nCOMMIT;", 3, "within another"),
    ];
    let place = Place::sqlite();
    place.file("1_a.sql", "CREATE TABLE t (m);");
    place.deployed();
    refused(&place, "", &sqlite[..1]);
    refused(&place, outside, sqlite);
}

/// The line is that of a file with one line more.
fn refused(place: &Place, first_line: &str, files: &[(&str, u64, &str)]) {
    for (text, line, message) in files {
        let text = match first_line {
            "" => format!("-- One of ours.\n{text}\n"),
            first => format!("{first}{text}\n"),
        };
        place.file("2_b.sql", &text);
        let before = place.state();
        let ran = place.deploy();
        ran.is(1, "no").says(message);
        assert_eq!(ran.line(), Some(*line), "{text}");
        assert_eq!(place.state(), before, "{text}");
    }
}

#[test]
fn a_file_of_comments_gets_its_row_where_newer_ones_stand_behind_it() {
    for place in Place::both() {
        place
            .file("1_a.sql", "-- Nothing to do here any more.\n")
            .file("2_b.sql", "CREATE TABLE b (x int);\n");
        let ran = place.deploy();
        ran.is(0, "yes").says("has no statement to apply");
        assert_eq!(place.ledger(), ["1", "2"]);
    }
}

#[test]
fn a_rebuild_in_a_transaction_of_its_own_keeps_rows_and_children() {
    let place = Place::sqlite();
    place.file(
        "1_a.sql",
        "CREATE TABLE p (id INTEGER PRIMARY KEY, a INTEGER);\n\
         CREATE TABLE c (p INTEGER REFERENCES p (id) ON DELETE CASCADE);\n\
         INSERT INTO p VALUES (1, 2);\nINSERT INTO c VALUES (1);\n",
    );
    place.deployed();
    place.file(
        "2_b.sql",
        "PRAGMA foreign_keys = OFF;\nBEGIN IMMEDIATE;\n\
         CREATE TABLE new_p (id INTEGER PRIMARY KEY, a INTEGER NOT NULL);\n\
         INSERT INTO new_p SELECT id, a FROM p;\nDROP TABLE p;\nALTER TABLE new_p RENAME TO p;\n\
         END TRANSACTION;\nPRAGMA foreign_keys = ON;\n",
    );
    place.deployed();
    assert_eq!(place.rows("SELECT a FROM p"), ["2"]);
    assert_eq!(place.rows("SELECT p FROM c"), ["1"]);
    // Long enough to be sent in pieces.
    let rows: String = (10..3000)
        .map(|id| format!("INSERT INTO p VALUES ({id}, 1);\n"))
        .collect();
    place.file(
        "3_c.sql",
        format!("BEGIN;\n{rows}COMMIT;\nDROP TABLE nowhere;\n"),
    );
    let ran = place.deploy();
    ran.is(1, "no").says("nowhere");
    assert_eq!(ran.line(), Some(2993));
    assert_eq!(place.rows("SELECT count(*) FROM p"), ["1"]);
    place.file("3_c.sql", format!("BEGIN;\n{rows}COMMIT;\n"));
    place.deployed();
    assert_eq!(place.rows("SELECT count(*) FROM p"), ["2991"]);
}
