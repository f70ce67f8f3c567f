//! Signals to the orchestrator while a step runs.

use rustix::process::Signal;

use crate::bench::{Bench, Running, foreign, lives, ours, part, until};

fn finally(acts: &str) -> String {
    part("finally", "other/foreign", acts, "changes = \"nothing\"")
}

/// Waits until a double has its handler and says so.
fn await_in_log(bench: &Bench, id: &str) {
    until("the step awaits a signal", || {
        let runs = bench.path(".lockstep/runs");
        let runs = std::fs::read_dir(runs).into_iter().flatten().flatten();
        let mut logs =
            runs.map(|run| std::fs::read_to_string(run.path().join(format!("{id}.log"))));
        logs.any(|log| log.is_ok_and(|log| log.contains("awaiting")))
    });
}

#[test]
fn a_signal_is_handed_on_and_ends_the_run_as_it_would_have_ended_this_process() {
    for signal in [
        Signal::INT,
        Signal::TERM,
        Signal::HUP,
        Signal::QUIT,
        Signal::USR1,
    ] {
        let bench = Bench::new();
        let raw = signal.as_raw();
        let running = bench.start(&format!(
            "{}{}{}",
            ours(
                "verify-env",
                "child=note=pids sleep|noted=pids,1|note=pids|touch=up|sleep"
            ),
            ours("verify-migrations", "touch=ran|result=pass"),
            finally("touch=last"),
        ));
        bench.until("up");
        running.signal(signal);
        let done = running.wait();
        assert_eq!(done.signal, Some(raw), "{done:#?}");
        done.says("ended the run");
        assert!(bench.path("last").exists() && !bench.path("ran").exists());
        for pid in bench.noted("pids") {
            assert!(!lives(pid));
        }
        let record = bench.record();
        assert_eq!(record["state"], "interrupted");
        assert_eq!(record["signal"], raw);
        assert_eq!(record["exit_code"], 128 + raw);
    }
}

#[test]
fn a_step_that_handles_the_signal_and_succeeds_is_still_the_last() {
    let bench = Bench::new();
    let running = bench.start(&format!(
        "{}{}",
        ours("verify-env", "await=15|result=pass"),
        ours("verify-migrations", "touch=ran|result=pass"),
    ));
    await_in_log(&bench, "01-verify-env");
    running.signal(Signal::TERM);
    let done = running.wait();
    assert_eq!(done.signal, Some(15), "{done:#?}");
    assert_eq!(
        bench.states(),
        ["01-verify-env passed", "02-verify-migrations skipped"]
    );
}

#[test]
fn an_interrupted_change_that_did_not_finish_is_partial() {
    let bench = Bench::new();
    let running = bench.start(&format!(
        "{}{}",
        part("step", "deploy-db", "touch=up|sleep", "timeout = \"60s\""),
        part(
            "rollback",
            "other/foreign",
            "touch=undone",
            "changes = \"nothing\""
        ),
    ));
    bench.until("up");
    running.signal(Signal::TERM);
    running.wait().exited(6);
    assert!(bench.path("undone").exists());
}

#[test]
fn a_change_that_was_rolled_back_is_an_interrupt_like_any_other() {
    let bench = Bench::new();
    let running = bench.start(&format!(
        "{}{}",
        ours("deploy-db", "await=15|result=fail,no|exit=1"),
        part(
            "rollback",
            "other/foreign",
            "touch=undone",
            "changes = \"nothing\""
        ),
    ));
    await_in_log(&bench, "01-deploy-db");
    running.signal(Signal::TERM);
    let done = running.wait();
    assert_eq!(done.signal, Some(15), "{done:#?}");
    assert!(!bench.path("undone").exists());
}

#[test]
fn a_stopped_step_is_woken_to_handle_the_signal() {
    let bench = Bench::new();
    let script = "trap 'echo >handled; exit 1' TERM; echo $$ >pids; kill -STOP $$; sleep 60";
    let keys = "changes = \"nothing\"\ngrace = \"60s\"";
    let running = bench.start(&format!(
        "[[step]]\nrun = [\"sh\", \"-c\", {script:?}]\n{keys}\n"
    ));
    bench.until_noted("pids");
    let stat = format!("/proc/{}/stat", bench.noted("pids")[0]);
    until("the step has stopped itself", || {
        std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(" T "))
    });
    running.signal(Signal::TERM);
    let done = running.wait();
    assert_eq!(done.signal, Some(15), "{done:#?}");
    assert!(bench.path("handled").exists(), "{done:#?}");
}

#[test]
fn the_grace_bounds_a_step_that_does_not_mind() {
    let bench = Bench::new();
    let running = bench.start(&part(
        "step",
        "verify-env",
        "ignore=15|touch=up|note=pids|sleep",
        "grace = \"100ms\"",
    ));
    bench.until_noted("pids");
    running.signal(Signal::TERM);
    let done = running.wait();
    assert_eq!(done.signal, Some(15), "{done:#?}");
    assert!(!lives(bench.noted("pids")[0]));
}

#[test]
fn a_second_signal_kills_at_once_and_skips_what_would_follow() {
    let bench = Bench::new();
    let running = bench.start(&format!(
        "{}{}",
        part(
            "step",
            "verify-env",
            "ignore=15|touch=up|sleep",
            "grace = \"1h\""
        ),
        finally("touch=last"),
    ));
    bench.until("up");
    // Two in one moment count as one, so this goes on until it has worked.
    let mut running = running;
    until("the run has ended", || {
        running.signal(Signal::TERM);
        running.child.try_wait().unwrap().is_some()
    });
    let done = running.wait();
    assert_eq!(done.signal, Some(15), "{done:#?}");
    assert!(!bench.path("last").exists());
    assert_eq!(
        bench.states(),
        ["01-verify-env failed", "finally-01-foreign skipped"]
    );
}

#[test]
fn a_signal_while_cleaning_up_lets_it_go_on_and_keeps_the_code() {
    let bench = Bench::new();
    let running = bench.start(&format!(
        "{}{}{}",
        ours("verify-env", "exit=1"),
        finally("touch=up|until=go|touch=first"),
        finally("touch=last"),
    ));
    bench.until("up");
    running.signal(Signal::TERM);
    bench.write("go", "");
    running
        .wait()
        .exited(1)
        .says("FAIL cleanup-passed p: signal TERM came during the clean-up");
    assert!(bench.path("first").exists() && bench.path("last").exists());
    let record = bench.record();
    assert_eq!(
        (&record["state"], &record["signal"]),
        (&"failed".into(), &15.into())
    );
}

#[test]
fn a_signal_while_cleaning_up_after_a_success_is_what_failed_first() {
    let bench = Bench::new();
    let running = bench.start(&format!(
        "{}{}{}",
        ours("verify-env", "result=pass"),
        finally("touch=up|until=go|touch=first"),
        finally("touch=last|exit=7"),
    ));
    bench.until("up");
    running.signal(Signal::TERM);
    bench.write("go", "");
    let done = running.wait();
    assert_eq!(done.signal, Some(15), "{done:#?}");
    done.says("signal TERM came during the clean-up");
    assert!(bench.path("first").exists() && bench.path("last").exists());
    let record = bench.record();
    assert_eq!(
        (&record["state"], &record["signal"], &record["exit_code"]),
        (&"interrupted".into(), &15.into(), &143.into())
    );
}

#[test]
fn a_signal_while_waiting_for_the_next_attempt_ends_the_run() {
    let bench = Bench::new();
    let keys = "retry = { on = [\"busy\"], attempts = 5, delay = \"1h\", delay_max = \"1h\" }";
    let running = bench.start(&part("step", "verify-env", "touch=up|exit=5", keys));
    bench.until("up");
    running.signal(Signal::INT);
    let done = running.wait();
    assert_eq!(done.signal, Some(2), "{done:#?}");
}

#[test]
fn an_ignored_hangup_stays_ignored() {
    let bench = Bench::new();
    bench.pipeline(&ours("verify-env", "touch=up|until=go|result=pass"));
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", "trap '' HUP; exec bin/orchestrator run p.toml"])
        .current_dir(bench.path("."))
        .env_remove("LOCKSTEP_ENV");
    let running = Running::start(&mut command);
    bench.until("up");
    running.signal(Signal::HUP);
    bench.write("go", "");
    running.wait().exited(0);
}

#[test]
fn what_a_service_started_survives_the_run() {
    // A signal to the run is not one to the service that an earlier step started.
    let bench = Bench::new();
    let running = bench.start(&format!(
        "{}{}",
        foreign("setsid=note=service until=stop|noted=service,1", "service"),
        ours("verify-env", "touch=up|sleep"),
    ));
    bench.until("up");
    running.signal(Signal::TERM);
    assert_eq!(running.wait().signal, Some(15));
    assert!(lives(bench.noted("service")[0]));
    bench.write("stop", "");
}
