//! PostgreSQL: what a file may do to its session, its transaction and its ledger row.

use crate::place::{Place, until};
use tests::answer::Answer;

#[test]
fn files_are_applied_in_order_each_with_its_row() {
    let place = Place::postgres();
    place
        .file("0002_b.sql", "INSERT INTO a VALUES (1);")
        .file("0001_a.sql", "CREATE TABLE a (x int);")
        .file(
            "0010_c.sql",
            "SELECT pg_sleep(0.12);\nCREATE TABLE c (x int);\n",
        );
    let ran = place.deployed();
    ran.is(0, "yes");
    assert_eq!(place.ledger(), ["1", "2", "10"]);
    assert_eq!(place.rows("SELECT count(*) FROM a"), ["1"]);
    // The role is called as the ledger's schema, which comes first in its path by "$user".
    assert_eq!(
        place.rows("SELECT schemaname FROM pg_tables WHERE tablename IN ('a', 'c')"),
        ["public", "public"]
    );
    assert_eq!(
        place.rows("SELECT name || protected FROM lockstep.environment"),
        ["devfalse"]
    );
    let identity = ran.json["target"]["identity"].as_str().unwrap();
    assert_eq!(
        identity,
        place.rows("SELECT uuid FROM lockstep.environment")[0]
    );
    assert_eq!(
        ran.json["facts"]["ledger_state"].as_str().unwrap(),
        place.rows("SELECT ledger_state FROM lockstep.schema")[0]
    );
    let took = place.rows("SELECT duration_ms >= 120 FROM lockstep.migrations ORDER BY position");
    assert_eq!(took, ["f", "f", "t"]);
    place.deployed().is(0, "no").says("nothing is pending");
}

#[test]
fn what_a_file_leaves_in_the_session_does_not_reach_the_next() {
    let place = Place::postgres();
    place
        .file(
            "1_dump.sql",
            "SELECT pg_catalog.set_config('search_path', '', false);\n\
             CREATE TABLE public.a (x int);\nSET lock_timeout = 0;\nSET statement_timeout = 600000;\n\
             PREPARE p AS SELECT 1;\nCREATE TEMP TABLE t (x int);\n\
             DECLARE c CURSOR WITH HOLD FOR SELECT 1;\nLISTEN l;\n",
        )
        .file(
            "2_role.sql",
            "CREATE ROLE place_role;\nGRANT CREATE ON SCHEMA public TO place_role;\n\
             SET ROLE place_role;\nCREATE TABLE b (x int);",
        )
        .file(
            "3_next.sql",
            "PREPARE p AS SELECT 1;\nCREATE TEMP TABLE t (x int);\n\
             CREATE TABLE c AS SELECT current_user AS who, current_setting('lock_timeout') AS wait, \
                current_setting('statement_timeout') AS time, \
                (SELECT count(*) FROM pg_cursors) AS cursors, \
                current_setting('client_connection_check_interval') AS checked;",
        )
        .file("4_last.sql", "REASSIGN OWNED BY place_role TO CURRENT_USER; DROP OWNED BY place_role; DROP ROLE place_role;");
    place.deployed();
    assert_eq!(
        place.rows("SELECT c::text FROM public.c"),
        ["(lockstep,5s,0,0,2s)"]
    );
    assert_eq!(
        place.rows("SELECT tableowner FROM pg_tables WHERE tablename = 'b'"),
        ["lockstep"]
    );
}

#[test]
fn a_file_that_fails_after_one_that_changed_the_session_leaves_it_clean() {
    let place = Place::postgres();
    place
        .file(
            "1_role.sql",
            "CREATE ROLE left_role;\nSET SESSION AUTHORIZATION left_role;",
        )
        .file("2_bad.sql", "DROP ROLE left_role;\nSELECT 1/0;");
    let ran = place.deploy();
    ran.is(6, "yes").says("division by zero");
    // The ledger and the schema could be read and recorded by the session's own role.
    assert_eq!(ran.found("warn"), Vec::<String>::new());
    place.file("2_bad.sql", "DROP ROLE left_role;");
    place.deployed();
}

#[test]
fn a_syntax_error_is_named_by_its_line_and_nothing_is_changed() {
    let place = Place::postgres();
    // A name of two bytes a letter before it, since the server counts characters.
    place.file(
        "1_five.sql",
        "CREATE TABLE é (x int);\r\nCREATE TABLE b (x int);\r\n\r\nCREATE TABLE c (x nonsense);\r\n\
         CREATE TABLE d (x int);\r\nCREATE TABLE e (x int);\r\n",
    );
    let before = place.state();
    let ran = place.deploy();
    ran.is(1, "no").says("nonsense");
    assert_eq!(ran.line(), Some(4));
    assert_eq!(place.state(), before);
}

#[test]
fn an_error_of_a_row_is_named_by_the_line_of_its_statement() {
    let place = Place::postgres();
    // The server names no place for what a row or a function's body does.
    place.file(
        "1_rows.sql",
        "CREATE TABLE a (x int);\n;;\n-- Two of them.\nINSERT INTO a VALUES (0), (1);\n\n\
         DO $$ BEGIN PERFORM 1; END $$;\nSELECT 1; SELECT 2;\n\
         ALTER TABLE a ADD CHECK (x > 0);\nSELECT 3;\n",
    );
    let ran = place.deploy();
    ran.is(1, "no").says("check constraint");
    assert_eq!(ran.line(), Some(8));
}

#[test]
fn a_sequence_that_was_set_is_told_because_it_stays() {
    let place = Place::postgres();
    place.file("1_a.sql", "CREATE SEQUENCE s;");
    place.deployed();
    place.file(
        "2_b.sql",
        "SELECT setval('s', 5000);\nINSERT INTO nowhere VALUES (1);",
    );
    place
        .deploy()
        .is(1, "no")
        .says("if its setval ran, that stands: sequences are not rolled back");
    assert_eq!(place.rows("SELECT last_value FROM s"), ["5000"]);
    place.file(
        "2_b.sql",
        "ALTER SEQUENCE s RESTART 7;\nINSERT INTO nowhere VALUES (1);",
    );
    let ran = place.deploy();
    ran.is(1, "no").says("nothing was changed");
    assert!(!ran.json.to_string().contains("setval"), "{ran:?}");
}

#[test]
fn a_role_that_may_only_read_is_no_fault_of_the_file() {
    let place = Place::postgres();
    let database = place.rows("SELECT current_database()").remove(0);
    place.execute(&format!(
        "ALTER DATABASE {database} SET default_transaction_read_only = on"
    ));
    place.file("1_a.sql", "CREATE TABLE a (x int);");
    let ran = place.deploy();
    ran.is(1, "no").says("default_transaction_read_only is on");
    assert!(!ran.json.to_string().contains("mend the file"), "{ran:?}");
}

#[test]
fn a_deferred_constraint_rolls_back() {
    let place = Place::postgres();
    place.file(
        "1_a.sql",
        "CREATE TABLE p (id int PRIMARY KEY);\n\
         CREATE TABLE c (p int REFERENCES p DEFERRABLE INITIALLY DEFERRED);\n\
         INSERT INTO c VALUES (1);",
    );
    let before = place.state();
    place.deploy().is(1, "no").says("violates foreign key");
    assert_eq!(place.state(), before);
}

#[test]
fn an_index_that_fails_concurrently_is_dirty_and_named() {
    let place = Place::postgres();
    place
        .file(
            "1_a.sql",
            "CREATE TABLE a (x int);\nINSERT INTO a VALUES (1), (1);",
        )
        .file(
            "2_index.sql",
            "-- lockstep: no-transaction\nCREATE TABLE b (x int);\n\
             CREATE UNIQUE INDEX CONCURRENTLY \"A x\" ON a (x);\n",
        )
        .file("3_c.sql", "CREATE TABLE c (x int);");
    let ran = place.deploy();
    ran.is(6, "yes")
        .says("could not create unique index")
        .says("public.\"A x\"")
        .says("mark-migrations --resolve 2");
    assert_eq!(ran.line(), Some(3));
    assert_eq!(place.ledger(), ["1", "2!"]);
    place.deploy().is(1, "no").says("never finished");
}

#[test]
fn an_index_that_another_session_builds_is_not_left_behind() {
    let place = Place::postgres();
    place.file(
        "1_a.sql",
        "CREATE TABLE a (x int);\nCREATE TABLE b (x int);",
    );
    place.deployed();
    // It lasts until the other session's index is there, and invalid.
    place.file(
        "2_index.sql",
        "-- lockstep: no-transaction\nCREATE INDEX CONCURRENTLY own ON b (x);\n\
             DO $$ BEGIN LOOP EXIT WHEN EXISTS (SELECT FROM pg_index i \
                JOIN pg_class c ON c.oid = i.indexrelid \
                WHERE c.relname = 'theirs' AND NOT i.indisvalid); \
                PERFORM pg_sleep(0.01); END LOOP; END $$;\n",
    );
    // A transaction that has written to the table keeps the build waiting.
    let mut holder = place.connect_postgres();
    holder
        .batch_execute("BEGIN; INSERT INTO a VALUES (1)")
        .unwrap();
    let child = place.command().spawn().unwrap();
    until("the wait", || {
        place.rows(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
             AND wait_event = 'PgSleep'",
        ) == ["1"]
    });
    let mut builder = place.connect_postgres();
    let building = std::thread::spawn(move || {
        builder.batch_execute("CREATE INDEX CONCURRENTLY theirs ON a (x)")
    });
    Answer::from_child(child).is(0, "yes");
    assert_eq!(
        place.rows("SELECT NOT indisvalid FROM pg_index WHERE indexrelid = 'theirs'::regclass"),
        ["t"]
    );
    holder.batch_execute("ROLLBACK").unwrap();
    building.join().unwrap().unwrap();
    assert_eq!(place.ledger(), ["1", "2"]);
}

#[test]
fn an_invalid_index_that_if_not_exists_accepts_is_no_success() {
    let place = Place::postgres();
    place.file("1_a.sql", "CREATE TABLE a (x int);");
    place.deployed();
    // The statement itself succeeds here, as after REINDEX or in another session.
    place.file(
        "2_index.sql",
        "-- lockstep: no-transaction\nCREATE INDEX CONCURRENTLY i ON a (x);\n\
         UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass;\n",
    );
    place.deploy().is(6, "yes").says("public.i");
    assert_eq!(place.ledger(), ["1", "2!"]);
}

#[test]
fn statements_outside_a_transaction_run_one_by_one() {
    let place = Place::postgres();
    place.file(
        "1_a.sql",
        "-- lockstep: no-transaction\nCREATE TYPE mood AS ENUM ('a');\n\
         ALTER TYPE mood ADD VALUE 'b';\nCREATE TABLE a (m mood DEFAULT 'b');\n\
         CREATE INDEX CONCURRENTLY i ON a (m);\nVACUUM a;\nBEGIN;\nINSERT INTO a VALUES ('b');\nCOMMIT;\n",
    );
    place.deployed();
    assert_eq!(place.rows("SELECT m FROM a"), ["b"]);
    place.file(
        "2_b.sql",
        "-- lockstep: no-transaction\nBEGIN;\nCREATE TABLE b (x int);\nSELECT 1/0;\nCOMMIT;\n",
    );
    let ran = place.deploy();
    ran.is(6, "yes")
        .says("division by zero")
        .says("left its own transaction open");
    assert_eq!(ran.line(), Some(4));
    assert_eq!(place.ledger(), ["1", "2!"]);
    assert_eq!(place.rows("SELECT to_regclass('b') IS NULL"), ["t"]);
}

#[test]
fn files_prepare_and_deallocate_what_they_like() {
    let place = Place::postgres();
    // The driver's own statements are called s0, s1 and so on.
    let theirs: Vec<String> = (0..40)
        .map(|number| format!("PREPARE s{number} AS SELECT {number};"))
        .collect();
    place
        .file("1_a.sql", "CREATE TABLE a (x int);")
        .file("2_b.sql", "CREATE TABLE b (x int);")
        .file("3_prepares.sql", theirs.join("\n"))
        .file("4_c.sql", "CREATE TABLE c (x int);")
        .file("5_deallocates.sql", "DEALLOCATE ALL;")
        .file("6_d.sql", "CREATE TABLE d (x int);")
        .file(
            "7_outside.sql",
            format!("-- lockstep: no-transaction\n{}", theirs.join("\n")),
        )
        .file("8_discards.sql", "DISCARD PLANS;\nDEALLOCATE PREPARE ALL;")
        .file("9_e.sql", "CREATE TABLE e (x int);");
    place.deployed();
    assert_eq!(place.ledger().len(), 9);
}

#[test]
fn what_a_function_prepares_or_drops_does_not_reach_the_next_file() {
    let place = Place::postgres();
    let function = |name: &str, sql: &str| {
        format!(
            "CREATE FUNCTION {name}() RETURNS int LANGUAGE plpgsql AS \
             $$ BEGIN EXECUTE '{sql}'; RETURN 1; END $$;\n"
        )
    };
    let functions = [
        "CREATE TABLE t (x int);\n".to_owned(),
        function("prepares", "PREPARE p AS SELECT 1"),
        function("drops", "DEALLOCATE ALL"),
    ];
    place
        .file("1_functions.sql", functions.concat())
        .file("2_prepares.sql", "INSERT INTO t VALUES (prepares());")
        .file("3_again.sql", "INSERT INTO t VALUES (prepares());")
        .file("4_drops.sql", "INSERT INTO t VALUES (drops());")
        .file("5_plain.sql", "CREATE TABLE a (x int);")
        .file("6_drops.sql", "INSERT INTO t VALUES (drops());");
    place.deployed();
    assert_eq!(place.ledger().len(), 6);
}

#[test]
fn who_blocks_is_named_and_the_attempts_are_bounded() {
    let place = Place::postgres();
    place.file("1_a.sql", "CREATE TABLE a (x int);");
    place.deployed();
    // What is prepared outlives the rollback between the attempts.
    place.file(
        "2_b.sql",
        "PREPARE p AS SELECT 1;\nALTER TABLE a ADD y int;",
    );
    let mut reader = place.connect_postgres();
    reader
        .batch_execute("SET application_name = 'pg_dump'; BEGIN; LOCK a IN ACCESS SHARE MODE")
        .unwrap();
    let ran = place.deploy_with(&["--lock-timeout", "400ms"], &[]);
    ran.is(5, "no")
        .says("lock timeout")
        .says("blocked by pg_dump as lockstep (process ")
        .says("tried 4 times");
    assert!(
        ran.stderr.contains("attempt 3 of 4 timed out"),
        "{}",
        ran.stderr
    );
    let child = place.waiting("200ms");
    reader.batch_execute("COMMIT").unwrap();
    Answer::from_child(child).is(0, "yes");
    assert_eq!(place.ledger(), ["1", "2"]);
}

#[test]
fn a_schema_of_its_own_is_where_files_run() {
    let place = Place::postgres();
    place.toml("schema = \"My Schema\"\n");
    place.file("1_a.sql", "CREATE TABLE a (x int);");
    place.deploy().is(1, "no").says("create the schema first");
    place.execute("CREATE SCHEMA \"My Schema\"");
    let ran = place.deployed();
    assert_eq!(ran.json["facts"]["search_path"], "My Schema");
    assert_eq!(
        place.rows("SELECT schemaname FROM pg_tables WHERE tablename = 'a'"),
        ["My Schema"]
    );
}
