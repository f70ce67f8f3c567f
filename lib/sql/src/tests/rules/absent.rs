//! What the database does not have, and what an empty one has to lose.

use super::{BOTH, before, check_on, violations};
use crate::Dialect::{Postgres, Sqlite};
use crate::{Before, UserType};

/// A database of which all is known, with the table `old`.
fn known() -> [(crate::Dialect, Before); 2] {
    [(Sqlite, ""), (Postgres, "public")].map(|(dialect, schema)| {
        let tables = [
            (schema, "old", [("id", "integer"), ("a", "text")].as_slice()),
            (schema, "lookalike", [("id", "integer")].as_slice()),
        ];
        let mut before = before(&tables);
        before.is_complete = true;
        if let Some(view) = before.tables.last_mut() {
            // A view, whose columns nobody reads.
            view.columns = None;
        }
        (dialect, before)
    })
}

fn empty() -> Before {
    Before {
        is_complete: true,
        ..Before::default()
    }
}

fn postgres() -> Before {
    let [_, (_, before)] = known();
    Before {
        extensions: ["citext".to_owned()].into(),
        types: vec![UserType {
            schema: "public".to_owned(),
            name: "mood".to_owned(),
            is_enum: true,
        }],
        ..before
    }
}

#[test]
fn a_table_that_is_not_there_is_new_with_if_not_exists_too() {
    for (dialect, before) in known() {
        check_on(
            dialect,
            &before,
            &[
                "CREATE TABLE IF NOT EXISTS t (a int); INSERT INTO t VALUES (1);",
                "DELETE FROM t; ALTER TABLE t DROP COLUMN a; DROP TABLE t;",
            ],
            &[],
        );
        check_on(
            dialect,
            &before,
            &["CREATE TABLE IF NOT EXISTS old (a int);\nDELETE FROM old;\nDROP TABLE old;"],
            &["2 delete-without-where old", "3 drop-table old"],
        );
        check_on(
            dialect,
            &before,
            &["CREATE TABLE IF NOT EXISTS lookalike (a int); DELETE FROM lookalike;"],
            &["1 delete-without-where lookalike"],
        );
        // Under another name, it is there.
        check_on(
            dialect,
            &before,
            &["ALTER TABLE old RENAME TO t; CREATE TABLE IF NOT EXISTS t (a int); DELETE FROM t;"],
            &["1 delete-without-where t"],
        );
        // Gone, and made anew.
        check_on(
            dialect,
            &before,
            &["DROP TABLE old; CREATE TABLE IF NOT EXISTS old (a int); DELETE FROM old;"],
            &["1 drop-table old"],
        );
        // Rows that came from elsewhere are the last of them.
        check_on(
            dialect,
            &before,
            &[
                "CREATE TABLE IF NOT EXISTS t (a text); INSERT INTO t SELECT a FROM old; DELETE FROM old; DROP TABLE t;",
            ],
            &["1 delete-without-where old", "1 drop-table t"],
        );
    }
}

#[test]
fn a_rebuild_may_say_if_not_exists_where_the_table_is_not_there() {
    let [(_, before), _] = known();
    let rest = "INSERT INTO n SELECT id, a FROM old; DROP TABLE old; ALTER TABLE n RENAME TO old;";
    let create = "CREATE TABLE IF NOT EXISTS n (id integer, a text);";
    check_on(Sqlite, &before, &[&format!("{create} {rest}")], &[]);
    check_on(
        Sqlite,
        &before,
        &[&format!(
            "{create} INSERT INTO n VALUES (1, 2); {create} {rest}"
        )],
        &["1 drop-table old"],
    );
    let mut other = before.clone();
    other.is_complete = false;
    check_on(
        Sqlite,
        &other,
        &[&format!("{create} {rest}")],
        &["1 drop-table old"],
    );
}

#[test]
fn nothing_is_lost_where_nothing_is() {
    for (dialect, before) in known() {
        check_on(
            dialect,
            &before,
            &["DROP TABLE IF EXISTS t; DROP TABLE IF EXISTS t;"],
            &[],
        );
        check_on(
            dialect,
            &before,
            &["DROP TABLE IF EXISTS old;", "DROP TABLE IF EXISTS old;"],
            &["1 drop-table old"],
        );
        // The engine would stop here; whoever wrote it thought of a table.
        check_on(dialect, &before, &["DROP TABLE t;"], &["1 drop-table t"]);
        check_on(
            dialect,
            &before,
            &["ALTER TABLE old RENAME TO t; DROP TABLE IF EXISTS old; DROP TABLE IF EXISTS t;"],
            &["1 drop-table t"],
        );
    }
    let before = postgres();
    for sql in [
        "DROP TABLE IF EXISTS t CASCADE; DROP TABLE IF EXISTS public.t, other.old;",
        "ALTER TABLE IF EXISTS t DROP COLUMN a; ALTER TABLE old DROP COLUMN IF EXISTS b;",
        "ALTER TABLE IF EXISTS t ALTER a TYPE int; ALTER TABLE IF EXISTS t RENAME TO u; DROP TABLE IF EXISTS u;",
        "DO $$ BEGIN IF a THEN DELETE FROM t; DROP TABLE t; UPDATE t SET a = 1; TRUNCATE t; END IF; END $$;",
        "DO $$ BEGIN CREATE TABLE IF NOT EXISTS t (a int); END $$; DELETE FROM t; DROP TABLE t;",
        "DROP SCHEMA IF EXISTS shop CASCADE; DROP EXTENSION IF EXISTS hstore CASCADE;",
        "DROP TYPE IF EXISTS m CASCADE; DROP DOMAIN IF EXISTS d CASCADE;",
    ] {
        check_on(Postgres, &before, &[sql], &[]);
    }
    for (sql, expected) in [
        (
            "ALTER TABLE old DROP COLUMN IF EXISTS a",
            "1 drop-column old.a",
        ),
        (
            "ALTER TABLE old RENAME a TO b; ALTER TABLE old DROP COLUMN IF EXISTS b",
            "1 drop-column old.b",
        ),
        // A column of the parent gets its name in the children too.
        (
            "ALTER TABLE p RENAME a TO b; ALTER TABLE old DROP COLUMN IF EXISTS b",
            "1 drop-column old.b",
        ),
        (
            "DO $$ BEGIN ALTER TABLE old RENAME a TO b; END $$; ALTER TABLE old DROP COLUMN IF EXISTS b",
            "1 drop-column old.b",
        ),
        (
            "DROP EXTENSION IF EXISTS citext CASCADE",
            "1 drop-extension citext",
        ),
        (
            "CREATE EXTENSION hstore; DROP EXTENSION IF EXISTS hstore CASCADE",
            "1 drop-extension hstore",
        ),
        ("DROP TYPE IF EXISTS mood CASCADE", "1 drop-cascade mood"),
        (
            "CREATE TYPE m AS ENUM ('a'); DROP TYPE IF EXISTS m CASCADE",
            "1 drop-cascade m",
        ),
        (
            "ALTER TYPE mood RENAME TO m; DROP TYPE IF EXISTS m CASCADE",
            "1 drop-cascade m",
        ),
        (
            "DROP SCHEMA IF EXISTS public CASCADE",
            "1 drop-schema public",
        ),
        (
            "ALTER TABLE old SET SCHEMA shop; DROP SCHEMA IF EXISTS shop CASCADE",
            "1 drop-schema shop",
        ),
        // What leads to a name that nobody knows.
        (
            "ALTER INDEX old RENAME TO t; DROP TABLE IF EXISTS t",
            "1 drop-table t",
        ),
        (
            "ALTER VIEW old RENAME TO t; DROP TABLE IF EXISTS t",
            "1 drop-table t",
        ),
        (
            "ALTER TABLE old SET SCHEMA other; DROP TABLE IF EXISTS other.old",
            "1 drop-table other.old",
        ),
        (
            "SET search_path = DEFAULT; DROP TABLE IF EXISTS t",
            "1 drop-table t",
        ),
        ("RESET ALL; DROP TABLE IF EXISTS t", "1 drop-table t"),
        (
            "SAVEPOINT a; ROLLBACK TO a; DROP TABLE IF EXISTS t",
            "1 drop-table t",
        ),
        (
            "ALTER EXTENSION e SET SCHEMA s; DROP TABLE IF EXISTS s.t",
            "1 drop-table s.t",
        ),
        (
            "IMPORT FOREIGN SCHEMA a FROM SERVER s INTO public; DROP TABLE IF EXISTS t",
            "1 drop-table t",
        ),
        (
            "CREATE FOREIGN TABLE t (a int) SERVER s; DELETE FROM t",
            "1 delete-without-where t",
        ),
        (
            "CREATE VIEW t AS SELECT * FROM old; DELETE FROM t",
            "1 delete-without-where t",
        ),
        (
            "CREATE TEMP VIEW t AS SELECT * FROM old; DELETE FROM t",
            "1 delete-without-where t",
        ),
        (
            "CREATE TABLE IF NOT EXISTS t PARTITION OF old DEFAULT; DELETE FROM t",
            "1 delete-without-where t",
        ),
        ("DROP TABLE IF EXISTS \"Grün\"", "1 drop-table Grün"),
        (
            "DROP TABLE IF EXISTS a234567890123456789012345678901234567890123456789012345678901234",
            "1 drop-table a234567890123456789012345678901234567890123456789012345678901234",
        ),
        ("DROP DATABASE IF EXISTS d", "1 drop-database d"),
    ] {
        check_on(Postgres, &before, &[sql], &[expected]);
    }
    // Text that is made at run time may do anything.
    check_on(
        Postgres,
        &before,
        &["DO $$ BEGIN EXECUTE a; END $$; DROP TABLE IF EXISTS t;"],
        &["1 dynamic-sql EXECUTE", "1 drop-table t"],
    );
}

#[test]
fn an_empty_database_loses_nothing() {
    for dialect in BOTH {
        check_on(
            dialect,
            &empty(),
            &[
                "CREATE TABLE IF NOT EXISTS a (x int); INSERT INTO a VALUES (1);",
                "DROP TABLE IF EXISTS b; CREATE TABLE c AS SELECT * FROM a; DELETE FROM a; DROP TABLE c;",
                "ALTER TABLE a DROP COLUMN x;",
            ],
            &[],
        );
        check_on(dialect, &empty(), &["DROP TABLE t;"], &["1 drop-table t"]);
    }
    for sql in [
        "CREATE TABLE a (x int); TRUNCATE a CASCADE;",
        "CREATE EXTENSION citext; DROP EXTENSION citext CASCADE;",
        "CREATE TYPE m AS ENUM ('a'); DROP TYPE m CASCADE;",
        "CREATE SCHEMA IF NOT EXISTS s; DROP SCHEMA s CASCADE;",
        "DO $$ BEGIN EXECUTE format('DROP TABLE %I', a); END $$;",
        "SELECT pg_catalog.set_config('search_path', '', false); CREATE TABLE public.a (x text); ALTER TABLE public.a ALTER x TYPE int USING 1;",
        "SAVEPOINT a; ROLLBACK TO a; CREATE TABLE a (x int); DELETE FROM a;",
    ] {
        check_on(Postgres, &empty(), &[sql], &[]);
    }
    for (sql, expected) in [
        ("DROP OWNED BY clerk", "1 drop-owned clerk"),
        (
            "UPDATE pg_class SET relname = 'a' WHERE oid = 1",
            "1 catalog-write pg_class",
        ),
        (
            "CREATE SERVER s FOREIGN DATA WRAPPER w; DO $$ BEGIN EXECUTE a; END $$",
            "1 dynamic-sql EXECUTE",
        ),
        (
            "CREATE FOREIGN TABLE t (a int) SERVER s; DELETE FROM t",
            "1 delete-without-where t",
        ),
    ] {
        check_on(Postgres, &empty(), &[sql], &[expected]);
    }
    check_on(
        Sqlite,
        &empty(),
        &["PRAGMA writable_schema = 1"],
        &["1 writable-schema pragma writable_schema"],
    );
    // Nobody has looked.
    check_on(
        Postgres,
        &Before::default(),
        &["DROP TABLE IF EXISTS t"],
        &["1 drop-table t"],
    );
}

#[test]
fn an_enum_takes_a_text_to_the_letter() {
    let column = |ty: &'static str| {
        let columns: &[(&str, &str)] = match ty {
            "mood" => &[("m", "mood"), ("a", "text"), ("l", "mood[]")],
            _ => &[("m", "\"Mood\""), ("a", "text"), ("l", "\"Mood\"[]")],
        };
        let mut before = before(&[("public", "t", columns)]);
        before.is_complete = true;
        before.types = postgres().types;
        before
    };
    for sql in [
        "CREATE TYPE \"Mood_new\" AS ENUM ('a'); ALTER TABLE t ALTER COLUMN m TYPE \"Mood_new\" USING (\"m\"::text::\"Mood_new\");",
        "CREATE TYPE public.n AS ENUM ('a'); ALTER TABLE t ALTER m TYPE public.n USING m::varchar::public.n;",
        "CREATE TYPE n AS ENUM ('a'); ALTER TABLE t ALTER l TYPE n[] USING (l::text::n[]);",
        "CREATE TYPE n AS ENUM ('a'); ALTER TABLE t ALTER a TYPE n USING a::n;",
        "CREATE TYPE n AS ENUM ('a'); ALTER TYPE n RENAME TO o; ALTER TABLE t ALTER a TYPE o USING CAST(a AS o);",
        "ALTER TABLE t ALTER a TYPE mood USING a::text::mood;",
    ] {
        check_on(Postgres, &column("Mood"), &[sql], &[]);
    }
    for (sql, subject) in [
        (
            "CREATE TYPE n AS ENUM ('a'); ALTER TABLE t ALTER m TYPE n USING lower(m::text)::n;",
            "t.m",
        ),
        (
            "CREATE TYPE n AS ENUM ('a'); ALTER TABLE t ALTER m TYPE n USING a::text::n;",
            "t.m",
        ),
        (
            "CREATE TYPE n AS ENUM ('a'); ALTER TABLE t ALTER m TYPE n USING m::varchar(1)::n;",
            "t.m",
        ),
        (
            "CREATE TYPE n AS ENUM ('a'); ALTER TABLE t ALTER m TYPE n USING 'a'::text::n;",
            "t.m",
        ),
        (
            "CREATE TYPE n AS ENUM ('a'); ALTER TABLE t ALTER l TYPE n USING l::text::n;",
            "t.l",
        ),
        (
            "CREATE DOMAIN n AS varchar(1); ALTER TABLE t ALTER m TYPE n USING m::text::n;",
            "t.m",
        ),
        ("ALTER TABLE t ALTER a TYPE int USING a::text::int;", "t.a"),
        (
            "ALTER TABLE t ALTER m TYPE unknown_type USING m::text::unknown_type;",
            "t.m",
        ),
        (
            "CREATE DOMAIN s.mood AS varchar(1); ALTER TABLE t ALTER a TYPE mood USING a::mood;",
            "t.a",
        ),
    ] {
        check_on(
            Postgres,
            &column("Mood"),
            &[sql],
            &[&format!("1 narrow-type {subject}")],
        );
    }
}

#[test]
fn a_zone_says_what_becomes_of_a_time() {
    let columns = &[
        ("a", "timestamp without time zone"),
        ("b", "timestamp with time zone"),
        ("c", "timestamp(3) without time zone"),
        ("d", "date"),
        ("e", "text"),
    ];
    let before = before(&[("public", "t", columns)]);
    let found = |sql: &str| -> Vec<(bool, String)> {
        let found = violations(Postgres, &before, &[sql]);
        let found = found.into_iter().flatten();
        found.map(|found| (found.is_note, found.message)).collect()
    };
    for sql in [
        "ALTER TABLE t ALTER a TYPE timestamptz USING a AT TIME ZONE 'UTC'",
        "ALTER TABLE t ALTER b TYPE timestamp USING (b AT TIME ZONE 'utc')",
        "ALTER TABLE t ALTER c TYPE timestamptz(3) USING c AT TIME ZONE 'GMT'",
    ] {
        assert_eq!(found(sql), [], "{sql}");
    }
    for (sql, zone) in [
        (
            "ALTER TABLE t ALTER a TYPE timestamptz",
            "the TimeZone of the session",
        ),
        (
            "ALTER TABLE t ALTER d TYPE timestamp with time zone",
            "the TimeZone of the session",
        ),
        (
            "ALTER TABLE t ALTER a TYPE timestamptz USING a AT TIME ZONE 'Europe/Berlin'",
            "Europe/Berlin",
        ),
    ] {
        let found = found(sql);
        assert!(
            matches!(found.as_slice(), [(true, message)] if message.contains(zone)),
            "{sql}: {found:?}"
        );
    }
    for sql in [
        "ALTER TABLE t ALTER b TYPE timestamp",
        "ALTER TABLE t ALTER b TYPE timestamp USING b AT TIME ZONE 'Europe/Berlin'",
        "ALTER TABLE t ALTER a TYPE timestamptz(3)",
        "ALTER TABLE t ALTER c TYPE timestamptz(0) USING c AT TIME ZONE 'UTC'",
        "ALTER TABLE t ALTER a TYPE timestamptz USING b AT TIME ZONE 'UTC'",
        "ALTER TABLE t ALTER a TYPE timestamptz USING a AT TIME ZONE e",
        "ALTER TABLE t ALTER e TYPE timestamptz USING e AT TIME ZONE 'UTC'",
    ] {
        let found = found(sql);
        assert!(matches!(found.as_slice(), [(false, _)]), "{sql}: {found:?}");
    }
}

#[test]
fn what_a_table_has_most_likely_proves_no_absence() {
    let mut before = postgres();
    let mut orders = before.tables[0].clone();
    orders.name = "orders_v1".to_owned();
    before.tables.push(orders);
    check_on(
        Postgres,
        &before,
        &["DO $$BEGIN IF to_regclass('orders') IS NULL THEN \
             ALTER TABLE orders_v1 RENAME TO orders; END IF; END$$;\n\
           CREATE TABLE IF NOT EXISTS orders (id int);\n\
           ALTER TABLE orders DROP COLUMN IF EXISTS a;"],
        &["3 drop-column orders.a"],
    );
}

#[test]
fn a_path_for_one_transaction_is_none_to_go_by() {
    let mut before = postgres();
    before
        .schemas
        .extend(["public".to_owned(), "staging".to_owned()]);
    check_on(
        Postgres,
        &before,
        &["SET LOCAL search_path = staging; DROP TABLE IF EXISTS old;"],
        &["1 drop-table old"],
    );
}
