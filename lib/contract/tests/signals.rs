//! Signals from outside, as whoever sends them sees it.

#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// The signals that end a process by default and that others, or limits, send: signal(7).
const NAMED: [&str; 11] = [
    "HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "ALRM", "VTALRM", "PROF", "IO", "XCPU",
];

fn double(before: &str, args: &[&str]) -> Command {
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    let mut command = Command::new("bash");
    command
        .args(["-c", &format!("{before} exec \"$0\" \"$@\"")])
        .arg(path.join("examples/ends"))
        .args(args)
        .args(["--format", "json"])
        .env_remove("GITHUB_ACTIONS")
        .env_remove("LOCKSTEP_EVIDENCE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A debugger's or a job's ignored signals are not this test's.
        .process_group(0);
    command
}

/// Whether a process hears a signal, by what Linux says of it.
fn hears(pid: u32, number: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask & (1 << (number - 1)) != 0)
}

/// Starts the double and waits until it has come so far that it says `working`, and hears `number`.
fn started(command: &mut Command, word: &str, number: i32) -> Child {
    let mut child = command.spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while line.trim() != word {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ended");
    }
    while !hears(child.id(), number) {
        std::thread::yield_now();
    }
    child.stderr = Some(stderr.into_inner());
    child
}

fn number(name: &str) -> i32 {
    let output = Command::new("bash")
        .args(["-c", "kill -l \"$0\"", name])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().parse().unwrap()
}

fn send(child: &Child, signal: &str) {
    let status = Command::new("bash")
        .args(["-c", "kill -s \"$0\" \"$1\"", signal])
        .arg(child.id().to_string())
        .status();
    assert!(status.unwrap().success());
}

#[track_caller]
fn check(child: Child, code: i32, class: &str) -> Value {
    let output: Output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), None, "{output:?}");
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "not one document: {text}");
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["exit_code"], code);
    assert_eq!(value["class"], class);
    value
}

#[test]
fn each_signal_that_ends_from_outside_is_answered_for() {
    let dir = tempfile::tempdir().unwrap();
    for name in NAMED {
        let mut command = double("", &["wait"]);
        command.env("LOCKSTEP_EVIDENCE", dir.path());
        let child = started(&mut command, "working", number(name));
        send(&child, name);
        let value = check(child, 3, "error");
        let message = value["error"]["message"].as_str().unwrap();
        assert_eq!(message, format!("cannot go on: ended by signal {name}"));
        assert_eq!(value["environment"], "dev");
        assert_eq!(value["changed"], "no");
    }
    let (lines, _) = contract::evidence::read(dir.path()).unwrap();
    assert_eq!(lines.len(), NAMED.len());
}

#[test]
fn an_end_after_a_change_began_is_partial() {
    let child = started(&mut double("", &["wait-after-change"]), "working", 15);
    send(&child, "TERM");
    assert_eq!(check(child, 6, "partial")["changed"], "unknown");
}

#[test]
fn one_that_was_ignored_from_the_start_stays_so() {
    for name in NAMED {
        let other = if name == "USR2" { "TERM" } else { "USR2" };
        let mut command = double(&format!("trap '' {name};"), &["wait"]);
        let child = started(&mut command, "working", number(other));
        assert!(!hears(child.id(), number(name)), "{name}");
        send(&child, name);
        send(&child, other);
        let value = check(child, 3, "error");
        let message = value["error"]["message"].as_str().unwrap();
        assert!(message.ends_with(&format!("signal {other}")), "{message}");
    }
}

#[test]
fn who_takes_signals_over_answers_alone_and_hears_the_real_time_ones_too() {
    for name in NAMED
        .into_iter()
        .chain(["RTMIN+3", "RTMAX", "PWR", "STKFLT"])
    {
        let mut command = double("", &["wait-and-answer"]);
        let child = started(&mut command, "waiting", number(name));
        send(&child, name);
        assert_eq!(
            check(child, 1, "fail")["error"]["message"],
            "cannot wait any longer"
        );
    }
}

#[test]
fn the_limit_on_cpu_time_is_a_signal_too() {
    let child = double("ulimit -S -t 1;", &["work"]).spawn().unwrap();
    let value = check(child, 3, "error");
    let remedy = value["error"]["remedy"].as_str().unwrap();
    assert!(remedy.contains("ulimit -t"), "{remedy}");
}

#[test]
fn a_file_that_reaches_its_limit_is_a_write_that_failed() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    // A block is 1,024 bytes.
    let mut command = double("ulimit -f 1;", &["break", "a long text, twelve times"]);
    let output = command.arg("--log").arg(&log).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("cannot write the log"), "{stderr}");
    assert_eq!(std::fs::metadata(&log).unwrap().len(), 1024);
    let mut command = double("ulimit -f 1;", &["break", "a long text, twelve times"]);
    let output = command.arg("--evidence").arg(dir.path().join("e")).output();
    // The answer was no already.
    assert_eq!(output.unwrap().status.code(), Some(1));
    let (lines, _) = contract::evidence::read(&dir.path().join("e")).unwrap();
    assert!(lines.is_empty());
}
