//! Migrations against a ledger.

use migrations::{Migration, ProblemKind, RowState, compare, hex, ledger_state, plan_hash};

use crate::support::{create, problems, row, set, versions};

fn three() -> migrations::Set {
    set(&[
        ("0001_a.sql", &create(1)),
        ("0002_b.sql", &create(2)),
        ("0003_c.sql", &create(3)),
    ])
}

#[test]
fn everything_is_pending_on_an_empty_ledger() {
    let state = compare(&three(), &[]);
    assert_eq!(
        (state.applied, state.pending, state.problems),
        (0, vec![0, 1, 2], vec![])
    );
}

#[test]
fn what_has_a_row_is_not_pending_however_rows_are_ordered() {
    let set = three();
    let state = compare(&set, &[row(&set, "2"), row(&set, "1")]);
    assert_eq!(
        (state.applied, state.pending, state.problems),
        (2, vec![2], vec![])
    );
}

#[test]
fn a_changed_statement_is_drift_with_both_digests() {
    let before = three();
    let after = set(&[
        ("0001_a.sql", "CREATE TABLE t1(b int);\n"),
        ("0002_b.sql", &create(2)),
    ]);
    let state = compare(&after, &[row(&before, "1"), row(&before, "2")]);
    let [problem] = &state.problems[..] else {
        panic!("{:?}", state.problems)
    };
    assert!(problem.is_failure());
    assert_eq!(problem.kind.check_id(), "drift-none");
    assert_eq!(
        problem.expected.as_deref(),
        Some(&*hex(&before.migrations[0].sha256))
    );
    assert_eq!(
        problem.actual.as_deref(),
        Some(&*hex(&after.migrations[0].sha256))
    );
}

#[test]
fn line_ends_comments_and_a_byte_order_mark_are_cosmetic() {
    let before = set(&[("0001_a.sql", "CREATE TABLE t (\n  a int\n);\n")]);
    for text in [
        "CREATE TABLE t (\r\n  a int\r\n);\r\n",
        "-- why\nCREATE TABLE t ( a int);",
        "\u{feff}CREATE TABLE t (\n  a int\n);\n",
    ] {
        let after = set(&[("0001_a.sql", text)]);
        let state = compare(&after, &[row(&before, "1")]);
        let [problem] = &state.problems[..] else {
            panic!("{:?}", state.problems)
        };
        assert_eq!(problem.kind, ProblemKind::CosmeticDrift, "{text:?}");
        assert!(!problem.is_failure());
    }
}

#[test]
fn a_difference_without_token_digests_is_a_failure() {
    let before = three();
    let after = set(&[("0001_a.sql", &format!("-- why\n{}", create(1)))]);
    let mut applied = row(&before, "1");
    applied.sha256_tokens = None;
    let state = compare(&after, &[applied]);
    assert_eq!(
        problems(&state.problems),
        ["!drift-none 0001_a.sql: differs from what was applied, and its SQL can't be compared"]
    );
}

#[test]
fn a_row_without_a_file_fails() {
    let before = three();
    let after = set(&[("0001_a.sql", &create(1)), ("0003_c.sql", &create(3))]);
    let state = compare(&after, &[row(&before, "1"), row(&before, "2")]);
    assert_eq!(
        problems(&state.problems),
        ["!files-present 2: was applied at 2026-01-02T03:04:05Z (b) and has no file"]
    );
    assert_eq!((state.applied, state.pending), (2, vec![1]));
}

#[test]
fn a_file_that_cannot_be_read_is_not_reported_as_missing_too() {
    let before = three();
    let dir = crate::support::folder(&[
        ("0001_a.sql", b"\xff"),
        ("0002_b.sql", create(2).as_bytes()),
    ]);
    let set = migrations::discover(dir.path(), None, migrations::Dialect::Sqlite).unwrap();
    assert_eq!(
        problems(&set.problems),
        ["!files-readable 0001_a.sql: is not UTF-8 at byte offset 0"]
    );
    assert_eq!(compare(&set, &[row(&before, "1")]).problems, []);
}

#[test]
fn a_pending_one_before_an_applied_one_fails() {
    let set = three();
    let state = compare(&set, &[row(&set, "1"), row(&set, "3")]);
    assert_eq!(state.pending, [1]);
    assert_eq!(
        problems(&state.problems),
        ["!order-kept 0002_b.sql: is pending, but sorts before 0003_c.sql, which is in the ledger"]
    );
}

#[test]
fn a_row_without_a_file_counts_for_the_order() {
    let before = three();
    let after = set(&[("0001_a.sql", &create(1)), ("0002_b.sql", &create(2))]);
    let state = compare(&after, &[row(&before, "1"), row(&before, "3")]);
    assert_eq!(
        problems(&state.problems),
        [
            "!files-present 3: was applied at 2026-01-02T03:04:05Z (c) and has no file",
            "!order-kept 0002_b.sql: is pending, but sorts before version 3, which is in the ledger",
        ]
    );
}

#[test]
fn a_reviewed_exception_allows_the_order() {
    let late = format!(
        "-- lockstep: allow out-of-order because of a hotfix\n{}",
        create(2)
    );
    let set = set(&[
        ("0001_a.sql", &create(1)),
        ("0002_b.sql", &late),
        ("0003_c.sql", &create(3)),
    ]);
    let state = compare(&set, &[row(&set, "1"), row(&set, "3")]);
    assert_eq!((state.pending, state.problems), (vec![1], vec![]));
}

#[test]
fn a_started_row_is_dirty_and_neither_applied_nor_pending() {
    let set = three();
    let mut started = row(&set, "2");
    started.state = RowState::Started;
    let state = compare(&set, &[row(&set, "1"), started]);
    assert_eq!((state.applied, state.pending), (1, vec![2]));
    assert_eq!(
        problems(&state.problems),
        [
            "!ledger-clean 0002_b.sql: was started at 2026-01-02T03:04:05Z by deploy (run run-1) and never finished"
        ]
    );
}

#[test]
fn a_new_name_for_an_applied_migration_warns() {
    let before = three();
    let after = set(&[("0001_z.sql", &create(1))]);
    assert_eq!(
        problems(&compare(&after, &[row(&before, "1")]).problems),
        ["?names-kept 0001_z.sql: was applied under another name"]
    );
}

#[test]
fn two_rows_for_one_version_fail() {
    let set = three();
    let state = compare(&set, &[row(&set, "1"), row(&set, "1")]);
    assert_eq!(
        problems(&state.problems),
        ["!ledger-clean 1: has two rows in the ledger"]
    );
    assert_eq!((state.applied, state.pending), (1, vec![1, 2]));
}

#[test]
fn two_files_with_one_version_are_both_named_and_the_applied_one_compared() {
    let before = three();
    let after = set(&[("0001_a.sql", &create(1)), ("1_other.sql", &create(9))]);
    assert_eq!(
        problems(&after.problems),
        ["!versions-unique 1_other.sql: has the same version as 0001_a.sql"]
    );
    let state = compare(&after, &[row(&before, "1")]);
    assert_eq!((state.pending, state.problems), (vec![], vec![]));
}

#[test]
fn ledger_state_names_what_is_applied_and_nothing_else() {
    let set = three();
    let rows = [row(&set, "1"), row(&set, "2")];
    let state = ledger_state(&rows);

    let mut later = rows.clone();
    later[0].applied_at = "2027-01-01T00:00:00Z".to_owned();
    later[0].duration_ms = 9;
    later[0].applied_by = "somebody".to_owned();
    later[0].run_id = "run-2".to_owned();
    later.reverse();
    assert_eq!(ledger_state(&later), state);

    let mut changed: Vec<String> = vec![state, ledger_state(&[]), ledger_state(&rows[..1])];
    let mut alter = |change: &dyn Fn(&mut migrations::LedgerRow)| {
        let mut rows = rows.clone();
        change(&mut rows[1]);
        changed.push(ledger_state(&rows));
    };
    alter(&|row| row.version = "02".to_owned());
    alter(&|row| row.sha256[31] ^= 1);
    alter(&|row| row.state = RowState::Started);
    alter(&|row| row.position = 0);
    assert_distinct(&changed);
}

/// The encoding is a stated contract: these values must never change under one name.
#[test]
fn the_encodings_are_fixed() {
    assert_eq!(
        ledger_state(&[]),
        // printf '\0\0\0\0\0\0\0\021lockstep-ledger/1\0\0\0\0\0\0\0\0010' | sha256sum
        "963b8821144896c88399f1d71f39932c838a5cf9eb8062d3b704235ff6f1aab7"
    );
    assert_eq!(
        plan_hash("", "", &[], &[]),
        // printf '\0\0\0\0\0\0\0\017lockstep-plan/1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0010\0\0\0\0\0\0\0\0010' | sha256sum
        "dba15832a8c1ccd8943ecffedc81b96a9955315a7ca50be85349bc40a07d38d7"
    );
}

#[test]
fn the_plan_hash_changes_with_every_part() {
    let set = three();
    let [a, b, c] = &set.migrations[..] else {
        panic!()
    };
    let plan = |pending: &[&Migration]| plan_hash("target", "ledger", pending, &[]);
    let mut hashes = vec![
        plan(&[a, b]),
        plan(&[b, a]),
        plan(&[a]),
        plan(&[a, b, c]),
        plan(&[]),
        plan_hash("other", "ledger", &[a, b], &[]),
        plan_hash("target", "other", &[a, b], &[]),
        plan_hash("targetl", "edger", &[a, b], &[]),
        plan_hash("target", "ledger", &[a, b], &[("schema", "app")]),
        plan_hash("target", "ledger", &[a, b], &[("schema", "public")]),
        plan_hash("target", "ledger", &[a, b], &[("schem", "aapp")]),
        plan_hash(
            "target",
            "ledger",
            &[a, b],
            &[("schema", "app"), ("search_path", "app")],
        ),
    ];
    let mut alter = |change: &dyn Fn(&mut Migration)| {
        let mut other = a.clone();
        change(&mut other);
        hashes.push(plan(&[&other, b]));
    };
    alter(&|migration| migration.version = "01".to_owned());
    alter(&|migration| migration.name = "z".to_owned());
    alter(&|migration| migration.sha256[0] ^= 1);
    alter(&|migration| migration.up.push(' '));
    alter(&|migration| migration.no_transaction = true);
    assert_distinct(&hashes);
}

#[test]
fn the_plan_hash_does_not_depend_on_the_folder_or_the_order_of_extras() {
    let (one, other) = (three(), three());
    assert_ne!(one.dir, other.dir);
    let hash = |set: &migrations::Set, extra: &[(&str, &str)]| {
        plan_hash("t", "l", &set.migrations.iter().collect::<Vec<_>>(), extra)
    };
    assert_eq!(
        hash(&one, &[("a", "1"), ("b", "2")]),
        hash(&other, &[("b", "2"), ("a", "1")])
    );
}

#[test]
fn versions_are_found_as_people_write_them() {
    let set = three();
    assert_eq!(versions(&set), ["1", "2", "3"]);
    assert_eq!(set.position("0002"), Some(1));
    assert_eq!(set.position("2"), Some(1));
    assert_eq!(set.position("4"), None);
    for file in [
        "0002_b.sql",
        "0002_b",
        "migrations/0002_b.sql",
        "./migrations/0002_b.sql",
        "/srv/app/migrations/0002_b.sql",
    ] {
        assert_eq!(set.position(file), Some(1), "{file}");
    }
    for file in ["", "migrations", "2_b", "0002_b.sq", "0002_b.sql/x"] {
        assert_eq!(set.position(file), None, "{file}");
    }
    assert_eq!(set.position("b"), None);
    assert_eq!(set.position(""), None);
}

#[track_caller]
fn assert_distinct(hashes: &[String]) {
    for (index, hash) in hashes.iter().enumerate() {
        assert_eq!(hash.len(), 64);
        assert!(
            !hashes[..index].contains(hash),
            "the same hash again at {index}"
        );
    }
}
