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
    /// What its exit codes mean, below a line that says so, if not what the contract's mean.
    pub exit_codes: Option<&'static str>,
    /// What help and manual page say of it beyond its arguments.
    pub manual: Manual,
}

/// A term and what it means: a file, a variable, a command that can be typed.
pub type Entry = (&'static str, &'static str);

/// What the help and the manual page say of a program beyond its arguments.
#[derive(Debug)]
pub struct Manual {
    /// Commands that can be typed as they stand, and what they do.
    pub examples: &'static [Entry],
    /// What it reads beside what every program does.
    pub reads: &'static [Reads],
    /// The programs whose pages go on where its own ends.
    pub see_also: &'static [&'static str],
}

/// What a program, or a part that several have, reads.
#[derive(Clone, Copy, Debug)]
pub struct Reads {
    /// Variables.
    pub environment: &'static [Entry],
    /// Files.
    pub files: &'static [Entry],
}

impl Manual {
    /// That of a program that says nothing.
    pub const NONE: Manual = Manual {
        examples: &[],
        reads: &[],
        see_also: &[],
    };
}

impl Tool {
    /// This program with an exit code of its own for its own faults, and the name of its class.
    pub const fn with_own_fault(self, code: u8, class: &'static str) -> Tool {
        Tool {
            own_fault: Some((code, class)),
            ..self
        }
    }

    /// This program with a meaning of its own for its exit codes.
    pub const fn with_exit_codes(self, exit_codes: &'static str) -> Tool {
        Tool {
            exit_codes: Some(exit_codes),
            ..self
        }
    }

    /// This program with what its help and its manual page say.
    pub const fn with_manual(self, manual: Manual) -> Tool {
        Tool { manual, ..self }
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
            exit_codes: None,
            manual: $crate::Manual::NONE,
        }
    };
    ($checks:expr) => {
        $crate::Tool {
            name: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            about: env!("CARGO_PKG_DESCRIPTION"),
            checks: $checks,
            own_fault: None,
            exit_codes: None,
            manual: $crate::Manual::NONE,
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
