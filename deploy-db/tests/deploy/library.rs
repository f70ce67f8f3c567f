//! What the program can't be brought to from outside, asked of its library.

use std::time::Duration;

use db_write::{ApplyError, Writer};
use migrations::{Dialect, Migration};

use crate::place::{Place, until};

/// The only migration of a place, with a text that no parser has seen.
fn migration(place: &Place, version: &str, up: &str) -> Migration {
    place.file("1_a.sql", "SELECT 1;");
    let dialect = match place.is_sqlite() {
        true => Dialect::Sqlite,
        false => Dialect::Postgres,
    };
    let set = migrations::discover(&place.path("migrations"), None, dialect);
    let mut migration = set.unwrap().migrations.remove(0);
    migration.version = version.to_owned();
    migration.up = up.to_owned();
    migration
}

fn locked(place: &Place) -> Box<dyn Writer> {
    let mut writer = place.writer();
    writer.lock(Duration::ZERO, &mut |_| {}).unwrap();
    writer
}

#[track_caller]
fn undone(ended: Result<db_write::Applied, ApplyError>, message: &str) {
    assert!(
        matches!(&ended, Err(ApplyError::Undone(cause)) if cause.message.contains(message)),
        "{ended:?}"
    );
}

#[test]
fn a_commit_that_the_parser_did_not_see_is_refused_by_sqlite() {
    let place = Place::sqlite();
    let mut writer = locked(&place);
    for sql in [
        "CREATE TABLE b (x int); COMMIT; CREATE TABLE c (x int);",
        "CREATE TABLE b (x int); ROLLBACK;",
        "ATTACH ':memory:' AS other;",
    ] {
        undone(
            writer.apply(&migration(&place, "1", sql), &[], &mut |_| {}),
            "not authorized",
        );
        assert_eq!(place.tables(), Vec::<String>::new());
    }
    let savepoint = "SAVEPOINT s; CREATE TABLE b (x int); RELEASE s;";
    writer
        .apply(&migration(&place, "1", savepoint), &[], &mut |_| {})
        .unwrap();
    assert_eq!(place.ledger(), ["1"]);
}

#[test]
fn a_copy_that_the_parser_did_not_see_is_refused_by_sqlite() {
    let place = Place::sqlite();
    let copy = place.path("copy.db");
    let mut writer = locked(&place);
    for (version, sql) in [
        ("1", format!("VACUUM INTO '{}';", copy.display())),
        ("2", format!("ATTACH '{}' AS other;", copy.display())),
    ] {
        let mut outside = migration(&place, version, &sql);
        outside.no_transaction = true;
        let ledger = writer.ledger().unwrap();
        let ended = writer.apply(&outside, &ledger, &mut |_| {});
        assert!(
            matches!(&ended, Err(ApplyError::Dirty(cause))
                if cause.message.contains("authoriz")),
            "{ended:?}"
        );
        assert!(!copy.exists());
    }
}

#[test]
fn a_transaction_that_the_parser_did_not_see_end_is_noticed_on_postgres() {
    let place = Place::postgres();
    let mut writer = locked(&place);
    let first = migration(&place, "1", "CREATE TABLE a (x int);");
    let row = writer.apply(&first, &[], &mut |_| {}).unwrap().row;
    for sql in [
        "CREATE TABLE b (x int); COMMIT;",
        "CREATE TABLE c (x int); COMMIT; BEGIN;",
    ] {
        let ended = writer.apply(
            &migration(&place, "2", sql),
            std::slice::from_ref(&row),
            &mut |_| {},
        );
        assert!(
            matches!(&ended, Err(ApplyError::Unknown(cause))
                if cause.message.contains("ended the transaction")),
            "{ended:?}"
        );
    }
    assert_eq!(place.ledger(), ["1"]);
}

#[test]
fn a_ledger_that_somebody_else_wrote_to_stops_the_next_file() {
    for place in Place::both() {
        let mut writer = locked(&place);
        let first = migration(&place, "1", "CREATE TABLE a (x int);");
        let second = migration(&place, "2", "CREATE TABLE b (x int);");
        let row = writer.apply(&first, &[], &mut |_| {}).unwrap().row;
        assert_eq!(writer.ledger().unwrap(), std::slice::from_ref(&row));
        undone(
            writer.apply(&second, &[], &mut |_| {}),
            "the ledger has changed",
        );
        let table = place.table("migrations");
        for (change, back) in [
            ("state = 'started'", "state = 'applied'"),
            ("version = '9'", "version = '1'"),
            ("position = 2", "position = 1"),
        ] {
            place.execute(&format!("UPDATE {table} SET {change}"));
            undone(
                writer.apply(&second, std::slice::from_ref(&row), &mut |_| {}),
                "the ledger has changed",
            );
            place.execute(&format!("UPDATE {table} SET {back}"));
        }
        writer
            .apply(&second, std::slice::from_ref(&row), &mut |_| {})
            .unwrap();
        assert_eq!(place.ledger(), ["1", "2"]);
    }
}

#[test]
fn a_file_that_lets_go_of_the_lock_is_followed_only_where_nobody_took_it() {
    let place = Place::postgres();
    let mut writer = locked(&place);
    let unlocks = migration(&place, "1", "SELECT pg_advisory_unlock_all();");
    let next = migration(&place, "2", "CREATE TABLE b (x int);");
    let row = writer.apply(&unlocks, &[], &mut |_| {}).unwrap().row;
    let mut other = place.writer();
    other.lock(Duration::ZERO, &mut |_| {}).unwrap();
    undone(
        writer.apply(&next, std::slice::from_ref(&row), &mut |_| {}),
        "let go of the deployment lock, and another session has it now",
    );
    drop(other);
    let holders = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
        WHERE locktype = 'advisory' AND datname = current_database()";
    until("the other session's end", || place.rows(holders) == ["0"]);
    writer.apply(&next, &[row], &mut |_| {}).unwrap();
    // It holds the lock again.
    let held = place.writer().lock(Duration::ZERO, &mut |_| {});
    assert!(held.unwrap_err().to_string().contains("held by"));
}

#[test]
fn a_negative_key_is_found_among_the_locks() {
    // The key comes of the database's oid, so that several databases have keys of either sign.
    for _ in 0..6 {
        let place = Place::postgres();
        let mut writer = locked(&place);
        let mut other = place.writer();
        let held = other.lock(Duration::ZERO, &mut |_| {});
        let error = held.unwrap_err().to_string();
        assert!(
            error.contains("held by test/test as lockstep (process "),
            "{error}"
        );
        let first = migration(&place, "1", "CREATE TABLE a (x int);");
        writer.apply(&first, &[], &mut |_| {}).unwrap();
    }
}

#[test]
fn a_session_that_the_server_ends_in_commit_is_followed() {
    // A deferred trigger keeps COMMIT busy, and the session is ended in it.
    let place = Place::postgres();
    let mut writer = locked(&place);
    let sql = "CREATE TABLE a (x int);\n\
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS \
            'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60); RETURN NULL; END';\n\
        CREATE CONSTRAINT TRIGGER t AFTER INSERT ON a DEFERRABLE INITIALLY DEFERRED \
            FOR EACH ROW EXECUTE FUNCTION f();\nINSERT INTO a VALUES (1);";
    undone(
        writer.apply(&migration(&place, "1", sql), &[], &mut |_| {}),
        "the connection was lost, and the server rolled it back",
    );
    assert_eq!(place.tables(), Vec::<String>::new());
}

#[test]
fn under_a_mark_that_was_changed_meanwhile_nothing_is_written_and_the_answer_is_open() {
    let place = Place::sqlite();
    place.mark("dev", false);
    let mut writer = locked(&place);
    writer.survey().unwrap();
    let first = migration(&place, "1", "CREATE TABLE a (x int);");
    let row = writer.apply(&first, &[], &mut |_| {}).unwrap().row;
    place.execute("UPDATE lockstep_environment SET protected = 1");
    let second = migration(&place, "2", "CREATE TABLE b (x int);");
    let ended = writer.apply(&second, std::slice::from_ref(&row), &mut |_| {});
    assert!(
        matches!(&ended, Err(ApplyError::Unknown(cause))
            if cause.message.contains("mark or ledger are not what they were")),
        "{ended:?}"
    );
    let schema = db_write::NewSchema {
        document: "{}".to_owned(),
        ledger_state: "x".to_owned(),
    };
    for ended in [
        writer.record_schema(&schema),
        writer.adopt(&[], &schema, None),
        writer.resolve("1", db_write::Resolution::Pending, "x"),
    ] {
        assert!(
            matches!(ended, Err(db_write::Error::MarkMoved { .. })),
            "{ended:?}"
        );
    }
    place.execute("UPDATE lockstep_environment SET protected = 0");
    assert_eq!(place.ledger(), ["1"]);
    assert_eq!(place.rows("SELECT count(*) FROM lockstep_schema"), ["0"]);
}
