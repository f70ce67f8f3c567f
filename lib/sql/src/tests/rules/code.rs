//! Code that the pending files keep: its conditions, its end, and how often it is told.

use super::{BOTH, check, check_files};
use crate::Dialect::{Postgres, Sqlite};

#[test]
fn a_record_is_no_row_of_the_table() {
    for name in ["OLD", "new", "\"old\""] {
        let trigger = format!(
            "CREATE TRIGGER g AFTER DELETE ON u BEGIN DELETE FROM t WHERE id = {name}.id; \
             UPDATE t SET a = 1 WHERE {name}.id = id; END;\nDELETE FROM u WHERE a = 1;"
        );
        check(Sqlite, &trigger, &[]);
    }
    for (condition, expected) in [
        ("id = t.id", "3 delete-without-where t"),
        ("OLD.id = OLD.id", "3 delete-without-where t"),
        ("id = id", "3 delete-without-where t"),
    ] {
        let trigger = format!(
            "CREATE TRIGGER g AFTER DELETE ON u BEGIN\nDELETE FROM t WHERE {condition}; END;\nDELETE FROM u WHERE a = 1;"
        );
        check(Sqlite, &trigger, &[expected]);
    }
    // A table of that name is one.
    check(
        Sqlite,
        "CREATE TRIGGER g AFTER DELETE ON u BEGIN DELETE FROM old WHERE id = old.id; END; DELETE FROM u WHERE a = 1;",
        &["1 delete-without-where old"],
    );
    let function = |body: &str| {
        format!(
            "CREATE FUNCTION f(p t) RETURNS void LANGUAGE plpgsql AS $$ DECLARE r record; BEGIN {body}; END $$; SELECT f(1);"
        )
    };
    for body in [
        "DELETE FROM t WHERE id = OLD.id",
        "DELETE FROM t WHERE NEW.id = id",
        "FOR r IN SELECT 1 LOOP UPDATE t SET a = 1 WHERE id = r.id; END LOOP",
        "DELETE FROM t WHERE id = p.id",
        "DELETE FROM t AS x WHERE id = f.id AND x.a = r.a",
        "DELETE FROM t WHERE zip = NEW.address.zip",
        "DELETE FROM t WHERE zip = (p.address).zip",
        "MERGE INTO t USING u ON t.id = u.id WHEN MATCHED AND t.a = r.a THEN DELETE",
        "DELETE FROM t WHERE OLD.a IS NULL OR a IS NOT NULL",
    ] {
        check(Postgres, &function(body), &[]);
    }
    for body in [
        "DELETE FROM t WHERE id = t.id",
        "DELETE FROM t WHERE id = public.t.id",
        "DELETE FROM t AS x WHERE id = x.id",
        "DELETE FROM t USING s AS y WHERE id = y.id",
        "DELETE FROM t WHERE r.id = r.id",
        "DELETE FROM t WHERE id = OLD.id OR true",
    ] {
        check(Postgres, &function(body), &["1 delete-without-where t"]);
    }
    check(
        Postgres,
        "CREATE RULE r AS ON DELETE TO u DO ALSO DELETE FROM t WHERE id = OLD.id; DELETE FROM u WHERE a = 1;",
        &[],
    );
}

#[test]
fn code_that_is_gone_does_nothing() {
    let f = "CREATE FUNCTION f(a int) RETURNS void LANGUAGE sql AS 'DELETE FROM t';";
    let harmless =
        "CREATE OR REPLACE FUNCTION f(b integer) RETURNS void LANGUAGE sql AS 'SELECT 1';";
    for between in [
        "DROP FUNCTION f(int);",
        "DROP FUNCTION IF EXISTS f(integer) CASCADE;",
        "DROP FUNCTION f;",
        "DROP ROUTINE f(int4);",
        harmless,
    ] {
        check_files(Postgres, &[f, between, "SELECT f(1);"], &[]);
    }
    for between in [
        "DROP FUNCTION f(text);",
        "DROP FUNCTION other.f(int);",
        "DROP AGGREGATE f(int);",
        "CREATE OR REPLACE FUNCTION f(b text) RETURNS void LANGUAGE sql AS 'SELECT 1';",
        "CREATE OR REPLACE FUNCTION other.f(b int) RETURNS void LANGUAGE sql AS 'SELECT 1';",
        "DO $$ BEGIN DROP FUNCTION f(int); END $$;",
        "SAVEPOINT a; DROP FUNCTION f(int); ROLLBACK TO a;",
        "SET search_path = other; DROP FUNCTION IF EXISTS f(int);",
    ] {
        let call = "SELECT f(1);";
        check_files(
            Postgres,
            &[f, &format!("{between}\n{call}")],
            &["2 delete-without-where t"],
        );
    }
    // Under another name it is the same.
    check(
        Postgres,
        &format!("{f} ALTER FUNCTION f(int) RENAME TO g;\nSELECT g(1);"),
        &["2 delete-without-where t"],
    );
    let procedure = "CREATE PROCEDURE f(a int) LANGUAGE sql AS 'DELETE FROM t';";
    check(
        Postgres,
        &format!("{procedure} DROP FUNCTION f; CALL f(1);"),
        &["1 delete-without-where t"],
    );
    check(
        Postgres,
        &format!("{procedure} DROP PROCEDURE f(int); CALL f(1);"),
        &[],
    );
    let function = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t; RETURN NULL; END $$;";
    let trigger = "CREATE TRIGGER g AFTER INSERT ON u EXECUTE FUNCTION f();";
    let insert = "INSERT INTO u VALUES (1);";
    for between in [
        "DROP TRIGGER g ON u;",
        "DROP TRIGGER IF EXISTS g ON u;",
        "DROP FUNCTION f() CASCADE;",
        "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;",
        "CREATE OR REPLACE TRIGGER g AFTER INSERT ON u EXECUTE FUNCTION h();",
    ] {
        check(
            Postgres,
            &format!("{function} {trigger} {between} {insert}"),
            &[],
        );
    }
    for between in [
        "DROP TRIGGER h ON u;",
        "DROP TRIGGER g ON other.u;",
        "DROP RULE g ON u;",
        "ALTER TRIGGER g ON u RENAME TO h; DROP TRIGGER IF EXISTS g ON u;",
    ] {
        check(
            Postgres,
            &format!("{function} {trigger} {between} {insert}"),
            &["1 delete-without-where t"],
        );
    }
    check(
        Postgres,
        &format!("{function} {trigger} ALTER TABLE u RENAME TO v; INSERT INTO v VALUES (1);"),
        &["1 delete-without-where t"],
    );
    check(
        Postgres,
        "CREATE RULE r AS ON INSERT TO u DO ALSO DELETE FROM t; DROP RULE r ON u; INSERT INTO u VALUES (1);",
        &[],
    );
    let trigger = "CREATE TRIGGER g AFTER INSERT ON u BEGIN DELETE FROM t; END;";
    let insert = "INSERT INTO u VALUES (1);";
    check(Sqlite, &format!("{trigger} DROP TRIGGER g; {insert}"), &[]);
    check(
        Sqlite,
        &format!("{trigger} DROP TRIGGER IF EXISTS main.G; {insert}"),
        &[],
    );
    check(
        Sqlite,
        &format!("CREATE TABLE u (a); {trigger} DROP TABLE u; CREATE TABLE u (a); {insert}"),
        &[],
    );
    check(
        Sqlite,
        &format!("{trigger} DROP TRIGGER h; {insert}"),
        &["1 delete-without-where t"],
    );
    check(
        Sqlite,
        &format!(
            "{trigger} CREATE TEMP TRIGGER g AFTER INSERT ON v BEGIN SELECT 1; END; DROP TRIGGER g; {insert}"
        ),
        &["1 delete-without-where t"],
    );
    check(
        Sqlite,
        &format!("{trigger} ALTER TABLE u RENAME TO v; INSERT INTO v VALUES (1);"),
        &["1 delete-without-where t"],
    );
}

#[test]
fn one_place_is_one_finding() {
    let calls = "SELECT f();\n".repeat(9);
    check(
        Postgres,
        &format!(
            "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DELETE FROM t; DELETE FROM t';\n{calls}"
        ),
        &["2 delete-without-where t"],
    );
    for dialect in BOTH {
        check(
            dialect,
            "DELETE FROM t; DELETE FROM t;\nDELETE FROM t;",
            &["1 delete-without-where t", "2 delete-without-where t"],
        );
    }
    let writes = "INSERT INTO u VALUES (1);\n".repeat(9);
    check(
        Sqlite,
        &format!(
            "CREATE TRIGGER g AFTER INSERT ON u BEGIN DELETE FROM t; DELETE FROM s; END;\n{writes}"
        ),
        &["2 delete-without-where t", "2 delete-without-where s"],
    );
    // Each file has to allow it by itself.
    check_files(
        Postgres,
        &[
            "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DELETE FROM t'; SELECT f();",
            "SELECT f();",
        ],
        &["1 delete-without-where t", "1 delete-without-where t"],
    );
}

#[test]
fn a_trigger_of_the_same_name_does_not_take_the_place_of_sqlites() {
    for second in ["TRIGGER IF NOT EXISTS", "TEMP TRIGGER"] {
        let sql = format!(
            "CREATE TRIGGER g AFTER INSERT ON log BEGIN DELETE FROM t; END;\n\
             CREATE {second} g AFTER INSERT ON log BEGIN SELECT 1; END;\nINSERT INTO log VALUES (1);"
        );
        check(Sqlite, &sql, &["3 delete-without-where t"]);
    }
}

#[test]
fn what_a_rollback_takes_back_was_not_done() {
    for dialect in BOTH {
        check(
            dialect,
            "BEGIN;\nALTER TABLE t RENAME TO t2;\nCREATE TABLE t (id int);\nROLLBACK;\nDROP TABLE t;",
            &["5 drop-table t"],
        );
        check(
            dialect,
            "CREATE TABLE fresh (id int);\nDROP TABLE fresh;\nBEGIN;\nROLLBACK;",
            &[],
        );
    }
}
