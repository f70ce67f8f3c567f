//! Marks inside a file: `-- migrate:up` (dbmate) and `-- +goose Up` (goose).

use crate::collect::{Collector, Draft, Section};
use crate::listing::Entry;
use crate::marks;
use crate::source::Source;
use crate::{Down, Layout, Problem, ProblemKind};

/// A line that is a mark of either tool.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(super) layout: Layout,
    /// What follows the dashes, with one space between words; goose's in lower case, since it
    /// compares without regard to case.
    pub(super) words: String,
    /// 1-based.
    pub(crate) line: u32,
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

pub(crate) fn marks(text: &str) -> Vec<Mark> {
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
    let found = marks(&source.text);
    let read: Vec<u32> = found.iter().map(|mark| mark.line).collect();
    let cut = match cut(found) {
        Cut::Sections(sections) => sections,
        Cut::Unusable(mut problem) => {
            // Where the section is missing because its mark is not quite one, that is the line.
            let near = marks::find(out.dialect, &source.text, |line| read.contains(&line));
            let near = near.iter().find(|mark| mark.layout == Some(out.layout));
            if let (Some(near), None) = (near, problem.line) {
                problem = problem
                    .line(near.line)
                    .differs(near.written, near.text(&source.text));
            }
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
    let mut line = 1;
    // PostgreSQL ends a comment at a carriage return alone too.
    for content in source.text[..start].split_inclusive(['\n', '\r']) {
        let text = content.trim();
        if !text.is_empty() && !text.starts_with("--") {
            return Some(broken(line, "has text above the section that applies"));
        }
        line += u32::from(content.ends_with('\n'));
    }
    None
}

pub(super) fn broken(line: u32, message: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::SectionBroken, message).line(line)
}
