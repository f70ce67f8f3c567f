//! A server that is older than the programs know is refused by every one that opens it.

#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::process::Output;

use tests::older::Older;
use tests::postgres_server::Server;
use tests::programs::{names, program};

/// What makes a program open the target; nothing for one that opens no database.
fn opening(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "backup-snapshot" | "deploy-db" | "record-schema" | "verify-connection"
        | "verify-guards" | "verify-migrations" | "verify-schema" => &[],
        "mark-db" => &["--environment", "dev"],
        "mark-migrations" => &["--applied-through", "0001"],
        "mark-schema" => &["--renew"],
        "orchestrator" | "verify-env" => return None,
        name => panic!("say here how {name} opens a database, or that it opens none"),
    })
}

fn run(url: &str) -> Vec<(String, Output)> {
    let dir = tempfile::tempdir().unwrap();
    let settings = "[environments.dev]\ndatabase = { env = \"DATABASE_URL\" }\nprotected = false\n\
                    [backup]\ndir = \"backups\"\n";
    std::fs::write(dir.path().join("lockstep.toml"), settings).unwrap();
    std::fs::create_dir(dir.path().join("migrations")).unwrap();
    std::fs::create_dir(dir.path().join("backups")).unwrap();
    let file = dir.path().join("migrations/0001_t.sql");
    std::fs::write(file, "CREATE TABLE t (a int);").unwrap();
    names()
        .into_iter()
        .filter_map(|name| {
            let output = program(&name, dir.path())
                .args(opening(&name)?)
                .env("DATABASE_URL", url)
                .env("LOCKSTEP_ENV", "dev")
                .output()
                .unwrap();
            Some((name, output))
        })
        .collect()
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

#[test]
fn every_program_refuses_a_server_before_13() {
    let server = Server::shared();
    let database = server.create_database();
    let url = format!("{}?sslmode=disable", server.url(&database));
    // With `cargo xtask test --major 12` the server is one; elsewhere it says that it is.
    let (before, least) = (Older::start("120022"), Older::start("130000"));
    let real = server.major() < 13;
    let old = if real { url.clone() } else { before.url(&url) };
    let all = run(&old);
    assert_eq!(all.len(), 10);
    for (name, output) in all {
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        assert!(
            said.contains("cannot work with the server at 127.0.0.1:"),
            "{name}: {said}"
        );
        assert!(said.contains(", and the least is 13"), "{name}: {said}");
        assert!(
            said.contains("upgrade the server to PostgreSQL 13 or newer"),
            "{name}: {said}"
        );
    }
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname IN ('public', 'lockstep')";
    let tables: i64 = server
        .connect(&database)
        .query_one(tables, &[])
        .unwrap()
        .get(0);
    assert_eq!(tables, 0);
    // The first version that is not refused, so that nothing else was.
    for (name, output) in run(&least.url(&url)) {
        let said = said(&output);
        assert!(!said.contains("the least is"), "{name}: {said}");
    }
}
