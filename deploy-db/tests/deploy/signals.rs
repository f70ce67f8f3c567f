//! SIGTERM and SIGINT, wherever they hit.

use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use tests::postgres_server::Server;

use crate::place::{Place, until};
use tests::answer::Answer;

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Sends the signal until the program has ended: one that came before the handlers would have
/// killed it, so the first is sent once it is known to be at work.
fn ended_by(child: Child, which: Signal) -> Answer {
    signal(&child, which);
    Answer::from_child(child)
}

/// SQL that runs for far longer than any test, and can be cancelled.
pub(crate) fn long(place: &Place) -> &'static str {
    if place.is_sqlite() {
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1e12) \
         SELECT count(*) FROM n;"
    } else {
        "SELECT pg_sleep(600);"
    }
}

/// Waits until the program is in the long statement.
pub(crate) fn until_long(place: &Place) {
    if place.is_sqlite() {
        // What the file did before it is in the journal.
        let journal = place.path("app.db-journal");
        until("the journal", || journal.exists());
    } else {
        until("the sleep", || {
            place.rows(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' \
                 AND datname = current_database()",
            ) == ["1"]
        });
    }
}

#[test]
fn a_long_statement_is_cancelled_and_rolled_back() {
    for place in Place::both() {
        place
            .file(
                "1_a.sql",
                format!("CREATE TABLE a (x int);\n{}", long(&place)),
            )
            .file("2_b.sql", "CREATE TABLE b (x int);");
        for which in [Signal::TERM, Signal::INT] {
            let child = place.command().spawn().unwrap();
            until_long(&place);
            let ran = ended_by(child, which);
            ran.is(1, "no").says("stopped by a signal");
            assert_eq!(place.tables(), Vec::<String>::new());
        }
        place.file("1_a.sql", "CREATE TABLE a (x int);");
        place.file(
            "2_b.sql",
            format!("CREATE TABLE b (x int);\n{}", long(&place)),
        );
        let child = place.command().spawn().unwrap();
        until("the first file", || {
            place.tables().iter().any(|table| {
                table.ends_with("lockstep_migrations") || table == "lockstep.migrations"
            })
        });
        until_long(&place);
        let ran = ended_by(child, Signal::TERM);
        ran.is(6, "yes").says("applied is 1_a.sql");
        assert_eq!(place.ledger(), ["1"]);
    }
}

#[test]
fn a_statement_outside_a_transaction_is_cancelled_and_its_row_is_dirty() {
    for place in Place::both() {
        place.file(
            "1_a.sql",
            format!(
                "-- lockstep: no-transaction\nCREATE TABLE a (x int);\n{}\n",
                long(&place)
            ),
        );
        let child = place.command().spawn().unwrap();
        if place.is_sqlite() {
            until("the table", || place.tables().contains(&"a".to_owned()));
        } else {
            until_long(&place);
        }
        let ran = ended_by(child, Signal::TERM);
        ran.is(6, "yes")
            .says("stopped by a signal")
            .says("--resolve 1");
        assert_eq!(place.ledger(), ["1!"]);
    }
}

#[test]
fn the_wait_for_the_lock_ends_at_once() {
    for place in Place::both() {
        place.file("1_a.sql", "CREATE TABLE a (x int);");
        let before = place.tables();
        let mut holder = place.writer();
        holder.lock(Duration::ZERO, &mut |_| {}).unwrap();
        let mut child = place
            .command()
            .args(["--wait-lock", "10m"])
            .spawn()
            .unwrap();
        let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut stderr, &mut line).unwrap();
        assert!(
            line.contains("waiting for the deployment lock, held by test"),
            "{line}"
        );
        signal(&child, Signal::TERM);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        drop(holder);
        assert_eq!(place.tables(), before);
    }
}

#[test]
fn a_signal_that_was_ignored_from_the_start_ends_nothing() {
    for place in Place::both() {
        place.file("1_a.sql", "CREATE TABLE a (x int);");
        let mut holder = place.writer();
        holder.lock(Duration::ZERO, &mut |_| {}).unwrap();
        let mut command = place.command();
        command.args(["--wait-lock", "10m"]);
        let mut child = tests::programs::ignoring("HUP", &command)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut stderr, &mut line).unwrap();
        assert!(line.contains("waiting for the deployment lock"), "{line}");
        signal(&child, Signal::HUP);
        drop(holder);
        assert!(child.wait().unwrap().success());
        assert_eq!(place.ledger(), ["1"]);
    }
}

#[test]
fn every_signal_that_ends_from_outside_ends_it_in_order() {
    for place in Place::both() {
        place.file(
            "1_a.sql",
            format!("CREATE TABLE a (x int);\n{}", long(&place)),
        );
        // A terminal that closes, and is quit; a program of one's own; a container's own choice.
        for which in [Signal::HUP, Signal::QUIT, Signal::USR1] {
            let child = place.command().spawn().unwrap();
            until_long(&place);
            ended_by(child, which)
                .is(1, "no")
                .says("stopped by a signal");
            assert_eq!(place.tables(), Vec::<String>::new());
        }
    }
}

#[test]
fn the_wait_for_a_table_ends_at_once() {
    let place = Place::postgres();
    place.file("1_a.sql", "CREATE TABLE a (x int);");
    place.deployed();
    place.file("2_b.sql", "ALTER TABLE a ADD y int;");
    let mut reader = place.connect_postgres();
    reader
        .batch_execute("BEGIN; LOCK a IN ACCESS SHARE MODE")
        .unwrap();
    let child = place.waiting("10m");
    ended_by(child, Signal::INT)
        .is(1, "no")
        .says("stopped by a signal");
    // The same where the file waits without a limit of its own.
    place.file("2_b.sql", "SET lock_timeout = 0;\nALTER TABLE a ADD y int;");
    let child = place.waiting("1ms");
    ended_by(child, Signal::INT).is(1, "no");
    assert_eq!(place.ledger(), ["1"]);
}

#[test]
fn the_wait_for_a_writer_ends_at_once() {
    let place = Place::sqlite();
    place.file("1_a.sql", "CREATE TABLE a (x int);");
    let writer = place.connect_sqlite();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let child = place
        .command()
        .args(["--lock-timeout", "10m"])
        .spawn()
        .unwrap();
    let lock = place.path("app.db.lockstep-lock");
    until("the lock", || {
        std::fs::read_to_string(&lock).is_ok_and(|text| text.contains("deploy-db"))
    });
    ended_by(child, Signal::TERM)
        .is(1, "no")
        .says("stopped by a signal");
    assert!(!lock.exists());
}

#[test]
fn between_files_and_anywhere_else_the_answer_is_true() {
    for place in Place::both() {
        let mut pending = 60;
        for number in 1..=pending {
            place.file(
                &format!("{number}_t.sql"),
                format!("CREATE TABLE t{number} (x int);"),
            );
        }
        let mut delay = Duration::from_millis(1);
        for round in 0..40 {
            let mut command = place.command();
            let child = command.spawn().unwrap();
            std::thread::sleep(delay);
            delay += Duration::from_millis(2);
            signal(
                &child,
                if round % 2 == 0 {
                    Signal::TERM
                } else {
                    Signal::INT
                },
            );
            let output = child.wait_with_output().unwrap();
            let tables = place.tables();
            let there = tables
                .iter()
                .filter(|name| name.trim_start_matches("public.").starts_with('t'));
            let left = 60 - there.count();
            let applied = pending - left;
            if tables.iter().any(|table| table.ends_with("migrations")) {
                assert_eq!(place.ledger().len(), 60 - left);
            }
            match output.status.code() {
                Some(0) => assert_eq!(left, 0),
                // Before it has a session, the contract answers.
                Some(1 | 3) => assert_eq!(applied, 0),
                Some(6) => assert!(applied > 0 && left > 0, "{applied} {left}"),
                // Before the handlers were there.
                None => assert_eq!(applied, 0),
                code => panic!("{code:?}: {}", String::from_utf8_lossy(&output.stderr)),
            }
            pending = left;
            if pending == 0 {
                break;
            }
        }
    }
}

#[test]
fn the_wait_for_a_silent_server_ends_at_once() {
    let place = Place::postgres();
    place.file("1_a.sql", "CREATE TABLE a (x int);");
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut command = place.command();
    command.env(
        "DATABASE_URL",
        format!("postgres://u@127.0.0.1:{port}/d?connect_timeout=600"),
    );
    let child = command.spawn().unwrap();
    let (_connection, _) = silent.accept().unwrap();
    ended_by(child, Signal::TERM)
        .is(1, "no")
        .says("cannot connect: stopped by a signal");
}

#[test]
fn the_wait_for_a_server_that_is_gone_ends_and_is_told() {
    let server: &'static Server = Box::leak(Box::new(Server::start(&[])));
    let place = Place::on(server, server.create_database());
    place
        .file("1_a.sql", "CREATE TABLE a (x int);")
        .file("2_b.sql", "CREATE TABLE b (x int);\nSELECT pg_sleep(60);");
    let mut child = place.command().spawn().unwrap();
    until_long(&place);
    server.stop("immediate");
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("the connection was lost; waiting up to 30 s for the server") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut stderr, &mut line).unwrap() > 0);
    }
    signal(&child, Signal::TERM);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(6));
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        stdout.contains("cannot wait for the server: stopped by a signal"),
        "{stdout}"
    );
}

#[test]
fn the_wait_for_the_records_ends_at_once_and_has_its_limit() {
    let place = Place::postgres();
    place.file("1_a.sql", "CREATE TABLE a (x int);");
    place.deployed();
    place.file("2_b.sql", "CREATE TABLE b (x int);");
    let mut holder = place.connect_postgres();
    holder
        .batch_execute("SET application_name = 'psql'; BEGIN; LOCK lockstep.migrations")
        .unwrap();
    let child = place.waiting("10m");
    ended_by(child, Signal::TERM)
        .is(1, "no")
        .says("cannot read the database's records: stopped by a signal");
    place
        .deploy_with(&["--lock-timeout", "400ms"], &[])
        .is(5, "no")
        .says("kept the database locked; blocked by psql as lockstep (process ");
    // No time at all is not for ever.
    place
        .deploy_with(&["--lock-timeout", "0s"], &[])
        .is(5, "no");
    holder.batch_execute("ROLLBACK").unwrap();
    place.deployed();
}

#[test]
fn the_wait_for_whoever_has_the_whole_file_ends_at_once() {
    let place = Place::sqlite();
    place.file("1_a.sql", "CREATE TABLE a (x int);");
    let holder = place.connect_sqlite();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let child = place
        .command()
        .args(["--lock-timeout", "10m"])
        .spawn()
        .unwrap();
    let open = format!("/proc/{}/fd", child.id());
    let database = std::fs::canonicalize(place.database()).unwrap();
    until("the open file", || {
        std::fs::read_dir(&open).is_ok_and(|descriptors| {
            descriptors
                .flatten()
                .any(|one| std::fs::read_link(one.path()).is_ok_and(|path| path == database))
        })
    });
    ended_by(child, Signal::TERM)
        .is(1, "no")
        .says("stopped by a signal");
    place
        .deploy_with(&["--lock-timeout", "50ms"], &[])
        .is(5, "no");
}
