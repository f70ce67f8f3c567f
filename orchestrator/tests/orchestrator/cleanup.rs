//! What follows a run: when `rollback` has a reason, that `on_failure` needs none but a failure, and
//! that `finally` always runs.

use crate::bench::{Bench, foreign, ours, part};

fn rollback(acts: &str) -> String {
    part("rollback", "other/foreign", acts, "changes = \"nothing\"")
}

fn on_failure(acts: &str) -> String {
    part("on_failure", "other/foreign", acts, "changes = \"nothing\"")
}

fn finally(acts: &str) -> String {
    part("finally", "other/foreign", acts, "changes = \"nothing\"")
}

/// Runs `steps` and a failing step after them; whether `rollback` ran.
#[track_caller]
fn undone(steps: &str) -> bool {
    let bench = Bench::new();
    let done = bench.run(&format!(
        "{steps}{}{}",
        rollback("touch=undone"),
        finally("touch=last")
    ));
    assert_ne!(done.code, Some(0), "{done:#?}");
    assert!(bench.path("last").exists(), "{done:#?}");
    bench.path("undone").exists()
}

#[test]
fn rollback_runs_if_something_was_changed_or_may_have_been() {
    let fails = foreign("exit=1", "nothing");
    for (step, expected) in [
        (ours("verify-env", "result=pass"), false),
        (ours("backup-snapshot", "result=pass,no"), false),
        (ours("deploy-db", "result=pass,no"), false),
        (ours("deploy-db", "result=pass,yes"), true),
        (ours("deploy-db", "result=pass,unknown"), true),
        (ours("freeze-db", "result=pass,yes"), false),
        (ours("thaw-db", "result=pass,yes"), false),
        (ours("mark-db", "result=pass,yes"), false),
        (foreign("", "nothing"), false),
        (foreign("", "files"), false),
        (foreign("", "service"), true),
        (foreign("", "database"), true),
        // A script that calls a program of the suite does not hide what that one reports.
        (foreign("result=pass,yes", "nothing"), true),
    ] {
        assert_eq!(undone(&format!("{step}{fails}")), expected, "{step}");
    }
}

#[test]
fn the_failing_step_itself_counts_too() {
    for (step, expected) in [
        (ours("deploy-db", "result=fail,no|exit=1"), false),
        (ours("deploy-db", "exit=2"), false),
        (ours("deploy-db", "result=partial,unknown|exit=6"), true),
        (ours("deploy-db", "result=partial,yes|exit=6"), true),
        (ours("deploy-db", "kill=9"), true),
        (ours("deploy-db", ""), true),
        (ours("deploy-db", "exit=101"), true),
        (ours("freeze-db", "kill=9"), false),
        (foreign("exit=1", "database"), true),
        (foreign("exit=1", "service"), true),
        (foreign("exit=1", "files"), false),
    ] {
        assert_eq!(undone(&step), expected, "{step}");
    }
}

#[test]
fn a_neighbour_who_holds_the_lock_is_not_restored_over() {
    let busy = ours("deploy-db", "result=busy,no|exit=5");
    assert!(!undone(&busy));
    let stopped = foreign("", "service");
    assert!(!undone(&format!("{stopped}{busy}")));
    // What this run did itself is undone all the same.
    let deployed = ours("deploy-db", "result=pass,yes");
    assert!(undone(&format!("{deployed}{busy}")));
    assert!(undone(&format!(
        "{stopped}{}",
        ours("deploy-db", "result=fail|exit=1")
    )));
}

#[test]
fn nothing_is_restored_before_this_run_has_its_frozen_snapshot() {
    for (program, keys) in [
        ("restore-snapshot", ""),
        ("other/restore-snapshot", "changes = \"database\""),
    ] {
        restores_its_frozen_snapshot_only(program, keys);
    }
}

fn restores_its_frozen_snapshot_only(program: &str, keys: &str) {
    let restore = part("rollback", program, "touch=restored|result=pass,yes", keys);
    let frozen = [
        ours("verify-migrations", "result=pass"),
        ours("freeze-db", "result=pass,yes"),
        ours("backup-snapshot", "result=pass"),
    ];
    // A script that changes the database against its declaration.
    let liar = foreign("result=pass,yes|exit=1", "nothing");
    let deploy = ours("deploy-db", "result=partial,yes|exit=6");
    let steps = |first: &str, second: &str| {
        format!(
            "{first}{}{second}{deploy}{restore}{}",
            frozen.concat(),
            rollback("touch=after")
        )
    };
    let bench = Bench::new();
    bench
        .run(&steps(&liar, ""))
        .exited(1)
        .says("FAIL cleanup-passed rollback 1 (restore-snapshot)")
        .says("no snapshot that was taken while the data was frozen");
    assert!(!bench.path("restored").exists() && !bench.path("after").exists());
    assert!(
        bench
            .states()
            .contains(&"rollback-01-restore-snapshot skipped".to_owned())
    );
    let bench = Bench::new();
    bench.run(&steps("", &liar)).exited(1);
    assert!(bench.path("restored").exists() && bench.path("after").exists());
    let bench = Bench::new();
    bench.run(&steps("", "")).exited(6);
    assert!(bench.path("restored").exists() && bench.path("after").exists());
}

#[test]
fn cleanup_knows_what_failed_and_never_replaces_its_code() {
    let bench = Bench::new();
    let done = bench.run(&format!(
        "{}{}{}{}",
        ours("deploy-db", "result=partial,yes|exit=6"),
        rollback("env=LOCKSTEP_FAILED_STEP|env=LOCKSTEP_FAILED_CODE|exit=3"),
        rollback("touch=after"),
        finally("env=LOCKSTEP_FAILED_CLASS|exit=9"),
    ));
    done.exited(6)
        .says("LOCKSTEP_FAILED_STEP=deploy-db\nLOCKSTEP_FAILED_CODE=6\n")
        .says("LOCKSTEP_FAILED_CLASS=partial\n")
        .says("FAIL cleanup-passed rollback 1")
        .says("FAIL cleanup-passed finally 1");
    assert!(!bench.path("after").exists());
    assert_eq!(
        bench.states(),
        [
            "01-deploy-db failed",
            "rollback-01-foreign failed",
            "rollback-02-foreign skipped",
            "finally-01-foreign failed",
        ]
    );
}

#[test]
fn every_finally_step_runs_and_a_failed_one_is_no_success() {
    let bench = Bench::new();
    let done = bench.run(&format!(
        "{}{}{}{}",
        ours("verify-env", "result=pass"),
        rollback("touch=undone"),
        finally("env=LOCKSTEP_FAILED_STEP|exit=7"),
        finally("touch=last"),
    ));
    done.exited(7).says("LOCKSTEP_FAILED_STEP=\n");
    assert!(bench.path("last").exists());
    assert!(!bench.path("undone").exists());
}

#[test]
fn cleanup_is_bounded_too() {
    let bench = Bench::new();
    let keys = "changes = \"nothing\"\ntimeout = \"50ms\"\ngrace = \"50ms\"";
    let done = bench.run(&format!(
        "{}{}{}",
        ours("verify-env", "exit=1"),
        part("finally", "other/foreign", "ignore=15|sleep", keys),
        finally("touch=last"),
    ));
    done.exited(1).says("timeout");
    assert!(bench.path("last").exists());
}

#[test]
fn on_failure_runs_after_every_failure_and_after_no_success() {
    let passes = ours("verify-env", "result=pass");
    // Nothing to undo, something to undo, a neighbour at work, a step that is killed.
    for (step, code) in [
        (ours("verify-env", "result=fail|exit=1"), Some(1)),
        (ours("verify-connection", "exit=4"), Some(4)),
        (ours("deploy-db", "result=busy,no|exit=5"), Some(5)),
        (ours("deploy-db", "result=partial,yes|exit=6"), Some(6)),
        (ours("verify-env", ""), Some(3)),
        (foreign("exit=9", "nothing"), Some(9)),
        (foreign("kill=9", "files"), Some(137)),
        (passes.clone(), None),
    ] {
        let bench = Bench::new();
        let acts = "env=LOCKSTEP_FAILED_CODE|touch=told";
        let done = bench.run(&format!("{step}{}", on_failure(acts)));
        done.exited(code.unwrap_or(0));
        assert_eq!(bench.path("told").exists(), code.is_some(), "{done:#?}");
        if let Some(code) = code {
            done.says(&format!("LOCKSTEP_FAILED_CODE={code}\n"));
        } else {
            done.says("on_failure 1 foreign")
                .says("not run: nothing failed");
        }
    }
}

#[test]
fn what_follows_a_failure_is_rollback_then_on_failure_then_finally() {
    let bench = Bench::new();
    let done = bench.run(&format!(
        "{}{}{}{}",
        // The order is not the file's.
        finally("say=3rd"),
        on_failure("say=2nd"),
        rollback("say=1st"),
        ours("deploy-db", "result=partial,yes|exit=6"),
    ));
    done.exited(6);
    let order = [
        "[ROLLBACK 1/1]",
        "1st",
        "[ON_FAILURE 1/1]",
        "2nd",
        "[FINALLY 1/1]",
        "3rd",
    ];
    let places = order.map(|text| done.stdout.find(text).unwrap());
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!(
        bench.states(),
        [
            "01-deploy-db failed",
            "rollback-01-foreign passed",
            "on_failure-01-foreign passed",
            "finally-01-foreign passed",
        ]
    );
}

#[test]
fn on_failure_runs_whatever_became_of_the_rollback_and_each_step_of_it_by_itself() {
    let bench = Bench::new();
    let done = bench.run(&format!(
        "{}{}{}{}{}",
        ours("deploy-db", "result=partial,yes|exit=6"),
        rollback("exit=3"),
        on_failure("exit=7"),
        on_failure("touch=told"),
        finally("touch=last"),
    ));
    done.exited(6)
        .says("FAIL cleanup-passed rollback 1")
        .says("FAIL cleanup-passed on_failure 1");
    assert!(bench.path("told").exists() && bench.path("last").exists());
    assert_eq!(bench.record()["exit_code"], 6);
}

#[test]
fn on_failure_is_told_of_a_finally_that_failed_alone() {
    let bench = Bench::new();
    let done = bench.run(&format!(
        "{}{}{}{}",
        ours("verify-env", "result=pass"),
        rollback("touch=undone"),
        on_failure("env=LOCKSTEP_FAILED_CODE|exit=3"),
        finally("exit=7"),
    ));
    done.exited(7).says("LOCKSTEP_FAILED_CODE=7\n");
    assert!(!bench.path("undone").exists());
    // Told once, and not again of a finally after another failure.
    let bench = Bench::new();
    let steps = [
        ours("verify-env", "exit=1"),
        on_failure("note=told"),
        finally("exit=7"),
    ];
    bench.run(&steps.concat()).exited(1);
    assert_eq!(bench.noted("told").len(), 1);
}

#[test]
fn on_failure_follows_an_interrupt_and_no_code_of_it_replaces_the_signals() {
    // A step that the signal ends, and one that passes all the same; 6 would mean a change that was
    // left half done.
    for (acts, code) in [
        ("touch=up|sleep", 1),
        ("touch=up|sleep", 6),
        ("ignore=15|touch=up|until=go|result=pass", 6),
    ] {
        let bench = Bench::new();
        let running = bench.start(&format!(
            "{}{}",
            ours("verify-env", acts),
            on_failure(&format!("env=LOCKSTEP_FAILED_CLASS|touch=told|exit={code}")),
        ));
        bench.until("up");
        running.signal(rustix::process::Signal::TERM);
        bench.write("go", "");
        let done = running.wait();
        assert_eq!(done.signal, Some(15), "{acts} {code}: {done:#?}");
        done.says("LOCKSTEP_FAILED_CLASS=signal\n");
        assert!(bench.path("told").exists());
        assert_eq!(bench.record()["exit_code"], 143);
    }
}

#[test]
fn an_on_failure_of_old_that_undoes_is_refused_and_names_rollback() {
    let bench = Bench::new();
    let restore = "[[on_failure]]\nrun = [\"restore-snapshot\", \"--latest\"]\n";
    let done = bench.run(&format!(
        "{}{restore}",
        ours("verify-env", "touch=ran|result=pass")
    ));
    done.exited(125)
        .says("FAIL pipeline-valid on_failure 1 (restore-snapshot)")
        .says("remedy: make it a [[rollback]]");
    assert!(!bench.path("ran").exists() && !bench.path(".lockstep").exists());
}
