//! What a `[[rollback]]` may be.

use super::*;

#[test]
fn a_restore_needs_a_snapshot_that_was_taken_frozen() {
    const RESTORE: &str = "rollback restore-snapshot timeout = \"1m\"";
    let unfrozen = [(
        Order,
        "rollback 1 (restore-snapshot)",
        "writes made since would be lost",
    )];
    allowed(
        true,
        &[
            "step freeze-db",
            SAFE[0],
            SAFE[1],
            SAFE[2],
            RESTORE,
            "finally thaw-db",
        ],
    );
    for steps in [
        &[SAFE[0], SAFE[1], SAFE[2], RESTORE][..],
        // Frozen too late, thawed too early, backed up again after the thaw, no snapshot at all.
        &[SAFE[0], SAFE[1], "step freeze-db", SAFE[2], RESTORE],
        &[
            "step freeze-db",
            SAFE[0],
            SAFE[1],
            "step thaw-db",
            SAFE[2],
            RESTORE,
        ],
        &[
            "step freeze-db",
            "step thaw-db",
            SAFE[0],
            SAFE[1],
            SAFE[2],
            RESTORE,
        ],
        &[
            "step freeze-db",
            SAFE[0],
            SAFE[1],
            SAFE[2],
            "step thaw-db",
            SAFE[0],
            RESTORE,
        ],
    ] {
        refused(true, steps, &unfrozen);
        // Lost writes are lost in an unprotected database too.
        refused(false, steps, &unfrozen);
    }
    refused(
        false,
        &["step freeze-db", "step verify-env", RESTORE],
        &unfrozen,
    );
}

#[test]
fn a_restore_and_a_thaw_are_known_by_their_names_wherever_they_stand() {
    let restores = [
        "rollback ./restore-snapshot changes = \"database\"",
        "rollback /opt/bin/restore-snapshot changes = \"database\"",
    ];
    let unfrozen = [(
        Order,
        "rollback 1 (restore-snapshot)",
        "writes made since would be lost",
    )];
    let frozen = ["step freeze-db", SAFE[0], SAFE[1], SAFE[2]];
    for restore in restores {
        for protected in [true, false] {
            refused(protected, &[&SAFE[..], &[restore]].concat(), &unfrozen);
            allowed(protected, &[&frozen[..], &[restore]].concat());
            let thaw = "step ./thaw-db changes = \"service\"";
            let thawed = [&frozen[..], &[thaw, restore]].concat();
            refused(protected, &thawed, &unfrozen);
        }
    }
    // A foreign program of that name has frozen nothing that anybody knows of.
    let forged = "step ./freeze-db changes = \"service\"";
    let steps = [SAFE[0], forged, SAFE[1], SAFE[2], restores[0]];
    refused(false, &steps, &unfrozen);
    // Only the suite's own restore does without a verification before it.
    let unverified = ["step freeze-db", SAFE[1]];
    allowed(
        true,
        &[&unverified[..], &["rollback restore-snapshot"]].concat(),
    );
    refused(
        true,
        &[&unverified[..], &restores[..1]].concat(),
        &[(
            Order,
            "rollback 1 (restore-snapshot)",
            "before any verify-migrations",
        )],
    );
}

#[test]
fn a_restore_needs_its_snapshot_before_every_step_that_can_fail_with_a_change() {
    const RESTORE: &str = "rollback restore-snapshot timeout = \"1m\"";
    const SERVICE: &str = "step systemctl changes = \"service\"";
    const STOP: &str = "rollback systemctl changes = \"service\"";
    const FROZEN: [&str; 2] = ["step freeze-db", "step backup-snapshot"];
    let unfrozen = [(
        Order,
        "rollback 1 (restore-snapshot)",
        "writes made since would be lost",
    )];
    let deployed = [SAFE[0], FROZEN[0], FROZEN[1], SAFE[2]];
    allowed(true, &[&deployed[..], &[SERVICE, STOP, RESTORE]].concat());
    // A service step is a reason to undo too, and this one fails before the run has a snapshot.
    let second = [(
        Order,
        "rollback 2 (restore-snapshot)",
        "writes made since would be lost",
    )];
    refused(
        true,
        &[&[SERVICE][..], &deployed, &[STOP, RESTORE]].concat(),
        &second,
    );
    // The first deployment would take the snapshot from before the freeze.
    let twice = [&SAFE[..], &[FROZEN[0], FROZEN[1], SAFE[2], RESTORE]].concat();
    refused(true, &twice, &unfrozen);
    // A copy of something else is no snapshot.
    let config = ["step freeze-db", "step backup-config", SAFE[2], RESTORE];
    refused(false, &config, &unfrozen);
    // Nothing is frozen any more once the clean-up has thawed.
    let thawed = [&deployed[..], &["rollback thaw-db", RESTORE]].concat();
    let expected = [(
        Order,
        "rollback 2 (restore-snapshot)",
        "writes made since would be lost",
    )];
    refused(true, &thawed, &expected);
}

#[test]
fn rollback_does_not_change_a_protected_database_before_it_was_verified_and_backed_up() {
    const REPAIR: &str = "rollback psql changes = \"database\"";
    const SERVICE: &str = "step systemctl changes = \"service\"";
    const STOP: &str = "rollback systemctl changes = \"service\"";
    allowed(true, &[&SAFE[..], &[SERVICE, STOP, REPAIR]].concat());
    allowed(false, &[SERVICE, STOP, REPAIR]);
    refused(
        true,
        &[&[SAFE[0], SERVICE], &SAFE[..], &[STOP, REPAIR]].concat(),
        &[(Order, "rollback 2 (psql)", "before any backup-snapshot")],
    );
    refused(
        true,
        &["step verify-env", "rollback revert-migration"],
        &[
            (
                Order,
                "rollback 1 (revert-migration)",
                "before any verify-migrations",
            ),
            (
                Order,
                "rollback 1 (revert-migration)",
                "before any backup-snapshot",
            ),
        ],
    );
}

#[test]
fn a_rollback_of_the_database_begins_by_stopping_the_service_that_a_step_started() {
    const SERVICE: &str = "step systemctl changes = \"service\"";
    const STOP: &str = "rollback systemctl changes = \"service\"";
    const REPAIRS: [&str; 2] = [
        "rollback revert-migration",
        "rollback psql changes = \"database\"",
    ];
    for repair in REPAIRS {
        let safe = |rest: &[&'static str]| [&SAFE[..], rest].concat();
        allowed(true, &safe(&[SERVICE, STOP, repair]));
        // No step has started any.
        allowed(true, &safe(&[repair]));
        // Not even the first of two may come before it.
        for steps in [safe(&[SERVICE, repair, STOP]), safe(&[SERVICE, repair])] {
            for protected in [true, false] {
                let problems = planned(protected, &steps).unwrap_err();
                assert_eq!(problems.len(), 1, "{problems:#?}");
                assert_eq!(problems[0].kind, Order);
                assert!(
                    problems[0].subject.starts_with("rollback 1 "),
                    "{problems:#?}"
                );
                assert!(
                    problems[0].remedy.contains("stops the service"),
                    "{problems:#?}"
                );
            }
        }
    }
    // What leaves the database alone may stand anywhere.
    allowed(
        true,
        &[&SAFE[..], &[SERVICE, "rollback ./tidy changes = \"files\""]].concat(),
    );
}
