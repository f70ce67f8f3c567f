//! Signals that ask for an end while there is a scratch database to take away.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use db_connect::CancelHandle;

/// How often a statement is cancelled until it has ended: a request that comes between two
/// statements cancels neither.
const CANCEL_PAUSE: Duration = Duration::from_millis(100);

/// The one of this process, once it is armed.
static ARMED: Mutex<Option<Stop>> = Mutex::new(None);

/// Whether signals were taken over and one has come since.
pub(crate) fn was_asked() -> bool {
    let armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
    armed.as_ref().is_some_and(Stop::asked)
}

/// Whether somebody asked this process to end. From the moment it is armed the statement that runs is
/// cancelled instead.
#[derive(Clone, Default)]
pub(crate) struct Stop {
    asked: Arc<AtomicBool>,
    running: Arc<Mutex<Option<CancelHandle>>>,
}

impl std::fmt::Debug for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Stop").field(&self.asked).finish()
    }
}

impl Stop {
    /// Takes the signals over, the first time; whoever comes later shares in what came of it.
    pub(crate) fn armed() -> std::io::Result<Stop> {
        let mut armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stop) = &*armed {
            return Ok(stop.clone());
        }
        let stop = Stop::default();
        let watched = stop.clone();
        contract::signals::take_over(move || watched.ask())?;
        *armed = Some(stop.clone());
        Ok(stop)
    }

    pub(crate) fn asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// From now on a signal cancels what runs on this connection.
    pub(crate) fn cancels(&self, handle: CancelHandle) {
        *self.slot() = Some(handle);
    }

    /// Nothing runs any more that may be cancelled.
    pub(crate) fn cancels_nothing(&self) {
        *self.slot() = None;
    }

    fn ask(&self) {
        self.asked.store(true, Ordering::SeqCst);
        loop {
            if let Some(handle) = self.slot().clone() {
                // A request that can't be sent is sent again.
                let _ = handle.cancel();
            }
            std::thread::sleep(CANCEL_PAUSE);
        }
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<CancelHandle>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
