//! The project's own tasks: `cargo xtask demo|test|bench|dist`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a task talks to the person who typed it; no result of a program passes here"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

mod bench;
mod demo;
mod dist;
mod server_programs;

const HELP: &str = "cargo xtask TASK

  demo [--fresh]   make a small application database and run pipelines/demo.toml over it, in
                   demo/, or in the folder that is named
  test [ARGS]      run every test, PostgreSQL's included; ARGS go to cargo test
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
    server_programs::ensure()?;
    run(cargo().args(["build", "--workspace", "--bins", "--examples"]))?;
    run(cargo()
        .args(["test", "--workspace", "--no-fail-fast"])
        .args(args))
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
