//! A record is renewed on the proof of a replay.

use serde_json::{Value, json};

use crate::support::{Kept, Place};

/// Both with a record that another program wrote: of another major, or without its scope.
fn otherwise_printed() -> [Place; 2] {
    let places = Place::both();
    for place in &places {
        let schema = place.table("schema");
        place.execute(&format!(
            "UPDATE {schema} SET document = replace(replace(document, '\"server_major\":15', \
             '\"server_major\":14'), ',\"ignore\":[]', ',\"ignore\":[\"x\"]')"
        ));
    }
    places
}

#[test]
fn a_passed_replay_renews_the_record() {
    for place in otherwise_printed() {
        let former = place.recorded();
        place.replayed("/as-it-is", Value::Null);
        place
            .renew()
            .is(0, "yes")
            .says("renewed the record of a schema that the replay made too");
        assert_ne!(place.recorded(), former);
        let kept = Kept {
            accepted: Vec::new(),
            history: vec![former],
        };
        assert_eq!(place.kept(), kept);
        place
            .renew()
            .is(0, "no")
            .says("the record is of this very schema and server");
    }
}

#[test]
fn a_record_that_a_killed_run_left_behind_is_renewed_too() {
    for place in Place::both() {
        let schema = place.table("schema");
        place.execute(&format!(
            "UPDATE {schema} SET ledger_state = 'older', document = '{{}}'"
        ));
        place.replayed("/as-it-is", Value::Null);
        place.renew().is(0, "yes");
        let survey = place.writer().survey().unwrap();
        assert!(!survey.record_is_stale());
    }
}

#[test]
fn what_is_no_proof_renews_nothing() {
    for (pointer, value, why) in [
        ("/class", json!("fail"), "ended in fail"),
        ("/facts/expected_by", json!("ledger"), "no result"),
        ("/target/identity", json!("other"), "no result"),
        (
            "/facts/ledger_state",
            json!("other"),
            "another state of the ledger",
        ),
        ("/facts/digest", json!("other"), "has changed since"),
        ("/facts/server_major", json!(16), "another major version"),
        (
            "/started_at",
            json!("2026-01-01T00:00:00Z"),
            "more than a day old",
        ),
    ] {
        for place in otherwise_printed() {
            let former = place.recorded();
            place.replayed(pointer, value.clone());
            let ran = place.renew();
            ran.is(1, "no").says(why);
            assert_eq!(ran.failed_checks(), ["replay-passed"]);
            assert_eq!((place.recorded(), place.kept()), (former, Kept::default()));
        }
    }
}

#[test]
fn the_schema_of_the_proof_is_the_one_that_is_recorded() {
    for place in otherwise_printed() {
        place.replayed("/as-it-is", Value::Null);
        place.execute("CREATE TABLE by_hand (x int)");
        let former = place.recorded();
        place
            .renew()
            .is(1, "no")
            .says("the schema has changed since verify-schema --replay passed");
        assert_eq!(place.recorded(), former);
    }
}

#[test]
fn without_evidence_nothing_is_renewed() {
    for place in otherwise_printed() {
        place
            .run(&["--renew"])
            .is(1, "no")
            .says("name the folder of verify-schema --replay");
        place.renew().is(1, "no").says("there is no result");
    }
}
