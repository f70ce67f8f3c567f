//! What was changed by hand is accepted, once and by a line.

use std::time::Duration;

use crate::support::{Kept, Place};

/// Both with a table that no migration made.
fn drifted() -> [Place; 2] {
    let places = Place::both();
    for place in &places {
        place.execute("CREATE TABLE by_hand (x int)");
    }
    places
}

#[test]
fn a_drift_is_accepted_and_the_former_record_kept() {
    for place in drifted() {
        let former = place.recorded();
        let digest = place.digest();
        place.toml(&place.line(&digest, "made in the outage"));
        let ran = place.accept(&digest);
        ran.is(0, "yes")
            .says("accepted 1 difference that no migration made");
        assert_eq!(ran.json["facts"]["because"], "made in the outage");
        assert_eq!(ran.json["facts"]["digest"], digest.as_str());
        let now = place.recorded();
        assert!(now.contains("by_hand") && !former.contains("by_hand"));
        let kept = Kept {
            accepted: vec![format!("{digest} made in the outage")],
            history: vec![former],
        };
        assert_eq!(place.kept(), kept);
        // The same job again, with the line that is used.
        place
            .accept(&digest)
            .is(0, "no")
            .says("nothing differs from what is recorded");
        assert_eq!((place.kept(), place.recorded()), (kept, now));
    }
}

#[test]
fn a_line_excuses_once() {
    for place in drifted() {
        let digest = place.digest();
        let line = place.line(&digest, "made in the outage");
        place.toml(&line);
        place.accept(&digest).is(0, "yes");
        // What was accepted goes by a migration, and comes back by hand.
        place.execute("DROP TABLE by_hand");
        place.deploy();
        place.execute("CREATE TABLE by_hand (x int)");
        let (recorded, kept) = (place.recorded(), place.kept());
        place
            .accept(&digest)
            .is(1, "no")
            .says("excused this digest once already");
        assert_eq!((place.recorded(), place.kept()), (recorded, kept));
        place.toml(&(line + &place.line(&digest, "made in the next outage")));
        place.accept(&digest).is(0, "yes");
        assert_eq!(place.kept().accepted.len(), 2);
        assert_eq!(place.kept().history.len(), 2);
    }
}

#[test]
fn without_a_line_nothing_is_accepted() {
    for place in drifted() {
        let digest = place.digest();
        let recorded = place.recorded();
        let other = place
            .line(&digest, "x")
            .replace(&place.identity(), &contract::new_uuid());
        let zeros = format!("sha256:{}", "0".repeat(64));
        for lines in [String::new(), other, place.line(&zeros, "x")] {
            place.toml(&lines);
            let ran = place.accept(&digest);
            ran.is(1, "no").says("no line names this digest");
            assert_eq!(ran.failed_checks(), ["drift-excused"]);
            assert!(ran.stderr.contains("\n[[accept]]\n"), "{}", ran.stderr);
        }
        // What the program prints is the line that it wants.
        let printed = place.accept(&digest).stderr;
        let (_, entry) = printed.split_once("[[accept]]").unwrap();
        place.toml(&format!("[[accept]]{entry}"));
        place.accept(&digest).is(0, "yes");
        assert_ne!(place.recorded(), recorded);
    }
}

#[test]
fn another_digest_than_the_one_that_is_there_is_refused() {
    for place in drifted() {
        let digest = place.digest();
        place.toml(&place.line(&digest, "x"));
        // Somebody went on after the line was reviewed.
        place.execute("CREATE TABLE more_by_hand (x int)");
        let recorded = place.recorded();
        let ran = place.accept(&digest);
        ran.is(1, "no").says(&place.digest());
        assert_eq!(ran.failed_checks(), ["digest-found"]);
        assert_eq!(place.recorded(), recorded);
        place.execute("DROP TABLE more_by_hand; DROP TABLE by_hand");
        let ran = place.accept(&digest);
        ran.is(1, "no");
        assert_eq!(ran.failed_checks(), ["digest-found"]);
        assert_eq!(place.kept(), Kept::default());
    }
}

#[test]
fn where_nothing_differs_nothing_is_done() {
    for place in Place::both() {
        let recorded = place.recorded();
        let digest = place.digest();
        place.accept(&digest).is(0, "no");
        place.toml(&place.line(&digest, "x"));
        place
            .accept(&digest)
            .is(0, "no")
            .says("nothing is found here that it could excuse");
        place.run(&["--accept", &digest, "--strict"]).is(1, "no");
        assert_eq!(
            (place.recorded(), place.kept()),
            (recorded, Kept::default())
        );
    }
}

#[test]
fn a_digest_that_is_none_is_a_misuse() {
    for place in Place::both() {
        for args in [
            vec![],
            vec!["--accept", "5d1be7"],
            vec!["--accept", ""],
            vec!["--accept", "sha256:0", "--renew"],
        ] {
            place.run(&args).is(2, "no");
        }
    }
}

#[test]
fn a_ledger_that_is_not_whole_has_no_schema_to_record() {
    for place in Place::empty() {
        let digest = place.digest();
        place
            .accept(&digest)
            .is(1, "no")
            .says("nothing was deployed here yet");
        place.execute("CREATE TABLE by_hand (x int)");
        let digest = place.digest();
        place.toml(&place.line(&digest, "x"));
        place.accept(&digest).is(1, "no").says("not adopted");
    }
    for place in drifted() {
        let migrations = place.table("migrations");
        place.execute(&format!(
            "UPDATE {migrations} SET state = 'started' WHERE position = 2"
        ));
        let digest = place.digest();
        place.toml(&place.line(&digest, "x"));
        let ran = place.accept(&digest);
        ran.is(1, "no").says("mark-migrations --resolve");
        assert_eq!(ran.failed_checks(), ["ledger-whole"]);
    }
}

#[test]
fn the_guards_are_asked() {
    for place in drifted() {
        let digest = place.digest();
        place.toml(&place.line(&digest, "x"));
        let recorded = place.recorded();
        let args = ["--accept", digest.as_str()];
        place
            .run_with(&args, &[("LOCKSTEP_ENV", "production")])
            .is(1, "no");
        let protected = place.table("environment");
        place.execute(&format!(
            "UPDATE {protected} SET protected = {}",
            match place.url.starts_with("sqlite") {
                true => "1",
                false => "true",
            }
        ));
        let ran = place.run(&args);
        ran.is(1, "no");
        assert_eq!(ran.failed_checks(), ["ci-run"]);
        place
            .run_with(&args, &[("CI", "true"), ("LOCKSTEP_ENV", "production")])
            .is(1, "no");
        assert_eq!(place.recorded(), recorded);
        place.run_with(&args, &[("CI", "true")]).is(0, "yes");
    }
}

#[test]
fn a_running_deployment_is_waited_for_or_named() {
    for place in drifted() {
        let digest = place.digest();
        place.toml(&place.line(&digest, "x"));
        let mut holder = place.writer();
        holder.lock(Duration::ZERO, &mut |_| {}).unwrap();
        place.accept(&digest).is(5, "no").says("held by test");
        drop(holder);
        place.accept(&digest).is(0, "yes");
    }
}
