//! An end in the middle leaves all of it or nothing.

use std::process::{Command, Stdio};

use tests::proxy::{COMMIT, Cut, Proxy};

use crate::support::{Kept, Place};

#[test]
fn a_lost_commit_is_looked_up_before_the_answer() {
    for (cut, code, changed) in [(Cut::Before, 1, "no"), (Cut::AfterAnswer, 0, "yes")] {
        let [_, mut place] = Place::both();
        place.execute("CREATE TABLE by_hand (x int)");
        let digest = place.digest();
        place.toml(&place.line(&digest, "x"));
        let former = place.recorded();
        let proxy = Proxy::start(COMMIT, 0, cut, false);
        place.url = proxy.url(&place.url);
        // Read and recorded through the proxy, and by a line about the place that it leads to.
        place.execute(&format!(
            "UPDATE lockstep.environment SET endpoint = 'localhost:{}'",
            proxy.port()
        ));
        let ran = place.accept(&digest);
        ran.is(code, changed);
        assert_eq!(proxy.cuts(), 1);
        match code {
            1 => {
                ran.says("the connection was lost in COMMIT, and it was not committed");
                assert_eq!((place.recorded(), place.kept()), (former, Kept::default()));
            }
            _ => {
                assert_ne!(place.recorded(), former);
                assert_eq!(place.kept().accepted.len(), 1);
            }
        }
    }
}

/// Killed at ever later moments, until it comes to its end before.
#[test]
fn a_killed_run_leaves_all_or_nothing() {
    for at in [0, 1] {
        let mut wait_ms = 0;
        loop {
            let [sqlite, postgres] = Place::both();
            let place = if at == 0 { sqlite } else { postgres };
            place.execute("CREATE TABLE by_hand (x int)");
            let digest = place.digest();
            place.toml(&place.line(&digest, "x"));
            let former = place.recorded();
            let mut child = Command::new(env!("CARGO_BIN_EXE_mark-schema"))
                .args(["--accept", &digest])
                .env_clear()
                .env("DATABASE_URL", &place.url)
                .env("LOCKSTEP_ENV", "dev")
                .current_dir(place.dir.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(std::time::Duration::from_millis(wait_ms));
            let came_to_its_end = child.try_wait().unwrap().is_some();
            child.kill().unwrap();
            child.wait().unwrap();
            let kept = place.kept();
            match place.recorded() == former {
                true => assert_eq!(kept, Kept::default()),
                false => {
                    assert_eq!(kept.history, [former]);
                    assert_eq!(kept.accepted.len(), 1);
                }
            }
            // The next run finds a whole record, and no lock.
            place.run(&["--accept", &digest, "--wait-lock", "10s"]);
            assert_eq!(place.kept().accepted.len(), 1);
            if came_to_its_end {
                break;
            }
            wait_ms += 4;
        }
    }
}
