//! The program as it is run, against real files and servers.

#![allow(
    clippy::unwrap_used,
    reason = "a fixture that cannot be had fails its test"
)]

use std::io::Read as _;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tests::certificates::{Authority, Wish};
use tests::own_tables::{Engine, Mark};
use tests::pgbouncer::Pgbouncer;
use tests::postgres_server::{PASSWORD, PASSWORD_ENCODED, Server, free_port};

/// A folder from which the program is run with no variables but those named.
struct Place {
    dir: tempfile::TempDir,
}

struct Ran {
    code: i32,
    result: Value,
    stderr: String,
}

impl Place {
    fn new() -> Place {
        Place {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// A folder with `app.db`, made by these statements.
    fn with(sql: &str) -> Place {
        let place = Place::new();
        let connection = rusqlite::Connection::open(place.dir.path().join("app.db")).unwrap();
        connection.execute_batch(sql).unwrap();
        connection.close().unwrap();
        place
    }

    fn command(&self, args: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_verify-connection"));
        command
            .args(args)
            .env_clear()
            .envs(variables.iter().copied())
            .current_dir(self.dir.path());
        command
    }

    /// Runs it in both formats, with a log and an evidence chain, and looks for the password in
    /// everything that comes out.
    #[track_caller]
    fn run(&self, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        let mut json = vec!["--format", "json", "--log", "log", "--evidence", "evidence"];
        json.extend(args);
        let json = self.command(&json, variables).output().unwrap();
        let human = self.command(args, variables).output().unwrap();
        assert_eq!(human.status.code(), json.status.code(), "{human:?}");
        let file = |name: &str| std::fs::read_to_string(self.dir.path().join(name)).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let all = [
            text(&json.stdout),
            text(&json.stderr),
            text(&human.stdout),
            text(&human.stderr),
            file("log"),
            file("evidence/evidence.jsonl"),
        ];
        for text in &all {
            for secret in [PASSWORD, PASSWORD_ENCODED, "p@ss", "p%40ss", "pass:w"] {
                assert!(!text.contains(secret), "{text}");
            }
        }
        Ran {
            code: json.status.code().unwrap(),
            result: serde_json::from_str(&all[0]).unwrap(),
            stderr: text(&json.stderr),
        }
    }

    #[track_caller]
    fn check(&self, args: &[&str], variables: &[(&str, &str)], code: i32) -> Value {
        let ran = self.run(args, variables);
        assert_eq!(ran.code, code, "{}\n{}", ran.result, ran.stderr);
        ran.result
    }
}

/// A finding's status, by check.
fn status<'a>(result: &'a Value, check: &str) -> &'a str {
    let findings = result["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["check"] == check);
    finding.map_or("", |finding| finding["status"].as_str().unwrap())
}

#[test]
fn a_file_answers_without_any_configuration() {
    let place = Place::with("CREATE TABLE t (x); INSERT INTO t VALUES (1), (2)");
    for (args, variables) in [
        (&["sqlite:app.db"][..], &[][..]),
        (&[], &[("DATABASE_URL", "sqlite:app.db")]),
    ] {
        let result = place.check(args, variables, 0);
        let facts = &result["facts"];
        assert_eq!(facts["engine"], "sqlite");
        assert_eq!(facts["tables"], 1);
        assert_eq!(facts["rows_approximate"], 2);
        assert_eq!(facts["journal_mode"], "delete");
        assert_eq!(result["target"]["path"], "app.db");
        assert_eq!(result["changed"], "no");
    }
    place.check(&[], &[], 2);
}

#[test]
fn a_file_that_is_not_what_it_should_be_is_an_answer() {
    let place = Place::with("CREATE TABLE t (x)");
    std::fs::write(place.dir.path().join("text.db"), "no database ".repeat(99)).unwrap();
    for target in ["sqlite:absent.db", "sqlite:text.db", "sqlite:."] {
        let result = place.check(&[target], &[], 1);
        assert_eq!(status(&result, "database-answers"), "fail", "{target}");
    }
    assert!(!place.dir.path().join("absent.db").exists());
}

#[test]
fn demands_on_a_file_come_from_the_command_line_and_the_settings() {
    let place = Place::with("CREATE TABLE t (x)");
    let target = "sqlite:app.db";
    place.check(&[target, "--min-version", "3.51.3"], &[], 0);
    let result = place.check(&[target, "--min-version", "4"], &[], 1);
    assert_eq!(status(&result, "version-sufficient"), "fail");
    place.check(&[target, "--min-version", "new"], &[], 2);
    place.check(&[target, "--timeout", "0s"], &[], 2);
    place.check(&[target, "--require-primary", "--require-replica"], &[], 2);
    // Tables without rows: neither.
    for expect in ["data", "empty"] {
        let result = place.check(&[target, "--expect", expect], &[], 1);
        assert_eq!(status(&result, "content-expected"), "fail");
    }
    std::fs::write(
        place.dir.path().join("lockstep.toml"),
        "[connection]\nmin_version = \"4\"\n",
    )
    .unwrap();
    let result = place.check(&[target], &[], 1);
    assert_eq!(status(&result, "version-sufficient"), "fail");
}

#[test]
fn lockstep_s_own_tables_are_neither_data_nor_tables() {
    let place = Place::with(
        "CREATE TABLE lockstep_migrations (x); INSERT INTO lockstep_migrations VALUES (1)",
    );
    let target = "sqlite:app.db";
    place.check(&[target, "--expect", "empty"], &[], 0);
    place.check(&[target, "--expect", "data"], &[], 1);
    // What only looks like theirs is somebody's data.
    let place =
        Place::with("CREATE TABLE lockstep_orders (x); INSERT INTO lockstep_orders VALUES (1)");
    place.check(&[target, "--expect", "data"], &[], 0);
    // A full-text index has its rows in itself, and tables of its own where it has none.
    let index = "CREATE VIRTUAL TABLE notes USING fts5 (body);";
    let place = Place::with(index);
    place.check(&[target, "--expect", "data"], &[], 1);
    place.check(&[target, "--expect", "empty"], &[], 1);
    let place = Place::with(&format!("{index} INSERT INTO notes VALUES ('a')"));
    place.check(&[target, "--expect", "data"], &[], 0);
    let unknown = "CREATE TABLE t (x); PRAGMA writable_schema = ON; \
        UPDATE sqlite_schema SET sql = 'CREATE VIRTUAL TABLE t USING nobody', rootpage = 0";
    place.check(&[target, "--expect", "data"], &[], 0);
    let place = Place::with(unknown);
    place.check(&[target, "--expect", "data"], &[], 3);
    let server = Server::shared();
    let database = server.create_database();
    server
        .connect(&database)
        .batch_execute("CREATE TABLE users (x int); INSERT INTO users VALUES (1)")
        .unwrap();
    let toml = "[migrations]\nledger = \"public\"\n";
    std::fs::write(place.dir.path().join("lockstep.toml"), toml).unwrap();
    let url = [("DATABASE_URL", server.url(&database))];
    let url = [(url[0].0, url[0].1.as_str())];
    place.check(&["--expect", "data"], &url, 0);
    place.check(&["--expect", "empty"], &url, 1);
    let place = Place::with("CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    place.check(&[target, "--expect", "empty"], &[], 1);
    place.check(&[target, "--expect", "data"], &[], 0);
}

#[test]
fn damage_is_found_where_it_is_looked_for() {
    let place = Place::with(
        "CREATE TABLE t (x); CREATE INDEX i ON t (x); WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL \
         SELECT i + 1 FROM c WHERE i < 2000) INSERT INTO t SELECT printf('%0100d', i) FROM c",
    );
    let target = "sqlite:app.db";
    let result = place.check(&[target, "--quick-check"], &[], 0);
    assert_eq!(status(&result, "file-sound"), "pass");
    let path = place.dir.path().join("app.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let page = 4096 * 20;
    bytes[page..page + 4096].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let result = place.check(&[target, "--quick-check"], &[], 1);
    let found = [
        status(&result, "file-sound"),
        status(&result, "database-answers"),
    ];
    assert!(found.contains(&"fail"), "{result}");
}

#[test]
fn a_locked_file_is_busy() {
    let place = Place::with("CREATE TABLE t (x)");
    let holder = rusqlite::Connection::open(place.dir.path().join("app.db")).unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    place.check(&["sqlite:app.db", "--timeout", "100ms"], &[], 5);
}

#[test]
fn a_server_answers_with_what_it_is() {
    let server = Server::shared();
    let database = server.create_database();
    server
        .connect(&database)
        .batch_execute(
            "CREATE TABLE a (x int); INSERT INTO a SELECT generate_series(1, 500); \
             CREATE TABLE p (x int) PARTITION BY LIST (x); \
             CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); INSERT INTO p VALUES (1); \
             CREATE SCHEMA lockstep; CREATE TABLE lockstep.migrations (x int); ANALYZE",
        )
        .unwrap();
    let place = Place::new();
    let url = server.url(&database);
    let variables = [("DATABASE_URL", url.as_str())];
    let result = place.check(
        &[
            "--min-version",
            "10",
            "--require-primary",
            "--expect",
            "data",
        ],
        &variables,
        0,
    );
    let facts = &result["facts"];
    assert_eq!(facts["engine"], "postgres");
    assert_eq!(facts["server_role"], "primary");
    assert_eq!(facts["pooled"], false);
    assert_eq!(facts["role"], "lockstep");
    assert_eq!(facts["tables"], 2);
    assert_eq!(facts["rows_approximate"], 501);
    assert_eq!(facts["largest_tables"][0]["name"], "public.a");
    assert_eq!(facts["largest_tables"][0]["rows_approximate"], 500);
    assert_eq!(facts["tls"], Value::Null);
    assert!(facts["round_trip_us"].as_u64().unwrap() > 0);
    for args in [
        &["--require-tls"][..],
        &["--require-replica"],
        &["--min-version", "99"],
        &["--expect", "empty"],
    ] {
        place.check(args, &variables, 1);
    }
    let empty = server.url(&server.create_database());
    let variables = [("DATABASE_URL", empty.as_str())];
    place.check(&["--expect", "empty"], &variables, 0);
    place.check(&["--expect", "data"], &variables, 1);
}

#[test]
fn rows_that_the_role_cannot_see_are_not_taken_for_none() {
    let server = Server::shared();
    let database = server.create_database();
    server
        .connect(&database)
        .batch_execute(
            "CREATE TABLE hidden (x int); INSERT INTO hidden VALUES (1); \
             CREATE ROLE outsider LOGIN PASSWORD 'outsider'",
        )
        .unwrap();
    let url = server.url_as("outsider", "outsider", &database);
    let variables = [("DATABASE_URL", url.as_str())];
    let place = Place::new();
    place.check(&["--expect", "data"], &variables, 3);
    server
        .connect(&database)
        .batch_execute(
            "GRANT SELECT ON hidden TO outsider; ALTER TABLE hidden ENABLE ROW LEVEL SECURITY",
        )
        .unwrap();
    place.check(&["--expect", "data"], &variables, 3);
    place.check(&["--expect", "empty"], &variables, 1);
}

#[test]
fn a_pooler_is_said_to_be_one() {
    let server = Server::shared();
    let pgbouncer = Pgbouncer::start(server, &[]);
    let url = pgbouncer.url(&server.create_database());
    let result = Place::new().check(&[], &[("DATABASE_URL", &url)], 0);
    assert_eq!(result["facts"]["pooled"], true);
    let wrong = pgbouncer.url("postgres").replace(PASSWORD_ENCODED, "wrong");
    for url in [
        pgbouncer.url("absent"),
        wrong,
        pgbouncer.url("postgres").replace("lockstep", "nobody"),
    ] {
        let result = Place::new().check(&["--timeout", "5s"], &[("DATABASE_URL", &url)], 1);
        assert_eq!(status(&result, "database-answers"), "fail");
    }
}

#[test]
fn a_pooler_without_its_server_is_unavailable() {
    let server = Server::start(&[]);
    let pgbouncer = Pgbouncer::start(&server, &[("query_wait_timeout", "1")]);
    server.stop("immediate");
    let url = pgbouncer.url("postgres");
    Place::new().check(&["--timeout", "10s"], &[("DATABASE_URL", &url)], 4);
}

#[test]
fn refusals_are_answers_and_silence_is_not() {
    let server = Server::shared();
    let place = Place::new();
    for url in [
        server.url("absent"),
        server.url_as("nobody", PASSWORD_ENCODED, "postgres"),
        format!("{}?sslmode=require", server.url("postgres")),
        format!("{}?target_session_attrs=standby", server.url("postgres")),
    ] {
        let result = place.check(&[], &[("DATABASE_URL", &url)], 1);
        assert_eq!(status(&result, "database-answers"), "fail", "{url}");
    }
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    for (port, timeout) in [(port, "200ms"), (free_port(), "5s")] {
        let url = format!("postgres://u:{PASSWORD_ENCODED}@127.0.0.1:{port}/d");
        place.check(&["--timeout", timeout], &[("DATABASE_URL", &url)], 4);
    }
    // A password where the whole result could show it.
    let url = format!("postgres://u:{PASSWORD_ENCODED}@[broken/d");
    place.check(&[], &[("DATABASE_URL", &url)], 2);
}

#[test]
fn waiting_ends_when_the_server_is_up() {
    let server = Server::start(&[]);
    server.stop("fast");
    let url = server.url("postgres");
    let place = Place::new();
    let mut waiting = place
        .command(&["--wait", "60s"], &[("DATABASE_URL", &url)])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // It says that it waits before the server is started.
    let mut said = [0; 1];
    waiting
        .stderr
        .as_mut()
        .unwrap()
        .read_exact(&mut said)
        .unwrap();
    server.boot();
    assert_eq!(end(waiting), (Some(0), true));
    // What is not unavailable is not waited for, and what stays unavailable stays so.
    place.check(
        &["--wait", "1h"],
        &[("DATABASE_URL", &server.url("absent"))],
        1,
    );
    let nobody = format!("postgres://u@127.0.0.1:{}/d", free_port());
    let ran = place.run(&["--wait", "300ms"], &[("DATABASE_URL", &nobody)]);
    assert_eq!(ran.code, 4);
    assert!(ran.stderr.contains("trying again"), "{}", ran.stderr);
}

#[test]
fn a_wait_that_is_ended_is_answered_for_and_an_ignored_signal_ends_none() {
    let server = Server::start(&[]);
    server.stop("fast");
    let url = server.url("postgres");
    let place = Place::new();
    let waits = |command: &mut Command| {
        let mut child = command
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = [0; 1];
        child
            .stderr
            .as_mut()
            .unwrap()
            .read_exact(&mut said)
            .unwrap();
        child
    };
    let hang_up = |child: &Child| {
        let pid = rustix::process::Pid::from_child(child);
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    };
    let mut command = place.command(&["--wait", "1h"], &[("DATABASE_URL", &url)]);
    let heard = waits(&mut command);
    let deaf = waits(&mut tests::programs::ignoring("HUP", &command));
    hang_up(&heard);
    hang_up(&deaf);
    let output = heard.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("cannot go on: ended by signal HUP"), "{text}");
    server.boot();
    assert_eq!(end(deaf), (Some(0), true));
}

fn end(mut child: Child) -> (Option<i32>, bool) {
    let mut rest = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut rest)
        .unwrap();
    (child.wait().unwrap().code(), rest.contains("trying again"))
}

#[test]
fn tls_is_reported_and_the_systems_authorities_are_those_of_the_environment() {
    let authority = Authority::new("Test authority");
    let issued = authority.issue("server", &Wish::default());
    let server = Server::start(&[]);
    let file = |from: &std::path::Path, name: &str| {
        let to = server.dir().join(name);
        std::fs::copy(from, &to).unwrap();
        server.adopt_key(&to);
        to.display().to_string()
    };
    let (cert, key) = (file(&issued.cert, "crt"), file(&issued.key, "key"));
    let mut client = server.connect("postgres");
    for sql in [
        format!("ALTER SYSTEM SET ssl_cert_file = '{cert}'"),
        format!("ALTER SYSTEM SET ssl_key_file = '{key}'"),
        "ALTER SYSTEM SET ssl = on".to_owned(),
    ] {
        client.batch_execute(&sql).unwrap();
    }
    drop(client);
    server.stop("fast");
    server.boot();
    let url = format!(
        "{}?sslmode=verify-full&sslrootcert=system",
        server.url("postgres")
    );
    let place = Place::new();
    let root = authority.root().display().to_string();
    let result = place.check(
        &["--require-tls"],
        &[("DATABASE_URL", &url), ("SSL_CERT_FILE", &root)],
        0,
    );
    assert_eq!(result["facts"]["tls"], "TLSv1.3");
    assert_eq!(result["facts"]["tls_cipher"], "TLS_AES_256_GCM_SHA384");
    assert_eq!(status(&result, "connection-encrypted"), "pass");
    let elsewhere = Authority::new("Somebody else");
    let root = elsewhere.root().display().to_string();
    place.check(&[], &[("DATABASE_URL", &url), ("SSL_CERT_FILE", &root)], 1);
}

/// The mark of production, as it was written elsewhere.
const COPIED: Mark<'_> = Mark {
    environment: "production",
    protected: true,
    uuid: "11111111-2222-4333-8444-555555555555",
    endpoint: "/srv/app.db",
    system_identifier: None,
    database_oid: Some("1"),
};

#[test]
fn a_copy_does_not_have_its_originals_identity() {
    let place = Place::with(&Engine::Sqlite.mark(&COPIED));
    let result = place.check(&["sqlite:app.db"], &[], 0);
    let identity = result["target"]["identity"].as_str().unwrap();
    assert!(
        identity.starts_with(&format!("{} copied-or-moved /", COPIED.uuid)),
        "{identity}"
    );
    let server = Server::shared();
    let database = server.create_database();
    let mut owner = server.connect(&database);
    owner
        .batch_execute(&Engine::Postgres.mark(&COPIED))
        .unwrap();
    let url = server.url(&database);
    let variables = [("DATABASE_URL", url.as_str())];
    let result = place.check(&[], &variables, 0);
    let identity = result["target"]["identity"].as_str().unwrap();
    assert!(
        identity.contains(" copied-or-moved localhost:"),
        "{identity}"
    );
    owner
        .batch_execute(&format!(
            "UPDATE lockstep.environment SET endpoint = 'localhost:{}', database_oid = \
             (SELECT oid FROM pg_database WHERE datname = current_database())",
            server.port()
        ))
        .unwrap();
    let result = place.check(&[], &variables, 0);
    assert_eq!(result["target"]["identity"], COPIED.uuid);
}

#[test]
fn a_role_that_may_not_read_the_mark_still_gets_its_verdict() {
    let server = Server::shared();
    let database = server.create_database();
    server
        .connect(&database)
        .batch_execute(&format!(
            "{}; CREATE ROLE monitor LOGIN PASSWORD 'monitor'",
            Engine::Postgres.mark(&COPIED)
        ))
        .unwrap();
    let url = server.url_as("monitor", "monitor", &database);
    let place = Place::new();
    let result = place.check(&["--require-primary"], &[("DATABASE_URL", &url)], 0);
    assert_eq!(status(&result, "database-answers"), "pass");
    assert_eq!(status(&result, "server-role"), "pass");
    assert_eq!(status(&result, "mark-readable"), "warn");
    assert_eq!(result["target"].get("identity"), None);
    assert_eq!(result["facts"]["tables"], 0);
}
