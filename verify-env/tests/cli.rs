//! The program as it is run: arguments, files and variables in, exit code and both streams out.

#![allow(
    clippy::unwrap_used,
    reason = "a fixture that cannot be had fails its test"
)]

use std::path::Path;
use std::process::Command;

use tests::ran::Ran;

/// A folder with files, from which the program is run with no variables but those named.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new(files: &[(&str, &str)]) -> Place {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(dir.path().join(name), content).unwrap();
        }
        Place { dir }
    }

    fn run(&self, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_verify-env"));
        command
            .args(args)
            .env_clear()
            .envs(variables.iter().copied())
            .current_dir(self.dir.path());
        Ran::of(&mut command)
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

const TOML: &str = r#"
[environments.production]
[environments.dev]
protected = false

[env.DATABASE_URL]
kind = "url"
schemes = ["postgres"]

[env.SECRET_KEY]
kind = "secret"
min_length = 32
environments = ["production"]
"#;

#[test]
fn what_holds_is_said_and_exits_0() {
    let place = Place::new(&[("lockstep.toml", TOML)]);
    let variables = [
        ("LOCKSTEP_ENV", "production"),
        ("DATABASE_URL", "postgres://app:hunter2hunter2@db/app"),
        ("SECRET_KEY", "6fd0b21fbd6a4e5c9f8e7d6c5b4a3f2e"),
    ];
    let ran = place.run(&[], &variables);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(
        ran.stdout,
        "PASS variable-set DATABASE_URL\n\
         PASS value-formed DATABASE_URL\n\
         PASS value-allowed DATABASE_URL\n\
         PASS value-replaced DATABASE_URL\n\
         PASS variable-set SECRET_KEY\n\
         PASS value-allowed SECRET_KEY\n\
         PASS value-replaced SECRET_KEY\n\
         verify-env: pass: 7 held\n"
    );
    assert_eq!(ran.stderr, "");
    assert_eq!(
        place.names(),
        ["lockstep.toml"],
        "a check leaves nothing behind"
    );
}

#[test]
fn every_fault_is_said_and_exits_1() {
    let place = Place::new(&[("lockstep.toml", TOML)]);
    let variables = [("LOCKSTEP_ENV", "production"), ("SECRET_KEY", "hunter2")];
    let ran = place.run(&[], &variables);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stdout
            .contains("FAIL variable-set DATABASE_URL: not set\n"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains(
            "FAIL value-allowed SECRET_KEY: too short\n  expected: 32 characters or more\n"
        ),
        "{}",
        ran.stdout
    );
}

#[test]
fn an_example_alone_is_enough() {
    let example =
        "# the app\nDATABASE_URL=postgres://user:pw@localhost/app\nexport API_KEY=\nSMTP='x'\n";
    let place = Place::new(&[(".env.example", example)]);
    let ran = place.run(
        &["--example", ".env.example"],
        &[
            ("DATABASE_URL", "postgres://user:pw@localhost/app"),
            ("API_KEY", "k-81"),
        ],
    );
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        ran.stdout,
        "PASS variable-set DATABASE_URL\n\
         FAIL value-replaced DATABASE_URL: left as the example has it\n  \
           at: .env.example:2\n  \
           remedy: set a value of this deployment's own\n\
         PASS variable-set API_KEY\n\
         PASS value-replaced API_KEY\n\
         FAIL variable-set SMTP: not set\n  \
           remedy: set the variable where the deployment runs, take it out of the example file, or \
           describe it in lockstep.toml with required = false\n\
         verify-env: fail (exit 1): 2 failed, 3 held\n"
    );
    let good = [
        ("DATABASE_URL", "postgres://a@h/d"),
        ("API_KEY", "k-81"),
        ("SMTP", "mx1"),
    ];
    assert_eq!(
        place.run(&["--example", ".env.example"], &good).code,
        Some(0)
    );
}

#[test]
fn an_example_tells_what_may_stay_as_it_is() {
    let example = "PORT=3000\nDEBUG=false\nDATA_DIR=./data\nDB_PASSWORD=12345678\n\
                   DATABASE_URL=postgres://u:pw@h/d\nMODE=fast\n";
    let place = Place::new(&[("example", example)]);
    let same = [
        ("PORT", "3000"),
        ("DEBUG", "false"),
        ("DATA_DIR", "./data"),
        ("DB_PASSWORD", "12345678"),
        ("DATABASE_URL", "postgres://u:pw@h/d"),
        ("MODE", "fast"),
    ];
    let ran = place.run(&["--example", "example"], &same);
    assert_eq!(ran.code, Some(1));
    for (name, may_stay) in [
        ("PORT", true),
        ("DEBUG", true),
        ("DATA_DIR", true),
        ("DB_PASSWORD", false),
        ("DATABASE_URL", false),
        ("MODE", false),
    ] {
        let said = match may_stay {
            true => format!("PASS value-replaced {name}\n"),
            false => format!("FAIL value-replaced {name}: left as the example has it\n"),
        };
        assert!(ran.stdout.contains(&said), "{said}{}", ran.stdout);
    }
    // A kind told from the example demands nothing; a placeholder is none of any kind.
    let other = |port| {
        let set = [("PORT", port), ("DEBUG", "x"), ("DATA_DIR", "y")];
        place.run(&["--example", "example"], &set).stdout
    };
    assert!(other("abc").contains("PASS value-replaced PORT\n"));
    assert!(other("changeme").contains("FAIL value-replaced PORT: a placeholder\n"));

    // A described variable is judged by its rule, whatever the example has.
    let place = Place::new(&[("example", example), ("lockstep.toml", "[env.PORT]\n")]);
    let ran = place.run(&["--example", "example"], &same);
    assert!(
        ran.stdout.contains("FAIL value-replaced PORT: left as"),
        "{}",
        ran.stdout
    );
}

#[test]
fn what_to_do_is_said_of_files_that_are_there() {
    let place = Place::new(&[("example", "PORT=3000\n")]);
    let args = ["--example", "example"];
    for variables in [&[][..], &[("PORT", "")], &[("PORT", " ")]] {
        let said = place.run(&args, variables).stdout;
        assert!(said.contains("FAIL variable-set PORT"), "{said}");
        assert!(said.contains("take it out of the example file"), "{said}");
    }
    let place = Place::new(&[
        ("lockstep.toml", "[env.PORT]\n"),
        ("example", "PORT=3000\n"),
    ]);
    let said = place.run(&args, &[]).stdout;
    assert!(said.contains("make it optional with required"), "{said}");

    // Both of the ways out that are named lead out.
    for files in [
        [
            ("lockstep.toml", "[env.PORT]\nrequired = false\n"),
            ("example", "PORT=3000\n"),
        ],
        [("lockstep.toml", ""), ("example", "OTHER=\n")],
    ] {
        let ran = Place::new(&files).run(&args, &[("OTHER", "x")]);
        assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    }
}

#[test]
fn a_rule_counts_before_the_example() {
    let toml = "[env.PORT]\nkind = \"port\"\n[env.MODE]\none_of = [\"a\", \"b\"]\n\
                [env.EXTRA]\nrequired = false\n[env.DEBUG]\nforbidden = true\n";
    let example = "PORT=3000\nMODE=a\nEXTRA=x\nDEBUG=1\n";
    let place = Place::new(&[("lockstep.toml", toml), ("example", example)]);
    let ran = place.run(
        &["--example", "example"],
        &[("PORT", "3000"), ("MODE", "a")],
    );
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    let ran = place.run(
        &["--example", "example"],
        &[("PORT", "3000"), ("MODE", "a"), ("EXTRA", "x")],
    );
    assert!(
        ran.stdout.contains("FAIL value-replaced EXTRA"),
        "{}",
        ran.stdout
    );
}

#[test]
fn nothing_to_check_is_no_success() {
    for files in [
        &[][..],
        &[("lockstep.toml", "[env]\n")],
        &[("lockstep.toml", "")],
    ] {
        let ran = Place::new(files).run(&[], &[]);
        assert_eq!(ran.code, Some(2), "{files:?}");
        assert!(
            ran.stderr.contains("cannot check anything"),
            "{}",
            ran.stderr
        );
        assert!(
            ran.stderr.contains("--example .env.example"),
            "{}",
            ran.stderr
        );
    }
    let place = Place::new(&[("example", "# nothing\n")]);
    assert_eq!(place.run(&["--example", "example"], &[]).code, Some(2));
}

#[test]
fn a_file_above_counts_and_a_missing_one_is_said() {
    let place = Place::new(&[("lockstep.toml", "[env.A]\n")]);
    let below = place.dir.path().join("web/src");
    std::fs::create_dir_all(&below).unwrap();
    let run = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_verify-env"));
        Ran::of(command.env_clear().env("A", "a").current_dir(&below))
    };
    run()
        .exits(0)
        .says("PASS variable-set A")
        .says("reading ../../lockstep.toml");
    std::fs::remove_file(place.dir.path().join("lockstep.toml")).unwrap();
    let ran = run();
    ran.exits(2)
        .says("no variable is described; there is no lockstep.toml in ")
        .says("web/src or above it");
}

#[test]
fn a_value_that_programs_read_differently_is_refused_and_not_taken_for_empty() {
    for value in ["#FF0000", "#hunter2", "x#hunter2"] {
        let place = Place::new(&[
            ("lockstep.toml", "[env.A]\n"),
            (".env", &format!("A={value}\n")),
        ]);
        let ran = place.run(&["--env-file", ".env"], &[]);
        ran.exits(2)
            .says("cannot use A in .env")
            .says("single quotes");
        assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("hunter2"));
    }
    let place = Place::new(&[("lockstep.toml", "[env.A]\n"), (".env", "A='#FF0000'\n")]);
    place
        .run(&["--env-file", ".env"], &[])
        .exits(0)
        .says("PASS variable-set A");
}

#[test]
fn what_cannot_be_read_or_used_exits_2() {
    let place = Place::new(&[
        ("broken.toml", "[env.X]\nkind = \"secrt\"\n"),
        ("example", "hunter2\nA=1\nA=2\n"),
        ("rule.toml", "[env.X]\nmin = 1\n"),
        ("pattern.toml", "[env.X]\npattern = \"(\"\n"),
    ]);
    for (args, said) in [
        (
            &["--config", "missing.toml"][..],
            "cannot read missing.toml",
        ),
        (
            &["--config", "broken.toml"],
            "cannot use broken.toml: line 2, column 8: unknown kind in [env.X]: \"secrt\"; \
             did you mean \"secret\"?",
        ),
        (&["--example", "missing"], "cannot read missing"),
        (
            &["--example", "example"],
            "cannot use example: line 1: it has no =; line 3: A is set for the second time\n",
        ),
        (&["--example", "."], "cannot read ."),
        (&["--env-file", "missing"], "cannot read missing"),
        (&["--config", "rule.toml"], "min says nothing of this kind"),
        (&["--config", "pattern.toml"], "cannot use the pattern"),
        (&["--exmaple", "example"], "--example"),
        (&["hunter2"], ""),
    ] {
        let ran = place.run(args, &[]);
        assert_eq!(ran.code, Some(2), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{args:?}: {}", ran.stderr);
        let next = ["\n  remedy: ", "try '--help'"];
        let is_said = next.iter().any(|next| ran.stderr.contains(next));
        assert!(is_said, "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn the_result_is_one_json_document_whatever_happens() {
    let place = Place::new(&[("lockstep.toml", TOML)]);
    for (args, environment, code) in [
        (&["--format", "json"][..], "dev", 1),
        (&["--format", "json"], "production", 1),
        (&["--format", "json"], "nowhere", 2),
        (&["--format", "json", "--config", "missing"], "dev", 2),
        (&["--format", "json", "--no-such-option"], "dev", 2),
    ] {
        let ran = place.run(args, &[("LOCKSTEP_ENV", environment)]);
        let result: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(ran.code, Some(code), "{result}");
        assert_eq!(result["exit_code"], code);
        assert_eq!(result["tool"], "verify-env");
        assert_eq!(result["changed"], "no");
    }
    let ran = place.run(&["--format", "json"], &[("LOCKSTEP_ENV", "production")]);
    let result: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(result["environment"], "production");
    assert_eq!(result["counts"]["fail"], 2);
    assert_eq!(result["findings"][0]["check"], "variable-set");
    assert_eq!(result["findings"][0]["subject"], "DATABASE_URL");
}

#[test]
fn no_output_shows_a_value_or_a_secrets_length() {
    let toml = "[env.A]\nkind = \"secret\"\nmin_length = 100\n[env.B]\nkind = \"url\"\n\
                [env.C]\nkind = \"port\"\n[env.D]\nkind = \"email\"\n[env.E]\nkind = \"path\"\n\
                [env.F]\none_of = [\"a\"]\n[env.G]\nkind = \"secret\"\nmust_differ_from = \"A\"\n";
    let place = Place::new(&[("lockstep.toml", toml)]);
    let variables = ["A", "B", "C", "D", "E", "F", "G"].map(|name| (name, "hunter2-17chars!!"));
    for args in [&[][..], &["--format", "json"], &["--log", "log"]] {
        let ran = place.run(args, &variables);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        let log = std::fs::read_to_string(place.dir.path().join("log")).unwrap_or_default();
        // 17 is the length; the digits of times and run ids are not it.
        for shown in [&ran.stdout, &ran.stderr, &log] {
            assert!(!shown.contains("hunter2"), "{shown}");
            assert!(!shown.contains("17 ") && !shown.contains("(17"), "{shown}");
        }
    }
}

#[test]
fn an_env_file_stands_in_for_a_shell_but_not_for_production() {
    let toml = format!("{TOML}\n[env.CERT]\nkind = \"path\"\n");
    let place = Place::new(&[("lockstep.toml", &toml)]);
    let conf = place.dir.path().join("conf");
    std::fs::create_dir(&conf).unwrap();
    std::fs::write(conf.join("cert.pem"), "").unwrap();
    let env = "DATABASE_URL=postgres://a@h/d\nCERT=cert.pem\n";
    std::fs::write(conf.join(".env"), env).unwrap();
    let args = ["--env-file", "conf/.env"];

    let ran = place.run(&args, &[("LOCKSTEP_ENV", "dev")]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let ran = place.run(&args, &[("LOCKSTEP_ENV", "production")]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("is protected"), "{}", ran.stderr);

    let differs = [
        ("LOCKSTEP_ENV", "dev"),
        ("DATABASE_URL", "postgres://b@h/d"),
    ];
    let ran = place.run(&args, &differs);
    assert_eq!(ran.code, Some(0));
    assert!(
        ran.stdout
            .contains("WARN settings-used: DATABASE_URL is set"),
        "{}",
        ran.stdout
    );
    let strict = place.run(&["--strict", args[0], args[1]], &differs);
    assert_eq!(strict.code, Some(1));
}

#[test]
fn the_readme_lists_the_checks_and_what_its_examples_print() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    let readme = readme.unwrap();
    let place = Place::new(&[]);
    let checks = place.run(&["--list-checks", "--format", "json"], &[]);
    let checks: serde_json::Value = serde_json::from_str(&checks.stdout).unwrap();
    for check in checks.as_array().unwrap() {
        let row = format!(
            "| `{}` | {} |",
            check["id"].as_str().unwrap(),
            check["holds"].as_str().unwrap()
        );
        assert!(readme.contains(&row), "README.md lacks: {row}");
    }

    // Each run is made in a folder with the files that stand before it.
    let mut files: Vec<(&str, &str)> = Vec::new();
    let mut runs = 0;
    for block in readme.split("```").skip(1).step_by(2) {
        let (kind, text) = block.split_once('\n').unwrap();
        match kind {
            "toml" => files = vec![("lockstep.toml", text)],
            "sh" => files = vec![(".env.example", text)],
            "console" => {
                let (command, expected) = text.split_once('\n').unwrap();
                assert_eq!(run_line(&Place::new(&files), command), expected);
                runs += 1;
            }
            kind => panic!("{kind}"),
        }
    }
    assert_eq!(runs, 2);
}

/// What `$ NAME=value … verify-env ARGUMENT …` prints.
fn run_line(place: &Place, command: &str) -> String {
    let mut words: Vec<&str> = command.strip_prefix("$ ").unwrap().split(' ').collect();
    let at = words.iter().position(|word| *word == "verify-env").unwrap();
    let args = words.split_off(at);
    let variables: Vec<(&str, &str)> = words
        .iter()
        .map(|word| word.split_once('=').unwrap())
        .collect();
    place.run(&args[1..], &variables).stdout
}
