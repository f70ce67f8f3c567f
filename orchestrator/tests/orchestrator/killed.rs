//! The orchestrator killed at many points of a run.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::bench::{Bench, Running, foreign, lives, ours, part, until};

#[test]
fn the_record_is_whole_and_the_lock_is_free_whenever_it_dies() {
    let bench = Bench::new();
    bench.pipeline(&format!(
        "{}{}{}{}{}",
        ours("verify-env", "say=a|result=pass"),
        foreign("flood=65536", "files"),
        ours("deploy-db", "note=pids|result=pass,yes"),
        ours("verify-migrations", "result=pass"),
        part("finally", "other/foreign", "say=z", "changes = \"nothing\""),
    ));
    let started = Instant::now();
    bench
        .finish(&mut bench.command(&["run", "p.toml"]))
        .exited(0);
    let whole = started.elapsed();
    let rounds = 40;
    let mut unfinished = 0;
    for round in 0..rounds {
        let mut running = Running::start(&mut bench.command(&["run", "p.toml"]));
        // Spread over the run; where exactly it dies does not matter.
        std::thread::sleep(whole.mul_f64(f64::from(round) / f64::from(rounds)));
        running.signal(Signal::KILL);
        running.child.wait().unwrap();
        // A change that outlived it holds the lock as long as it lives.
        until("the changes have ended", || {
            !bench.noted("pids").iter().any(|pid| lives(*pid))
        });
        for record in bench.records() {
            if record["state"] == "running" {
                unfinished += 1;
                assert!(record["ended_at"].is_null());
            }
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let done = bench.finish(&mut bench.command(&["run", "p.toml"]));
            if done.code != Some(5) || Instant::now() > deadline {
                done.exited(0);
                break;
            }
        }
    }
    assert!(unfinished > 0);
}
