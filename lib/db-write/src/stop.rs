//! Signals that ask for an end, turned into a cancelled statement.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// A request to cancel that came before its statement began was in vain, so it is repeated.
const CANCEL_AGAIN: Duration = Duration::from_millis(200);

type Cancel = Box<dyn Fn() + Send>;

/// Whether somebody asked this process to end. From the moment it is armed the three signals no
/// longer kill: what runs is cancelled, rolled back and answered for.
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
    asked: bool,
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
    /// Takes SIGINT, SIGTERM and SIGHUP over.
    ///
    /// # Errors
    ///
    /// When the system refuses the handlers.
    pub fn armed() -> std::io::Result<Stop> {
        let stop = Stop::default();
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let shared = Arc::clone(&stop.shared);
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                if signals.forever().next().is_some() {
                    // The handlers stay, so a second signal is no more than the first.
                    shared.cancel_from_now_on();
                }
            })?;
        Ok(stop)
    }

    /// Whether an end was asked for.
    pub fn asked(&self) -> bool {
        self.shared.lock().asked
    }

    /// Waits that long, or until an end is asked for; true if it is.
    pub fn pause(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut state = self.shared.lock();
        while !state.asked {
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
        self.lock().asked = true;
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
