//! The rules of each layout, on folders as its tool leaves them.

use migrations::{Dialect, Layout, compare, discover};

use crate::support::{
    aside, assert_clean, downs, folder, listed, outside, problems, row, set, set_as, versions,
};

#[test]
fn plain() {
    let set = set(&[
        ("0002_add_email.sql", "ALTER TABLE u ADD e text;"),
        ("0001_create_users.sql", "CREATE TABLE u(a int);"),
        ("0001_create_users.down.sql", "DROP TABLE u;"),
        (
            "0010_index.sql",
            "-- no-transaction\nCREATE INDEX i ON u(a);",
        ),
        ("rollback/0002_add_email.sql", "ALTER TABLE u DROP e;"),
    ]);
    assert_clean(&set);
    assert_eq!(
        listed(&set),
        [
            "1 create_users 0001_create_users.sql",
            "2 add_email 0002_add_email.sql",
            "10 index 0010_index.sql",
        ]
    );
    assert_eq!(
        downs(&set),
        [
            Some(("0001_create_users.down.sql", "DROP TABLE u;")),
            Some(("rollback/0002_add_email.sql", "ALTER TABLE u DROP e;")),
            None,
        ]
    );
    assert_eq!(outside(&set), [false, false, true]);
    assert!(
        set.migrations
            .iter()
            .all(|migration| migration.up_line == 1)
    );
}

#[test]
fn sqlx_has_its_mark_as_the_first_bytes_only() {
    let set = set(&[
        ("1_a.sql", "-- no-transaction\nVACUUM;"),
        ("2_b.sql", "-- why\n-- no-transaction\nSELECT 1;"),
        ("3_c.sql", "\u{feff}-- no-transaction\nSELECT 1;"),
    ]);
    assert_eq!(outside(&set), [true, false, false]);
}

#[test]
fn what_reverts_nothing_is_named() {
    let set = set(&[
        ("0001_a.sql", "SELECT 1;"),
        ("0001_a.down.sql", "SELECT 2;"),
        ("0002_gone.down.sql", "SELECT 2;"),
        ("rollback/0001_a.sql", "SELECT 3;"),
        ("rollback/0003_gone.sql", "SELECT 3;"),
    ]);
    assert_eq!(downs(&set), [Some(("0001_a.down.sql", "SELECT 2;"))]);
    assert_eq!(
        problems(&set.problems),
        [
            "?down-paired 0002_gone.down.sql: belongs to no migration",
            "?down-paired rollback/0001_a.sql: reverts the same migration as 0001_a.down.sql",
            "?down-paired rollback/0003_gone.sql: belongs to no migration",
        ]
    );
}

#[test]
fn up_down() {
    let set = set(&[
        ("20240101000000_users.up.sql", "CREATE TABLE u(a int);"),
        ("20240101000000_users.down.sql", "DROP TABLE u;"),
        (
            "20240201000000_email.up.sql",
            "-- no-transaction\nALTER TABLE u ADD e text;",
        ),
        ("20240201000000_renamed.down.sql", "ALTER TABLE u DROP e;"),
        ("3_old.up.sql", "SELECT 1;"),
        ("embed.go", "package migrations"),
    ]);
    assert_clean(&set);
    assert_eq!(versions(&set), ["3", "20240101000000", "20240201000000"]);
    assert_eq!(set.migrations[1].name, "users");
    assert_eq!(
        downs(&set),
        [
            None,
            Some(("20240101000000_users.down.sql", "DROP TABLE u;")),
            Some(("20240201000000_renamed.down.sql", "ALTER TABLE u DROP e;")),
        ]
    );
    assert_eq!(outside(&set), [false, false, true]);
}

#[test]
fn up_down_with_nothing_to_revert_or_one_version_twice() {
    let set = set(&[
        ("1_a.up.sql", "SELECT 1;"),
        ("01_b.up.sql", "SELECT 1;"),
        ("2_c.down.sql", "SELECT 1;"),
    ]);
    assert_eq!(
        problems(&set.problems),
        [
            "!versions-unique 1_a.up.sql: has the same version as 01_b.up.sql",
            "?down-paired 2_c.down.sql: belongs to no migration",
        ]
    );
}

#[test]
fn diesel() {
    let set = set(&[
        ("00000000000000_diesel_initial_setup/up.sql", "SELECT 1;"),
        ("00000000000000_diesel_initial_setup/down.sql", "SELECT 2;"),
        (
            "2024-01-01-000000_create_users/up.sql",
            "CREATE TABLE u(a int);",
        ),
        (
            "2024-01-01-000000_create_users/metadata.toml",
            "run_in_transaction = false",
        ),
        ("2024-02-01-000000_more/up.sql", "SELECT 1;"),
        (
            "2024-02-01-000000_more/metadata.toml",
            "run_in_transaction = true\nowner = \"x\"",
        ),
        (".hidden/up.sql", "SELECT 1;"),
        ("README.md", "x"),
    ]);
    assert_clean(&set);
    assert_eq!(
        listed(&set),
        [
            "00000000000000 diesel_initial_setup 00000000000000_diesel_initial_setup/up.sql",
            "20240101000000 create_users 2024-01-01-000000_create_users/up.sql",
            "20240201000000 more 2024-02-01-000000_more/up.sql",
        ]
    );
    assert_eq!(outside(&set), [false, true, false]);
    assert_eq!(
        downs(&set)[0],
        Some(("00000000000000_diesel_initial_setup/down.sql", "SELECT 2;"))
    );
    assert_eq!(set.position("2024-01-01-000000"), Some(1));
    assert_eq!(set.position("2024-01-01-000000_create_users"), Some(1));
    assert_eq!(
        set.position("migrations/2024-01-01-000000_create_users/"),
        Some(1)
    );
}

#[test]
fn diesel_folders_without_what_they_need() {
    let set = set(&[
        ("1_a/up.sql", "SELECT 1;"),
        ("2_b/down.sql", "SELECT 1;"),
        ("3_c/up.sql", "SELECT 1;"),
        ("3_c/metadata.toml", "owner = \"x\""),
        ("4_d/up.sql", "SELECT 1;"),
        ("4_d/metadata.toml", "run_in_transaction = \"no\""),
        ("5_e/up.sql", "SELECT 1;"),
        ("5_e/metadata.toml", "run_in_transaction"),
        ("6_f/up.sql", "SELECT 1;"),
        ("6_f/seed.sql", "SELECT 1;"),
        ("_g/up.sql", "SELECT 1;"),
    ]);
    assert_eq!(versions(&set), ["1", "3", "4", "5", "6"]);
    assert_eq!(outside(&set), [false, true, false, false, false]);
    assert_eq!(
        problems(&set.problems),
        [
            "!layout-kept 2_b: has no up.sql",
            "!layout-kept 3_c/metadata.toml: does not say run_in_transaction, which diesel takes for false",
            "!layout-kept 4_d/metadata.toml: has a run_in_transaction that is neither true nor false",
            "!layout-kept 5_e/metadata.toml: is not TOML",
            "?names-fit 6_f/seed.sql: is no migration by its name; the layout diesel has 0001_name/up.sql",
            "!names-fit _g: has no version before its first underscore",
        ]
    );
}

#[test]
fn prisma() {
    let files = [
        (
            "20240101000000_init/migration.sql",
            "CREATE TABLE u(a int);",
        ),
        (
            "20240201000000_email/migration.sql",
            "ALTER TABLE u ADD e text;",
        ),
        ("20240301000000_lost/README.md", "x"),
        ("20240401000000_moved/migration.ts", "export {};"),
        (
            "migration_lock.toml",
            "# by hand never\nprovider = \"sqlite\"\n",
        ),
    ];
    let set = set(&files);
    assert_eq!(
        listed(&set),
        [
            "20240101000000_init init 20240101000000_init/migration.sql",
            "20240201000000_email email 20240201000000_email/migration.sql",
        ]
    );
    assert_eq!(
        problems(&set.problems),
        [
            "!layout-kept 20240301000000_lost: has no migration.sql",
            "!layout-kept 20240401000000_moved: has migration.ts, which is code and can't be run here, and no \
             migration.sql",
        ]
    );
}

#[test]
fn prisma_names_the_engine_it_wrote_for() {
    for (provider, dialect, expected) in [
        ("provider = \"postgresql\"", Dialect::Postgres, None),
        ("provider = \"sqlite\"", Dialect::Sqlite, None),
        (
            "provider = \"sqlite\"",
            Dialect::Postgres,
            Some("was written for another database engine"),
        ),
        (
            "provider = \"mysql\"",
            Dialect::Sqlite,
            Some("was written for another database engine"),
        ),
        ("", Dialect::Sqlite, Some("names no provider")),
        ("provider = ", Dialect::Sqlite, Some("names no provider")),
    ] {
        let dir = folder(&[
            ("1_a/migration.sql", b"SELECT 1;"),
            ("migration_lock.toml", provider.as_bytes()),
        ]);
        let set = discover(dir.path(), None, dialect).unwrap();
        let expected: Vec<String> = expected
            .iter()
            .map(|message| format!("!layout-kept migration_lock.toml: {message}"))
            .collect();
        assert_eq!(problems(&set.problems), expected, "{provider}");
    }
}

#[test]
fn versioned() {
    let set = set(&[
        ("V1__init.sql", "CREATE TABLE u(a int);"),
        ("V1.1__email.sql", "ALTER TABLE u ADD e text;"),
        ("V1_10__later.sql", "SELECT 1;"),
        ("2026/q1/V2__deep.sql", "CREATE INDEX i ON u(a);"),
        (
            "2026/q1/V2__deep.sql.conf",
            "# why\nexecuteInTransaction=false\n",
        ),
        ("U2__deep.sql", "DROP INDEX i;"),
        ("R__views.sql", "CREATE VIEW v AS SELECT 1;"),
        ("B2__base.sql", "CREATE TABLE u(a int, e text);"),
    ]);
    assert_clean(&set);
    assert_eq!(
        listed(&set),
        [
            "1 init V1__init.sql",
            "1.1 email V1.1__email.sql",
            "1.10 later V1_10__later.sql",
            "2 deep 2026/q1/V2__deep.sql",
        ]
    );
    assert_eq!(outside(&set), [false, false, false, true]);
    assert_eq!(downs(&set)[3], Some(("U2__deep.sql", "DROP INDEX i;")));
    assert_eq!(set.repeatable.len(), 1);
    assert_eq!(set.repeatable[0].file.to_str(), Some("R__views.sql"));
    let mut settled = set.clone();
    settled.settle(&[row(&set, "1")], true);
    assert_eq!(listed(&settled), listed(&set));
    assert_eq!(
        aside(&settled),
        ["B2__base.sql: baseline: its tool runs it on an empty database only"]
    );
    assert_eq!(set.position("V1_10"), Some(2));
    assert_eq!(set.position("1.10.0"), Some(2));
}

#[test]
fn versioned_names_what_it_does_not_run() {
    let set = set(&[
        ("V1__a.sql", "SELECT '${owner}';"),
        ("V1.0__b.sql", "SELECT 1;"),
        ("V2__code.rs", "fn main() {}"),
        ("U3__late.sql", "SELECT 1;"),
        ("V4_typo.sql", "SELECT 1;"),
        ("V5__c.sql", "SELECT 1;"),
        ("V5__c.sql.conf", "shouldExecute=false"),
        ("beforeMigrate.sql", "SELECT 1;"),
        ("mod.rs", "mod x;"),
    ]);
    assert_eq!(versions(&set), ["1", "1", "5"]);
    assert_eq!(
        problems(&set.problems),
        [
            "!names-fit U3__late.sql: undoes a version that has no V file (Flyway), or applies one (refinery)",
            "!versions-unique V1__a.sql: has the same version as V1.0__b.sql",
            "!layout-kept V2__code.rs: is code, which can't be run here",
            "!names-fit V4_typo.sql: looks like a migration, but the layout versioned has V1__name.sql",
            "!layout-kept V5__c.sql.conf:1: sets shouldExecute, which is not followed here",
            "?names-fit beforeMigrate.sql: is a callback of Flyway, which is not run",
        ]
    );
    assert_eq!(
        problems(&compare(&set, &[]).problems),
        ["?layout-kept V1__a.sql:1: has ${owner}, which is not replaced here"]
    );
}

const DBMATE: &str = "-- create it\n-- migrate:up transaction:false\nCREATE TABLE u(a int);\n\n-- migrate:down\nDROP TABLE u;\n";

#[test]
fn dbmate() {
    let set = set(&[
        ("20240101000000_users.sql", DBMATE),
        (
            "20240201000000_email.sql",
            &DBMATE
                .replace(" transaction:false", "")
                .replace('\n', "\r\n"),
        ),
    ]);
    assert_clean(&set);
    assert_eq!(
        listed(&set),
        [
            "20240101000000 users 20240101000000_users.sql",
            "20240201000000 email 20240201000000_email.sql",
        ]
    );
    assert_eq!(set.migrations[0].up, "CREATE TABLE u(a int);\n\n");
    assert_eq!(set.migrations[0].up_line, 3);
    assert_eq!(set.migrations[1].up, "CREATE TABLE u(a int);\r\n\r\n");
    assert_eq!(outside(&set), [true, false]);
    assert_eq!(
        downs(&set)[0],
        Some(("20240101000000_users.sql", "DROP TABLE u;\n"))
    );
}

#[test]
fn dbmate_orders_file_names_as_text() {
    let set = set(&[
        ("1_a.sql", DBMATE),
        ("10_b.sql", DBMATE),
        ("2_c.sql", DBMATE),
    ]);
    assert_eq!(versions(&set), ["10", "1", "2"]);
}

#[test]
fn dbmate_sections_that_do_not_fit() {
    for (text, expected) in [
        (
            "SELECT 1;",
            "!layout-kept 2_b.sql: has no `-- migrate:up` line",
        ),
        (
            "-- migrate:down\nSELECT 1;",
            "!layout-kept 2_b.sql: has no `-- migrate:up` line",
        ),
        (
            "-- migrate:down\nSELECT 1;\n-- migrate:up\nSELECT 2;",
            "!layout-kept 2_b.sql:1: has the section that reverts above the one that applies",
        ),
    ] {
        let set = set(&[("1_a.sql", DBMATE), ("2_b.sql", text)]);
        assert_eq!(versions(&set), ["1"]);
        assert_eq!(problems(&set.problems), [expected]);
    }
    for (text, expected) in [
        (
            "-- migrate:up\nSELECT 1;",
            "?layout-kept 1_a.sql: has no `-- migrate:down` line, without which dbmate refuses the file",
        ),
        (
            "SELECT 0;\n-- migrate:up\nSELECT 1;\n-- migrate:down\n",
            "!layout-kept 1_a.sql:1: has text above the section that applies",
        ),
        (
            "-- migrate:up\nSELECT 1;\n-- migrate:up\nSELECT 2;\n-- migrate:down\n",
            "!layout-kept 1_a.sql:3: has the same section twice",
        ),
        (
            "-- migrate:up transactions:false\nSELECT 1;\n-- migrate:down\n",
            "!layout-kept 1_a.sql:1: has the unknown option transactions:false",
        ),
        (
            "-- migrate:up\n-- why\n-- migrate:down\nSELECT 1;",
            "!statement-present 1_a.sql: has no statement to apply",
        ),
    ] {
        let set = set(&[("1_a.sql", text)]);
        assert_eq!(set.layout, Layout::Dbmate);
        assert_eq!(problems(&compare(&set, &[]).problems), [expected]);
        assert_eq!(compare(&set, &[row(&set, "1")]).problems, []);
    }
}

#[test]
fn a_change_of_the_part_that_reverts_is_cosmetic() {
    let before = set(&[("1_a.sql", DBMATE)]);
    let after = set(&[(
        "1_a.sql",
        &DBMATE.replace("DROP TABLE u", "DROP TABLE IF EXISTS u"),
    )]);
    assert_eq!(
        problems(&compare(&after, &[row(&before, "1")]).problems),
        [
            "?drift-none 1_a.sql: differs from what was applied, but not in its SQL (line ends, comments or the part that reverts)"
        ]
    );
}

const GOOSE: &str = "-- +goose NO TRANSACTION\n-- +goose Up\n-- +goose StatementBegin\nCREATE TABLE u(a int);\n-- +goose StatementEnd\n-- +goose Down\nDROP TABLE u;\n";

#[test]
fn goose() {
    let set = set(&[
        ("00002_users.sql", GOOSE),
        ("00010_more.sql", "-- +goose Up\nSELECT 1;\n"),
        ("embed.go", "package migrations"),
        ("00003_x_test.go", "package migrations"),
    ]);
    assert_clean(&set);
    assert_eq!(
        listed(&set),
        ["2 users 00002_users.sql", "10 more 00010_more.sql"]
    );
    assert_eq!(
        set.migrations[0].up,
        "-- +goose StatementBegin\nCREATE TABLE u(a int);\n-- +goose StatementEnd\n"
    );
    assert_eq!(set.migrations[0].up_line, 3);
    assert_eq!(outside(&set), [true, false]);
    assert_eq!(
        downs(&set),
        [Some(("00002_users.sql", "DROP TABLE u;\n")), None]
    );
}

#[test]
fn goose_files_that_are_code_or_have_version_zero() {
    let set = set(&[
        ("00000_zero.sql", GOOSE),
        ("00001_a.sql", GOOSE),
        ("00002_b.go", "package migrations"),
    ]);
    assert_eq!(versions(&set), ["1"]);
    assert_eq!(
        problems(&set.problems),
        [
            "!names-fit 00000_zero.sql: has version 0, which goose keeps for itself",
            "!layout-kept 00002_b.go: is Go code, which can't be run here",
        ]
    );
}

#[test]
fn goose_marks_that_do_not_fit() {
    for (text, expected) in [
        (
            "-- +goose Up\n-- +goose ENVSUB ON\nSELECT '${A}';\n",
            "!layout-kept 1_a.sql:2: has text from environment variables put in (ENVSUB), which is not done here",
        ),
        (
            "-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n",
            "!layout-kept 1_a.sql:2: has a StatementBegin without a StatementEnd",
        ),
        (
            "-- +goose Up\nSELECT 1;\n-- +goose StatementEnd\n",
            "!layout-kept 1_a.sql:3: has StatementBegin and StatementEnd unpaired",
        ),
        (
            "-- +goose Up\nSELECT 1;\n-- +goose Up\nSELECT 2;\n",
            "!layout-kept 1_a.sql:3: has its sections doubled or in the wrong order",
        ),
        (
            "-- +goose Up\nSELECT 1;\n  -- +goose Down\nSELECT 2;\n",
            "!layout-kept 1_a.sql:3: has an indented mark, which not every version of goose sees",
        ),
        (
            "-- +goose Up\nSELECT 1;\n-- +goose Dwon\nSELECT 2;\n",
            "!layout-kept 1_a.sql:3: has the unknown mark +goose dwon",
        ),
        (
            "-- +goose Up\nSELECT 1;\n-- migrate:down\nSELECT 2;\n",
            "!layout-kept 1_a.sql:3: has a mark of dbmate",
        ),
    ] {
        let set = set_as(&[("1_a.sql", text)], Some(Layout::Goose)).unwrap();
        assert_eq!(problems(&compare(&set, &[]).problems), [expected]);
    }
}

#[test]
fn directives_count_above_and_inside_the_part_that_applies() {
    let text = "-- lockstep: no-transaction\n-- +goose Up\n-- lockstep: allow drop-table because it is empty\nDROP TABLE u;\n-- +goose Down\n-- lockstep: allow truncate because it goes back\nSELECT 1;\n";
    let set = set(&[("1_a.sql", text)]);
    assert_clean(&set);
    assert_eq!(outside(&set), [true]);
    assert_eq!(set.migrations[0].reason("drop-table"), Some("it is empty"));
    assert_eq!(set.migrations[0].allows[0].line, 3);
    assert_eq!(set.migrations[0].reason("truncate"), None);
}
