//! How long to wait for a server that says nothing.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use crate::{ServerError, TlsFacts};

/// What a stream and the [`Link`](crate::Link) over it both know.
pub(crate) struct Shared {
    facts: Mutex<Facts>,
    /// Milliseconds; zero is no limit.
    answer_timeout_ms: AtomicU64,
    /// Likewise.
    request_limit_ms: AtomicU64,
    completed: AtomicU64,
    ear: Mutex<Option<Ear>>,
}

/// Hears what the server says beside its answers: notices and warnings.
pub type Ear = Arc<dyn Fn(&ServerError) + Send + Sync>;

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
            request_limit_ms: AtomicU64::new(0),
            completed: AtomicU64::new(0),
            ear: Mutex::new(None),
        })
    }

    pub(crate) fn set_ear(&self, ear: Option<Ear>) {
        *self.ear.lock().unwrap_or_else(PoisonError::into_inner) = ear;
    }

    pub(crate) fn heard(&self, said: &ServerError) {
        let ear = self.ear.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ear) = ear.as_ref() {
            ear(said);
        }
    }

    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_answer_timeout(&self, timeout: Option<Duration>) {
        self.answer_timeout_ms
            .store(in_ms(timeout), Ordering::Relaxed);
    }

    pub(crate) fn set_request_limit(&self, limit: Option<Duration>) {
        self.request_limit_ms.store(in_ms(limit), Ordering::Relaxed);
    }

    /// So many more statements are done.
    pub(crate) fn completed(&self, more: u64) {
        self.completed.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn statements_completed(&self) -> u64 {
        self.completed.load(Ordering::Relaxed)
    }

    fn answer_timeout(&self) -> Option<Duration> {
        of_ms(&self.answer_timeout_ms)
    }

    fn request_limit(&self) -> Option<Duration> {
        of_ms(&self.request_limit_ms)
    }
}

fn in_ms(limit: Option<Duration>) -> u64 {
    limit.map_or(0, |limit| {
        u64::try_from(limit.as_millis()).unwrap_or(u64::MAX).max(1)
    })
}

fn of_ms(ms: &AtomicU64) -> Option<Duration> {
    match ms.load(Ordering::Relaxed) {
        0 => None,
        ms => Some(Duration::from_millis(ms)),
    }
}

/// The answer did not come in time.
#[derive(Debug)]
pub(crate) enum Silence {
    /// Not before the login had to be done.
    Deadline,
    /// The server said nothing for this long.
    For(Duration),
    /// The server said this and that for so long, and came to no end.
    Unended(Duration),
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Silence::Deadline => f.write_str("no answer before the deadline"),
            Silence::For(time) => write!(f, "no answer for {}", in_words(*time)),
            Silence::Unended(time) => {
                write!(f, "no end of the answer within {}", in_words(*time))
            }
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
    /// When what the server has not answered to the end yet was first asked.
    asked: Option<Instant>,
}

impl Watch {
    pub(crate) fn new(shared: Arc<Shared>) -> Watch {
        Watch {
            shared,
            sleep: None,
            armed: false,
            halves: 0,
            asked: None,
        }
    }

    /// Something was written. Nobody looks at the read side again before the alarm that was set
    /// earlier, perhaps for much later, unless it is woken.
    pub(crate) fn wrote(&mut self, cx: &Context<'_>) {
        self.start_over();
        self.asked.get_or_insert_with(Instant::now);
        cx.waker().wake_by_ref();
    }

    /// Something was read; `ended` where it ends an answer.
    pub(crate) fn read(&mut self, ended: bool) {
        self.start_over();
        if ended {
            self.asked = None;
        }
    }

    fn start_over(&mut self) {
        self.armed = false;
        self.halves = 0;
    }

    /// Ready once the silence, or the answer, has lasted too long.
    pub(crate) fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            let deadline = self.shared.facts().deadline;
            let timeout = self.shared.answer_timeout();
            let limit = self.shared.request_limit();
            let end = self.asked.zip(limit).map(|(asked, limit)| asked + limit);
            if !self.armed {
                let half = timeout.map(|timeout| Instant::now() + timeout / 2);
                let at = match (deadline, half, end) {
                    (Some(deadline), ..) => deadline,
                    (None, Some(half), Some(end)) => half.min(end),
                    (None, Some(at), None) | (None, None, Some(at)) => at,
                    (None, None, None) => return Poll::Pending,
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
            let now = Instant::now();
            let silence = match (deadline, timeout, limit) {
                (Some(deadline), ..) if now < deadline => continue,
                (Some(_), ..) => Silence::Deadline,
                (None, _, Some(limit)) if end.is_some_and(|end| end <= now) => {
                    Silence::Unended(limit)
                }
                (None, Some(timeout), _) => {
                    self.halves += 1;
                    if self.halves < 2 {
                        continue;
                    }
                    Silence::For(timeout)
                }
                (None, None, _) => continue,
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
