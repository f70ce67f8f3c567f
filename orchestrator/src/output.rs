//! Moves a step's output to its log and to the terminal, in bounded memory.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use crate::signals::{Signals, timespec};
use crate::terminal::{Stream, Terminal};

/// Bytes of each stream that are held at most.
const BUFFER: usize = 64 * 1024;
/// What a pipe can hold at most without privileges (/proc/sys/fs/pipe-max-size).
const AHEAD_MAX: usize = 1024 * 1024;
/// How often a log that grows by itself is looked at: no event tells of it.
const FOLLOW_EVERY: Duration = Duration::from_millis(100);

/// Where output comes from.
#[derive(Debug)]
pub(crate) enum Source {
    /// The step writes into a pipe; what comes goes to the log.
    Pipe(OwnedFd),
    /// The step writes into the log itself; read from this offset on.
    Log { file: File, offset: u64 },
}

/// The streams of one step.
#[derive(Debug)]
pub(crate) struct Output {
    lanes: Vec<Lane>,
    /// A write to the log failed; the terminal still got everything.
    pub(crate) log_failed: bool,
}

#[derive(Debug)]
struct Lane {
    /// None once its end was seen.
    source: Option<Source>,
    to: Stream,
    buffer: Vec<u8>,
    /// What the terminal has not got yet.
    pending: std::ops::Range<usize>,
}

impl Output {
    pub(crate) fn new() -> Output {
        Output {
            lanes: Vec::new(),
            log_failed: false,
        }
    }

    /// Adds a stream.
    ///
    /// # Errors
    ///
    /// When the pipe can't be made non-blocking.
    pub(crate) fn add(&mut self, source: Source, to: Stream) -> std::io::Result<()> {
        if let Source::Pipe(pipe) = &source {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        self.lanes.push(Lane {
            source: Some(source),
            to,
            buffer: vec![0; BUFFER],
            pending: 0..0,
        });
        Ok(())
    }

    /// Shows what the step itself appends to the log from now on.
    ///
    /// # Errors
    ///
    /// When the log can't be read.
    pub(crate) fn follow(&mut self, log: &File, to: Stream) -> std::io::Result<()> {
        let offset = log.metadata()?.len();
        let file = log.try_clone()?;
        self.add(Source::Log { file, offset }, to)
    }

    /// Moves what is there. Waits for more, for room, or for a signal, until the deadline.
    pub(crate) fn pump(
        &mut self,
        terminal: &mut Terminal,
        signals: &Signals,
        log: &File,
        until: Instant,
    ) {
        let mut timeout = until.saturating_duration_since(Instant::now());
        let mut fds = Vec::with_capacity(3);
        fds.push(PollFd::from_borrowed_fd(signals.fd(), PollFlags::IN));
        let mut polled = Vec::with_capacity(2);
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            if terminal.is_gone(lane.to) && !lane.pending.is_empty() {
                lane.pending = 0..0;
                timeout = Duration::ZERO;
            }
            if !lane.pending.is_empty() {
                if let Some(patience) = terminal.patience(signals, lane.to) {
                    timeout = timeout.min(patience);
                }
                polled.push(at);
                fds.push(PollFd::from_borrowed_fd(
                    terminal.fd(lane.to),
                    PollFlags::OUT,
                ));
                continue;
            }
            match &lane.source {
                Some(Source::Pipe(pipe)) => {
                    polled.push(at);
                    fds.push(PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN));
                }
                Some(Source::Log { .. }) => timeout = timeout.min(FOLLOW_EVERY),
                None => {}
            }
        }
        // EINTR: a signal has come, and the caller asks for it anyway.
        if poll(&mut fds, Some(&timespec(timeout))).is_err() {
            return;
        }
        let ready: Vec<bool> = fds[1..].iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        for (at, ready) in polled.into_iter().zip(ready) {
            let lane = &mut self.lanes[at];
            if ready {
                lane.step(terminal, log, &mut self.log_failed);
            } else if !lane.pending.is_empty() {
                terminal.give_up_unread(signals, lane.to);
            }
        }
        for lane in &mut self.lanes {
            if lane.pending.is_empty() && matches!(lane.source, Some(Source::Log { .. })) {
                lane.read(log, &mut self.log_failed);
            }
        }
    }

    /// Whether the end of every stream was seen. The end of a log that others go on writing is
    /// where it ends now.
    pub(crate) fn has_ended(&self) -> bool {
        self.lanes.iter().all(|lane| match &lane.source {
            None => true,
            Some(Source::Pipe(_)) => false,
            Some(Source::Log { file, offset }) => {
                let length = file.metadata().map_or(0, |metadata| metadata.len());
                length <= *offset
            }
        })
    }

    /// Whether the terminal has got everything that was read.
    pub(crate) fn is_shown(&self) -> bool {
        self.lanes.iter().all(|lane| lane.pending.is_empty())
    }

    /// Reads on although the terminal has not got what was read before: a pipe that nobody writes
    /// into any more holds a bounded amount.
    pub(crate) fn read_ahead(&mut self, log: &File) {
        for lane in &mut self.lanes {
            lane.read_ahead(log, &mut self.log_failed);
        }
    }

    /// Stops reading; true when the end of a pipe was not seen.
    pub(crate) fn stop_reading(&mut self) -> bool {
        let mut missing = false;
        for lane in &mut self.lanes {
            missing |= matches!(lane.source, Some(Source::Pipe(_)));
            lane.source = None;
        }
        missing
    }
}

impl Lane {
    fn step(&mut self, terminal: &mut Terminal, log: &File, log_failed: &mut bool) {
        if self.pending.is_empty() {
            self.read(log, log_failed);
        } else {
            let done = terminal.write(self.to, &self.buffer[self.pending.clone()]);
            self.pending.start += done;
        }
    }

    /// As [`read`](Lane::read), behind what is still pending. No more than [`AHEAD_MAX`] is held.
    fn read_ahead(&mut self, log: &File, log_failed: &mut bool) {
        if self.pending.is_empty() {
            return;
        }
        let mut held = self.buffer[self.pending.clone()].to_vec();
        while matches!(self.source, Some(Source::Pipe(_))) && held.len() < AHEAD_MAX {
            self.pending = 0..0;
            self.read(log, log_failed);
            if self.pending.is_empty() {
                break;
            }
            held.extend_from_slice(&self.buffer[self.pending.clone()]);
        }
        self.pending = 0..held.len();
        self.buffer = held;
    }

    /// Reads what is there, without blocking, and logs it.
    fn read(&mut self, mut log: &File, log_failed: &mut bool) {
        self.buffer.resize(BUFFER, 0);
        let read = match &mut self.source {
            None => return,
            Some(Source::Pipe(pipe)) => rustix::io::read(pipe, &mut self.buffer[..]),
            Some(Source::Log { file, offset }) => {
                // The log never ends by itself.
                match file.read_at(&mut self.buffer, *offset) {
                    Ok(count) => {
                        *offset += count as u64;
                        self.pending = 0..count;
                    }
                    Err(_) => self.source = None,
                }
                return;
            }
        };
        match read {
            Ok(0) => self.source = None,
            Ok(count) => {
                self.pending = 0..count;
                // The first failure is what counts; a log with a hole would be worse than a cut one.
                if !*log_failed {
                    *log_failed = log.write_all(&self.buffer[..count]).is_err();
                }
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(_) => self.source = None,
        }
    }
}
