use super::*;
use std::time::Duration;

use crate::pipeline::Changes;
use crate::promise::Verb;

const VERIFY: Promise = Promise::Ours(Verb::Verify);
const BACKUP: Promise = Promise::Ours(Verb::Backup);
const DEPLOY: Promise = Promise::Ours(Verb::Deploy);
const NOTHING: Promise = Promise::Foreign(Changes::Nothing);
const FILES: Promise = Promise::Foreign(Changes::Files);
const DATABASE: Promise = Promise::Foreign(Changes::Database);
const SERVICE: Promise = Promise::Foreign(Changes::Service);

fn ended(exit: Exit, timed_out: bool) -> Ended {
    Ended {
        exit,
        timed_out,
        interrupted: false,
        leaked: false,
        remains: false,
        output_truncated: false,
        log_failed: false,
        duration: Duration::ZERO,
    }
}

fn answer(class: &str, changed: &str) -> Vec<Answer> {
    let code = Class::from_name(class).unwrap().code();
    let json = serde_json::json!({
        "tool": "own", "class": class, "exit_code": code, "changed": changed,
    });
    vec![serde_json::from_value(json).unwrap()]
}

fn exited(code: i32) -> Ended {
    ended(Exited(code), false)
}

/// `expected` is code, class and whether anything was changed.
#[track_caller]
fn check(promise: Promise, ended: Ended, answers: &[Answer], expected: &str) {
    let verdict = judge(promise, "own", &ended, answers);
    let changed = match verdict.changed {
        Changed::No => "no",
        Changed::Yes => "yes",
        Changed::Unknown => "unknown",
    };
    let found = format!("{} {} {changed}", verdict.code, verdict.class);
    assert_eq!(found, expected, "{verdict:?}");
}

use Exit::{Exited, Signaled};

#[test]
fn a_program_of_the_suite_is_believed_with_its_result_alone() {
    let quiet: &[Answer] = &[];
    check(VERIFY, exited(0), &answer("pass", "no"), "0 pass no");
    check(DEPLOY, exited(0), &answer("pass", "yes"), "0 pass yes");
    check(VERIFY, exited(0), quiet, "3 error no");
    check(BACKUP, exited(0), quiet, "3 error no");
    check(DEPLOY, exited(0), quiet, "6 partial unknown");
    // A result that says otherwise is none.
    check(VERIFY, exited(0), &answer("fail", "no"), "3 error no");
    check(DEPLOY, exited(0), &answer("fail", "no"), "6 partial no");
    // Another program's result is not the step's.
    let mut other = answer("pass", "no");
    other[0].tool = "other".to_owned();
    check(DEPLOY, exited(0), &other, "6 partial unknown");
}

#[test]
fn codes_are_handed_on() {
    let quiet: &[Answer] = &[];
    for code in 1..=5 {
        let class = Class::from_code(code).unwrap().name();
        check(
            DEPLOY,
            exited(code.into()),
            quiet,
            &format!("{code} {class} no"),
        );
        check(
            VERIFY,
            exited(code.into()),
            quiet,
            &format!("{code} {class} no"),
        );
    }
    check(DEPLOY, exited(6), quiet, "6 partial unknown");
    check(
        DEPLOY,
        exited(6),
        &answer("partial", "yes"),
        "6 partial yes",
    );
    // A crash that the contract does not know: for an action, nobody knows what it has done.
    check(DEPLOY, exited(101), quiet, "6 partial unknown");
    check(VERIFY, exited(101), quiet, "101 fail no");
    // Foreign codes have no classes: curl's 6 is a name that does not resolve.
    for code in [1, 4, 5, 6, 124, 125, 127, 200] {
        check(NOTHING, exited(code), quiet, &format!("{code} fail no"));
    }
    check(DATABASE, exited(1), quiet, "1 fail unknown");
    check(SERVICE, exited(0), quiet, "0 pass unknown");
    check(FILES, exited(1), quiet, "1 fail no");
}

#[test]
fn an_ended_change_is_partial_and_an_ended_check_is_not() {
    let quiet: &[Answer] = &[];
    for promise in [DEPLOY, DATABASE, SERVICE] {
        check(
            promise,
            ended(Signaled(9), false),
            quiet,
            "6 partial unknown",
        );
        check(
            promise,
            ended(Signaled(15), true),
            quiet,
            "6 partial unknown",
        );
    }
    for promise in [VERIFY, BACKUP, NOTHING, FILES] {
        check(promise, ended(Signaled(9), false), quiet, "137 signal no");
        check(promise, ended(Signaled(15), true), quiet, "124 timeout no");
        // It noticed SIGTERM and says that all is well; it did not get to the end in time.
        check(
            promise,
            ended(Exited(0), true),
            &answer("pass", "no"),
            "124 timeout no",
        );
    }
    // A result that was written before the end is not taken back.
    check(
        DEPLOY,
        ended(Signaled(9), false),
        &answer("pass", "yes"),
        "6 partial yes",
    );
}

#[test]
fn an_action_that_answers_within_its_grace_is_believed() {
    check(
        DEPLOY,
        ended(Exited(1), true),
        &answer("fail", "no"),
        "1 fail no",
    );
    check(
        DEPLOY,
        ended(Exited(0), true),
        &answer("pass", "yes"),
        "0 pass yes",
    );
    check(DEPLOY, ended(Exited(1), true), &[], "6 partial unknown");
    check(DATABASE, ended(Exited(1), true), &[], "6 partial unknown");
}

#[test]
fn a_script_does_not_hide_what_the_suite_reports_inside_it() {
    check(NOTHING, exited(1), &answer("partial", "yes"), "1 fail yes");
    // A word of a later version is no "no".
    check(
        NOTHING,
        exited(0),
        &answer("pass", "perhaps"),
        "0 pass unknown",
    );
}

#[test]
fn the_first_failure_counts_and_partial_outranks_the_interrupt() {
    for (first, signal, expected) in [
        (None, None, 0),
        (Some(1), None, 1),
        (None, Some(15), 143),
        (Some(1), Some(2), 130),
        (Some(143), Some(15), 143),
        (Some(6), Some(15), 6),
    ] {
        assert_eq!(run_code(first, signal), expected);
    }
}
