//! Signals that end a program from outside: each is answered for, as every other end is.
//!
//! A program with something that must not be left half made takes them over with [`take_over`] and
//! answers by itself. Of any other the contract gives the answer, on a thread of its own, and ends
//! the process.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use signal_hook::consts::signal::{
    SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM,
    SIGXCPU, SIGXFSZ,
};
use signal_hook::iterator::{Handle, Signals};

/// The signals that end a process by default and that somebody else, or a limit, sends to it. Not
/// those of its own faults, nor KILL, which nobody can take over. See signal(7).
const NAMED: [i32; 11] = [
    SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGXCPU,
];

/// Linux has more: of the coprocessor's stack and of a failing power supply, and the real-time ones, of
/// which a container's STOPSIGNAL may be one. Those below 35 belong to the C libraries.
///
/// Only who takes signals over hears these: forty handlers cost a fifth of what a small program does.
#[cfg(target_os = "linux")]
const NUMBERED: [std::ops::RangeInclusive<i32>; 3] = [16..=16, 30..=30, 35..=64];
#[cfg(not(target_os = "linux"))]
const NUMBERED: [std::ops::RangeInclusive<i32>; 0] = [];

/// The thread that waits for them.
const THREAD: &str = "signals";

type Act = Box<dyn FnOnce() + Send>;

/// Who answers when a signal comes.
enum Answer {
    /// Nothing is known of the handlers yet.
    Undecided,
    /// They could not be installed: signals do what they do by default.
    Refused(std::io::ErrorKind),
    /// The contract, by these handlers.
    Contract(Handle),
    /// The contract is giving its answer: who takes over now would begin what the end then cuts off.
    BeingGiven,
    /// The program; what it does about the first, as long as that has not come.
    Program(Option<Act>),
}

static ANSWER: Mutex<Answer> = Mutex::new(Answer::Undecided);
static DECIDED: Condvar = Condvar::new();

/// The signals that ask this process to end. One that it was started to ignore is not among them, as
/// nohup(1) and the background jobs of a shell expect.
pub fn ending() -> Vec<i32> {
    heard(NAMED.into_iter().chain(NUMBERED.into_iter().flatten()))
}

fn heard(signals: impl IntoIterator<Item = i32>) -> Vec<i32> {
    let ignored = ignored();
    let is_ignored = |signal: &i32| ignored & (1 << (signal - 1)) != 0;
    signals
        .into_iter()
        .filter(|signal| !is_ignored(signal))
        .collect()
}

/// From now on the first signal that asks for an end does `act`, on a thread of its own, and the
/// program answers by itself. Those that follow do nothing.
///
/// # Errors
///
/// When the system refuses the handlers.
pub fn take_over(act: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let mut answer = locked();
    while matches!(*answer, Answer::Undecided | Answer::BeingGiven) {
        answer = DECIDED.wait(answer).unwrap_or_else(PoisonError::into_inner);
    }
    match &*answer {
        Answer::Refused(kind) => return Err((*kind).into()),
        Answer::Contract(handlers) => {
            for signal in heard(NUMBERED.into_iter().flatten()) {
                handlers.add_signal(signal)?;
            }
        }
        Answer::Undecided | Answer::BeingGiven | Answer::Program(_) => {}
    }
    *answer = Answer::Program(Some(Box::new(act)));
    Ok(())
}

/// A signal's name without its prefix, or its number.
pub fn name(signal: i32) -> String {
    match signal_hook::low_level::signal_name(signal) {
        Some(name) => name.trim_start_matches("SIG").to_owned(),
        None => signal.to_string(),
    }
}

/// Installs the handlers. `answer` gives the contract's answer to a signal and ends the process; it
/// returns where the run is giving its answer already.
pub(crate) fn watch(answer: impl Fn(i32) + Send + 'static) {
    let watching = std::thread::Builder::new()
        .name(THREAD.into())
        .spawn(move || {
            let installed = install();
            decide(match &installed {
                Ok(signals) => Answer::Contract(signals.handle()),
                Err(error) => Answer::Refused(error.kind()),
            });
            let Ok(mut signals) = installed else {
                return;
            };
            for signal in signals.forever() {
                // Not held while the program or the contract acts.
                let mut whose = locked();
                if let Answer::Program(act) = &mut *whose {
                    if let Some(act) = act.take() {
                        in_thread(act);
                    }
                    continue;
                }
                let contract = std::mem::replace(&mut *whose, Answer::BeingGiven);
                drop(whose);
                answer(signal);
                decide(contract);
            }
        });
    if let Err(error) = watching {
        decide(Answer::Refused(error.kind()));
    }
}

/// Whether this is the thread on which the contract answers.
pub(crate) fn on_their_thread() -> bool {
    std::thread::current().name() == Some(THREAD)
}

/// What a program does may go on for as long as it lives; the handlers' pipe is emptied meanwhile.
fn in_thread(act: Act) {
    // Without a thread the signal is lost, and the next one does as little.
    let _ = std::thread::Builder::new().name("ending".into()).spawn(act);
}

fn install() -> std::io::Result<Signals> {
    // What goes beyond the limit on a file's size fails as a write does, and is told as such.
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    Signals::new(heard(NAMED))
}

fn decide(how: Answer) {
    *locked() = how;
    DECIDED.notify_all();
}

fn locked() -> MutexGuard<'static, Answer> {
    ANSWER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The signals that this process was started to ignore, signal 1 in the lowest bit. Elsewhere than on
/// Linux nothing tells.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn nobody_takes_over_while_the_contract_answers() {
        let (answering, has_begun) = mpsc::channel();
        let (let_go, told) = mpsc::channel::<()>();
        watch(move |_| {
            answering.send(()).unwrap();
            told.recv().unwrap();
        });
        while matches!(*locked(), Answer::Undecided) {
            std::thread::yield_now();
        }
        signal_hook::low_level::raise(SIGUSR2).unwrap();
        has_begun.recv().unwrap();
        let (taken, is_taken) = mpsc::channel();
        std::thread::spawn(move || taken.send(take_over(|| ()).is_ok()));
        let early = is_taken.recv_timeout(Duration::from_millis(200));
        assert!(early.is_err(), "taken over before the answer was given");
        let_go.send(()).unwrap();
        assert!(is_taken.recv().unwrap());
    }
}
