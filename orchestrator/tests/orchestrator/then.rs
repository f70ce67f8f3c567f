//! What the orchestrator becomes after a run that passed.

use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::bench::{Bench, Running, ours};

/// The orchestrator over one step, and then this command.
fn then(bench: &Bench, acts: &str, command: &[&str]) -> Command {
    bench.pipeline(&ours("verify-env", acts));
    let mut all = vec!["run", "p.toml", "--then"];
    all.extend(command);
    bench.command(&all)
}

#[test]
fn the_application_is_the_same_process_and_its_exit_code_is_the_result() {
    let bench = Bench::new();
    let mut command = then(
        &bench,
        "result=pass",
        // Options of the application's, one of them of ours too.
        &[
            "sh",
            "-c",
            "echo \"pid $$ of $0 with $*\"; exit 7",
            "app",
            "--format",
            "json",
        ],
    );
    let running = Running::start(&mut command);
    let pid = running.child.id();
    let done = running.wait();
    done.exited(7)
        .says(&format!("pid {pid} of app with --format json"))
        .says("the only step passed");
    assert_eq!(bench.record()["state"], "passed");

    // A word that ends the options is none of the command's.
    let mut command = then(&bench, "result=pass", &["--", "sh", "-c", "exit 3"]);
    bench.finish(&mut command).exited(3);
}

#[test]
fn a_signal_is_the_applications() {
    let bench = Bench::new();
    for (acts, code, signal) in [
        (&["note=pids", "touch=up", "sleep"][..], None, Some(15)),
        (
            &["note=pids", "touch=up", "await=15", "exit=9"],
            Some(9),
            None,
        ),
    ] {
        let _ = std::fs::remove_file(bench.path("up"));
        let _ = std::fs::remove_file(bench.path("pids"));
        let mut whole = vec!["other/foreign"];
        whole.extend(acts);
        let mut command = then(&bench, "result=pass", &whole);
        let running = Running::start(&mut command);
        bench.until("up");
        assert_eq!(bench.noted("pids"), [running.child.id() as i32]);
        if code.is_some() {
            await_handler(running.child.id());
        }
        running.signal(Signal::TERM);
        let done = running.wait();
        assert_eq!((done.code, done.signal), (code, signal), "{done:#?}");
    }
}

/// Waits until a process handles TERM.
fn await_handler(pid: u32) {
    crate::bench::until("a handler", || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        u64::from_str_radix(caught.unwrap().trim(), 16).unwrap() & (1 << 14) != 0
    });
}

#[test]
fn it_gets_what_the_orchestrator_got_and_nothing_of_the_run() {
    let bench = Bench::new();
    bench.write(
        "lockstep.toml",
        "[environments.dev]\nprotected = false\n[env.SECRET_KEY]\nkind = \"secret\"\nfor = []\n",
    );
    bench.write("stdin", "from stdin\n");
    let open = "ls /proc/$$/fd > fds; echo open $(cat fds)";
    // What the tests were started with goes through.
    let alone = Command::new("sh")
        .args(["-c", open])
        .current_dir(bench.path(""))
        .stdin(Stdio::null())
        .output();
    let alone = String::from_utf8(alone.unwrap().stdout).unwrap();
    // A shell blocks signals while it starts a program, so it looks by itself.
    let script = format!(
        "cat; echo key=$SECRET_KEY step=$LOCKSTEP_STEP evidence=$LOCKSTEP_EVIDENCE; {open}; \
         while read name value; do [ $name != SigBlk: ] || echo blocked $value; done \
         < /proc/$$/status; pwd; flock --nonblock .lockstep/dev.lock echo unlocked"
    );
    let mut command = then(&bench, "result=pass|env=SECRET_KEY", &["sh", "-c", &script]);
    command
        .env("SECRET_KEY", "the application's own")
        .stdin(Stdio::from(
            std::fs::File::open(bench.path("stdin")).unwrap(),
        ));
    let done = bench.finish(&mut command);
    done.exited(0)
        .says("from stdin\n")
        .says("key=the application's own step= evidence=\n")
        .says(&alone)
        .says("blocked 0000000000000000")
        .says("unlocked");
    let place = bench.path("").canonicalize().unwrap();
    done.says(&format!(
        "\n{}\n",
        place.to_str().unwrap().trim_end_matches('/')
    ));
}

#[test]
fn orphans_below_the_application_are_not_handed_to_it() {
    let bench = Bench::new();
    bench.script(
        "orphan",
        "#!/bin/sh\nuntil [ -e go ]; do :; done\ncut -d' ' -f4 /proc/$$/stat > parent\n",
    );
    bench.script(
        "app",
        "#!/bin/sh\nsh -c './orphan &'\ntouch go\nuntil [ -s parent ]; do :; done\n\
         echo own=$$ orphan=$(cat parent)\n",
    );
    let mut command = then(&bench, "result=pass", &["./app"]);
    let running = Running::start(&mut command);
    let pid = running.child.id();
    let done = running.wait();
    done.exited(0)
        .says(&format!("own={pid} "))
        .says_not(&format!("orphan={pid}\n"));
}

#[test]
fn after_a_failure_it_is_not_started() {
    let bench = Bench::new();
    for (acts, code) in [
        ("result=fail|exit=1", 1),
        ("result=partial|exit=6", 6),
        ("exit=0", 3),
    ] {
        let mut command = then(&bench, acts, &["touch", "started"]);
        bench.finish(&mut command).exited(code);
        assert!(!bench.path("started").exists(), "{acts}");
    }
    // Nor after a signal that asked for the end.
    let mut command = then(&bench, "touch=up|sleep", &["touch", "started"]);
    let running = Running::start(&mut command);
    bench.until("up");
    running.signal(Signal::TERM);
    assert_eq!(running.wait().signal, Some(15));
    // Nor where the result can't be kept.
    let mut command = then(&bench, "result=pass", &["touch", "started"]);
    bench.write("evidence", "no folder");
    command.env("LOCKSTEP_EVIDENCE", bench.path("evidence"));
    assert_ne!(bench.finish(&mut command).code, Some(0));
    assert!(!bench.path("started").exists());
}

#[test]
fn a_command_that_can_not_be_started_is_seen_before_the_first_step() {
    let bench = Bench::new();
    bench.write("data", "x");
    for (command, code) in [
        ("no-such-program", 127),
        ("./no/such", 127),
        ("./data", 126),
        ("bin", 127),
        ("./bin", 126),
    ] {
        let mut run = then(&bench, "touch=ran|result=pass", &[command, "x"]);
        bench
            .finish(&mut run)
            .exited(code)
            .says("program-runnable")
            .says(command);
        assert!(!bench.path("ran").exists(), "{command}");
    }
    assert!(!bench.path(".lockstep").exists());
}
