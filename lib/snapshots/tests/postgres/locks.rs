//! Servers whose lock table has no room for two holders of every table.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use snapshots::{Cause, Error, Manifest, verify};
use tests::postgres_server::Server;

use crate::support::{Fixture, SILENT, assert_same_rows};

/// It promises room for 200 locks.
fn small() -> &'static Server {
    static SMALL: OnceLock<Server> = OnceLock::new();
    let settings = [
        ("max_locks_per_transaction", "10"),
        ("max_connections", "20"),
    ];
    SMALL.get_or_init(|| Server::start(&settings))
}

/// One test at a time: together they would fill the table.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A table with rows beside so many others.
fn with_tables(count: u32) -> Fixture {
    let fixture = Fixture::on(
        small(),
        "CREATE TABLE t (id int PRIMARY KEY, a int, b int); INSERT INTO t VALUES (1, 10, 20), (2, 30, 40);
         CREATE SEQUENCE loose START 7; SELECT nextval('loose')",
    );
    more_tables(&fixture, 1, count);
    fixture
}

fn more_tables(fixture: &Fixture, from: u32, to: u32) {
    // A transaction holds a lock on each that it made.
    fixture
        .connect()
        .batch_execute(&format!(
            "DO $$ BEGIN FOR i IN {from}..{to} LOOP
                 EXECUTE 'CREATE TABLE more_' || i || ' AS SELECT ' || i || ' AS n';
                 IF i % 50 = 0 THEN COMMIT; END IF;
             END LOOP; END $$"
        ))
        .unwrap();
}

/// Does `sql` between our snapshot and `pg_dump`'s locks: the first time, or every time.
fn in_between(fixture: &mut Fixture, sql: &str, every_time: bool) {
    let psql = fixture.server.bin().join("psql");
    let url = fixture.server.url(&fixture.database);
    let once = if every_time {
        ""
    } else {
        "[ -e \"$DIR/done\" ] || "
    };
    fixture.wrap(&format!(
        "{once}'{}' -qX -v ON_ERROR_STOP=1 -c \"{sql}\" '{url}' >&2 || exit 9\ntouch \"$DIR/done\"",
        psql.display()
    ));
}

/// What `between` does between snapshot and locks is seen, and the next attempt has it.
#[track_caller]
fn seen(between: &str, found: &str) {
    let mut fixture = with_tables(150);
    in_between(&mut fixture, between, false);
    fixture.patience.attempts = 1;
    match fixture.take(SILENT).unwrap_err() {
        error @ Error::ChangedBetween { .. } => {
            assert_eq!(error.cause(), Cause::Busy);
            assert!(error.to_string().contains(found), "{between}: {error}");
        }
        error => panic!("{between}: {error:?}"),
    }
    fixture.assert_nothing_left();

    let mut fixture = with_tables(150);
    in_between(&mut fixture, between, false);
    let snapshot = fixture.take(SILENT).unwrap();
    let manifest = verify::snapshot(&snapshot, SILENT).unwrap();
    assert_same_rows(&manifest, &mut fixture.connect());
    assert_same_rows(&manifest, &mut fixture.restore(&snapshot));
}

#[test]
fn a_snapshot_with_pg_dump_as_the_only_holder_is_whole() {
    let _alone = alone();
    let mut fixture = with_tables(150);
    // A table that our session held could not be altered.
    in_between(
        &mut fixture,
        "ALTER TABLE more_7 SET (fillfactor = 50); INSERT INTO t VALUES (3)",
        true,
    );
    fixture.patience.attempts = 1;
    let snapshot = fixture.take(SILENT).unwrap();
    let manifest = verify::snapshot(&snapshot, SILENT).unwrap();
    assert_same_rows(&manifest, &mut fixture.restore(&snapshot));
    // The row was committed after the snapshot's moment.
    let table = manifest
        .content
        .tables
        .iter()
        .find(|table| table.name == "t");
    assert_eq!(table.unwrap().rows, 2);
    assert_eq!(manifest.content.sequences[0].last_value, 7);
    assert_eq!(manifest.content.warnings, [""; 0]);
}

#[test]
fn a_table_that_is_truncated_between_snapshot_and_locks_is_seen() {
    let _alone = alone();
    seen("TRUNCATE t", "public.t was truncated or rewritten");
    // Rows that came since are in the new file.
    seen(
        "TRUNCATE t; INSERT INTO t VALUES (9)",
        "public.t was truncated",
    );
}

#[test]
fn a_table_that_is_rewritten_between_snapshot_and_locks_is_seen() {
    let _alone = alone();
    seen(
        "ALTER TABLE t ALTER a TYPE bigint",
        "public.t was truncated or rewritten",
    );
    seen("VACUUM FULL t", "public.t was truncated or rewritten");
}

#[test]
fn a_table_that_is_dropped_between_snapshot_and_locks_is_seen() {
    let _alone = alone();
    seen("DROP TABLE t", "public.t was dropped");
    // pg_dump locks by name, and finds another one.
    seen(
        "DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, a int, b int); INSERT INTO t VALUES (5, 6, 7)",
        "public.t was dropped",
    );
    seen("DROP SEQUENCE loose", "public.loose was dropped or renamed");
}

#[test]
fn a_name_that_leads_elsewhere_is_seen() {
    let _alone = alone();
    seen("ALTER TABLE t RENAME TO other", "public.t was altered");
    seen(
        "ALTER TABLE t RENAME TO x; ALTER TABLE more_1 RENAME TO t; ALTER TABLE x RENAME TO more_1",
        "was altered",
    );
    seen(
        "ALTER TABLE t RENAME a TO x; ALTER TABLE t RENAME b TO a; ALTER TABLE t RENAME x TO b",
        "public.t was altered",
    );
}

#[test]
fn a_table_that_is_created_between_snapshot_and_locks_is_no_part_of_the_dump() {
    let _alone = alone();
    let mut fixture = with_tables(150);
    in_between(&mut fixture, "CREATE TABLE later AS SELECT 1 AS n", true);
    fixture.patience.attempts = 1;
    let snapshot = fixture.take(SILENT).unwrap();
    let manifest = Manifest::read(&snapshot).unwrap();
    assert!(
        manifest
            .content
            .tables
            .iter()
            .all(|table| table.name != "later")
    );
    assert_same_rows(&manifest, &mut fixture.restore(&snapshot));
}

#[test]
fn a_table_that_changes_every_time_is_busy() {
    let _alone = alone();
    let mut fixture = with_tables(150);
    in_between(&mut fixture, "TRUNCATE t", true);
    let error = fixture.take(SILENT).unwrap_err();
    assert!(matches!(error, Error::ChangedBetween { .. }), "{error}");
    fixture.assert_nothing_left();
}

#[test]
fn a_dump_that_takes_more_than_is_promised_passes_with_a_warning() {
    let _alone = alone();
    let fixture = with_tables(400);
    let manifest = Manifest::read(&fixture.take(SILENT).unwrap()).unwrap();
    let [warning] = &manifest.content.warnings[..] else {
        panic!("{:?}", manifest.content.warnings);
    };
    assert!(warning.contains("room for 200"), "{warning}");
}

#[test]
fn what_even_pg_dump_has_no_room_for_is_refused_with_the_setting() {
    let _alone = alone();
    let mut fixture = with_tables(2_750);
    #[track_caller]
    fn refused(fixture: &Fixture) -> u64 {
        match fixture.take(SILENT).unwrap_err() {
            error @ Error::NoLocks { wanted, .. } => {
                assert_eq!(error.cause(), Cause::Refused);
                fixture.assert_nothing_left();
                wanted
            }
            error => panic!("{error:?}"),
        }
    }
    // By the server itself.
    let wanted = refused(&fixture);
    assert!(wanted > 100, "{wanted}");
    // Before anything is tried.
    more_tables(&fixture, 3_000, 3_200);
    fixture.wrap("touch \"$DIR/ran\"");
    refused(&fixture);
    assert!(!fixture.dir.path().join("ran").exists());
    // Another session's locks go on all the same.
    fixture
        .connect()
        .batch_execute("SELECT * FROM t, more_1")
        .unwrap();
}
