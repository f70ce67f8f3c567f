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
    for (tool, layout) in [
        ("Flyway", Some(Layout::Versioned)),
        ("refinery", Some(Layout::Versioned)),
        ("golang-migrate", Some(Layout::UpDown)),
        ("prisma", Some(Layout::Prisma)),
        ("Diesel", Some(Layout::Diesel)),
        ("plain", Some(Layout::Plain)),
        ("sqlx", None),
    ] {
        assert_eq!(Layout::asked(tool).unwrap(), layout, "{tool}");
    }
    let error = Layout::asked("Liquibase").unwrap_err();
    assert_eq!(error.to_string(), "cannot use the layout \"Liquibase\"");
    assert_eq!(
        error.remedy().unwrap(),
        "write one of plain (sqlx), up-down (sqlx -r, golang-migrate), diesel, prisma, versioned \
         (Flyway, refinery), dbmate, goose"
    );
}

#[test]
fn one_misspelt_name_among_many_is_named_with_the_likely_one() {
    for (file, layout, misspelt, likely) in [
        (
            "V{}__a.sql",
            Layout::Versioned,
            "75_late.sql",
            "V75__late.sql",
        ),
        (
            "V{}__a.sql",
            Layout::Versioned,
            "V75_late.sql",
            "V75__late.sql",
        ),
        (
            "V{}__a.sql",
            Layout::Versioned,
            "75_late.up.sql",
            "V75__late.sql",
        ),
        (
            "V{}__a.sql",
            Layout::Versioned,
            "V75__late.slq",
            "V75__late.sql",
        ),
        ("{}_a.sql", Layout::Plain, "V75__late.sql", "75_late.sql"),
        ("{}_a.sql", Layout::Plain, "75_late.up.sql", "75_late.sql"),
        ("{}_a.sql", Layout::Plain, "75_late.SQL", "75_late.sql"),
        ("{}_a.sql", Layout::Plain, "75 late.sql", "75_late.sql"),
        (
            "{}_a.up.sql",
            Layout::UpDown,
            "75_late.sql",
            "75_late.up.sql",
        ),
        (
            "{}_a.up.sql",
            Layout::UpDown,
            "75_late_up.sql",
            "75_late.up.sql",
        ),
        (
            "{}_a/up.sql",
            Layout::Diesel,
            "75_late.sql",
            "75_late/up.sql",
        ),
        (
            "{}_a/migration.sql",
            Layout::Prisma,
            "75_late.sql",
            "75_late/migration.sql",
        ),
    ] {
        let names: Vec<String> = (1..75)
            .map(|n| file.replace("{}", &n.to_string()))
            .collect();
        let mut files: Vec<(&str, &str)> = names
            .iter()
            .map(|name| (name.as_str(), "SELECT 1;"))
            .collect();
        files.push((misspelt, "SELECT 1;"));
        let set = set(&files);
        assert_eq!(
            (set.layout, set.migrations.len()),
            (layout, 74),
            "{misspelt}"
        );
        let [problem] = &set.problems[..] else {
            panic!("{misspelt}: {:?}", problems(&set.problems));
        };
        assert!(problem.is_failure(), "{misspelt}");
        assert_eq!(problem.subject(), misspelt);
        assert_eq!(problem.expected.as_deref(), Some(likely), "{misspelt}");
    }
}

#[test]
fn a_few_files_of_each_layout_stay_unclear() {
    let files = [
        ("1_a.sql", "SELECT 1"),
        ("2_b.sql", "SELECT 1"),
        ("3_c.sql", "SELECT 1"),
        ("4_d.sql", "SELECT 1"),
        ("5_e.up.sql", "SELECT 1"),
    ];
    assert!(set_as(&files, None).is_err());
    // One file with marks among many without is misspelt too, and would run both directions.
    let many = [
        "1_a.sql", "2_b.sql", "3_c.sql", "4_d.sql", "5_e.sql", "6_f.sql",
    ];
    let mut files: Vec<(&str, &str)> = many.iter().map(|name| (*name, "SELECT 1;")).collect();
    files[5].1 = DBMATE;
    let set = set(&files);
    assert_eq!(set.layout, Layout::Plain);
    let state = migrations::compare(&set, &[]);
    assert_eq!(state.problems.len(), 1, "{:?}", problems(&state.problems));
    assert!(state.problems[0].is_failure());
}
