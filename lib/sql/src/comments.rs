use std::ops::Range;

use crate::Dialect;
use crate::lex::{Class, lex};
use crate::lines::Lines;

/// A comment of a script, and what stands around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// From its first dash or slash to its last character, without a line end.
    pub range: Range<usize>,
    /// 1-based.
    pub line: u32,
    /// `/* … */`.
    pub is_block: bool,
    /// The statement before it has ended.
    pub is_between_statements: bool,
    /// Nothing but blanks stands before it on its line.
    pub begins_line: bool,
    /// A statement stands behind it.
    pub statement_follows: bool,
}

/// The comments of a script, in order. In a text that can't be cut into tokens, those before the
/// fault; [`crate::parse`] reports the fault itself.
pub fn comments(dialect: Dialect, sql: &str) -> Vec<Comment> {
    let lexed = lex(dialect, sql);
    let lines = Lines::of(sql);
    let last = lexed
        .tokens()
        .filter(|token| token.class != Class::Semicolon)
        .last()
        .map_or(0, |token| token.range.start);
    let mut is_between_statements = true;
    let mut comments = Vec::new();
    for lexeme in &lexed.lexemes {
        match lexeme.class {
            Class::LineComment | Class::BlockComment => comments.push(Comment {
                range: lexeme.range.clone(),
                line: lines.at(lexeme.range.start),
                is_block: lexeme.class == Class::BlockComment,
                is_between_statements,
                begins_line: begins_line(&sql[..lexeme.range.start]),
                // What stopped the lexer may be a statement too.
                statement_follows: lexeme.range.start < last || lexed.error.is_some(),
            }),
            Class::Semicolon | Class::ClientCommand | Class::CopyData => {
                is_between_statements = true;
            }
            Class::Word | Class::Open | Class::Close | Class::Other => {
                is_between_statements = false;
            }
        }
    }
    comments
}

fn begins_line(before: &str) -> bool {
    let blanks = |c: char| c.is_whitespace() && c != '\n' && c != '\r' || c == '\u{feff}';
    let before = before.trim_end_matches(blanks);
    before.is_empty() || before.ends_with(['\n', '\r'])
}
