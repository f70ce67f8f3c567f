//! The demonstration: a small application and its second release, deployed.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use tests::application;

use crate::{Outcome, cargo, root, target_dir};

pub(crate) fn run(args: &[String]) -> Outcome {
    let own = root().join("demo");
    let dir = match args {
        [] => own,
        [fresh] if fresh == "--fresh" => {
            remove(&own)?;
            own
        }
        [dir] if !dir.starts_with('-') => std::path::absolute(dir)
            .map_err(|error| format!("cannot use {dir} as a folder: {error}"))?,
        _ => return Err("demo takes --fresh, a folder of its own, or nothing".to_owned()),
    };
    crate::run(cargo().args(["build", "--workspace", "--bins"]))?;
    // The last file that the making puts there.
    if !dir.join("migrations/0004_publications.sql").exists() {
        if dir == root().join("demo") {
            remove(&dir)?;
        } else if dir.exists() {
            return Err(format!("{} exists and is no demonstration", dir.display()));
        }
        println!("Making the application in {}", dir.display());
        application::make(&dir, &|name| program(name, &dir));
    }
    let pipeline = root().join("pipelines/demo.toml");
    let mut deploy = program("orchestrator", &dir);
    deploy.arg("run").arg(pipeline);
    println!("$ {}\n", typed(&deploy, &dir));
    crate::run(&mut deploy)
}

/// The command as a person would type it anywhere.
fn typed(command: &Command, dir: &Path) -> String {
    let mut line = format!("cd {} &&", quoted(dir.as_os_str()));
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            line.push_str(&format!(" {}={}", name.display(), quoted(value)));
        }
    }
    for word in std::iter::once(command.get_program()).chain(command.get_args()) {
        line.push_str(&format!(" {}", quoted(word)));
    }
    line
}

/// A word for a POSIX shell.
fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if word.chars().all(plain) {
        return word.into_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// A built program, in the demonstration's folder and environment.
fn program(name: &str, dir: &Path) -> Command {
    let mut command = Command::new(target_dir("debug").join(name));
    command
        .current_dir(dir)
        .env("LOCKSTEP_ENV", "dev")
        .envs(application::VARIABLES)
        .env_remove("DATABASE_URL")
        .env_remove("LOCKSTEP_EVIDENCE")
        .env_remove("LOCKSTEP_RUN_ID");
    command
}

fn remove(dir: &Path) -> Outcome {
    match std::fs::remove_dir_all(dir) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(format!("cannot remove {}: {error}", dir.display())),
    }
}
