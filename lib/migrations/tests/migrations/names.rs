//! Which names are read as migrations, and for which engine.

use migrations::Layout;

use crate::support::{aside, assert_clean, downs, listed, problems, set, versions};

#[test]
fn a_name_after_a_dash_or_a_dot_is_read() {
    let plain = set(&[
        ("0001-add-users.sql", "SELECT 1;"),
        ("0001-add-users.down.sql", "SELECT 2;"),
        ("0002.orders.sql", "SELECT 1;"),
        ("0003_more.sql", "SELECT 1;"),
    ]);
    assert_clean(&plain);
    assert_eq!(plain.layout, Layout::Plain);
    assert_eq!(
        listed(&plain),
        [
            "1 add-users 0001-add-users.sql",
            "2 orders 0002.orders.sql",
            "3 more 0003_more.sql"
        ]
    );
    assert_eq!(
        downs(&plain)[0],
        Some(("0001-add-users.down.sql", "SELECT 2;"))
    );
    let up_down = set(&[
        ("V0001.Users.up.sql", "SELECT 1;"),
        ("V0001.Users.down.sql", "SELECT 2;"),
        ("V0002.Orders.up.sql", "SELECT 1;"),
    ]);
    assert_clean(&up_down);
    assert_eq!(up_down.layout, Layout::UpDown);
    assert_eq!(
        listed(&up_down),
        ["1 Users V0001.Users.up.sql", "2 Orders V0002.Orders.up.sql"]
    );
    assert_eq!(
        downs(&up_down)[0],
        Some(("V0001.Users.down.sql", "SELECT 2;"))
    );
    assert_eq!(up_down.position("V0002"), Some(1));
}

#[test]
fn what_reverts_is_never_read_for_its_dash_or_dot() {
    for file in [
        "20240101-a-down.sql",
        "001.undo.a.sql",
        "0001-rollback.sql",
        "2024-01-15-a.sql",
    ] {
        let set = set(&[("0001_a.sql", "SELECT 1;"), (file, "DROP TABLE a;")]);
        assert_eq!(versions(&set), ["1"], "{file}");
        assert!(set.has_failures(), "{file}");
    }
}

#[test]
fn a_word_that_reverts_may_begin_a_name_after_a_dash_and_what_reverts_is_found_by_its_version() {
    let set = set(&[
        ("0001-users.sql", "SELECT 1;"),
        ("0002-rollback-triggers.sql", "SELECT 2;"),
        ("0003-reverse-geocoding.sql", "SELECT 3;"),
    ]);
    assert_clean(&set);
    assert_eq!(versions(&set), ["1", "2", "3"]);
    for reverts in ["0001-rollback-users.sql", "0001-undo-users.sql"] {
        let set = self::set(&[("0001-users.sql", "SELECT 1;"), (reverts, "SELECT 2;")]);
        assert!(set.has_failures(), "{reverts}");
    }
    // What reverts under a version of no migration is not taken for one.
    for reverts in ["0002-down-users.sql", "0002-Down-users.sql"] {
        let set = self::set(&[("0001-users.sql", "SELECT 1;"), (reverts, "SELECT 2;")]);
        assert_eq!(versions(&set), ["1"], "{reverts}");
        assert!(set.has_failures(), "{reverts}");
    }
}

#[test]
fn numbered_files_of_no_layout_are_no_empty_folder() {
    let numbered = ["db_00001.sql", "db_00002.sql", "db_00003.sql", "db_4.SQL"];
    for count in 1..=numbered.len() {
        let files: Vec<_> = numbered[..count]
            .iter()
            .map(|file| (*file, "SELECT 1;"))
            .collect();
        let set = set(&files);
        assert!(versions(&set).is_empty());
        assert!(set.has_failures(), "{count}");
        assert_eq!(set.problems.len(), if count > 3 { 1 } else { count });
    }
    // Company of migrations, or of none.
    let kept = set(&[("0001_a.sql", "SELECT 1;"), ("data_2.sql", "SELECT 1;")]);
    assert!(!kept.has_failures());
    assert!(!set(&[("seed.sql", "SELECT 1;")]).has_failures());
}

#[test]
fn a_file_for_another_engine_is_named_and_not_run() {
    let set = set(&[
        ("0001_a.up.sql", "SELECT 1;"),
        ("0002_b.mysql.up.sql", "SELECT 1;"),
        ("0002_b.sqlite.up.sql", "SELECT 1;"),
        ("0002_b.postgres.up.sql", "SELECT 1;"),
        ("0002_b.postgres.down.sql", "SELECT 1;"),
        ("0003_c.up.sqlite.sql", "SELECT 1;"),
        ("mysql/0001_a.up.sql", "SELECT 1;"),
    ]);
    assert_clean(&set);
    assert_eq!(
        listed(&set),
        [
            "1 a 0001_a.up.sql",
            "2 b.sqlite 0002_b.sqlite.up.sql",
            "3 c 0003_c.up.sqlite.sql"
        ]
    );
    assert_eq!(
        aside(&set),
        [
            "0002_b.mysql.up.sql: for MySQL: not run on SQLite",
            "0002_b.postgres.down.sql: for PostgreSQL: not run on SQLite",
            "0002_b.postgres.up.sql: for PostgreSQL: not run on SQLite",
            "mysql: for MySQL: not run on SQLite",
        ]
    );
    let versioned = self::set(&[
        ("V1__a.sql", "SELECT 1;"),
        ("oracle/V2__b.sql", "SELECT 1;"),
        ("V3__c.h2.sql", "SELECT 1;"),
    ]);
    assert_eq!(versions(&versioned), ["1"]);
    assert_eq!(versioned.set_aside.len(), 2);
    assert_eq!(versioned.problems.len(), 1, "V3 is for nobody here");
}

#[test]
fn a_version_that_is_for_other_engines_alone_is_a_warning() {
    let set = set(&[
        ("0001_a.sql", "SELECT 1;"),
        ("0002_b.mysql.sql", "SELECT 1;"),
        ("0002_b.mysql.down.sql", "SELECT 1;"),
        ("0003_c.sql", "SELECT 1;"),
        ("0003_c.mysql.sql", "SELECT 1;"),
    ]);
    assert_eq!(versions(&set), ["1", "3"]);
    assert_eq!(
        problems(&set.problems),
        ["?layout-kept 0002_b.mysql.sql: is for MySQL, and no file of its version is for SQLite"]
    );
}
