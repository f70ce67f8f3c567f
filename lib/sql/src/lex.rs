//! The tokens of a script, by the lexer that belongs to its dialect's parser.
//!
//! What a client program would keep for itself (psql's backslash commands, the lines of COPY data,
//! the sqlite3 shell's dot commands) is cut out here, so that no parser takes it for SQL.

use std::borrow::Cow;
use std::ops::Range;

use crate::Dialect;

mod postgres;
mod sqlite;

/// A script cut into everything but blanks.
pub(crate) struct Lexed {
    pub(crate) lexemes: Vec<Lexeme>,
    /// What stopped the lexer, if anything did: the text from this offset on is unread.
    pub(crate) error: Option<LexError>,
}

pub(crate) struct LexError {
    pub(crate) at: usize,
    pub(crate) message: String,
}

pub(crate) struct Lexeme {
    pub(crate) class: Class,
    pub(crate) range: Range<usize>,
}

/// What a lexeme is, as far as somebody who does not parse has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// A keyword or an identifier without quotes.
    Word,
    Semicolon,
    Open,
    Close,
    /// Any other token: literals, quoted identifiers, operators, punctuation.
    Other,
    /// `-- …`, without its line end.
    LineComment,
    /// `/* … */`.
    BlockComment,
    /// A line for psql (`\…`) or for the sqlite3 shell (`.…`), without its line end.
    ClientCommand,
    /// The lines after `COPY … FROM STDIN;`, up to and with `\.`.
    CopyData,
}

impl Lexed {
    /// The lexemes that an engine acts on, in order.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &Lexeme> {
        self.lexemes.iter().filter(|lexeme| !lexeme.is_comment())
    }
}

impl Lexed {
    /// Where semicolons stand, in order.
    pub(crate) fn semicolons(&self) -> impl Iterator<Item = usize> {
        self.lexemes
            .iter()
            .filter(|lexeme| lexeme.class == Class::Semicolon)
            .map(|lexeme| lexeme.range.start)
    }
}

impl Lexeme {
    pub(crate) fn is_comment(&self) -> bool {
        matches!(self.class, Class::LineComment | Class::BlockComment)
    }

    pub(crate) fn text<'a>(&self, sql: &'a str) -> &'a str {
        &sql[self.range.clone()]
    }
}

pub(crate) fn lex(dialect: Dialect, sql: &str) -> Lexed {
    let mut lexed = match dialect {
        Dialect::Sqlite => sqlite::lex(sql),
        Dialect::Postgres => postgres::lex(sql),
    };
    // Both engines end the text at a NUL, also inside a comment or a string: what stands behind it
    // would be recorded as run without having run.
    if let Some(at) = sql.find('\0')
        && lexed.error.as_ref().is_none_or(|error| at <= error.at)
    {
        lexed.lexemes.retain(|lexeme| lexeme.range.end <= at);
        lexed.error = Some(LexError {
            at,
            message: "a NUL byte ends the text here for the engine".to_owned(),
        });
    }
    lexed
}

/// The length of a byte order mark at the very start, where editors put one: 3 or 0.
pub(crate) fn byte_order_mark(sql: &str) -> usize {
    if sql.starts_with('\u{feff}') {
        '\u{feff}'.len_utf8()
    } else {
        0
    }
}

/// The text with LF where CRLF was.
pub(crate) fn with_line_feeds(text: &str) -> Cow<'_, str> {
    if text.contains("\r\n") {
        Cow::Owned(text.replace("\r\n", "\n"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Where the line that holds `from` ends, before its line end.
fn end_of_line(sql: &str, from: usize) -> usize {
    let line = &sql[from..];
    let line = &line[..line.find('\n').unwrap_or(line.len())];
    from + line.strip_suffix('\r').unwrap_or(line).len()
}
