//! Servers that say nothing.

use std::time::Duration;

use contract::{Class, Classify as _};
use db_connect::{ConnectError, Options, class_of, connect, is_unreachable};
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

#[test]
fn a_server_that_falls_silent_is_given_up() {
    let server = Server::shared();
    let socket = format!(
        "host={} port={} user=lockstep dbname=postgres",
        server.dir().display(),
        server.port()
    );
    for text in [server.url("postgres"), socket] {
        let options = Options {
            answer_timeout: Some(Duration::from_millis(200)),
            ..Options::new("test")
        };
        let mut link = connect(&target(&text), &options).unwrap();
        // A pause between statements is nobody's silence, however long.
        std::thread::sleep(Duration::from_millis(500));
        link.client.batch_execute("SELECT 1").unwrap();
        std::thread::sleep(Duration::from_millis(250));
        link.client.query_one("SELECT 1", &[]).unwrap();
        // Nor is an answer that comes in pieces.
        let rows = link
            .client
            .simple_query("SELECT pg_sleep(0.1), repeat('x', 9000) FROM generate_series(1, 6)")
            .unwrap();
        assert_eq!(rows.len(), 6 + 2);
        link.set_answer_timeout(None);
        link.client.batch_execute("SELECT pg_sleep(0.5)").unwrap();
        link.set_answer_timeout(Some(Duration::from_millis(200)));
        let pid = rustix::process::Pid::from_raw(link.backend_pid.unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
        let error = link.client.batch_execute("SELECT 1").unwrap_err();
        rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
        assert!(is_unreachable(&error), "{error:?}");
        assert_eq!(class_of(&error), Class::Unavailable);
    }
}
