use super::{before, check, check_files, check_on, violations};
use crate::Before;
use crate::Dialect::Sqlite;

/// create, copy, drop, rename, with the given copy.
fn rebuild(copy: &str) -> String {
    format!(
        "CREATE TABLE new_x (a, b);\n{copy};\nDROP TABLE x;\nALTER TABLE new_x RENAME TO x;\n\
         CREATE INDEX x_a ON x (a);"
    )
}

#[test]
fn a_rebuild_that_carries_every_row_over_is_no_loss() {
    for copy in [
        "INSERT INTO new_x SELECT * FROM x",
        "INSERT INTO new_x SELECT x.* FROM x ORDER BY a",
        "INSERT INTO new_x (a, b) SELECT a, b FROM x",
        "INSERT INTO \"new_x\" (\"a\") SELECT \"a\" FROM \"x\"",
        "INSERT INTO main.new_x SELECT a, b FROM main.x AS old",
        "INSERT OR ABORT INTO new_x SELECT a, b FROM x",
        "INSERT INTO new_x SELECT a, coalesce(b, CAST(a AS text) || 'x') FROM x",
        "INSERT INTO new_x SELECT max(a, 1), CASE WHEN b IS NULL THEN 1 ELSE lower(b) END FROM X",
        "INSERT INTO new_x VALUES (0, 0);\nINSERT INTO new_x SELECT a, b FROM x",
        "INSERT INTO new_x SELECT * FROM x WHERE true",
        "INSERT INTO new_x SELECT * FROM x WHERE (1)",
        "INSERT INTO new_x SELECT a, (SELECT y.c FROM y WHERE y.a = x.a LIMIT 1) FROM x",
        "INSERT INTO new_x SELECT a, EXISTS (SELECT 1 FROM y) FROM x",
        "INSERT INTO new_x SELECT row_number() OVER (), sum(b) OVER (ORDER BY a) FROM x",
        "INSERT INTO new_x SELECT a, likelihood(b, 0.5) FROM x",
    ] {
        check(Sqlite, &rebuild(copy), &[]);
    }
    check(
        Sqlite,
        "PRAGMA foreign_keys=OFF;\nCREATE TABLE \"new_x\" (a);\nINSERT INTO new_x (a) SELECT a FROM x;\n\
         DROP INDEX x_b;\nDROP TABLE x;\nALTER TABLE new_x RENAME TO x;\nPRAGMA foreign_key_check;\n\
         PRAGMA foreign_keys=ON;",
        &[],
    );
}

#[test]
fn a_rebuild_that_may_lose_rows_drops_the_table() {
    for copy in [
        "INSERT INTO new_x SELECT * FROM x WHERE a > 1",
        "INSERT INTO new_x SELECT * FROM x LIMIT 10",
        "INSERT INTO new_x SELECT x.* FROM x JOIN y ON x.a = y.a",
        "INSERT INTO new_x SELECT x.* FROM x, y",
        "INSERT INTO new_x SELECT DISTINCT a, b FROM x",
        "INSERT INTO new_x SELECT a, b FROM x GROUP BY a",
        "INSERT INTO new_x SELECT a, b FROM x UNION SELECT 1, 2",
        "INSERT INTO new_x SELECT max(a), b FROM x",
        "INSERT INTO new_x SELECT count(*), 1 FROM x",
        "INSERT INTO new_x SELECT a, my_function(b) FROM x",
        "INSERT INTO new_x SELECT a, (SELECT max(x.b)) FROM x",
        "INSERT INTO new_x SELECT a, (SELECT max(b) FROM y) FROM x",
        "INSERT INTO new_x SELECT a, b FROM x ORDER BY max(a)",
        "INSERT INTO new_x SELECT a, b FROM x WHERE a = a",
        "INSERT INTO new_x SELECT * FROM (SELECT * FROM x)",
        "INSERT INTO new_x SELECT * FROM y",
        "INSERT OR IGNORE INTO new_x SELECT * FROM x",
        "INSERT OR REPLACE INTO new_x SELECT * FROM x",
        "REPLACE INTO new_x SELECT * FROM x",
        "INSERT INTO new_x SELECT * FROM x WHERE true ON CONFLICT DO NOTHING",
        "WITH y AS (SELECT 1) INSERT INTO new_x SELECT * FROM x",
        "INSERT INTO new_x SELECT * FROM x;\nDELETE FROM new_x WHERE a = 1",
        "INSERT INTO new_x SELECT * FROM x;\nINSERT INTO x VALUES (1, 2)",
        "INSERT INTO new_x VALUES (1, 2)",
    ] {
        let sql = rebuild(copy);
        let line = sql
            .lines()
            .position(|line| line == "DROP TABLE x;")
            .unwrap()
            + 1;
        check(Sqlite, &sql, &[&format!("{line} drop-table x")]);
    }
}

/// Why a rebuild is none.
#[track_caller]
fn check_cause(sql: &str, line: u32, why: &str) {
    let found = violations(Sqlite, &Before::default(), &[sql]);
    let lost = found[0].iter().find(|lost| lost.rule.id == "drop-table");
    let cause = lost.and_then(|lost| lost.no_rebuild.as_ref());
    let cause = cause.map(|cause| (cause.line, cause.why));
    assert_eq!(cause, Some((line, why)), "{sql}");
}

#[test]
fn a_rebuild_whose_new_table_leaves_rows_out_drops_the_table() {
    let copy = "INSERT INTO n SELECT a FROM x;";
    for columns in [
        "a UNIQUE ON CONFLICT IGNORE",
        "a PRIMARY KEY ON CONFLICT REPLACE",
        "a NOT NULL ON CONFLICT IGNORE",
        "a, UNIQUE (a) ON CONFLICT REPLACE",
        "a, PRIMARY KEY (a) ON CONFLICT IGNORE",
    ] {
        let sql =
            format!("CREATE TABLE n ({columns}); {copy}\nDROP TABLE x; ALTER TABLE n RENAME TO x;");
        check(Sqlite, &sql, &["2 drop-table x"]);
        check_cause(&sql, 1, "a constraint of the new table leaves rows out");
    }
    check(
        Sqlite,
        &format!(
            "CREATE TABLE n (a UNIQUE ON CONFLICT ABORT, PRIMARY KEY (a) ON CONFLICT FAIL); {copy} \
             DROP TABLE x; ALTER TABLE n RENAME TO x;"
        ),
        &[],
    );
    let trigger = "CREATE TRIGGER g BEFORE INSERT ON n BEGIN SELECT RAISE(IGNORE); END;";
    let rest = "DROP TABLE x; ALTER TABLE n RENAME TO x;";
    let sql = format!("CREATE TABLE n (a);\n{trigger} {copy} {rest}");
    check(Sqlite, &sql, &["2 drop-table x"]);
    check_cause(
        &sql,
        2,
        "a trigger of the new table may change what is copied",
    );
    check(
        Sqlite,
        &format!("CREATE TABLE n (a); {copy} {trigger} {rest}"),
        &[],
    );
    check(
        Sqlite,
        &format!("CREATE VIRTUAL TABLE n USING fts5 (a, content=''); {copy} {rest}"),
        &["1 drop-table x"],
    );
}

#[test]
fn what_looks_like_a_rebuild_says_why_it_is_none() {
    for (copy, why) in [
        (
            "INSERT INTO new_x SELECT * FROM x WHERE a > 1",
            "WHERE leaves rows out",
        ),
        (
            "INSERT INTO new_x SELECT count(*), 1 FROM x",
            "the copy has a function that may make one row of many",
        ),
        (
            "INSERT OR IGNORE INTO new_x SELECT * FROM x",
            "OR IGNORE and OR REPLACE leave rows out",
        ),
    ] {
        check_cause(&rebuild(copy), 2, why);
    }
}

#[test]
fn a_rebuild_in_another_order_drops_the_table() {
    let create = "CREATE TABLE new_x (a);";
    let copy = "INSERT INTO new_x SELECT a FROM x;";
    let rename = "ALTER TABLE new_x RENAME TO x;";
    let drop = &["1 drop-table x"];
    check(
        Sqlite,
        &format!("{create} DROP TABLE x; {copy} {rename}"),
        drop,
    );
    check(Sqlite, &format!("{create} {copy} DROP TABLE x;"), drop);
    check(Sqlite, &format!("{copy} DROP TABLE x; {rename}"), drop);
    check(
        Sqlite,
        &format!("CREATE TABLE IF NOT EXISTS new_x (a); {copy} DROP TABLE x; {rename}"),
        drop,
    );
    check(
        Sqlite,
        &format!("CREATE TEMP TABLE new_x (a); {copy} DROP TABLE x; {rename}"),
        drop,
    );
    check_files(
        Sqlite,
        &[&format!("{create} {copy} DROP TABLE x;"), rename],
        drop,
    );
    // The order that sqlite.org warns of: foreign keys follow the old table to its new name.
    check(
        Sqlite,
        "ALTER TABLE x RENAME TO old_x; CREATE TABLE x (a); INSERT INTO x SELECT a FROM old_x; \
         DROP TABLE old_x;",
        &["1 drop-table old_x"],
    );
    check(
        Sqlite,
        &format!("{create} {copy} DROP TABLE x; CREATE TABLE x (b); DROP TABLE x; {rename}"),
        drop,
    );
}

#[test]
fn a_rebuild_leaves_known_columns_out() {
    let rebuild = |columns: &str| {
        format!(
            "CREATE TABLE new_x ({columns}); INSERT INTO new_x ({columns}) SELECT {columns} FROM x; \
             DROP TABLE x; ALTER TABLE new_x RENAME TO x;"
        )
    };
    // Known from a rebuild before, and from a definition that may be the old one.
    check_files(
        Sqlite,
        &[&rebuild("a, b, c"), &rebuild("a, c")],
        &["1 drop-column x.b"],
    );
    check_files(
        Sqlite,
        &[
            "CREATE TABLE IF NOT EXISTS x (a, b, c AS (a));",
            &rebuild("a"),
        ],
        &["1 drop-column x.b"],
    );
    check_files(Sqlite, &[&rebuild("a, b"), &rebuild("b, a")], &[]);
    // Read from x, but not the column itself.
    check_files(
        Sqlite,
        &[
            &rebuild("a, b"),
            "CREATE TABLE n (a, b); INSERT INTO n (a, b) SELECT a, NULL FROM x; DROP TABLE x; \
             ALTER TABLE n RENAME TO x;",
        ],
        &["1 drop-column x.b"],
    );
    // New ones have nothing to lose.
    check_files(Sqlite, &["CREATE TABLE x (a, b);", &rebuild("a")], &[]);
    check(Sqlite, &rebuild("a"), &[]);
    // After a rebuild the table is the old one still.
    check_files(
        Sqlite,
        &[&rebuild("a"), "DROP TABLE x;"],
        &["1 drop-table x"],
    );
    check_files(
        Sqlite,
        &[&rebuild("a"), "DELETE FROM x;"],
        &["1 delete-without-where x"],
    );
}

/// The database's table, rebuilt by these columns and this query.
#[track_caller]
fn check_rebuilt(columns: &str, query: &str, expected: &[&str]) {
    let before = before(&[(
        "",
        "X",
        &[
            ("id", "INTEGER"),
            ("Name", "TEXT"),
            ("price", "REAL"),
            ("day", "DATETIME"),
            ("cents", "DECIMAL(10,2)"),
        ],
    )]);
    let sql = format!(
        "CREATE TABLE new_x ({columns}); INSERT INTO new_x {query} FROM x; DROP TABLE x; \
         ALTER TABLE new_x RENAME TO x;"
    );
    check_on(Sqlite, &before, &[&sql], expected);
}

#[test]
fn a_rebuild_keeps_every_column_of_the_database() {
    let same = "id INTEGER PRIMARY KEY, name TEXT, price REAL, day DATETIME, cents DECIMAL(10,2)";
    for query in [
        "SELECT *",
        "SELECT x.*",
        "SELECT id, \"NAME\", x.price, (day), cents COLLATE nocase",
        "(cents, name, day, id, price) SELECT cents, name, day, id, price",
        "SELECT id, coalesce(name, ''), ifnull(price, 0), CASE WHEN day IS NULL THEN 0 ELSE day END, cents",
        "SELECT id, CAST(name AS TEXT), price, day, cents",
    ] {
        check_rebuilt(same, query, &[]);
    }
    for (query, expected) in [
        (
            "(id, price, day, cents) SELECT id, price, day, cents",
            "1 drop-column x.name",
        ),
        ("SELECT id, NULL, price, day, cents", "1 drop-column x.name"),
        ("SELECT id, 'a', price, day, cents", "1 drop-column x.name"),
        (
            "SELECT id, lower(name), price, day, cents",
            "1 update-without-where x",
        ),
        (
            "SELECT id, name || day, price, day, cents",
            "1 update-without-where x",
        ),
        (
            "SELECT id, CASE WHEN day IS NULL THEN 0 ELSE name END, price, day, cents",
            "1 update-without-where x",
        ),
        (
            "SELECT id, CAST(name AS INTEGER), price, day, cents",
            "1 narrow-type x.name",
        ),
        (
            "SELECT id, name, CAST(price AS INT), day, cents",
            "1 narrow-type x.price",
        ),
        (
            "SELECT id, price, name, day, cents",
            "1 update-without-where x",
        ),
    ] {
        check_rebuilt(same, query, &[expected]);
    }
    check_rebuilt("id, name", "SELECT id, name", &["1 drop-column x.price"]);
    // A new table of other types: sqlite.org `datatype3`.
    for columns in [
        "id TEXT, name, price NUMERIC, day TEXT, cents INTEGER",
        "id BIGINT, name VARCHAR(9), price DOUBLE, day DATE, cents NUMERIC",
        "id, name BLOB, price, day, cents",
        "id TEXT, name TEXT, price TEXT, day TEXT, cents TEXT",
    ] {
        check_rebuilt(columns, "SELECT *", &[]);
    }
    for (columns, column) in [
        ("id REAL, name, price, day, cents", "id"),
        ("id, name INTEGER, price, day, cents", "name"),
        ("id, name, price, day, cents REAL", "cents"),
    ] {
        check_rebuilt(columns, "SELECT *", &[&format!("1 narrow-type x.{column}")]);
    }
}

/// What `affinity` says of values is what SQLite does with them.
#[test]
fn sqlite_changes_values_that_do_not_fit_a_type() {
    let db = rusqlite::Connection::open_in_memory().unwrap();
    let kept = |value: &str, ty: &str| -> bool {
        let sql = format!(
            "DROP TABLE IF EXISTS t; CREATE TABLE t (a {ty}); INSERT INTO t VALUES ({value})"
        );
        db.execute_batch(&sql).unwrap();
        // As the application reads it back: in the type that it had.
        db.query_row(
            &format!("SELECT CASE typeof({value}) WHEN 'real' THEN CAST(a AS REAL) ELSE CAST(a AS TEXT) END = {value} FROM t"),
            [],
            |row| row.get(0),
        )
        .unwrap()
    };
    assert!(kept("'007'", "TEXT") && kept("'007'", "BLOB"));
    assert!(!kept("'007'", "INTEGER") && !kept("'007'", "DECIMAL"));
    assert!(kept("0.1 + 0.2", "NUMERIC") && kept("0.1 + 0.2", "TEXT"));
    assert!(!kept("'9007199254740993'", "REAL"));
}

#[test]
fn a_rebuild_of_a_temporary_table_drops_the_real_one() {
    for temp in ["CREATE TEMP TABLE x (a);", "CREATE TABLE temp.x (a);"] {
        check(
            Sqlite,
            &format!(
                "{temp} CREATE TABLE new_x (a); INSERT INTO new_x SELECT a FROM x; DROP TABLE temp.x; \
                 DROP TABLE x; ALTER TABLE new_x RENAME TO x;"
            ),
            &["1 drop-table x"],
        );
    }
}

#[test]
fn a_rebuild_overwrites_nothing() {
    check(
        Sqlite,
        "CREATE TABLE n (a); INSERT INTO n SELECT a FROM x; UPDATE n SET a = 0; DROP TABLE x; \
         ALTER TABLE n RENAME TO x;",
        &["1 update-without-where n", "1 drop-table x"],
    );
}

#[test]
fn a_rebuild_gives_no_column_the_values_of_another() {
    let old = before(&[(
        "",
        "pay",
        &[("id", "INTEGER"), ("gross", "INTEGER"), ("net", "INTEGER")],
    )]);
    let check = |columns: &str, copy: &str, expected: &[&str]| {
        let sql = format!(
            "CREATE TABLE new_pay ({columns}); INSERT INTO new_pay{copy} FROM pay; DROP TABLE pay; \
             ALTER TABLE new_pay RENAME TO pay;"
        );
        check_on(Sqlite, &old, &[&sql], expected);
    };
    let (same, swapped) = (
        "id INTEGER PRIMARY KEY, gross INTEGER, net INTEGER",
        "id INTEGER PRIMARY KEY, net INTEGER, Gross INTEGER",
    );
    let overwritten = ["1 update-without-where pay"];
    check(same, " SELECT *", &[]);
    check(swapped, " SELECT *", &overwritten);
    check(swapped, " SELECT id, net, gross", &[]);
    check(swapped, " (id, gross, net) SELECT *", &[]);
    check(
        same,
        " (id, net, gross) SELECT id, gross, net",
        &overwritten,
    );
    check(same, " SELECT id, gross, gross", &["1 drop-column pay.net"]);
    // Renamed, and one more beside it.
    let renamed = "id INTEGER PRIMARY KEY, total INTEGER, net INTEGER, was INTEGER";
    check(renamed, " SELECT id, gross, net, net", &[]);
}

#[test]
fn the_schema_table_is_not_written() {
    check(
        Sqlite,
        "PRAGMA writable_schema = ON;",
        &["1 writable-schema pragma writable_schema"],
    );
    check(
        Sqlite,
        "PRAGMA main.writable_schema(1);",
        &["1 writable-schema pragma writable_schema"],
    );
    check(
        Sqlite,
        "PRAGMA writable_schema; PRAGMA writable_schema = off; PRAGMA writable_schema=RESET",
        &[],
    );
    check(
        Sqlite,
        "UPDATE sqlite_master SET sql = 'x' WHERE name = 'y';",
        &["1 writable-schema sqlite_master"],
    );
}

#[test]
fn a_trigger_of_the_files_runs_with_its_table() {
    let trigger = "CREATE TRIGGER g AFTER UPDATE ON x BEGIN INSERT INTO z VALUES (1); END; \
                   CREATE TRIGGER h AFTER INSERT ON z BEGIN DELETE FROM y; END;";
    check(Sqlite, trigger, &[]);
    check_files(
        Sqlite,
        &[
            trigger,
            "SELECT 1;\nUPDATE x SET id = id WHERE id = 1; DROP TRIGGER g;",
        ],
        &["2 delete-without-where y"],
    );
}

/// SQLite's own: an aggregate of the outer query makes one row of all, wherever it stands.
#[test]
fn an_aggregate_makes_one_row_of_all() {
    let db = rusqlite::Connection::open_in_memory().unwrap();
    db.execute_batch(
        "CREATE TABLE x (a, b); INSERT INTO x VALUES (1, 1), (2, 2); CREATE TABLE y (c)",
    )
    .unwrap();
    let rows = |query: &str| -> usize {
        let mut statement = db.prepare(query).unwrap();
        statement.query_map([], |_| Ok(())).unwrap().count()
    };
    assert_eq!(rows("SELECT a, (SELECT max(x.b)) FROM x"), 1);
    assert_eq!(rows("SELECT a, (SELECT max(b) FROM y) FROM x"), 1);
    assert_eq!(
        rows("SELECT row_number() OVER (), sum(b) OVER (ORDER BY a) FROM x"),
        2
    );
}

#[test]
fn replaced_rows_lose_what_is_not_named() {
    for sql in [
        "INSERT OR REPLACE INTO x (id) SELECT id FROM x;",
        "REPLACE INTO x (id) VALUES (1);",
        "UPDATE OR REPLACE x SET id = 1 WHERE id = 2;",
    ] {
        check(Sqlite, sql, &["1 replace-rows x"]);
        check(Sqlite, &format!("CREATE TABLE x (id UNIQUE); {sql}"), &[]);
    }
    for sql in [
        "INSERT INTO x (id, a) VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET a = excluded.a;",
        "INSERT OR IGNORE INTO x (id) VALUES (1);",
        "INSERT OR ABORT INTO x (id) VALUES (1);",
    ] {
        check(Sqlite, sql, &[]);
    }
}

#[test]
fn what_sqlite_keeps_for_itself_is_no_data() {
    for table in ["sqlite_sequence", "sqlite_stat1", "main.sqlite_stat4"] {
        check(Sqlite, &format!("DELETE FROM {table};"), &[]);
    }
}

#[test]
fn what_is_only_kept_for_later_loses_nothing() {
    check(
        Sqlite,
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM u; UPDATE u SET a = 1; END;",
        &[],
    );
    check(
        Sqlite,
        "EXPLAIN DELETE FROM t; EXPLAIN QUERY PLAN DELETE FROM t;",
        &[],
    );
    check(Sqlite, "CREATE VIEW v AS SELECT * FROM t;", &[]);
}

#[test]
fn names_are_compared_as_sqlite_does() {
    check(Sqlite, "CREATE TABLE Main.\"T\" (a); DROP TABLE [t];", &[]);
    check(
        Sqlite,
        "CREATE TABLE `a\"b` (a); DROP TABLE \"A\"\"B\";",
        &[],
    );
    check(
        Sqlite,
        "CREATE TABLE t (a); DROP TABLE temp.t; DROP TABLE aux.t;",
        &["1 drop-table aux.t"],
    );
    check(
        Sqlite,
        "CREATE TEMP TABLE x (a); DELETE FROM x; DROP TABLE temp.x; DELETE FROM x;",
        &["1 delete-without-where x"],
    );
    check(
        Sqlite,
        "CREATE TEMP TABLE x (a); ALTER TABLE temp.x RENAME TO y; DELETE FROM y; DELETE FROM x;",
        &["1 delete-without-where x"],
    );
}
