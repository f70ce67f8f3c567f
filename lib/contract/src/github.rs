//! GitHub Actions: annotations on stderr, a table in the step summary.
//!
//! The runner reads workflow commands from both streams, so stdout stays the result's alone. It
//! drops annotations past ten of a kind in a step without a word; the rest is counted instead.

use std::io::Write as _;

use crate::console::plain;
use crate::report::{Finding, Status};
use crate::result::Outcome;

/// Annotations before the count.
const ANNOTATIONS_MAX: usize = 9;
/// The runner refuses a step summary over 1 MiB; several steps may share a job's page.
const SUMMARY_BYTES_MAX: usize = 900 * 1024;

pub(crate) fn in_actions() -> bool {
    std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// The annotations of the findings that failed, or of what stopped the run. A warning is one where
/// it alone fails the run.
pub(crate) fn annotations(outcome: &Outcome<'_>) -> String {
    let tool = outcome.tool.name;
    let mut text = String::new();
    if let Some(failure) = &outcome.report.stopped_by {
        text.push_str(&annotation(tool, None, &failure.line()));
    }
    let failed: Vec<&Finding> = outcome
        .report
        .findings
        .iter()
        .filter(|finding| match finding.status {
            Status::Fail => true,
            Status::Warn => outcome.fails_by_warnings(),
            Status::Pass | Status::Skip => false,
        })
        .collect();
    let room = ANNOTATIONS_MAX - usize::from(!text.is_empty());
    for finding in failed.iter().take(room) {
        let title = format!("{tool} {}", finding.check);
        let message = format!("{}: {}", finding.subject, finding.message);
        text.push_str(&annotation(&title, finding.location.as_ref(), &message));
    }
    if failed.len() > room {
        text.push_str(&annotation(
            tool,
            None,
            &format!("and {} more failed findings", failed.len() - room),
        ));
    }
    text
}

fn annotation(title: &str, location: Option<&crate::Location>, message: &str) -> String {
    let mut properties = format!("title={}", property(title));
    if let Some(location) = location {
        properties.push_str(&format!(",file={}", property(&location.file)));
        if let Some(line) = location.line {
            properties.push_str(&format!(",line={line}"));
        }
    }
    format!("::error {properties}::{}\n", data(&plain(message)))
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(&plain(text)).replace(':', "%3A").replace(',', "%2C")
}

/// Appends the table to the file that `GITHUB_STEP_SUMMARY` names.
///
/// # Errors
///
/// When the file can't be written; the caller says so and keeps the verdict.
pub(crate) fn write_summary(outcome: &Outcome<'_>) -> std::io::Result<()> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)?;
    file.write_all(summary(outcome).as_bytes())
}

fn summary(outcome: &Outcome<'_>) -> String {
    let mut text = format!("### {}: {}\n\n", outcome.tool.name, outcome.class_name());
    if let Some(failure) = &outcome.report.stopped_by {
        text.push_str(&format!("{}\n\n", cell(&failure.line())));
    }
    let rows: Vec<&Finding> = outcome
        .report
        .findings
        .iter()
        .filter(|finding| finding.status != Status::Pass)
        .collect();
    if rows.is_empty() {
        return text;
    }
    text.push_str("| status | check | subject | message |\n| --- | --- | --- | --- |\n");
    for (at, finding) in rows.iter().enumerate() {
        let row = format!(
            "| {} | {} | {} | {} |\n",
            match finding.status {
                Status::Fail => "fail",
                Status::Warn => "warn",
                Status::Skip => "skip",
                Status::Pass => "pass",
            },
            finding.check,
            cell(&finding.subject),
            cell(&finding.message)
        );
        if text.len() + row.len() > SUMMARY_BYTES_MAX {
            text.push_str(&format!("\nand {} more\n", rows.len() - at));
            break;
        }
        text.push_str(&row);
    }
    text.push('\n');
    text
}

/// Text that Markdown shows as it is.
fn cell(text: &str) -> String {
    let mut escaped = String::new();
    for c in plain(text).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_can_not_be_left() {
        assert_eq!(
            annotation("a:b,c", None, "100%\n::error::x"),
            "::error title=a%3Ab%2Cc::100%25\\n::error::x\n"
        );
    }

    #[test]
    fn markdown_is_shown_not_obeyed() {
        assert_eq!(cell("a|b <script> *x*"), "a\\|b &lt;script&gt; \\*x\\*");
    }
}
