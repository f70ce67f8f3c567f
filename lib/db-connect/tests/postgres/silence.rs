//! Servers that say nothing.

use std::time::Duration;

use contract::{Class, Classify as _};
use db_connect::{ConnectError, Link, Options, StatementError, class_of, connect, is_unreachable};
use rustix::process::Signal;
use tests::postgres_server::Server;

use crate::{dial_within, pretend, target};

#[test]
fn a_listener_that_never_answers_is_given_up() {
    let mut held = Vec::new();
    let silent = pretend(move |stream| held.push(stream));
    for mode in ["disable", "allow", "prefer", "require", "verify-full"] {
        let url = format!("postgres://u:p@{silent}/d?sslmode={mode}");
        let error = dial_within(&url, Duration::from_millis(300)).unwrap_err();
        assert!(
            matches!(error, ConnectError::Deadline { .. }),
            "{mode}: {error:?}"
        );
        assert_eq!(error.class(), Class::Unavailable);
    }
}

#[test]
fn several_silent_hosts_share_the_time() {
    let mut held = Vec::new();
    let silent = pretend(move |stream| held.push(stream));
    let server = Server::shared();
    let text = format!(
        "host=127.0.0.1,127.0.0.1 port={},{} user=lockstep dbname=postgres password='p@ss:w/rd %41é'",
        silent.port(),
        server.port()
    );
    let link = dial_within(&text, Duration::from_secs(2)).unwrap();
    assert_eq!(link.endpoint, format!("127.0.0.1:{}", server.port()));
}

/// Long enough for a machine that is busy with other things.
const ANSWER: Duration = Duration::from_secs(2);

fn stop(link: &Link, signal: Signal) {
    let pid = rustix::process::Pid::from_raw(link.backend_pid.unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// The shared server by TCP and by its socket, both at once.
fn both_ways(check: impl Fn(&str) + Sync) {
    let server = Server::shared();
    let socket = format!(
        "host={} port={} user=lockstep dbname=postgres",
        server.dir().display(),
        server.port()
    );
    std::thread::scope(|scope| {
        for text in [server.url("postgres"), socket] {
            let check = &check;
            scope.spawn(move || check(&text));
        }
    });
}

#[test]
fn a_server_that_falls_silent_is_given_up() {
    both_ways(|text| {
        let options = Options {
            answer_timeout: Some(ANSWER),
            ..Options::new("test")
        };
        let mut link = connect(&target(text), &options).unwrap();
        // A pause between statements is nobody's silence, however long.
        std::thread::sleep(ANSWER + ANSWER / 4);
        link.client.batch_execute("SELECT 1").unwrap();
        std::thread::sleep(ANSWER / 2 + ANSWER / 8);
        link.client.query_one("SELECT 1", &[]).unwrap();
        // Nor is an answer that comes in pieces.
        let rows = link
            .client
            .simple_query("SELECT pg_sleep(0.5), repeat('x', 9000) FROM generate_series(1, 5)")
            .unwrap();
        assert_eq!(rows.len(), 5 + 2);
        link.set_answer_timeout(None);
        link.client.batch_execute("SELECT pg_sleep(2.5)").unwrap();
        link.set_answer_timeout(Some(ANSWER));
        stop(&link, Signal::STOP);
        let error = link.client.batch_execute("SELECT 1").unwrap_err();
        stop(&link, Signal::CONT);
        assert!(is_unreachable(&error), "{error:?}");
        assert_eq!(class_of(&error), Class::Unavailable);
    });
}

/// Runs `work`, which has to come to an end by itself.
fn ends<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(work()));
    receiver
        .recv_timeout(Duration::from_secs(60))
        .expect("it never came to an end")
}

#[test]
fn the_time_to_connect_is_no_part_of_the_silence_after_it() {
    both_ways(|text| {
        let options = Options {
            connect_timeout: Some(Duration::from_secs(3600)),
            answer_timeout: Some(ANSWER),
            ..Options::new("test")
        };
        let mut link = connect(&target(text), &options).unwrap();
        stop(&link, Signal::STOP);
        let (link, error) = ends(move || {
            let error = link.client.batch_execute("SELECT 1").unwrap_err();
            (link, error)
        });
        stop(&link, Signal::CONT);
        assert!(is_unreachable(&error), "{error:?}");
    });
}

#[test]
fn an_answer_without_end_is_given_up() {
    both_ways(|text| {
        let options = Options {
            answer_timeout: Some(Duration::from_secs(3600)),
            request_limit: Some(ANSWER),
            ..Options::new("test")
        };
        let mut link = connect(&target(text), &options).unwrap();
        // Each request has its own time.
        for _ in 0..3 {
            link.client.batch_execute("SELECT pg_sleep(0.8)").unwrap();
        }
        let error = ends(move || {
            link.client
                .batch_execute(
                    "DO $$ BEGIN LOOP RAISE NOTICE 'wait'; PERFORM pg_sleep(0.2); END LOOP; END $$",
                )
                .unwrap_err()
        });
        assert!(is_unreachable(&error), "{error:?}");
        let failure = contract::Failure::from(StatementError::new("wait", error));
        assert!(
            failure.line().contains("no end of the answer within 2 s"),
            "{failure:?}"
        );
    });
}

#[test]
fn a_session_is_over_when_its_link_is_dropped() {
    both_ways(|text| {
        let mut link = dial_within(text, Duration::from_secs(15)).unwrap();
        // A session that has much to clear away keeps its locks meanwhile.
        let many: Vec<String> = (0..400)
            .map(|number| format!("CREATE TEMP TABLE t{number} (x int)"))
            .collect();
        let pid = link.backend_pid.unwrap();
        link.client.batch_execute(&many.join("; ")).unwrap();
        link.client
            .batch_execute(&format!("SELECT pg_advisory_lock({pid})"))
            .unwrap();
        let mut other = Server::shared().connect("postgres");
        drop(link);
        let rows = other
            .query(&format!("SELECT pg_try_advisory_lock({pid}), pid FROM pg_stat_activity WHERE pid = {pid}"), &[])
            .unwrap();
        assert!(rows.is_empty(), "{rows:?}");
        let free = other.query_one(&format!("SELECT pg_try_advisory_lock({pid})"), &[]);
        assert!(free.unwrap().get::<_, bool>(0));
    });
}

#[test]
fn a_server_that_never_closes_is_not_waited_for() {
    let link = dial_within(&Server::shared().url("postgres"), Duration::from_secs(15)).unwrap();
    let pid = link.backend_pid.unwrap();
    stop(&link, Signal::STOP);
    // It would not come back if it waited for the process that stands still.
    drop(link);
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, Signal::CONT).unwrap();
}
