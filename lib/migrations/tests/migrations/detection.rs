//! Which layout a folder is taken for.

use std::path::Path;

use migrations::{Dialect, Error, Layout, discover};

use crate::support::{problems, set, set_as, versions};

const DBMATE: &str = "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;\n";
const GOOSE: &str = "-- +goose Up\nSELECT 1;\n";

#[test]
fn each_layout_is_told_by_its_files() {
    for (layout, files) in [
        (
            Layout::Plain,
            vec![("0001_a.sql", "SELECT 1"), ("0001_a.down.sql", "SELECT 2")],
        ),
        (
            Layout::UpDown,
            vec![("1_a.up.sql", "SELECT 1"), ("1_a.down.sql", "SELECT 2")],
        ),
        (
            Layout::Diesel,
            vec![("1_a/up.sql", "SELECT 1"), ("1_a/down.sql", "SELECT 2")],
        ),
        (Layout::Prisma, vec![("1_a/migration.sql", "SELECT 1")]),
        (
            Layout::Versioned,
            vec![("V1__a.sql", "SELECT 1"), ("R__v.sql", "SELECT 2")],
        ),
        (Layout::Versioned, vec![("2026/V1__a.sql", "SELECT 1")]),
        (Layout::Dbmate, vec![("1_a.sql", DBMATE)]),
        (Layout::Goose, vec![("1_a.sql", GOOSE)]),
    ] {
        let set = set(&files);
        assert_eq!(set.layout, layout, "{files:?}");
        assert_eq!(set.migrations.len(), 1, "{files:?}");
        assert_eq!(problems(&set.problems), [] as [String; 0], "{files:?}");
    }
}

#[test]
fn two_layouts_in_one_folder_are_never_mixed() {
    for (files, message) in [
        (
            [("1_a.sql", "SELECT 1"), ("2_b.up.sql", "SELECT 1")],
            "1_a.sql is plain, 2_b.up.sql is up-down",
        ),
        (
            [("1_a.sql", "SELECT 1"), ("2_b/up.sql", "SELECT 1")],
            "1_a.sql is plain, 2_b/up.sql is diesel",
        ),
        (
            [
                ("1_a/up.sql", "SELECT 1"),
                ("2_b/migration.sql", "SELECT 1"),
            ],
            "1_a/up.sql is diesel, 2_b/migration.sql is prisma",
        ),
        (
            [("V1__a.sql", "SELECT 1"), ("2_b.sql", "SELECT 1")],
            "2_b.sql is plain, V1__a.sql is versioned",
        ),
        (
            [("1_a.sql", DBMATE), ("2_b.sql", GOOSE)],
            "1_a.sql is dbmate, 2_b.sql is goose",
        ),
        (
            [("1_a.sql", GOOSE), ("2_b.up.sql", "SELECT 1")],
            "2_b.up.sql is up-down, 1_a.sql is goose",
        ),
    ] {
        let error = set_as(&files, None).unwrap_err();
        assert!(error.to_string().ends_with(message), "{error}");
        let remedy = error.remedy().unwrap();
        assert!(remedy.contains("layout = \""), "{remedy}");
    }
}

#[test]
fn a_layout_that_is_asked_for_still_names_what_does_not_fit() {
    let files = [
        ("1_a.sql", "SELECT 1"),
        ("2_b.up.sql", "SELECT 1"),
        ("V3__c.sql", "SELECT 1"),
    ];
    let plain = set_as(&files, Some(Layout::Plain)).unwrap();
    assert_eq!(versions(&plain), ["1"]);
    assert_eq!(
        problems(&plain.problems),
        [
            "!names-fit 2_b.up.sql: has a name of the layout up-down, not of plain",
            "!names-fit V3__c.sql: has a name of the layout versioned, not of plain",
        ]
    );
    let up_down = set_as(&files, Some(Layout::UpDown)).unwrap();
    assert_eq!(versions(&up_down), ["2"]);
    assert_eq!(
        problems(&up_down.problems),
        [
            "!names-fit 1_a.sql: looks like a migration, but the layout up-down has 0001_name.up.sql",
            "!names-fit V3__c.sql: has a name of the layout versioned, not of up-down",
        ]
    );
}

#[test]
fn sections_are_never_run_together_because_another_layout_was_asked_for() {
    let set = set_as(&[("1_a.sql", DBMATE)], Some(Layout::Plain)).unwrap();
    assert_eq!(
        problems(&migrations::compare(&set, &[]).problems),
        [
            "!layout-kept 1_a.sql:3: has a line that dbmate takes for a mark (`-- migrate:down`), and that is a comment in the layout plain"
        ]
    );
}

#[test]
fn a_file_without_its_section_is_named_where_others_have_one() {
    let set = set(&[("1_a.sql", GOOSE), ("2_b.sql", "SELECT 1;")]);
    assert_eq!(set.layout, Layout::Goose);
    assert_eq!(versions(&set), ["1"]);
    assert_eq!(
        problems(&set.problems),
        ["!layout-kept 2_b.sql: has no `-- +goose Up` line"]
    );
}

#[test]
fn no_migrations_are_an_empty_set() {
    for files in [
        &[][..],
        &[
            ("README.md", "# x"),
            (".gitkeep", ""),
            ("meta/_journal.json", "{}"),
        ],
    ] {
        let set = set(files);
        assert_eq!((versions(&set), problems(&set.problems)), (vec![], vec![]));
    }
}

#[test]
fn a_folder_that_is_not_there_is_an_error_and_stays_so() {
    let dir = Path::new("no/such/migrations");
    let error = discover(dir, None, Dialect::Sqlite).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read migrations folder no/such/migrations"
    );
    assert!(
        matches!(error, Error::ReadDir { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    );
    assert!(!dir.exists());
}

#[test]
fn layouts_are_written_by_their_names() {
    for layout in Layout::ALL {
        assert_eq!(layout.name().parse::<Layout>().unwrap(), layout);
    }
    let error = "flyway".parse::<Layout>().unwrap_err();
    assert_eq!(error.to_string(), "cannot use the layout \"flyway\"");
    assert!(error.remedy().unwrap().contains("versioned"));
}
