//! The contract as a process sees it: exit codes, streams, evidence.

#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

fn double(args: &[&str]) -> Command {
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    let mut command = Command::new(path.join("examples/ends"));
    command
        .args(args)
        .env_remove("GITHUB_ACTIONS")
        .env_remove("GITHUB_STEP_SUMMARY")
        .env_remove("LOCKSTEP_EVIDENCE");
    command
}

#[track_caller]
fn check(args: &[&str], code: i32, class: &str) -> Value {
    let human = double(args).output().unwrap();
    assert_eq!(human.status.code(), Some(code), "{human:?}");
    let mut json = vec!["--format", "json"];
    json.extend(args);
    let json = double(&json).output().unwrap();
    assert_eq!(
        json.status.code(),
        Some(code),
        "the format changed the code: {json:?}"
    );
    let value = document(&json);
    assert_eq!(value["exit_code"], code);
    assert_eq!(value["class"], class);
    value
}

#[track_caller]
fn document(output: &Output) -> Value {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "not one document: {text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_end_has_its_code_in_both_formats() {
    check(&["hold"], 0, "pass");
    check(&["warn"], 0, "pass");
    check(&["warn", "--strict"], 1, "fail");
    check(&["break"], 1, "fail");
    check(&["other"], 4, "unavailable");
    check(&["panic"], 3, "error");
    check(&["panic-on-a-thread"], 3, "error");
}

#[test]
fn misuse_is_one_document_too() {
    check(&["hold", "--nonsense"], 2, "usage");
    let missing = check(&[], 2, "usage");
    let message = missing["error"]["message"].as_str().unwrap();
    assert!(message.ends_with("not provided: <END>"), "{message}");
    let value = check(&["hold", "--colour"], 2, "usage");
    assert!(
        value["error"]["message"]
            .as_str()
            .unwrap()
            .contains("--colour")
    );
}

#[test]
fn after_a_change_began_nothing_claims_that_nothing_changed() {
    assert_eq!(
        check(&["panic-after-change"], 6, "partial")["changed"],
        "unknown"
    );
    assert_eq!(
        check(&["fail-after-change"], 6, "partial")["changed"],
        "unknown"
    );
    assert_eq!(check(&["change"], 0, "pass")["changed"], "yes");
    assert_eq!(check(&["change-oddly"], 0, "pass")["changed"], "yes");
    let strict = check(&["change-oddly", "--strict"], 6, "partial");
    assert_eq!(strict["changed"], "yes");
    assert_eq!(check(&["partial"], 6, "partial")["changed"], "unknown");
}

#[test]
fn the_log_has_the_account_of_every_end() {
    for (end, said) in [
        ("hold", "PASS end-as-told text"),
        ("panic-after-change", "contract: partial (exit 6)"),
        ("--nonsense", "contract: usage (exit 2)"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        std::fs::write(&log, "before\n").unwrap();
        double(&[end, "--log"]).arg(&log).output().unwrap();
        let text = std::fs::read_to_string(&log).unwrap();
        assert!(text.starts_with("before\n"), "{text}");
        assert!(text.contains(said), "{end}: {text}");
        let last = text.lines().last().unwrap();
        let value: Value = serde_json::from_str(last).unwrap();
        assert_eq!(value["schema"], "lockstep-result/1");
    }
}

#[test]
fn a_log_is_never_appended_to_data_and_its_loss_is_said() {
    let data = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(data.path(), b"SQLite format 3\0...").unwrap();
    let path = data.path().to_str().unwrap();
    check(&["hold", "--log", path], 2, "usage");
    assert_eq!(std::fs::read(data.path()).unwrap(), b"SQLite format 3\0...");
    let output = double(&["hold", "--log", "/dev/full"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.matches("cannot write the log /dev/full").count(), 1);
}

#[test]
fn an_argument_that_is_not_understood_is_not_obeyed_or_told() {
    let output = double(&["hold", "a", "--x\n::error::boo"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!stderr.contains("\n::error"), "{stderr}");
    for arg in ["postgres://u:hunter 22@h/db", "host=h passwd=hunter 22"] {
        let output = double(&["hold", "text", arg]).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        for text in [output.stdout, output.stderr] {
            let text = String::from_utf8(text).unwrap();
            assert!(!text.contains("22"), "{text}");
        }
    }
}

#[test]
fn a_mistyped_option_beside_a_text_is_a_misuse() {
    for args in [["--nonsense", "--man"], ["--log", "--list-checks"]] {
        assert_eq!(double(&args).status().unwrap().code(), Some(2), "{args:?}");
    }
}

#[test]
fn what_strict_fails_is_said_and_annotated() {
    let value = check(&["warn", "--strict"], 1, "fail");
    assert_eq!(
        value["summary"],
        "1 warned; 1 warning, which --strict makes failures"
    );
    let output = double(&["warn", "--strict"])
        .env("GITHUB_ACTIONS", "true")
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("::error title=contract end-as-told::"),
        "{stderr}"
    );
}

#[test]
fn a_closed_or_full_stdout_keeps_the_verdict() {
    for (end, code) in [("hold", 0), ("break", 1)] {
        for format in ["human", "json"] {
            let full = std::fs::OpenOptions::new()
                .write(true)
                .open("/dev/full")
                .unwrap();
            let status = double(&[end, "--format", format])
                .stdout(full)
                .status()
                .unwrap();
            assert_eq!(status.code(), Some(code));
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let status = double(&[end, "--format", format])
                .stdout(writer)
                .status()
                .unwrap();
            assert_eq!(status.code(), Some(code));
        }
    }
}

/// Fills a pipe to the brim.
fn fill(mut pipe: impl std::io::Write + std::os::fd::AsFd) {
    let size = rustix::pipe::fcntl_getpipe_size(&pipe).unwrap();
    pipe.write_all(&vec![b'x'; size]).unwrap();
}

#[track_caller]
fn ends_unread(command: &mut Command) -> Option<i32> {
    let mut child = command.spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if Instant::now() >= deadline {
            child.kill().unwrap();
            panic!("it waits for its reader");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_limited_patience_ends_with_the_verdict_whatever_is_not_read() {
    for format in ["human", "json"] {
        let (_reader, writer) = std::io::pipe().unwrap();
        fill(&writer);
        let mut command = double(&["hurried", "--format", format]);
        command
            .env("GITHUB_ACTIONS", "true")
            .stdout(writer.try_clone().unwrap())
            .stderr(writer);
        assert_eq!(ends_unread(&mut command), Some(1));
    }
    // Who does not read the one stream does not cost the reader of another his result.
    let (_reader, writer) = std::io::pipe().unwrap();
    fill(&writer);
    let (mut read, result) = std::io::pipe().unwrap();
    let mut command = double(&["hurried", "--format", "json"]);
    command
        .env("GITHUB_ACTIONS", "true")
        .stdout(result)
        .stderr(writer);
    assert_eq!(ends_unread(&mut command), Some(1));
    drop(command);
    let mut text = Vec::new();
    read.read_to_end(&mut text).unwrap();
    let value: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(value["exit_code"], 1);
}

#[test]
fn a_log_that_nobody_reads_does_not_keep_the_process_either() {
    let (_reader, writer) = std::io::pipe().unwrap();
    fill(&writer);
    // As a shell's `--log >(command)` has it.
    let mut command = double(&["hurried", "--log", "/dev/stdin"]);
    command
        .stdin(writer)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    assert_eq!(ends_unread(&mut command), Some(1));
}

#[test]
fn no_password_comes_out_wherever_it_goes_in() {
    for end in [
        "hold",
        "break",
        "panic",
        "panic-after-change",
        "other",
        "--nonsense",
    ] {
        for text in [
            "postgres://app:hunter22@db/x",
            "host=db password=hunter22",
            "say hunter22",
        ] {
            for format in ["human", "json"] {
                let dir = tempfile::tempdir().unwrap();
                let log = dir.path().join("log");
                let output = double(&["--format", format, end, text])
                    .env("PGPASSWORD", "hunter22")
                    .env("GITHUB_ACTIONS", "true")
                    .env("GITHUB_STEP_SUMMARY", dir.path().join("summary"))
                    .env("LOCKSTEP_EVIDENCE", dir.path().join("evidence"))
                    .env("RUST_BACKTRACE", "1")
                    .arg("--log")
                    .arg(&log)
                    .output()
                    .unwrap();
                let mut all = vec![output.stdout, output.stderr];
                for file in ["log", "summary", "evidence/evidence.jsonl"] {
                    all.extend(std::fs::read(dir.path().join(file)));
                }
                for text in all {
                    let text = String::from_utf8(text).unwrap();
                    assert!(!text.contains("hunter22"), "{end}: {text}");
                }
            }
        }
    }
}

#[test]
fn evidence_is_a_chain_that_a_shell_can_check() {
    let dir = tempfile::tempdir().unwrap();
    for end in [
        "hold",
        "break",
        "--nonsense",
        "other",
        "panic",
        "panic-after-change",
    ] {
        double(&[end])
            .env("LOCKSTEP_EVIDENCE", dir.path())
            .output()
            .unwrap();
    }
    let script = r#"
        prev=$(sed 's/.*"origin":"\([0-9a-f]*\)".*/\1/' HEAD)
        while IFS= read -r line; do
            case "$line" in "{\"prev\":\"$prev\","*) ;; *) exit 1 ;; esac
            prev=$(printf '%s' "$line" | sha256sum | cut -d ' ' -f 1)
        done < evidence.jsonl
        grep -q "\"hash\":\"$prev\"" HEAD"#;
    let status = Command::new("sh")
        .args(["-c", script])
        .current_dir(dir.path())
        .status()
        .unwrap();
    assert!(status.success());
    let (lines, head) = contract::evidence::read(dir.path()).unwrap();
    let classes: Vec<&str> = lines
        .iter()
        .map(|line| line.value["class"].as_str().unwrap())
        .collect();
    assert_eq!(
        classes,
        ["pass", "fail", "usage", "unavailable", "error", "partial"]
    );
    assert_eq!(head.lines, 6);
}

#[test]
fn evidence_that_can_not_be_written_stops_the_run_before_it_begins() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let output = double(&["change", "--format", "json"])
        .env("LOCKSTEP_EVIDENCE", file.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(document(&output)["changed"], "no");
}

#[test]
fn a_named_pipe_where_a_file_should_be_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = |name: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let made = Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        path
    };
    let log = pipe("log");
    let output = double(&["change", "--log"]).arg(&log).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    for name in ["chain/evidence.jsonl", "head/HEAD"] {
        let folder = pipe(name).parent().unwrap().to_owned();
        let output = double(&["change", "--evidence"])
            .arg(&folder)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(3), "{name}: {output:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("it is a named pipe"), "{stderr}");
        assert!(contract::evidence::read(&folder).is_err());
    }
    // Not one that a shell has opened.
    let mut command = double(&["hold", "--log", "/dev/stderr"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("PASS"));
}

#[test]
fn ten_writers_make_one_chain() {
    let dir = tempfile::tempdir().unwrap();
    let children: Vec<_> = (0..10)
        .map(|_| {
            double(&["hold"])
                .env("LOCKSTEP_EVIDENCE", dir.path())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(contract::evidence::read(dir.path()).unwrap().1.lines, 10);
}

#[test]
fn actions_get_nine_annotations_and_a_count_on_stderr_and_a_table() {
    let dir = tempfile::tempdir().unwrap();
    let summary = dir.path().join("summary");
    let output = double(&["break", "a|b\n::error::x", "--format", "json"])
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", &summary)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    document(&output);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let annotations: Vec<&str> = stderr
        .lines()
        .filter(|line| line.starts_with("::error "))
        .collect();
    assert_eq!(annotations.len(), 10);
    assert!(annotations[9].ends_with("::and 3 more failed findings"));
    let table = std::fs::read_to_string(&summary).unwrap();
    assert_eq!(
        table
            .lines()
            .filter(|line| line.starts_with("| fail "))
            .count(),
        12
    );
}

#[test]
fn checks_completions_and_the_manual_page_need_no_arguments() {
    let checks = double(&["--list-checks", "--format", "json"])
        .output()
        .unwrap();
    assert_eq!(document(&checks)[0]["id"], "end-as-told");
    for args in [
        &["--completions", "bash"][..],
        &["--man"],
        &["--list-checks"],
        &["--help"],
    ] {
        let output = double(args).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stdout.len() > 50, "{args:?}");
    }
}

#[test]
fn colour_follows_the_flag_then_the_variables() {
    let colored = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = double(args);
        for name in ["CLICOLOR_FORCE", "NO_COLOR", "TERM"] {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied());
        command.output().unwrap().stdout.contains(&0x1b)
    };
    assert!(!colored(&["hold"], &[]));
    assert!(colored(
        &["hold", "--color", "always"],
        &[("NO_COLOR", "1")]
    ));
    assert!(colored(
        &["hold"],
        &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]
    ));
    assert!(!colored(
        &["hold", "--color", "never"],
        &[("CLICOLOR_FORCE", "1")]
    ));
}
