//! Storing a finished snapshot elsewhere, by the command that the settings name.

use std::path::Path;
use std::process::{Command, Stdio};

use contract::{Check, Class, Failure, Report};

/// What stands for the snapshot's folder in the command.
const PLACE: &str = "{snapshot}";

/// The command of `[backup] publish`; none where there is none.
pub(crate) fn command(words: &[String]) -> Result<Option<Vec<String>>, Failure> {
    let Some((program, arguments)) = words.split_first() else {
        return Ok(None);
    };
    if program.is_empty() || !arguments.iter().any(|word| word.contains(PLACE)) {
        let message = format!("cannot use [backup] publish: none of its arguments names {PLACE}");
        return Err(Failure::new(Class::Usage, message).remedy(format!(
            "write {PLACE} where the command takes the folder to store"
        )));
    }
    Ok(Some(words.to_vec()))
}

/// Runs the command for the snapshot in `folder` and reports how it ended. The snapshot is whole
/// where it is, whatever the command says.
pub(crate) fn store(
    words: &[String],
    folder: &Path,
    check: &Check,
    report: &mut Report,
) -> Result<(), Failure> {
    let folder = folder.to_string_lossy();
    let words: Vec<String> = words
        .iter()
        .map(|word| word.replace(PLACE, &folder))
        .collect();
    let Some((program, arguments)) = words.split_first() else {
        return Ok(());
    };
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            Failure::caused_by(Class::Error, format!("cannot run {program}"), &error)
        })?;
    report.fact("publish_status", output.status.to_string());
    if output.status.success() {
        report.held(check, program);
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("it said nothing");
    report
        .broken(
            check,
            program,
            format!("{}: {}", output.status, last.trim()),
        )
        .expected("exit status: 0")
        .actual(output.status.to_string());
    Ok(())
}
