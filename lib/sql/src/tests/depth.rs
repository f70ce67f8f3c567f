use super::rules::violations;
use crate::Dialect::{self, Postgres, Sqlite};
use crate::depth::TOKENS_MAX;
use crate::{Before, parse};

/// A text of some shape, with about so many tokens in one nest.
type Shape = fn(usize) -> String;

const SHAPES: [Shape; 11] = [
    |n| format!("DELETE FROM t WHERE a = 1{};", " OR a = 2".repeat(n / 4)),
    |n| format!("SELECT 'a'{};", " || 'b'".repeat(n / 2)),
    |n| format!("SELECT {}1;", "NOT ".repeat(n)),
    |n| format!("SELECT {}1;", "- ".repeat(n)),
    |n| format!("SELECT {}1{};", "(".repeat(n), ")".repeat(n)),
    |n| format!("SELECT {}1{};", "f(a, ".repeat(n / 2), ")".repeat(n / 2)),
    |n| {
        format!(
            "SELECT {} 1 {};",
            "CASE WHEN ".repeat(n / 5),
            "THEN 1 END ".repeat(n / 5)
        )
    },
    |n| format!("SELECT 1{};", " UNION SELECT 1".repeat(n / 3)),
    |n| format!("SELECT {} 1;", "a BETWEEN ".repeat(n / 2)),
    |n| {
        format!(
            "SELECT * FROM a{}{};",
            " JOIN a".repeat(n / 4),
            " ON 1 = 1".repeat(n / 8)
        )
    },
    |n| format!("SELECT {}1{};", "(SELECT ".repeat(n / 2), ")".repeat(n / 2)),
];

const POSTGRES_SHAPES: [Shape; 6] = [
    |n| format!("SELECT {}1{};", "ARRAY[".repeat(n / 3), "]".repeat(n / 3)),
    |n| format!("SELECT 1{};", "::int".repeat(n / 3)),
    |n| format!("{}SELECT 1;", "EXPLAIN ANALYZE ".repeat(n / 2)),
    |n| {
        format!(
            "DO $$ {} NULL; {} $$;",
            "BEGIN ".repeat(n),
            "END; ".repeat(n)
        )
    },
    |n| {
        format!(
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT {}1 $$;",
            "NOT ".repeat(n)
        )
    },
    |n| format!("DO $$ BEGIN EXECUTE 'SELECT {}1'; END $$;", "- ".repeat(n)),
];

fn check(dialect: Dialect, shapes: &[Shape]) {
    for shape in shapes {
        // Far beyond what the stack of a test's thread holds; the time grows with the square.
        let deep = shape(TOKENS_MAX / 5);
        violations(dialect, &Before::default(), &[&deep]);
        let errors = parse(dialect, &deep).errors;
        assert!(
            !errors
                .iter()
                .any(|error| error.message.contains("more than")),
            "{errors:?}"
        );
        let bottomless = shape(TOKENS_MAX * 8);
        let errors = parse(dialect, &bottomless).errors;
        assert!(
            errors
                .iter()
                .any(|error| error.message.contains("more than")),
            "{errors:?}"
        );
    }
}

#[test]
fn deep_sqlite_statements_do_not_end_the_process() {
    check(Sqlite, &SHAPES);
}

#[test]
fn deep_postgres_statements_do_not_end_the_process() {
    check(Postgres, &SHAPES);
    check(Postgres, &POSTGRES_SHAPES);
}

#[test]
fn what_is_long_is_not_deep() {
    let rows = "(1, 'it''s', NULL, f(a, (b))),\n".repeat(40_000);
    for dialect in [Sqlite, Postgres] {
        let cases = " WHEN 1 THEN 'a'".repeat(2_000);
        let case = format!("UPDATE t SET a = CASE b{cases} ELSE b END WHERE a = 1;");
        assert_eq!(parse(dialect, &case).errors, []);
        let sql = format!("INSERT INTO t VALUES {rows}(1, '', NULL, 1);\nDROP TABLE u;");
        assert!(sql.len() > 1_000_000);
        let script = parse(dialect, &sql);
        assert_eq!(script.errors, []);
        assert_eq!(script.statements[1].line, 40_002);
    }
}
