use crate::Dialect::{self, Postgres, Sqlite};
use crate::directives;

#[track_caller]
fn check(dialect: Dialect, sql: &str, expected: &[&str]) {
    let found = directives(dialect, sql);
    let mut lines: Vec<(u32, String)> = Vec::new();
    lines.extend(
        found
            .no_transaction
            .map(|line| (line, "no-transaction".to_owned())),
    );
    for allowed in &found.allowances {
        lines.push((
            allowed.line,
            format!("allow {} because {}", allowed.rule, allowed.reason),
        ));
    }
    for problem in &found.problems {
        lines.push((problem.line, format!("problem: {}", problem.message)));
    }
    lines.sort();
    let lines: Vec<String> = lines
        .iter()
        .map(|(line, text)| format!("{line} {text}"))
        .collect();
    assert_eq!(lines, expected, "{dialect:?} {sql:?}");
}

#[test]
fn no_transaction_counts_only_in_the_leading_comments() {
    for dialect in [Sqlite, Postgres] {
        check(
            dialect,
            "-- lockstep: no-transaction\nSELECT 1;",
            &["1 no-transaction"],
        );
        check(
            dialect,
            "\u{feff}-- a\r\n\r\n--lockstep:no-transaction\r\nSELECT 1;",
            &["3 no-transaction"],
        );
        check(
            dialect,
            "/* a */ -- lockstep: no-transaction",
            &["1 no-transaction"],
        );
        check(
            dialect,
            "SELECT 1; -- lockstep: no-transaction\nSELECT 2;",
            &["1 problem: no-transaction counts only before the first statement"],
        );
        check(
            dialect,
            "-- lockstep: no-transaction please",
            &["1 problem: no-transaction takes nothing after it"],
        );
    }
}

#[test]
fn allow_needs_a_rule_and_a_reason() {
    for dialect in [Sqlite, Postgres] {
        check(
            dialect,
            "SELECT 1;\n-- lockstep: allow drop-table because it is empty since May\n",
            &["2 allow drop-table because it is empty since May"],
        );
        check(
            dialect,
            "-- lockstep: allow out-of-order because it was merged late",
            &["1 allow out-of-order because it was merged late"],
        );
        check(
            dialect,
            "-- lockstep: allow drop-table",
            &["1 problem: allow drop-table needs a reason: because …"],
        );
        check(
            dialect,
            "-- lockstep: allow drop-table because   ",
            &["1 problem: allow drop-table needs a reason: because …"],
        );
        check(
            dialect,
            "-- lockstep: allow drop-tables because a",
            &["1 problem: there is no rule drop-tables to allow"],
        );
        check(
            dialect,
            "-- lockstep: allow",
            &["1 problem: allow names no rule"],
        );
        check(
            dialect,
            "-- lockstep: skip",
            &["1 problem: there is no directive skip"],
        );
        check(
            dialect,
            "-- lockstep:",
            &["1 problem: a directive without a word"],
        );
        check(
            dialect,
            "-- lockstep allow drop-table because a",
            &["1 problem: a directive is written -- lockstep: with a colon"],
        );
        check(
            dialect,
            "/* lockstep: no-transaction */",
            &["1 problem: a directive counts only in a -- comment of its own"],
        );
        check(dialect, "-- lockstep keeps a ledger\n-- locksmith", &[]);
    }
}

#[test]
fn only_comments_hold_directives() {
    for dialect in [Sqlite, Postgres] {
        check(
            dialect,
            "SELECT '\n-- lockstep: allow drop-table because a\n';",
            &[],
        );
        check(
            dialect,
            "/*\n-- lockstep: allow drop-table because a\n*/",
            &[],
        );
    }
    check(
        Postgres,
        "DO $$\n-- lockstep: allow drop-table because a\n$$;",
        &[],
    );
    check(
        Postgres,
        "COPY t FROM STDIN;\n-- lockstep: allow drop-table because a\n\\.\n",
        &[],
    );
}

#[test]
fn directives_before_a_fault_count() {
    check(
        Postgres,
        "-- lockstep: allow drop-table because a\nSELECT '\n-- lockstep: allow drop-column because b",
        &["1 allow drop-table because a"],
    );
}
