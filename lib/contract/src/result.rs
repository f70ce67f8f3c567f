//! The result as one JSON object, `lockstep-result/1`, and as text for people.
//!
//! Members are only added within a version; their values are open sets. The published form is
//! `result.schema.json`.

use std::time::Instant;

use anstyle::Style;
use serde_json::{Map, Value, json};

use crate::console::{BOLD, DIM, GREEN, RED, json_text, paint, plain, style_of};
use crate::report::{Counts, Finding, Report, Status, TargetFacts};
use crate::{Changed, Class, Failure, Tool, secret};

/// The name and version of the format.
pub(crate) const SCHEMA: &str = "lockstep-result/1";

/// Everything that is said of a run.
pub(crate) struct Outcome<'a> {
    pub(crate) tool: &'a Tool,
    pub(crate) run_id: String,
    pub(crate) environment: Option<String>,
    pub(crate) target: Option<TargetFacts>,
    pub(crate) report: Report,
    pub(crate) strict: bool,
    pub(crate) started_at: String,
    pub(crate) duration_ms: u64,
}

impl Outcome<'_> {
    pub(crate) fn class(&self) -> Class {
        self.report.class(self.strict)
    }

    pub(crate) fn class_name(&self) -> &'static str {
        match self.report.exit {
            Some(exit) => exit.class,
            None => self.class().name(),
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self.report.exit {
            Some(exit) => exit.code,
            None => self.class().code(),
        }
    }

    fn summary(&self) -> String {
        let counts = self.report.counts();
        let summary = match (&self.report.stopped_by, &self.report.summary) {
            (Some(failure), _) => return failure.line(),
            (None, Some(summary)) => summary.clone(),
            (None, None) => counted(counts),
        };
        if self.fails_by_warnings() {
            let warnings = match counts.warn {
                1 => "1 warning".to_owned(),
                count => format!("{count} warnings"),
            };
            format!("{summary}; {warnings}, which --strict makes failures")
        } else {
            summary
        }
    }

    /// Whether the run would have passed without `--strict`.
    pub(crate) fn fails_by_warnings(&self) -> bool {
        self.strict
            && self.report.class(false) == Class::Pass
            && self.report.class(true) != Class::Pass
    }

    pub(crate) fn json(&self) -> Value {
        let report = &self.report;
        let error = report.stopped_by.as_ref().map(|failure| {
            json!({
                "class": failure.class.name(),
                "message": failure.message,
                "causes": failure.causes,
                "remedy": failure.remedy,
            })
        });
        let mut result = json!({
            "schema": SCHEMA,
            "tool": self.tool.name,
            "version": self.tool.version,
            "run_id": self.run_id,
            "environment": self.environment,
            "target": self.target,
            "class": self.class_name(),
            "exit_code": self.exit_code(),
            "summary": self.summary(),
            "counts": report.counts(),
            "findings": report.findings,
            "facts": Map::from_iter(report.facts.clone()),
            "changed": report.changed,
            "error": error,
            "started_at": self.started_at,
            "duration_ms": self.duration_ms,
        });
        // The target and the environment are typed and can't hold a password; masking them would
        // hide a user's name that happens to be part of one.
        for member in ["summary", "error"] {
            if let Some(value) = result.get_mut(member) {
                redact(value, secret::redact);
            }
        }
        for finding in result["findings"].as_array_mut().into_iter().flatten() {
            for (member, value) in finding.as_object_mut().into_iter().flatten() {
                // Ours, and read by programs.
                if !matches!(member.as_str(), "check" | "status") {
                    redact(value, secret::redact);
                }
            }
        }
        redact(&mut result["facts"], secret::redact_fact);
        result
    }

    /// The text for stdout.
    pub(crate) fn human(&self, colored: bool) -> String {
        let mut text = String::new();
        for finding in &self.report.findings {
            text.push_str(&finding_lines(finding, colored));
        }
        for (name, value) in &self.report.facts {
            fact_lines(&mut text, name, value, colored);
        }
        if self.report.changed != Changed::No {
            let changed = match self.report.changed {
                Changed::Yes => "yes",
                _ => "unknown",
            };
            text.push_str(&format!("{} {changed}\n", paint(colored, DIM, "changed:")));
        }
        let style: Style = if self.exit_code() == 0 { GREEN } else { RED };
        text.push_str(&format!(
            "{} {}: {}\n",
            paint(colored, BOLD, &format!("{}:", self.tool.name)),
            paint(
                colored,
                style,
                &match self.exit_code() {
                    0 => self.class_name().to_owned(),
                    code => format!("{} (exit {code})", self.class_name()),
                }
            ),
            plain(&self.summary()),
        ));
        text
    }
}

/// `tool: cannot …: cause` and the remedy, for stderr.
pub(crate) fn failure_lines(tool: &Tool, failure: &Failure, colored: bool) -> String {
    let mut text = format!(
        "{} {}\n",
        paint(colored, RED, &format!("{}:", tool.name)),
        plain(&failure.line())
    );
    if let Some(remedy) = &failure.remedy {
        text.push_str(&format!("  remedy: {}\n", plain(remedy)));
    }
    text
}

fn finding_lines(finding: &Finding, colored: bool) -> String {
    let word = match finding.status {
        Status::Pass => "PASS",
        Status::Fail => "FAIL",
        Status::Warn => "WARN",
        Status::Skip => "SKIP",
    };
    let mut text = format!(
        "{} {}",
        paint(colored, style_of(finding.status), word),
        finding.check
    );
    if !finding.subject.is_empty() {
        text.push_str(&format!(" {}", plain(&finding.subject)));
    }
    if !finding.message.is_empty() {
        text.push_str(&format!(": {}", plain(&finding.message)));
    }
    text.push('\n');
    let location = finding.location.as_ref().map(|at| match at.line {
        Some(line) => format!("{}:{line}", at.file),
        None => at.file.clone(),
    });
    for (label, value) in [
        ("at", location.as_ref()),
        ("expected", finding.expected.as_ref()),
        ("actual", finding.actual.as_ref()),
        ("remedy", finding.remedy.as_ref()),
    ] {
        if let Some(value) = value {
            text.push_str(&format!("  {label}: {}\n", plain(value)));
        }
    }
    text
}

/// How many entries of a list or members of an object a person is shown; JSON has them all.
const ENTRIES_SHOWN: usize = 40;

fn fact_lines(text: &mut String, name: &str, value: &Value, colored: bool) {
    let label = paint(colored, DIM, &format!("{}:", plain(name)));
    match value {
        Value::Null => {}
        Value::Array(entries) if entries.iter().any(|entry| entry.is_object()) => {
            for (at, entry) in entries.iter().enumerate().take(ENTRIES_SHOWN) {
                fact_lines(text, &format!("{name}[{at}]"), &one_line(entry), colored);
            }
            more(text, entries.len());
        }
        Value::Object(members) => {
            for (member, value) in members.iter().take(ENTRIES_SHOWN) {
                fact_lines(text, &format!("{name}.{member}"), value, colored);
            }
            more(text, members.len());
        }
        value => text.push_str(&format!("{label} {}\n", plain(&scalar(value)))),
    }
}

fn more(text: &mut String, entries: usize) {
    if entries > ENTRIES_SHOWN {
        text.push_str(&format!(
            "  and {} more; --format json shows all\n",
            entries - ENTRIES_SHOWN
        ));
    }
}

fn one_line(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::String(
            members
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| format!("{name}={}", shortened(&scalar(value))))
                .collect::<Vec<_>>()
                .join(" "),
        ),
        other => other.clone(),
    }
}

/// A digest's first digits are enough for a person to compare.
fn shortened(text: &str) -> String {
    const DIGITS: usize = 12;
    if text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit()) {
        format!("{}…", &text[..DIGITS])
    } else {
        text.to_owned()
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(entries) if entries.is_empty() => "none".to_owned(),
        Value::Array(entries) => entries.iter().map(scalar).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

pub(crate) fn counted(counts: Counts) -> String {
    let named = [
        (counts.fail, "failed"),
        (counts.warn, "warned"),
        (counts.skip, "skipped"),
        (counts.pass, "held"),
    ];
    let parts: Vec<String> = named
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if parts.is_empty() {
        "done".to_owned()
    } else {
        parts.join(", ")
    }
}

fn redact(value: &mut Value, mask: fn(&str) -> String) {
    match value {
        Value::String(text) => *text = mask(text),
        Value::Array(entries) => entries.iter_mut().for_each(|value| redact(value, mask)),
        Value::Object(members) => members.values_mut().for_each(|value| redact(value, mask)),
        _ => {}
    }
}
/// What the log says of a whole run.
pub(crate) fn account(outcome: &Outcome<'_>) -> String {
    let mut text = format!("{} {}\n", outcome.started_at, outcome.tool.name);
    text.push_str(&outcome.human(false));
    if let Some(failure) = &outcome.report.stopped_by {
        text.push_str(&failure_lines(outcome.tool, failure, false));
    }
    text.push_str(&format!("{}\n", json_text(&outcome.json())));
    text
}

pub(crate) fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
