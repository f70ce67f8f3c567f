//! What becomes of the transactions of a file's own.

use crate::Dialect::{self, Postgres, Sqlite};
use crate::{Trouble, parse, transactions, within_transaction};

const BOTH: [Dialect; 2] = [Sqlite, Postgres];

const OUTSIDE: bool = true;

/// "line trouble" for each fault, or "left out" with the lines that are.
fn found(dialect: Dialect, sql: &str, no_transaction: bool) -> Vec<String> {
    let script = parse(dialect, sql);
    assert!(script.errors.is_empty(), "{sql:?}: {:?}", script.errors);
    let found = transactions(&script, sql, no_transaction);
    let faults = found.faults.iter().map(|fault| {
        let trouble = match &fault.trouble {
            Trouble::NotLeftOut(_) => "NotLeftOut".to_owned(),
            Trouble::EnumValueUsed { added, is_own, .. } => {
                format!("EnumValueUsed {added}{}", if *is_own { " own" } else { "" })
            }
            trouble => format!("{trouble:?}"),
        };
        format!("{} {trouble}", fault.line)
    });
    let mut said: Vec<String> = faults.collect();
    if !found.left_out.is_empty() {
        let lines = found.left_out.iter().map(|gone| gone.line.to_string());
        said.push(format!("left out {}", lines.collect::<Vec<_>>().join(" ")));
    }
    said
}

#[track_caller]
fn check(dialect: Dialect, sql: &str, expected: &[&str]) {
    assert_eq!(found(dialect, sql, false), expected, "{dialect:?} {sql:?}");
}

#[track_caller]
fn check_outside(dialect: Dialect, sql: &str, expected: &[&str]) {
    assert_eq!(
        found(dialect, sql, OUTSIDE),
        expected,
        "{dialect:?} {sql:?}"
    );
}

const PRISMA: &str = "-- AlterEnum\nBEGIN;\nCREATE TYPE \"Role_new\" AS ENUM ('A', 'B');\n\
     ALTER TABLE \"User\" ALTER COLUMN \"role\" TYPE \"Role_new\" USING (\"role\"::text::\"Role_new\");\n\
     ALTER TYPE \"Role\" RENAME TO \"Role_old\";\nALTER TYPE \"Role_new\" RENAME TO \"Role\";\n\
     DROP TYPE \"Role_old\";\nCOMMIT;\n\n-- AlterTable\nALTER TABLE \"User\" ADD COLUMN \"n\" INT;\n";

#[test]
fn a_balanced_pair_is_left_out_and_every_line_stays() {
    check(Postgres, PRISMA, &["left out 2 8"]);
    let sent = within_transaction(Postgres, PRISMA);
    assert_eq!(sent.len(), PRISMA.len());
    assert_eq!(sent.lines().nth(1), Some("     ;"));
    assert_eq!(sent.lines().nth(7), Some("      ;"));
    let rest = |text: &str| {
        let kept = text
            .lines()
            .enumerate()
            .filter(|(at, _)| ![1, 7].contains(at));
        kept.map(|(_, line)| line.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(rest(&sent), rest(PRISMA));
    for dialect in BOTH {
        for sql in [
            "BEGIN;\nCREATE TABLE t (a int);\nCOMMIT;",
            "begin transaction;\nCREATE TABLE t (a int);\nend",
            "BEGIN;\nSELECT 1;\nEND TRANSACTION;",
        ] {
            check(dialect, sql, &["left out 1 3"]);
        }
        check(
            dialect,
            "CREATE TABLE s (a int);\nBEGIN;\nCREATE TABLE t (a int);\nCOMMIT;\nINSERT INTO s VALUES (1);\n\
             BEGIN;\nINSERT INTO t VALUES (1);\nCOMMIT;",
            &["left out 2 4 6 8"],
        );
        check(dialect, "CREATE TABLE t (a int);", &[]);
        let plain = "SELECT 1; -- BEGIN\nSELECT 'COMMIT';";
        assert_eq!(within_transaction(dialect, plain), plain);
    }
    for sql in [
        "BEGIN IMMEDIATE;\nSELECT 1;\nCOMMIT;",
        "BEGIN EXCLUSIVE;\nSELECT 1;\nEND;",
    ] {
        check(Sqlite, sql, &["left out 1 3"]);
    }
    for sql in [
        "START TRANSACTION;\nSELECT 1;\nCOMMIT WORK;",
        "BEGIN READ WRITE;\nSELECT 1;\nCOMMIT AND NO CHAIN;",
        "BEGIN ISOLATION LEVEL READ COMMITTED;\nSET LOCAL lock_timeout = '1s';\nCOMMIT;",
        "BEGIN;\nSAVEPOINT a; ROLLBACK TO a; RELEASE a;\nCOMMIT;",
    ] {
        check(Postgres, sql, &["left out 1 3"]);
    }
    // Text between quotes, with letters of more than one byte.
    let sql = "BEGIN /* é\n */ TRANSACTION;\nSELECT 'é';\nCOMMIT;";
    let sent = within_transaction(Postgres, sql);
    assert_eq!(
        (sent.len(), sent.lines().count()),
        (sql.len(), sql.lines().count())
    );
    assert!(sent.contains("SELECT 'é';") && !sent.contains("TRANSACTION"));
}

#[test]
fn a_pair_that_means_more_is_not_left_out() {
    for (line, sql) in [
        (1, "BEGIN ISOLATION LEVEL SERIALIZABLE;\nSELECT 1;\nCOMMIT;"),
        (1, "BEGIN READ ONLY;\nSELECT 1;\nCOMMIT;"),
        (1, "START TRANSACTION DEFERRABLE;\nSELECT 1;\nCOMMIT;"),
        (
            2,
            "BEGIN;\nSET TRANSACTION ISOLATION LEVEL REPEATABLE READ;\nCOMMIT;",
        ),
        (3, "BEGIN;\nSELECT 1;\nCOMMIT AND CHAIN;\nCOMMIT;"),
        (3, "BEGIN;\nSELECT 1;\nROLLBACK;"),
        (3, "BEGIN;\nSELECT 1;\nABORT;\nSELECT 1;"),
        (2, "BEGIN;\nBEGIN;\nCOMMIT;"),
        (3, "BEGIN;\nSELECT 1;\nPREPARE TRANSACTION 'a';"),
        (3, "BEGIN;\nDO $$ BEGIN\nCOMMIT; END $$;\nCOMMIT;"),
        (
            2,
            "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;\nCALL p();",
        ),
        (2, "BEGIN;\nSET LOCAL role TO a;\nCOMMIT;\nSELECT 1;"),
        (
            2,
            "BEGIN;\nSELECT set_config('role', 'a', true);\nCOMMIT;\nBEGIN;\nSELECT 1;\nCOMMIT;",
        ),
        (
            2,
            "BEGIN;\nCREATE TEMP TABLE t ON COMMIT DROP AS SELECT 1;\nCOMMIT;\nSELECT 1;",
        ),
        (
            2,
            "BEGIN;\nCREATE TEMP TABLE t (a int) ON COMMIT DELETE ROWS;\nCOMMIT;\nSELECT 1;",
        ),
        (
            2,
            "BEGIN;\nSET CONSTRAINTS ALL DEFERRED;\nCOMMIT;\nSELECT 1;",
        ),
        (
            4,
            "BEGIN;\nUPDATE t SET a = 1 WHERE b = 2;\nCOMMIT;\nALTER TABLE t ADD UNIQUE (a);",
        ),
        (1, "SAVEPOINT a;\nBEGIN;\nCOMMIT;"),
        (
            5,
            "BEGIN;\nSAVEPOINT a;\nCOMMIT;\nBEGIN;\nROLLBACK TO a;\nCOMMIT;",
        ),
    ] {
        check(Postgres, sql, &[&format!("{line} NotLeftOut")]);
        assert_eq!(within_transaction(Postgres, sql), sql);
    }
    check(Sqlite, "BEGIN;\nSELECT 1;\nROLLBACK;", &["3 NotLeftOut"]);
    check(Sqlite, "SAVEPOINT a;\nBEGIN;\nCOMMIT;", &["1 NotLeftOut"]);
    check(
        Postgres,
        "BEGIN;\nUPDATE t SET a = 1 WHERE b = 2;\nALTER TABLE t ADD UNIQUE (a);\nCOMMIT;",
        &["left out 1 4"],
    );
    check(
        Postgres,
        "UPDATE t SET a = 1 WHERE b = 2;\nBEGIN;\nALTER TABLE t ADD UNIQUE (a);\nCOMMIT;",
        &["left out 2 4"],
    );
    for later in [
        "UPDATE t SET a = 1 WHERE b = 3;",
        "CREATE VIEW v AS SELECT * FROM t;",
        "GRANT ALL ON t TO clerk;",
        "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED AND t.b = 1 THEN DELETE;",
        "ALTER TABLE s ADD UNIQUE (a);",
    ] {
        let sql = format!("BEGIN;\nUPDATE t SET a = 1 WHERE b = 2;\nCOMMIT;\n{later}");
        check(Postgres, &sql, &["left out 1 3"]);
    }
    for dialect in BOTH {
        check(dialect, "SELECT 1;\nBEGIN;\nSELECT 2;", &["2 LeftOpen"]);
        check(dialect, "SELECT 1;\nCOMMIT;", &["2 NothingToEnd"]);
        check(dialect, "SELECT 1;\nROLLBACK;", &["2 NothingToEnd"]);
        check(dialect, "BEGIN;\nCOMMIT;\nCOMMIT;", &["3 NothingToEnd"]);
        check(dialect, "SAVEPOINT a; RELEASE a;", &[]);
    }
}

#[test]
fn a_value_of_an_enum_is_not_used_where_it_is_added() {
    for (sql, expected) in [
        (
            "ALTER TYPE m ADD VALUE 'x';\nSELECT 'x'::text::m;",
            "2 EnumValueUsed 1",
        ),
        (
            "ALTER TYPE m ADD VALUE 'x';\nSELECT CAST('x' AS text)::m;",
            "2 EnumValueUsed 1",
        ),
        (
            "ALTER TYPE m ADD VALUE 'x';\nSELECT * FROM t WHERE a IN ('y', 'x');",
            "2 EnumValueUsed 1",
        ),
        (
            "ALTER TYPE m ADD VALUE 'x';\nSELECT * FROM t WHERE a::text::m IN ('y', 'x');",
            "2 EnumValueUsed 1",
        ),
        (
            "ALTER TYPE m ADD VALUE 'x';\nSELECT a::text IN ('y', 'x'::m::text) FROM t;",
            "2 EnumValueUsed 1",
        ),
        (
            "ALTER TYPE m ADD VALUE 'x';\nSELECT a::text = 'y' OR a = 'x' FROM t;",
            "2 EnumValueUsed 1",
        ),
        (
            "ALTER TYPE m ADD VALUE 'x';\nSELECT text = 'x' FROM t;",
            "2 EnumValueUsed 1",
        ),
        (
            "ALTER TYPE m ADD VALUE 'x';\nSELECT enum_range(NULL::m);",
            "2 EnumValueUsed 1",
        ),
        (
            "ALTER TYPE m ADD VALUE 'x';\nALTER TYPE m RENAME VALUE 'x' TO 'y';\nSELECT 'y'::m;",
            "3 EnumValueUsed 1",
        ),
        (
            "CREATE TYPE m AS ENUM ('a');\nALTER TYPE m ADD VALUE 'x';\nSELECT 'x'::m;",
            "3 EnumValueUsed 2",
        ),
        (
            "ALTER TYPE m ADD VALUE 'x';\nUPDATE t SET m = 'x';",
            "2 EnumValueUsed 1",
        ),
        (
            "ALTER TYPE m ADD VALUE IF NOT EXISTS 'x';\nALTER TABLE t ALTER m SET DEFAULT 'x'::m;",
            "2 EnumValueUsed 1",
        ),
        (
            "ALTER TYPE m ADD VALUE 'x' AFTER 'a';\nDO $$ BEGIN INSERT INTO t VALUES ('x'); END $$;",
            "2 EnumValueUsed 1",
        ),
        (
            "ALTER TYPE m ADD VALUE 'x';\nDO $$ BEGIN EXECUTE 'INSERT INTO t VALUES (''x'')'; END $$;",
            "2 EnumValueUsed 1",
        ),
        (
            "ALTER TYPE m ADD VALUE 'it''s';\nSELECT E'it''s'::m;",
            "2 EnumValueUsed 1",
        ),
        (
            "DO $$ BEGIN\nALTER TYPE m ADD VALUE 'x'; END $$;\nSELECT 'x'::m;",
            "3 EnumValueUsed 2",
        ),
        (
            "ALTER TYPE m ADD VALUE 'x';\nCREATE FUNCTION f() RETURNS m LANGUAGE sql AS $$ SELECT 'x'::m $$;",
            "2 EnumValueUsed 1",
        ),
        (
            "ALTER TYPE m ADD VALUE 'x';\nCREATE FUNCTION f() RETURNS m LANGUAGE plpgsql AS $$ BEGIN RETURN 'x'; END $$;\nSELECT f();",
            "3 EnumValueUsed 1",
        ),
        (
            "ALTER TYPE m ADD VALUE 'x';\nCREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.m = 'x'; RETURN NEW; END $$;\n\
             CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();\nINSERT INTO t DEFAULT VALUES;",
            "4 EnumValueUsed 1",
        ),
        (
            "BEGIN;\nALTER TYPE m ADD VALUE 'x';\nSELECT 'x'::m;\nCOMMIT;",
            "3 EnumValueUsed 2 own",
        ),
        (
            "BEGIN;\nALTER TYPE m ADD VALUE 'x';\nCOMMIT;\nBEGIN;\nSELECT 'x'::m;\nCOMMIT;",
            "5 EnumValueUsed 2",
        ),
        (
            "ALTER TYPE m ADD VALUE 'x';\nBEGIN;\nSELECT 'x'::m;\nCOMMIT;",
            "3 EnumValueUsed 1",
        ),
    ] {
        check(Postgres, sql, &[expected]);
        assert_eq!(within_transaction(Postgres, sql), sql);
    }
    for sql in [
        "ALTER TYPE m ADD VALUE 'x'; ALTER TYPE m ADD VALUE 'y' AFTER 'x'; COMMENT ON TYPE m IS 'x';",
        "ALTER TYPE m ADD VALUE 'x'; SELECT 'xx', \"x\", 'x'::text, CAST('x' AS varchar);",
        "ALTER TYPE m ADD VALUE 'x'; ALTER TABLE t ADD CHECK (a::text IN ('y', 'x', 'z'));",
        "ALTER TYPE m ADD VALUE 'x'; SELECT a::varchar NOT IN ('x'), a::text = 'x', a::text <> 'x' FROM t;",
        "INSERT INTO t VALUES ('x'); ALTER TYPE m ADD VALUE 'x';",
        "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_enum WHERE enumlabel = 'x') THEN ALTER TYPE m ADD VALUE 'x'; END IF; END $$;",
        "ALTER TYPE m ADD VALUE 'x'; CREATE FUNCTION f() RETURNS m LANGUAGE plpgsql AS $$ BEGIN RETURN 'x'; END $$;",
        "ALTER TYPE m ADD VALUE 'x'; ALTER TYPE m RENAME VALUE 'a' TO 'b'; CREATE TYPE n AS ENUM ('x');",
    ] {
        check(Postgres, sql, &[]);
    }
    check(
        Postgres,
        "BEGIN;\nALTER TYPE m ADD VALUE 'x';\nCOMMIT;\nSELECT 1;",
        &["left out 1 3"],
    );
}

#[test]
fn what_fails_on_the_way_outside_a_transaction_is_known_beforehand() {
    for dialect in BOTH {
        check_outside(dialect, "SELECT 1;\nBEGIN;\nSELECT 2;", &["2 LeftOpen"]);
        check_outside(dialect, "BEGIN;\nSELECT 1;\nCOMMIT;", &[]);
        check_outside(dialect, "BEGIN;\nSELECT 1;\nROLLBACK;", &[]);
        check_outside(
            dialect,
            "BEGIN;\nSAVEPOINT a; ROLLBACK TO a; RELEASE a;\nCOMMIT;",
            &[],
        );
        check_outside(dialect, "BEGIN;\nVACUUM;\nCOMMIT;", &["2 InTransaction"]);
        check_outside(dialect, "BEGIN;\nCOMMIT;\nVACUUM;", &[]);
        check_outside(dialect, "BEGIN;\nRELEASE b;\nCOMMIT;", &["2 NothingToEnd"]);
    }
    for (sql, expected) in [
        (
            "BEGIN;\nCREATE INDEX CONCURRENTLY i ON t (a);\nCOMMIT;",
            "2 InTransaction",
        ),
        (
            "BEGIN;\nSELECT 1;\nCOMMIT AND CHAIN;\nSELECT 2;",
            "3 LeftOpen",
        ),
        (
            "BEGIN;\nDO $$ BEGIN\nCOMMIT; END $$;\nCOMMIT;",
            "3 InTransaction",
        ),
        (
            "DO $$ BEGIN\nCREATE INDEX CONCURRENTLY i ON t (a); END $$;",
            "2 InTransaction",
        ),
        (
            "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;\nBEGIN;\nCALL p();\nCOMMIT;",
            "3 InTransaction",
        ),
        ("SAVEPOINT a;", "1 OutsideTransaction"),
        ("SELECT 1;\nLOCK TABLE t;", "2 OutsideTransaction"),
        ("DECLARE c CURSOR FOR SELECT 1;", "1 OutsideTransaction"),
        ("COMMIT AND CHAIN;\nCOMMIT;", "1 NothingToEnd"),
        (
            "BEGIN;\nALTER TYPE m ADD VALUE 'x';\nSELECT 'x'::m;\nCOMMIT;",
            "3 EnumValueUsed 2 own",
        ),
    ] {
        check_outside(Postgres, sql, &[expected]);
    }
    for sql in [
        "ALTER TYPE m ADD VALUE 'x'; SELECT 'x'::m;",
        "BEGIN; ALTER TYPE m ADD VALUE 'x'; COMMIT; BEGIN; SELECT 'x'::m; COMMIT;",
        "DO $$ BEGIN COMMIT; END $$;",
        "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$; CALL p();",
        "BEGIN; LOCK TABLE t; COMMIT; DECLARE c CURSOR WITH HOLD FOR SELECT 1;",
        // Warnings of the server.
        "BEGIN; BEGIN; COMMIT; COMMIT;",
        "ROLLBACK;",
    ] {
        check_outside(Postgres, sql, &[]);
    }
    for (sql, expected) in [
        ("BEGIN;\nBEGIN;\nCOMMIT;", "2 BeginsWithin"),
        ("SELECT 1;\nCOMMIT;", "2 NothingToEnd"),
        ("SAVEPOINT a;\nSELECT 1;", "1 LeftOpen"),
        ("SAVEPOINT a;\nBEGIN;\nCOMMIT;", "2 BeginsWithin"),
        ("SAVEPOINT a;\nVACUUM;\nRELEASE A;", "2 InTransaction"),
        ("RELEASE a;", "1 NothingToEnd"),
        ("SAVEPOINT a;\nROLLBACK TO a;", "1 LeftOpen"),
    ] {
        check_outside(Sqlite, sql, &[expected]);
    }
    check_outside(Sqlite, "SAVEPOINT a; SAVEPOINT b; RELEASE a; VACUUM;", &[]);
    check_outside(Sqlite, "SAVEPOINT a; COMMIT; VACUUM;", &[]);
}
