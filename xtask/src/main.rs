//! The project's own tasks: `cargo xtask demo|test|bench|dist`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a task talks to the person who typed it; no result of a program passes here"
)]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use tests::postgres_server;

mod bench;
mod demo;
mod dist;
mod server_programs;

const HELP: &str = "cargo xtask TASK

  demo [--fresh]   make a small application database and run pipelines/demo.toml over it, in
                   demo/, or in the folder that is named
  test [ARGS]      run every test, PostgreSQL's included; ARGS go to cargo test
  test --major N [ARGS]
                   run the tests with PostgreSQL N in place of this machine's own server; its
                   programs are put under target/
  bench [PARTS]    measure the programs beside what people use in their place
  dist             build the programs as they are handed to users, and show their sizes
";

/// Why a task ended.
type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (task, rest) = match args.split_first() {
        Some((task, rest)) => (task.as_str(), rest),
        None => ("", &[][..]),
    };
    let outcome = match task {
        "demo" => demo::run(rest),
        "test" => test(rest),
        "bench" => bench::run_all(rest),
        "dist" => dist::run(),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Builds every program first: the whole-suite tests run them as a user would.
fn test(args: &[String]) -> Outcome {
    let (major, args) = match args {
        [flag, number, rest @ ..] if flag == "--major" => {
            let number = number
                .parse::<u32>()
                .map_err(|_| format!("{number:?} is no major version of PostgreSQL"))?;
            (Some(number), rest)
        }
        [flag] if flag == "--major" => return Err("--major wants a number, such as 17".to_owned()),
        args => (None, args),
    };
    server_programs::ensure()?;
    let bin = major.map_or(Ok(None), server_programs::majors::ensure)?;
    run(cargo().args(["build", "--workspace", "--bins", "--examples"]))?;
    let mut tests = cargo();
    tests.args(["test", "--workspace", "--no-fail-fast"]);
    if let Some(bin) = bin {
        if major.is_some_and(|number| number < db_connect::SERVER_MAJOR_LEAST) {
            // All that is to be known of it.
            tests.args(["--test", "least_version"]);
        } else {
            // The tests inside the crates need no server.
            tests.args(["--test", "*"]);
        }
        tests.env(postgres_server::BIN_VARIABLE, &bin);
        // Where the programs under test look for pg_dump.
        tests.env("PATH", first_in_path(&bin)?);
    }
    run(tests.args(args))
}

fn first_in_path(dir: &Path) -> Result<OsString, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(dir.to_owned()).chain(std::env::split_paths(&path)))
        .map_err(|error| format!("cannot put {} into PATH: {error}", dir.display()))
}

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Where cargo puts what a profile builds.
fn target_dir(profile: &str) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join(profile)
}

/// The names of all programs: the workspace's folders with a hyphen, and the orchestrator.
fn programs() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(root())
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join("src/main.rs").is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.contains('-') || name == "orchestrator")
        .collect();
    names.sort();
    names
}

fn run(command: &mut Command) -> Outcome {
    let status = command
        .status()
        .map_err(|error| format!("cannot run {}: {error}", command.get_program().display()))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!(
            "{} ended with {status}",
            command.get_program().display()
        ))
    }
}
