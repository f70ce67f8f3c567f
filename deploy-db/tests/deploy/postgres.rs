//! PostgreSQL: what can't be deployed to.

use std::path::Path;
use std::process::Stdio;

use tests::pgbouncer::Pgbouncer;
use tests::postgres_server::{Server, free_port, own, server_command};

use crate::place::Place;

#[test]
fn a_pooler_is_refused_with_the_way_out_and_keeps_nothing() {
    let place = Place::postgres();
    place.file("1_a.sql", "CREATE TABLE a (x int);");
    let pooler = Pgbouncer::start(Server::shared(), &[]);
    let database = place.rows("SELECT current_database()").remove(0);
    let before = place.state();
    let ran = place.deploy_with(&[], &[("DATABASE_URL", &pooler.url(&database))]);
    ran.is(1, "no")
        .says("pooler")
        .says("give the direct URL of the server");
    assert_eq!(place.state(), before);
    assert_eq!(
        place.rows(
            "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
             WHERE locktype = 'advisory' AND datname = current_database()"
        ),
        ["0"]
    );
}

/// A standby of a server, stopped and removed when dropped or when this process ends.
struct Standby {
    warden: std::process::Child,
    port: u16,
}

impl Standby {
    fn of(server: &Server) -> Standby {
        let dir = tempfile::Builder::new()
            .prefix("lockstep-standby-")
            .tempdir()
            .unwrap()
            .keep();
        let port = free_port();
        let as_server = |program: &Path| {
            let mut command = server_command(program);
            command.stdin(Stdio::null()).stdout(Stdio::null());
            command
        };
        own(&dir);
        let data = dir.join("data");
        let copied = as_server(&server.bin().join("pg_basebackup"))
            .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync"])
            .args(["--username", tests::postgres_server::USER])
            .args(["--port", &server.port().to_string()])
            .arg("--host")
            .arg(server.dir())
            .arg("--pgdata")
            .arg(&data)
            .status()
            .unwrap();
        assert!(copied.success());
        let script = r#"trap '' INT TERM HUP
            "$1/pg_ctl" --pgdata "$2/data" --silent --wait --log "$2/log" \
                -o "-p $3 -c unix_socket_directories=$2" start && echo up >"$2/up"
            cat >/dev/null
            "$1/pg_ctl" --pgdata "$2/data" --silent --wait --mode immediate stop; rm -rf "$2""#;
        let warden = as_server(Path::new("/bin/sh"))
            .args(["-c", script, "warden"])
            .arg(server.bin())
            .arg(&dir)
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let standby = Standby { warden, port };
        crate::place::until("the standby", || dir.join("up").exists());
        standby
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        drop(self.warden.stdin.take());
        let _ = self.warden.wait();
    }
}

#[test]
fn a_replica_is_refused() {
    let server = Server::shared();
    let place = Place::postgres();
    place.file("1_a.sql", "CREATE TABLE a (x int);");
    let database = place.rows("SELECT current_database()").remove(0);
    let standby = Standby::of(server);
    let url = place
        .url
        .replace(&server.port().to_string(), &standby.port.to_string());
    let ran = place.deploy_with(&[], &[("DATABASE_URL", &url)]);
    ran.is(1, "no")
        .says(&format!("cannot change {database}: it is a replica"))
        .says("give the URL of the primary");
}

#[test]
fn a_server_that_is_not_there_is_unavailable() {
    let place = Place::postgres();
    place.file("1_a.sql", "CREATE TABLE a (x int);");
    let url = format!("postgres://u@127.0.0.1:{}/d", free_port());
    place
        .deploy_with(&[], &[("DATABASE_URL", &url)])
        .is(4, "no");
}
