use super::*;
use std::path::Path;

/// Programs of the suite stand in /suite, others in /bin.
fn find(program: &str) -> Found {
    let runnable = |folder: &str, beside| Found::Runnable {
        path: Path::new(folder).join(file_name(program)),
        beside,
    };
    match program {
        "absent" | "./absent" => Found::Missing,
        "blocked" => Found::NotRunnable {
            path: "/bin/blocked".into(),
            obstacle: crate::executable::Obstacle {
                why: "it is empty".into(),
                remedy: "write it".into(),
            },
        },
        "deploy-elsewhere" => runnable("/bin", false),
        _ if program.starts_with("/suite/") => runnable("/suite", true),
        _ if program.contains('/') || Verb::of(program).is_none() => runnable("/bin", false),
        _ => runnable("/suite", true),
    }
}

/// Each step as `PART PROGRAM KEYS`, the keys in TOML.
fn planned(protected: bool, steps: &[&str]) -> Result<Plan, Vec<Problem>> {
    let mut text = String::from("pipeline = 1\nname = \"p\"\n");
    for step in steps {
        let mut words = step.splitn(3, ' ');
        let (part, program) = (words.next().unwrap(), words.next().unwrap());
        let keys = words.next().unwrap_or_default();
        text.push_str(&format!("[[{part}]]\nrun = [\"{program}\"]\n{keys}\n"));
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.toml");
    std::fs::write(&path, text).unwrap();
    plan(&Pipeline::read(&path).unwrap(), protected, find)
}

#[track_caller]
fn allowed(protected: bool, steps: &[&str]) -> Plan {
    planned(protected, steps).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// The pipeline has exactly these problems: kind, subject, a part of what is said.
#[track_caller]
fn refused(protected: bool, steps: &[&str], expected: &[(ProblemKind, &str, &str)]) {
    let problems = planned(protected, steps).unwrap_err();
    let same = problems.len() == expected.len()
        && problems
            .iter()
            .zip(expected)
            .all(|(problem, (kind, subject, what))| {
                problem.kind == *kind && problem.subject == *subject && problem.what.contains(what)
            });
    assert!(same, "{problems:#?}");
}

use ProblemKind::{Declaration, Missing, NotRunnable, Order};

const SAFE: [&str; 3] = [
    "step verify-migrations",
    "step backup-snapshot",
    "step deploy-db timeout = \"1m\"",
];

#[test]
fn the_promise_is_the_verb_of_what_stands_beside_the_orchestrator() {
    let plan = allowed(
        false,
        &[
            "step verify-env",
            "step /suite/freeze-db",
            "step deploy-elsewhere timeout = \"1m\"",
            "step ./deploy-app changes = \"files\"",
            "step systemctl changes = \"service\"",
        ],
    );
    let promises: Vec<Promise> = plan.steps.iter().map(|step| step.promise).collect();
    assert_eq!(
        promises,
        [
            Promise::Ours(Verb::Verify),
            Promise::Ours(Verb::Freeze),
            Promise::Ours(Verb::Deploy),
            Promise::Foreign(Changes::Files),
            Promise::Foreign(Changes::Service),
        ]
    );
}

#[test]
fn a_foreign_program_says_what_it_changes_and_one_of_the_suite_does_not() {
    refused(
        false,
        &["step systemctl", "step ./deploy-app"],
        &[
            (
                Declaration,
                "step 1 (systemctl)",
                "does not say what it changes",
            ),
            (
                Declaration,
                "step 2 (deploy-app)",
                "does not say what it changes",
            ),
        ],
    );
    refused(
        false,
        &["step deploy-db changes = \"nothing\"\ntimeout = \"1m\""],
        &[(
            Declaration,
            "step 1 (deploy-db)",
            "its verb says what it changes",
        )],
    );
}

#[test]
fn the_name_of_a_program_of_the_suite_is_never_declared_to_do_less() {
    // Wherever a bare name is found, it is the program.
    let elsewhere = |program: &str| Found::Runnable {
        path: Path::new("/bin").join(file_name(program)),
        beside: false,
    };
    let step = |program: &str, changes: Changes| Step {
        line: None,
        name: None,
        run: vec![program.to_owned()],
        changes: Some(changes),
        timeout: None,
        grace: None,
        env: None,
        retry: None,
    };
    for program in ["deploy-db", "verify-env", "mark-db"] {
        for changes in [Changes::Nothing, Changes::Database] {
            let (what, _) = promise(&step(program, changes), &elsewhere(program)).unwrap_err();
            assert!(what.contains("its verb says"), "{program}: {what}");
        }
    }
    // By a path it may be another program of that name, but not a more harmless one.
    for (program, least) in [
        ("./verify-env", Changes::Nothing),
        ("./backup-snapshot", Changes::Files),
        ("./mark-db", Changes::Service),
        ("./freeze-db", Changes::Service),
        ("./thaw-db", Changes::Service),
        ("./restore-snapshot", Changes::Database),
        ("/opt/bin/deploy-db", Changes::Database),
    ] {
        let order = [
            Changes::Nothing,
            Changes::Files,
            Changes::Service,
            Changes::Database,
        ];
        let at = order.iter().position(|changes| *changes == least).unwrap();
        for (index, changes) in order.into_iter().enumerate() {
            let found = promise(&step(program, changes), &elsewhere(program));
            match found {
                Ok(promise) => assert!(index >= at && promise == Promise::Foreign(changes)),
                Err((what, _)) => assert!(index < at && what.contains("changes more"), "{what}"),
            }
        }
    }
    // Others name their programs by verbs too.
    let deploy_app = promise(
        &step("deploy-app", Changes::Service),
        &elsewhere("deploy-app"),
    );
    assert_eq!(deploy_app, Ok(Promise::Foreign(Changes::Service)));
}

#[test]
fn what_changes_the_database_has_a_timeout_of_its_own() {
    for step in ["step deploy-db", "step psql changes = \"database\""] {
        let problems = planned(false, &["step verify-env", step]).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(
            problems[0].what.contains("no timeout of its own"),
            "{problems:#?}"
        );
    }
    allowed(false, &["step freeze-db", "step mark-db", "step thaw-db"]);
    // A repair that was cut short is worse than one that takes long: it has an hour.
    let plan = planned(false, &["step verify-env", "rollback revert-migration"]).unwrap();
    assert_eq!(
        plan.rollback[0].timeout,
        std::time::Duration::from_secs(3600)
    );
}

#[test]
fn a_program_of_the_suite_that_is_mistyped_is_guessed() {
    let nowhere = |_: &str| Found::Missing;
    for (program, changes, meant) in [
        ("verify-enf", "", "verify-env"),
        ("verify-env.", "", "verify-env"),
        ("verifyenv", "", "verify-env"),
        ("backup-snapshots", "", "backup-snapshot"),
        (
            "deploy_db",
            "changes = \"database\"\ntimeout = \"1m\"",
            "deploy-db",
        ),
        ("Verify-Env", "changes = \"nothing\"", "verify-env"),
        ("verify-migration", "", "verify-migrations"),
        ("systemctl", "changes = \"service\"", ""),
        // It is what it is; it is only not there.
        ("verify-env", "", ""),
    ] {
        let text =
            format!("pipeline = 1\nname = \"p\"\n[[step]]\nrun = [{program:?}]\n{changes}\n");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.toml");
        std::fs::write(&path, text).unwrap();
        let problems = plan(&Pipeline::read(&path).unwrap(), false, nowhere).unwrap_err();
        for problem in &problems {
            let guess = problem
                .what
                .split_once("; did you mean \"")
                .map(|(_, rest)| rest);
            let expected = format!("{meant}\"?");
            assert_eq!(
                guess,
                (!meant.is_empty()).then_some(&*expected),
                "{problem:?}"
            );
        }
    }
}

#[test]
fn every_program_is_looked_up_whatever_part_it_stands_in() {
    refused(
        false,
        &[
            "step blocked changes = \"nothing\"",
            "step absent changes = \"nothing\"",
            "finally ./absent changes = \"nothing\"",
        ],
        &[
            (
                NotRunnable,
                "step 1 (blocked)",
                "/bin/blocked can't be run: it is empty",
            ),
            (
                Missing,
                "step 2 (absent)",
                "neither beside the orchestrator nor in PATH",
            ),
            (Missing, "finally 1 (absent)", "./absent does not exist"),
        ],
    );
    // What is wrong with the file comes first: it decides the exit code.
    refused(
        false,
        &["step absent changes = \"nothing\"", "step deploy-db"],
        &[
            (Declaration, "step 2 (deploy-db)", "timeout"),
            (Missing, "step 1 (absent)", "absent"),
        ],
    );
}

#[test]
fn a_protected_database_is_verified_and_backed_up_before_it_is_changed() {
    allowed(true, &SAFE);
    allowed(
        true,
        &["step mark-db", "step freeze-db", SAFE[0], SAFE[1], SAFE[2]],
    );
    // Verifying again afterwards is no change of order.
    allowed(true, &[SAFE[0], SAFE[1], SAFE[2], "step verify-migrations"]);
    allowed(false, &[SAFE[2]]);
    refused(
        true,
        &[SAFE[2], SAFE[0], SAFE[1]],
        &[
            (Order, "step 1 (deploy-db)", "before any verify-migrations"),
            (Order, "step 1 (deploy-db)", "before any backup-snapshot"),
        ],
    );
    refused(
        true,
        &[
            SAFE[0],
            "step psql changes = \"database\"\ntimeout = \"1m\"",
            SAFE[1],
        ],
        &[(Order, "step 2 (psql)", "before any backup-snapshot")],
    );
    // A foreign program of that name proves nothing.
    let forged = "step ./backup-snapshot changes = \"files\"";
    refused(
        true,
        &[SAFE[0], forged, SAFE[2]],
        &[(Order, "step 3 (deploy-db)", "before any backup-snapshot")],
    );
}

#[test]
fn finally_does_not_change_a_protected_database() {
    let finally = "finally psql changes = \"database\"\ntimeout = \"1m\"";
    allowed(false, &["step verify-env", finally]);
    allowed(true, &["step verify-env", "finally thaw-db"]);
    refused(
        true,
        &["step verify-env", finally],
        &[(Order, "finally 1 (psql)", "after every run")],
    );
}

#[test]
fn only_what_writes_nothing_and_has_classes_is_retried() {
    let retry = "retry = { on = [\"busy\"], attempts = 2 }";
    allowed(false, &[&format!("step verify-connection {retry}")]);
    for (step, expected) in [
        (
            format!("step deploy-db timeout = \"1m\"\n{retry}"),
            "writes something",
        ),
        (format!("step backup-snapshot {retry}"), "writes something"),
        (format!("step thaw-db {retry}"), "writes something"),
        (
            format!("step curl changes = \"nothing\"\n{retry}"),
            "exit codes have none",
        ),
    ] {
        let problems = planned(false, &[&step]).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(problems[0].what.contains(expected), "{problems:#?}");
    }
}

#[test]
fn ids_are_unique_and_safe_as_file_names() {
    let plan = allowed(
        false,
        &[
            "step verify-env name = \"a/../b c\"",
            "step verify-env",
            "step verify-env",
            "rollback verify-env",
            "finally verify-env",
        ],
    );
    let ids: Vec<&str> = plan.all().map(|step| step.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "01-a-..-b-c",
            "02-verify-env",
            "03-verify-env",
            "rollback-01-verify-env",
            "finally-01-verify-env",
        ]
    );
}

#[test]
fn on_failure_holds_only_what_changes_nothing_or_a_service() {
    for step in [
        "on_failure verify-env",
        "on_failure curl changes = \"nothing\"",
        "on_failure systemctl changes = \"service\"",
    ] {
        allowed(true, &[&SAFE[..], &[step]].concat());
    }
    for (step, subject, does, instead) in [
        (
            "restore-snapshot",
            "restore-snapshot",
            "changes the database",
            "[[rollback]]",
        ),
        (
            "deploy-db",
            "deploy-db",
            "changes the database",
            "[[rollback]]",
        ),
        ("thaw-db", "thaw-db", "freezes or thaws", "[[rollback]]"),
        ("mark-db", "mark-db", "marks", "[[rollback]]"),
        (
            "backup-snapshot",
            "backup-snapshot",
            "writes files",
            "[[finally]]",
        ),
        (
            "record-schema",
            "record-schema",
            "writes files",
            "[[finally]]",
        ),
        (
            "psql changes = \"database\"",
            "psql",
            "changes the database",
            "[[rollback]]",
        ),
        (
            "cp changes = \"files\"",
            "cp",
            "changes files",
            "[[finally]]",
        ),
    ] {
        // Whatever its database is worth.
        for protected in [true, false] {
            let step = format!("on_failure {step}");
            let problems = planned(protected, &[&SAFE[..], &[&step]].concat()).unwrap_err();
            assert_eq!(problems.len(), 1, "{problems:#?}");
            let problem = &problems[0];
            assert_eq!(problem.kind, Declaration);
            assert_eq!(problem.subject, format!("on_failure 1 ({subject})"));
            assert!(
                problem.what.starts_with(&format!("it {does}, and ")),
                "{problem:?}"
            );
            assert!(
                problem.remedy.starts_with(&format!("make it a {instead}")),
                "{problem:?}"
            );
            assert!(problem.remedy.contains("[[rollback]]"), "{problem:?}");
        }
    }
    // One that does not say what it changes is told that, and nothing that hangs on it.
    refused(
        false,
        &["step verify-env", "on_failure ./tell"],
        &[(
            Declaration,
            "on_failure 1 (tell)",
            "does not say what it changes",
        )],
    );
}

#[path = "rollback_tests.rs"]
mod rollback;
