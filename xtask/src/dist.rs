//! The programs as they are handed to users.

use crate::{Outcome, cargo, programs, target_dir};

pub(crate) fn run_build() -> Outcome {
    let mut command = cargo();
    command.args(["build", "--profile", "dist"]);
    for program in programs() {
        command.args(["--package", &program]);
    }
    crate::run(&mut command)
}

pub(crate) fn run() -> Outcome {
    run_build()?;
    for program in programs() {
        let path = target_dir("dist").join(&program);
        let bytes = std::fs::metadata(&path)
            .map_err(|error| format!("cannot look at {}: {error}", path.display()))?
            .len();
        println!(
            "{:>6.2} MiB  {}",
            bytes as f64 / (1024.0 * 1024.0),
            path.display()
        );
    }
    Ok(())
}
