//! A run at a terminal: no step waits for what nobody can type.

use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::bench::{Bench, Done, Running, ours, part};

/// Runs a shell's script in a session with a terminal of its own, at which nobody types.
fn at_a_terminal(bench: &Bench, script: &str) -> Done {
    let main = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&main).unwrap();
    unlockpt(&main).unwrap();
    let name = ptsname(&main, Vec::new()).unwrap();
    let terminal = std::fs::File::options()
        .read(true)
        .write(true)
        .open(name.to_str().unwrap())
        .unwrap();
    let mut command = Command::new("setsid");
    command
        .args(["--ctty", "--wait", "sh", "-c", script])
        .current_dir(bench.path("."))
        .env("LOCKSTEP_ENV", "dev")
        .stdin(Stdio::from(terminal));
    let done = Running::start(&mut command).wait();
    drop(main);
    done
}

/// As a shell's job, and as the first process of the session.
const WAYS: [&str; 2] = [
    "bin/orchestrator run p.toml; exit $?",
    "exec bin/orchestrator run p.toml",
];

#[test]
fn a_step_that_asks_at_the_terminal_is_told_that_there_is_none() {
    for way in WAYS {
        let bench = Bench::new();
        // The second would change the terminal's settings for whoever sits at it.
        let asks = "(read -r answer </dev/tty && echo got it) 2>&1; stty -F /dev/tty -echo; exit 7";
        bench.pipeline(&format!(
            "[[step]]\nrun = [\"sh\", \"-c\", {asks:?}]\nchanges = \"nothing\"\n"
        ));
        at_a_terminal(&bench, &format!("exec 3</dev/tty; {way}"))
            .exited(7)
            .says("/dev/tty")
            .says_not("got it")
            .says_not("timeout");
    }
}

#[test]
fn a_step_at_a_terminal_is_supervised_like_any_other() {
    for way in WAYS {
        let bench = Bench::new();
        let child = "child=ignore=15 note=pids sleep";
        let acts = format!("ignore=15|{child}|note=pids|noted=pids,2|sleep");
        let keys = "timeout = \"3s\"\ngrace = \"200ms\"";
        bench.pipeline(&format!(
            "{}{}",
            ours("verify-guards", "env=LOCKSTEP_STEP|say=a b|result=pass"),
            part("step", "verify-env", &acts, keys)
        ));
        at_a_terminal(&bench, way)
            .exited(124)
            .says("LOCKSTEP_STEP=01-verify-guards\na b\n")
            .says("signal KILL");
        assert!(
            bench
                .noted("pids")
                .into_iter()
                .all(|pid| !crate::bench::lives(pid))
        );
    }
}

#[test]
fn a_program_that_is_gone_at_its_turn_is_told_at_a_terminal_too() {
    let bench = Bench::new();
    bench.script("late", "#!/bin/sh\n");
    let step = |run: &str| format!("[[step]]\nrun = [{run}]\nchanges = \"files\"\n");
    for (act, code) in [("\"rm\"", 127), ("\"chmod\", \"a-x\"", 126)] {
        bench.script("late", "#!/bin/sh\n");
        bench.pipeline(&format!(
            "{}{}",
            step(&format!("{act}, \"late\"")),
            step("\"./late\"")
        ));
        at_a_terminal(&bench, WAYS[0])
            .exited(code)
            .says("can't be started");
    }
}
