//! Steps in order: what runs, what does not, and what the exit code is.

use crate::bench::{Bench, foreign, ours, part};

#[test]
fn all_steps_run_in_order_and_the_result_is_zero() {
    let bench = Bench::new();
    let done = bench.run(&format!(
        "{}{}",
        ours("verify-env", "say=first|result=pass"),
        foreign("say=second", "nothing")
    ));
    done.exited(0);
    let order: Vec<usize> = [
        "[STEP 1/2] verify-env",
        "first",
        "[STEP 2/2] foreign",
        "second",
    ]
    .iter()
    .map(|text| done.stdout.find(text).unwrap())
    .collect();
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(
        bench.states(),
        ["01-verify-env passed", "02-foreign passed"]
    );
    assert_eq!(bench.log("01-verify-env"), b"first\n");
}

#[test]
fn a_pipeline_is_called_by_its_name() {
    let bench = Bench::new();
    bench.pipeline(&format!(
        "{}[[step]]\nrun = [\"./beside\"]\nchanges = \"nothing\"\n",
        ours("verify-env", "touch=ran|result=pass")
    ));
    std::fs::create_dir(bench.path("pipelines")).unwrap();
    std::fs::rename(bench.path("p.toml"), bench.path("pipelines/release.toml")).unwrap();
    // What it names by a path is relative to the file.
    bench.script("pipelines/beside", "#!/bin/sh\n");
    std::fs::create_dir(bench.path("below")).unwrap();
    for (folder, act) in [
        (".", "run"),
        ("below", "run"),
        (".", "check"),
        ("below", "list"),
    ] {
        let mut command = bench.command(&[act, "release"]);
        let done = bench.finish(command.current_dir(bench.path(folder)));
        done.exited(0);
        let ran = bench.path(folder).join("ran");
        assert_eq!(std::fs::remove_file(ran).is_ok(), act == "run", "{done:#?}");
    }
    bench
        .finish(&mut bench.command(&["run", "relaese"]))
        .exited(125)
        .says("did you mean release?");
}

#[test]
fn the_first_failure_stops_the_run_and_its_code_is_handed_on() {
    for code in [1, 2, 3, 4, 5, 6, 7, 42, 101, 124, 200, 255] {
        let bench = Bench::new();
        let done = bench.run(&format!(
            "{}{}",
            foreign(&format!("exit={code}"), "nothing"),
            ours("verify-env", "touch=ran|result=pass")
        ));
        done.exited(code);
        assert!(!bench.path("ran").exists());
        assert_eq!(
            bench.states(),
            ["01-foreign failed", "02-verify-env skipped"]
        );
        assert_eq!(bench.record()["exit_code"], code);
    }
}

#[test]
fn a_program_of_the_suite_has_to_prove_its_zero() {
    let bench = Bench::new();
    bench
        .run(&ours("verify-env", ""))
        .exited(3)
        .says("without a result in the evidence");
    bench
        .run(&ours("deploy-db", ""))
        .exited(6)
        .says("without a result in the evidence");
    bench
        .run(&ours("deploy-db", "result=pass,yes"))
        .exited(0)
        .says("changed: yes");
    bench
        .run(&ours("deploy-db", "result=fail|exit=1"))
        .exited(1);
}

#[test]
fn a_killed_step_is_its_signal_unless_it_changes_something() {
    for (step, code) in [
        (ours("verify-env", "kill=9"), 137),
        (ours("backup-snapshot", "kill=15"), 143),
        (ours("deploy-db", "kill=9"), 6),
        (ours("thaw-db", "kill=11"), 6),
        (foreign("kill=9", "files"), 137),
        (foreign("kill=9", "database"), 6),
        (foreign("kill=9", "service"), 6),
    ] {
        let bench = Bench::new();
        bench.run(&step).exited(code);
        assert_eq!(
            bench.record()["steps"][0]["attempts"][0]["exit"]["kind"],
            "signaled"
        );
    }
}

#[test]
fn only_the_classes_that_it_names_are_retried() {
    let retry = |on: &str, attempts: u32| {
        format!("retry = {{ on = [{on}], attempts = {attempts}, delay = \"1ms\" }}")
    };
    for (acts, on, runs) in [
        ("note=n|exit=4", "\"unavailable\"", 3),
        ("note=n|exit=5", "\"unavailable\", \"busy\"", 3),
        ("note=n|exit=5", "\"unavailable\"", 1),
        ("note=n|exit=1", "\"unavailable\", \"busy\"", 1),
        ("note=n|exit=3", "\"unavailable\", \"busy\"", 1),
        ("note=n|kill=9", "\"unavailable\", \"busy\"", 1),
        ("note=n|result=pass", "\"unavailable\", \"busy\"", 1),
    ] {
        let bench = Bench::new();
        bench.run(&part("step", "verify-env", acts, &retry(on, 3)));
        assert_eq!(bench.noted("n").len(), runs, "{acts} {on}");
        let attempts = bench.record()["steps"][0]["attempts"]
            .as_array()
            .unwrap()
            .len();
        assert_eq!(attempts, runs);
    }
}

#[test]
fn a_retry_that_succeeds_is_a_success() {
    let bench = Bench::new();
    let acts = "say=attempt|once=tried,4|result=pass";
    let keys = "retry = { on = [\"unavailable\"], attempts = 5, delay = \"1ms\" }";
    let done = bench.run(&part("step", "verify-env", acts, keys));
    done.exited(0).says("attempt 1 of 5");
    assert_eq!(bench.log("01-verify-env"), b"attempt\nattempt\n");
}

#[test]
fn the_environment_is_inherited_or_narrowed_and_then_explained() {
    let bench = Bench::new();
    let acts = "env=APP_KEY|env=APP_URL|env=LOCKSTEP_STEP|exit=1";
    bench.pipeline(&part(
        "step",
        "other/foreign",
        acts,
        "changes = \"nothing\"\nenv = [\"APP_URL\", \"APP_PORT\"]",
    ));
    let mut command = bench.command(&["run", "p.toml"]);
    let done = bench.finish(command.env("APP_KEY", "k3y").env("APP_URL", "u"));
    done.exited(1)
        .says("APP_KEY=\nAPP_URL=u\nLOCKSTEP_STEP=01-foreign\n")
        .says("not passed to this step by its env: ")
        .says("APP_KEY")
        .says("asked for by its env, but not set: APP_PORT")
        .says_not("k3y");
    let record = bench.record().to_string();
    assert!(!record.contains("k3y") && record.contains("APP_URL"));

    bench.pipeline(&foreign("env=APP_KEY|exit=1", "nothing"));
    let mut command = bench.command(&["run", "p.toml"]);
    bench
        .finish(command.env("APP_KEY", "k3y"))
        .says("APP_KEY=k3y")
        .says_not("not passed");
}

#[test]
fn a_narrowed_step_still_knows_its_environment_and_its_ci() {
    let bench = Bench::new();
    bench.write("lockstep.toml", "[environment]\nvariable = \"NODE_ENV\"\n");
    bench.pipeline(&part(
        "step",
        "verify-env",
        "env=NODE_ENV|env=GITHUB_ACTIONS|env=APP_KEY|result=pass",
        "env = [\"DATABASE_URL\"]",
    ));
    let mut command = bench.unnamed(&["run", "p.toml"]);
    let set = [
        ("NODE_ENV", "staging"),
        ("GITHUB_ACTIONS", "true"),
        ("APP_KEY", "k3y"),
    ];
    bench
        .finish(command.envs(set))
        .exited(0)
        .says("NODE_ENV=staging\nGITHUB_ACTIONS=true\nAPP_KEY=\n");
}

#[test]
fn steps_share_the_run_and_its_evidence() {
    let bench = Bench::new();
    bench.pipeline(&foreign(
        "env=LOCKSTEP_RUN_ID|env=LOCKSTEP_EVIDENCE",
        "nothing",
    ));
    let mut command = bench.command(&["run", "p.toml"]);
    let done = bench.finish(command.env("LOCKSTEP_RUN_ID", "job-7"));
    let run = bench.path(".lockstep/runs/job-7");
    done.exited(0)
        .says("LOCKSTEP_RUN_ID=job-7\n")
        .says(&format!(
            "LOCKSTEP_EVIDENCE={}\n",
            run.canonicalize().unwrap().display()
        ));
    // The same name again gets a folder of its own.
    bench
        .finish(command.env("LOCKSTEP_RUN_ID", "job-7"))
        .exited(0);
    assert_eq!(bench.records().len(), 2);
}

#[test]
fn evidence_that_was_tampered_with_ends_the_run() {
    let bench = Bench::new();
    let script = "sed -i s/pass/pazz/ \"$LOCKSTEP_EVIDENCE/evidence.jsonl\"";
    let done = bench.run(&format!(
        "{}[[step]]\nrun = [\"sh\", \"-c\", {script:?}]\nchanges = \"nothing\"\n{}",
        ours("verify-env", "result=pass"),
        ours("verify-migrations", "touch=ran|result=pass"),
    ));
    done.exited(125)
        .says("run-recorded")
        .says("evidence.jsonl")
        .says("find out who changed it");
    assert!(!bench.path("ran").exists());
}

#[test]
fn a_deployment_whose_evidence_is_gone_is_not_said_to_be_unfinished() {
    let bench = Bench::new();
    let script = "rm \"$LOCKSTEP_EVIDENCE/HEAD\"";
    let done = bench.run(&format!(
        "{}[[step]]\nrun = [\"sh\", \"-c\", {script:?}]\nchanges = \"nothing\"\n",
        ours("deploy-db", "result=pass,yes"),
    ));
    done.exited(125)
        .says("what the steps did can't be vouched for: ")
        .says("HEAD is missing")
        .says_not("did not come to its end");
}

/// A pipeline of one step and the settings of one secret; what the step finds in it.
#[track_caller]
fn secret(settings: &str, step: &str) -> crate::bench::Done {
    let bench = Bench::new();
    let dev = "[environments.dev]\nprotected = false\n";
    bench.write("lockstep.toml", &format!("{dev}{settings}"));
    bench.pipeline(step);
    let mut command = bench.command(&["run", "p.toml"]);
    let done = bench.finish(command.env("APP_KEY", "k3y").env("APP_URL", "u"));
    let record = bench.record().to_string();
    assert!(!record.contains("k3y"));
    done
}

#[test]
fn a_secret_reaches_only_the_programs_that_it_is_for() {
    let acts = "env=APP_KEY|env=APP_URL|result=pass";
    let rule = |rest: &str| format!("[env.APP_KEY]\nkind = \"secret\"\n{rest}\n");
    let (with, without) = ("APP_KEY=k3y\nAPP_URL=u\n", "APP_KEY=\nAPP_URL=u\n");
    for (program, rest, found) in [
        ("verify-env", "for = [\"verify-env\", \"mark-db\"]", with),
        ("mark-db", "for = [\"verify-env\", \"mark-db\"]", with),
        (
            "verify-guards",
            "for = [\"verify-env\", \"mark-db\"]",
            without,
        ),
        ("verify-env", "for = [\"mark-db\"]", without),
        ("verify-env", "for = []", without),
        // It is judged by verify-env, and by nobody else.
        ("verify-env", "", with),
        ("verify-guards", "", without),
        // In whatever environment it is demanded.
        ("verify-guards", "environments = [\"production\"]", without),
    ] {
        secret(&rule(rest), &part("step", program, acts, ""))
            .exited(0)
            .says(found);
    }
    let narrowed = |names: &str| part("step", "verify-env", acts, &format!("env = [{names}]"));
    let both = "\"APP_KEY\", \"APP_URL\"";
    secret(&rule(""), &narrowed(both)).exited(0).says(with);
    secret(&rule(""), &narrowed("\"APP_URL\""))
        .exited(0)
        .says(without);
    secret(&rule("for = []"), &narrowed(both))
        .exited(0)
        .says(without);
    // What is no secret is inherited, and so is a variable that nobody describes.
    secret(
        "[env.APP_KEY]\nkind = \"url\"\n",
        &part("step", "verify-guards", acts, ""),
    )
    .exited(0)
    .says(with);
}

#[test]
fn a_foreign_step_gets_a_secret_by_its_own_env_alone() {
    let rule = "[env.APP_KEY]\nkind = \"secret\"\nfor = [\"verify-env\"]\n";
    let step = |acts: &str, env: &str| {
        let keys = format!("changes = \"nothing\"\n{env}");
        part("step", "other/foreign", acts, &keys)
    };
    secret(rule, &step("env=APP_KEY|env=APP_URL", ""))
        .exited(0)
        .says("APP_KEY=\nAPP_URL=u\n");
    secret(
        rule,
        &step("env=APP_KEY|env=APP_URL", "env = [\"APP_KEY\"]"),
    )
    .exited(0)
    .says("APP_KEY=k3y\nAPP_URL=\n");
    // In every part of a pipeline.
    for part_name in ["rollback", "on_failure", "finally"] {
        let keys = "changes = \"nothing\"";
        let steps = format!(
            "{}{}",
            ours("deploy-db", "result=partial,yes|exit=6"),
            part(part_name, "other/foreign", "say=here|env=APP_KEY", keys)
        );
        secret(rule, &steps).exited(6).says("here\nAPP_KEY=\n");
    }
    // One that fails says what it did not get, and how it would.
    secret(rule, &step("exit=1", ""))
        .exited(1)
        .says("because they are secrets")
        .says(": APP_KEY")
        .says_not("k3y");
}

#[test]
fn a_secret_for_a_program_that_there_is_not_is_refused() {
    let bench = Bench::new();
    bench.pipeline(&ours("verify-env", "touch=ran|result=pass"));
    for (program, said) in [
        (
            "deploy-bd",
            "[env.APP_KEY] is for \"deploy-bd\"; did you mean \"deploy-db\"?",
        ),
        ("other/foreign", "gets it by its own env"),
    ] {
        let rule = format!("[env.APP_KEY]\nkind = \"secret\"\nfor = [{program:?}]\n");
        bench.write("lockstep.toml", &rule);
        bench
            .finish(&mut bench.unnamed(&["run", "p.toml"]))
            .exited(125)
            .says(said);
        assert!(!bench.path("ran").exists());
    }
}
