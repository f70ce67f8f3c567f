use super::{before, check, check_files, check_on, violations};
use crate::Before;
use crate::Dialect::Postgres;

#[test]
fn every_table_and_action_of_a_statement_counts() {
    check(
        Postgres,
        "DROP TABLE IF EXISTS a,\n b.\"C d\" CASCADE;",
        &["1 drop-table a", "1 drop-table b.C d"],
    );
    check(
        Postgres,
        "ALTER TABLE t\n DROP COLUMN a,\n ADD COLUMN b int,\n DROP COLUMN IF EXISTS c CASCADE;",
        &["2 drop-column t.a", "4 drop-column t.c"],
    );
    check(
        Postgres,
        "TRUNCATE a, ONLY b;",
        &["1 truncate a", "1 truncate b"],
    );
    check(Postgres, "CREATE TABLE a (b int); TRUNCATE a;", &[]);
    check(
        Postgres,
        "CREATE TABLE a (b int); TRUNCATE a CASCADE;",
        &["1 truncate a"],
    );
    check(
        Postgres,
        "ALTER TYPE c DROP ATTRIBUTE a;",
        &["1 drop-column c.a"],
    );
}

#[test]
fn tables_that_take_rows_from_others_are_not_new() {
    check(
        Postgres,
        "CREATE TABLE p PARTITION OF t DEFAULT; DROP TABLE p;",
        &["1 drop-table p"],
    );
    check(
        Postgres,
        "CREATE TABLE p (a int) PARTITION BY LIST (a); ALTER TABLE p ATTACH PARTITION t DEFAULT; \
         DROP TABLE p;",
        &["1 drop-table p"],
    );
    check(
        Postgres,
        "CREATE TABLE q (a int); ALTER TABLE t ATTACH PARTITION q DEFAULT; \
         UPDATE t SET a = 1 WHERE a = 2; ALTER TABLE t DETACH PARTITION q; DROP TABLE q;",
        &["1 drop-table q"],
    );
    check(
        Postgres,
        "CREATE TABLE p (a int); ALTER TABLE t INHERIT p; DROP TABLE p CASCADE;",
        &["1 drop-table p"],
    );
    check(Postgres, "SELECT * INTO c FROM t; DROP TABLE c;", &[]);
    check(
        Postgres,
        "SELECT * INTO c FROM t; DROP TABLE t; DROP TABLE c;",
        &["1 drop-table t", "1 drop-table c"],
    );
    check(
        Postgres,
        "CREATE TEMP TABLE t (a int) ON COMMIT DROP; DROP TABLE t;",
        &["1 drop-table t"],
    );
    // A rebuild is SQLite's way.
    check(
        Postgres,
        "CREATE TABLE n (a int); INSERT INTO n SELECT a FROM x; DROP TABLE x; \
         ALTER TABLE n RENAME TO x;",
        &["1 drop-table x"],
    );
}

#[test]
fn catalogs_are_not_written() {
    for (sql, table) in [
        (
            "UPDATE pg_attribute SET attisdropped = true WHERE attname = 'a'",
            "pg_attribute",
        ),
        (
            "DELETE FROM pg_catalog.pg_class WHERE oid = 1",
            "pg_catalog.pg_class",
        ),
        ("INSERT INTO pg_enum VALUES (1)", "pg_enum"),
        (
            "DO $$ BEGIN UPDATE pg_index SET indisvalid = false WHERE indexrelid = 1; END $$",
            "pg_index",
        ),
    ] {
        check(Postgres, sql, &[&format!("1 catalog-write {table}")]);
    }
    check(Postgres, "DELETE FROM shop.pg_orders WHERE id = 1", &[]);
    check(Postgres, "INSERT INTO t SELECT oid FROM pg_class", &[]);
}

#[test]
fn an_upsert_of_seed_data_is_no_loss() {
    check(
        Postgres,
        "INSERT INTO t (id, a) VALUES (1, 'a') ON CONFLICT (id) DO UPDATE SET a = excluded.a;",
        &[],
    );
}

#[test]
fn the_type_of_an_attribute_is_a_columns() {
    let before = before(&[("public", "c", &[("a", "numeric(10,2)"), ("b", "integer")])]);
    check_on(
        Postgres,
        &before,
        &[
            "ALTER TYPE c ALTER ATTRIBUTE a TYPE numeric(10,0) CASCADE, ALTER ATTRIBUTE b TYPE bigint, \
           ALTER ATTRIBUTE a SET DATA TYPE text;",
        ],
        &["1 narrow-type c.a"],
    );
}

#[test]
fn whole_schemas_and_what_is_owned() {
    check(Postgres, "DROP SCHEMA s CASCADE;", &["1 drop-schema s"]);
    check(
        Postgres,
        "DROP SCHEMA IF EXISTS a, b;",
        &["1 drop-schema a", "1 drop-schema b"],
    );
    check(
        Postgres,
        "CREATE SCHEMA s; CREATE TABLE s.t (a int); DROP SCHEMA s CASCADE;",
        &[],
    );
    check(
        Postgres,
        "CREATE SCHEMA IF NOT EXISTS s; DROP SCHEMA s;",
        &["1 drop-schema s"],
    );
    check(
        Postgres,
        "CREATE SCHEMA s; ALTER TABLE t SET SCHEMA s; DROP SCHEMA s CASCADE;",
        &["1 drop-schema s"],
    );
    check(
        Postgres,
        "CREATE SCHEMA s; SET search_path = s; CREATE TABLE k AS SELECT * FROM public.t; \
         DELETE FROM public.t WHERE id > 0; DROP SCHEMA s CASCADE;",
        &["1 drop-schema s"],
    );
    check(
        Postgres,
        "CREATE SCHEMA s; SET ROLE r; CREATE TABLE k AS SELECT * FROM public.t; \
         DELETE FROM public.t WHERE id > 0; DROP SCHEMA s CASCADE;",
        &["1 drop-schema s"],
    );
    check(
        Postgres,
        "CREATE SCHEMA s; ALTER SCHEMA r RENAME TO q; DROP SCHEMA s;",
        &["1 drop-schema s"],
    );
    check(
        Postgres,
        "CREATE SCHEMA s CREATE TABLE t (a int); DROP TABLE s.t; DROP TABLE t;",
        &["1 drop-table t"],
    );
    check(Postgres, "DROP DATABASE d;", &["1 drop-database d"]);
    check(
        Postgres,
        "DROP OWNED BY r, CURRENT_USER;",
        &["1 drop-owned r", "1 drop-owned CURRENT_USER"],
    );
    check(
        Postgres,
        "DROP EXTENSION IF EXISTS e;",
        &["1 drop-extension e"],
    );
    check(
        Postgres,
        "DROP TYPE a, s.b CASCADE;",
        &["1 drop-cascade a", "1 drop-cascade s.b"],
    );
    check(Postgres, "DROP DOMAIN d CASCADE;", &["1 drop-cascade d"]);
    check(
        Postgres,
        "DROP TYPE t; DROP DOMAIN d; DROP FUNCTION f() CASCADE; DROP SEQUENCE s; \
         DROP MATERIALIZED VIEW m; DROP VIEW v CASCADE; DROP FOREIGN TABLE f;",
        &[],
    );
}

#[test]
fn types_that_hold_everything_are_fine() {
    for ty in [
        "text",
        "varchar",
        "character varying",
        "pg_catalog.text",
        "text[]",
    ] {
        check(
            Postgres,
            &format!("ALTER TABLE t ALTER COLUMN a TYPE {ty};"),
            &[],
        );
    }
    for ty in [
        "int",
        "bigint",
        // Of double precision it keeps 15 digits.
        "numeric",
        "decimal",
        "varchar(200)",
        "char(3)",
        "numeric(10,2)",
        "timestamptz",
        "jsonb",
        "my_enum",
        "\"text\"",
        "varchar(10)[]",
    ] {
        check(
            Postgres,
            &format!("ALTER TABLE t ALTER a SET DATA TYPE {ty} USING a::{ty};"),
            &["1 narrow-type t.a"],
        );
    }
    for using in ["a", "a::text", "(a)::text", "CAST(a AS text)"] {
        check(
            Postgres,
            &format!("ALTER TABLE t ALTER a TYPE text USING {using};"),
            &[],
        );
    }
    for using in [
        "left(a, 3)",
        "b::text",
        "'x'",
        "a::varchar(3)::text",
        "a::int",
    ] {
        check(
            Postgres,
            &format!("ALTER TABLE t ALTER a TYPE text USING {using};"),
            &["1 narrow-type t.a"],
        );
    }
}

#[test]
fn the_type_that_the_database_has_decides() {
    let before = before(&[
        (
            "public",
            "t",
            &[("a", "integer"), ("v", "character varying(50)")],
        ),
        ("shop", "t", &[("a", "bigint"), ("n", "numeric(8,2)[]")]),
        (
            "public",
            "u",
            &[
                ("f", "double precision"),
                ("z", "timestamp(3) without time zone"),
            ],
        ),
    ]);
    let check = |sql: &str, expected: &[&str]| check_on(Postgres, &before, &[sql], expected);
    check(
        "ALTER TABLE t ALTER a TYPE bigint; ALTER TABLE t ALTER v TYPE varchar(100);
         ALTER TABLE shop.t ALTER n TYPE numeric(12,2)[];
         ALTER TABLE public.u ALTER z TYPE timestamp(6);",
        &[],
    );
    check(
        "ALTER TABLE shop.t ALTER a TYPE int;",
        &["1 narrow-type shop.t.a"],
    );
    check(
        "ALTER TABLE t ALTER v TYPE varchar(10);",
        &["1 narrow-type t.v"],
    );
    check(
        "ALTER TABLE u ALTER f TYPE numeric;",
        &["1 narrow-type u.f"],
    );
    check(
        "ALTER TABLE u ALTER z TYPE timestamp(0);",
        &["1 narrow-type u.z"],
    );
    // Under another path it may be the other one.
    check(
        "SET ROLE other; ALTER TABLE t ALTER a TYPE bigint;",
        &["1 narrow-type t.a"],
    );
}

#[test]
fn a_known_old_type_decides() {
    // The first change tells the type; it is reported itself where it may narrow.
    let known = |old: &str, new: &str, expected: &[&str]| {
        check_files(
            Postgres,
            &[
                &format!(
                    "-- lockstep: allow narrow-type because a\nALTER TABLE t ALTER a TYPE {old};"
                ),
                &format!("ALTER TABLE t ALTER a TYPE {new};"),
            ],
            expected,
        );
    };
    let first = "2 narrow-type t.a allowed";
    for (old, new) in [
        ("varchar(20)", "varchar(30)"),
        ("varchar(20)", "text"),
        ("char(3)", "varchar(3)"),
        ("char", "char(2)"),
        ("smallint", "int"),
        ("int4", "int8"),
        ("int", "integer"),
        ("bigint", "numeric"),
        ("numeric(10,2)", "numeric(12,2)"),
        ("numeric(10,2)", "numeric(12,4)"),
        ("numeric(5)", "numeric"),
        ("timestamp(3)", "timestamp"),
        ("timestamptz(3)", "timestamp(6) with time zone"),
        ("date", "timestamp"),
        ("real", "double precision"),
        ("varchar(3)[]", "varchar(4)[]"),
        ("my_enum", "text"),
    ] {
        known(old, new, &[first]);
    }
    for (old, new) in [
        ("varchar(30)", "varchar(20)"),
        ("char(3)", "char"),
        ("bigint", "int"),
        ("int", "real"),
        ("float8", "numeric"),
        ("numeric(10,2)", "numeric(10,3)"),
        ("numeric(10,2)", "numeric(10)"),
        ("timestamp", "timestamptz"),
        ("timestamptz", "timestamp"),
        ("timestamp(6)", "timestamp(3)"),
        ("timestamp", "date"),
        ("json", "jsonb"),
        ("int", "smallint"),
        ("int[]", "text"),
        ("varchar(9)", "name"),
        ("varchar(9)", "\"char\""),
    ] {
        known(old, new, &[first, "1 narrow-type t.a"]);
    }
    check(
        Postgres,
        "ALTER TABLE t ADD a int; ALTER TABLE t ALTER a TYPE smallint;",
        &[],
    );
    check(
        Postgres,
        "CREATE TABLE t (a int); ALTER TABLE t ALTER a TYPE smallint;",
        &[],
    );
    check(
        Postgres,
        "CREATE TABLE IF NOT EXISTS t (a int); ALTER TABLE t ALTER a TYPE bigint;",
        &["1 narrow-type t.a"],
    );
}

#[test]
fn statements_within_statements_count() {
    check(
        Postgres,
        "WITH d AS (\n DELETE FROM t RETURNING *) SELECT * FROM d;",
        &["2 delete-without-where t"],
    );
    check(
        Postgres,
        "WITH a AS (UPDATE t SET x = 1) INSERT INTO l SELECT 1;",
        &["1 update-without-where t"],
    );
    check(
        Postgres,
        "EXPLAIN ANALYZE DELETE FROM t;",
        &["1 delete-without-where t"],
    );
    check(
        Postgres,
        "EXPLAIN (BUFFERS, ANALYZE) DELETE FROM t;",
        &["1 delete-without-where t"],
    );
    for options in ["", "(VERBOSE)", "(ANALYZE false)", "(BUFFERS, ANALYZE OFF)"] {
        check(Postgres, &format!("EXPLAIN {options} DELETE FROM t;"), &[]);
    }
    check(
        Postgres,
        "PREPARE p AS DELETE FROM t;",
        &["1 delete-without-where t"],
    );
    check(
        Postgres,
        "MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE;",
        &["1 delete-without-where t"],
    );
    check(
        Postgres,
        "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE;",
        &[],
    );
    let merge =
        |rest: &str, expected: &[&str]| check(Postgres, &format!("MERGE INTO t {rest};"), expected);
    let by_source = "USING s ON t.a = s.a WHEN NOT MATCHED BY SOURCE";
    merge(
        &format!("{by_source} THEN DELETE"),
        &["1 delete-without-where t"],
    );
    merge(
        &format!("{by_source} THEN UPDATE SET a = 1"),
        &["1 update-without-where t"],
    );
    merge(&format!("{by_source} AND t.b = 2 THEN DELETE"), &[]);
    merge(
        "USING (SELECT id FROM t) s ON t.id = s.id WHEN MATCHED THEN DELETE",
        &["1 delete-without-where t"],
    );
    merge(
        "USING (SELECT id FROM t WHERE a = 1) s ON t.id = s.id WHEN MATCHED THEN DELETE",
        &[],
    );
    merge(
        "USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET b = s.b WHEN NOT MATCHED THEN INSERT VALUES (1)",
        &[],
    );
    check(
        Postgres,
        "COPY (DELETE FROM t RETURNING a) TO '/tmp/a';",
        &["1 delete-without-where t"],
    );
}

#[test]
fn what_is_only_kept_for_later_loses_nothing() {
    check(
        Postgres,
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ DELETE FROM t $$;\n\
         CREATE FUNCTION g() RETURNS void LANGUAGE sql BEGIN ATOMIC DELETE FROM t; END;\n\
         CREATE FUNCTION h() RETURNS void AS $$ BEGIN EXECUTE 'DROP TABLE ' || a; END $$ LANGUAGE plpgsql;\n\
         CREATE PROCEDURE p() LANGUAGE sql AS 'DELETE FROM t';\n\
         CREATE RULE r AS ON INSERT TO v DO INSTEAD DELETE FROM t;\n\
         CREATE VIEW v AS SELECT 1;",
        &[],
    );
}

#[test]
fn code_that_the_files_keep_runs_where_it_is_set_off() {
    const F: &str =
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t; END $$;";
    for call in [
        "SELECT f();",
        "SELECT public.F();",
        "DO $$ BEGIN PERFORM f(); END $$;",
        "SELECT a FROM u WHERE f() IS NULL;",
        "CREATE VIEW v AS SELECT f();",
        "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f();",
        "CREATE PROCEDURE p() AS 'SELECT f()' LANGUAGE SQL; CALL p();",
        "CREATE FUNCTION g() RETURNS void RETURN f(); SELECT g();",
    ] {
        check(
            Postgres,
            &format!("{F}\n{call}"),
            &["2 delete-without-where t"],
        );
        check_files(Postgres, &[F, call], &["1 delete-without-where t"]);
    }
    for (kept, set_off) in [
        (
            "CREATE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC DELETE FROM t; END;",
            "DO $$ BEGIN CALL s.p(); END $$;",
        ),
        (
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE 'plpgsql' AS 'BEGIN DELETE FROM t; RETURN NEW; END';\
             CREATE TRIGGER g AFTER INSERT ON u FOR EACH ROW EXECUTE FUNCTION f();",
            "INSERT INTO u VALUES (1);",
        ),
        (
            "CREATE RULE r AS ON UPDATE TO u DO ALSO DELETE FROM t;",
            "UPDATE u SET a = 1 WHERE b = 2;",
        ),
    ] {
        check_files(Postgres, &[kept], &[]);
        check_files(Postgres, &[kept, set_off], &["1 delete-without-where t"]);
    }
    // What can't be read counts only if it runs, and what calls itself ends.
    let python = "CREATE FUNCTION f() RETURNS void LANGUAGE plpython3u AS 'x';";
    check(Postgres, python, &[]);
    check(
        Postgres,
        &format!("{python} SELECT f();"),
        &["1 dynamic-sql f()"],
    );
    check(
        Postgres,
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN no sql at all; END $$; SELECT f();",
        &["1 dynamic-sql f()"],
    );
    check(
        Postgres,
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'SELECT f(); TRUNCATE t'; SELECT f();",
        &["1 truncate t"],
    );
    let found = violations(Postgres, &Before::default(), &[&format!("{F} SELECT f();")]);
    assert_eq!(found[0][0].message, "every row is deleted, by f()");
}

#[test]
fn blocks_are_run_at_once() {
    check(
        Postgres,
        "DO $$\nBEGIN\n  DELETE FROM t;\n  IF true THEN\n    DROP TABLE u;\n  END IF;\nEND\n$$;",
        &["3 delete-without-where t", "5 drop-table u"],
    );
    check(
        Postgres,
        "DO 'BEGIN\n TRUNCATE t; EXECUTE ''DROP TABLE u''; END' LANGUAGE 'plpgsql';",
        &["2 truncate t", "2 drop-table u"],
    );
    check(
        Postgres,
        "DO $$ BEGIN DO $a$ BEGIN DELETE FROM t; END $a$; END $$;",
        &["1 delete-without-where t"],
    );
    check(
        Postgres,
        "DO $$ BEGIN FOR r IN DELETE FROM t RETURNING * LOOP NULL; END LOOP; END $$;",
        &["1 delete-without-where t"],
    );
    check(
        Postgres,
        "DO $$ BEGIN CREATE TABLE t (a int); END $$; DROP TABLE t;",
        &["1 drop-table t"],
    );
    check(
        Postgres,
        "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_type WHERE typname = 'e') THEN \
         CREATE TYPE e AS ENUM ('a'); END IF; EXCEPTION WHEN duplicate_object THEN NULL; END $$;",
        &[],
    );
}

#[test]
fn queries_into_variables_are_read() {
    check(
        Postgres,
        "DO $$ DECLARE n int; r record; BEGIN\n\
         SELECT count(*) INTO n FROM t;\n\
         SELECT a, b INTO STRICT r.a, n FROM t WHERE a = 1;\n\
         SELECT CASE WHEN a THEN 1 ELSE 2 END INTO n FROM t;\n\
         INSERT INTO t (a) VALUES (1) RETURNING id INTO n;\n\
         DELETE FROM t RETURNING id INTO n;\n\
         WITH d AS (DELETE FROM u RETURNING a) SELECT count(*) INTO n FROM d;\n\
         FOR r IN SELECT * FROM a LOOP FETCH c INTO r; END LOOP;\n\
         EXECUTE 'TRUNCATE v' INTO n;\n\
         UPDATE t SET a = 1 RETURNING a INTO r.a[1];\n\
         END $$;",
        &[
            "6 delete-without-where t",
            "7 delete-without-where u",
            "9 truncate v",
            "10 update-without-where t",
        ],
    );
}

#[test]
fn what_is_made_at_run_time_can_not_be_read() {
    for code in [
        "EXECUTE 'DROP TABLE ' || n;",
        "EXECUTE format('DROP TABLE %I', n);",
        "FOR r IN EXECUTE n LOOP NULL; END LOOP;",
        "OPEN c FOR EXECUTE n;",
    ] {
        check(
            Postgres,
            &format!("DO $$ BEGIN {code} END $$;"),
            &["1 dynamic-sql EXECUTE"],
        );
    }
    check(
        Postgres,
        "DO LANGUAGE plpython3u 'x';",
        &["1 dynamic-sql DO"],
    );
    check(Postgres, "EXECUTE p;", &[]);
}
