//! One run at a time, also when its orchestrator is gone.

use rustix::process::Signal;

use crate::bench::{Bench, Running, foreign, lives, ours, until};

#[test]
fn a_second_run_is_told_who_holds_the_lock() {
    let bench = Bench::new();
    let running = bench.start(&ours("verify-env", "touch=up|until=go|result=pass"));
    bench.until("up");
    let done = bench.finish(&mut bench.command(&["run", "p.toml"]));
    let holder = format!("process {} on ", running.child.id());
    done.exited(5)
        .says("another run holds")
        .says("pipeline p,")
        .says(&holder);
    // Looking needs no lock.
    bench
        .finish(&mut bench.command(&["check", "p.toml"]))
        .exited(0);
    bench.write("go", "");
    running.wait().exited(0);
    assert_eq!(bench.records().len(), 1);
    bench.run(&ours("verify-env", "result=pass")).exited(0);
}

#[test]
fn another_environment_is_another_lock() {
    let bench = Bench::new();
    let command = |name: &str, acts: &str| {
        let file = format!("{name}.toml");
        let head = format!("pipeline = 1\nname = \"p\"\nenvironment = {name:?}\n");
        bench.write(&file, &format!("{head}{}", ours("verify-env", acts)));
        bench.unnamed(&["run", &file])
    };
    let running = Running::start(&mut command("a", "touch=up|until=go|result=pass"));
    bench.until("up");
    bench.finish(&mut command("b", "result=pass")).exited(0);
    bench.finish(&mut command("a", "result=pass")).exited(5);
    bench.write("go", "");
    running.wait().exited(0);
}

/// Kills the orchestrator while its step waits, and says whether the lock is still held.
fn held_after_kill(step: &str) -> (Bench, bool) {
    let bench = Bench::new();
    let running = bench.start(step);
    bench.until("up");
    running.signal(Signal::KILL);
    let mut running = running;
    running.child.wait().unwrap();
    let done = bench.run(&ours("verify-env", "result=pass"));
    let held = done.code == Some(5);
    assert!(held || done.code == Some(0), "{done:#?}");
    (bench, held)
}

#[test]
fn a_change_that_goes_on_without_its_orchestrator_keeps_the_lock() {
    let (bench, held) = held_after_kill(&ours("deploy-db", "note=pids|touch=up|until=go"));
    assert!(held);
    let deploy = bench.noted("pids")[0];
    assert!(lives(deploy));
    // Who holds it now is who is waited for, and not the orchestrator that is gone.
    let done = bench.finish(&mut bench.command(&["run", "p.toml"]));
    done.exited(5)
        .says(&format!("still at work: deploy-db (process {deploy})"));
    bench.write("go", "");
    until("the change ends", || !lives(deploy));
    bench.run(&ours("verify-env", "result=pass")).exited(0);
}

#[test]
fn what_changes_nothing_and_what_is_foreign_does_not() {
    for step in [
        ours("verify-env", "touch=up|until=go"),
        foreign("touch=up|until=go", "service"),
        foreign("touch=up|until=go", "database"),
    ] {
        let (bench, held) = held_after_kill(&step);
        assert!(!held, "{step}");
        bench.write("go", "");
    }
}
