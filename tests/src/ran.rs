//! What a program's run came to, with assertions that show all of it when they fail.

use std::process::{Command, Output};

/// The end of one run.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The exit code; nothing where a signal ended it.
    pub code: Option<i32>,
    /// Everything on stdout.
    pub stdout: String,
    /// Everything on stderr.
    pub stderr: String,
}

impl Ran {
    /// Runs a command to its end.
    #[track_caller]
    pub fn of(command: &mut Command) -> Ran {
        Ran::from(command.output().unwrap())
    }

    /// Asserts the exit code.
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Ran {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        self
    }

    /// Asserts that one of the streams has the text.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Ran {
        assert!(
            self.stdout.contains(text) || self.stderr.contains(text),
            "no {text:?} in:\n{}{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Asserts that none of the streams has the text.
    #[track_caller]
    pub fn says_not(&self, text: &str) -> &Ran {
        assert!(
            !self.stdout.contains(text) && !self.stderr.contains(text),
            "{text:?} in:\n{}{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// The first lines of the failed findings, without their `FAIL`.
    pub fn failures(&self) -> Vec<&str> {
        self.findings("FAIL ")
    }

    /// The first lines of the warnings, without their `WARN`.
    pub fn warnings(&self) -> Vec<&str> {
        self.findings("WARN ")
    }

    fn findings(&self, word: &str) -> Vec<&str> {
        let lines = self.stdout.lines();
        lines.filter_map(|line| line.strip_prefix(word)).collect()
    }
}

impl From<Output> for Ran {
    #[track_caller]
    fn from(output: Output) -> Ran {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}
