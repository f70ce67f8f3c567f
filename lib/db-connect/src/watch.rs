//! How long to wait for a server that says nothing.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use crate::TlsFacts;

/// What a stream and the [`Link`](crate::Link) over it both know.
pub(crate) struct Shared {
    facts: Mutex<Facts>,
    /// Milliseconds; zero is no limit.
    answer_timeout_ms: AtomicU64,
    completed: AtomicU64,
}

#[derive(Clone, Default)]
pub(crate) struct Facts {
    /// Until the login is done: when it has to be.
    pub(crate) deadline: Option<Instant>,
    pub(crate) tls: Option<TlsFacts>,
    /// Process id and secret of BackendKeyData.
    pub(crate) key: Option<(i32, i32)>,
}

impl Shared {
    pub(crate) fn connecting(deadline: Instant) -> Arc<Shared> {
        Arc::new(Shared {
            facts: Mutex::new(Facts {
                deadline: Some(deadline),
                ..Facts::default()
            }),
            answer_timeout_ms: AtomicU64::new(0),
            completed: AtomicU64::new(0),
        })
    }

    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_answer_timeout(&self, timeout: Option<Duration>) {
        let ms = timeout.map_or(0, |timeout| {
            u64::try_from(timeout.as_millis())
                .unwrap_or(u64::MAX)
                .max(1)
        });
        self.answer_timeout_ms.store(ms, Ordering::Relaxed);
    }

    /// So many more statements are done.
    pub(crate) fn completed(&self, more: u64) {
        self.completed.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn statements_completed(&self) -> u64 {
        self.completed.load(Ordering::Relaxed)
    }

    fn answer_timeout(&self) -> Option<Duration> {
        match self.answer_timeout_ms.load(Ordering::Relaxed) {
            0 => None,
            ms => Some(Duration::from_millis(ms)),
        }
    }
}

/// The server said nothing for this long.
#[derive(Debug)]
pub(crate) struct Silence {
    pub(crate) after: Option<Duration>,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.after {
            Some(after) => write!(f, "no answer for {}", in_words(after)),
            None => f.write_str("no answer before the deadline"),
        }
    }
}

impl std::error::Error for Silence {}

/// The alarm of one stream.
///
/// The driver polls a stream only while it waits for something, so an alarm that was set before a
/// pause can go off at the first poll after it, when nothing was asked yet. Hence two alarms of
/// half the time each: whatever is written or read in between starts over.
pub(crate) struct Watch {
    shared: Arc<Shared>,
    sleep: Option<Pin<Box<Sleep>>>,
    armed: bool,
    halves: u8,
}

impl Watch {
    pub(crate) fn new(shared: Arc<Shared>) -> Watch {
        Watch {
            shared,
            sleep: None,
            armed: false,
            halves: 0,
        }
    }

    /// Something was read or written.
    pub(crate) fn active(&mut self) {
        self.armed = false;
        self.halves = 0;
    }

    /// Ready once the silence has lasted too long.
    pub(crate) fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            let deadline = self.shared.facts().deadline;
            let timeout = self.shared.answer_timeout();
            if !self.armed {
                let at = match (deadline, timeout) {
                    (Some(deadline), _) => deadline,
                    (None, Some(timeout)) => Instant::now() + timeout / 2,
                    (None, None) => return Poll::Pending,
                };
                match &mut self.sleep {
                    Some(sleep) => sleep.as_mut().reset(at.into()),
                    None => self.sleep = Some(Box::pin(tokio::time::sleep_until(at.into()))),
                }
                self.armed = true;
            }
            if let Some(sleep) = &mut self.sleep {
                ready!(sleep.as_mut().poll(cx));
            }
            self.armed = false;
            let silence = match deadline {
                Some(deadline) if Instant::now() < deadline => continue,
                Some(_) => Silence { after: None },
                None => {
                    self.halves += 1;
                    if self.halves < 2 {
                        continue;
                    }
                    Silence { after: timeout }
                }
            };
            return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, silence));
        }
    }
}

/// A duration as a message has it.
pub(crate) fn in_words(duration: Duration) -> String {
    let ms = duration.as_millis();
    if ms.is_multiple_of(1000) {
        format!("{} s", ms / 1000)
    } else {
        format!("{ms} ms")
    }
}
