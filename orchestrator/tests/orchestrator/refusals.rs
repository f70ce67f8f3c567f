//! What is refused before the first step.

use crate::bench::{Bench, Done, foreign, ours};

/// Runs a pipeline whose first step would leave a file.
#[track_caller]
fn refused(bench: &Bench, rest: &str, code: i32) -> Done {
    let done = bench.run(&format!(
        "{}{rest}",
        ours("verify-env", "touch=ran|result=pass")
    ));
    done.exited(code);
    assert!(!bench.path("ran").exists(), "{done:#?}");
    done
}

#[test]
fn a_missing_program_in_the_last_place_is_seen_before_the_first_step() {
    let bench = Bench::new();
    for part in ["step", "rollback", "on_failure", "finally"] {
        for program in ["no-such-program", "./no/such", "verify-nothing"] {
            let changes = if program.starts_with("verify") {
                ""
            } else {
                "changes = \"nothing\""
            };
            let rest = format!("[[{part}]]\nrun = [{program:?}]\n{changes}\n");
            refused(&bench, &rest, 127)
                .says(program)
                .says("program-runnable");
        }
    }
    assert!(!bench.path(".lockstep").exists());
}

#[test]
fn a_program_that_is_not_executable_is_seen_too() {
    let bench = Bench::new();
    bench.write("data", "x");
    let rest = "[[step]]\nrun = [\"./data\"]\nchanges = \"nothing\"\n";
    refused(&bench, rest, 126).says("may not be executed");
}

#[test]
fn whatever_the_system_would_not_start_is_seen_before_the_first_step() {
    let bench = Bench::new();
    let mut elf = std::fs::read("/bin/true").unwrap();
    // e_machine of elf(5): a SPARC.
    elf[18..20].copy_from_slice(&[2, 0]);
    std::fs::create_dir(bench.path("folder")).unwrap();
    for (name, content, why, remedy) in [
        (
            "crlf",
            &b"#!/bin/sh\r\necho\r\n"[..],
            "a carriage return",
            "sed -i 's/\\r$//' ",
        ),
        (
            "no-head",
            b"echo\n",
            "does not name its interpreter",
            "write #!/bin/sh",
        ),
        (
            "no-interpreter",
            b"#!/no/such/sh\n",
            "/no/such/sh is missing",
            "install /no/such/sh",
        ),
        (
            "no-python",
            b"#!/usr/bin/env no-such-python\n",
            "not in PATH",
            "install no-such-python",
        ),
        ("other-machine", &elf, "and this machine is ", "build "),
    ] {
        bench.script(name, content);
        for part in ["step", "rollback", "on_failure", "finally"] {
            let rest = format!("[[{part}]]\nrun = [\"./{name}\"]\nchanges = \"service\"\n");
            refused(&bench, &rest, 126)
                .says(&format!("{name} can't be run: "))
                .says(why)
                .says(&format!("remedy: {remedy}"));
        }
    }
    let rest = "[[step]]\nrun = [\"./folder\"]\nchanges = \"nothing\"\n";
    refused(&bench, rest, 126).says("it is a folder");
    // Nor is it hidden by the name that it has in PATH.
    bench.script("tools/in-path", "echo\n");
    bench.pipeline("[[step]]\nrun = [\"in-path\"]\nchanges = \"nothing\"\n");
    let path = format!("{}:/usr/bin:/bin", bench.path("tools").display());
    bench
        .finish(bench.command(&["check", "p.toml"]).env("PATH", path))
        .exited(126)
        .says("does not name its interpreter");
    assert!(!bench.path(".lockstep").exists());
}

#[test]
fn a_program_that_the_kernel_refuses_after_all_is_126() {
    let bench = Bench::new();
    bench.script("late", "#!/bin/sh\n");
    let first = "[[step]]\nrun = [\"chmod\", \"a-x\", \"late\"]\nchanges = \"files\"\n";
    let step = "[[step]]\nrun = [\"./late\"]\nchanges = \"database\"\ntimeout = \"1m\"\n";
    bench
        .run(&format!("{first}{step}{}", ours("verify-env", "touch=ran")))
        .exited(126);
    assert!(!bench.path("ran").exists());
    assert_eq!(bench.record()["steps"][1]["changed"], "no");
}

#[test]
fn a_pipeline_that_can_not_be_used_is_125() {
    let bench = Bench::new();
    refused(&bench, "[[step]]\nrun = [\"a\"]\ntimout = \"5s\"\n", 125)
        .says("did you mean \"timeout\"")
        .says("at: p.toml:");
    refused(&bench, "[[step]]\nrun = [\"deploy-db\"]\n", 125).says("timeout of its own");
    refused(&bench, "\0", 125);
    refused(&bench, &" ".repeat(1 << 20), 125).says("larger than 1048576 bytes");
    std::fs::write(bench.path("p.toml"), b"pipeline = 1\n# \xff\n").unwrap();
    let run = |path: &str| bench.finish(&mut bench.command(&["run", path]));
    run("p.toml").exited(125).says("line 2: not UTF-8");
    run("no-such-file")
        .exited(125)
        .says("cannot find the pipeline no-such-file");
    run("./no-such-file")
        .exited(125)
        .says("cannot read ./no-such-file");
    run(".").exited(125).says("cannot read .");
    assert!(!bench.path(".lockstep").exists());
}

#[test]
fn the_process_has_to_be_in_the_pipelines_environment() {
    let bench = Bench::new();
    bench.write(
        "lockstep.toml",
        "[environment]\nvariable = \"APP_ENV\"\n[environments.dev]\nprotected = false\n",
    );
    let deploy = |name: &str| {
        format!(
            "environment = {name:?}\n{}",
            ours("deploy-db", "result=pass")
        )
    };
    let run = |name: &str, set: &[(&str, &str)]| {
        bench.pipeline(&deploy(name));
        let mut command = bench.unnamed(&["run", "p.toml"]);
        bench.finish(command.envs(set.iter().copied()))
    };
    run("dev", &[("LOCKSTEP_ENV", "dev")]).exited(0);
    run("dev", &[])
        .exited(0)
        .says("WARN environment-agrees")
        .says("LOCKSTEP_ENV=dev");
    bench.write("other.toml", "[environments.dev]\nprotected = false\n");
    let mut command = bench.command(&["run", "p.toml", "--config", "other.toml"]);
    bench
        .finish(command.env("LOCKSTEP_ENV", "dev"))
        .exited(0)
        .says("give the steps the same --config");
    for variable in ["LOCKSTEP_ENV", "APP_ENV"] {
        run("dev", &[(variable, "production")])
            .exited(125)
            .says("environment-agrees")
            .says("expected: dev");
    }
    // Protected unless it says otherwise, so the order counts.
    run("production", &[("LOCKSTEP_ENV", "production")])
        .exited(125)
        .says("order-safe");
    bench.pipeline(&ours("deploy-db", "result=pass"));
    let mut command = bench.command(&["run", "p.toml"]);
    bench
        .finish(command.env("LOCKSTEP_ENV", "production"))
        .exited(125)
        .says("order-safe");
    // What has no name can't be said to be unprotected.
    bench
        .finish(&mut bench.unnamed(&["run", "p.toml"]))
        .exited(125)
        .says("order-safe")
        .says("without a named environment");
    bench.write("lockstep.toml", "[environmets]\n");
    run("dev", &[]).exited(125).says("lockstep.toml");
}

#[test]
fn a_strict_run_that_would_warn_does_not_start() {
    let bench = Bench::new();
    let step = ours("deploy-db", "touch=ran|result=pass,yes");
    bench.pipeline(&format!("environment = \"dev\"\n{step}"));
    for act in [
        &["run", "--strict", "p.toml"][..],
        &["--strict", "run", "p.toml"],
    ] {
        bench
            .finish(&mut bench.unnamed(act))
            .exited(1)
            .says("WARN environment-agrees")
            .says("is not started; 1 warning, which --strict makes failures");
        assert!(!bench.path("ran").exists() && !bench.path(".lockstep").exists());
    }
    bench
        .finish(&mut bench.unnamed(&["check", "p.toml", "--strict"]))
        .exited(1)
        .says_not("could be run");
    // The report of it names the warning.
    let mut command = bench.unnamed(&["run", "p.toml", "--strict", "--junit", "j.xml"]);
    bench.finish(&mut command).exited(1);
    let junit = std::fs::read_to_string(bench.path("j.xml")).unwrap();
    assert!(junit.contains("environment-agrees"), "{junit}");
    // Without a warning it runs as ever.
    bench
        .finish(&mut bench.command(&["run", "p.toml", "--strict"]))
        .exited(0);
    assert!(bench.path("ran").exists());
}

#[test]
fn a_restore_named_by_its_path_needs_the_freeze_too() {
    let bench = Bench::new();
    let check = |freeze: &str, program: &str, changes: &str| {
        bench.pipeline(&format!(
            "{}{freeze}{}{}[[rollback]]\nrun = [{program:?}, \"--latest\"]\n{changes}\n",
            ours("verify-migrations", ""),
            ours("backup-snapshot", ""),
            ours("deploy-db", ""),
        ));
        bench.finish(&mut bench.command(&["check", "p.toml"]))
    };
    let freeze = ours("freeze-db", "");
    for (program, changes) in [
        ("restore-snapshot", ""),
        ("other/restore-snapshot", "changes = \"database\""),
    ] {
        check("", program, changes).exited(125).says("order-safe");
        check(&freeze, program, changes)
            .exited(0)
            .says("could be run");
    }
    check(&freeze, "other/restore-snapshot", "changes = \"nothing\"")
        .exited(125)
        .says("changes more");
}

#[test]
fn the_variable_is_never_set_for_the_steps() {
    let bench = Bench::new();
    let steps = [
        "environment = \"production\"\n",
        &ours("verify-migrations", "result=pass"),
        &ours("backup-snapshot", "result=pass"),
        &ours("deploy-db", "env=LOCKSTEP_ENV|result=pass"),
    ];
    bench.pipeline(&steps.concat());
    let done = bench.finish(&mut bench.unnamed(&["run", "p.toml"]));
    done.exited(0)
        .says("LOCKSTEP_ENV=\n")
        .says("WARN environment-agrees");
}

#[test]
fn check_and_list_touch_nothing() {
    let bench = Bench::new();
    bench.pipeline(&format!(
        "{}{}",
        ours("verify-env", "touch=ran"),
        foreign("touch=ran", "files")
    ));
    for act in ["check", "list"] {
        bench.finish(&mut bench.command(&[act, "p.toml"])).exited(0);
    }
    let listed = bench.finish(&mut bench.command(&["list", "p.toml"]));
    listed
        .says("bin/verify-env touch=ran")
        .says("declared: changes files");
    assert!(!bench.path("ran").exists() && !bench.path(".lockstep").exists());
    bench.pipeline("[[step]]\nrun = [\"no-such-program\"]\nchanges = \"nothing\"\n");
    for act in ["check", "list"] {
        bench
            .finish(&mut bench.command(&[act, "p.toml"]))
            .exited(127);
    }
}

#[test]
fn a_run_that_can_not_be_recorded_does_not_start() {
    let bench = Bench::new();
    bench.write(".lockstep", "a file where a folder should be");
    refused(&bench, "", 125).says(".lockstep");
    std::fs::remove_file(bench.path(".lockstep")).unwrap();
    bench.pipeline(&ours("verify-env", "touch=ran|result=pass"));
    let mut command = bench.command(&["run", "p.toml", "--junit", "no/such/folder/j.xml"]);
    bench.finish(&mut command).exited(125).says("j.xml");
    assert!(!bench.path("ran").exists());
    bench.write("occupied", "no folder");
    let mut command = bench.command(&["run", "p.toml", "--evidence", "occupied"]);
    bench.finish(&mut command).exited(125).says("occupied");
    assert!(!bench.path("ran").exists());
}

#[test]
fn the_readmes_pipeline_can_be_run() {
    let bench = Bench::new();
    let readme = include_str!("../../README.md");
    let (_, example) = readme.split_once("```toml\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    // Not every machine has one.
    bench.script("tools/systemctl", "#!/bin/sh\n");
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", bench.path("tools").display());
    let check = |text: &str| {
        bench.write("p.toml", text);
        bench.finish(bench.unnamed(&["check", "p.toml"]).env("PATH", &path))
    };
    check(example).exited(0);
    // Each rule that it explains is one that it would break otherwise.
    for (from, to) in [
        ("[\"verify-migrations\"]", "[\"verify-env\"]"),
        ("[\"backup-snapshot\"]", "[\"verify-env\"]"),
        ("timeout = \"20m\"                  # what", "# what"),
        ("changes = \"service\"  ", "# "),
        ("changes = \"nothing\"", "changes = \"files\""),
    ] {
        assert!(example.contains(from), "{from}");
        check(&example.replace(from, to)).exited(125);
    }
}

#[test]
fn a_command_line_without_an_act_says_what_is_missing() {
    let bench = Bench::new();
    bench
        .finish(&mut bench.command(&[]))
        .exited(2)
        .says("requires a subcommand")
        .says_not("stops at the first failure");
}

#[test]
fn the_help_of_each_act_has_the_exit_codes() {
    let bench = Bench::new();
    for act in ["run", "check", "list"] {
        let done = bench.finish(&mut bench.command(&[act, "--help"]));
        done.exited(0).says("  124 ").says("  128+N ");
    }
}

#[test]
fn the_one_manual_page_has_each_act_with_its_options() {
    let bench = Bench::new();
    let page = bench.finish(&mut bench.command(&["--man"]));
    let page = page.exited(0).stdout.replace("\\-", "-");
    let sections: Vec<&str> = page.split("\n.SH ").collect();
    for act in ["run", "check", "list"] {
        let title = format!("\"ORCHESTRATOR {}\"\n", act.to_uppercase());
        let own = sections.iter().find(|section| section.starts_with(&title));
        let own = own.unwrap_or_else(|| panic!("{act}: {page}"));
        let help = bench.finish(&mut bench.command(&[act, "--help"]));
        let options = help.stdout.split_whitespace();
        let options = options.filter(|word| word.starts_with("--") && word.len() > 2);
        let (mut all, mut of_the_act) = (0, Vec::new());
        for option in options {
            assert!(page.contains(option), "{act}: {option}: {page}");
            all += 1;
            if own.contains(option) {
                of_the_act.push(option);
            }
        }
        assert!(own.contains("PIPELINE") && all > of_the_act.len(), "{own}");
        let expected: &[&str] = match act {
            "run" => &["--config", "--junit", "--then"],
            _ => &["--config"],
        };
        // An example names some again.
        of_the_act.sort_unstable();
        of_the_act.dedup();
        assert_eq!(of_the_act, expected);
    }
    // A page that it referred to would be one that nobody can write.
    assert!(!page.contains("orchestrator-"), "{page}");
}
