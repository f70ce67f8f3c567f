//! Processes that a step left behind.
//!
//! This process is a subreaper: whatever outlives its parent below it becomes its own child, also
//! after setsid(2). So the strays of a step are the children that are not the step itself, and that
//! were not there before the run: `exec` hands a shell's background jobs, and the reader of a
//! process substitution, to the program that it starts.

use std::path::Path;

use rustix::process::{Pid, Signal, WaitOptions};

/// Who counts as a stray of the step that just ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<'a> {
    /// The step's first process, and its process group.
    pub(crate) leader: Pid,
    /// Its `LOCKSTEP_STEP`.
    pub(crate) id: &'a str,
    /// The children that were there before the first step. They are never reaped, so their ids
    /// can't come to mean others.
    pub(crate) older: &'a [Pid],
    /// Whether orphans of others may turn up here: of an older child, or of a service that an
    /// earlier step left running. Then a process is only taken for a stray if it is in the step's
    /// group or carries the step's id in its environment: ending a worker of the service would be
    /// worse than leaving a stray.
    pub(crate) beside_others: bool,
}

/// Makes orphans below this process its children, and says which children it has already.
pub(crate) fn adopt_orphans() -> Vec<Pid> {
    // Where the kernel can't (before Linux 3.4), strays outside the group stay unknown.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    children()
}

/// The strays that are there now. Those that have ended are reaped on the way.
pub(crate) fn list(step: Step<'_>) -> Vec<Pid> {
    children()
        .into_iter()
        .filter(|pid| *pid != step.leader && !step.older.contains(pid))
        .filter(|pid| {
            let ended = rustix::process::waitpid(Some(*pid), WaitOptions::NOHANG);
            matches!(ended, Ok(None))
        })
        .filter(|pid| belongs(*pid, step))
        .collect()
}

/// Leaves orphans to whom they went before [`adopt_orphans`].
pub(crate) fn leave_orphans() {
    let _ = rustix::process::set_child_subreaper(None);
}

/// Sends a signal to each.
pub(crate) fn signal(strays: &[Pid], signal: Signal) {
    for stray in strays {
        // One that has just ended is no error.
        let _ = rustix::process::kill_process(*stray, signal);
    }
}

fn belongs(pid: Pid, step: Step<'_>) -> bool {
    if !step.beside_others {
        return true;
    }
    if rustix::process::getpgid(Some(pid)) == Ok(step.leader) {
        return true;
    }
    let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let own = format!("LOCKSTEP_STEP={}", step.id);
    environ
        .split(|byte| *byte == 0)
        .any(|entry| entry == own.as_bytes())
}

/// The children of this process, ended ones included.
fn children() -> Vec<Pid> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for task in tasks.flatten() {
        // Only kernels built with CONFIG_PROC_CHILDREN have this file.
        let Ok(text) = std::fs::read_to_string(task.path().join("children")) else {
            return children_by_parent();
        };
        found.extend(text.split_ascii_whitespace().filter_map(pid));
    }
    found
}

fn children_by_parent() -> Vec<Pid> {
    let own = rustix::process::getpid();
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .flatten()
        .filter(|entry| parent_of(&entry.path()) == Some(own))
        .filter_map(|entry| pid(entry.file_name().to_str()?))
        .collect()
}

/// The parent's id, from /proc/PID/stat: the second field after the name in parentheses, which may
/// itself hold anything.
fn parent_of(process: &Path) -> Option<Pid> {
    let stat = std::fs::read_to_string(process.join("stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    pid(after_name.split_ascii_whitespace().nth(1)?)
}

fn pid(text: &str) -> Option<Pid> {
    Pid::from_raw(text.parse().ok()?)
}
