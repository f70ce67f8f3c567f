//! What a program says of itself, declared once as data.

/// A program. Made by [`tool!`](crate::tool), so that name, version and summary come from its
/// Cargo.toml.
#[derive(Debug)]
pub struct Tool {
    /// The program's name, which is its folder's and its package's.
    pub name: &'static str,
    /// The version of the suite.
    pub version: &'static str,
    /// One sentence: what it does.
    pub about: &'static str,
    /// Everything a finding of this program can name.
    pub checks: &'static [Check],
    /// How the program ends where its results can't be written, if not in the contract's class of
    /// what went wrong. For the orchestrator alone, whose own codes hand on its steps'.
    pub own_fault: Option<(u8, &'static str)>,
}

impl Tool {
    /// This program with an exit code of its own for its own faults, and the name of its class.
    pub const fn with_own_fault(self, code: u8, class: &'static str) -> Tool {
        Tool {
            own_fault: Some((code, class)),
            ..self
        }
    }
}

/// One thing that a program verifies, and what to do when it does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// Names the thing that holds: `index-present`, not `check-indexes`.
    pub id: &'static str,
    /// What is true when the check passes, as a clause.
    pub holds: &'static str,
    /// What to do when it does not, as an imperative.
    pub remedy: &'static str,
}

/// Declares the program of the calling package with the checks that it makes.
#[macro_export]
macro_rules! tool {
    ([$($check:expr),* $(,)?]) => {
        $crate::Tool {
            name: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            about: env!("CARGO_PKG_DESCRIPTION"),
            checks: &[$($check),*],
            own_fault: None,
        }
    };
    ($checks:expr) => {
        $crate::Tool {
            name: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            about: env!("CARGO_PKG_DESCRIPTION"),
            checks: $checks,
            own_fault: None,
        }
    };
}

/// Several lists of checks as one, for a program whose libraries bring checks of their own.
///
/// `N` has to be the sum of the lists' lengths; anything else does not compile.
pub const fn join<const N: usize, const LISTS: usize>(lists: [&[Check]; LISTS]) -> [Check; N] {
    let mut joined = [Check {
        id: "",
        holds: "",
        remedy: "",
    }; N];
    let (mut at, mut list) = (0, 0);
    while list < LISTS {
        let mut entry = 0;
        while entry < lists[list].len() {
            joined[at] = lists[list][entry];
            at += 1;
            entry += 1;
        }
        list += 1;
    }
    assert!(at == N, "the length is not the sum of the lists' lengths");
    joined
}
