//! Whole processes, from spawn to reap.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::target_dir;

/// A program as users get it, in a folder, without the variables of this shell.
pub(crate) fn program(name: &str, dir: &Path) -> Command {
    let mut command = Command::new(target_dir("dist").join(name));
    command.current_dir(dir);
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if name.starts_with("LOCKSTEP_") || name.starts_with("GITHUB_") || name.starts_with("PG") {
            command.env_remove(&variable);
        }
    }
    command
        .env_remove("DATABASE_URL")
        .env_remove("CI")
        .env_remove("RUST_BACKTRACE");
    command
}

/// The program that prints one line.
pub(crate) fn hello() -> Command {
    Command::new(target_dir("dist").join("examples/hello"))
}

/// How long one run takes, in milliseconds; it has to end in success.
pub(crate) fn once(command: &mut Command) -> Result<f64, String> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let started = Instant::now();
    let output = command
        .spawn()
        .and_then(|child| child.wait_with_output())
        .map_err(|error| format!("cannot run {}: {error}", command.get_program().display()))?;
    let took = started.elapsed();
    if output.status.success() {
        Ok(took.as_secs_f64() * 1000.0)
    } else {
        Err(format!(
            "{} ended with {}: {}",
            command.get_program().display(),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}

/// One side of a comparison: what is done before each run and not timed, and the run.
pub(crate) type Side<'a> = &'a mut dyn FnMut() -> Result<f64, String>;

/// The medians of several sides that run in turn, round after round.
pub(crate) fn medians(rounds: usize, sides: &mut [Side<'_>]) -> Result<Vec<f64>, String> {
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); sides.len()];
    for round in 0..=rounds {
        for (side, times) in sides.iter_mut().zip(&mut times) {
            let took = side()?;
            // The first round warms the caches.
            if round > 0 {
                times.push(took);
            }
        }
    }
    Ok(times
        .into_iter()
        .map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        })
        .collect())
}

/// The most memory that a command's own process had, in MiB, and how long it took in milliseconds.
pub(crate) fn peak_memory(command: &mut Command) -> Result<(f64, f64), String> {
    let failed = |error: std::io::Error| format!("cannot watch a process: {error}");
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let status_file = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak_kib = 0.0;
    loop {
        // The high-water mark only rises, so the last look before the end is the one that counts.
        let status = std::fs::read_to_string(&status_file).unwrap_or_default();
        let mark = status.lines().find_map(|line| {
            line.strip_prefix("VmHWM:")?
                .trim()
                .strip_suffix(" kB")?
                .trim()
                .parse::<f64>()
                .ok()
        });
        peak_kib = mark.unwrap_or(peak_kib);
        if let Some(status) = child.try_wait().map_err(failed)? {
            if !status.success() {
                return Err(format!(
                    "{} ended with {status}",
                    command.get_program().display()
                ));
            }
            return Ok((peak_kib / 1024.0, started.elapsed().as_secs_f64() * 1000.0));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A folder of the benchmark's own, on the disk that the build is on: `/tmp` may be memory.
pub(crate) fn folder(name: &str) -> Result<PathBuf, String> {
    let dir = target_dir("bench").join(name);
    let failed = |error: std::io::Error| format!("cannot make {}: {error}", dir.display());
    if dir.exists() {
        std::fs::remove_dir_all(&dir).map_err(failed)?;
    }
    std::fs::create_dir_all(&dir).map_err(failed)?;
    Ok(dir)
}

/// Writes a file.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
