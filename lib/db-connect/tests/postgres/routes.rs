//! The server itself, or something before it.

use db_connect::Route;
use tests::pgbouncer::Pgbouncer;
use tests::postgres_server::Server;

use crate::{cancel_asleep, dial};

fn socket(server: &Server) -> String {
    format!(
        "host={} port={} user=lockstep dbname=postgres",
        server.dir().display(),
        server.port()
    )
}

#[test]
fn the_server_itself_is_known_over_tcp_and_over_its_socket() {
    let server = Server::shared();
    for text in [server.url("postgres"), socket(server)] {
        let mut link = dial(&text).unwrap();
        assert_eq!(link.route, Route::Direct);
        let row = link
            .client
            .query_one(
                "SELECT pg_backend_pid(), current_setting('application_name')",
                &[],
            )
            .unwrap();
        assert_eq!(link.backend_pid, Some(row.get(0)));
        assert_eq!(row.get::<_, String>(1), "test");
        assert_eq!(link.tls, None);
        assert!(!link.in_recovery);
    }
}

#[test]
fn a_pooler_is_told_from_the_server() {
    let server = Server::shared();
    let pgbouncer = Pgbouncer::start(server, &[]);
    let link = dial(&pgbouncer.url("postgres")).unwrap();
    assert!(matches!(link.route, Route::Pooler { .. }), "{}", link.route);
}

#[test]
fn the_kind_of_server_can_be_demanded() {
    let server = Server::shared();
    let with = |attrs| {
        dial(&format!(
            "{}?target_session_attrs={attrs}",
            server.url("postgres")
        ))
    };
    for attrs in ["any", "read-write", "primary", "prefer-standby"] {
        with(attrs).unwrap();
    }
    for attrs in ["read-only", "standby"] {
        let error = with(attrs).unwrap_err();
        assert!(
            matches!(error, db_connect::ConnectError::SessionAttrs { .. }),
            "{attrs}: {error}"
        );
    }
}

#[test]
fn of_several_hosts_the_first_that_answers_serves() {
    let server = Server::shared();
    let closed = tests::postgres_server::free_port();
    let text = format!(
        "host=127.0.0.1,127.0.0.1 port={closed},{} user=lockstep dbname=postgres password='p@ss:w/rd %41é'",
        server.port()
    );
    let link = dial(&text).unwrap();
    assert_eq!(link.endpoint, format!("127.0.0.1:{}", server.port()));
}

#[test]
fn a_running_statement_is_canceled_from_another_thread() {
    let server = Server::shared();
    for text in [server.url("postgres"), socket(server)] {
        let mut link = dial(&text).unwrap();
        let canceling = cancel_asleep(
            server.connect("postgres"),
            link.backend_pid.unwrap(),
            link.cancel_handle(),
        );
        let error = link
            .client
            .batch_execute("SELECT pg_sleep(600)")
            .unwrap_err();
        assert_eq!(error.code().unwrap().code(), "57014");
        canceling.join().unwrap();
    }
}
