//! What the engines themselves say about the statements that are said to need no transaction.

use super::check;
use crate::Dialect::{Postgres, Sqlite};

/// Each fails inside a transaction of SQLite, or changes nothing there, and works outside.
#[test]
fn sqlite_refuses_these_in_a_transaction() {
    for sql in [
        "VACUUM",
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = OFF",
        "PRAGMA wal_checkpoint",
        "PRAGMA main.wal_checkpoint(TRUNCATE)",
    ] {
        check(Sqlite, sql, &["1 NeedsNoTransaction"]);
        let dir = tempfile::tempdir().unwrap();
        let db = rusqlite::Connection::open(dir.path().join("a.db")).unwrap();
        if sql.contains("wal_checkpoint") {
            let mode = "PRAGMA journal_mode = WAL";
            db.query_row(mode, [], |_| Ok(())).unwrap();
        }
        db.execute_batch("CREATE TABLE t (a)").unwrap();
        let state = || -> (String, i64, i64) {
            let text = |sql: &str| db.query_row(sql, [], |row| row.get(0)).unwrap();
            let number = |sql: &str| db.query_row(sql, [], |row| row.get(0)).unwrap();
            (
                text("PRAGMA journal_mode"),
                number("PRAGMA synchronous"),
                number("PRAGMA temp_store"),
            )
        };
        let before = state();
        db.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (1)")
            .unwrap();
        let within = db.execute_batch(sql);
        assert!(within.is_err() || state() == before, "{sql}");
        db.execute_batch("ROLLBACK").unwrap();
        db.execute_batch(sql).unwrap();
    }
}

#[test]
fn what_a_runner_on_sqlite_stands_on_is_not_the_files() {
    for sql in [
        "PRAGMA query_only = ON",
        "PRAGMA main.query_only(1)",
        "PRAGMA hard_heap_limit = 7",
        "PRAGMA soft_heap_limit = 7",
        "PRAGMA temp_store_directory = '/tmp'",
        "PRAGMA data_store_directory = '/tmp'",
        "PRAGMA journal_mode = OFF",
        "PRAGMA journal_mode = 'Memory'",
    ] {
        check(Sqlite, sql, &["1 RunnersSession"]);
    }
    for sql in [
        "PRAGMA query_only",
        "PRAGMA query_only = 0",
        "PRAGMA hard_heap_limit",
        "PRAGMA user_version = 7",
        "PRAGMA cache_size = 7",
    ] {
        check(Sqlite, sql, &[]);
    }
}

#[test]
fn sqlite_ignores_foreign_keys_in_a_transaction() {
    let db = rusqlite::Connection::open_in_memory().unwrap();
    let on = || {
        db.query_row("PRAGMA foreign_keys", [], |row| row.get::<_, bool>(0))
            .unwrap()
    };
    db.execute_batch("PRAGMA foreign_keys = ON; BEGIN; PRAGMA foreign_keys = OFF")
        .unwrap();
    assert!(on());
    db.execute_batch("COMMIT; PRAGMA foreign_keys = OFF")
        .unwrap();
    assert!(!on());
}

/// 25001 is active_sql_transaction: the server's own word for it.
#[test]
fn postgres_refuses_these_in_a_transaction() {
    let server = tests::postgres_server::Server::shared();
    let mut db = server.connect(&server.create_database());
    db.batch_execute(
        "CREATE TABLE t (a int PRIMARY KEY); CREATE INDEX i ON t (a);
         CREATE TABLE p (a int) PARTITION BY LIST (a); CREATE TABLE q PARTITION OF p FOR VALUES IN (1);",
    )
    .unwrap();
    for sql in [
        "CREATE INDEX CONCURRENTLY j ON t (a)",
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS j ON t (a)",
        "DROP INDEX CONCURRENTLY i",
        "REINDEX INDEX CONCURRENTLY i",
        "REINDEX (CONCURRENTLY) TABLE t",
        "REINDEX SCHEMA public",
        "VACUUM",
        "VACUUM FULL t",
        "CREATE DATABASE a",
        "CREATE TABLESPACE a LOCATION '/nowhere'",
        "DROP TABLESPACE a",
        "ALTER SYSTEM SET work_mem = '4MB'",
        "ALTER TABLE p DETACH PARTITION q CONCURRENTLY",
        "CLUSTER",
        "COMMIT PREPARED 'a'",
        "ROLLBACK PREPARED 'a'",
        "CREATE SUBSCRIPTION s CONNECTION 'dbname=a' PUBLICATION p",
    ] {
        check(Postgres, sql, &["1 NeedsNoTransaction"]);
        db.batch_execute("BEGIN").unwrap();
        let error = db.batch_execute(sql).unwrap_err();
        let code = error.code().map(|code| code.code().to_owned());
        assert_eq!(code.as_deref(), Some("25001"), "{sql}: {error:?}");
        db.batch_execute("ROLLBACK").unwrap();
    }
    check(Postgres, "DROP DATABASE a", &["1 NeedsNoTransaction"]);
    for sql in [
        "CREATE INDEX j ON t (a)",
        "REINDEX TABLE t",
        "ANALYZE t",
        "CLUSTER t USING t_pkey",
        "ALTER TABLE p DETACH PARTITION q",
        "CREATE TYPE e AS ENUM ('a')",
        "ALTER TYPE e ADD VALUE 'b'",
        "CHECKPOINT",
        "LOCK t",
        "CREATE MATERIALIZED VIEW m AS SELECT a FROM t; CREATE UNIQUE INDEX mi ON m (a); \
         REFRESH MATERIALIZED VIEW CONCURRENTLY m",
    ] {
        check(Postgres, sql, &[]);
        db.batch_execute(&format!("BEGIN; {sql}; COMMIT")).unwrap();
    }
}
