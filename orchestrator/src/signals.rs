//! The signals that end a run, and the one that a child sends when it ends.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::SIGCHLD;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

/// One request to end may arrive as several signals: timeout(1) sends its signal to the process and
/// to its group, systemd a HUP right behind the TERM when it ends a session. Within this time they
/// count as one.
const ONE_REQUEST: Duration = Duration::from_millis(200);

/// Signals as something to poll.
#[derive(Debug)]
pub(crate) struct Signals {
    delivery: SignalDelivery<UnixStream, SignalOnly>,
    request: Option<Request>,
    done: Arc<AtomicBool>,
}

/// What signals ask of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Request {
    /// The first signal that asked it to end.
    signal: i32,
    since: Instant,
    /// A second request came: it has to end at once.
    at_once: bool,
}

impl Request {
    /// What one more signal makes of what was asked before.
    fn after(before: Option<Request>, signal: i32, now: Instant) -> Request {
        match before {
            None => Request {
                signal,
                since: now,
                at_once: false,
            },
            Some(before) => Request {
                at_once: before.at_once || now.duration_since(before.since) >= ONE_REQUEST,
                ..before
            },
        }
    }
}

impl Signals {
    /// Takes over the signals that ask for an end.
    ///
    /// # Errors
    ///
    /// When the system has no descriptors left.
    pub(crate) fn take_over() -> std::io::Result<Signals> {
        // They are heard here; the run's end is this program's own answer.
        contract::signals::take_over(|| ())?;
        let done = Arc::new(AtomicBool::new(false));
        let ending = contract::signals::ending();
        // Those that only have a number have no default action here; they are heard to the end.
        let named = |signal: &&i32| signal_hook::low_level::signal_name(**signal).is_some();
        for signal in ending.iter().filter(named) {
            signal_hook::flag::register_conditional_default(*signal, Arc::clone(&done))?;
        }
        let (read, write) = UnixStream::pair()?;
        let all = ending.iter().chain(&[SIGCHLD]);
        let delivery = SignalDelivery::with_pipe(read, write, SignalOnly, all)?;
        Ok(Signals {
            delivery,
            request: None,
            done,
        })
    }

    /// Takes in what has arrived; true when a child may have ended.
    pub(crate) fn note(&mut self) -> bool {
        let mut child = false;
        for signal in self.delivery.pending() {
            if signal == SIGCHLD {
                child = true;
                continue;
            }
            self.request = Some(Request::after(self.request, signal, Instant::now()));
        }
        child
    }

    /// The first signal that asked the run to end.
    pub(crate) fn stop(&self) -> Option<i32> {
        self.request.map(|request| request.signal)
    }

    /// Whether a second one asked it to end at once.
    pub(crate) fn at_once(&self) -> bool {
        self.request.is_some_and(|request| request.at_once)
    }

    /// Readable when there is something to [`note`](Signals::note).
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.delivery.get_read().as_fd()
    }

    /// Waits, but no longer than until a signal asks the run to end.
    pub(crate) fn wait(&mut self, duration: Duration) {
        let deadline = Instant::now() + duration;
        while self.request.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let mut fds = [PollFd::from_borrowed_fd(self.fd(), PollFlags::IN)];
            let _ = poll(&mut fds, Some(&timespec(left)));
            self.note();
        }
    }

    /// From now on these signals do what they do by default: the run is over.
    pub(crate) fn give_back(&self) {
        self.done.store(true, Ordering::SeqCst);
    }
}

/// A duration for poll(2).
pub(crate) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

#[cfg(test)]
mod tests {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    use super::*;

    #[test]
    fn signals_that_come_together_are_one_request_whichever_they_are() {
        let start = Instant::now();
        // What came, in milliseconds; whether that is more than one request.
        for (came, at_once) in [
            (&[(SIGTERM, 0)][..], false),
            (&[(SIGTERM, 0), (SIGTERM, 1)], false),
            (&[(SIGTERM, 0), (SIGHUP, 0)], false),
            (&[(SIGTERM, 0), (SIGHUP, 199), (SIGTERM, 199)], false),
            (&[(SIGINT, 0), (SIGINT, 200)], true),
            (&[(SIGTERM, 0), (SIGHUP, 1), (SIGTERM, 5000)], true),
            (&[(SIGTERM, 0), (SIGINT, 300), (SIGINT, 301)], true),
        ] {
            let request = came.iter().fold(None, |request, (signal, at)| {
                let now = start + Duration::from_millis(*at);
                Some(Request::after(request, *signal, now))
            });
            let request = request.unwrap();
            assert_eq!(request.signal, came[0].0, "{came:?}");
            assert_eq!(request.at_once, at_once, "{came:?}");
        }
    }
}
