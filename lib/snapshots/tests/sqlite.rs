//! Snapshots of real SQLite files, with writers between the steps of the copying.

#![allow(
    clippy::unwrap_used,
    reason = "a fixture that cannot be had fails the test"
)]

mod flipped;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};
use snapshots::fp1::Accumulator;
use snapshots::manifest::TableClass;
use snapshots::publish::{Leftover, Partial, short_id, snapshot_name, sweep};
use snapshots::{Cause, Error, Manifest, Phase, Progress, Stop, buckets, manifest, sqlite, verify};
use tempfile::TempDir;

const SILENT: Progress<'static> = &|_, _, _| {};

fn create(path: &Path, sql: &str) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(sql).unwrap();
    connection
}

fn read_only(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

/// A whole run, as the program makes it.
fn take(database: &Path, parent: &Path, progress: Progress<'_>) -> Result<PathBuf, Error> {
    let started = Timestamp::now();
    let name = snapshot_name(started, "test", short_id()?);
    let partial = Partial::create(parent, &name)?;
    let content = sqlite::snapshot(&sqlite::Request {
        source: &read_only(database),
        since: None,
        folder: partial.path(),
        own: &|name| name.starts_with("lockstep_"),
        progress,
        stop: &Stop::default(),
    })?;
    let manifest = Manifest {
        format: manifest::FORMAT.to_owned(),
        id: name,
        tool: "test".to_owned(),
        version: "0".to_owned(),
        environment: "test".to_owned(),
        target_identity: "identity".to_owned(),
        target: database.display().to_string(),
        ledger_state: "empty".to_owned(),
        started_at: snapshots::rfc3339(started),
        completed_at: snapshots::rfc3339(Timestamp::now()),
        git: None,
        content,
    };
    manifest.write(partial.path())?;
    partial.publish()
}

/// The database of a snapshot, decompressed without this crate.
fn unpack(snapshot: &Path, to: &Path) -> Connection {
    let packed = fs::File::open(snapshot.join(sqlite::FILE_NAME)).unwrap();
    let mut raw = fs::File::create(to).unwrap();
    zstd::stream::copy_decode(packed, &mut raw).unwrap();
    sqlite::open_copy(to).unwrap()
}

/// What the manifest says about every table, and what `connection` holds now.
#[track_caller]
fn assert_same_rows(manifest: &Manifest, connection: &Connection) {
    let listing = sqlite::list(connection, &|name| name.starts_with("lockstep_")).unwrap();
    assert_eq!(listing.skipped, manifest.content.skipped);
    let mut accumulator = Accumulator::new();
    let found: Vec<_> = listing
        .tables
        .iter()
        .map(|table| {
            let digest = sqlite::digest(connection, table, &mut accumulator, &mut || {}).unwrap();
            (
                table.name.clone(),
                table.columns.clone(),
                digest.rows,
                digest.sum,
            )
        })
        .collect();
    let tables = manifest.content.tables.iter();
    let recorded: Vec<_> = tables
        .map(|table| {
            (
                table.name.clone(),
                table.columns.clone(),
                table.rows,
                table.digest,
            )
        })
        .collect();
    assert_eq!(found, recorded);
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// About 16 MiB, so that the copying takes several steps.
const ACCOUNTS: &str =
    "CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER, filler BLOB);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 16000)
    INSERT INTO account SELECT i, 100, randomblob(1000) FROM n;";

const TRANSFER: &str = "BEGIN IMMEDIATE;
    UPDATE account SET balance = balance - 1 WHERE id = 1 + abs(random()) % 16000;
    UPDATE account SET balance = balance + 1 WHERE id = 1 + abs(random()) % 16000;
    INSERT INTO account (balance, filler) VALUES (0, randomblob(5000));
    COMMIT;";

#[test]
fn in_wal_mode_a_commit_between_any_two_steps_neither_restarts_nor_tears_the_copy() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("app.db");
    let writer = create(&path, &format!("PRAGMA journal_mode = WAL; {ACCOUNTS}"));
    let writer = Mutex::new(writer);
    let commits = AtomicU64::new(0);
    let snapshot = take(&path, dir.path(), &|phase, _, _| {
        if phase == Phase::Copy {
            writer.lock().unwrap().execute_batch(TRANSFER).unwrap();
            commits.fetch_add(1, Ordering::Relaxed);
        }
    })
    .unwrap();
    assert!(commits.load(Ordering::Relaxed) >= 3);

    let manifest = verify::snapshot(&snapshot, SILENT).unwrap();
    assert!(!manifest.content.writers_waited);
    assert_eq!(
        manifest.rows(),
        16_000,
        "no commit made after the begin is in the copy"
    );
    let copy = unpack(&snapshot, &dir.path().join("unpacked"));
    assert_same_rows(&manifest, &copy);
    let sum: i64 = copy
        .query_row("SELECT sum(balance) FROM account", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sum, 1_600_000);
}

#[test]
fn in_rollback_mode_writers_wait_for_the_copying_alone() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("app.db");
    let writer = create(&path, ACCOUNTS);
    writer.busy_timeout(Duration::ZERO).unwrap();
    let writer = Mutex::new(writer);
    let (refused, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let snapshot = take(&path, dir.path(), &|phase, _, _| {
        let writer = writer.lock().unwrap();
        let count = match writer.execute_batch(TRANSFER) {
            Ok(()) => &done,
            Err(_) => &refused,
        };
        if writer.is_autocommit() {
            assert_ne!(phase, Phase::Copy);
        } else {
            writer.execute_batch("ROLLBACK").unwrap();
            assert_eq!(phase, Phase::Copy);
        }
        count.fetch_add(1, Ordering::Relaxed);
    })
    .unwrap();
    assert!(
        refused.load(Ordering::Relaxed) >= 3,
        "the source is held while it is copied"
    );
    assert!(
        done.load(Ordering::Relaxed) >= 1,
        "and free while the copy is digested"
    );

    let manifest = verify::snapshot(&snapshot, SILENT).unwrap();
    assert!(manifest.content.writers_waited);
    assert_eq!(manifest.rows(), 16_000);
    assert_same_rows(&manifest, &unpack(&snapshot, &dir.path().join("unpacked")));
}

const EVERY_KIND: &str = "
    CREATE TABLE plain (a, b TEXT, c REAL);
    INSERT INTO plain VALUES (NULL, 'x', 1), (x'00ff', CAST(x'610062' AS TEXT), -0.0),
        (1, CAST(x'c328' AS TEXT), 9e999), (1, CAST(x'c328' AS TEXT), 9e999);
    CREATE TABLE \"odd \"\"name\" (id INTEGER PRIMARY KEY AUTOINCREMENT, \"a \"\"b\" TEXT);
    INSERT INTO \"odd \"\"name\" (\"a \"\"b\") VALUES ('one'), ('two');
    CREATE TABLE without_rowid (x TEXT, y INT, z, PRIMARY KEY (y, x)) WITHOUT ROWID;
    INSERT INTO without_rowid VALUES ('a', 1, 2), ('b', 1, 3);
    CREATE TABLE strict_one (id INT PRIMARY KEY, v ANY) STRICT;
    INSERT INTO strict_one VALUES (1, 'x'), (2, 2.5);
    CREATE TABLE generated (id INTEGER PRIMARY KEY, n INT,
        twice INT AS (n * 2) STORED, thrice INT AS (n * 3) VIRTUAL);
    INSERT INTO generated (n) VALUES (1), (2);
    CREATE INDEX generated_n ON generated (n, id);
    CREATE VIRTUAL TABLE words USING fts5 (body);
    INSERT INTO words VALUES ('some text');
    CREATE VIEW seen AS SELECT * FROM plain;
    CREATE TABLE lockstep_migrations (version TEXT);
    INSERT INTO lockstep_migrations VALUES ('1');
    CREATE TABLE empty (id INTEGER PRIMARY KEY);
    ANALYZE;";

#[test]
fn every_kind_of_table_is_digested_or_named() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("app ?#%é.db");
    let source = create(&path, EVERY_KIND);
    let snapshot = take(&path, &dir.path().join("made on the way"), SILENT).unwrap();
    let manifest = verify::snapshot(&snapshot, SILENT).unwrap();
    assert_same_rows(&manifest, &source);
    assert_same_rows(&manifest, &unpack(&snapshot, &dir.path().join("unpacked")));

    let of_class = |class| {
        let tables = manifest
            .content
            .tables
            .iter()
            .filter(move |table| table.class == class);
        tables
            .map(|table| (table.name.as_str(), table.rows))
            .collect::<Vec<_>>()
    };
    let data = [
        ("empty", 0),
        ("generated", 2),
        ("odd \"name", 2),
        ("plain", 4),
        ("sqlite_sequence", 1),
        ("strict_one", 2),
        ("without_rowid", 2),
    ];
    assert_eq!(of_class(TableClass::Data), data);
    let derived: Vec<&str> = of_class(TableClass::Derived)
        .iter()
        .map(|(name, _)| *name)
        .collect();
    for name in ["sqlite_stat1", "words_content", "words_data"] {
        assert!(derived.contains(&name), "{derived:?}");
    }
    let skipped: Vec<&str> = manifest
        .content
        .skipped
        .iter()
        .map(|s| s.name.as_str())
        .collect();
    assert_eq!(skipped, ["lockstep_migrations", "words"]);
    let table = |name| {
        manifest
            .content
            .tables
            .iter()
            .find(|table| table.name == name)
            .unwrap()
    };
    assert_eq!(table("generated").columns, ["id", "n"]);
    assert_eq!(table("without_rowid").key, ["y", "x"]);
    assert!(table("plain").key.is_empty());
    for table in &manifest.content.tables {
        let buckets = buckets::read(&snapshot, table.buckets.unwrap()).unwrap();
        assert_eq!(
            buckets.iter().map(|bucket| bucket.rows).sum::<u64>(),
            table.rows
        );
    }
}

#[track_caller]
fn digest_of(sql: &str) -> snapshots::fp1::Digest {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(sql).unwrap();
    let listing = sqlite::list(&connection, &|_| false).unwrap();
    sqlite::digest(
        &connection,
        &listing.tables[0],
        &mut Accumulator::new(),
        &mut || {},
    )
    .unwrap()
}

#[test]
fn the_digest_of_known_rows_is_the_specified_one() {
    let digest = digest_of(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b);
         INSERT INTO t VALUES (1, NULL, 1.5), (-2, 'é', x'00ff');",
    );
    // Computed from the README's specification with Python's hashlib and integers.
    let sum = "ac7dff1f14145667a20c6b7bf578e34b062aed39177630fdbe8da5a973f8278c";
    assert_eq!((digest.rows, digest.sum.to_string().as_str()), (2, sum));
}

#[test]
fn values_that_only_look_alike_differ() {
    let values = [
        "1",
        "1.0",
        "'1'",
        "x'31'",
        "NULL",
        "''",
        "x''",
        "'NULL'",
        "'1' || char(0)",
        "-0.0",
        "0.0",
        "CAST(x'ff' AS TEXT)",
        "CAST(x'fe' AS TEXT)",
    ];
    let sums: Vec<String> = values
        .iter()
        .map(|value| {
            digest_of(&format!(
                "CREATE TABLE t (a); INSERT INTO t VALUES ({value})"
            ))
        })
        .map(|digest| digest.sum.to_string())
        .collect();
    for (index, sum) in sums.iter().enumerate() {
        assert_eq!(
            sums.iter().position(|other| other == sum),
            Some(index),
            "{}",
            values[index]
        );
    }
    let split = |values| {
        digest_of(&format!(
            "CREATE TABLE t (a, b); INSERT INTO t VALUES {values}"
        ))
    };
    assert_ne!(split("('ab', 'c')").sum, split("('a', 'bc')").sum);
}

#[test]
fn every_damage_to_a_snapshot_is_found() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("app.db");
    create(&path, EVERY_KIND);
    let snapshot = take(&path, dir.path(), SILENT).unwrap();
    verify::snapshot(&snapshot, SILENT).unwrap();
    #[track_caller]
    fn damaged(snapshot: &Path, what: &str) {
        let error = verify::snapshot(snapshot, SILENT).expect_err(what);
        assert_eq!(error.cause(), Cause::Refused, "{what}: {error}");
    }
    for name in names_in(&snapshot) {
        let file = snapshot.join(&name);
        let whole = fs::read(&file).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 60) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            fs::write(&file, &flipped).unwrap();
            damaged(
                &snapshot,
                &format!("{name} with a flipped bit in byte {at}"),
            );
        }
        fs::write(&file, &whole[..whole.len() - 1]).unwrap();
        damaged(&snapshot, &format!("{name} cut short"));
        fs::write(&file, [&whole[..], &whole[..]].concat()).unwrap();
        damaged(&snapshot, &format!("{name} twice over"));
        let mut changed = whole.clone();
        let last = changed.len() - 1;
        changed[last] ^= 1;
        fs::write(&file, &changed).unwrap();
        if name != sqlite::FILE_NAME {
            let found = verify::written(&snapshot);
            assert!(found.is_err(), "{name} was read back");
        }
        fs::write(&file, &whole).unwrap();
    }
    fs::write(snapshot.join("more"), "").unwrap();
    damaged(&snapshot, "a file that the manifest does not name");
}

#[test]
fn a_damaged_source_is_refused_and_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("app.db");
    drop(create(&path, ACCOUNTS));
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8192].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let error = take(&path, dir.path(), SILENT).unwrap_err();
    assert!(matches!(error, Error::SourceDamaged { .. }), "{error}");
    assert!(!error.to_string().contains('\n'), "{error}");
    assert_eq!(error.cause(), Cause::Refused);
    assert_eq!(names_in(dir.path()), ["app.db"]);
}

#[test]
fn rows_that_break_a_constraint_are_backed_up_with_a_warning() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("app.db");
    create(
        &path,
        "CREATE TABLE t (a INT CHECK (a > 0), b INT); PRAGMA ignore_check_constraints = ON;
         INSERT INTO t VALUES (-1, NULL); PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a INT CHECK (a > 0), b INT NOT NULL)';",
    );
    let snapshot = take(&path, dir.path(), SILENT).unwrap();
    let manifest = Manifest::read(&snapshot).unwrap();
    assert_eq!(manifest.content.warnings, ["NULL value in t.b"]);
}

#[test]
fn what_only_the_application_can_judge_is_backed_up_with_warnings() {
    let dir = TempDir::new().unwrap();
    let cases = [
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT);
             CREATE VIRTUAL TABLE f4 USING fts4 (content='t', x);
             INSERT INTO t VALUES (1, 'hello'), (2, 'world');
             INSERT INTO f4 (docid, x) VALUES (1, 'hello');",
            "FTS4",
        ),
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT);
             CREATE VIRTUAL TABLE f5 USING fts5 (x); INSERT INTO f5 VALUES ('hello');
             UPDATE f5_content SET c0 = 'other';",
            "f5",
        ),
        (
            "CREATE TABLE t (a); INSERT INTO t VALUES ('5'); PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a INT)';",
            "TEXT value in t.a",
        ),
        (
            "CREATE TABLE t (a); INSERT INTO t VALUES (5); PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a TEXT)';",
            "NUMERIC value in t.a",
        ),
        (
            "CREATE TABLE t (a); INSERT INTO t VALUES ('text'); PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a INT) STRICT';",
            "non-INT value in t.a",
        ),
    ];
    for (place, (sql, warning)) in cases.into_iter().enumerate() {
        let path = dir.path().join(format!("{place}.db"));
        create(&path, sql);
        let snapshot = take(&path, dir.path(), SILENT).unwrap();
        let warnings = Manifest::read(&snapshot).unwrap().content.warnings;
        assert!(
            matches!(&warnings[..], [line] if line.contains(warning)),
            "{sql}: {warnings:?}"
        );
    }
}

#[test]
fn a_collation_of_the_application_s_own_keeps_no_table_out() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("app.db");
    let connection = Connection::open(&path).unwrap();
    connection
        .create_collation("backwards", |a, b| b.cmp(a))
        .unwrap();
    connection
        .execute_batch(
            "CREATE TABLE t (a TEXT COLLATE backwards UNIQUE);
             CREATE TABLE w (a TEXT COLLATE backwards PRIMARY KEY) WITHOUT ROWID;
             INSERT INTO t VALUES ('1'), ('2'), ('3'); INSERT INTO w SELECT a FROM t;",
        )
        .unwrap();
    let snapshot = take(&path, dir.path(), SILENT).unwrap();
    let manifest = Manifest::read(&snapshot).unwrap();
    assert_eq!(manifest.rows(), 6);
    assert!(manifest.content.warnings.is_empty());
}

#[test]
fn writers_wait_from_the_begin_of_the_callers_transaction() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("app.db");
    create(&path, "CREATE TABLE t (a)");
    let source = read_only(&path);
    source.execute_batch("BEGIN").unwrap();
    let before = Duration::from_secs(3600);
    let content = sqlite::snapshot(&sqlite::Request {
        source: &source,
        since: Instant::now().checked_sub(before),
        folder: dir.path(),
        own: &|_| false,
        progress: SILENT,
        stop: &Stop::default(),
    })
    .unwrap();
    assert!(content.writers_waited);
    assert!(content.source_held_ms >= 3_600_000);
}

#[test]
fn a_manifest_of_another_format_is_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("app.db");
    create(&path, "CREATE TABLE t (a)");
    let snapshot = take(&path, dir.path(), SILENT).unwrap();
    let mut manifest = Manifest::read(&snapshot).unwrap();
    manifest.format = "lockstep-snapshot/2".to_owned();
    fs::write(snapshot.join(manifest::FILE_NAME), manifest.to_bytes()).unwrap();
    let error = Manifest::read(&snapshot).unwrap_err();
    assert!(error.to_string().contains("lockstep-snapshot/2"), "{error}");
}

#[test]
fn snapshots_are_readable_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("app.db");
    create(&path, "CREATE TABLE t (a)");
    let snapshot = take(&path, dir.path(), SILENT).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&snapshot), 0o700);
    for name in names_in(&snapshot) {
        assert_eq!(mode(&snapshot.join(&name)), 0o600, "{name}");
    }
}

/// Not a test of its own: what the tests below run in a process that is starved or killed.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child() {
    let folder = PathBuf::from(std::env::var_os("SNAPSHOT_FOLDER").unwrap());
    let snapshots = folder.join("snapshots");
    let at = |variable, phase| std::env::var(variable).is_ok_and(|at| at == format!("{phase:?}"));
    let result = take(&folder.join("app.db"), &snapshots, &|phase, _, _| {
        if at("SNAPSHOT_HALT", phase) {
            fs::write(folder.join("halted"), "").unwrap();
            std::thread::park();
        }
        if at("SNAPSHOT_FILL", phase) {
            let mut ballast = fs::File::create(snapshots.join("ballast")).unwrap();
            while ballast.write_all(&[1; 4096]).is_ok() {}
        }
    });
    let error = result.unwrap_err();
    let said = format!(
        "{:?} {} {:?}",
        error.cause(),
        error.is_disk_full(),
        names_in(&snapshots)
    );
    fs::write(folder.join("said"), said).unwrap();
}

fn child_command(folder: &Path, prefix: &[&str]) -> Command {
    let exe = std::env::current_exe().unwrap();
    let exe = exe.to_str().unwrap();
    let line = [prefix, &[exe, "--ignored", "--exact", "child"]].concat();
    let mut command = Command::new(line[0]);
    command
        .args(&line[1..])
        .env("SNAPSHOT_FOLDER", folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

#[test]
fn a_full_disk_is_an_answer_and_leaves_no_snapshot() {
    // A disk of its own of 40 MiB: enough for the 16 MiB database and its artefact, until somebody
    // else fills it. In the smaller one there is too little room from the begin.
    let mount = r#"mount -t tmpfs -o "size=$0" tmpfs "$SNAPSHOT_FOLDER/snapshots" && exec "$@""#;
    let cases = [
        ("40m", "Copy"),
        ("40m", "Digest"),
        ("40m", "Compress"),
        ("20m", ""),
    ];
    for (size, fill) in cases {
        let dir = TempDir::new().unwrap();
        drop(create(&dir.path().join("app.db"), ACCOUNTS));
        fs::create_dir(dir.path().join("snapshots")).unwrap();
        let prefix = [
            "unshare",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            mount,
            size,
        ];
        let mut command = child_command(dir.path(), &prefix);
        let status = command.env("SNAPSHOT_FILL", fill).status().unwrap();
        assert!(
            status.success(),
            "cannot mount a small disk, or take a snapshot: {status}"
        );
        let left = if fill.is_empty() {
            "[]"
        } else {
            "[\"ballast\"]"
        };
        let said = fs::read_to_string(dir.path().join("said")).unwrap();
        assert_eq!(said, format!("Refused true {left}"), "{size} {fill}");
    }
}

#[test]
fn a_killed_run_leaves_no_snapshot_and_is_swept_once_it_is_dead() {
    for phase in [Phase::Copy, Phase::Digest, Phase::Compress] {
        let dir = TempDir::new().unwrap();
        drop(create(&dir.path().join("app.db"), ACCOUNTS));
        let mut command = child_command(dir.path(), &[]);
        let mut child = command
            .env("SNAPSHOT_HALT", format!("{phase:?}"))
            .spawn()
            .unwrap();
        while !dir.path().join("halted").exists() {
            assert!(
                child.try_wait().unwrap().is_none(),
                "the child ended before {phase:?}"
            );
            std::thread::yield_now();
        }
        let parent = dir.path().join("snapshots");
        let names = names_in(&parent);
        assert!(names.len() == 1 && names[0].starts_with('.'), "{names:?}");
        let path = parent.join(&names[0]);
        let living = Leftover {
            path: path.clone(),
            removed: false,
        };
        assert_eq!(sweep(&parent).unwrap(), [living]);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(names_in(&parent), names);
        assert_eq!(
            sweep(&parent).unwrap(),
            [Leftover {
                path,
                removed: true
            }]
        );
        assert_eq!(names_in(&parent), [""; 0]);
    }
}

#[test]
fn sweeping_touches_nothing_else() {
    let dir = TempDir::new().unwrap();
    let others = [
        ".git",
        ".x.partial",
        "20261120T181500Z-production-1a2b3c4d",
        ".cache",
    ];
    for name in others {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    fs::write(
        dir.path()
            .join(".20261120T181500Z-production-1a2b3c4d.partial"),
        "a file",
    )
    .unwrap();
    let before = names_in(dir.path());
    assert_eq!(sweep(dir.path()).unwrap(), []);
    assert_eq!(names_in(dir.path()), before);
    assert_eq!(sweep(&dir.path().join("not there")).unwrap(), []);
}

#[test]
fn every_byte_of_a_snapshot_counts() {
    let dir = TempDir::new().unwrap();
    let database = dir.path().join("app.db");
    create(
        &database,
        "CREATE TABLE t (a); INSERT INTO t VALUES (1), ('two')",
    );
    let snapshot = take(&database, &dir.path().join("snapshots"), SILENT).unwrap();
    with_a_file(&snapshot);
    flipped::every_byte_counts(&snapshot);
    flipped::an_end_is_heard(&snapshot);
}

/// Copies a file into a snapshot as if the settings had named it.
fn with_a_file(snapshot: &Path) {
    let root = TempDir::new().unwrap();
    let path = root.path().join("app.toml");
    fs::write(&path, "a = 1\n").unwrap();
    let chosen = snapshots::files::choose(root.path(), &[path]).unwrap();
    let mut manifest = Manifest::read(snapshot).unwrap();
    manifest
        .content
        .files
        .extend(chosen.copy(snapshot).unwrap());
    fs::remove_file(snapshot.join(manifest::FILE_NAME)).unwrap();
    manifest.write(snapshot).unwrap();
}
