//! With which file a database begins, where a folder has baselines.

use migrations::compare;

use crate::support::{aside, assert_clean, listed, outside, problems, row, set, versions};

const BASELINES: [(&str, &str); 7] = [
    ("V1__a.sql", "CREATE TABLE a(x int);"),
    ("V2__b.sql", "CREATE TABLE b(x int);"),
    (
        "B2__base.sql",
        "CREATE TABLE a(x int); CREATE TABLE b(x int);",
    ),
    ("V3__c.sql", "CREATE TABLE c(x int);"),
    (
        "B3_0__base.sql",
        "CREATE TABLE a(x int); CREATE TABLE b(x int); CREATE TABLE c(x int);",
    ),
    ("B3_0__base.sql.conf", "executeInTransaction=false"),
    ("V3_1__d.sql", "CREATE TABLE d(x int);"),
];

#[test]
fn an_empty_database_begins_with_the_newest_baseline() {
    let read = set(&BASELINES);
    assert_clean(&read);
    let mut empty = read.clone();
    empty.settle(&[], true);
    assert_eq!(
        listed(&empty),
        ["3 base B3_0__base.sql", "3.1 d V3_1__d.sql"]
    );
    assert_eq!(outside(&empty), [true, false]);
    assert_eq!(
        aside(&empty),
        [
            "B2__base.sql: baseline: this database begins with B3_0__base.sql",
            "V1__a.sql: the baseline B3_0__base.sql stands for it and 2 more, to V3__c.sql",
        ]
    );
    let state = compare(&empty, &[]);
    assert_eq!(
        (state.pending, problems(&state.problems)),
        (vec![0, 1], vec![])
    );

    // What it was begun with stays so, also when a newer baseline has come.
    for (ledger, expected) in [
        (
            vec![row(&empty, "3")],
            &["3 base B3_0__base.sql", "3.1 d V3_1__d.sql"][..],
        ),
        (
            vec![row(&empty, "3"), row(&empty, "3.1")],
            &["3 base B3_0__base.sql", "3.1 d V3_1__d.sql"],
        ),
        (
            vec![row(&read, "1"), row(&read, "2")],
            &[
                "1 a V1__a.sql",
                "2 b V2__b.sql",
                "3 c V3__c.sql",
                "3.1 d V3_1__d.sql",
            ],
        ),
    ] {
        let mut settled = read.clone();
        settled.settle(&ledger, true);
        assert_eq!(listed(&settled), expected);
        assert_eq!(
            problems(&compare(&settled, &ledger).problems),
            [] as [String; 0]
        );
    }
    let mut older = set(&BASELINES[..3]);
    older.settle(&[], true);
    let ledger = [row(&older, "2")];
    let mut settled = read.clone();
    settled.settle(&ledger, true);
    assert_eq!(
        listed(&settled),
        ["2 base B2__base.sql", "3 c V3__c.sql", "3.1 d V3_1__d.sql"]
    );
}

#[test]
fn a_baseline_that_was_edited_is_drift_and_no_other_beginning() {
    let mut begun = set(&BASELINES);
    begun.settle(&[], true);
    let mut ledger = [row(&begun, "3")];
    ledger[0].sha256 = [7; 32];
    ledger[0].sha256_tokens = None;
    let mut settled = set(&BASELINES);
    settled.settle(&ledger, true);
    assert_eq!(versions(&settled), ["3", "3.1"]);
    assert_eq!(
        problems(&compare(&settled, &ledger).problems),
        [
            "!drift-none B3_0__base.sql: differs from what was applied, and its SQL can't be compared"
        ]
    );
}

#[test]
fn a_database_that_is_not_adopted_begins_with_a_baseline_where_nothing_older_is_left() {
    let mut whole = set(&BASELINES);
    whole.settle(&[], false);
    assert_eq!(versions(&whole), ["1", "2", "3", "3.1"]);
    let mut cut = set(&BASELINES[4..]);
    cut.settle(&[], false);
    assert_eq!(versions(&cut), ["3", "3.1"]);
}

#[test]
fn two_baselines_of_one_version_are_named() {
    let set = set(&[
        ("B1__a.sql", "SELECT 1;"),
        ("B1_0__b.sql", "SELECT 1;"),
        ("V2__c.sql", "SELECT 1;"),
    ]);
    assert_eq!(
        problems(&set.problems),
        ["!versions-unique B1__a.sql: has the same version as B1_0__b.sql"]
    );
}

#[test]
fn an_older_file_that_cannot_be_run_is_no_matter_where_a_baseline_stands_for_it() {
    let mut set = set(&[
        ("V1__a.java", "class A {}"),
        ("B2__base.sql", "CREATE TABLE a(x int);"),
        ("V3__b.java", "class B {}"),
    ]);
    assert_eq!(set.problems.len(), 2);
    set.settle(&[], true);
    assert_eq!(
        problems(&set.problems),
        ["!layout-kept V3__b.java: is code, which can't be run here"]
    );
}
