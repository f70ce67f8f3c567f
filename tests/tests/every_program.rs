//! What holds for every program, by looping over them all.

#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tests::programs::{names, program, root};

fn run(name: &str, dir: &Path, args: &[&str]) -> Output {
    program(name, dir).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn document(name: &str, output: &Output) -> Value {
    let text = text(&output.stdout);
    assert_eq!(text.lines().count(), 1, "{name}: not one document: {text}");
    serde_json::from_str(&text).unwrap()
}

/// Ends of every program that need no database: arguments, and the code. Each is wrong in its own
/// way.
fn ends(name: &str) -> Vec<(Vec<&'static str>, i32)> {
    let missing = "sqlite:no/such/file.db";
    let mut ends = vec![
        (vec!["--nonsense"], 2),
        (vec!["--format"], 2),
        (vec!["--color", "blue"], 2),
        (vec!["--log", "/no/such/folder/log"], 2),
    ];
    // The log's end needs complete arguments elsewhere; without them it is a misuse all the same.
    ends.push(match name {
        "orchestrator" => (vec!["check", "no-such-pipeline.toml"], 125),
        "verify-env" => (vec![], 2),
        "record-schema" => (vec![missing, "--output", "schema.toml"], 1),
        "mark-migrations" => (vec![missing, "--applied-through", "1"], 1),
        "mark-schema" => (vec![missing, "--renew"], 1),
        "backup-snapshot" => (vec![], 2),
        _ => (vec![missing], 1),
    });
    ends
}

#[test]
fn there_are_twelve_programs() {
    assert_eq!(names().len(), 12, "{:?}", names());
}

#[test]
fn help_shows_the_exit_table_and_what_the_program_is() {
    let dir = tempfile::tempdir().unwrap();
    let table: Vec<String> = contract::CLASSES
        .iter()
        .map(|class| {
            format!(
                "  {}  {:<12} {}",
                class.code(),
                class.name(),
                class.meaning()
            )
        })
        .collect();
    // Its own table: a step's code is handed on, and some are its alone.
    let orchestrator: Vec<String> = ["N  ", "5  ", "6  ", "124", "125", "126", "127", "128+N"]
        .iter()
        .map(|code| format!("  {code}"))
        .collect();
    for name in names() {
        let output = run(&name, dir.path(), &["--help"]);
        assert_eq!(output.status.code(), Some(0), "{name}");
        let help = text(&output.stdout);
        let lines = if name == "orchestrator" {
            &orchestrator
        } else {
            &table
        };
        for line in lines {
            let shown = help.lines().any(|shown| shown.starts_with(line.trim_end()));
            assert!(shown, "{name} does not show {line:?}\n{help}");
        }
        let manifest = std::fs::read_to_string(root().join(&name).join("Cargo.toml")).unwrap();
        let about = manifest
            .lines()
            .find_map(|line| line.strip_prefix("description = \"")?.strip_suffix('"'))
            .unwrap();
        let first: String = help.split("\n\n").next().unwrap().replace('\n', " ");
        assert_eq!(first.trim(), about, "{name}");
    }
}

#[test]
fn every_end_is_one_document_of_the_published_schema_with_the_code_that_it_names() {
    let schema: Value = serde_json::from_str(
        &std::fs::read_to_string(root().join("lib/contract/result.schema.json")).unwrap(),
    )
    .unwrap();
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler
        .add_resource("file:///result.schema.json", schema)
        .unwrap();
    let index = compiler
        .compile("file:///result.schema.json", &mut schemas)
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    for name in names() {
        for (args, code) in ends(&name) {
            let human = run(&name, dir.path(), &args);
            assert_eq!(
                human.status.code(),
                Some(code),
                "{name} {args:?}: {human:?}"
            );
            let mut json = vec!["--format", "json"];
            json.extend(&args);
            let output = run(&name, dir.path(), &json);
            // A second --format is a misuse of its own.
            let code = if args.contains(&"--format") { 2 } else { code };
            assert_eq!(
                output.status.code(),
                Some(code),
                "{name} {args:?}: {output:?}"
            );
            let value = document(&name, &output);
            schemas
                .validate(&value, index)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(value["exit_code"], code);
            assert_eq!(value["tool"], name.as_str());
            assert_eq!(value["changed"], "no");
        }
    }
}

#[test]
fn a_named_pipe_in_the_settings_place_is_refused_at_once() {
    for name in names() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("lockstep.toml");
        assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
        let (args, _) = ends(&name).pop().unwrap();
        let mut args: Vec<&str> = args;
        let mut code = 2;
        if name == "orchestrator" {
            let pipeline = "pipeline = 1\nname = \"p\"\n[[step]]\nrun = [\"verify-env\"]\n";
            std::fs::write(dir.path().join("p.toml"), pipeline).unwrap();
            (args, code) = (vec!["check", "p.toml"], 125);
        }
        let output = run(&name, dir.path(), &args);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{name}: {stderr}");
        assert!(stderr.contains("it is a named pipe"), "{name}: {stderr}");
    }
}

#[test]
fn the_code_hangs_on_nothing_but_the_answer() {
    let dir = tempfile::tempdir().unwrap();
    for name in names() {
        for (args, code) in ends(&name) {
            let ways: [(&str, &str); 4] = [
                ("CI", "true"),
                ("GITHUB_ACTIONS", "true"),
                ("TERM", "dumb"),
                ("NO_COLOR", "1"),
            ];
            for (variable, value) in ways {
                let output = program(&name, dir.path())
                    .args(&args)
                    .env(variable, value)
                    .output()
                    .unwrap();
                assert_eq!(
                    output.status.code(),
                    Some(code),
                    "{name} {args:?} {variable}"
                );
            }
            let full = std::fs::OpenOptions::new()
                .write(true)
                .open("/dev/full")
                .unwrap();
            let status = program(&name, dir.path())
                .args(&args)
                .stdout(full)
                .status()
                .unwrap();
            assert_eq!(
                status.code(),
                Some(code),
                "{name} {args:?} with a full stdout"
            );
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let status = program(&name, dir.path())
                .args(&args)
                .stdout(writer)
                .status()
                .unwrap();
            assert_eq!(
                status.code(),
                Some(code),
                "{name} {args:?} with a closed stdout"
            );
            let typed = on_a_terminal(program(&name, dir.path()).args(&args));
            assert_eq!(
                typed.status.code(),
                Some(code),
                "{name} {args:?} on a terminal"
            );
        }
    }
}

/// Runs a command with a terminal for stdin, stdout and stderr.
fn on_a_terminal(command: &Command) -> Output {
    let quoted =
        |text: &std::ffi::OsStr| format!("'{}'", text.to_str().unwrap().replace('\'', "'\\''"));
    let mut line = quoted(command.get_program());
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&quoted(arg));
    }
    let mut script = Command::new("script");
    script
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .current_dir(command.get_current_dir().unwrap())
        .stdin(std::process::Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    script.output().unwrap()
}

#[test]
fn nothing_offers_to_skip_force_or_bypass() {
    const OFFERS: [&str; 10] = [
        "skip",
        "force",
        "bypass",
        "override",
        "ignore",
        "disable",
        "no-verify",
        "unsafe",
        "without check",
        "anyway",
    ];
    let dir = tempfile::tempdir().unwrap();
    for name in names() {
        let mut pages = vec![text(&run(&name, dir.path(), &["--help"]).stdout)];
        if name == "orchestrator" {
            for command in ["run", "check", "list"] {
                pages.push(text(&run(&name, dir.path(), &[command, "--help"]).stdout));
            }
        }
        for page in pages {
            let page = page.to_lowercase();
            for offer in OFFERS {
                assert!(
                    !page.contains(offer),
                    "{name} --help has {offer:?}:\n{page}"
                );
            }
        }
    }
}

#[test]
fn every_check_is_named_for_what_holds_and_has_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    for name in names() {
        let output = run(&name, dir.path(), &["--list-checks", "--format", "json"]);
        assert_eq!(output.status.code(), Some(0), "{name}");
        let checks = document(&name, &output);
        let checks = checks.as_array().unwrap();
        assert!(!checks.is_empty(), "{name}");
        let mut ids = BTreeSet::new();
        for check in checks {
            let id = check["id"].as_str().unwrap();
            assert!(ids.insert(id), "{name}: {id} twice");
            let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(!id.is_empty() && id.chars().all(kebab), "{name}: {id}");
            for text in ["holds", "remedy"] {
                let text = check[text].as_str().unwrap();
                assert!(
                    !text.is_empty() && !text.ends_with('.'),
                    "{name}: {id}: {text}"
                );
            }
        }
    }
}

#[test]
fn completions_and_the_manual_page_name_every_option() {
    let dir = tempfile::tempdir().unwrap();
    for name in names() {
        let help = text(&run(&name, dir.path(), &["--help"]).stdout);
        let options: BTreeSet<&str> = help
            .split(|c: char| c.is_whitespace() || c == ',')
            .filter(|word| word.starts_with("--") && word.len() > 2)
            .map(|word| word.trim_end_matches(|c: char| !c.is_alphanumeric()))
            .collect();
        assert!(options.contains("--format"), "{name}: {help}");
        let bash = text(&run(&name, dir.path(), &["--completions", "bash"]).stdout);
        let page = text(&run(&name, dir.path(), &["--man"]).stdout).replace("\\-", "-");
        for option in options {
            assert!(
                bash.contains(option),
                "{name}: {option} is not in the completions"
            );
            assert!(
                page.contains(option),
                "{name}: {option} is not in the manual page"
            );
        }
    }
}

#[test]
fn the_page_of_a_program_has_its_sections_and_every_option() {
    let dir = tempfile::tempdir().unwrap();
    for name in names() {
        let page = std::fs::read_to_string(root().join(&name).join("README.md"))
            .unwrap_or_else(|error| panic!("{name}/README.md: {error}"));
        assert!(
            page.starts_with(&format!("# {name}\n")),
            "{name}/README.md has another title"
        );
        let sections: Vec<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix("## "))
            .collect();
        let wanted = ["Interface", "Exit codes", "Checks", "Notes"];
        assert_eq!(sections, wanted, "{name}/README.md");
        let mut help = text(&run(&name, dir.path(), &["--help"]).stdout);
        if name == "orchestrator" {
            help.push_str(&text(&run(&name, dir.path(), &["run", "--help"]).stdout));
        }
        let common = [
            "--format",
            "--log",
            "--evidence",
            "--strict",
            "--color",
            "--list-checks",
            "--completions",
            "--man",
            "--help",
            "--version",
            // Those of every program with settings, which the project's own page explains.
            "--database-url-file",
            "--environment",
            "--config",
            "--env-file",
        ];
        for line in help.lines() {
            let Some(option) = line.split_whitespace().find(|word| word.starts_with("--")) else {
                continue;
            };
            let named = line.trim_start().starts_with('-');
            if named && common.contains(&option) {
                continue;
            }
            if named {
                assert!(
                    page.contains(option),
                    "{name}/README.md does not mention {option}"
                );
            }
        }
    }
}

#[test]
fn the_projects_page_explains_the_options_that_programs_share() {
    let page = std::fs::read_to_string(root().join("README.md")).unwrap();
    for option in [
        "--database-url-file",
        "--environment",
        "--config",
        "--env-file",
        "--format",
        "--log",
        "--evidence",
        "--strict",
        "--color",
        "--list-checks",
        "--man",
        "--completions",
    ] {
        let explained = [' ', '`'].map(|end| page.contains(&format!("`{option}{end}")));
        assert!(explained.contains(&true), "README.md: {option}");
    }
}

#[test]
fn a_password_never_comes_out() {
    let dir = tempfile::tempdir().unwrap();
    let urls = [
        "postgres://app:hunter22%40@127.0.0.1:1/app",
        "postgres://app:hunter22@@127.0.0.1:1/app",
        "postgres://app:hunter22:x/@127.0.0.1:one/app",
        "postgresql+asyncpg://app:hunter22@127.0.0.1:1/app?sslmode=nonsense",
        "host=127.0.0.1 port=1 user=app password=hunter22 dbname=app nonsense=1",
        "mysql://app:hunter22@127.0.0.1/app",
    ];
    for name in names() {
        for (at, url) in urls.iter().enumerate() {
            let file = dir.path().join(format!("url-{at}"));
            std::fs::write(&file, url).unwrap();
            let file = file.to_str().unwrap().to_owned();
            for way in ["argument", "variable", "file", "settings"] {
                let place = tempfile::tempdir().unwrap();
                let mut command = program(&name, place.path());
                command.env("LOCKSTEP_EVIDENCE", place.path().join("evidence"));
                command.args(["--log", "log"]);
                match name.as_str() {
                    "mark-migrations" => {
                        command.args(["--applied-through", "1"]);
                    }
                    "mark-schema" => {
                        command.arg("--renew");
                    }
                    "orchestrator" => {
                        command.args(["run"]);
                    }
                    _ => {}
                }
                match way {
                    "argument" => {
                        command.arg(url);
                    }
                    "variable" => {
                        command.env("DATABASE_URL", url);
                    }
                    "file" => {
                        command.args(["--database-url-file", &file]);
                    }
                    _ => {
                        let settings = format!("[environments.dev]\ndatabase = {url:?}\n");
                        std::fs::write(place.path().join("lockstep.toml"), settings).unwrap();
                        command.env("LOCKSTEP_ENV", "dev");
                    }
                }
                let output = command.output().unwrap();
                assert_ne!(output.status.code(), Some(0), "{name} {way} {url}");
                let mut written = vec![output.stdout, output.stderr];
                for file in ["log", "evidence/evidence.jsonl"] {
                    written.extend(std::fs::read(place.path().join(file)));
                }
                for bytes in written {
                    let said = String::from_utf8_lossy(&bytes);
                    assert!(!said.contains("hunter22"), "{name} {way} {url}: {said}");
                }
            }
        }
    }
}
