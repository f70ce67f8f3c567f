//! Step output: live, logged, bounded in memory, whatever it is and whoever reads it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};

use crate::bench::{Bench, Running, foreign, lives, ours, part, until};

#[test]
fn output_comes_while_the_step_still_runs() {
    let bench = Bench::new();
    let mut running = bench.start(&ours("verify-env", "say=now|until=go|result=pass"));
    let mut lines = BufReader::new(running.child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "now"));
    bench.write("go", "");
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(running.child.wait().unwrap().success(), "{rest:?}");
}

#[test]
fn each_stream_stays_what_it_is_and_the_log_has_both() {
    let bench = Bench::new();
    let done = bench.run(&ours(
        "verify-env",
        "say=to stdout|err=to stderr|result=pass",
    ));
    done.exited(0);
    assert!(done.stdout.contains("to stdout\n") && !done.stdout.contains("to stderr"));
    assert!(done.stderr.contains("to stderr\n"));
    let log = String::from_utf8(bench.log("01-verify-env")).unwrap();
    assert!(log.contains("to stdout\n") && log.contains("to stderr\n"));
}

#[test]
fn a_partial_line_does_not_swallow_the_next_and_bytes_stay_bytes() {
    let bench = Bench::new();
    bench.pipeline(&foreign("raw=255,0,27,65", "nothing"));
    let output = bench.command(&["run", "p.toml"]).output().unwrap();
    let expected = b"\n\xff\0\x1bA\n  pass: exit 0";
    assert!(
        output
            .stdout
            .windows(expected.len())
            .any(|window| window == expected)
    );
    assert_eq!(bench.log("01-foreign"), b"\xff\0\x1bA");
}

#[test]
fn a_hundred_megabytes_pass_in_bounded_memory() {
    const BYTES: usize = 100 * 1024 * 1024;
    let bench = Bench::new();
    bench.pipeline(&foreign(&format!("flood={BYTES}"), "nothing"));
    let mut running = Running::start(&mut bench.command(&["run", "p.toml"]));
    let mut stdout = running.child.stdout.take().unwrap();
    let mut buffer = vec![0; 1 << 20];
    let (mut total, mut peak) = (0, 0);
    loop {
        let count = stdout.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        total += count;
        let status = format!("/proc/{}/status", running.child.id());
        let status = std::fs::read_to_string(status).unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = resident.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(kib.unwrap_or(0));
    }
    assert!(running.child.wait().unwrap().success());
    assert!(total > BYTES);
    assert!(peak < 64 * 1024, "{peak} KiB");
    assert_eq!(bench.log("01-foreign").len(), BYTES);
}

#[test]
fn a_reader_who_leaves_does_not_change_the_verdict() {
    let bench = Bench::new();
    bench.pipeline(&format!(
        "{}{}",
        foreign("flood=1048576", "nothing"),
        ours("verify-env", "touch=ran|result=fail|exit=1")
    ));
    let mut running = Running::start(&mut bench.command(&["run", "p.toml"]));
    drop(running.child.stdout.take());
    drop(running.child.stderr.take());
    assert_eq!(running.child.wait().unwrap().code(), Some(1));
    assert_eq!(bench.log("01-foreign").len(), 1_048_576);
    assert!(bench.path("ran").exists());
}

#[test]
fn a_full_disk_behind_stdout_does_not_change_the_verdict() {
    let bench = Bench::new();
    bench.pipeline(&ours("verify-env", "say=x|result=pass"));
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let status = bench
        .command(&["run", "p.toml"])
        .stdout(full)
        .stderr(Stdio::null())
        .status();
    assert_eq!(status.unwrap().code(), Some(0));
    assert_eq!(bench.log("01-verify-env"), b"x\n");
}

#[test]
fn a_log_that_can_not_be_written_ends_the_run_after_its_step() {
    let bench = Bench::new();
    bench.pipeline(&format!(
        "{}{}{}",
        foreign("flood=1048576|say=end of it", "nothing"),
        ours("verify-env", "touch=ran|result=pass"),
        part(
            "finally",
            "other/foreign",
            "touch=last|exit=7",
            "changes = \"nothing\""
        ),
    ));
    let mut command = std::process::Command::new("sh");
    // Files of 64 KiB at most, as if the disk were full then.
    command
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 128; exec bin/orchestrator run p.toml",
        ])
        .current_dir(bench.path("."))
        .env_remove("LOCKSTEP_ENV");
    let done = bench.finish(&mut command);
    done.exited(125)
        .says("end of it")
        .says("cannot write the log of foreign");
    assert!(bench.path("last").exists() && !bench.path("ran").exists());
}

#[test]
fn a_reader_who_stops_reading_holds_up_the_step_and_not_its_timeout() {
    let bench = Bench::new();
    bench.pipeline(&part(
        "step",
        "other/foreign",
        "note=pids|flood=10485760",
        "changes = \"nothing\"\ntimeout = \"300ms\"\ngrace = \"100ms\"",
    ));
    let started = Instant::now();
    let mut running = Running::start(&mut bench.command(&["run", "p.toml"]));
    // Nobody reads until the step is gone, nor for a good while after.
    bench.until_noted("pids");
    let step = bench.noted("pids")[0];
    until("the step has ended", || !lives(step));
    let step_ended = started.elapsed();
    std::thread::sleep(Duration::from_secs(2));
    let mut rest = Vec::new();
    running
        .child
        .stdout
        .take()
        .unwrap()
        .read_to_end(&mut rest)
        .unwrap();
    assert_eq!(running.child.wait().unwrap().code(), Some(124));
    let step = &bench.record()["steps"][0];
    for duration in [&step["duration_ms"], &step["attempts"][0]["duration_ms"]] {
        let duration = Duration::from_millis(duration.as_u64().unwrap());
        assert!(duration < step_ended + Duration::from_secs(1));
    }
}

/// A terminal that nobody looks at: its other side, and the side for a process.
fn terminal() -> (OwnedFd, OwnedFd) {
    use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};
    let other = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    unlockpt(&other).unwrap();
    let name = ptsname(&other, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let side = rustix::fs::open(name.as_c_str(), flags, Mode::empty()).unwrap();
    (other, side)
}

#[test]
fn a_terminal_that_takes_no_more_holds_up_neither_the_timeout_nor_the_end() {
    let bench = Bench::new();
    bench.pipeline(&part(
        "step",
        "other/foreign",
        "note=pids|flood=10485760",
        "changes = \"nothing\"\ntimeout = \"300ms\"\ngrace = \"100ms\"",
    ));
    let (_other, side) = terminal();
    let mut command = bench.command(&["run", "p.toml"]);
    command.stdout(side.try_clone().unwrap()).stderr(side);
    let child = command.spawn().unwrap();
    bench.until_noted("pids");
    let step = bench.noted("pids")[0];
    until("the step has ended", || !lives(step));
    let status = ends_after_a_signal(Running { child });
    assert_eq!(status.signal(), Some(15));
    assert_eq!(bench.record()["steps"][0]["exit_code"], 124);
}

#[test]
fn a_reader_who_pauses_misses_nothing() {
    const BYTES: usize = 100 * 1024;
    let bench = Bench::new();
    bench.pipeline(&foreign(&format!("note=pids|flood={BYTES}"), "nothing"));
    let mut running = Running::start(&mut bench.command(&["run", "p.toml"]));
    bench.until_noted("pids");
    let step = bench.noted("pids")[0];
    // The pipes on both sides and the buffer between them hold it all, so the step ends.
    until("the step has ended", || !lives(step));
    // Longer than the orchestrator would wait for a step's own pipes.
    std::thread::sleep(Duration::from_millis(1300));
    let mut output = String::new();
    running
        .child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut output)
        .unwrap();
    let whole = output
        .lines()
        .filter(|line| *line == "x".repeat(1023))
        .count();
    assert_eq!(whole, BYTES / 1024);
    assert!(running.child.wait().unwrap().success() && !output.contains("cut"));
}

/// How it ends after one SIGTERM, while nobody reads what it writes.
#[track_caller]
fn ends_after_a_signal(mut running: Running) -> ExitStatus {
    running.signal(rustix::process::Signal::TERM);
    let mut status = None;
    until("the run has ended", || {
        status = running.child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

#[test]
fn a_run_that_nobody_reads_can_be_ended() {
    let finally = part(
        "finally",
        "other/foreign",
        "flood=1048576|touch=last",
        "changes = \"nothing\"\ntimeout = \"1h\"",
    );
    let verify = foreign("note=pids|flood=10485760", "nothing");
    let deploy = ours("deploy-db", "note=pids|flood=10485760");
    for (step, signal, code) in [(verify, Some(15), 143), (deploy, None, 6)] {
        for format in ["human", "json"] {
            let bench = Bench::new();
            bench.pipeline(&format!("{step}{finally}"));
            let mut command = bench.command(&["run", "p.toml", "--format", format]);
            let running = Running::start(&mut command);
            bench.until_noted("pids");
            let status = ends_after_a_signal(running);
            assert_eq!(status.signal(), signal);
            assert_eq!(status.code(), signal.is_none().then_some(code));
            assert!(bench.path("last").exists());
            let record = bench.record();
            assert_eq!(record["state"], "interrupted");
            assert_eq!(record["exit_code"], code);
            let steps = record["steps"].as_array().unwrap();
            assert_eq!(steps[1]["state"], "passed");
            assert!(
                steps
                    .iter()
                    .all(|step| step["attempts"][0]["output_truncated"] == false)
            );
            assert_eq!(bench.log("finally-01-foreign").len(), 1_048_576);
        }
    }
}

#[test]
fn a_step_that_was_told_to_end_can_do_so_although_nobody_reads() {
    let bench = Bench::new();
    let mut running = bench.start(&part(
        "step",
        "deploy-db",
        "await=15|flood=1048576|result=fail,no|exit=1",
        "timeout = \"1h\"\ngrace = \"1h\"",
    ));
    let mut lines = BufReader::new(running.child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "awaiting 15"));
    assert_eq!(ends_after_a_signal(running).signal(), Some(15));
    let record = bench.record();
    assert_eq!(record["steps"][0]["exit_code"], 1);
    assert!(bench.log("01-deploy-db").len() > 1_048_576);
}

#[test]
fn with_json_stdout_is_one_document() {
    let bench = Bench::new();
    for (steps, code) in [
        (ours("verify-env", "say=chatter|result=pass"), 0),
        (ours("verify-env", "say=chatter|exit=1"), 1),
        (
            "[[step]]\nrun = [\"no-such-program\"]\nchanges = \"nothing\"\n".to_owned(),
            127,
        ),
        ("[[stop]]\n".to_owned(), 125),
    ] {
        bench.pipeline(&steps);
        let done = bench.finish(&mut bench.command(&["run", "p.toml", "--format", "json"]));
        done.exited(code);
        let document: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
        assert_eq!(document["exit_code"], code);
        assert_eq!(done.stdout.lines().count(), 1);
        if code < 2 {
            assert!(done.stderr.contains("chatter"));
            assert_eq!(document["facts"]["steps"][0]["exit_code"], code);
        }
    }
}

#[test]
fn on_github_foreign_output_can_not_emit_commands_and_ours_can() {
    let bench = Bench::new();
    bench.pipeline(&format!(
        "{}{}",
        foreign("say=::set-env name=X::y|err=::warning::z", "nothing"),
        ours("verify-env", "err=::error::ours|result=pass"),
    ));
    let mut command = bench.command(&["run", "p.toml"]);
    let done = bench.finish(command.env("GITHUB_ACTIONS", "true"));
    done.exited(0);
    let lines: Vec<&str> = done.stdout.lines().collect();
    let at = |text: &str| lines.iter().position(|line| *line == text).unwrap();
    let stop = lines
        .iter()
        .position(|line| line.starts_with("::stop-commands::"))
        .unwrap();
    let word = lines[stop].trim_start_matches("::stop-commands::");
    assert_eq!(word.len(), 32);
    let resume = at(&format!("::{word}::"));
    // Both streams are on the one side of the two lines that surround them.
    assert!(stop < at("::set-env name=X::y") && at("::set-env name=X::y") < resume);
    assert!(stop < at("::warning::z") && at("::warning::z") < resume);
    assert!(at("::group::[STEP 1/2] foreign") < stop);
    assert!(done.stderr.contains("::error::ours"));
    assert_eq!(lines.iter().filter(|line| line.contains(word)).count(), 2);
    // A last line without its end does not take the word that resumes with it.
    bench.pipeline(&foreign("raw=58", "nothing"));
    let mut command = bench.command(&["run", "p.toml"]);
    let done = bench.finish(command.env("GITHUB_ACTIONS", "true"));
    let (_, word) = done.stdout.split_once("::stop-commands::").unwrap();
    let word = word.lines().next().unwrap();
    assert!(
        done.stdout.contains(&format!("\n:\n::{word}::\n")),
        "{done:#?}"
    );
}
