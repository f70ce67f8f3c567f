//! Which table a name means on PostgreSQL.

use super::{before, check, check_on};
use crate::Before;
use crate::Dialect::Postgres;

#[test]
fn a_name_without_schema_means_another_table_on_another_path() {
    for path in [
        "SET search_path = b;",
        "SET LOCAL search_path TO b;",
        "SET SCHEMA 'b';",
        "SELECT pg_catalog.set_config('search_path', '', false);",
        "SET ROLE other;",
        "SET SESSION AUTHORIZATION other;",
        "RESET ALL;",
        "DO $$ BEGIN PERFORM set_config('search_path', 'b', false); END $$;",
    ] {
        check(
            Postgres,
            &format!(
                "CREATE TABLE t (a int); CREATE TABLE s.t (a int); {path} DROP TABLE s.t; DROP TABLE t;"
            ),
            &["1 drop-table t"],
        );
    }
    check(
        Postgres,
        "CREATE TABLE s.t (a int); DROP TABLE t;",
        &["1 drop-table t"],
    );
    check(
        Postgres,
        "CREATE TABLE s.t (a int); ALTER TABLE s.t SET SCHEMA r; DROP TABLE r.t;",
        &[],
    );
}

#[test]
fn a_name_with_and_without_a_schema_is_one_table() {
    let old = before(&[("public", "t", &[("a", "integer")]), ("b", "u", &[])]);
    let check = |sql: &str, expected: &[&str]| check_on(Postgres, &old, &[sql], expected);
    check(
        "CREATE TABLE n (a int); DELETE FROM public.n; DROP TABLE public.n;",
        &[],
    );
    check("CREATE TABLE public.n (a int); DELETE FROM n;", &[]);
    for sql in [
        "CREATE TABLE n (a int); ALTER TABLE public.n RENAME TO m; \
         ALTER TABLE public.t RENAME TO n; DELETE FROM n;",
        "CREATE TABLE n (a int); DROP TABLE public.n; ALTER TABLE t RENAME TO n; DELETE FROM n;",
        // The same where nobody knows which schema a name is looked for in.
        "SET search_path = c; CREATE TABLE n (a int); ALTER TABLE c.n RENAME TO m; \
         ALTER TABLE c.t RENAME TO n; DELETE FROM n;",
        "SET search_path = c; CREATE TABLE c.n (a int); ALTER TABLE n RENAME TO m; \
         ALTER TABLE t RENAME TO n; DELETE FROM c.n;",
    ] {
        let table = if sql.ends_with("c.n;") { "c.n" } else { "n" };
        check(sql, &[&format!("1 delete-without-where {table}")]);
    }
    check(
        "SET search_path = c; ALTER TABLE t ADD b int; ALTER TABLE c.t RENAME b TO d; \
         ALTER TABLE c.t RENAME a TO b; ALTER TABLE t DROP COLUMN b;",
        &["1 drop-column t.b"],
    );
    // A file's path ends with it.
    check_on(
        Postgres,
        &old,
        &[
            "CREATE TABLE n (a int); SET search_path = c;",
            "DELETE FROM n;",
        ],
        &[],
    );
}

#[test]
fn a_path_that_a_file_sets_is_known() {
    let old = before(&[
        ("public", "t", &[("a", "integer")]),
        ("b", "t", &[("a", "bigint")]),
    ]);
    for path in [
        "SET search_path = b, public;",
        "SET SCHEMA 'b';",
        "SELECT pg_catalog.set_config('search_path', 'b', false);",
    ] {
        check_on(
            Postgres,
            &old,
            &[&format!(
                "{path} CREATE TABLE n (a int); DROP TABLE b.n; ALTER TABLE t ALTER a TYPE bigint;"
            )],
            &[],
        );
    }
    for path in [
        "SET search_path = \"$user\", b;",
        "SET search_path = pg_temp, b;",
        "SELECT set_config('search_path', a, false) FROM u;",
        "DO $$ BEGIN SET search_path = b; END $$;",
    ] {
        check_on(
            Postgres,
            &old,
            &[&format!("{path} ALTER TABLE t ALTER a TYPE bigint;")],
            &["1 narrow-type t.a"],
        );
    }
}

#[test]
fn a_name_means_what_the_path_leads_to() {
    let old = before(&[("b", "t", &[("a", "integer")]), ("a", "u", &[])]);
    let old = Before {
        search_path: vec!["nobody".to_owned(), "a".to_owned(), "b".to_owned()],
        ..old
    };
    let check = |sql: &str, expected: &[&str]| check_on(Postgres, &old, &[sql], expected);
    check("ALTER TABLE t ALTER a TYPE bigint;", &[]);
    check(
        "CREATE TABLE t (a int); DROP TABLE a.t; DROP TABLE t;",
        &["1 drop-table t"],
    );
    check(
        "CREATE SCHEMA IF NOT EXISTS nobody; CREATE TABLE t (a int); DROP TABLE nobody.t;",
        &[],
    );
    check(
        "DO $$ BEGIN CREATE SCHEMA nobody; END $$; CREATE TABLE t (a int); DROP TABLE a.t;",
        &["1 drop-table a.t"],
    );
    // Which of the two it means when the block has not run.
    check(
        "CREATE TABLE a.t (a int); DO $$ BEGIN DROP TABLE a.t; END $$; DELETE FROM t;",
        &["1 delete-without-where t"],
    );
    check(
        "CREATE SCHEMA temp; DROP TABLE temp.t;",
        &["1 drop-table temp.t"],
    );
}

#[test]
fn a_temporary_table_stands_before_another_until_it_goes() {
    for gone in [
        "DROP TABLE pg_temp.t;",
        "ALTER TABLE pg_temp.t RENAME TO u;",
        "ALTER TABLE t RENAME TO u;",
        "DO $$ BEGIN DROP TABLE t; END $$;",
        "DISCARD TEMP;",
    ] {
        check(
            Postgres,
            &format!("CREATE TEMP TABLE t (a int); DELETE FROM t; {gone} DELETE FROM t;"),
            &["1 delete-without-where t"],
        );
    }
    check(
        Postgres,
        "CREATE TEMP TABLE t (a int); ALTER TABLE t RENAME TO u; DELETE FROM pg_temp.u; DELETE FROM u; \
         DELETE FROM public.t;",
        &["1 delete-without-where public.t"],
    );
}

#[test]
fn what_a_block_may_rename_is_not_known() {
    let rename =
        |what: &str| format!("DO $$ BEGIN IF a() THEN ALTER TABLE {what}; END IF; END $$;");
    let check = |sql: &str, expected: &[&str]| check(Postgres, sql, expected);
    check(
        &format!(
            "CREATE TABLE n (a int); {} DELETE FROM t;",
            rename("n RENAME TO t")
        ),
        &["1 delete-without-where t"],
    );
    check(
        &format!(
            "CREATE TABLE n (a int); {} DELETE FROM n;",
            rename("n RENAME TO t")
        ),
        &["1 delete-without-where n"],
    );
    check(
        &format!(
            "ALTER TABLE t ADD b int; {} ALTER TABLE t DROP b;",
            rename("t RENAME a TO b")
        ),
        &["1 drop-column t.b"],
    );
    check(
        &format!(
            "ALTER TABLE t ADD b int; {} ALTER TABLE t DROP c;",
            rename("t RENAME b TO c")
        ),
        &["1 drop-column t.c"],
    );
    check(
        &format!(
            "CREATE TABLE c AS SELECT * FROM t; {} DELETE FROM u WHERE a = 1; DROP TABLE c;",
            rename("t RENAME TO u")
        ),
        &["1 drop-table c"],
    );
    check(
        &format!(
            "{} ALTER TABLE t ALTER a TYPE bigint;",
            rename("t ALTER a TYPE text")
        ),
        &["1 narrow-type t.a"],
    );
}
