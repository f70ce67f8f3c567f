//! Signals that ask for an end, turned into a cancelled statement.

use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A request to cancel that came before its statement began was in vain, so it is repeated.
const CANCEL_AGAIN: Duration = Duration::from_millis(200);
/// How often a wait that nobody wakes looks whether an end was asked for.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

type Cancel = Box<dyn Fn() + Send>;

/// Whether somebody asked this process to end. From the moment it is armed what runs is cancelled,
/// rolled back and answered for.
#[derive(Clone, Default)]
pub struct Stop {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// When somebody first asked for an end.
    asked: Option<Instant>,
    /// Cancels the statement that runs on the session.
    cancel: Option<Cancel>,
    /// Whether what runs now may be cancelled: a migration, not the reading of what it left.
    cancellable: bool,
}

impl std::fmt::Debug for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stop")
            .field("asked", &self.asked())
            .finish()
    }
}

impl Stop {
    /// Takes the signals over that ask for an end.
    ///
    /// # Errors
    ///
    /// When the system refuses the handlers.
    pub fn armed() -> std::io::Result<Stop> {
        let stop = Stop::default();
        let shared = Arc::clone(&stop.shared);
        contract::signals::take_over(move || shared.cancel_from_now_on())?;
        Ok(stop)
    }

    /// Whether an end was asked for.
    pub fn asked(&self) -> bool {
        self.shared.lock().asked.is_some()
    }

    /// Whether an end was asked for, and `grace` has passed since.
    pub(crate) fn asked_for(&self, grace: Duration) -> bool {
        let asked = self.shared.lock().asked;
        asked.is_some_and(|at| at.elapsed() >= grace)
    }

    /// Does `work` on a thread of its own, and waits for it no longer than until an end is asked
    /// for and `grace` has passed: what can't be cancelled is left to end by itself. Nothing comes
    /// of it then, nor of work that panicked.
    pub(crate) fn wait_for<T: Send + 'static>(
        &self,
        grace: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> std::io::Result<Option<T>> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        std::thread::Builder::new()
            .name("waited for".into())
            .spawn(move || {
                // Where nobody listens any more, its result is dropped.
                let _ = sender.send(work());
            })?;
        loop {
            match receiver.recv_timeout(LOOK_AGAIN) {
                Ok(done) => return Ok(Some(done)),
                Err(RecvTimeoutError::Timeout) if !self.asked_for(grace) => {}
                Err(_) => return Ok(None),
            }
        }
    }

    /// Waits that long, or until an end is asked for; true if it is.
    pub fn pause(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut state = self.shared.lock();
        while state.asked.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self
                .shared
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    /// What cancels the statement that runs on the session.
    pub(crate) fn cancel_with(&self, cancel: impl Fn() + Send + 'static) {
        self.shared.lock().cancel = Some(Box::new(cancel));
    }

    /// As long as the guard lives, a statement of the session may be cancelled.
    pub(crate) fn cancellable(&self) -> Cancellable {
        self.shared.lock().cancellable = true;
        Cancellable(Arc::clone(&self.shared))
    }
}

/// See [`Stop::cancellable`].
pub(crate) struct Cancellable(Arc<Shared>);

impl Drop for Cancellable {
    fn drop(&mut self) {
        // Waits for a request that is under way, so that none reaches a later statement.
        self.0.lock().cancellable = false;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cancel_from_now_on(&self) {
        self.lock().asked = Some(Instant::now());
        self.changed.notify_all();
        loop {
            let state = self.lock();
            if state.cancellable
                && let Some(cancel) = &state.cancel
            {
                cancel();
            }
            drop(state);
            std::thread::sleep(CANCEL_AGAIN);
        }
    }
}
