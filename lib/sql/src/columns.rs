//! More columns than SQLite takes.
//!
//! Its parser's port compares each column with those before it, so that a list of a hundred thousand
//! would be read for hours, to be refused by the engine.

use crate::Dialect;
use crate::lex::{Class, Lexed, Lexeme};

/// `SQLITE_MAX_COLUMN`, as SQLite is built where nobody says otherwise: columns of a table, an index or
/// a view, names behind INSERT INTO or in a SET, values of a row.
pub(crate) const COLUMNS_MAX: usize = 2_000;

/// A list in parentheses.
struct List {
    /// What is counted: definitions of columns, or names alone.
    is_definition: bool,
    columns: usize,
    /// Tokens of the item so far, and whether its first may be a column's name.
    tokens: usize,
    may_be_column: bool,
}

/// Where the first list stands that has too many columns: an offset.
pub(crate) fn too_many(dialect: Dialect, lexed: &Lexed, sql: &str) -> Option<usize> {
    if dialect != Dialect::Sqlite {
        return None;
    }
    let is = |token: &Lexeme, word: &str| {
        token.class == Class::Word && token.text(sql).eq_ignore_ascii_case(word)
    };
    // None for a list in which nothing is counted: `IN` takes any number of values.
    let mut open: Vec<Option<List>> = Vec::new();
    let mut before: Option<&Lexeme> = None;
    let mut creates_table = false;
    let mut words = 0;
    for token in lexed.tokens() {
        match token.class {
            Class::Semicolon => {
                open.clear();
                (creates_table, words) = (false, 0);
            }
            Class::Open => {
                add(&mut open, false);
                let is_counted = !before.is_some_and(|before| is(before, "in"));
                let is_definition = creates_table && open.is_empty();
                open.push(is_counted.then_some(List {
                    is_definition,
                    columns: 0,
                    tokens: 0,
                    may_be_column: false,
                }));
            }
            Class::Close => {
                open.pop();
            }
            _ if token.text(sql) == "," => {
                if let Some(Some(list)) = open.last_mut() {
                    list.tokens = 0;
                }
            }
            class => {
                // CREATE TEMP TABLE has its word third.
                words += 1;
                creates_table |= words <= 3 && is(token, "table");
                let constrains = ["constraint", "primary", "unique", "check", "foreign"]
                    .iter()
                    .any(|word| is(token, word));
                let quoted = token.text(sql).starts_with(['"', '`', '[']);
                add(&mut open, !constrains && (class == Class::Word || quoted));
            }
        }
        if let Some(Some(list)) = open.last()
            && list.columns > COLUMNS_MAX
        {
            return Some(token.range.start);
        }
        before = Some(token);
    }
    None
}

/// Counts a token of the innermost list's item.
fn add(open: &mut [Option<List>], may_be_column: bool) {
    let Some(Some(list)) = open.last_mut() else {
        return;
    };
    list.tokens += 1;
    match list.tokens {
        1 => {
            list.may_be_column = may_be_column;
            list.columns += usize::from(may_be_column);
        }
        // More than a name is an expression.
        2 if !list.is_definition => list.columns -= usize::from(list.may_be_column),
        _ => {}
    }
}
