//! What a refusal means.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use contract::{Class, Classify as _, Failure};
use db_connect::{ConnectError, StatementError, class_of};
use tests::pgbouncer::Pgbouncer;
use tests::postgres_server::{PASSWORD, PASSWORD_ENCODED, Server, USER, free_port};

use crate::{dial, dial_within, pretend};

#[track_caller]
fn check(result: Result<db_connect::Link, ConnectError>, class: Class, says: &str) {
    let error = result.unwrap_err();
    let debug = format!("{error:?}");
    let found = error.class();
    let failure = Failure::from(error);
    let line = failure.line();
    assert!(line.contains(says), "{line}");
    assert_eq!(found, class, "{line}");
    assert!(failure.remedy.is_some(), "{line}");
    for secret in [PASSWORD, PASSWORD_ENCODED] {
        assert!(!line.contains(secret) && !debug.contains(secret), "{line}");
    }
}

#[test]
fn a_login_that_is_refused_is_an_answer() {
    let server = Server::shared();
    let database = server.create_database();
    server
        .connect("postgres")
        .batch_execute(&format!(
            "CREATE ROLE closed LOGIN PASSWORD 'x'; CREATE ROLE nologin PASSWORD 'x'; \
             REVOKE CONNECT ON DATABASE {database} FROM PUBLIC"
        ))
        .unwrap();
    let shut = server.create_database();
    server
        .connect("postgres")
        .batch_execute(&format!("ALTER DATABASE {shut} ALLOW_CONNECTIONS false"))
        .unwrap();
    for (url, says) in [
        (
            server.url_as(USER, "wrong%20one", &database),
            "SQLSTATE 28P01",
        ),
        (server.url_as("nobody", "x", &database), "SQLSTATE 28P01"),
        (server.url_as("nologin", "x", &database), "SQLSTATE 28000"),
        (server.url_as("closed", "x", &database), "SQLSTATE 42501"),
        (server.url("absent"), "SQLSTATE 3D000"),
        (server.url(&shut), "SQLSTATE 55000"),
        (
            format!("postgres://{USER}@127.0.0.1:{}/{database}", server.port()),
            "the target has none",
        ),
    ] {
        check(dial(&url), Class::Fail, says);
    }
}

#[test]
fn the_password_may_hold_anything() {
    let server = Server::shared();
    // The fixture's own has every character that a URL escapes; this one is for key=value form.
    server
        .connect("postgres")
        .batch_execute(r"CREATE ROLE quoted LOGIN PASSWORD E'it''s \\ =?#[]'")
        .unwrap();
    let text = format!(
        r"host=127.0.0.1 port={} user=quoted dbname=postgres password='it\'s \\ =?#[]'",
        server.port()
    );
    dial(&text).unwrap();
}

#[test]
fn nobody_there_is_unavailable() {
    let url = format!("postgres://u:p@127.0.0.1:{}/d", free_port());
    check(dial(&url), Class::Unavailable, "cannot reach 127.0.0.1");
    let url = "postgres://u:p@no-such-host.invalid/d";
    check(
        dial(url),
        Class::Unavailable,
        "cannot look up the host name no-such-host.invalid",
    );
    let dir = tempfile::tempdir().unwrap();
    let text = format!("host={} user=u dbname=d", dir.path().display());
    check(dial(&text), Class::Unavailable, "cannot reach ");
}

#[test]
fn what_is_not_postgresql_is_an_error() {
    let http = pretend(|mut stream| {
        let _ = stream.read(&mut [0; 512]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    for mode in ["disable", "prefer", "require"] {
        let url = format!("postgres://u:p@{http}/d?sslmode={mode}");
        check(dial(&url), Class::Error, "cannot talk to 127.0.0.1");
    }
}

#[test]
fn one_that_hangs_up_is_unavailable() {
    let rude = pretend(|mut stream| {
        let _ = stream.read(&mut [0; 512]);
    });
    for mode in ["disable", "prefer", "require"] {
        let url = format!("postgres://u:p@{rude}/d?sslmode={mode}");
        check(dial(&url), Class::Unavailable, "the connection was lost");
    }
}

#[test]
fn a_server_that_is_starting_is_unavailable() {
    let starting = pretend(|mut stream| {
        let mut request = [0; 8];
        stream.read_exact(&mut request).unwrap();
        if request[4..] == [0x04, 0xd2, 0x16, 0x2f] {
            stream.write_all(b"N").unwrap();
            let _ = stream.read(&mut [0; 512]);
        }
        let fields = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0";
        let length = u32::try_from(fields.len() + 4).unwrap();
        stream.write_all(b"E").unwrap();
        stream.write_all(&length.to_be_bytes()).unwrap();
        stream.write_all(fields).unwrap();
        // Read to the end, lest closing resets what was just sent.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    for mode in ["disable", "prefer"] {
        let url = format!("postgres://u:p@{starting}/d?sslmode={mode}");
        check(
            dial_within(&url, Duration::from_secs(5)),
            Class::Unavailable,
            "the database system is starting up (SQLSTATE 57P03)",
        );
    }
}

#[test]
fn too_many_connections_are_unavailable() {
    let server = Server::start(&[
        ("max_connections", "3"),
        ("superuser_reserved_connections", "1"),
        ("max_wal_senders", "0"),
    ]);
    server
        .connect("postgres")
        .batch_execute("CREATE ROLE app LOGIN PASSWORD 'app'")
        .unwrap();
    let url = server.url_as("app", "app", "postgres");
    let mut held = Vec::new();
    let error = loop {
        match dial(&url) {
            Ok(link) => held.push(link),
            Err(error) => break error,
        }
        assert!(held.len() < 10);
    };
    check(Err(error), Class::Unavailable, "SQLSTATE 53300");
}

#[test]
fn the_class_of_a_statements_error_is_its_meaning() {
    let server = Server::shared();
    let database = server.create_database();
    let mut owner = server.connect(&database);
    owner
        .batch_execute(
            "CREATE TABLE t (x int); CREATE TABLE u (x int); CREATE ROLE reader LOGIN PASSWORD 'x'",
        )
        .unwrap();
    owner.batch_execute("BEGIN; LOCK TABLE t").unwrap();
    let mut link = dial(&server.url_as("reader", "x", &database)).unwrap();
    let mut superuser = dial(&server.url(&database)).unwrap();
    for (reads, sql, class) in [
        (true, "TABLE u", Class::Fail),
        (false, "SET lock_timeout = 1; TABLE t", Class::Busy),
        (
            false,
            "SET statement_timeout = 1; SELECT pg_sleep(600)",
            Class::Unavailable,
        ),
        (false, "SELEC", Class::Error),
        (
            false,
            "SELECT pg_terminate_backend(pg_backend_pid())",
            Class::Unavailable,
        ),
        // And once it is gone.
        (false, "SELECT 1", Class::Unavailable),
    ] {
        let client = if reads {
            &mut link.client
        } else {
            &mut superuser.client
        };
        let error = client.batch_execute(sql).unwrap_err();
        assert_eq!(class_of(&error), class, "{sql}: {error:?}");
        let error = StatementError::new("read the table", error);
        let line = Failure::from(error).line();
        assert!(line.starts_with("cannot read the table: "), "{line}");
    }
}

#[test]
fn a_poolers_refusals_mean_what_the_servers_do() {
    let server = Server::shared();
    let pgbouncer = Pgbouncer::start(server, &[("query_wait_timeout", "1")]);
    let url = pgbouncer.url("postgres");
    for (url, says) in [
        (pgbouncer.url("absent"), "does not exist"),
        (url.replace(PASSWORD_ENCODED, "wrong"), "authentication"),
        (url.replace(USER, "nobody"), "authentication"),
    ] {
        check(dial(&url), Class::Fail, says);
    }
    // Its only connection is taken.
    let mut holder = dial(&url).unwrap();
    holder.client.batch_execute("BEGIN").unwrap();
    check(dial(&url), Class::Unavailable, "query_wait_timeout");
    let full = Pgbouncer::start(server, &[("max_client_conn", "1")]);
    let _holder = dial(&full.url("postgres")).unwrap();
    let refused = dial(&full.url("postgres"));
    check(refused, Class::Unavailable, "no more connections allowed");
}

#[test]
fn a_pooler_whose_server_is_gone_is_unavailable() {
    let server = Server::start(&[]);
    let pgbouncer = Pgbouncer::start(&server, &[("query_wait_timeout", "5")]);
    server.stop("immediate");
    check(dial(&pgbouncer.url("postgres")), Class::Unavailable, "");
}
