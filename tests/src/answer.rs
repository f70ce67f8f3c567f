//! What a program's run with `--format json` came to.

use std::fmt;
use std::process::{Child, Command, Output};

use serde_json::Value;

/// The end of one run, and its result.
pub struct Answer {
    /// The exit code; nothing where a signal ended it.
    pub code: Option<i32>,
    /// The one document on stdout.
    pub json: Value,
    /// Everything on stderr.
    pub stderr: String,
}

impl Answer {
    /// Runs a command to its end.
    #[track_caller]
    pub fn of(command: &mut Command) -> Answer {
        Answer::from(command.output().unwrap())
    }

    /// Waits for the end of one whose stdout and stderr are pipes.
    #[track_caller]
    pub fn from_child(child: Child) -> Answer {
        Answer::from(child.wait_with_output().unwrap())
    }

    /// Asserts the exit code and `changed`. The exit code stands in the result too.
    #[track_caller]
    pub fn is(&self, code: i32, changed: &str) -> &Answer {
        assert_eq!(
            (self.code, self.json["changed"].as_str()),
            (Some(code), Some(changed)),
            "{self:#?}"
        );
        assert_eq!(self.json["exit_code"], code);
        self
    }

    /// Asserts that some part of the result has the text.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Answer {
        assert!(self.text().contains(text), "{text}: {self:#?}");
        self
    }

    /// The result as text, with quotes as they are.
    pub fn text(&self) -> String {
        self.json.to_string().replace("\\\"", "\"")
    }

    /// Check, subject and message of each finding with this status.
    pub fn found(&self, status: &str) -> Vec<String> {
        self.findings()
            .filter(|finding| finding["status"] == status)
            .map(|finding| {
                let text = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
                format!("{} {}: {}", text("check"), text("subject"), text("message"))
            })
            .collect()
    }

    /// Check, subject and message of each finding that failed.
    pub fn failed(&self) -> Vec<String> {
        self.found("fail")
    }

    /// The checks that failed.
    pub fn failed_checks(&self) -> Vec<&str> {
        self.findings()
            .filter(|finding| finding["status"] == "fail")
            .filter_map(|finding| finding["check"].as_str())
            .collect()
    }

    /// The line of the first finding that has one.
    pub fn line(&self) -> Option<u64> {
        self.findings()
            .find_map(|finding| finding["location"]["line"].as_u64())
    }

    /// The findings.
    pub fn findings(&self) -> impl Iterator<Item = &Value> {
        self.json["findings"].as_array().into_iter().flatten()
    }
}

impl From<Output> for Answer {
    #[track_caller]
    fn from(output: Output) -> Answer {
        let stderr = String::from_utf8(output.stderr).unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        Answer {
            code: output.status.code(),
            json: serde_json::from_str(&stdout)
                .unwrap_or_else(|error| panic!("{error}: {stdout:?} {stderr}")),
            stderr,
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "exit {:?}, changed {}, {}\nfailed {:#?}\nwarned {:#?}\nerror {}\n{}",
            self.code,
            self.json["changed"],
            self.json["summary"],
            self.failed(),
            self.found("warn"),
            self.json["error"],
            self.stderr
        )
    }
}
