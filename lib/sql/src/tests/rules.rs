use crate::Dialect::{self, Postgres, Sqlite};
use crate::{Before, Pending, RULES, Table, Violation, allowable, directives, parse};

mod absent;
mod code;
mod names;
mod postgres;
mod sqlite;

const BOTH: [Dialect; 2] = [Sqlite, Postgres];

/// One file: `expected` is "line rule subject" for each violation, with " allowed" behind it if the
/// file allows it.
#[track_caller]
fn check(dialect: Dialect, sql: &str, expected: &[&str]) {
    check_files(dialect, &[sql], expected);
}

/// Several pending files, in order; the lines of all of them together.
#[track_caller]
fn check_files(dialect: Dialect, files: &[&str], expected: &[&str]) {
    check_on(dialect, &Before::default(), files, expected);
}

/// What files would lose that say themselves what they allow.
pub(super) fn violations(dialect: Dialect, before: &Before, files: &[&str]) -> Vec<Vec<Violation>> {
    let said: Vec<_> = files.iter().map(|sql| directives(dialect, sql)).collect();
    let pending: Vec<Pending> = files
        .iter()
        .zip(&said)
        .map(|(sql, said)| Pending {
            sql,
            allows: &said.allowances,
        })
        .collect();
    crate::violations(dialect, before, &pending)
}

/// Schema (empty on SQLite), name, columns with their types.
type OldTable<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

/// A database with these tables.
fn before(tables: &[OldTable]) -> Before {
    let schemas = tables.iter().map(|(schema, ..)| (*schema).to_owned());
    Before {
        schemas: schemas.collect(),
        tables: tables
            .iter()
            .map(|(schema, name, columns)| Table {
                schema: (!schema.is_empty()).then(|| (*schema).to_owned()),
                name: (*name).to_owned(),
                columns: Some(
                    columns
                        .iter()
                        .map(|(name, ty)| ((*name).to_owned(), (*ty).to_owned()))
                        .collect(),
                ),
            })
            .collect(),
        ..Before::default()
    }
}

/// The same on a database that is not empty.
#[track_caller]
fn check_on(dialect: Dialect, before: &Before, files: &[&str], expected: &[&str]) {
    for sql in files {
        let errors = parse(dialect, sql).errors;
        assert!(errors.is_empty(), "{dialect:?} {sql:?}: {errors:?}");
    }
    let found: Vec<String> = violations(dialect, before, files)
        .iter()
        .flatten()
        .map(|violation| {
            let allowed = if violation.allowed.is_some() {
                " allowed"
            } else {
                ""
            };
            format!(
                "{} {} {}{allowed}",
                violation.line, violation.rule.id, violation.subject
            )
        })
        .collect();
    assert_eq!(found, expected, "{dialect:?} {files:?}");
}

#[test]
fn each_rule_is_found_by_name_and_says_what_to_do() {
    let mut ids: Vec<&str> = allowable().collect();
    ids.sort_unstable();
    ids.dedup();
    // Out of order, and without a statement: no rules on SQL, and yet allowed by name.
    assert_eq!(ids.len(), RULES.len() + 2);
    for rule in RULES {
        assert!(
            !rule.holds.is_empty() && !rule.remedy.is_empty(),
            "{rule:?}"
        );
        assert!(!rule.dialects.is_empty(), "{rule:?}");
        let said = directives(
            Postgres,
            &format!("-- lockstep: allow {} because a", rule.id),
        );
        assert_eq!(said.reason(rule.id), Some("a"));
    }
}

#[test]
fn dropping_a_table_is_a_loss() {
    for dialect in BOTH {
        check(dialect, "DROP TABLE t;", &["1 drop-table t"]);
        check(
            dialect,
            "SELECT 1;\n\nDROP TABLE IF EXISTS \"T\"",
            &[match dialect {
                Sqlite => "3 drop-table t",
                Postgres => "3 drop-table T",
            }],
        );
        check(dialect, "DROP VIEW v; DROP INDEX i;", &[]);
        check(
            dialect,
            "CREATE TABLE t (a int); INSERT INTO t VALUES (1); DROP TABLE t;",
            &[],
        );
        check(
            dialect,
            "CREATE TABLE t (a int); DROP TABLE t; DROP TABLE t;",
            &["1 drop-table t"],
        );
        check(
            dialect,
            "DROP TABLE t; CREATE TABLE t (a int);",
            &["1 drop-table t"],
        );
        check(
            dialect,
            "CREATE TABLE IF NOT EXISTS t (a int); DROP TABLE t;",
            &["1 drop-table t"],
        );
        check(
            dialect,
            "CREATE TEMP TABLE t AS SELECT * FROM s; DROP TABLE t;",
            &[],
        );
    }
}

#[test]
fn a_table_is_new_across_files_and_names() {
    for dialect in BOTH {
        check_files(dialect, &["CREATE TABLE t (a int);", "DROP TABLE t;"], &[]);
        check_files(
            dialect,
            &[
                "CREATE TABLE t (a int); ALTER TABLE t RENAME TO u;",
                "DROP TABLE u; DROP TABLE t;",
            ],
            &["1 drop-table t"],
        );
        check_files(
            dialect,
            &["CREATE TEMP TABLE t (a int);", "DROP TABLE t;"],
            &["1 drop-table t"],
        );
        check(
            dialect,
            "ALTER TABLE t RENAME TO u; DROP TABLE u;",
            &["1 drop-table u"],
        );
        check(
            dialect,
            "CREATE TABLE u (a int); DROP TABLE u; ALTER TABLE t RENAME TO u; DROP TABLE u;",
            &["1 drop-table u"],
        );
        check(
            dialect,
            "SAVEPOINT s; CREATE TABLE t (a int); ROLLBACK TO s; DROP TABLE t;",
            &["1 drop-table t"],
        );
    }
}

#[test]
fn the_last_copy_of_rows_is_data() {
    for dialect in BOTH {
        let copy = "CREATE TABLE c AS SELECT * FROM t;";
        check(dialect, &format!("{copy} DROP TABLE c;"), &[]);
        check_files(
            dialect,
            &[copy, "DROP TABLE t;", "DROP TABLE c;"],
            &["1 drop-table t", "1 drop-table c"],
        );
        check(
            dialect,
            &format!("{copy} DELETE FROM t WHERE a = 1; DROP TABLE c;"),
            &["1 drop-table c"],
        );
        check(
            dialect,
            "CREATE TABLE c (a int); INSERT INTO c SELECT a FROM t; UPDATE t SET a = 1 WHERE a = 2; \
             DROP TABLE c;",
            &["1 drop-table c"],
        );
        check(
            dialect,
            "CREATE TABLE c (a int); CREATE TABLE d (a int); INSERT INTO c SELECT a FROM t; \
             INSERT INTO d SELECT a FROM c; DROP TABLE c; DELETE FROM t WHERE a = 1; DROP TABLE d;",
            &["1 drop-table d"],
        );
        check(
            dialect,
            &format!("{copy} DELETE FROM c;"),
            &["1 delete-without-where c"],
        );
    }
}

#[test]
fn dropping_a_column_is_a_loss() {
    for dialect in BOTH {
        check(
            dialect,
            "ALTER TABLE t DROP COLUMN a;",
            &["1 drop-column t.a"],
        );
        check(
            dialect,
            "ALTER TABLE t\n  DROP a;",
            &[match dialect {
                Sqlite => "1 drop-column t.a",
                Postgres => "2 drop-column t.a",
            }],
        );
        check(
            dialect,
            "ALTER TABLE t ADD COLUMN a int; ALTER TABLE t DROP COLUMN a;",
            &[],
        );
        check(
            dialect,
            "ALTER TABLE t ADD COLUMN a int; ALTER TABLE t RENAME COLUMN a TO b; \
             ALTER TABLE t DROP COLUMN b; ALTER TABLE t DROP COLUMN a;",
            &["1 drop-column t.a"],
        );
        check_files(
            dialect,
            &[
                "CREATE TABLE t (a int, b int);",
                "ALTER TABLE t DROP COLUMN b;",
            ],
            &[],
        );
        // What took over the values of a dropped column is no longer new.
        check(
            dialect,
            "ALTER TABLE t ADD COLUMN b int; UPDATE t SET b = a; ALTER TABLE t DROP COLUMN a; \
             ALTER TABLE t DROP COLUMN b;",
            &["1 drop-column t.a", "1 drop-column t.b"],
        );
    }
}

#[test]
fn rows_are_deleted_and_overwritten_with_a_where() {
    for dialect in BOTH {
        for all in [
            "",
            " WHERE 1 = 1",
            " WHERE true",
            " WHERE (TRUE)",
            " WHERE id = id",
            " WHERE 1=1 OR id = 2",
            " WHERE NOT false",
            " WHERE t.id = t.id",
            " WHERE t.id = \"id\"",
            " WHERE id >= t.id",
            " WHERE 1 <> 2",
            " WHERE 2 > 1",
            " WHERE -1 < 1.5",
            " WHERE 'a' <> 'b'",
            " WHERE NOT (1 = 2)",
            " WHERE true IS true",
            " WHERE (1 = 1) IS NOT false",
            " WHERE NULL IS NULL",
            " WHERE id IS NOT DISTINCT FROM id",
            " WHERE id IS NULL OR t.id IS NOT NULL",
            " WHERE EXISTS (SELECT 1)",
        ] {
            check(
                dialect,
                &format!("DELETE FROM t{all};"),
                &["1 delete-without-where t"],
            );
            check(
                dialect,
                &format!("UPDATE t SET a = 1{all};"),
                &["1 update-without-where t"],
            );
        }
        for some in [
            "id = 1",
            "1 = 2",
            "id = other",
            "1=1 AND id = 2",
            "a IS NOT NULL",
            "id IN (SELECT 1)",
            "NOT true",
            "2 < 1",
            "id <> id",
            "id IS NOT DISTINCT FROM other",
            "id IS NULL OR other IS NOT NULL",
            "NOT (1 <> 2)",
            "EXISTS (SELECT 1 FROM u)",
            "EXISTS (SELECT 1 WHERE id = 2)",
        ] {
            check(dialect, &format!("DELETE FROM t WHERE {some};"), &[]);
            check(dialect, &format!("UPDATE t SET a = 1 WHERE {some};"), &[]);
        }
        check(
            dialect,
            "CREATE TABLE t (a int); INSERT INTO t VALUES (1); DELETE FROM t;",
            &[],
        );
        check(
            dialect,
            "CREATE TEMP TABLE t (a int); UPDATE t SET a = 1; DELETE FROM t;",
            &[],
        );
        check(dialect, "INSERT INTO t VALUES (1);", &[]);
        check(
            dialect,
            "DELETE FROM t WHERE id IN (SELECT id FROM u WHERE true);",
            &[],
        );
    }
    check(
        Sqlite,
        "DELETE FROM t WHERE 1;",
        &["1 delete-without-where t"],
    );
    for all in [
        "-1",
        "+1",
        "0x1",
        "'1'",
        "'2 of them'",
        "NOT 'a'",
        "1 LIMIT -1",
    ] {
        check(
            Sqlite,
            &format!("DELETE FROM t WHERE {all};"),
            &["1 delete-without-where t"],
        );
    }
    for some in [
        "0",
        "0x0",
        "'a'",
        "'0.0'",
        "NULL",
        "1 LIMIT 5",
        "1 LIMIT -1 OFFSET 3",
    ] {
        check(Sqlite, &format!("DELETE FROM t WHERE {some};"), &[]);
    }
    check(
        Postgres,
        "DELETE FROM t USING u;",
        &["1 delete-without-where t"],
    );
    check(Postgres, "DELETE FROM t USING u WHERE t.a = u.a;", &[]);
    check(
        Postgres,
        "DELETE FROM t WHERE a ISNULL OR a NOTNULL;",
        &["1 delete-without-where t"],
    );
    check(
        Postgres,
        "UPDATE t SET a = u.a FROM u;",
        &["1 update-without-where t"],
    );
    check(
        Postgres,
        "DELETE FROM t WHERE 't'::boolean;",
        &["1 delete-without-where t"],
    );
}

#[test]
fn filling_a_new_column_overwrites_nothing() {
    for dialect in BOTH {
        check(
            dialect,
            "ALTER TABLE t ADD COLUMN a int; UPDATE t SET a = 1;",
            &[],
        );
        check_files(
            dialect,
            &["ALTER TABLE t ADD COLUMN a int;", "UPDATE t SET a = b;"],
            &[],
        );
        check(
            dialect,
            "ALTER TABLE t ADD COLUMN a int; UPDATE t SET a = 1, b = 2;",
            &["1 update-without-where t"],
        );
    }
    check(
        Postgres,
        "ALTER TABLE t ADD COLUMN IF NOT EXISTS a int; UPDATE t SET a = 1;",
        &["1 update-without-where t"],
    );
}

#[test]
fn a_file_allows_what_it_names_and_no_other_file_is_allowed() {
    for dialect in BOTH {
        check(
            dialect,
            "DROP TABLE t;\nALTER TABLE u DROP COLUMN a;\n-- lockstep: allow drop-table because b\n",
            &["1 drop-table t allowed", "2 drop-column u.a"],
        );
        check_files(
            dialect,
            &[
                "-- lockstep: allow drop-table because b\nDROP TABLE t;",
                "DROP TABLE u;",
            ],
            &["2 drop-table t allowed", "1 drop-table u"],
        );
        check(
            dialect,
            "DROP TABLE t; SELECT '\n-- lockstep: allow drop-table because b\n';",
            &["1 drop-table t"],
        );
    }
    let found = violations(
        Sqlite,
        &Before::default(),
        &["-- lockstep: allow drop-table because it is empty\nDROP TABLE t;"],
    );
    assert_eq!(found[0][0].allowed.as_deref(), Some("it is empty"));
}

#[test]
fn thousands_of_copies_and_rebuilds_are_followed_one_by_one() {
    // Each looked at together with all before it, these would take hours.
    let many = |line: &dyn Fn(usize) -> String| -> String { (0..12_000).map(line).collect() };
    let copied = many(&|at| format!("INSERT INTO a SELECT x FROM o{at};\n"));
    let dropped = many(&|at| format!("DROP TABLE o{at};\n"));
    let files = format!("CREATE TABLE a (x INT);\n{copied}{dropped}");
    assert_eq!(
        violations(Sqlite, &Before::default(), &[&files])[0].len(),
        12_000
    );
    let rebuilt = many(&|at| {
        format!(
            "CREATE TABLE n{at} (x INT); INSERT INTO n{at} SELECT * FROM o{at}; \
             DROP TABLE o{at}; ALTER TABLE n{at} RENAME TO o{at};\n"
        )
    });
    assert_eq!(violations(Sqlite, &Before::default(), &[&rebuilt])[0], []);
}
