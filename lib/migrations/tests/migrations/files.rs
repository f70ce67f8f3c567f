//! Files as they are: bytes, encodings, names that are no migration's.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use migrations::{Dialect, Layout, RowState, compare, discover, hex};

use crate::support::{create, folder, problems, row, set, versions};

#[test]
fn the_digest_is_over_the_raw_bytes() {
    // Values of sha256sum; the first two are also Prisma's checksums of the same text.
    for (text, expected) in [
        (
            "CREATE TABLE t(a int);\n",
            "23da43b1ae75712d1672885bf18087c60ffde83d4d6cdcd13f6e47284a40bdd6",
        ),
        (
            "CREATE TABLE t(a int);\r\n",
            "883ee3052ed5057f04151024965beb658aa822dc3001e6222a5c00197bf22f6b",
        ),
        (
            "\u{feff}CREATE TABLE t(a int);\n",
            "cc9a05c47ec1fe2df9f7beccc91c51721115e99d27de2227638bdf8a3298dfc1",
        ),
    ] {
        let set = set(&[("1_init.sql", text)]);
        let migration = &set.migrations[0];
        assert_eq!(hex(&migration.sha256), expected, "{text:?}");
        assert_eq!(migration.up, text.trim_start_matches('\u{feff}'));
    }
}

#[test]
fn files_that_are_no_text_are_named() {
    for (bytes, message) in [
        (&b"SELECT 'caf\xe9';"[..], "is not UTF-8 at byte offset 11"),
        (b"\xff\xfeS\0E\0", "is UTF-16, not UTF-8"),
        (
            b"SELECT 1;\0DROP TABLE t;",
            "has a NUL byte at byte offset 9",
        ),
    ] {
        let dir = folder(&[("0001_a.sql", bytes), ("0002_b.sql", b"SELECT 1;")]);
        let set = discover(dir.path(), None, Dialect::Sqlite).unwrap();
        assert_eq!(versions(&set), ["2"]);
        assert_eq!(
            problems(&set.problems),
            [format!("!files-readable 0001_a.sql: {message}")]
        );
    }
}

#[test]
fn a_file_of_more_than_64_mib_is_not_read() {
    let dir = folder(&[]);
    let file = File::create(dir.path().join("0001_a.sql")).unwrap();
    file.set_len(64 * 1024 * 1024 + 1).unwrap();
    let set = discover(dir.path(), None, Dialect::Sqlite).unwrap();
    assert_eq!(
        problems(&set.problems),
        ["!files-readable 0001_a.sql: is larger than 64 MiB"]
    );
}

#[test]
fn nothing_to_run_fails_until_it_is_applied() {
    for text in [
        "",
        " \n\t",
        "-- nothing yet\n",
        "/* later */;\n",
        "\u{feff}",
    ] {
        let set = set(&[("0001_a.sql", text)]);
        assert_eq!(problems(&set.problems), [] as [String; 0]);
        assert_eq!(
            problems(&compare(&set, &[]).problems),
            ["!statement-present 0001_a.sql: has no statement to apply"],
            "{text:?}"
        );
        // It can't be mended any more: the ledger holds its digest.
        assert_eq!(compare(&set, &[row(&set, "1")]).problems, []);
    }
}

#[test]
fn a_directive_that_says_nothing_fails_until_it_is_applied() {
    let set = set(&[("0001_a.sql", "-- lockstep: alow drop-table\nSELECT 1;")]);
    let pending = compare(&set, &[]).problems;
    assert_eq!(pending.len(), 1);
    assert_eq!(pending[0].kind.check_id(), "directives-valid");
    assert_eq!(pending[0].line, Some(1));
    assert_eq!(compare(&set, &[row(&set, "1")]).problems, []);
}

#[test]
fn directives_are_read() {
    let text = "-- lockstep: no-transaction\n-- lockstep: allow drop-table because t1 is empty\nDROP TABLE t1;";
    let set = set(&[("0001_a.sql", text), ("0002_b.sql", "SELECT 1;")]);
    assert!(set.migrations[0].no_transaction);
    assert_eq!(set.migrations[0].reason("drop-table"), Some("t1 is empty"));
    assert!(!set.migrations[1].no_transaction);
    assert_eq!(set.migrations[1].reason("drop-table"), None);
}

#[test]
fn sql_files_with_other_names_are_named_and_never_skipped_in_silence() {
    let set = set(&[
        ("0001_a.sql", "SELECT 1;"),
        ("0002 blank.sql", "SELECT 1;"),
        ("0003_c.SQL", "SELECT 1;"),
        ("9223372036854775808_d.sql", "SELECT 1;"),
        ("seed.sql", "SELECT 1;"),
        ("._0001_a.sql", "SELECT 1;"),
        ("old/0000_z.sql", "SELECT 1;"),
        ("README.md", "x"),
        ("0004_e.sql~", "SELECT 1;"),
        (".DS_Store", "x"),
        (".git/0001_a.sql", "x"),
        ("docs/picture.png", "x"),
    ]);
    assert_eq!(versions(&set), ["1"]);
    assert_eq!(
        problems(&set.problems),
        [
            "?names-fit ._0001_a.sql: is no migration by its name; the layout plain has 0001_name.sql",
            "!names-fit 0002 blank.sql: looks like a migration, but the layout plain has 0001_name.sql",
            "!names-fit 0003_c.SQL: looks like a migration, but the layout plain has 0001_name.sql",
            "!names-fit 9223372036854775808_d.sql: has a version above 9223372036854775807, the largest of a bigint",
            "!names-fit old: is a folder with SQL files (0000_z.sql), which the layout plain does not read",
            "?names-fit seed.sql: is no migration by its name; the layout plain has 0001_name.sql",
        ]
    );
    let ignored: Vec<String> = set
        .ignored
        .iter()
        .map(|named| named.file.display().to_string())
        .collect();
    assert_eq!(ignored.len(), set.problems.len());
    assert!(ignored.contains(&"seed.sql".to_owned()));
}

#[test]
fn a_folder_below_with_migrations_is_no_folder_without_any() {
    for (file, folder, severity) in [
        ("2024/0001_a.sql", "2024", '!'),
        ("2024/01/0001_a.sql", "2024", '!'),
        ("seeds/users.sql", "seeds", '?'),
        ("docs/more/users.sql", "docs", '?'),
    ] {
        let set = set(&[(file, "SELECT 1;")]);
        assert_eq!(versions(&set), [""; 0]);
        let name = file.rsplit('/').next().unwrap();
        assert_eq!(
            problems(&set.problems),
            [format!(
                "{severity}names-fit {folder}: is a folder with SQL files ({name}), which the layout \
                 plain does not read"
            )]
        );
    }
}

#[test]
fn links_to_files_are_read_and_links_to_folders_are_not() {
    let dir = folder(&[("shared/a.txt", b"SELECT 1;"), ("shared/up.txt", b"x")]);
    let migrations = dir.path().join("migrations");
    fs::create_dir(&migrations).unwrap();
    symlink("../shared/a.txt", migrations.join("0001_a.sql")).unwrap();
    symlink("nowhere", migrations.join("0002_b.sql")).unwrap();
    symlink("../shared", migrations.join("more")).unwrap();
    symlink(".", migrations.join("round")).unwrap();
    let set = discover(&migrations, None, Dialect::Sqlite).unwrap();
    assert_eq!(versions(&set), ["1"]);
    let problems = problems(&set.problems);
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[0].starts_with("!files-readable 0002_b.sql: cannot be read: "));
    let linked = "is a symbolic link to a folder, which is not followed";
    assert_eq!(problems[1], format!("?names-fit more: {linked}"));
    assert_eq!(problems[2], format!("?names-fit round: {linked}"));
}

#[test]
fn a_name_that_is_not_utf_8_fails() {
    let dir = folder(&[]);
    let name = std::ffi::OsStr::from_bytes(b"0001_caf\xe9.sql");
    fs::write(dir.path().join(name), "SELECT 1;").unwrap();
    let set = discover(dir.path(), None, Dialect::Sqlite).unwrap();
    assert_eq!(
        problems(&set.problems),
        ["!names-fit 0001_caf\u{fffd}.sql: has a name that is not UTF-8"]
    );
}

#[test]
fn a_pipe_is_not_opened() {
    let dir = folder(&[("0001_a.sql", b"SELECT 1;")]);
    let pipe = dir.path().join("0002_b.sql");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .unwrap();
    assert!(made.success());
    let set = discover(dir.path(), None, Dialect::Sqlite).unwrap();
    assert_eq!(
        problems(&set.problems),
        ["!files-readable 0002_b.sql: is no regular file"]
    );
}

#[test]
fn thousands_of_files_are_read_and_compared() {
    let texts: Vec<(String, String)> = (1..=2_000)
        .map(|n| (format!("{n}_m{n}.sql"), create(n)))
        .collect();
    let files: Vec<(&str, &str)> = texts
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let set = set(&files);
    assert_eq!(set.migrations.len(), 2_000);
    assert_eq!(set.migrations[9].file.to_str(), Some("10_m10.sql"));
    let rows: Vec<_> = (1..=1_999).map(|n| row(&set, &n.to_string())).collect();
    let state = compare(&set, &rows);
    assert_eq!(
        (state.applied, state.pending, state.problems),
        (1_999, vec![1_999], vec![])
    );
    assert!(rows.iter().all(|row| row.state == RowState::Applied));
    assert_eq!(set.layout, Layout::Plain);
}
