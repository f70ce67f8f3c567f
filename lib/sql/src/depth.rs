//! How deep a parser's tree may become.
//!
//! The parsers recurse, and so does whoever takes their trees down: a file of a hundred thousand
//! `OR` would end the process, and with it the answer. Both engines refuse such statements themselves
//! (SQLite at a depth of 1,000, PostgreSQL by `max_stack_depth`).

use crate::Dialect;
use crate::lex::{Class, Lexed, lex};

/// What a tree needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Depth {
    /// Any stack does.
    Shallow,
    /// More than the stack of a thread that something else has used already.
    Deep,
    /// Not to be read.
    Bottomless,
}

/// More tokens than this in one nest are not read: 1,500 terms of the form `OR a = 1`. squawk's time
/// grows with the square of the depth; this many take it a second.
pub(crate) const TOKENS_MAX: usize = 6_000;

/// Fewer tokens than this fit any stack.
const TOKENS_SHALLOW: usize = 200;

/// Blocks in strings in blocks: how many of them are looked into.
const LEVELS_MAX: usize = 8;

/// The depth of the deepest tree that can come of a script, by counting: a token makes a tree deeper
/// by one level at most, and after a comma, a semicolon, a closing parenthesis or the next WHEN of a
/// CASE the tree begins again where it was before. Bodies of functions and blocks count too, as parsers
/// read them on the way.
pub(crate) fn depth(dialect: Dialect, lexed: &Lexed, sql: &str) -> Depth {
    match tokens_deep(dialect, lexed, sql, 0) {
        tokens if tokens > TOKENS_MAX => Depth::Bottomless,
        tokens if tokens > TOKENS_SHALLOW => Depth::Deep,
        _ => Depth::Shallow,
    }
}

#[derive(PartialEq)]
enum Nest {
    Parenthesis,
    Case,
}

fn tokens_deep(dialect: Dialect, lexed: &Lexed, sql: &str, level: usize) -> usize {
    // For each open parenthesis or CASE, the tokens before it that are still open.
    let mut outer: Vec<(Nest, usize)> = Vec::new();
    let mut base = 0usize;
    let mut run = 0usize;
    let mut deepest = 0usize;
    for token in lexed.tokens() {
        let text = token.text(sql);
        let word = |word: &str| token.class == Class::Word && text.eq_ignore_ascii_case(word);
        let in_case = matches!(outer.last(), Some((Nest::Case, _)));
        match token.class {
            Class::Semicolon => {
                outer.clear();
                (base, run) = (0, 0);
            }
            Class::Open => {
                outer.push((Nest::Parenthesis, run + 1));
                base += run + 1;
                run = 0;
            }
            Class::Word if word("case") => {
                outer.push((Nest::Case, run + 1));
                base += run + 1;
                run = 0;
            }
            Class::Close => {
                // A CASE without END ends here too.
                while let Some((nest, before)) = outer.pop() {
                    run = before;
                    base = base.saturating_sub(before);
                    if nest == Nest::Parenthesis {
                        break;
                    }
                }
            }
            Class::Word if in_case && word("end") => {
                run = outer.pop().map_or(1, |(_, before)| before);
                base = base.saturating_sub(run);
            }
            Class::Word if in_case && (word("when") || word("then") || word("else")) => run = 0,
            Class::ClientCommand | Class::CopyData => (),
            _ if text == "," => run = 0,
            Class::Other if dialect == Dialect::Postgres && level < LEVELS_MAX => {
                run += 1;
                if let Some(body) = quoted(text) {
                    let within = tokens_deep(dialect, &lex(dialect, body), body, level + 1);
                    deepest = deepest.max(within);
                }
            }
            _ => run += 1,
        }
        deepest = deepest.max(base + run);
    }
    deepest
}

/// What stands in a string long enough to hold deep code.
fn quoted(text: &str) -> Option<&str> {
    if text.len() < TOKENS_SHALLOW {
        return None;
    }
    if let Some(rest) = text.strip_prefix('$') {
        let tag = rest.find('$')? + 2;
        return text.get(tag..text.len().checked_sub(tag)?);
    }
    let begin = text.find('\'')? + 1;
    text.get(begin..text.len() - 1)
}
