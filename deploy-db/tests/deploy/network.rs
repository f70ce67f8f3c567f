//! PostgreSQL: connections that break, at the moments that matter.

use std::time::Duration;

use db_write::{ApplyError, Options, Stop};
use tests::postgres_server::Server;
use tests::proxy::{COMMIT, Cut, Proxy};

use crate::place::{Place, until};
use tests::answer::Answer;

/// What is done through a proxy here.
trait Through {
    fn deploy(&self, place: &Place) -> Answer;
    fn writer(&self, place: &Place) -> Box<dyn db_write::Writer>;
}

impl Through for Proxy {
    fn deploy(&self, place: &Place) -> Answer {
        let url = self.url(&place.url);
        place.deploy_with(&[], &[("DATABASE_URL", &url)])
    }

    /// A session of the library's own through it, with little patience.
    fn writer(&self, place: &Place) -> Box<dyn db_write::Writer> {
        let target = settings::Target::parse(&self.url(&place.url), std::path::Path::new(""));
        let options = Options {
            tool: "test",
            run_id: "test".to_owned(),
            actor: "test".to_owned(),
            ledger: records::LedgerName::default(),
            schema: None,
            lock_timeout: Duration::from_secs(5),
            patience: Duration::from_millis(300),
            sqlite: settings::file::SqliteSettings::default(),
            stop: Stop::default(),
            terms: None,
        };
        db_write::open(&target.unwrap().0, options).unwrap()
    }
}

fn place_of_three() -> Place {
    let place = Place::postgres();
    place
        .file("1_a.sql", "CREATE TABLE a (x int);")
        .file("2_b.sql", "CREATE TABLE b (x int);")
        .file("3_c.sql", "CREATE TABLE c (x int);");
    place
}

#[track_caller]
fn nobody_is_left(place: &Place) {
    // A session ends a moment after its client.
    until("the end of every session", || {
        place.rows(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name LIKE 'deploy-db%'",
        ) == ["0"]
    });
}

#[test]
fn a_commit_that_never_arrived_is_not_applied() {
    let place = place_of_three();
    let proxy = Proxy::start(COMMIT, 0, Cut::Before, false);
    let ran = proxy.deploy(&place);
    ran.is(4, "no")
        .says("the connection was lost in COMMIT, and the ledger shows that it was not committed");
    assert_eq!(proxy.cuts(), 1);
    assert_eq!(place.tables(), Vec::<String>::new());
    nobody_is_left(&place);
    proxy.deploy(&place).is(0, "yes");
}

#[test]
fn a_commit_whose_answer_was_lost_is_applied_and_the_run_ends_there() {
    let place = place_of_three();
    let proxy = Proxy::start(COMMIT, 1, Cut::AfterAnswer, false);
    let ran = proxy.deploy(&place);
    ran.is(6, "yes")
        .says("applied are 1_a.sql to 2_b.sql, not applied is 3_c.sql")
        .says("the connection was lost in the file before it, and the deployment lock with it");
    assert_eq!(place.ledger(), ["1", "2"]);
    assert_eq!(
        ran.json["facts"]["not_deployed"],
        serde_json::json!(["3_c.sql"])
    );
    nobody_is_left(&place);
    proxy.deploy(&place).is(0, "yes");
    assert_eq!(place.ledger(), ["1", "2", "3"]);
}

#[test]
fn the_last_commit_whose_answer_was_lost_is_a_success() {
    for cut in [Cut::AfterAnswer, Cut::After] {
        let place = place_of_three();
        let proxy = Proxy::start(COMMIT, 2, cut, false);
        let ran = proxy.deploy(&place);
        // Closed at once, the server may read the end of the connection or the message first.
        if cut == Cut::After && ran.code == Some(6) {
            ran.is(6, "yes").says("not applied is 3_c.sql");
            assert_eq!(place.ledger(), ["1", "2"]);
            continue;
        }
        ran.is(0, "yes");
        assert_eq!(ran.found("warn"), Vec::<String>::new());
        assert_eq!(place.ledger(), ["1", "2", "3"]);
        assert_eq!(
            ran.json["facts"]["ledger_state"].as_str().unwrap(),
            place.rows("SELECT ledger_state FROM lockstep.schema")[0]
        );
    }
}

#[test]
fn a_commit_into_a_server_that_is_gone_can_not_be_told() {
    for cut in [Cut::Before, Cut::AfterAnswer] {
        let place = place_of_three();
        let proxy = Proxy::start(COMMIT, 0, cut, true);
        let set = migrations::discover(
            &place.path("migrations"),
            None,
            migrations::Dialect::Postgres,
        );
        let mut writer = proxy.writer(&place);
        writer.lock(Duration::ZERO, &mut |_| {}).unwrap();
        let ended = writer.apply(&set.unwrap().migrations[0], &[], &mut |_| {});
        assert!(proxy.is_dead());
        assert!(
            matches!(&ended, Err(ApplyError::Unknown(cause))
                if cause.message.contains("what was committed can't be read")),
            "{ended:?}"
        );
    }
}

#[test]
fn a_connection_lost_in_a_file_is_rolled_back_before_the_answer() {
    let place = place_of_three();
    place.file(
        "2_b.sql",
        "CREATE TABLE b (x int);\nSELECT 'long', pg_sleep(60);",
    );
    let proxy = Proxy::start(b"'long'", 0, Cut::After, false);
    let ran = proxy.deploy(&place);
    ran.is(6, "yes").says("the server rolled it back");
    nobody_is_left(&place);
    assert_eq!(place.ledger(), ["1"]);
    assert_eq!(place.rows("SELECT to_regclass('b') IS NULL"), ["t"]);
}

#[test]
fn a_connection_lost_before_commit_to_a_server_that_is_gone_is_not_committed() {
    let place = place_of_three();
    let proxy = Proxy::start(b"CREATE TABLE a", 0, Cut::Before, true);
    let set = migrations::discover(
        &place.path("migrations"),
        None,
        migrations::Dialect::Postgres,
    );
    let mut writer = proxy.writer(&place);
    writer.lock(Duration::ZERO, &mut |_| {}).unwrap();
    let ended = writer.apply(&set.unwrap().migrations[0], &[], &mut |_| {});
    assert!(
        matches!(&ended, Err(ApplyError::Undone(cause))
            if cause.class == contract::Class::Unavailable
            && cause.message.contains("not asked to commit")),
        "{ended:?}"
    );
}

#[test]
fn a_connection_lost_outside_a_transaction_leaves_a_dirty_row() {
    let place = place_of_three();
    place.file(
        "2_b.sql",
        "-- lockstep: no-transaction\nCREATE TABLE b (x int);\nSELECT 'long', pg_sleep(60);\n",
    );
    let proxy = Proxy::start(b"'long'", 0, Cut::After, false);
    let ran = proxy.deploy(&place);
    ran.is(6, "yes").says("mark-migrations --resolve 2");
    assert_eq!(ran.line(), Some(3));
    assert_eq!(place.ledger(), ["1", "2!"]);
    nobody_is_left(&place);
}

#[test]
fn a_started_row_that_never_arrived_is_no_dirty_row() {
    let place = place_of_three();
    place.file(
        "2_b.sql",
        "-- lockstep: no-transaction\nCREATE TABLE b (x int);\n",
    );
    let proxy = Proxy::start(COMMIT, 1, Cut::Before, false);
    proxy.deploy(&place).is(6, "yes").says("not committed");
    assert_eq!(place.ledger(), ["1"]);
    let place = place_of_three();
    place.file(
        "2_b.sql",
        "-- lockstep: no-transaction\nCREATE TABLE b (x int);\n",
    );
    let proxy = Proxy::start(COMMIT, 1, Cut::AfterAnswer, false);
    proxy
        .deploy(&place)
        .is(6, "yes")
        .says("nothing of it ran")
        .says("--resolve 2");
    assert_eq!(place.ledger(), ["1", "2!"]);
    assert_eq!(place.rows("SELECT to_regclass('b') IS NULL"), ["t"]);
}

#[test]
fn a_server_that_dies_in_a_file_and_comes_back_has_rolled_back() {
    let server: &'static Server = Box::leak(Box::new(Server::start(&[])));
    let place = Place::on(server, server.create_database());
    place
        .file("1_a.sql", "CREATE TABLE a (x int);")
        .file("2_b.sql", "CREATE TABLE b (x int);\nSELECT pg_sleep(60);");
    let child = place.command().spawn().unwrap();
    until("the sleep", || {
        place.rows("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == ["1"]
    });
    server.stop("immediate");
    server.boot();
    let ran = Answer::from_child(child);
    ran.is(6, "yes").says("the server rolled it back");
    assert_eq!(place.ledger(), ["1"]);
    server.stop("immediate");
}

/// Words of the messages from the first one to the last before COMMIT, in their order.
const BEFORE_COMMIT: [&[u8]; 8] = [
    b"pg_settings",
    b"pg_try_advisory_lock($1)",
    b"CREATE SCHEMA",
    b"INSERT INTO \"lockstep\".\"environment\"",
    b"SELECT pg_catalog.txid_current()",
    b"CREATE TABLE a",
    b"SET CONSTRAINTS ALL IMMEDIATE",
    b"INSERT INTO \"lockstep\".\"migrations\"",
];

#[test]
fn a_server_lost_before_the_first_commit_gave_no_answer_and_nothing_was_changed() {
    for word in BEFORE_COMMIT {
        for cut in [Cut::Before, Cut::AfterAnswer, Cut::After] {
            let place = place_of_three();
            let before = place.state();
            let proxy = Proxy::start(word, 0, cut, false);
            let ran = proxy.deploy(&place);
            assert_eq!(proxy.cuts(), 1);
            let word = String::from_utf8_lossy(word);
            assert_eq!(
                (ran.code, &ran.json["changed"]),
                (Some(4), &"no".into()),
                "{word} {ran:#?}"
            );
            assert_eq!(place.state(), before, "{word}");
            nobody_is_left(&place);
            proxy.deploy(&place).is(0, "yes");
        }
    }
}

#[test]
fn a_session_that_is_ended_in_the_first_file_gave_no_answer() {
    let place = Place::postgres();
    place.file(
        "1_a.sql",
        "CREATE TABLE a (x int);\nSELECT 'long', pg_sleep(60);",
    );
    let before = place.state();
    let child = place.command().spawn().unwrap();
    let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
        WHERE wait_event = 'PgSleep' AND datname = current_database()";
    until("the end of the session", || place.rows(ended) == ["t"]);
    let ran = Answer::from_child(child);
    ran.is(4, "no")
        .says("terminating connection due to administrator command")
        .says("the server rolled it back");
    assert_eq!(place.state(), before);
    // Outside a transaction nobody knows what it did.
    let place = Place::postgres();
    place.file(
        "1_a.sql",
        "-- lockstep: no-transaction\nCREATE TABLE a (x int);\nSELECT 'long', pg_sleep(60);",
    );
    let child = place.command().spawn().unwrap();
    until("the end of the session", || place.rows(ended) == ["t"]);
    Answer::from_child(child)
        .is(6, "yes")
        .says("mark-migrations --resolve 1");
}

#[test]
fn a_server_that_stops_in_the_first_file_and_comes_back_has_rolled_back() {
    for mode in ["fast", "immediate"] {
        let server: &'static Server = Box::leak(Box::new(Server::start(&[])));
        let place = Place::on(server, server.create_database());
        place.file("1_a.sql", "CREATE TABLE a (x int);\nSELECT pg_sleep(60);");
        let before = place.state();
        let child = place.command().spawn().unwrap();
        until("the sleep", || {
            place.rows("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
                == ["1"]
        });
        server.stop(mode);
        server.boot();
        let ran = Answer::from_child(child);
        ran.is(4, "no").says("the server rolled it back");
        assert_eq!(place.state(), before);
        server.stop("immediate");
    }
}

#[test]
fn a_server_without_room_says_nothing_of_the_file() {
    for (code, told) in [
        ("53100", "make room where the server keeps its data"),
        ("53200", "give the server more memory"),
        ("58030", "its storage is at fault"),
    ] {
        let place = Place::postgres();
        place.file(
            "1_a.sql",
            format!("DO $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '{code}'; END $$;"),
        );
        let before = place.state();
        place.deploy().is(3, "no").says("no room").says(told);
        assert_eq!(place.state(), before);
    }
}

#[test]
fn a_server_without_a_place_for_one_more_is_unavailable() {
    let place = Place::postgres();
    place.file("1_a.sql", "CREATE TABLE a (x int);");
    let database = place.rows("SELECT current_database()").remove(0);
    place.execute(&format!(
        "CREATE ROLE too_many LOGIN PASSWORD 'secret'; ALTER DATABASE {database} CONNECTION LIMIT 0"
    ));
    let url = Server::shared().url_as("too_many", "secret", &database);
    place
        .deploy_with(&[], &[("DATABASE_URL", &url)])
        .is(4, "no")
        .says("too many connections");
}

#[test]
fn one_run_after_the_other_never_meets_the_lock_of_the_one_before() {
    let place = Place::postgres();
    place.file("1_a.sql", "CREATE TABLE a (x int);");
    place.deployed();
    for _ in 0..30 {
        place.deployed();
    }
}
