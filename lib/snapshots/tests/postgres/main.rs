//! Snapshots of a real PostgreSQL server, with other sessions in the way.

#![allow(
    clippy::unwrap_used,
    reason = "a fixture that cannot be had fails the test"
)]

#[path = "../flipped/mod.rs"]
mod flipped;
mod locks;
mod support;

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use snapshots::manifest::TableClass;
use snapshots::postgres as pg;
use snapshots::{Cause, Error, Manifest, Phase, Stop, buckets, manifest, verify};
use tests::postgres_server::{PASSWORD, USER};

use support::{Fixture, NAME, SILENT, assert_same_rows};

const EVERY_KIND: &str = r#"
    CREATE TYPE mood AS ENUM ('sad', 'glad');
    CREATE TABLE typed (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n numeric, f float8,
        at timestamptz, span interval, j jsonb, b bytea, m mood, a text[], cash money, t text);
    INSERT INTO typed (n, f, at, span, j, b, m, a, cash, t) VALUES
        (1.0, 0.1, '2026-11-20 18:15:00.123456+01', '1 day', '{"b":1,"a":[null]}', '\x00ff', 'sad',
         '{x,NULL}', 12.5, E'tab\tnewline\nreturn\rbackslash\\'),
        (1.00, 'NaN', '-infinity', '24 hours', 'null', '', NULL, '{}', -1, '\.'),
        (NULL, -0.0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '');
    CREATE TABLE "odd "" name" (y int, "x" text, z int, PRIMARY KEY (z, "x"));
    INSERT INTO "odd "" name" VALUES (1, 'a', 2), (3, E'b\t', 4);
    CREATE TABLE keyless (a int, b int); INSERT INTO keyless VALUES (1, 1), (1, 1), (NULL, 2);
    CREATE TABLE generated (id int PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) STORED);
    INSERT INTO generated VALUES (1, 2), (2, 3);
    ALTER TABLE generated ADD COLUMN gone text; ALTER TABLE generated DROP COLUMN gone;
    CREATE TABLE no_columns (); INSERT INTO no_columns DEFAULT VALUES;
    CREATE TABLE empty (id int PRIMARY KEY);
    CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY); INSERT INTO unlogged VALUES (1);
    CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (extra int) INHERITS (parent);
    INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2, 2), (3, 3);
    CREATE TABLE part (id int, at date) PARTITION BY RANGE (at);
    CREATE TABLE part_2025 PARTITION OF part FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
    CREATE TABLE part_2026 PARTITION OF part FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')
        PARTITION BY LIST (id);
    CREATE TABLE part_2026_1 PARTITION OF part_2026 FOR VALUES IN (1);
    CREATE TABLE part_2026_2 PARTITION OF part_2026 FOR VALUES IN (2);
    INSERT INTO part VALUES (1, '2025-05-05'), (1, '2026-05-05'), (2, '2026-05-05'), (2, '2026-06-06');
    CREATE MATERIALIZED VIEW seen AS SELECT * FROM typed; CREATE VIEW plain AS SELECT * FROM typed;
    CREATE SEQUENCE loose START 7; SELECT nextval('loose'); CREATE SEQUENCE untouched;
    SELECT lo_from_bytea(4000000001, '\x0102'), lo_from_bytea(77, decode(repeat('ab', 300000), 'hex'));
    CREATE SCHEMA lockstep; CREATE TABLE lockstep.migrations (version serial);
    INSERT INTO lockstep.migrations VALUES (1);
"#;

#[test]
fn dump_live_table_and_restored_table_have_one_digest() {
    let fixture = Fixture::new(EVERY_KIND);
    let hostile = format!(
        "ALTER DATABASE {0} SET timezone = 'America/New_York'; ALTER DATABASE {0} SET bytea_output \
         = escape; ALTER DATABASE {0} SET intervalstyle = iso_8601; ALTER DATABASE {0} SET \
         datestyle = 'SQL, DMY'; ALTER DATABASE {0} SET extra_float_digits = -10; ALTER DATABASE {0} \
         SET lc_monetary = 'C.UTF-8'; ALTER DATABASE {0} SET search_path = nowhere",
        fixture.database
    );
    fixture.connect().batch_execute(&hostile).unwrap();
    let snapshot = fixture.take(SILENT).unwrap();
    let manifest = verify::snapshot(&snapshot, SILENT).unwrap();
    assert_same_rows(&manifest, &mut fixture.connect());
    let mut restored = fixture.restore(&snapshot);
    assert_same_rows(&manifest, &mut restored);

    let content = &manifest.content;
    let table = |name: &str| {
        content
            .tables
            .iter()
            .find(|table| table.name == name)
            .unwrap()
    };
    assert_eq!(table("generated").columns, ["id", "n"]);
    assert_eq!(table("odd \" name").key, ["z", "x"]);
    assert!(table("keyless").key.is_empty());
    assert_eq!((table("parent").rows, table("child").rows), (1, 2));
    assert!(table("unlogged").unlogged && !table("empty").unlogged);
    assert_eq!((table("no_columns").rows, table("empty").rows), (1, 0));

    let partitions = [("part", 4), ("part_2026", 3)];
    for (name, rows) in partitions {
        assert_eq!(
            (table(name).class, table(name).rows),
            (TableClass::Partitioned, rows)
        );
    }
    assert_eq!(
        table("part_2026_1").partition_of.as_deref(),
        Some("public.part_2026")
    );
    let counted = content
        .tables
        .iter()
        .filter(|table| table.class == TableClass::Data);
    assert_eq!(
        counted.map(|table| table.rows).sum::<u64>(),
        manifest.rows()
    );
    for table in &content.tables {
        let Some(range) = table.buckets else { continue };
        let inside = buckets::read(&snapshot, range).unwrap();
        assert_eq!(
            inside.iter().map(|bucket| bucket.rows).sum::<u64>(),
            table.rows
        );
    }

    let skipped: Vec<&str> = content.skipped.iter().map(|s| s.name.as_str()).collect();
    let database = format!("database {}", fixture.database);
    let left_out = [database.as_str(), "public.generated"];
    assert_eq!(skipped[..2], ["lockstep.migrations", "public.seen"]);
    assert_eq!(skipped[2..], left_out);
    let value = |name: &str| {
        let sequence = content
            .sequences
            .iter()
            .find(|sequence| sequence.name == name)
            .unwrap();
        (sequence.last_value, sequence.is_called)
    };
    assert_eq!(value("typed_id_seq"), (3, true));
    assert_eq!(value("loose"), (7, true));
    assert_eq!(value("untouched"), (1, false));
    let objects = content.large_objects.as_ref().unwrap();
    assert_eq!((objects.count, objects.bytes), (2, 300_002));
    assert_eq!(content.roles, [USER]);
    assert_eq!(content.extensions[0].name, "plpgsql");
    assert_eq!(content.engine.encoding, "UTF8");
    let client_version = content.engine.client_version.as_deref().unwrap();
    assert!(
        content.engine.version.starts_with(client_version),
        "{client_version}"
    );
    let copied: i64 = restored
        .query_one("SELECT count(*) FROM lockstep.migrations", &[])
        .unwrap()
        .get(0);
    assert_eq!(
        copied, 1,
        "our own tables are in the dump, though not in the digests"
    );
}

#[test]
fn a_partitioned_table_is_the_sum_of_its_leaves_and_a_moved_row_leaves_it_alone() {
    let fixture = Fixture::new(EVERY_KIND);
    let before = Manifest::read(&fixture.take(SILENT).unwrap()).unwrap();
    fixture
        .connect()
        .batch_execute(
            "BEGIN; DELETE FROM part_2025; ALTER TABLE part DETACH PARTITION part_2025;
         CREATE TABLE public.part_old PARTITION OF part FOR VALUES FROM ('2024-01-01') TO ('2026-01-01');
         INSERT INTO part VALUES (1, '2025-05-05'); COMMIT",
        )
        .unwrap();
    fs::remove_dir_all(fixture.dir.path().join(NAME)).unwrap();
    let after = Manifest::read(&fixture.take(SILENT).unwrap()).unwrap();
    let sum = |manifest: &Manifest, name: &str| {
        let mut tables = manifest.content.tables.iter();
        tables
            .find(|table| table.name == name)
            .map(|table| (table.rows, table.digest))
    };
    assert_eq!(sum(&before, "part"), sum(&after, "part"));
    assert_eq!(sum(&before, "part_2025"), sum(&after, "part_old"));
    assert_ne!(sum(&before, "part_2025"), sum(&after, "part_2025"));
}

/// About 12 MB: more than all pipes and buffers hold, so that `pg_dump` is still writing while the
/// first piece is looked at.
const LARGE: &str = "CREATE TABLE large AS
    SELECT i AS id, repeat(md5(i::text), 16) AS filler FROM generate_series(1, 24000) i;
    ALTER TABLE large ADD PRIMARY KEY (id);";

/// Calls `act` once, when the first bytes of the dump have come.
fn once_at_dump(act: impl Fn() + Sync) -> impl Fn(Phase, u64, Option<u64>) + Sync {
    let called = AtomicBool::new(false);
    move |phase, _, _| {
        if phase == Phase::Dump && !called.swap(true, Ordering::Relaxed) {
            act();
        }
    }
}

#[test]
fn writes_and_a_truncate_during_the_dump_change_nothing_in_it() {
    let fixture = Fixture::new(LARGE);
    let other = Mutex::new(fixture.connect());
    let acted = AtomicBool::new(false);
    let snapshot = fixture.take(&once_at_dump(|| {
        let mut other = other.lock().unwrap();
        other
            .batch_execute("DELETE FROM large WHERE id % 2 = 0")
            .unwrap();
        let refused = other
            .batch_execute("SET lock_timeout = 50; TRUNCATE large")
            .unwrap_err();
        assert_eq!(
            refused.code().unwrap().code(),
            "55P03",
            "the table is locked"
        );
        acted.store(true, Ordering::Relaxed);
    }));
    assert!(acted.load(Ordering::Relaxed));
    let manifest = verify::snapshot(&snapshot.unwrap(), SILENT).unwrap();
    assert_eq!(manifest.rows(), 24_000);
    // The locks are released with the snapshot.
    other
        .lock()
        .unwrap()
        .batch_execute("TRUNCATE large")
        .unwrap();
}

#[test]
fn rows_committed_while_we_waited_for_the_lock_are_in_the_dump() {
    let mut fixture = Fixture::new(LARGE);
    fixture.patience.lock_timeout = Duration::from_secs(60);
    let mut other = fixture.connect();
    other
        .batch_execute("BEGIN; TRUNCATE large; INSERT INTO large VALUES (1, 'new'), (2, 'new')")
        .unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut watcher = fixture.connect();
            let waiting = "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
                WHERE NOT granted AND relname = 'large' AND mode = 'AccessShareLock'";
            while watcher.query_one(waiting, &[]).unwrap().get::<_, i64>(0) == 0 {}
            other.batch_execute("COMMIT").unwrap();
        });
        // A snapshot that is older than the lock sees neither the old rows nor the new ones.
        let manifest = Manifest::read(&fixture.take(SILENT).unwrap()).unwrap();
        assert_eq!(manifest.rows(), 2);
    });
}

#[test]
fn a_table_that_somebody_rewrites_is_busy_and_the_holder_is_named() {
    let fixture = Fixture::new(LARGE);
    let mut other = fixture.connect();
    other
        .batch_execute("SET application_name = 'a migration'; BEGIN; TRUNCATE large")
        .unwrap();
    let error = fixture.take(SILENT).unwrap_err();
    assert_eq!(error.cause(), Cause::Busy, "{error}");
    let pid: i32 = other
        .query_one("SELECT pg_backend_pid()", &[])
        .unwrap()
        .get(0);
    let said = error.to_string();
    assert!(
        said.contains(&format!("process {pid}")) && said.contains("a migration"),
        "{said}"
    );
    assert!(said.contains("public.large"), "{said}");
    fixture.assert_nothing_left();
    other.batch_execute("ROLLBACK").unwrap();
    assert_eq!(
        Manifest::read(&fixture.take(SILENT).unwrap())
            .unwrap()
            .rows(),
        24_000
    );
}

#[test]
fn a_change_that_queues_between_our_lock_and_pg_dumps_is_let_through() {
    let mut fixture = Fixture::new(LARGE);
    // The first pg_dump begins when ALTER TABLE waits for our lock: it then waits behind it.
    fixture.wrap(
        "if ! [ -e \"$DIR/begun\" ]; then : >\"$DIR/begun\"\n\
         while ! [ -e \"$DIR/queued\" ]; do sleep 0.01; done; fi",
    );
    let (begun, queued) = (
        fixture.dir.path().join("begun"),
        fixture.dir.path().join("queued"),
    );
    thread::scope(|scope| {
        scope.spawn(|| {
            while !begun.exists() {
                thread::yield_now();
            }
            fixture
                .connect()
                .batch_execute("ALTER TABLE large ADD COLUMN added int")
                .unwrap();
        });
        scope.spawn(|| {
            let mut watcher = fixture.connect();
            let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted \
                AND relation = 'large'::regclass AND mode = 'AccessExclusiveLock'";
            while watcher.query_one(waiting, &[]).unwrap().get::<_, i64>(0) == 0 {}
            fs::write(&queued, "").unwrap();
        });
        let snapshot = fixture.take(SILENT).unwrap();
        let manifest = verify::snapshot(&snapshot, SILENT).unwrap();
        assert_eq!(
            manifest.content.tables[0].columns,
            ["id", "filler", "added"]
        );
        assert_eq!(manifest.rows(), 24_000);
    });
}

#[test]
fn a_killed_pg_dump_leaves_nothing() {
    let mut fixture = Fixture::new(LARGE);
    fixture.wrap("echo $$ >\"$DIR/pid\"");
    let pid = fixture.dir.path().join("pid");
    let error = fixture
        .take(&once_at_dump(|| {
            let pid = fs::read_to_string(&pid).unwrap();
            let killed = Command::new("kill")
                .args(["-KILL", pid.trim()])
                .status()
                .unwrap();
            assert!(killed.success());
        }))
        .unwrap_err();
    assert!(
        matches!(&error, Error::PgDump { status, .. } if status.contains("signal: 9")),
        "{error}"
    );
    assert_eq!(error.cause(), Cause::Refused);
    fixture.assert_nothing_left();
}

#[test]
fn a_lost_server_session_is_unavailable_and_leaves_nothing() {
    for application in ["pg_dump", "backup-snapshot", "coordinator"] {
        let fixture = Fixture::new(LARGE);
        let other = Mutex::new(fixture.connect());
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()
               AND (application_name = $1 OR $1 = 'coordinator' AND application_name = '')";
        let ended = Mutex::new(0);
        let result = fixture.take(&once_at_dump(|| {
            let row = other
                .lock()
                .unwrap()
                .query_one(end, &[&application])
                .unwrap();
            *ended.lock().unwrap() = row.get::<_, i64>(0);
        }));
        match (application, *ended.lock().unwrap(), result) {
            // The name of the session is the one that was asked for, not pg_dump's own.
            ("pg_dump", 0, Ok(_)) => {}
            ("backup-snapshot", 1, Err(Error::PgDump { said, .. })) => {
                // Which of both its library still reads is a race; it differs by major.
                let of_library = "server closed the connection unexpectedly";
                let known = said.contains("terminating connection") || said.contains(of_library);
                assert!(known, "{said}");
                fixture.assert_nothing_left();
            }
            ("coordinator", 1, Err(error)) => {
                assert_eq!(error.cause(), Cause::Unavailable, "{error:?}");
                fixture.assert_nothing_left();
            }
            (_, ended, result) => panic!("{application}: {ended} ended, {result:?}"),
        }
    }
}

#[test]
fn tables_that_can_not_be_read_as_a_whole_are_named_before_anything_is_dumped() {
    let mut fixture = Fixture::new(
        "CREATE TABLE open (id int); CREATE TABLE closed (id int); CREATE SEQUENCE closed_too;
         CREATE SCHEMA walled; CREATE TABLE walled.off (id int);
         CREATE TABLE secured (id int); ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
         CREATE POLICY own ON secured USING (id = 1); INSERT INTO secured VALUES (1), (2);",
    );
    fixture.user = format!("{}_reader", fixture.database);
    let role = format!("{}_reader", fixture.database);
    let create = format!(
        "CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'; GRANT SELECT ON open, secured TO {role};
         GRANT SELECT ON walled.off TO {role}"
    );
    fixture.connect().batch_execute(&create).unwrap();
    match fixture.take(SILENT).unwrap_err() {
        Error::NoRight { objects } => {
            assert_eq!(
                objects,
                ["public.closed", "public.closed_too", "walled.off"]
            );
        }
        error => panic!("{error:?}"),
    }
    let grant = format!(
        "GRANT SELECT ON closed, closed_too TO {role}; GRANT USAGE ON SCHEMA walled TO {role}"
    );
    fixture.connect().batch_execute(&grant).unwrap();
    match fixture.take(SILENT).unwrap_err() {
        Error::RowSecurity { tables } => assert_eq!(tables, ["public.secured"]),
        error => panic!("{error:?}"),
    }
    fixture.assert_nothing_left();
    fixture
        .connect()
        .batch_execute("ALTER TABLE secured DISABLE ROW LEVEL SECURITY")
        .unwrap();
    assert_eq!(
        Manifest::read(&fixture.take(SILENT).unwrap())
            .unwrap()
            .rows(),
        2
    );
}

#[test]
fn the_password_is_in_no_argument_and_its_file_is_gone_with_the_first_bytes() {
    let mut fixture = Fixture::new(LARGE);
    fixture.wrap(
        "printf '%s\\n' \"$@\" >\"$DIR/arguments\"; stat -L -c %a \"$PGPASSFILE\" >\"$DIR/mode\"\n\
         echo \"$PGPASSFILE\" >\"$DIR/path\"",
    );
    let path = fixture.dir.path().join("path");
    let gone = AtomicBool::new(false);
    fixture
        .take(&once_at_dump(|| {
            let path = fs::read_to_string(&path).unwrap();
            // Its number may be another file's by now.
            let leads_to = fs::read_link(path.trim()).unwrap_or_default();
            let is_it = leads_to.to_string_lossy().contains("pgpass");
            gone.store(!is_it, Ordering::Relaxed);
        }))
        .unwrap();
    assert!(gone.load(Ordering::Relaxed));
    let said = |name| fs::read_to_string(fixture.dir.path().join(name)).unwrap();
    assert_eq!(said("mode"), "600\n");
    assert!(
        !Path::new(said("path").trim()).starts_with(fixture.dir.path()),
        "it is on no disk"
    );
    assert!(said("arguments").contains("user='lockstep'"));
    assert!(!said("arguments").contains(PASSWORD));
}

#[test]
fn a_pg_dump_of_another_version_is_refused() {
    let mut fixture = Fixture::new("CREATE TABLE t (id int)");
    let command = ["sh", "-c", "echo 'pg_dump (PostgreSQL) 99.1 (Other)'"];
    fixture.pg_dump = Some(command.map(str::to_owned).to_vec());
    match fixture.take(SILENT).unwrap_err() {
        Error::WrongPgDump { found, .. } => assert_eq!(found, "99.1"),
        error => panic!("{error:?}"),
    }
    match pg::find(None, 99, &Stop::default()).unwrap_err() {
        Error::NoPgDump { wanted: 99, .. } => {}
        error => panic!("{error:?}"),
    }
}

#[test]
fn every_damage_to_a_snapshot_is_found() {
    let fixture = Fixture::new(EVERY_KIND);
    let snapshot = fixture.take(SILENT).unwrap();
    for name in [pg::FILE_NAME, buckets::FILE_NAME, manifest::FILE_NAME] {
        let whole = fs::read(snapshot.join(name)).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 50) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            fs::write(snapshot.join(name), &flipped).unwrap();
            let error = verify::snapshot(&snapshot, SILENT).unwrap_err();
            assert_eq!(error.cause(), Cause::Refused, "{name} byte {at}: {error}");
        }
        fs::write(snapshot.join(name), &whole).unwrap();
    }
    verify::snapshot(&snapshot, SILENT).unwrap();
}

fn blocks_of(archive: &[u8]) -> Result<usize, Error> {
    let mut archive = pg::Archive::open(Cursor::new(archive))?;
    let mut blocks = 0;
    while let Some(block) = archive.next_block()? {
        match block {
            pg::Block::Table { .. } => archive.pieces(|_| Ok(()))?,
            pg::Block::LargeObjects => {
                while archive.large_object()?.is_some() {
                    archive.pieces(|_| Ok(()))?;
                }
            }
        }
        blocks += 1;
    }
    Ok(blocks)
}

#[test]
fn a_cut_or_damaged_archive_is_an_error_and_never_a_whole_one() {
    let fixture =
        Fixture::new("CREATE TABLE a (id int); INSERT INTO a VALUES (1); CREATE TABLE b ()");
    let snapshot = fixture.take(SILENT).unwrap();
    let whole = fs::read(fixture.unpack(&snapshot)).unwrap();
    assert_eq!(blocks_of(&whole).unwrap(), 2);
    for length in 0..whole.len() {
        match blocks_of(&whole[..length]) {
            Err(Error::CutShort { .. }) => {}
            Err(error) => panic!("{error:?}"),
            // Cut between two blocks: the snapshot notices that a table's rows are missing.
            Ok(blocks) => assert!(blocks < 2, "cut at {length}"),
        }
        let mut flipped = whole.clone();
        flipped[length] ^= 0x80;
        // Whatever it finds, it comes to an end.
        let _ = blocks_of(&flipped);
    }
}

#[test]
fn a_dump_that_is_cut_short_is_refused() {
    let mut fixture = Fixture::new(LARGE);
    let real = fixture.server.bin().join("pg_dump");
    fixture.wrap(&format!(
        "'{}' \"$@\" | head -c 300000; exit 0",
        real.display()
    ));
    let error = fixture.take(SILENT).unwrap_err();
    assert!(matches!(error, Error::CutShort { at: 300_000 }), "{error}");
    assert_eq!(error.cause(), Cause::Refused);
    fixture.assert_nothing_left();
}

#[test]
fn every_role_that_the_dump_asks_for_is_named() {
    let fixture = Fixture::new("CREATE TABLE t (id int, name text); SELECT lo_create(16)");
    let roles = ["column", "object", "policy", "default"].map(|what| {
        let role = format!("{}_{what}", fixture.database);
        let create = format!("CREATE ROLE {role}");
        fixture.connect().batch_execute(&create).unwrap();
        role
    });
    let [column, object, policy, default] = &roles;
    let grants = format!(
        "GRANT SELECT (id) ON t TO {column}; GRANT SELECT ON LARGE OBJECT 16 TO {object};
         CREATE POLICY p ON t TO {policy} USING (true);
         ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {default}"
    );
    fixture.connect().batch_execute(&grants).unwrap();
    let manifest = Manifest::read(&fixture.take(SILENT).unwrap()).unwrap();
    for role in &roles {
        let named = manifest.content.roles.contains(role);
        assert!(named, "{role}: {:?}", manifest.content.roles);
    }
}

#[test]
fn large_objects_that_the_role_may_not_read_are_named() {
    let mut fixture = Fixture::new("SELECT lo_create(16), lo_create(17), lo_create(18)");
    let role = format!("{}_reader", fixture.database);
    let create = format!(
        "CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}';
         GRANT SELECT ON LARGE OBJECT 16 TO {role}; GRANT SELECT ON LARGE OBJECT 18 TO PUBLIC"
    );
    fixture.connect().batch_execute(&create).unwrap();
    fixture.user = role.clone();
    match fixture.take(SILENT).unwrap_err() {
        Error::NoRight { objects } => assert_eq!(objects, ["large object 17"]),
        error => panic!("{error:?}"),
    }
    let grant = format!("GRANT SELECT ON LARGE OBJECT 17 TO {role}");
    fixture.connect().batch_execute(&grant).unwrap();
    fixture.take(SILENT).unwrap();
}

#[test]
fn a_pg_dump_that_fails_at_once_says_so() {
    let mut fixture = Fixture::new("CREATE TABLE t (id int)");
    fixture.wrap("echo 'no such luck' >&2; exit 3");
    match fixture.take(SILENT).unwrap_err() {
        Error::PgDump { status, said } => {
            assert_eq!(
                (status.as_str(), said.as_str()),
                ("exit status: 3", "no such luck")
            );
        }
        error => panic!("{error:?}"),
    }
    fixture.assert_nothing_left();
}

#[test]
fn every_byte_of_a_snapshot_counts() {
    let fixture = Fixture::new("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2)");
    let snapshot = fixture.take(SILENT).unwrap();
    flipped::every_byte_counts(&snapshot);
    flipped::an_end_is_heard(&snapshot);
}

#[test]
fn progress_has_a_total_and_comes_to_it() {
    let fixture = Fixture::new(&format!("{LARGE}; {EVERY_KIND}"));
    let told = Mutex::new(Vec::new());
    let told_of = |phase, done, total| {
        if phase == Phase::Dump {
            told.lock().unwrap().push((done, total));
        }
    };
    fixture.take(&told_of).unwrap();
    let told = told.into_inner().unwrap();
    let (_, Some(total)) = told[0] else {
        panic!("{told:?}");
    };
    assert!(total > 0);
    assert!(
        told.iter()
            .all(|(done, of)| *of == Some(total) && *done <= total)
    );
    assert!(told.is_sorted(), "{told:?}");
    assert_eq!(told.last().unwrap().0, total);
    assert!(told.iter().any(|(done, _)| (1..total).contains(done)));
}
