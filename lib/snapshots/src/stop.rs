//! An end that somebody asked for, and the processes that must not outlive it.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::error::Error;

/// What a process gets between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);

/// How often it is looked whether it has ended.
const PAUSE: Duration = Duration::from_millis(20);

/// Whether somebody asked for an end. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<State>);

#[derive(Debug, Default)]
struct State {
    asked: AtomicBool,
    /// The process groups that run.
    groups: Mutex<Vec<Pid>>,
}

impl Stop {
    /// Asks for an end, and ends the processes that run: SIGTERM, then SIGKILL. Returns when they
    /// have ended.
    pub fn ask(&self) {
        self.0.asked.store(true, Ordering::SeqCst);
        self.signal(Signal::TERM);
        let begun = Instant::now();
        while !self.groups().is_empty() {
            if begun.elapsed() >= GRACE {
                self.signal(Signal::KILL);
            }
            thread::sleep(PAUSE);
        }
    }

    /// Whether somebody asked.
    pub fn asked(&self) -> bool {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// # Errors
    ///
    /// [`Error::Stopped`] if somebody asked.
    pub fn check(&self) -> Result<(), Error> {
        if self.asked() {
            return Err(Error::Stopped);
        }
        Ok(())
    }

    /// Starts a command in a process group of its own, which ends when somebody asks for an end.
    ///
    /// # Errors
    ///
    /// When it can't be started, or somebody asked already.
    pub fn spawn(&self, command: &mut Command) -> io::Result<Running> {
        // Held over the start: whoever asks from now on finds the group.
        let mut groups = self.groups();
        if self.asked() {
            return Err(io::Error::from(io::ErrorKind::Interrupted));
        }
        let mut child = command.process_group(0).spawn()?;
        let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else {
            child.kill()?;
            return Err(io::Error::other("it has no process id"));
        };
        groups.push(group);
        drop(groups);
        Ok(Running {
            child,
            group,
            stop: self.clone(),
        })
    }

    fn signal(&self, signal: Signal) {
        for group in self.groups().iter() {
            // It may have ended by itself.
            let _ = kill_process_group(*group, signal);
        }
    }

    fn groups(&self) -> MutexGuard<'_, Vec<Pid>> {
        self.0.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A process that does not outlive this, nor does its group once somebody asked for an end.
#[derive(Debug)]
pub struct Running {
    /// The process, not waited for yet.
    pub child: Child,
    group: Pid,
    stop: Stop,
}

impl Running {
    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// Those of the system call.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        // Until the child is reaped nobody else can have its number.
        let left = waitid(
            WaitId::Pid(self.group),
            WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
        );
        let mut groups = self.stop.groups();
        if left.is_ok() && groups.contains(&self.group) && self.stop.asked() {
            let _ = kill_process_group(self.group, Signal::KILL);
        }
        groups.retain(|group| *group != self.group);
        self.child.wait()
    }

    /// Waits for its end, so long and no longer; nothing where it still runs then.
    ///
    /// # Errors
    ///
    /// Those of the system call.
    pub fn wait_for(&mut self, limit: Duration) -> io::Result<Option<ExitStatus>> {
        let begun = Instant::now();
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        while waitid(WaitId::Pid(self.group), options)?.is_none() {
            if begun.elapsed() >= limit {
                return Ok(None);
            }
            thread::sleep(PAUSE.min(limit));
        }
        self.wait().map(Some)
    }

    /// Ends it at once.
    ///
    /// # Errors
    ///
    /// Those of the system call.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.child.kill();
        self.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _};
    use std::process::Stdio;

    use super::*;

    #[test]
    fn one_that_does_not_end_is_not_waited_for() {
        let stop = Stop::default();
        let mut command = Command::new("sleep");
        let mut running = stop.spawn(command.arg("1000000")).unwrap();
        assert!(running.wait_for(PAUSE).unwrap().is_none());
        assert!(!running.kill().unwrap().success());
        let mut running = stop.spawn(&mut Command::new("true")).unwrap();
        let status = running.wait_for(Duration::from_secs(600)).unwrap();
        assert!(status.unwrap().success());
    }

    #[test]
    fn whoever_asks_ends_the_whole_group_even_one_that_does_not_listen() {
        let stop = Stop::default();
        let script = "trap '' TERM; (trap '' TERM; while :; do sleep 1; done) & echo on; wait";
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::piped());
        let mut running = stop.spawn(&mut command).unwrap();
        let mut said = BufReader::new(running.child.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert_eq!(line, "on\n");
        let asking = thread::spawn({
            let stop = stop.clone();
            move || stop.ask()
        });
        // The pipe ends with the last of the group.
        said.read_to_string(&mut line).unwrap();
        assert!(!running.wait().unwrap().success());
        asking.join().unwrap();
        assert!(stop.spawn(&mut Command::new("true")).is_err());
    }
}
