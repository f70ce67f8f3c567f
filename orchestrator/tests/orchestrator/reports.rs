//! What is left of a run: record, evidence, JUnit.

use std::process::Command;

use crate::bench::{Bench, Running, foreign, ours, part};

#[test]
fn the_record_tells_the_run() {
    let bench = Bench::new();
    let done = bench.run(&format!(
        "{}{}{}",
        ours("verify-env", "result=pass"),
        ours("deploy-db", "result=partial,yes|exit=6"),
        foreign("", "nothing"),
    ));
    done.exited(6);
    let record = bench.record();
    assert_eq!(record["schema"], "lockstep-run/1");
    assert_eq!(record["state"], "failed");
    assert_eq!(
        (&record["exit_code"], &record["class"]),
        (&6.into(), &"partial".into())
    );
    assert_eq!(record["pipeline"]["sha256"].as_str().unwrap().len(), 64);
    let deploy = &record["steps"][1];
    assert_eq!(deploy["changed"], "yes");
    assert_eq!(
        deploy["attempts"][0]["exit"],
        serde_json::json!({"kind": "exited", "code": 6})
    );
    assert!(
        deploy["program"]
            .as_str()
            .unwrap()
            .ends_with("bin/deploy-db")
    );
    assert_eq!(record["steps"][2]["skipped"], "the run had ended");
    // The end of the chain is where nobody can rewrite it: in what CI logs.
    assert_eq!(record["evidence"]["lines"], 2);
    done.says(record["evidence"]["hash"].as_str().unwrap());
    let dir = bench.path(".lockstep/runs").canonicalize().unwrap();
    let dir = dir.join(record["run_id"].as_str().unwrap());
    done.says(&format!("\nevidence: {}\n", dir.display()));
    let ignored = std::fs::read_to_string(bench.path(".lockstep/.gitignore")).unwrap();
    assert_eq!(ignored, "*\n");
}

/// Parses JUnit with a real parser: the whole document as (tag, attributes, text) lines.
fn xml(bench: &Bench, name: &str) -> String {
    let script = "
import sys, xml.etree.ElementTree as E
def show(e, depth):
    print('  ' * depth + e.tag, dict(e.attrib), repr(e.text or ''))
    [show(c, depth + 1) for c in e]
show(E.parse(sys.argv[1]).getroot(), 0)";
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(bench.path(name))
        .output();
    let output = output.expect("python3 is needed to read XML independently");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn junit_shows_findings_steps_and_what_was_not_run() {
    let bench = Bench::new();
    bench.pipeline(&format!(
        "{}{}{}{}",
        ours("verify-env", "result=pass"),
        part(
            "step",
            "verify-migrations",
            "raw=60,38,27,255,0|result=fail,no,a <b> & \"c\"|exit=1",
            ""
        ),
        ours("deploy-db", "result=pass"),
        part(
            "finally",
            "other/foreign",
            "kill=9",
            "changes = \"nothing\""
        ),
    ));
    bench
        .finish(&mut bench.command(&["run", "p.toml", "--junit", "j.xml"]))
        .exited(1);
    let shown = xml(&bench, "j.xml");
    for expected in [
        "testsuites {'name': 'p', 'tests': '4', 'failures': '1', 'errors': '1', 'skipped': '1'",
        "'name': 'thing-present a'",
        "failure {'type': 'thing-present', 'message': 'a <b> & \"c\"'} 'a <b> & \"c\"'",
        "error {'type': 'signal', 'message': 'signal: ended by signal KILL'}",
        "skipped {'message': 'the run had ended'}",
        "system-out {} '<&?",
    ] {
        assert!(shown.contains(expected), "lacks {expected}: {shown}");
    }
}

#[test]
fn junit_of_a_run_that_did_not_begin_replaces_the_one_before() {
    let bench = Bench::new();
    let run = |steps: &str| {
        bench.pipeline(steps);
        bench.finish(&mut bench.command(&["run", "p.toml", "--junit", "j.xml"]));
        xml(&bench, "j.xml")
    };
    assert!(run(&ours("verify-env", "result=pass")).contains("'errors': '0'"));
    let missing = run("[[step]]\nrun = [\"no-such-program\"]\nchanges = \"nothing\"\n");
    assert!(
        missing.contains("'errors': '1'") && missing.contains("no-such-program"),
        "{missing}"
    );
    assert!(run("[[stop]]\n").contains("'errors': '1'"));
}

#[test]
fn junit_of_a_killed_run_says_that_it_has_no_end() {
    let bench = Bench::new();
    bench.pipeline(&ours("verify-env", "touch=up|sleep"));
    let mut running = Running::start(&mut bench.command(&["run", "p.toml", "--junit", "j.xml"]));
    bench.until("up");
    running.signal(rustix::process::Signal::KILL);
    running.child.wait().unwrap();
    let shown = xml(&bench, "j.xml");
    assert!(shown.contains("did not come to its end"), "{shown}");
}

#[test]
fn the_runs_own_result_goes_to_the_outer_evidence() {
    let bench = Bench::new();
    bench.pipeline(&ours("verify-env", "result=pass"));
    let mut command = bench.command(&["run", "p.toml"]);
    bench
        .finish(command.env("LOCKSTEP_EVIDENCE", bench.path("outer")))
        .exited(0);
    let outer = std::fs::read_to_string(bench.path("outer/evidence.jsonl")).unwrap();
    assert_eq!(outer.lines().count(), 1);
    let line: serde_json::Value = serde_json::from_str(&outer).unwrap();
    assert_eq!(line["tool"], "orchestrator");
    // It names the end of the run's own chain, and so seals it.
    assert_eq!(line["facts"]["evidence"], bench.record()["evidence"]);
}
