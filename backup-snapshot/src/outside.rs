//! Storing a finished snapshot elsewhere, by the command that the settings name.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use contract::{Check, Class, Failure, Report};
use snapshots::Stop;

/// What stands for the snapshot's folder in the command.
const PLACE: &str = "{snapshot}";

/// The command of `[backup] publish`.
#[derive(Debug)]
pub(crate) struct Publish {
    program: String,
    arguments: Vec<String>,
}

/// The command, if there is one; its program is there.
pub(crate) fn command(words: &[String]) -> Result<Option<Publish>, Failure> {
    let Some((program, arguments)) = words.split_first() else {
        return Ok(None);
    };
    if program.is_empty() || !arguments.iter().any(|word| word.contains(PLACE)) {
        let message = format!("cannot use [backup] publish: none of its arguments names {PLACE}");
        return Err(Failure::new(Class::Usage, message).remedy(format!(
            "write {PLACE} where the command takes the folder to store"
        )));
    }
    if !is_found(program) {
        let message = format!("cannot use [backup] publish: there is no program {program}");
        return Err(Failure::new(Class::Usage, message)
            .remedy("install it, or name the one to run with its path"));
    }
    Ok(Some(Publish {
        program: program.clone(),
        arguments: arguments.to_vec(),
    }))
}

/// Whether a program can be run by that name, found as the system finds it.
fn is_found(program: &str) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let runs = |path: PathBuf| {
        let found = path.metadata();
        found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        return runs(PathBuf::from(program));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| runs(folder.join(program)))
}

impl Publish {
    /// Runs the command for the snapshot in `folder` and reports how it ended. The snapshot is whole
    /// where it is, whatever the command says; that is said where it is stored nowhere else.
    pub(crate) fn store(&self, folder: &Path, stop: &Stop, check: &Check, report: &mut Report) {
        let place = folder.to_string_lossy();
        let failed = match self.run(&place, stop, report) {
            Ok(()) => {
                report.held(check, &self.program);
                return;
            }
            Err(_) if stop.asked() => "ended by a signal".to_owned(),
            Err(failed) => failed,
        };
        report.broken(
            check,
            &self.program,
            format!("{failed}; the snapshot stands at {place}, but is not stored elsewhere"),
        );
    }

    fn run(&self, place: &str, stop: &Stop, report: &mut Report) -> Result<(), String> {
        let arguments = self.arguments.iter().map(|word| word.replace(PLACE, place));
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut running = stop
            .spawn(&mut command)
            .map_err(|error| error.to_string())?;
        let mut said = Vec::new();
        if let Some(mut stderr) = running.child.stderr.take() {
            // What could not be read is missing in a message alone.
            let _ = stderr.read_to_end(&mut said);
        }
        let status = running.wait().map_err(|error| error.to_string())?;
        report.fact("publish_status", status.to_string());
        if status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&said);
        let last = said.lines().rev().find(|line| !line.trim().is_empty());
        let last = last.unwrap_or("it said nothing").trim();
        Err(format!("{status}: {last}"))
    }
}
