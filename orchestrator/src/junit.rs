//! The run as JUnit XML, for CI servers that show test reports.
//!
//! A step is a `<testsuite>`, a finding of a program of the suite a `<testcase>`; a step without
//! findings is one test case. "No" is a `<failure>`; everything that is not an answer (a timeout, a
//! signal, an unreachable target) is an `<error>`. Messages stand in the element's body too, since
//! GitLab shows only that. No environment value is ever written.

use std::fmt::Write as _;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use contract::{Class, Finding, Status};

use crate::answers::Answer;
use crate::record::{RunRecord, State, StepRecord};

/// How much of a failed step's output is shown; servers cap what they read.
const OUTPUT_MAX: u64 = 16 * 1024;

/// The whole document. `dir` is the run's folder, `answers` are by step.
pub(crate) fn document(
    name: &str,
    run: &RunRecord,
    dir: &Path,
    answers: &[(String, Answer)],
) -> String {
    let suites: Vec<Suite> = run
        .steps
        .iter()
        .map(|step| {
            let own = answers.iter().filter(|(id, _)| *id == step.id);
            suite(step, dir, own.map(|(_, answer)| answer))
        })
        .collect();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let total = Counts::sum(suites.iter().map(|suite| suite.counts));
    let duration_ms: u64 = run.steps.iter().map(|step| step.duration_ms).sum();
    let _ = writeln!(
        xml,
        "<testsuites name=\"{}\" {} time=\"{}\">",
        escape(name),
        total.attributes(),
        seconds(duration_ms)
    );
    for suite in &suites {
        xml.push_str(&suite.xml);
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// The document of a run that did not begin, so that an earlier one is not taken for its.
pub(crate) fn refusal(findings: &[Finding]) -> String {
    let why = |finding: &&Finding| matches!(finding.status, Status::Fail | Status::Warn);
    let mut cases: Vec<Case> = findings
        .iter()
        .filter(why)
        .map(|finding| Case {
            name: format!("{} {}", finding.check, finding.subject),
            outcome: Outcome::Error,
            kind: finding.check.to_owned(),
            message: finding.message.clone(),
        })
        .collect();
    if cases.is_empty() {
        cases.push(Case {
            name: "pipeline".to_owned(),
            outcome: Outcome::Error,
            kind: "not-started".to_owned(),
            message: "the pipeline was not started".to_owned(),
        });
    }
    only_errors(&cases)
}

/// The document that stands until the run has ended: what a killed one leaves.
pub(crate) fn unfinished() -> String {
    only_errors(&[Case {
        name: "pipeline".to_owned(),
        outcome: Outcome::Error,
        kind: "unfinished".to_owned(),
        message: "the run did not come to its end".to_owned(),
    }])
}

fn only_errors(cases: &[Case]) -> String {
    let mut xml = String::new();
    for case in cases {
        push_case(&mut xml, "pipeline", case);
    }
    let counts = Counts {
        tests: cases.len(),
        errors: cases.len(),
        ..Counts::default()
    };
    let attributes = counts.attributes();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {attributes}>\n  \
         <testsuite name=\"pipeline\" {attributes}>\n{xml}  </testsuite>\n</testsuites>\n"
    )
}

#[derive(Clone, Copy, Default)]
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Counts {
    fn sum(all: impl Iterator<Item = Counts>) -> Counts {
        all.fold(Counts::default(), |sum, one| Counts {
            tests: sum.tests + one.tests,
            failures: sum.failures + one.failures,
            errors: sum.errors + one.errors,
            skipped: sum.skipped + one.skipped,
        })
    }

    fn attributes(self) -> String {
        format!(
            "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\"",
            self.tests, self.failures, self.errors, self.skipped
        )
    }
}

struct Suite {
    counts: Counts,
    xml: String,
}

enum Outcome {
    Passed,
    Failure,
    Error,
    Skipped,
}

struct Case {
    name: String,
    outcome: Outcome,
    kind: String,
    message: String,
}

fn suite<'a>(step: &StepRecord, dir: &Path, answers: impl Iterator<Item = &'a Answer>) -> Suite {
    let mut cases: Vec<Case> = answers
        .flat_map(|answer| &answer.findings)
        .map(|finding| Case {
            name: format!("{} {}", finding.check, finding.subject)
                .trim_end()
                .to_owned(),
            outcome: match finding.status.as_str() {
                "fail" => Outcome::Failure,
                "skip" => Outcome::Skipped,
                _ => Outcome::Passed,
            },
            kind: finding.check.clone(),
            message: match &finding.remedy {
                Some(remedy) => format!("{}\nremedy: {remedy}", finding.message),
                None => finding.message.clone(),
            },
        })
        .collect();
    // The step's own case carries its verdict, unless a finding does.
    let told = cases
        .iter()
        .any(|case| matches!(case.outcome, Outcome::Failure));
    let class = step.class.unwrap_or_default();
    let said = step
        .attempts
        .last()
        .map_or("", |attempt| attempt.said.as_str());
    let (outcome, message) = match step.state {
        State::Passed => (Outcome::Passed, String::new()),
        State::Pending | State::Skipped => {
            let why = step.skipped.unwrap_or("the run did not come to it");
            (Outcome::Skipped, why.to_owned())
        }
        _ if class == Class::Fail.name() => (Outcome::Failure, format!("{class}: {said}")),
        _ => (Outcome::Error, format!("{class}: {said}")),
    };
    if !(told && matches!(outcome, Outcome::Failure)) {
        cases.push(Case {
            name: "step-passed".to_owned(),
            outcome,
            kind: class.to_owned(),
            message,
        });
    }
    let counts = Counts::sum(cases.iter().map(|case| Counts {
        tests: 1,
        failures: usize::from(matches!(case.outcome, Outcome::Failure)),
        errors: usize::from(matches!(case.outcome, Outcome::Error)),
        skipped: usize::from(matches!(case.outcome, Outcome::Skipped)),
    }));
    let suite_name = format!("{} {} {}", step.part, step.number, step.name);
    let timestamp = step.attempts.first().map_or(String::new(), |attempt| {
        format!(" timestamp=\"{}\"", escape(&attempt.started_at))
    });
    let mut xml = String::new();
    let _ = writeln!(
        xml,
        "  <testsuite name=\"{}\" {} time=\"{}\"{timestamp}>",
        escape(&suite_name),
        counts.attributes(),
        seconds(step.duration_ms),
    );
    for case in &cases {
        push_case(&mut xml, &suite_name, case);
    }
    if step.state == State::Failed {
        let output = tail(&dir.join(&step.log));
        let _ = writeln!(xml, "    <system-out>{}</system-out>", escape(&output));
    }
    xml.push_str("  </testsuite>\n");
    Suite { counts, xml }
}

fn push_case(xml: &mut String, suite: &str, case: &Case) {
    let _ = write!(
        xml,
        "    <testcase classname=\"{}\" name=\"{}\"",
        escape(suite),
        escape(&case.name)
    );
    let element = match case.outcome {
        Outcome::Passed => {
            xml.push_str("/>\n");
            return;
        }
        Outcome::Failure => "failure",
        Outcome::Error => "error",
        Outcome::Skipped => "skipped",
    };
    let message = escape(&case.message);
    if matches!(case.outcome, Outcome::Skipped) {
        let _ = writeln!(xml, "><skipped message=\"{message}\"/></testcase>");
        return;
    }
    let kind = escape(&case.kind);
    let _ = writeln!(
        xml,
        "><{element} type=\"{kind}\" message=\"{message}\">{message}</{element}></testcase>"
    );
}

fn tail(log: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(OUTPUT_MAX)))?;
        let mut bytes = Vec::new();
        file.take(OUTPUT_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    // A report without the output is better than none.
    let text = String::from_utf8_lossy(&read().unwrap_or_default()).into_owned();
    contract::secret::redact(&text)
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// Text for XML 1.0, which has no place for most control characters, not even escaped.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('?'),
            c => escaped.push(c),
        }
    }
    escaped
}
