//! SQLite schemas, read from real databases.

#![allow(clippy::unwrap_used, reason = "what a test can't set up fails it")]

use rusqlite::Connection;
use schema::{Schema, Scope, diff, digest, read_sqlite, tally};

fn database(ddl: &str) -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(ddl)
        .unwrap_or_else(|error| panic!("{ddl}: {error}"));
    conn
}

fn read(ddl: &str) -> Schema {
    read_sqlite(&database(ddl), &Scope::default()).unwrap()
}

#[track_caller]
fn check_same(one: &str, other: &str) {
    let (one, other) = (read(one), read(other));
    assert_eq!(diff(&one, &other), []);
    assert_eq!(diff(&other, &one), []);
    assert_eq!(digest(&one), digest(&other));
}

#[track_caller]
fn check_one(expected: &str, actual: &str, kind: &str, subject: &str) {
    let (expected, actual) = (read(expected), read(actual));
    let found = diff(&expected, &actual);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(
        (found[0].kind.id, found[0].subject.as_str()),
        (kind, subject),
        "{found:#?}"
    );
    assert_ne!(digest(&expected), digest(&actual));
}

#[test]
fn a_string_in_double_quotes_keeps_its_case() {
    for (kind, one) in [
        (
            "table-as-expected",
            "CREATE TABLE t (a CHECK (a IN (\"Draft\", \"Sent\")))",
        ),
        ("column-as-expected", "CREATE TABLE t (a DEFAULT \"Draft\")"),
        ("column-as-expected", "CREATE TABLE t (a DEFAULT Draft)"),
        (
            "view-as-expected",
            "CREATE TABLE t (a); CREATE VIEW v AS SELECT a = \"Draft\" FROM t",
        ),
        (
            "index-as-expected",
            "CREATE TABLE t (a); CREATE INDEX i ON t (a) WHERE a = 'Draft'",
        ),
        (
            "trigger-as-expected",
            "CREATE TABLE t (a); CREATE TRIGGER g AFTER INSERT ON t
             BEGIN UPDATE t SET a = \"Draft\"; END",
        ),
    ] {
        let found = diff(&read(one), &read(&one.replace("Draft", "draft")));
        assert!(!found.is_empty(), "{one}");
        // A constraint without a name is found by what it says.
        if kind != "table-as-expected" {
            assert_eq!((found.len(), found[0].kind.id), (1, kind), "{found:#?}");
        }
    }
    check_same(
        "CREATE TABLE t (\"Status\" TEXT CHECK (\"Status\" <> ''))",
        "CREATE TABLE T (status TEXT CHECK (STATUS <> ''))",
    );
}

/// A schema with everything that SQLite has.
const EVERYTHING: &str = r#"
    CREATE TABLE users (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        Email VARCHAR(80) NOT NULL COLLATE NOCASE UNIQUE,
        age INT DEFAULT 18 CHECK (age >= 0), -- years
        name TEXT DEFAULT 'a''b "c" \d',
        created TEXT NOT NULL DEFAULT (datetime('now')),
        double_age INT GENERATED ALWAYS AS (age * 2) STORED,
        CHECK (length(name) < 100 OR name IS NULL)
    );
    CREATE TABLE orders (
        id INTEGER PRIMARY KEY,
        user_id INT NOT NULL REFERENCES users ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
        sku TEXT, batch INT,
        UNIQUE (sku, batch) ON CONFLICT REPLACE
    ) STRICT;
    CREATE TABLE tags (a TEXT, b INT, PRIMARY KEY (b DESC, a)) WITHOUT ROWID;
    CREATE UNIQUE INDEX users_lower ON users (lower(name) DESC, age) WHERE age > 3;
    CREATE INDEX users_email ON users (email COLLATE BINARY);
    CREATE VIEW adults AS
        SELECT id, email
        FROM users WHERE age >= 18;
    CREATE TRIGGER touched AFTER UPDATE ON users BEGIN
        UPDATE users SET created = 'now' WHERE id = new.id;
    END;
    CREATE TRIGGER add_adult INSTEAD OF INSERT ON adults BEGIN
        INSERT INTO users (email) VALUES (new.email);
    END;
    CREATE VIRTUAL TABLE notes USING fts5(body);
"#;

#[test]
fn the_file_form_gives_the_schema_back() {
    let schema = read(EVERYTHING);
    let toml = schema.to_toml().unwrap();
    assert_eq!(Schema::from_toml(&toml).unwrap(), schema, "{toml}");
    assert_eq!(
        Schema::from_json(&schema.to_json().unwrap()).unwrap(),
        schema
    );
    assert_eq!(read(EVERYTHING).to_toml().unwrap(), toml);
    for line in [
        "format = \"lockstep-schema/1\"",
        "[tables.users]",
        "columns.Email = { type = \"VARCHAR(80)\", not_null = true, collation = \"NOCASE\" }",
        "columns.double_age = { type = \"INT\", generated = \"(age * 2) STORED\" }",
        "primary_key = { definition = \"PRIMARY KEY (id) AUTOINCREMENT\" }",
        "    { definition = \"UNIQUE (sku, batch) ON CONFLICT REPLACE\" },",
        "    { definition = \"FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE \
         DEFERRABLE INITIALLY DEFERRED\" },",
        "indexes.users_lower = { definition = \"UNIQUE INDEX (lower(name) DESC, age) WHERE age > 3\" }",
        "options = [\"STRICT\"]",
    ] {
        assert!(toml.lines().any(|found| found == line), "{line}\n\n{toml}");
    }
}

#[test]
fn another_format_is_refused() {
    let toml = read("").to_toml().unwrap();
    let other = toml.replace("lockstep-schema/1", "lockstep-schema/2");
    assert!(
        Schema::from_toml(&other)
            .unwrap_err()
            .to_string()
            .contains("lockstep-schema/2")
    );
    assert!(Schema::from_toml(&format!("{toml}surprise = 1\n")).is_err());
}

#[test]
fn each_property_that_differs_is_one_finding() {
    let t = "CREATE TABLE t (a INT, b TEXT);";
    for (expected, actual, kind, subject) in [
        (
            "CREATE TABLE t (a INT, b TEXT UNIQUE); CREATE INDEX i ON t (a);",
            "",
            "table-present",
            "t",
        ),
        (
            "",
            "CREATE TABLE t (a INT CHECK (a > 0), b TEXT UNIQUE);",
            "table-declared",
            "t",
        ),
        (t, "CREATE TABLE t (a INT);", "column-present", "t.b"),
        (
            t,
            "CREATE TABLE t (a INT, b TEXT, c);",
            "column-declared",
            "t.c",
        ),
        (
            t,
            "CREATE TABLE t (a INT, b BLOB);",
            "column-as-expected",
            "t.b",
        ),
        (
            t,
            "CREATE TABLE t (a INT, b TEXT NOT NULL);",
            "column-as-expected",
            "t.b",
        ),
        (
            t,
            "CREATE TABLE t (a INT, b TEXT NOT NULL DEFAULT 'x');",
            "column-as-expected",
            "t.b",
        ),
        (
            t,
            "CREATE TABLE t (a INT, b TEXT COLLATE NOCASE);",
            "column-as-expected",
            "t.b",
        ),
        (
            t,
            "CREATE TABLE t (a INT, b TEXT AS (a));",
            "column-as-expected",
            "t.b",
        ),
        (
            "CREATE TABLE t (a INT, b TEXT AS (a) STORED);",
            "CREATE TABLE t (a INT, b TEXT AS (a) VIRTUAL);",
            "column-as-expected",
            "t.b",
        ),
        (
            "CREATE TABLE t (a INT NOT NULL ON CONFLICT IGNORE);",
            "CREATE TABLE t (a INT NOT NULL);",
            "column-as-expected",
            "t.a",
        ),
        (
            t,
            "CREATE TABLE t (a INT, b TEXT) STRICT;",
            "table-as-expected",
            "t",
        ),
        (
            t,
            "CREATE TABLE t (a INT, b TEXT, PRIMARY KEY (a));",
            "primary-key-declared",
            "t",
        ),
        (
            "CREATE TABLE t (a INTEGER PRIMARY KEY);",
            "CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT);",
            "primary-key-as-expected",
            "t",
        ),
        (
            "CREATE TABLE t (a INTEGER PRIMARY KEY);",
            "CREATE TABLE t (a INTEGER PRIMARY KEY DESC);",
            "primary-key-as-expected",
            "t",
        ),
        (
            "CREATE TABLE t (a INT, b TEXT UNIQUE);",
            "CREATE TABLE t (a INT, b TEXT UNIQUE ON CONFLICT IGNORE);",
            "unique-as-expected",
            "t",
        ),
        (
            "CREATE TABLE t (a INT, b TEXT UNIQUE);",
            t,
            "unique-present",
            "t",
        ),
        (
            t,
            "CREATE TABLE t (a INT CHECK (a > 0), b TEXT);",
            "check-declared",
            "t",
        ),
        (
            "CREATE TABLE t (a TEXT CHECK (a <> 'A'));",
            "CREATE TABLE t (a TEXT CHECK (a <> 'a'));",
            "check-as-expected",
            "t",
        ),
        (
            t,
            "CREATE TABLE t (a INT REFERENCES t (b), b TEXT);",
            "foreign-key-declared",
            "t",
        ),
        (
            "CREATE TABLE t (a INT REFERENCES t (b) ON DELETE CASCADE, b TEXT);",
            "CREATE TABLE t (a INT REFERENCES t (b), b TEXT);",
            "foreign-key-as-expected",
            "t",
        ),
        (
            "CREATE TABLE t (a INT REFERENCES t (b) ON UPDATE SET NULL, b TEXT);",
            "CREATE TABLE t (a INT REFERENCES t (b) ON UPDATE RESTRICT, b TEXT);",
            "foreign-key-as-expected",
            "t",
        ),
        (
            "CREATE TABLE t (a INT REFERENCES t (b) DEFERRABLE INITIALLY DEFERRED, b TEXT);",
            "CREATE TABLE t (a INT REFERENCES t (b), b TEXT);",
            "foreign-key-as-expected",
            "t",
        ),
        (
            "CREATE TABLE t (a INT REFERENCES t (b), b TEXT);",
            "CREATE TABLE t (a INT REFERENCES t (a), b TEXT);",
            "foreign-key-as-expected",
            "t",
        ),
        (
            "CREATE VIRTUAL TABLE f USING fts5(a);",
            "CREATE VIRTUAL TABLE f USING fts5(a, b);",
            "table-as-expected",
            "f",
        ),
        (
            "CREATE VIEW v AS SELECT 1;",
            "CREATE VIEW v AS SELECT 2;",
            "view-as-expected",
            "v",
        ),
        ("CREATE VIEW v AS SELECT 1;", "", "view-present", "v"),
    ] {
        check_one(expected, actual, kind, subject);
    }
    for (expected, actual, kind) in [
        ("CREATE INDEX i ON t (a);", "", "index-present"),
        ("", "CREATE INDEX i ON t (a);", "index-declared"),
        (
            "CREATE INDEX i ON t (a);",
            "CREATE INDEX i ON t (b);",
            "index-as-expected",
        ),
        (
            "CREATE INDEX i ON t (a);",
            "CREATE INDEX i ON t (a DESC);",
            "index-as-expected",
        ),
        (
            "CREATE INDEX i ON t (b);",
            "CREATE INDEX i ON t (b COLLATE NOCASE);",
            "index-as-expected",
        ),
        (
            "CREATE INDEX i ON t (a);",
            "CREATE UNIQUE INDEX i ON t (a);",
            "index-as-expected",
        ),
        (
            "CREATE INDEX i ON t (a);",
            "CREATE INDEX i ON t (a) WHERE a > 0;",
            "index-as-expected",
        ),
        (
            "CREATE INDEX i ON t (lower(b));",
            "CREATE INDEX i ON t (upper(b));",
            "index-as-expected",
        ),
        (
            "CREATE TRIGGER i AFTER INSERT ON t BEGIN SELECT 1; END;",
            "CREATE TRIGGER i AFTER INSERT ON t BEGIN SELECT 2; END;",
            "trigger-as-expected",
        ),
        (
            "CREATE TRIGGER i AFTER INSERT ON t BEGIN SELECT 1; END;",
            "",
            "trigger-present",
        ),
    ] {
        check_one(
            &format!("{t}{expected}"),
            &format!("{t}{actual}"),
            kind,
            "t.i",
        );
    }
}

#[test]
fn a_rebuilt_table_equals_one_written_directly() {
    check_same(
        "CREATE TABLE p (id INTEGER PRIMARY KEY);
         CREATE TABLE x (
             id integer primary key autoincrement,
             name text not null constraint short check (length(name) < 9),
             p int references p on delete cascade deferrable initially deferred,
             twice int generated always as (p * 2) stored,
             added text default 'q' collate nocase,
             unique (name, p)
         );
         CREATE INDEX x_name ON x (name) WHERE name IS NOT NULL;
         CREATE VIEW v AS SELECT name FROM x;
         CREATE TRIGGER g AFTER INSERT ON x BEGIN UPDATE x SET name = 'a'; END;",
        r#"CREATE TABLE p (id INTEGER PRIMARY KEY);
         CREATE TABLE "x" ("id" INTEGER);
         CREATE TABLE "new_x" (
             "name" TEXT /* short */ NOT NULL, "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
             -- the parent
             [p] INT, `twice` INT AS ("p"*2) STORED,
             UNIQUE ("name", "p") CHECK (LENGTH("name")<9),
             FOREIGN KEY ("p") REFERENCES "P" ("id") ON DELETE CASCADE ON UPDATE NO ACTION
                 DEFERRABLE INITIALLY DEFERRED
         );
         INSERT INTO "new_x" ("id", "name") SELECT "id", 'a' FROM "x";
         DROP TABLE "x";
         ALTER TABLE "new_x" RENAME TO "X";
         ALTER TABLE x ADD COLUMN "added" TEXT COLLATE NOCASE DEFAULT 'q';
         CREATE INDEX IF NOT EXISTS "x_name" ON "x" ("name" ASC) WHERE "name" is not null;
         CREATE VIEW IF NOT EXISTS "v" AS select "name"
             FROM "x" -- all
             ;
         CREATE TRIGGER IF NOT EXISTS g AFTER INSERT ON "x" BEGIN
             UPDATE x SET "name" = 'a';
         END"#,
    );
}

#[test]
fn a_rename_carries_checks_views_and_self_references_along() {
    check_same(
        "CREATE TABLE x (id INTEGER PRIMARY KEY, up INT REFERENCES x (id), a INT, CHECK (x.a > 0));",
        "CREATE TABLE new_x (id INTEGER PRIMARY KEY, up INT REFERENCES new_x (id), a INT,
             CHECK (new_x.a > 0));
         ALTER TABLE new_x RENAME TO x;",
    );
}

#[test]
fn what_is_not_the_projects_is_left_out() {
    let conn = database(
        "CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT, b UNIQUE);
         CREATE TABLE lockstep_environment (name);
         CREATE TABLE lockstep_migrations (name UNIQUE);
         CREATE INDEX lockstep_i ON lockstep_migrations (name);
         CREATE TRIGGER lockstep_freeze_t BEFORE INSERT ON t BEGIN SELECT 1; END;
         CREATE TEMP TABLE scratch (a);
         CREATE TEMP TRIGGER watch AFTER INSERT ON main.t BEGIN SELECT 1; END;
         CREATE VIRTUAL TABLE f USING fts5(a);
         CREATE TABLE audit_log (a); CREATE INDEX audit_i ON t (b);
         INSERT INTO t (b) VALUES (1);
         ANALYZE;",
    );
    let scope = Scope {
        ignore: vec!["AUDIT_*".to_owned()],
        ..Scope::default()
    };
    let schema = read_sqlite(&conn, &scope).unwrap();
    assert_eq!(schema.tables.keys().collect::<Vec<_>>(), ["f", "t"]);
    assert!(schema.tables["t"].indexes.is_empty() && schema.tables["t"].triggers.is_empty());
    let all = read_sqlite(&conn, &Scope::default()).unwrap();
    assert_eq!(diff(&scope.within(&all), &schema), []);
    assert_eq!(diff(&all, &schema).len(), 2);
}

#[test]
fn odd_names_are_told_apart() {
    let odd = r#"CREATE TABLE "select" ("or""der" INT, "a b" TEXT, "größe" INT, "" INT,
             UNIQUE ("a b"), CHECK ("or""der" > 0), CHECK ("größe" > 1));
         CREATE TABLE "x.y" (a INT REFERENCES "select" ("or""der"));
         CREATE INDEX "an ""index" ON "select" ("größe", "a b") WHERE "or""der" = 'it''s';
         CREATE VIEW "1v" AS SELECT * FROM "select";"#;
    let schema = read(odd);
    let toml = schema.to_toml().unwrap();
    assert_eq!(Schema::from_toml(&toml).unwrap(), schema, "{toml}");
    check_same(
        odd,
        &odd.replace("(\"größe\", ", "([größe], ")
            .replace("INT", "int"),
    );
    check_one(
        odd,
        &odd.replace("it''s", "It''s"),
        "index-as-expected",
        "select.\"an \"\"index\"",
    );
}

#[test]
fn names_compare_without_case() {
    check_same(
        "CREATE TABLE Users (userId INT); CREATE INDEX I ON Users (userId);",
        "CREATE TABLE users (USERID INT); CREATE INDEX i ON USERS (userid);",
    );
}

#[test]
fn a_broken_view_and_a_missing_module_are_no_obstacle() {
    let conn =
        database("CREATE TABLE gone (a); CREATE VIEW v AS SELECT a FROM gone; DROP TABLE gone;");
    conn.execute_batch(
        "PRAGMA writable_schema = on;
         INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql)
         VALUES ('table', 'm', 'm', 0, 'CREATE VIRTUAL TABLE m USING no_such_module(a)');
         PRAGMA writable_schema = reset;",
    )
    .unwrap();
    let schema = read_sqlite(&conn, &Scope::default()).unwrap();
    assert!(schema.views.contains_key("v") && schema.tables.contains_key("m"));
}

#[test]
fn another_engine_is_one_finding() {
    let sqlite = read(EVERYTHING);
    let found = diff(&sqlite, &Schema::empty(schema::Engine::Postgres));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].kind, schema::ENGINE_AS_EXPECTED);
}

#[test]
fn a_transaction_of_the_caller_is_kept() {
    let conn = database("CREATE TABLE t (a); BEGIN; CREATE TABLE u (a);");
    assert_eq!(
        read_sqlite(&conn, &Scope::default()).unwrap().tables.len(),
        2
    );
    conn.execute_batch("ROLLBACK").unwrap();
    assert_eq!(
        read_sqlite(&conn, &Scope::default()).unwrap().tables.len(),
        1
    );
    assert!(conn.is_autocommit());
}

#[test]
fn a_tally_counts_what_is_there_and_knows_what_breaks_it() {
    let one = read("CREATE TABLE t (a INT, b INT); CREATE INDEX i ON t (a)");
    let words: Vec<_> = tally(&one).into_iter().map(|tally| tally.objects).collect();
    assert_eq!(words, ["1 table", "2 columns", "1 index"]);
    let other = read("CREATE TABLE t (a INT, b TEXT); CREATE INDEX i ON t (a)");
    let found = diff(&one, &other);
    let broken: Vec<_> = tally(&other)
        .iter()
        .filter(|tally| tally.is_broken(&found))
        .map(|tally| tally.check.id)
        .collect();
    assert_eq!(broken, ["column-as-expected"]);
}
