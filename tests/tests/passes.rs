//! What holds for every program that passes: the way it is read changes nothing about it.

#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tests::application;
use tests::programs::{names, program, root};

/// A passing end of every program in the demonstration's application. `copy` names another file for
/// what makes one, or is done to a database once.
fn passes(name: &str, copy: usize) -> Vec<String> {
    let args = match name {
        "record-schema" => format!("--output schema-{copy}.toml"),
        "mark-db" => format!("sqlite:made-{copy}.db --create --confirm sqlite:made-{copy}.db"),
        "mark-migrations" => format!("sqlite:made-{copy}.db --applied-through none"),
        // The record is of this very schema already.
        "mark-schema" => "--renew".to_owned(),
        "orchestrator" => format!("check {}", root().join("pipelines/demo.toml").display()),
        _ => String::new(),
    };
    args.split_whitespace().map(str::to_owned).collect()
}

fn in_application(name: &str, dir: &Path) -> Command {
    let mut command = program(name, dir);
    command
        .env("LOCKSTEP_ENV", "dev")
        .envs(application::VARIABLES);
    command
}

/// Makes what `mark-migrations` adopts: a marked database with a table that no ledger accounts for.
fn adoptable(dir: &Path, copy: usize) {
    application::succeed(in_application("mark-db", dir).args(passes("mark-db", copy)));
    rusqlite::Connection::open(dir.join(format!("made-{copy}.db")))
        .and_then(|made| made.execute_batch("CREATE TABLE draft (id INTEGER PRIMARY KEY)"))
        .unwrap();
}

#[test]
fn a_pass_is_a_pass_however_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    application::make(dir.path(), &|name| program(name, dir.path()));
    let names = names();
    let ways: [(&str, &[&str], &str); 5] = [
        ("as it is", &[], ""),
        ("in CI", &[], "CI"),
        ("in Actions", &[], "GITHUB_ACTIONS"),
        ("as JSON", &["--format", "json"], ""),
        ("strictly", &["--strict"], ""),
    ];
    let mut copy = 0;
    for name in &names {
        for (way, options, variable) in ways {
            copy += 1;
            // A target that is not the declared one is a warning, and so is a snapshot in /tmp.
            let warns = name.starts_with("mark-") || name == "backup-snapshot";
            if way == "strictly" && warns {
                continue;
            }
            if name == "mark-migrations" {
                adoptable(dir.path(), copy);
            }
            let mut command = in_application(name, dir.path());
            command.args(passes(name, copy)).args(options);
            if !variable.is_empty() {
                command.env(variable, "true");
            }
            let output = command.output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{name} {way}: {output:?}");
            if way == "as JSON" {
                let value: Value = serde_json::from_slice(&output.stdout).unwrap();
                assert_eq!(value["class"], "pass", "{name}: {value}");
                assert_eq!(value["counts"]["fail"], 0, "{name}: {value}");
            }
        }
    }
    // Nobody reads: the verdict stays.
    for name in &names {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let full = std::fs::File::options().write(true).open("/dev/full");
        for stdout in [Stdio::from(writer), Stdio::from(full.unwrap())] {
            copy += 1;
            if name == "mark-migrations" {
                adoptable(dir.path(), copy);
            }
            let status = in_application(name, dir.path())
                .args(passes(name, copy))
                .stdout(stdout)
                .status()
                .unwrap();
            assert_eq!(status.code(), Some(0), "{name} unread");
        }
    }
}

#[test]
fn strict_refuses_an_action_before_it_changes_anything() {
    let dir = tempfile::tempdir().unwrap();
    application::make(dir.path(), &|name| program(name, dir.path()));
    // The warning: another database than the declared one is named.
    adoptable(dir.path(), 1);
    let content = std::fs::read(dir.path().join("made-1.db")).unwrap();
    for (name, args) in [
        ("mark-db", passes("mark-db", 2)),
        ("mark-migrations", passes("mark-migrations", 1)),
        ("deploy-db", vec!["sqlite:made-1.db".to_owned()]),
        ("backup-snapshot", vec!["sqlite:made-1.db".to_owned()]),
    ] {
        let output = in_application(name, dir.path())
            .args(args)
            .args(["--strict", "--format", "json"])
            .output()
            .unwrap();
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}: {value}");
        assert_eq!(value["changed"], "no", "{name}: {value}");
    }
    assert!(!dir.path().join("made-2.db").exists());
    let now = std::fs::read(dir.path().join("made-1.db")).unwrap();
    assert!(now == content, "the file was changed");
}
