//! A schema that was changed by hand, from the refusal to the deployment after it was accepted, and
//! a record that is renewed on a replay.

#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::path::Path;

use tests::answer::Answer;
use tests::application;
use tests::programs::program;

fn run(name: &str, dir: &Path, args: &[&str]) -> Answer {
    let mut command = program(name, dir);
    command
        .env("LOCKSTEP_ENV", "dev")
        .envs(application::VARIABLES)
        .args(args)
        .args(["--format", "json"]);
    Answer::of(&mut command)
}

/// The application with three migrations pending and an index that nobody's migration made.
fn drifted() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    application::make(dir.path(), &|name| program(name, dir.path()));
    execute(dir.path(), "CREATE TABLE by_hand (x INTEGER)");
    dir
}

fn execute(dir: &Path, sql: &str) {
    rusqlite::Connection::open(dir.join("app.db"))
        .unwrap()
        .execute_batch(sql)
        .unwrap();
}

/// The digest that a finding prints.
fn digest(ran: &Answer) -> String {
    let found = ran
        .findings()
        .find(|finding| finding["check"] == "schema-as-recorded" && finding["status"] == "fail");
    found.unwrap()["actual"].as_str().unwrap().to_owned()
}

#[test]
fn every_program_finds_one_digest_and_an_accepted_one_passes() {
    let dir = drifted();
    let found: Vec<String> = ["verify-schema", "verify-migrations", "deploy-db"]
        .iter()
        .map(|name| {
            let ran = run(name, dir.path(), &[]);
            ran.is(1, "no").says("mark-schema --accept");
            digest(&ran)
        })
        .collect();
    assert!(found.iter().all(|one| *one == found[0]), "{found:?}");
    // The line is the one that the finding asks for.
    let printed = run("verify-schema", dir.path(), &[]).stderr;
    let (_, entry) = printed.split_once("[[accept]]").unwrap();
    let path = dir.path().join("lockstep.toml");
    let settings = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{settings}\n[[accept]]{entry}")).unwrap();
    run("verify-schema", dir.path(), &[]).is(1, "no");
    run("mark-schema", dir.path(), &["--accept", &found[0]]).is(0, "yes");
    let ran = run("verify-schema", dir.path(), &[]);
    ran.is(0, "no");
    assert_eq!(ran.json["facts"]["accepted"], found[0].as_str());
    assert!(ran.found("warn").is_empty(), "{ran:?}");
    run("deploy-db", dir.path(), &[]).is(0, "yes");
    // The line stays, and is used.
    for name in ["verify-schema", "verify-migrations"] {
        let ran = run(name, dir.path(), &[]);
        ran.is(0, "no");
        assert!(ran.found("warn").is_empty(), "{ran:?}");
    }
}

#[test]
fn a_replay_renews_the_record() {
    let dir = drifted();
    let record =
        "UPDATE lockstep_schema SET document = replace(document, 'TEXT', 'text_as_printed_once')";
    execute(dir.path(), record);
    let evidence = ["--evidence", "evidence"];
    let replay = ["--replay", "--evidence", "evidence"];
    // What nobody's migration made is no part of the proof.
    run("verify-schema", dir.path(), &replay).is(1, "no");
    let renew = ["--renew", "--evidence", "evidence"];
    run("mark-schema", dir.path(), &renew)
        .is(1, "no")
        .says("the last verify-schema --replay ended in fail");
    execute(dir.path(), "DROP TABLE by_hand");
    run("verify-schema", dir.path(), &evidence).is(1, "no");
    run("mark-schema", dir.path(), &renew).is(1, "no");
    run("verify-schema", dir.path(), &replay).is(0, "no");
    run("mark-schema", dir.path(), &renew).is(0, "yes");
    run("verify-schema", dir.path(), &evidence).is(0, "no");
    run("deploy-db", dir.path(), &[]).is(0, "yes");
}
