//! Pipelines that are shown and not shipped: the orchestrator's own example runs, and one that waits
//! for programs of later releases is understood.

#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::path::Path;

use tests::application::{self, in_production, migrations_applied};
use tests::programs::{self, program, root};

/// A program that the machine would have, which notes how it was called.
fn tool(dir: &Path, name: &str, script: &str) {
    let path = dir.join("tools").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let notes = "echo \"${0##*/} $*\" >>called";
    std::fs::write(&path, format!("#!/bin/sh\n{notes}\n{script}\n")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(path, mode).unwrap();
}

#[test]
fn the_orchestrators_example_runs_as_it_stands() {
    let example = programs::blocks("orchestrator/README.md", "toml").remove(0);
    // A service that starts, and one that does not.
    for (starts, code, called) in [
        (true, 0, "systemctl restart app\n"),
        (
            false,
            1,
            "systemctl restart app\nsystemctl stop app\n\
             mail -s start the new release: fail team@example.org\n",
        ),
    ] {
        let dir = tempfile::tempdir_in(programs::dir()).unwrap();
        let at = |name: &str| program(name, dir.path());
        application::make(dir.path(), &at);
        application::make_production(dir.path(), &at);
        let path = dir.path().join("release.toml");
        std::fs::write(&path, &example).unwrap();
        std::fs::create_dir(dir.path().join("build")).unwrap();
        let fails = if starts { "" } else { "[ $1 = stop ]" };
        tool(dir.path(), "systemctl", fails);
        tool(dir.path(), "mail", "");
        let tools = format!(
            "{}:{}",
            dir.path().join("tools").display(),
            std::env::var("PATH").unwrap()
        );
        let mut command = at("orchestrator");
        let output = in_production(command.arg("run").arg(&path))
            .env("PATH", tools)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let noted = std::fs::read_to_string(dir.path().join("called")).unwrap();
        assert_eq!(noted, called);
        assert_eq!(migrations_applied(dir.path()), 4);
        assert!(!dir.path().join("build").exists());
    }
}

#[test]
fn a_pipeline_that_freezes_and_restores_can_be_written_and_waits_for_its_programs() {
    let dir = tempfile::tempdir().unwrap();
    let sample = root().join("tests/samples/frozen.toml");
    let output = program("orchestrator", dir.path())
        .args(["check", "--format", "json"])
        .arg(sample)
        .output()
        .unwrap();
    // Everything in it is understood; what is missing are the programs of later releases.
    assert_eq!(output.status.code(), Some(127), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    for missing in ["freeze-db", "thaw-db", "restore-snapshot"] {
        assert!(said.contains(missing), "{said}");
    }
}
