use crate::Dialect::{self, Postgres, Sqlite};
use crate::{hindrances, parse, tables_touched};

mod engines;

/// `expected` is "line hindrance" for each.
#[track_caller]
fn check(dialect: Dialect, sql: &str, expected: &[&str]) {
    check_with("lockstep", dialect, sql, expected);
}

#[track_caller]
fn check_with(ledger: &str, dialect: Dialect, sql: &str, expected: &[&str]) {
    let script = parse(dialect, sql);
    assert!(script.errors.is_empty(), "{sql:?}: {:?}", script.errors);
    let found: Vec<String> = hindrances(&script, sql, ledger)
        .iter()
        .map(|found| format!("{} {:?}", found.line, found.hindrance))
        .collect();
    assert_eq!(found, expected, "{dialect:?} {sql:?}");
}

#[test]
fn a_change_of_what_the_guards_stand_on_is_seen() {
    for sql in [
        "UPDATE lockstep_environment SET protected = 0 WHERE id = 1",
        "DELETE FROM main.lockstep_migrations WHERE version = '1'",
        "DROP TABLE lockstep_schema",
        "INSERT INTO LOCKSTEP_environment (id) VALUES (1)",
        "ALTER TABLE lockstep_environment RENAME TO other",
        "CREATE TRIGGER g AFTER INSERT ON lockstep_migrations BEGIN SELECT 1; END",
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE lockstep_environment SET protected = 0; END",
    ] {
        check(Sqlite, sql, &["1 OwnTables"]);
    }
    for sql in [
        "UPDATE lockstep.environment SET protected = false WHERE id = 1",
        "TRUNCATE a, lockstep.migrations",
        "DROP SCHEMA lockstep CASCADE",
        "DO $$ BEGIN DELETE FROM lockstep.environment; END $$",
        "CREATE TABLE lockstep.x (i int)",
        "CREATE VIEW v AS SELECT * FROM lockstep.environment",
        "CREATE RULE r AS ON INSERT TO lockstep.migrations DO INSTEAD NOTHING",
        "CREATE RULE r AS ON INSERT TO t DO ALSO DELETE FROM lockstep.migrations",
        "CREATE TRIGGER g BEFORE INSERT ON lockstep.migrations EXECUTE FUNCTION f()",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DELETE FROM lockstep.migrations'",
        "ALTER SCHEMA lockstep RENAME TO other",
        "ALTER SCHEMA other RENAME TO lockstep",
        "ALTER TABLE t SET SCHEMA lockstep",
        "CREATE INDEX i ON lockstep.migrations (version)",
        "SET search_path = lockstep; DELETE FROM migrations WHERE version = '1'",
        "SET SCHEMA 'lockstep'; UPDATE environment SET protected = false WHERE id = 1",
        "SELECT set_config('search_path', 'lockstep', true); DROP TABLE schema",
        "SELECT set_config('search_path', a, true) FROM t; DROP TABLE migrations",
        "CREATE TABLE c (x int) INHERITS (lockstep.environment)",
        "CREATE TABLE c (x int) INHERITS (t, lockstep.migrations)",
        "CREATE TABLE c PARTITION OF lockstep.migrations DEFAULT",
        "ALTER TABLE c INHERIT lockstep.environment",
        "CREATE TABLE c (x int REFERENCES lockstep.environment)",
        "CREATE TABLE c (x int, FOREIGN KEY (x) REFERENCES lockstep.environment (id))",
        "ALTER TABLE c ADD FOREIGN KEY (x) REFERENCES lockstep.environment",
        "CREATE POLICY p ON lockstep.migrations USING (false)",
        "ALTER TABLE lockstep.migrations ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE lockstep.migrations OWNER TO app",
        "GRANT ALL ON ALL TABLES IN SCHEMA lockstep TO PUBLIC",
        "GRANT SELECT, UPDATE ON lockstep.environment TO app",
        "GRANT UPDATE (name) ON TABLE lockstep.environment TO app",
        "GRANT USAGE, CREATE ON SCHEMA lockstep TO app",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA lockstep GRANT INSERT ON TABLES TO app",
    ] {
        check(Postgres, sql, &["1 OwnTables"]);
    }
    for sql in [
        "GRANT SELECT ON ALL TABLES IN SCHEMA lockstep TO monitor; GRANT USAGE ON SCHEMA lockstep TO monitor",
        "REVOKE ALL ON ALL TABLES IN SCHEMA lockstep FROM PUBLIC",
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO app; GRANT UPDATE ON t TO app",
        "CREATE TABLE c (x int REFERENCES t) INHERITS (t)",
        "CREATE POLICY p ON t USING (EXISTS (SELECT FROM lockstep.environment))",
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO app",
        "CREATE TABLE c (LIKE lockstep.environment)",
    ] {
        check(Postgres, sql, &[]);
    }
    check_with(
        "shop",
        Postgres,
        "GRANT ALL ON ALL TABLES IN SCHEMA shop TO app",
        &["1 OwnTables"],
    );
    check_with("shop", Postgres, "GRANT ALL ON shop.orders TO app", &[]);
    // The ledger under its own name; the mark keeps its place.
    for (dialect, sql) in [
        (Postgres, "DELETE FROM shop.migrations WHERE version = '1'"),
        (Postgres, "DROP SCHEMA shop CASCADE"),
        (Postgres, "DROP TABLE lockstep.environment"),
        (Postgres, "SET search_path = shop; DROP TABLE schema"),
        (Sqlite, "DELETE FROM shop_migrations WHERE version = '1'"),
        (Sqlite, "DROP TABLE lockstep_environment"),
    ] {
        check_with("shop", dialect, sql, &["1 OwnTables"]);
    }
    check_with("shop", Postgres, "DELETE FROM shop.orders WHERE a = 1", &[]);
    check_with("shop", Sqlite, "DELETE FROM shop_orders WHERE a = 1", &[]);
    check(
        Postgres,
        "SET search_path = shop; DROP TABLE migrations; CREATE VIEW v AS SELECT 1",
        &[],
    );
    check(
        Sqlite,
        "INSERT INTO t SELECT name FROM lockstep_environment",
        &[],
    );
    check(
        Postgres,
        "UPDATE environment SET protected = false WHERE id = 1",
        &[],
    );
}

#[test]
fn the_end_of_the_runners_transaction_is_seen() {
    for sql in [
        "BEGIN;",
        "COMMIT;",
        "END",
        "ROLLBACK;",
        "BEGIN TRANSACTION",
        "end transaction",
    ] {
        for dialect in [Sqlite, Postgres] {
            check(
                dialect,
                &format!("SELECT 1;\n{sql}"),
                &["2 EndsTransaction"],
            );
        }
    }
    for sql in [
        "START TRANSACTION",
        "ABORT",
        "COMMIT AND CHAIN",
        "PREPARE TRANSACTION 'a'",
        "COMMIT WORK",
    ] {
        check(Postgres, sql, &["1 EndsTransaction"]);
    }
    check(
        Sqlite,
        "BEGIN IMMEDIATE; COMMIT",
        &["1 EndsTransaction", "1 EndsTransaction"],
    );
    check(
        Postgres,
        "DO $$\nBEGIN\nCOMMIT;\nROLLBACK;\nEND $$",
        &["3 EndsTransaction", "4 EndsTransaction"],
    );
    for dialect in [Sqlite, Postgres] {
        check(dialect, "SAVEPOINT a; ROLLBACK TO a; RELEASE a;", &[]);
    }
    check(
        Sqlite,
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END;",
        &[],
    );
    check(
        Postgres,
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END;",
        &[],
    );
    check(
        Postgres,
        "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;",
        &[],
    );
}

#[test]
fn other_hindrances_are_seen() {
    check(
        Postgres,
        "COPY t FROM STDIN;\n1\ta'b\n\\.\nSELECT 1;",
        &["1 CopyFromStdin"],
    );
    check(
        Postgres,
        "COPY t (a) FROM stdin WITH (FORMAT csv);\n1",
        &["1 CopyFromStdin"],
    );
    check(Postgres, "COPY t TO STDOUT;", &["1 CopyToStdout"]);
    check(Postgres, "COPY t FROM '/a'; COPY t TO PROGRAM 'cat';", &[]);
    check(
        Postgres,
        "\\connect app\nSELECT 1;\n  \\set a 'b\nSELECT 1 \\gexec\n",
        &["1 ClientCommand", "3 ClientCommand", "4 ClientCommand"],
    );
    check(
        Sqlite,
        ".read a.sql\nSELECT 1;\n.mode box",
        &["1 ClientCommand", "3 ClientCommand"],
    );
    check(
        Sqlite,
        "ATTACH 'a.db' AS a; DETACH DATABASE a;",
        &["1 Attach", "1 Attach"],
    );
    check(
        Postgres,
        "DISCARD ALL; SELECT pg_advisory_unlock_all();",
        &["1 ReleasesLock", "1 ReleasesLock"],
    );
    check(Postgres, "DISCARD PLANS; SELECT pg_advisory_lock(1);", &[]);
    check(
        Sqlite,
        "PRAGMA foreign_keys = OFF; PRAGMA foreign_keys;",
        &["1 NoEffectInTransaction"],
    );
}

#[test]
fn the_text_of_a_hindrance_is_one_short_line() {
    let sql = "CREATE INDEX CONCURRENTLY\n  i ON t (a_rather_long_column_name, another_one, and_one_more);";
    let found = hindrances(&parse(Postgres, sql), sql, "lockstep");
    assert_eq!(
        found[0].text,
        "CREATE INDEX CONCURRENTLY i ON t (a_rather_long_column_name,…"
    );
}

#[test]
fn touched_tables_are_named() {
    #[track_caller]
    fn touched(sql: &str, expected: &[&str]) {
        let script = parse(Sqlite, sql);
        assert!(script.errors.is_empty(), "{sql:?}: {:?}", script.errors);
        let found: Vec<String> = tables_touched(&script).into_iter().collect();
        assert_eq!(found, expected, "{sql:?}");
    }
    touched("", &[]);
    touched("SELECT * FROM a; EXPLAIN DELETE FROM b;", &[]);
    touched(
        "CREATE TABLE A (x); DROP TABLE main.\"B b\"; INSERT INTO [c] VALUES (1);",
        &["a", "b b", "c"],
    );
    touched(
        "UPDATE a SET x = 1; DELETE FROM b; REPLACE INTO c VALUES (1);",
        &["a", "b", "c"],
    );
    touched(
        "ALTER TABLE a RENAME TO b; ALTER TABLE c ADD COLUMN x; ALTER TABLE d RENAME x TO y;",
        &["a", "b", "c", "d"],
    );
    touched(
        "CREATE INDEX main.i ON a (x); CREATE TRIGGER t AFTER INSERT ON b BEGIN DELETE FROM c; END;",
        &["a", "b"],
    );
    touched(
        "CREATE TEMP TABLE a (x); INSERT INTO temp.b VALUES (1);",
        &["a"],
    );
    touched(
        "CREATE VIRTUAL TABLE f USING fts5 (x); CREATE TABLE g AS SELECT * FROM h;",
        &["f", "g"],
    );
    touched(
        "WITH w AS (SELECT 1) INSERT INTO a SELECT * FROM w;",
        &["a"],
    );
}
