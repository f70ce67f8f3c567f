//! Runs one program to its end, and leaves nothing of it behind.
//!
//! The program gets its own process group, no terminal, `/dev/null` as stdin and pipes as stdout and
//! stderr.
//! Its exit is seen without reaping it, so that its process id, which is the group's, can't be
//! given to anybody else until the whole group is gone. `killpg(group, 0)` is never asked: it
//! counts zombies. Every wait has a deadline.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::io::FdFlags;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM};

use crate::output::{Output, Source};
use crate::session::Apart;
use crate::signals::Signals;
use crate::strays;
use crate::terminal::{Stream, Terminal};

/// How long descendants may outlive the step's first process before they are told to end: the
/// `tee` of a shell's process substitution is still writing then.
const AFTERGLOW: Duration = Duration::from_millis(100);
/// How long leftovers have after SIGTERM, at most.
const LEFTOVER_GRACE_MAX: Duration = Duration::from_secs(2);
/// How long a process may take to die of SIGKILL. One that waits for a dead disk never does.
const DYING_MAX: Duration = Duration::from_secs(10);
/// How long output may take to arrive once nobody of the step is left to write any.
const DRAIN_MAX: Duration = Duration::from_secs(1);

/// What to run, and how long.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) id: &'a str,
    pub(crate) program: &'a Path,
    pub(crate) arguments: &'a [String],
    /// The whole environment.
    pub(crate) environment: &'a [(OsString, OsString)],
    pub(crate) timeout: Duration,
    pub(crate) grace: Duration,
    /// Takes all output, opened for appending.
    pub(crate) log: &'a File,
    /// Where output goes besides: what came on stdout, and on stderr.
    pub(crate) streams: (Stream, Stream),
    /// A descriptor that the program inherits.
    pub(crate) inherits: Option<BorrowedFd<'a>>,
    /// Whether a success may leave processes running. Their output then goes straight to the log,
    /// because a pipe without a reader would kill them.
    pub(crate) starts_service: bool,
    /// Whether the first signal that asks the run to end is handed on. Clean-up steps go on until
    /// the second.
    pub(crate) hands_signals_on: bool,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    /// It ran past its timeout.
    pub(crate) timed_out: bool,
    /// It was told to end because the run was.
    pub(crate) interrupted: bool,
    /// Processes of it were still there after it had ended, and were ended.
    pub(crate) leaked: bool,
    /// Processes of it are still there, and not as a service.
    pub(crate) remains: bool,
    /// Output may be missing at the end.
    pub(crate) output_truncated: bool,
    /// The log could not be written.
    pub(crate) log_failed: bool,
    /// Until nothing of it ran any more.
    pub(crate) duration: Duration,
}

/// The end of the program's first process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It exited with this code.
    Exited(i32),
    /// This signal ended it.
    Signaled(i32),
}

/// What outlives a single step.
#[derive(Debug)]
pub(crate) struct Supervisor {
    pub(crate) signals: Signals,
    pub(crate) terminal: Terminal,
    /// The children that this process had before its first step.
    older: Vec<Pid>,
    /// Processes below this one may belong to others than the current step.
    beside_others: bool,
}

impl Supervisor {
    /// Makes this process the parent of every orphan below it.
    pub(crate) fn new(signals: Signals, terminal: Terminal) -> Supervisor {
        let older = strays::adopt_orphans();
        Supervisor {
            signals,
            terminal,
            // Process 1 of a container inherits the orphans of everybody, not of its steps alone.
            beside_others: !older.is_empty() || rustix::process::getpid().is_init(),
            older,
        }
    }

    /// One line of this program's own.
    pub(crate) fn line(&mut self, text: &str) {
        self.terminal.line(&mut self.signals, text);
    }

    /// Runs the job to its end.
    ///
    /// # Errors
    ///
    /// When the program can't be started; nothing of it ran then.
    pub(crate) fn run(&mut self, job: &Job<'_>) -> std::io::Result<Ended> {
        let started = Instant::now();
        let mut output = Output::new();
        let child = start(job, &mut output)?;
        let leader = pid_of(&child)?;
        let mut watch = Watch {
            supervisor: self,
            job,
            leader,
            output,
            stopping: false,
        };
        let alive = watch.until_exit(started);
        let (timed_out, interrupted) = (alive.timed_out, alive.interrupted);
        let exit = alive.exit.unwrap_or(Exit::Signaled(SIGKILL));
        let leaves_service =
            job.starts_service && exit == Exit::Exited(0) && !timed_out && !interrupted;
        let (leaked, remains) = if leaves_service {
            (false, false)
        } else {
            watch.clear()
        };
        // A reader who takes his time is no part of the step's.
        let duration = started.elapsed();
        let output_truncated = watch.drain();
        let log_failed = watch.output.log_failed;
        self.beside_others |= leaves_service;
        if alive.exit.is_some() {
            reap(child);
        }
        Ok(Ended {
            exit,
            timed_out,
            interrupted,
            leaked,
            remains: remains || alive.exit.is_none(),
            output_truncated,
            log_failed,
            duration,
        })
    }
}

fn start(job: &Job<'_>, output: &mut Output) -> std::io::Result<Child> {
    let mut apart = Apart::new(job.program, job.arguments)?;
    let command = apart.command();
    command
        .env_clear()
        .envs(job.environment.iter().map(|(name, value)| (name, value)));
    if job.starts_service {
        command
            .stdout(job.log.try_clone()?)
            .stderr(job.log.try_clone()?);
    } else {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
    }
    let _lent = job.inherits.map(Lent::new).transpose()?;
    let mut child = apart.spawn()?;
    if job.starts_service {
        output.follow(job.log, job.streams.0)?;
    }
    if let Some(pipe) = child.stdout.take() {
        output.add(Source::Pipe(pipe.into()), job.streams.0)?;
    }
    if let Some(pipe) = child.stderr.take() {
        output.add(Source::Pipe(pipe.into()), job.streams.1)?;
    }
    Ok(child)
}

/// A descriptor that children inherit while this lives. Only this thread starts processes.
struct Lent<'a>(BorrowedFd<'a>);

impl<'a> Lent<'a> {
    fn new(fd: BorrowedFd<'a>) -> std::io::Result<Lent<'a>> {
        rustix::io::fcntl_setfd(fd, FdFlags::empty())?;
        Ok(Lent(fd))
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        // Fails for closed descriptors only, and this one is borrowed.
        let _ = rustix::io::fcntl_setfd(self.0, FdFlags::CLOEXEC);
    }
}

fn pid_of(child: &Child) -> std::io::Result<Pid> {
    i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| std::io::Error::other("the process id is out of range"))
}

fn reap(mut child: Child) {
    // Its status was read before; this only frees the process id.
    let _ = child.wait();
}

struct Watch<'a, 'j> {
    supervisor: &'a mut Supervisor,
    job: &'a Job<'j>,
    leader: Pid,
    output: Output,
    /// The group was told to end.
    stopping: bool,
}

/// What the wait for the first process's exit came to.
struct Alive {
    /// None when not even SIGKILL ended it.
    exit: Option<Exit>,
    timed_out: bool,
    interrupted: bool,
}

/// How far the end of the group has been pressed.
#[derive(Clone, Copy)]
enum Pressure {
    None { until: Instant },
    Asked { until: Instant },
    Killed { until: Instant },
}

impl Pressure {
    fn until(self) -> Instant {
        match self {
            Pressure::None { until } | Pressure::Asked { until } | Pressure::Killed { until } => {
                until
            }
        }
    }
}

impl Watch<'_, '_> {
    fn until_exit(&mut self, started: Instant) -> Alive {
        let mut alive = Alive {
            exit: None,
            timed_out: false,
            interrupted: false,
        };
        let mut pressure = Pressure::None {
            until: started + self.job.timeout,
        };
        let mut look = true;
        loop {
            if look {
                alive.exit = self.exit();
                if alive.exit.is_some() {
                    return alive;
                }
            }
            pressure = self.press(pressure, &mut alive);
            let now = Instant::now();
            if now >= pressure.until() {
                pressure = match pressure {
                    Pressure::None { .. } => {
                        alive.timed_out = true;
                        self.ask(SIGTERM)
                    }
                    Pressure::Asked { .. } => self.kill(),
                    Pressure::Killed { .. } => return alive,
                };
            }
            look = self.pump(pressure.until());
            // A deadline is reason enough to look: the child may have ended unseen.
            look |= Instant::now() >= pressure.until();
        }
    }

    /// What signals to this process make of it.
    fn press(&mut self, pressure: Pressure, alive: &mut Alive) -> Pressure {
        let signals = &self.supervisor.signals;
        match (pressure, signals.stop()) {
            (Pressure::Killed { .. }, _) | (_, None) => pressure,
            (_, Some(_)) if signals.at_once() => {
                alive.interrupted = true;
                self.kill()
            }
            (Pressure::None { .. }, Some(signal)) if self.job.hands_signals_on => {
                alive.interrupted = true;
                self.ask(signal)
            }
            (Pressure::None { .. } | Pressure::Asked { .. }, Some(_)) => pressure,
        }
    }

    fn ask(&mut self, signal: i32) -> Pressure {
        self.stopping = true;
        let signal = match signal {
            SIGINT => Signal::INT,
            SIGHUP => Signal::HUP,
            SIGQUIT => Signal::QUIT,
            // The others end a process, but few programs know them as a request.
            _ => Signal::TERM,
        };
        // Errors mean that nobody is left in the group.
        let _ = kill_process_group(self.leader, signal);
        // A stopped process can't handle it.
        let _ = kill_process_group(self.leader, Signal::CONT);
        Pressure::Asked {
            until: Instant::now() + self.job.grace,
        }
    }

    fn kill(&mut self) -> Pressure {
        self.stopping = true;
        let _ = kill_process_group(self.leader, Signal::KILL);
        Pressure::Killed {
            until: Instant::now() + DYING_MAX,
        }
    }

    /// Moves output until something happens or the deadline is there; true when a child may have
    /// ended.
    fn pump(&mut self, until: Instant) -> bool {
        let supervisor = &mut *self.supervisor;
        self.output.pump(
            &mut supervisor.terminal,
            &supervisor.signals,
            self.job.log,
            until,
        );
        supervisor.signals.note()
    }

    /// The first process's exit, without reaping it.
    fn exit(&self) -> Option<Exit> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let status = waitid(WaitId::Pid(self.leader), options).ok()??;
        if let Some(code) = status.exit_status() {
            return Some(Exit::Exited(code));
        }
        status.terminating_signal().map(Exit::Signaled)
    }

    fn strays(&self) -> Vec<Pid> {
        strays::list(strays::Step {
            leader: self.leader,
            id: self.job.id,
            older: &self.supervisor.older,
            beside_others: self.supervisor.beside_others,
        })
    }

    /// Ends what the step left behind: whether it left anything that did not end by itself, and
    /// whether any of it withstood.
    fn clear(&mut self) -> (bool, bool) {
        if self.gone_within(AFTERGLOW) {
            return (false, false);
        }
        let grace = self.job.grace.min(LEFTOVER_GRACE_MAX);
        for (signal, patience) in [(Signal::TERM, grace), (Signal::KILL, DYING_MAX)] {
            let deadline = Instant::now() + patience;
            loop {
                // The group can still be named: its leader is not reaped.
                let _ = kill_process_group(self.leader, signal);
                strays::signal(&self.strays(), signal);
                // The children of a stray become strays when it dies, so each round may find new
                // ones. Those that were told already are told again.
                let left = deadline.saturating_duration_since(Instant::now());
                let round = if signal == Signal::KILL {
                    AFTERGLOW
                } else {
                    left
                };
                if self.gone_within(round.min(left)) {
                    return (true, false);
                }
                let hurry = self.supervisor.signals.at_once() && signal == Signal::TERM;
                if hurry || Instant::now() >= deadline {
                    break;
                }
            }
        }
        (true, true)
    }

    /// Whether all strays have ended before the time is over. A second signal to this process ends
    /// the wait.
    fn gone_within(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let hurried = self.supervisor.signals.at_once();
        loop {
            if self.strays().is_empty() {
                return true;
            }
            if Instant::now() >= deadline || self.supervisor.signals.at_once() != hurried {
                return false;
            }
            self.pump(deadline);
        }
    }

    /// Takes in the rest of the output; true when the log lacks some of it.
    fn drain(&mut self) -> bool {
        let deadline = Instant::now() + DRAIN_MAX;
        loop {
            self.output.read_ahead(self.job.log);
            if self.output.has_ended() || Instant::now() >= deadline {
                break;
            }
            self.pump(deadline);
        }
        let missing = self.output.stop_reading();
        // A reader who pauses may take as long as he likes, until the run is told to end.
        let mut patience = None;
        while !self.output.is_shown() {
            if self.supervisor.signals.stop().is_some() {
                let until = *patience.get_or_insert(Instant::now() + DRAIN_MAX);
                if Instant::now() >= until || self.supervisor.signals.at_once() {
                    break;
                }
            }
            self.pump(patience.unwrap_or(Instant::now() + DRAIN_MAX));
        }
        missing
    }
}
