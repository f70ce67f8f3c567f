//! What the engine says while a file runs: its notices and warnings. stderr gets the first ones, each
//! up to a length; the log gets all of them, whole.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use contract::Voice;
use db_write::Ear;

/// Messages of one file that stderr gets. A loop with a notice for each row has as many as rows.
const SHOWN_MAX: usize = 20;
/// Characters of one message that stderr gets.
const LENGTH_MAX: usize = 300;

#[derive(Clone)]
pub(crate) struct Heard {
    voice: Voice,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    file: String,
    count: usize,
}

impl Heard {
    pub(crate) fn new(voice: Voice) -> Heard {
        Heard {
            voice,
            state: Arc::default(),
        }
    }

    /// What hears.
    pub(crate) fn ear(&self) -> Ear {
        let heard = self.clone();
        Arc::new(move |text| heard.hear(text))
    }

    /// From now on it is this file that something is said of.
    pub(crate) fn begin(&self, file: &str) {
        *self.state() = State {
            file: file.to_owned(),
            count: 0,
        };
    }

    /// Says how many there were that stderr did not get.
    pub(crate) fn end(&self) {
        let state = self.state();
        let more = state.count.saturating_sub(SHOWN_MAX);
        if more > 0 {
            let text = format!(
                "{}: and {more} more of the server; --log FILE keeps all of them",
                state.file
            );
            self.voice.show(&text, LENGTH_MAX);
        }
    }

    fn hear(&self, text: &str) {
        let mut state = self.state();
        state.count += 1;
        let whole = format!("{}: {text}", state.file);
        self.voice.log(&whole);
        if state.count <= SHOWN_MAX {
            self.voice.show(&whole, LENGTH_MAX);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
