//! Where a step's output goes as it comes: this program's own stdout and stderr.
//!
//! Writes happen only when poll(2) says that they won't block, so that a reader who stopped
//! reading holds up the step and never its supervision.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use crate::signals::{Signals, timespec};

/// How long output waits for a reader who takes none of it, once the run was told to end.
pub(crate) const UNREAD_MAX: Duration = Duration::from_secs(1);

/// One of the two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Err,
}

/// Both streams.
#[derive(Debug)]
pub(crate) struct Terminal {
    out: Sink,
    err: Sink,
    /// Where this program's own lines go: stdout, unless stdout belongs to the JSON document.
    talk: Stream,
}

#[derive(Debug)]
struct Sink {
    fd: BorrowedFd<'static>,
    /// Bytes that one write may have without blocking.
    chunk: usize,
    /// The reader has left, or the disk behind it is full. The verdict stays the same.
    gone: bool,
    at_line_start: bool,
    /// Since when a step's output has waited for the reader after the run was told to end.
    unread_since: Option<Instant>,
}

impl Sink {
    fn new(fd: BorrowedFd<'static>) -> Sink {
        let kind =
            rustix::fs::fstat(fd).map(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode));
        Sink {
            fd,
            chunk: match kind {
                Ok(rustix::fs::FileType::RegularFile) => 64 * 1024,
                // A terminal that is ready may have room for 256 bytes only, and makes two of a
                // line end.
                _ if rustix::termios::isatty(fd) => 128,
                // A pipe that is ready takes PIPE_BUF bytes, 4096 on Linux.
                _ => 4096,
            },
            gone: false,
            at_line_start: true,
            unread_since: None,
        }
    }

    /// Writes what can be written without blocking; how many bytes are done with.
    fn write(&mut self, bytes: &[u8]) -> usize {
        let chunk = &bytes[..bytes.len().min(self.chunk)];
        if self.gone || chunk.is_empty() {
            return bytes.len();
        }
        match rustix::io::write(self.fd, chunk) {
            Ok(written) => {
                if written > 0 {
                    self.unread_since = None;
                    self.at_line_start = chunk[written - 1] == b'\n';
                }
                written
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => 0,
            Err(_) => {
                self.gone = true;
                bytes.len()
            }
        }
    }
}

impl Terminal {
    /// The streams of this process.
    pub(crate) fn new(talk: Stream) -> Terminal {
        Terminal {
            out: Sink::new(rustix::stdio::stdout()),
            err: Sink::new(rustix::stdio::stderr()),
            talk,
        }
    }

    fn sink(&mut self, stream: Stream) -> &mut Sink {
        match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        }
    }

    /// Which stream this program's own lines go to.
    pub(crate) fn talk(&self) -> Stream {
        self.talk
    }

    /// The descriptor to poll for room.
    pub(crate) fn fd(&self, stream: Stream) -> BorrowedFd<'static> {
        match stream {
            Stream::Out => self.out.fd,
            Stream::Err => self.err.fd,
        }
    }

    /// Whether nobody reads what is written from now on.
    pub(crate) fn is_gone(&self, stream: Stream) -> bool {
        match stream {
            Stream::Out => self.out.gone,
            Stream::Err => self.err.gone,
        }
    }

    /// How much longer a step's output waits for a reader who takes none of it; none as long as the
    /// run was not told to end.
    pub(crate) fn patience(&mut self, signals: &Signals, stream: Stream) -> Option<Duration> {
        signals.stop()?;
        let since = *self
            .sink(stream)
            .unread_since
            .get_or_insert_with(Instant::now);
        Some(UNREAD_MAX.saturating_sub(since.elapsed()))
    }

    /// Gives up a stream that had no room, once its reader has had his time.
    pub(crate) fn give_up_unread(&mut self, signals: &Signals, stream: Stream) {
        if self.patience(signals, stream) == Some(Duration::ZERO) {
            self.sink(stream).gone = true;
        }
    }

    /// Writes without blocking, given that [`fd`](Terminal::fd) has room; how many bytes are done
    /// with.
    pub(crate) fn write(&mut self, stream: Stream, bytes: &[u8]) -> usize {
        self.sink(stream).write(bytes)
    }

    /// One line of this program's own, on a line of its own. Waits for a reader who pauses, but not
    /// for long once the run was told to end.
    pub(crate) fn line(&mut self, signals: &mut Signals, text: &str) {
        for stream in [Stream::Out, Stream::Err] {
            if !self.sink(stream).at_line_start {
                self.write_all(signals, stream, b"\n");
            }
        }
        let mut line = String::with_capacity(text.len() + 1);
        line.push_str(text);
        line.push('\n');
        self.write_all(signals, self.talk, line.as_bytes());
    }

    fn write_all(&mut self, signals: &mut Signals, stream: Stream, mut bytes: &[u8]) {
        let mut give_up = None;
        while !bytes.is_empty() && !self.sink(stream).gone {
            // Nobody may be reading any more; then the run still has to end.
            let timeout = signals.stop().is_some().then(|| {
                let at = *give_up.get_or_insert(Instant::now() + UNREAD_MAX);
                timespec(at.saturating_duration_since(Instant::now()))
            });
            let mut fds = [
                PollFd::from_borrowed_fd(self.fd(stream), PollFlags::OUT),
                PollFd::from_borrowed_fd(signals.fd(), PollFlags::IN),
            ];
            // EINTR: the handler has written to the signals' descriptor; poll sees it next time.
            if poll(&mut fds, timeout.as_ref()).is_err() {
                continue;
            }
            let ready = !fds[0].revents().is_empty();
            signals.note();
            if ready {
                bytes = &bytes[self.write(stream, bytes)..];
            } else if signals.at_once() || give_up.is_some_and(|at| Instant::now() >= at) {
                self.sink(stream).gone = true;
            }
        }
    }
}
