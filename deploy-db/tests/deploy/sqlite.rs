//! SQLite: transactions, statements that need none, locks.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::place::Place;
use tests::answer::Answer;

#[test]
fn files_are_applied_in_order_each_with_its_row() {
    let place = Place::sqlite();
    place
        .file("0002_b.sql", "INSERT INTO a VALUES (1);")
        .file("0001_a.sql", "CREATE TABLE a (x);")
        .file("0010_c.sql", "CREATE TABLE c (x);\n");
    let ran = place.deployed();
    ran.is(0, "yes");
    assert_eq!(place.ledger(), ["1", "2", "10"]);
    assert_eq!(place.rows("SELECT count(*) FROM a"), ["1"]);
    assert_eq!(
        ran.json["facts"]["deployed"],
        serde_json::json!(["0001_a.sql", "0002_b.sql", "0010_c.sql"])
    );
    for line in ["applying 0001_a.sql (1 of 3)", "applied 0010_c.sql in "] {
        assert!(ran.stderr.contains(line), "{line}: {}", ran.stderr);
    }
    assert_eq!(
        place.rows("SELECT name || protected FROM lockstep_environment"),
        ["dev0"]
    );
    assert_eq!(
        ran.json["target"]["identity"].as_str().unwrap(),
        place.rows("SELECT uuid FROM lockstep_environment")[0]
    );
    assert_eq!(
        ran.json["facts"]["ledger_state"].as_str().unwrap(),
        place.rows("SELECT ledger_state FROM lockstep_schema")[0]
    );
    let before = place.state();
    place.deployed().is(0, "no").says("nothing is pending");
    assert_eq!(place.state(), before);
}

#[test]
fn a_file_with_its_own_pragma_leaves_the_next_one_alone() {
    let place = Place::sqlite();
    place
        .file(
            "1_a.sql",
            "CREATE TABLE a (x);\nPRAGMA foreign_keys = ON;\nPRAGMA case_sensitive_like = 1;\n\
             CREATE TEMP TABLE t (x);",
        )
        .file(
            "2_b.sql",
            "CREATE TEMP TABLE t (x);\nCREATE TABLE b AS SELECT 'A' LIKE 'a' AS likes;",
        );
    let ran = place.deployed();
    let warned = ran.found("warn");
    assert!(
        warned.iter().any(|text| text.contains("foreign_keys")),
        "{warned:?}"
    );
    assert_eq!(place.rows("SELECT likes FROM b"), ["1"]);
}

#[test]
fn sql_that_sqlite_refuses_is_a_no_that_names_its_line_and_shows_no_file() {
    let refused = [
        ("CREATE TABLE a (x);", 4, "table a already exists"),
        ("SELECT x,\n  nocol\nFROM a;", 5, "no such column: nocol"),
        ("CREATE INDEX i\nON a (nocol);", 5, "no such column: nocol"),
        (
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN\nSELECT 1; SELECT nocol;\nEND;\nSELECT f();",
            7,
            "no such function: f",
        ),
    ];
    for directive in ["", "-- lockstep: no-transaction\n"] {
        for (sql, line, message) in refused {
            let place = Place::sqlite();
            place.file("1_a.sql", "CREATE TABLE a (x);");
            place.deployed();
            let head = if directive.is_empty() {
                "\n"
            } else {
                directive
            };
            place.file(
                "2_b.sql",
                format!(
                    "{head}CREATE TABLE \"b;\" (x); -- ;\n/* ; */\n{sql}\nSELECT 'the rest';\n"
                ),
            );
            let ran = place.deploy();
            match directive {
                "" => ran.is(1, "no"),
                _ => ran.is(6, "yes"),
            };
            ran.says(message);
            assert_eq!(ran.line(), Some(line), "{ran:?}");
            assert!(!ran.json.to_string().contains("the rest"), "{ran:?}");
            assert!(!ran.stderr.contains("the rest"), "{ran:?}");
        }
    }
}

#[test]
fn statements_are_sent_as_sqlite_itself_tells_them_apart() {
    let place = Place::sqlite();
    place.file(
        "1_a.sql",
        ";; -- one; two\nCREATE TABLE a (x TEXT DEFAULT ';', \"y;\", [z;], `w;`);;\n\
         CREATE TRIGGER t AFTER INSERT ON a WHEN CASE new.x WHEN 'a' THEN 1 ELSE 0 END BEGIN\n\
           INSERT INTO a VALUES ('END;', 1, 2, 3);\n  SELECT 1; -- END;\nEND;\n\
         /* ; END; */ INSERT INTO a (x) VALUES ('a'); INSERT INTO a (x) VALUES ('it''s; b') -- ;",
    );
    place.deployed();
    assert_eq!(place.rows("SELECT x FROM a"), ["a", "END;", "it's; b"]);
}

#[test]
fn a_file_that_keeps_the_database_for_itself_does_not_keep_it_from_the_next() {
    let place = Place::sqlite();
    for directive in ["", "-- lockstep: no-transaction\n"] {
        let number = if directive.is_empty() { 1 } else { 3 };
        place
            .file(
                &format!("{number}_a.sql"),
                format!(
                    "{directive}PRAGMA locking_mode = EXCLUSIVE;\nCREATE TABLE t{number} (x);\n"
                ),
            )
            .file(
                &format!("{}_b.sql", number + 1),
                format!("CREATE TABLE u{number} (x);"),
            );
    }
    let ran = place.deployed();
    assert_eq!(ran.found("warn"), Vec::<String>::new());
    assert_eq!(place.ledger(), ["1", "2", "3", "4"]);
}

#[test]
fn vacuum_into_writes_no_copy() {
    let place = Place::sqlite();
    place.file(
        "1_a.sql",
        "-- lockstep: no-transaction\nCREATE TABLE a (x);\nVACUUM INTO 'copy.db';\n",
    );
    place.deploy().is(1, "no").says("VACUUM INTO 'copy.db'");
    assert!(!place.path("copy.db").exists());
}

#[test]
fn vacuum_runs_outside_a_transaction_only() {
    let place = Place::sqlite();
    place.file("1_a.sql", "CREATE TABLE a (x);\nVACUUM;\n");
    let before = place.state();
    let ran = place.deploy();
    ran.is(1, "no");
    assert_eq!(ran.line(), Some(2));
    assert_eq!(place.state(), before);
    place.file(
        "1_a.sql",
        "-- lockstep: no-transaction\nCREATE TABLE a (x);\nVACUUM;\n",
    );
    let ran = place.deployed();
    assert!(
        ran.stderr.contains("outside a transaction"),
        "{}",
        ran.stderr
    );
    assert_eq!(place.ledger(), ["1"]);
}

#[test]
fn a_file_outside_a_transaction_that_fails_midway_is_dirty() {
    let place = Place::sqlite();
    place
        .file("1_a.sql", "CREATE TABLE a (x);")
        .file(
            "2_b.sql",
            "-- lockstep: no-transaction\nCREATE TABLE b (x);\nINSERT INTO nowhere VALUES (1);\n\
             CREATE TABLE c (x);\n",
        )
        .file("3_c.sql", "CREATE TABLE d (x);");
    let ran = place.deploy();
    ran.is(6, "yes")
        .says("applied is 1_a.sql, not applied is 3_c.sql")
        .says("mark-migrations --resolve 2");
    assert_eq!(ran.line(), Some(3));
    assert_eq!(place.ledger(), ["1", "2!"]);
    assert_eq!(ran.json["facts"]["not_deployed"][0], "2_b.sql");
    let before = place.state();
    place.deploy().is(1, "no").says("never finished");
    assert_eq!(place.state(), before);
}

#[test]
fn a_file_outside_a_transaction_may_have_its_own() {
    let place = Place::sqlite();
    place
        .file(
            "1_a.sql",
            "-- lockstep: no-transaction\nPRAGMA foreign_keys = OFF;\nBEGIN;\nCREATE TABLE a (x);\nCOMMIT;\n",
        )
        .file(
            "2_b.sql",
            "-- lockstep: no-transaction\nBEGIN;\nCREATE TABLE b (x);\nDROP TABLE nowhere;\nCOMMIT;\n",
        );
    let ran = place.deploy();
    ran.is(6, "yes").says("left its own transaction open");
    assert_eq!(place.ledger(), ["1", "2!"]);
    assert_eq!(
        place.rows("SELECT count(*) FROM sqlite_schema WHERE name = 'b'"),
        ["0"]
    );
}

#[test]
fn orphans_that_a_file_outside_a_transaction_makes_are_told() {
    let place = Place::sqlite();
    place.file(
        "1_a.sql",
        "CREATE TABLE p (id INTEGER PRIMARY KEY);\n\
         CREATE TABLE c (p REFERENCES p);\nINSERT INTO p VALUES (1);\nINSERT INTO c VALUES (1);",
    );
    place.deployed();
    place.file("2_b.sql", "-- lockstep: no-transaction\nDELETE FROM p;\n");
    place.deploy().is(6, "yes").says("c (1) → p");
    assert_eq!(place.ledger(), ["1", "2!"]);
}

#[test]
fn a_writer_that_keeps_the_database_is_waited_for_and_named() {
    for mode in ["DELETE", "WAL"] {
        let place = Place::sqlite();
        place.execute(&format!("PRAGMA journal_mode = {mode}"));
        place.file("1_a.sql", "CREATE TABLE a (x);");
        let writer = place.connect_sqlite();
        writer
            .execute_batch("BEGIN IMMEDIATE; CREATE TABLE w (x)")
            .unwrap();
        let ran = place.deploy_with(&["--lock-timeout", "100ms"], &[]);
        ran.is(5, "no")
            .says("another connection kept the database locked")
            .says(&format!("(process {}) has it open", std::process::id()));
        assert!(ran.stderr.contains("attempt 2 of 3"), "{}", ran.stderr);
        writer.execute_batch("ROLLBACK").unwrap();
        drop(writer);
        assert_eq!(place.tables(), Vec::<String>::new());
        place.deployed();
    }
}

#[test]
fn a_reader_that_ends_in_time_does_not_undo_the_work() {
    let place = Place::sqlite();
    place.mark("dev", false);
    place.file("1_a.sql", "CREATE TABLE a (x);");
    let reader = place.connect_sqlite();
    reader
        .execute_batch("BEGIN; SELECT * FROM sqlite_schema")
        .unwrap();
    // On a rollback journal a reader keeps COMMIT waiting, and nobody else.
    let ran = place.deploy_with(&["--lock-timeout", "100ms"], &[]);
    ran.is(5, "no");
    let child = place
        .command()
        .args(["--lock-timeout", "20s"])
        .spawn()
        .unwrap();
    let journal = place.path("app.db-journal");
    crate::place::until("the journal", || journal.exists());
    reader.execute_batch("COMMIT").unwrap();
    Answer::from_child(child).is(0, "yes");
    assert_eq!(place.ledger(), ["1"]);
}

#[test]
fn what_is_no_database_is_told_and_left_alone() {
    let place = Place::sqlite();
    place.file("1_a.sql", "CREATE TABLE a (x);");
    let path = place.database().to_owned();
    std::fs::write(&path, vec![b'x'; 5000]).unwrap();
    let before = place.state();
    place.deploy().is(1, "no").says("not a database");
    assert_eq!(place.state(), before);

    // A database with its second page torn.
    std::fs::write(&path, "").unwrap();
    place.execute("CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    place.mark("dev", false);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100..4096].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let before = place.state();
    place.deploy().is(1, "no").says("malformed");
    assert_eq!(place.state(), before);

    std::fs::remove_file(&path).unwrap();
    place
        .deploy()
        .is(1, "no")
        .says("does not exist")
        .says("mark-db --create");
    assert!(!path.exists());
    std::fs::create_dir(&path).unwrap();
    place.deploy().is(1, "no").says("it is not a file");
}

#[test]
fn without_the_right_to_write_nothing_is_written() {
    let place = Place::sqlite();
    place.file("1_a.sql", "CREATE TABLE a (x);");
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let as_nobody = |place: &Place| {
        let own = place.command();
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]);
            command.arg(own.get_program());
            command
        } else {
            Command::new(own.get_program())
        };
        command.args(own.get_args());
        command.env_clear();
        for (name, value) in own.get_envs() {
            command.env(name, value.unwrap());
        }
        command
            .current_dir(place.dir.path())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        Answer::of(&mut command)
    };
    mode(place.dir.path(), 0o755);
    mode(&place.path("migrations"), 0o755);
    mode(place.database(), 0o444);
    let before = place.state();
    as_nobody(&place)
        .is(1, "no")
        .says("this user may not write the file");
    mode(place.database(), 0o666);
    mode(place.dir.path(), 0o555);
    as_nobody(&place).is(3, "no").says("open the lock file");
    mode(place.dir.path(), 0o755);
    assert_eq!(place.state(), before);
}

#[test]
fn in_a_long_file_the_line_of_an_error_is_told_too() {
    // Over the length up to which a file is sent whole.
    let rows: String = (0..2_000)
        .map(|number| format!("INSERT INTO a VALUES ({number});\n"))
        .collect();
    for (last, message) in [
        ("INSERT INTO a\nVALUES (7);\n", "UNIQUE constraint failed"),
        (
            "SELECT 1;\nINSERT INTO nowhere VALUES (1);\n",
            "no such table",
        ),
    ] {
        let place = Place::sqlite();
        let sql = format!("CREATE TABLE a (x int UNIQUE);\n{rows}{last}");
        place.file("1_a.sql", sql);
        let ran = place.deploy();
        ran.is(1, "no").says(message);
        let line = if last.starts_with("SELECT") {
            2_003
        } else {
            2_002
        };
        assert_eq!(ran.line(), Some(line), "{last}");
    }
}
