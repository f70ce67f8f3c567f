//! What a renewal demands of the evidence chain.

use std::time::Duration;

use contract::evidence::Line;
use contract::{Check, Failure, Report, Run};
use jiff::Timestamp;

/// The replay made the schema that is there.
pub(crate) const REPLAY_PASSED: Check = Check {
    id: "replay-passed",
    holds: "verify-schema --replay passed here for this target, ledger, server and schema",
    remedy: "run verify-schema --replay with the same --evidence folder first",
};

/// How old the proof may be: it is of the run that renews, not of an earlier one in a folder that was
/// kept.
const AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// What the replay has to have been of.
pub(crate) struct Asked<'a> {
    pub(crate) identity: &'a str,
    pub(crate) ledger_state: &'a str,
    /// Of the live schema, as findings print it.
    pub(crate) digest: &'a str,
    pub(crate) server_major: Option<u32>,
}

/// Reports whether the chain holds the proof.
pub(crate) fn demand(run: &Run, asked: &Asked<'_>, report: &mut Report) -> Result<(), Failure> {
    let Some(dir) = run.evidence_dir() else {
        report
            .broken(&REPLAY_PASSED, "evidence", "no evidence folder was named")
            .remedy(
                "name the folder of verify-schema --replay with --evidence or LOCKSTEP_EVIDENCE",
            );
        return Ok(());
    };
    let (chain, _) = contract::evidence::read(dir)?;
    match judge(&chain, asked, contract::timestamp()) {
        Ok(line) => report.held(&REPLAY_PASSED, line.hash.get(..12).unwrap_or(&line.hash)),
        Err(why) => report.broken(&REPLAY_PASSED, "replay", why),
    };
    Ok(())
}

/// The line that proves it, or why none does. The last replay counts: one that failed after one that
/// passed takes its word back.
fn judge<'c>(chain: &'c [Line], asked: &Asked<'_>, now: Timestamp) -> Result<&'c Line, String> {
    let is_replay = |line: &&Line| {
        let by = line.value["facts"]["expected_by"].as_str();
        // One that did not come to a comparison does not say by what.
        line.value["tool"] == "verify-schema" && by.is_none_or(|by| by == "replay")
    };
    let of_this = |line: &&Line| {
        let target = line.value["target"]["identity"].as_str();
        target.is_none_or(|target| target == asked.identity)
    };
    let last = chain.iter().rev().filter(of_this).find(is_replay);
    let Some(line) = last else {
        return Err(
            "there is no result of verify-schema --replay for this target in the evidence".into(),
        );
    };
    let value = &line.value;
    if value["class"] != "pass" {
        let class = value["class"].as_str().unwrap_or("none");
        return Err(format!("the last verify-schema --replay ended in {class}"));
    }
    let facts = &value["facts"];
    let major = asked.server_major.map(u64::from);
    for (what, found, expected) in [
        (
            "another target",
            &value["target"]["identity"],
            asked.identity,
        ),
        ("another comparison", &facts["expected_by"], "replay"),
        (
            "another state of the ledger",
            &facts["ledger_state"],
            asked.ledger_state,
        ),
    ] {
        if found.as_str() != Some(expected) {
            return Err(format!("the last verify-schema --replay is of {what}"));
        }
    }
    let digest = facts["digest"].as_str().map(accept::shown);
    if digest.as_deref() != Some(asked.digest) {
        return Err("the schema has changed since verify-schema --replay passed".into());
    }
    if facts["server_major"].as_u64() != major {
        return Err("the last verify-schema --replay is of another major version".into());
    }
    let started: Option<Timestamp> = value["started_at"]
        .as_str()
        .and_then(|text| text.parse().ok());
    let age = started
        .and_then(|at| u64::try_from(now.as_millisecond() - at.as_millisecond()).ok())
        .map(Duration::from_millis);
    match age {
        Some(age) if age <= AGE_MAX => Ok(line),
        Some(_) => Err("the last verify-schema --replay is more than a day old".into()),
        None => Err("the last verify-schema --replay is of a time to come".into()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: &str = "2026-05-03T12:00:00Z";

    fn asked() -> Asked<'static> {
        Asked {
            identity: "uuid",
            ledger_state: "state",
            digest: "sha256:digest",
            server_major: Some(16),
        }
    }

    fn passed() -> Value {
        json!({
            "tool": "verify-schema",
            "class": "pass",
            "started_at": "2026-05-03T11:50:00Z",
            "target": { "identity": "uuid" },
            "facts": {
                "expected_by": "replay",
                "ledger_state": "state",
                "digest": "digest",
                "server_major": 16,
            },
        })
    }

    fn with(pointer: &str, value: Value) -> Value {
        let mut line = passed();
        *line.pointer_mut(pointer).unwrap() = value;
        line
    }

    #[track_caller]
    fn check(values: &[Value], expected: Option<&str>) {
        let chain: Vec<Line> = values
            .iter()
            .map(|value| Line {
                hash: "0".repeat(64),
                value: value.clone(),
            })
            .collect();
        let said = judge(&chain, &asked(), NOW.parse().unwrap());
        match (said, expected) {
            (Ok(_), None) => {}
            (Err(why), Some(part)) => assert!(why.contains(part), "{why}"),
            (said, _) => panic!("{said:?}"),
        }
    }

    #[test]
    fn a_replay_of_exactly_this_is_a_proof() {
        check(&[passed()], None);
        check(&[], Some("no result"));
        check(
            &[with("/tool", json!("verify-migrations"))],
            Some("no result"),
        );
        check(
            &[with("/facts/expected_by", json!("ledger"))],
            Some("no result"),
        );
        check(
            &[with("/target/identity", json!("other"))],
            Some("no result"),
        );
        check(
            &[with("/target/identity", Value::Null)],
            Some("another target"),
        );
        check(&[with("/class", json!("fail"))], Some("ended in fail"));
        check(
            &[with("/facts/ledger_state", json!("x"))],
            Some("state of the ledger"),
        );
        check(
            &[with("/facts/ledger_state", Value::Null)],
            Some("state of the ledger"),
        );
        check(&[with("/facts/digest", json!("x"))], Some("has changed"));
        check(
            &[with("/facts/server_major", json!(15))],
            Some("major version"),
        );
        check(
            &[with("/facts/server_major", Value::Null)],
            Some("major version"),
        );
        check(
            &[with("/started_at", json!("2026-05-02T11:59:59Z"))],
            Some("day old"),
        );
        check(
            &[with("/started_at", json!("2026-05-03T12:00:01Z"))],
            Some("to come"),
        );
        check(&[with("/started_at", json!("soon"))], Some("to come"));
    }

    #[test]
    fn the_last_replay_counts() {
        check(
            &[passed(), with("/class", json!("fail"))],
            Some("ended in fail"),
        );
        let mut stopped = with("/class", json!("error"));
        stopped["facts"] = json!({});
        stopped["target"] = Value::Null;
        check(&[passed(), stopped], Some("ended in error"));
        check(&[with("/class", json!("fail")), passed()], None);
        // The comparison with the old record fails; that is why it is renewed.
        let mut ledger = with("/facts/expected_by", json!("ledger"));
        ledger["class"] = json!("fail");
        check(&[passed(), ledger], None);
    }
}
