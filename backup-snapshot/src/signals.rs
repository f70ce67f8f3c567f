//! Signals that ask for an end while there is a snapshot that is not whole.

use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use snapshots::Stop;

/// What the three signals ask for from now on, instead of killing. A second one is no more than the
/// first.
pub(crate) fn armed() -> std::io::Result<Stop> {
    let stop = Stop::default();
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let asked = stop.clone();
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            if signals.forever().next().is_some() {
                asked.ask();
            }
            // The handlers stay with `signals`.
            for _ in signals.forever() {}
        })?;
    Ok(stop)
}
