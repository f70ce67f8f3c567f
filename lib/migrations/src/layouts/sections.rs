//! Marks inside a file: `-- migrate:up` (dbmate) and `-- +goose Up` (goose).

use crate::collect::{Collector, Draft, Section};
use crate::listing::Entry;
use crate::source::Source;
use crate::{Down, Layout, Problem, ProblemKind};

/// A line that is a mark of either tool.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) layout: Layout,
    /// What follows the dashes, with one space between words; goose's in lower case, since it
    /// compares without regard to case.
    pub(super) words: String,
    /// 1-based.
    pub(super) line: u32,
    /// Byte offsets of the line, with its line end.
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) is_indented: bool,
}

/// What a file's marks say.
pub(super) enum Cut {
    Sections(Sections),
    /// Nothing in the file can be said to apply.
    Unusable(Problem),
}

/// A file cut by its marks.
pub(super) struct Sections {
    pub(super) up: Mark,
    pub(super) down: Option<Mark>,
    pub(super) no_transaction: bool,
    /// What is wrong with the marks, though the sections can be told.
    pub(super) problems: Vec<Problem>,
}

pub(super) fn marks(text: &str) -> Vec<Mark> {
    let mut marks = Vec::new();
    // Most files have none, and looking for text is much faster than looking at lines.
    if !text.contains("migrate:") && !text.contains("+goose") {
        return marks;
    }
    let mut start = 0;
    for (line, content) in (1..).zip(text.split_inclusive('\n')) {
        let end = start + content.len();
        if let Some(comment) = content.trim_start().strip_prefix("--") {
            let words: Vec<&str> = comment.split_whitespace().collect();
            let layout = match words.first() {
                Some(&("migrate:up" | "migrate:down")) => Some(Layout::Dbmate),
                Some(&"+goose") => Some(Layout::Goose),
                _ => None,
            };
            if let Some(layout) = layout {
                let is_indented = !content.starts_with("--");
                let mut words = words.join(" ");
                if layout == Layout::Goose {
                    words.make_ascii_lowercase();
                }
                marks.push(Mark {
                    layout,
                    words,
                    line,
                    start,
                    end,
                    is_indented,
                });
            }
        }
        start = end;
    }
    marks
}

/// The first mark in a text: whose it is, and its 1-based line.
pub(crate) fn marked(text: &str) -> Option<(Layout, u32)> {
    marks(text).first().map(|mark| (mark.layout, mark.line))
}

/// Reads a file and adds its sections; `cut` tells them.
pub(super) fn migration(
    version: String,
    name: &str,
    entry: &Entry,
    cut: impl FnOnce(Vec<Mark>) -> Cut,
    out: &mut Collector,
) {
    let Some(source) = out.read(&version, &entry.file) else {
        return;
    };
    let cut = match cut(marks(&source.text)) {
        Cut::Sections(sections) => sections,
        Cut::Unusable(problem) => {
            out.unusable(&version, &entry.file, problem.file(&entry.file));
            return;
        }
    };
    let mut problems = cut.problems;
    problems.extend(above(&source, cut.up.start));
    let end = cut
        .down
        .as_ref()
        .map_or(source.text.len(), |down| down.start);
    let down = cut.down.map(|down| Down {
        file: entry.file.clone(),
        sql: source.text[down.end..].to_owned(),
    });
    out.add(Draft {
        section: Some(Section {
            bytes: cut.up.end..end,
            line: cut.up.line + 1,
        }),
        no_transaction: cut.no_transaction,
        down,
        until_applied: problems,
        ..Draft::whole(version, name, &entry.file, source)
    });
}

/// Anything but comments above the first section would run in no direction.
fn above(source: &Source, start: usize) -> Option<Problem> {
    let line = (1u32..)
        .zip(source.text[..start].lines())
        .find(|(_, line)| {
            let line = line.trim_start();
            !line.is_empty() && !line.starts_with("--")
        });
    line.map(|(line, _)| broken(line, "has text above the section that applies"))
}

pub(super) fn broken(line: u32, message: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::SectionBroken, message).line(line)
}
