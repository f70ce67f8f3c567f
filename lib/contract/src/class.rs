//! The exit codes, once.

/// What a program's run came to. The number is the exit code of every program but the
/// orchestrator, which hands its step's code on.
///
/// 0, 1 and 2 mean what they mean to `grep`, `diff` and clap; 4 and 5 are the two that a scheduler
/// may try again; 6 is the one an operator has to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// Ran to the end; what the program promises holds, or the action is done. The only success.
    Pass = 0,
    /// Ran to the end; the answer is no. For an action: refused or failed, and nothing was changed.
    Fail = 1,
    /// The command line or the configuration can't be used, or there is nothing to check.
    Usage = 2,
    /// Could not find out; says nothing about the target.
    Error = 3,
    /// The target gave no answer before the deadline.
    Unavailable = 4,
    /// Somebody else holds the lock; nothing was done.
    Busy = 5,
    /// An action began to change the target and did not finish, or can't prove that it did not.
    Partial = 6,
}

/// Every class in the order of its code.
pub const CLASSES: [Class; 7] = [
    Class::Pass,
    Class::Fail,
    Class::Usage,
    Class::Error,
    Class::Unavailable,
    Class::Busy,
    Class::Partial,
];

impl Class {
    /// The exit code.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The name that stands in results.
    pub const fn name(self) -> &'static str {
        match self {
            Class::Pass => "pass",
            Class::Fail => "fail",
            Class::Usage => "usage",
            Class::Error => "error",
            Class::Unavailable => "unavailable",
            Class::Busy => "busy",
            Class::Partial => "partial",
        }
    }

    /// The meaning, as every `--help` states it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Class::Pass => "what is promised holds, or the action is done",
            Class::Fail => "the answer is no; nothing was changed",
            Class::Usage => "the command line or configuration can't be used, or nothing to check",
            Class::Error => "could not find out; says nothing about the target",
            Class::Unavailable => "the target gave no answer in time; may be tried again",
            Class::Busy => "somebody else holds the lock; nothing was done; may be tried again",
            Class::Partial => "a change began and did not finish, or can't prove that it did not",
        }
    }

    /// The class of an exit code, if the contract has one.
    pub fn from_code(code: u8) -> Option<Class> {
        CLASSES.into_iter().find(|class| class.code() == code)
    }

    /// The class of a name, if the contract has one.
    pub fn from_name(name: &str) -> Option<Class> {
        CLASSES.into_iter().find(|class| class.name() == name)
    }
}

/// The table under every `--help`.
pub(crate) fn exit_table() -> String {
    let mut table = String::from("Exit codes:\n");
    for class in CLASSES {
        table.push_str(&format!(
            "  {}  {:<12} {}\n",
            class.code(),
            class.name(),
            class.meaning()
        ));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_what_scripts_rely_on() {
        let table: Vec<(u8, &str)> = CLASSES.map(|class| (class.code(), class.name())).to_vec();
        assert_eq!(
            table,
            [
                (0, "pass"),
                (1, "fail"),
                (2, "usage"),
                (3, "error"),
                (4, "unavailable"),
                (5, "busy"),
                (6, "partial"),
            ]
        );
        for class in CLASSES {
            assert_eq!(Class::from_code(class.code()), Some(class));
            assert_eq!(Class::from_name(class.name()), Some(class));
        }
        assert_eq!(Class::from_code(7), None);
    }
}
