//! Comments that a migration tool takes for a mark, whether or not it is the tool of this layout.
//!
//! A file with both directions that is read as one runs up and down, and counts as deployed. So a
//! mark that nobody here reads, or one that is nearly right, is found by its shape: case, blanks,
//! dashes and other signs do not count, and a slip of the keyboard neither. Prose has other words
//! behind those of a mark; `known` says for each mark what tells it from prose.

mod known;
mod pattern;

use std::sync::LazyLock;

use sql::{Comment, Dialect};

use crate::Layout;
use known::{KNOWN, Known, Shape};
use pattern::{Element, Piece};

/// A comment that has the shape of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) tool: &'static str,
    /// The layout that reads the mark where it is written rightly.
    pub(crate) layout: Option<Layout>,
    /// The mark as its tool reads it.
    pub(crate) written: &'static str,
    /// 1-based.
    pub(crate) line: u32,
    /// What stands behind it takes something back.
    pub(crate) reverts: bool,
}

impl Mark {
    /// The line as it stands in the text, to be shown.
    pub(crate) fn text(&self, text: &str) -> String {
        const CHARS_MAX: usize = 80;
        let line = text.split('\n').nth(self.line as usize - 1);
        let line = line.unwrap_or_default().trim();
        match line.char_indices().nth(CHARS_MAX) {
            Some((at, _)) => format!("{}…", &line[..at]),
            None => line.to_owned(),
        }
    }
}

const HEADING: Known = Known {
    tool: "shmig, or a runner like it,",
    layout: None,
    written: "-- ==== DOWN ====",
    shape: Shape::Reverts,
    pattern: "",
};

static PATTERNS: LazyLock<Vec<Vec<Element>>> = LazyLock::new(|| {
    let patterns = KNOWN.iter().map(|known| pattern::compile(known.pattern));
    patterns.collect()
});

/// The marks of a text, in the order of their lines, one for a line. `is_read` says of a line that
/// the layout reads it as a mark; it counts as company then and is not given.
pub(crate) fn find(dialect: Dialect, text: &str, is_read: impl Fn(u32) -> bool) -> Vec<Mark> {
    let candidates = candidates(text);
    let mut has_company = false;
    let mut unsure = Vec::new();
    let mut marks = Vec::new();
    for candidate in candidates {
        if is_read(candidate.line) {
            has_company = true;
            continue;
        }
        for known in of(&candidate.pieces) {
            if known.shape == Shape::Unmistakable && candidate.begins_line {
                marks.push(mark(known, candidate.line));
                break;
            }
            unsure.push((candidate.offset, candidate.line, known));
        }
    }
    if unsure.is_empty() && !text.contains("/*") {
        return marks;
    }
    let comments = sql::comments(dialect, text);
    has_company |= !marks.is_empty();
    let sure: Vec<(u32, &Known)> = unsure
        .into_iter()
        .filter_map(|(offset, line, known)| {
            let at = comments.binary_search_by_key(&offset, |comment| comment.range.start);
            Some((line, known, &comments[at.ok()?]))
        })
        .filter(|(_, known, comment)| has_shape(known.shape, comment))
        .map(|(line, known, _)| (line, known))
        .collect();
    has_company |= sure
        .iter()
        .any(|(_, known)| known.shape != Shape::RevertsInCompany);
    marks.extend(
        sure.iter()
            .filter(|(_, known)| match known.shape {
                Shape::Applies => false,
                Shape::RevertsInCompany => has_company,
                _ => true,
            })
            .map(|(line, known)| mark(known, *line)),
    );
    marks.extend(within_blocks(text, &comments));
    marks.sort_by_key(|mark| mark.line);
    marks.dedup_by_key(|mark| mark.line);
    marks
}

fn mark(known: &Known, line: u32) -> Mark {
    Mark {
        tool: known.tool,
        layout: known.layout,
        written: known.written,
        line,
        reverts: known.reverts(),
    }
}

fn has_shape(shape: Shape, comment: &Comment) -> bool {
    let is_apart = comment.is_between_statements && comment.begins_line;
    match shape {
        Shape::Unmistakable => true,
        Shape::Apart | Shape::Applies => is_apart,
        Shape::Reverts | Shape::RevertsInCompany => is_apart && comment.statement_follows,
    }
}

/// A place where a comment may begin.
struct Candidate {
    offset: usize,
    line: u32,
    begins_line: bool,
    pieces: Vec<Piece>,
}

/// As many places of one line are looked at: a line of data may have as many dashes as it has values.
const OPENED_MAX: usize = 100;

fn candidates(text: &str) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    let mut start = 0;
    let mut line = 1;
    for content in text.split_inclusive(is_line_end) {
        let bare = content.trim_start_matches(pattern::is_blank);
        let begins = ["--", "/*", "#", "//"]
            .iter()
            .any(|open| bare.starts_with(open));
        let offset = start + (content.len() - bare.len());
        if begins {
            candidates.extend(candidate(text, offset, line, true, bare));
        }
        // All behind two dashes is one comment.
        let others = !bare.starts_with("--");
        let opened = content
            .match_indices("--")
            .chain(content.match_indices("/*"));
        for (at, _) in opened.filter(|_| others).take(OPENED_MAX) {
            // The dashes of one comment are not the beginnings of others.
            let is_run = content[..at].ends_with(['-', '/', '*']);
            if start + at > offset && !is_run {
                candidates.extend(candidate(text, start + at, line, false, &content[at..]));
            }
        }
        start += content.len();
        // As everything else here counts lines.
        line += u32::from(content.ends_with('\n'));
    }
    candidates
}

fn candidate(
    text: &str,
    offset: usize,
    line: u32,
    begins_line: bool,
    content: &str,
) -> Option<Candidate> {
    debug_assert!(text[offset..].starts_with(content));
    let pieces = pattern::pieces(content);
    let candidate = Candidate {
        offset,
        line,
        begins_line,
        pieces,
    };
    (!candidate.pieces.is_empty()).then_some(candidate)
}

fn is_line_end(c: char) -> bool {
    matches!(
        c,
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

/// The marks that fit a comment: the first of the table, and behind it those of another shape, for
/// where the first does not hold.
fn of(pieces: &[Piece]) -> Vec<&'static Known> {
    let is_ours = matches!(pieces.first(), Some(piece) if piece.is("lockstep"));
    if is_ours {
        return Vec::new();
    }
    let mut fitting: Vec<&Known> = KNOWN
        .iter()
        .zip(PATTERNS.iter())
        .filter(|(_, pattern)| pattern::fits(pattern, pieces))
        .map(|(known, _)| known)
        .collect();
    if pattern::is_heading(pieces) {
        fitting.push(&HEADING);
    }
    fitting
}

/// A line inside a block comment has no dashes of its own.
fn within_blocks(text: &str, comments: &[Comment]) -> Vec<Mark> {
    let mut marks = Vec::new();
    for comment in comments.iter().filter(|comment| comment.is_block) {
        let content = &text[comment.range.clone()];
        for (line, inner) in (comment.line..).zip(content.split('\n')).skip(1) {
            let found = of(&pattern::pieces(inner))
                .into_iter()
                .find(|known| known.shape == Shape::Unmistakable);
            marks.extend(found.map(|known| mark(known, line)));
        }
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_of_the_table_is_seen_as_it_is_written() {
        let literal = KNOWN.iter().filter(|known| {
            known.written.starts_with(['-', '#']) && !known.written.contains(['…', ','])
        });
        for known in literal.filter(|known| !known.written.contains(" or ")) {
            let text = format!("-- +goose Up\n{}\nDROP TABLE a;\n", known.written);
            let marks = find(Dialect::Postgres, &text, |line| line == 1);
            let harmless = known.shape == Shape::Applies;
            assert_eq!(marks.is_empty(), harmless, "{}", known.written);
        }
    }
}
