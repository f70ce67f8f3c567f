//! Timeouts, process groups, and that nothing of a step stays behind.

use crate::bench::{Bench, Done, Running, foreign, lives, ours, part, until};

const SHORT: &str = "timeout = \"500ms\"\ngrace = \"200ms\"";

#[track_caller]
fn gone(bench: &Bench, file: &str, count: usize) {
    assert_eq!(bench.noted(file).len(), count);
    none_lives(bench, file);
}

/// Of those that noted themselves in time.
#[track_caller]
fn none_lives(bench: &Bench, file: &str) {
    for pid in bench.noted(file) {
        assert!(!lives(pid), "{pid} still lives");
    }
}

#[test]
fn a_timeout_is_124_and_6_where_something_may_have_changed() {
    for (program, changes, code) in [
        ("verify-env", "", 124),
        ("backup-snapshot", "", 124),
        ("deploy-db", "", 6),
        ("freeze-db", "", 6),
        ("other/foreign", "changes = \"nothing\"\n", 124),
        ("other/foreign", "changes = \"files\"\n", 124),
        ("other/foreign", "changes = \"database\"\n", 6),
        ("other/foreign", "changes = \"service\"\n", 6),
    ] {
        let bench = Bench::new();
        let keys = format!("{changes}{SHORT}");
        let done = bench.run(&part("step", program, "note=pids|sleep", &keys));
        done.exited(code).says("ran past its timeout");
        none_lives(&bench, "pids");
    }
}

#[test]
fn an_action_that_rolls_back_within_its_grace_says_so_itself() {
    let bench = Bench::new();
    // Long enough for a busy machine to install the handler.
    let keys = "timeout = \"3s\"\ngrace = \"60s\"";
    let acts = "await=15|result=fail,no|exit=1";
    bench.run(&part("step", "deploy-db", acts, keys)).exited(1);
}

#[test]
fn who_ignores_sigterm_is_killed_with_everything_that_holds_its_pipes() {
    let bench = Bench::new();
    let child = "child=ignore=15 note=pids sleep";
    let acts = format!("ignore=15|{child}|{child}|note=pids|noted=pids,3|sleep");
    let keys = "timeout = \"3s\"\ngrace = \"200ms\"";
    let done = bench.run(&part("step", "verify-env", &acts, keys));
    done.exited(124).says("signal KILL");
    none_lives(&bench, "pids");
}

#[test]
fn what_a_successful_step_leaves_behind_is_ended() {
    // In its group, in a group of its own, in a session of its own.
    for how in ["child", "group", "setsid"] {
        for stubborn in ["", "ignore=15 "] {
            let bench = Bench::new();
            let acts = format!("{how}={stubborn}note=pids sleep|noted=pids,1|result=pass");
            let done = bench.run(&part("step", "verify-env", &acts, "grace = \"200ms\""));
            done.exited(0).says("processes it left behind were ended");
            gone(&bench, "pids", 1);
            assert_eq!(bench.record()["steps"][0]["attempts"][0]["leaked"], true);
        }
    }
}

#[test]
fn the_children_of_what_escaped_are_ended_too() {
    let bench = Bench::new();
    // Two levels of sessions, each with its own child, none of whom minds SIGTERM.
    bench.write(
        "escape.sh",
        "trap '' TERM\necho $$ >>pids\nsetsid sh -c 'trap \"\" TERM; echo $$ >>pids; sleep 60 & \
         echo $! >>pids; wait' &\nwait\n",
    );
    let script = "setsid sh escape.sh & while [ $(wc -l <pids) -lt 3 ]; do sleep 0.01; done";
    let done = bench.run(&format!(
        "[[step]]\nrun = [\"sh\", \"-c\", {script:?}]\nchanges = \"nothing\"\ngrace = \"100ms\"\n"
    ));
    done.exited(0).says("processes it left behind were ended");
    gone(&bench, "pids", 3);
}

#[test]
fn a_leftover_that_ends_by_itself_is_no_leak_and_its_output_counts() {
    let bench = Bench::new();
    let acts = "child=note=up orphaned say=late|noted=up,1|say=early";
    let done = bench.run(&foreign(acts, "nothing"));
    done.exited(0).says("late").says_not("left behind");
    assert_eq!(bench.log("01-foreign"), b"early\nlate\n");
}

#[test]
fn a_service_is_left_alone_if_its_step_succeeds() {
    for how in ["child", "setsid"] {
        let bench = Bench::new();
        let start = format!("{how}=note=pids say=up until=stop say=down|noted=pids,1|say=started");
        let done = bench.run(&format!(
            "{}{}{}",
            foreign(&start, "service"),
            // A later step's own leftovers are still ended.
            ours(
                "verify-env",
                "setsid=note=strays sleep|noted=strays,1|result=pass"
            ),
            foreign("say=end", "nothing"),
        ));
        done.exited(0).says("started");
        gone(&bench, "strays", 1);
        let service = bench.noted("pids")[0];
        assert!(lives(service), "{done:#?}");
        // It still has somewhere to write to, although nobody watches any more.
        bench.write("stop", "");
        until("the service ends", || !lives(service));
        let log = String::from_utf8(bench.log("01-foreign")).unwrap();
        assert!(log.ends_with("down\n"), "{log:?}");
    }
}

/// Runs `script`, a shell's, which ends in `exec` of the orchestrator.
fn through_a_shell(bench: &Bench, shell: &str, script: &str) -> Done {
    let mut command = std::process::Command::new(shell);
    command
        .args(["-c", script])
        .current_dir(bench.path("."))
        .env_remove("LOCKSTEP_ENV");
    bench.finish(&mut command)
}

#[test]
fn what_was_there_before_the_run_is_left_alone() {
    let bench = Bench::new();
    // One step leaves a stray, so that there is something to end.
    let stray = "setsid=note=strays sleep|noted=strays,1|result=pass";
    bench.pipeline(&format!(
        "{}{}",
        ours("verify-env", stray),
        ours("verify-migrations", "result=pass")
    ));
    let script = "other/foreign note=older until=stop >/dev/null 2>&1 & \
                  while [ ! -s older ]; do sleep 0.01; done; exec bin/orchestrator run p.toml";
    through_a_shell(&bench, "sh", script)
        .exited(0)
        .says("processes it left behind were ended");
    gone(&bench, "strays", 1);
    assert!(lives(bench.noted("older")[0]));
    bench.write("stop", "");
}

#[test]
fn an_orphan_of_what_was_there_before_is_left_alone() {
    let bench = Bench::new();
    // The job ends while a step runs, and what it started is handed to the orchestrator.
    let job = "other/foreign 'child=note=orphan until=stop' noted=orphan,1 touch=up until=go";
    bench.pipeline(&format!(
        "{}{}",
        ours("verify-env", "touch=go|until=adopted|result=pass"),
        ours("verify-migrations", "result=pass")
    ));
    let script = format!(
        "{job} >/dev/null 2>&1 & while [ ! -e up ]; do sleep 0.01; done; \
         exec bin/orchestrator run p.toml"
    );
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", &script])
        .current_dir(bench.path("."))
        .env_remove("LOCKSTEP_ENV");
    let running = Running::start(&mut command);
    bench.until_noted("orphan");
    let orphan = bench.noted("orphan")[0];
    let own = i32::try_from(running.child.id()).unwrap();
    until("the orphan is adopted", || parent_of(orphan) == Some(own));
    bench.write("adopted", "");
    running.wait().exited(0).says_not("left behind");
    assert!(lives(orphan));
    bench.write("stop", "");
}

/// The process id of a process's parent.
fn parent_of(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[test]
fn the_reader_of_a_process_substitution_gets_the_verdict() {
    let bench = Bench::new();
    bench.pipeline(&format!(
        "{}{}",
        ours("verify-env", "result=pass"),
        ours("verify-migrations", "result=pass")
    ));
    through_a_shell(
        &bench,
        "bash",
        "exec bin/orchestrator run p.toml > >(tee all)",
    )
    .exited(0);
    until("tee has written the verdict", || {
        let all = std::fs::read_to_string(bench.path("all")).unwrap_or_default();
        all.contains("2 steps passed")
    });
}

#[test]
fn a_service_whose_step_fails_is_ended() {
    let bench = Bench::new();
    let start = "setsid=note=pids sleep|noted=pids,1|exit=1";
    bench.run(&foreign(start, "service")).exited(1);
    gone(&bench, "pids", 1);
}

#[test]
fn a_stopped_step_still_times_out() {
    let bench = Bench::new();
    let script = "echo $$ >>pids; kill -STOP $$";
    let done = bench.run(&format!(
        "[[step]]\nrun = [\"sh\", \"-c\", {script:?}]\nchanges = \"nothing\"\n{SHORT}\n"
    ));
    done.exited(124);
    none_lives(&bench, "pids");
}

#[test]
fn stdin_is_empty() {
    let bench = Bench::new();
    let done = bench.run(
        "[[step]]\nrun = [\"sh\", \"-c\", \"cat; readlink /proc/self/fd/0\"]\nchanges = \"nothing\"\n",
    );
    done.exited(0).says("/dev/null");
}

#[test]
fn a_step_inherits_no_descriptor_of_the_orchestrators() {
    let bench = Bench::new();
    let keys = "changes = \"database\"\ntimeout = \"1m\"";
    let done = bench.run(&format!(
        "{}[[step]]\nrun = [\"ls\", \"/proc/self/fd\"]\n{keys}\n",
        // This one inherits the lock, which must not stay open to inheritance.
        ours("deploy-db", "result=pass")
    ));
    // What the test's own parent left open comes along in both.
    let alone = std::process::Command::new("ls")
        .arg("/proc/self/fd")
        .output()
        .unwrap();
    let alone = String::from_utf8(alone.stdout).unwrap();
    done.exited(0)
        .says(&format!("[STEP 2/2] ls\n{alone}  pass"));
}
