//! What the runner of GitHub Actions obeys.
//!
//! Programs of the suite escape whatever comes from a database, and their annotations have to get
//! through, so their output passes as it is. Foreign programs print what they like, rows of a
//! database included: while they run, workflow commands are stopped, and only a word that they do
//! not know resumes them.

use contract::evidence::hex;

/// The runner.
#[derive(Debug)]
pub(crate) struct Github(());

impl Github {
    /// The runner that this process runs under, if it does.
    pub(crate) fn of_process() -> Option<Github> {
        let set = std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
        set.then_some(Github(()))
    }

    /// A line that folds what follows under a title.
    pub(crate) fn open_group(&self, title: &str) -> String {
        format!("::group::{title}")
    }

    /// The line that ends it.
    pub(crate) fn close_group(&self) -> &'static str {
        "::endgroup::"
    }

    /// The lines that stop workflow commands and resume them.
    pub(crate) fn stop_commands(&self) -> (String, String) {
        let mut random = [0; 16];
        // Without randomness the word is still unknown to whatever a database can hold.
        let filled = getrandom::fill(&mut random).is_ok();
        let word = if filled {
            hex(&random)
        } else {
            format!("{}-{}", std::process::id(), contract::new_run_id())
        };
        (format!("::stop-commands::{word}"), format!("::{word}::"))
    }
}
