//! The demonstration: a small application and its second release, deployed.

use std::path::Path;
use std::process::Command;

use tests::application;

use crate::{Outcome, cargo, root, target_dir};

pub(crate) fn run(args: &[String]) -> Outcome {
    let dir = root().join("demo");
    match args {
        [] => {}
        [fresh] if fresh == "--fresh" => remove(&dir)?,
        _ => return Err("demo takes --fresh or nothing".to_owned()),
    }
    crate::run(cargo().args(["build", "--workspace", "--bins"]))?;
    // The last file that the making puts there.
    if !dir.join("migrations/0004_publications.sql").exists() {
        remove(&dir)?;
        println!("Making the application in {}", dir.display());
        application::make(&dir, &|name| program(name, &dir));
    }
    println!(
        "In {}:\n$ LOCKSTEP_ENV=dev orchestrator run pipelines/demo.toml\n",
        dir.display()
    );
    let pipeline = root().join("pipelines/demo.toml");
    crate::run(program("orchestrator", &dir).arg("run").arg(pipeline))
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
