//! A file's text as it is sent to SQLite, and where in it an error is.

use std::ops::Range;

use migrations::Migration;
use sql::Dialect;

/// Up to this length a text is sent whole, without a parser's look at it.
const WHOLE_MAX: usize = 16 * 1024;

/// A long text in pieces of one statement, each up to where the next begins: SQLite copies all of
/// what it is given for every statement, which takes quadratic time. Nothing is left out, and where
/// a statement ends SQLite still says itself. What the parser can't read stays whole.
pub(super) fn pieces(sql: &str) -> Vec<Range<usize>> {
    let whole = 0..sql.len();
    if sql.len() <= WHOLE_MAX {
        return vec![whole];
    }
    let script = sql::parse(Dialect::Sqlite, sql);
    if !script.errors.is_empty() {
        return vec![whole];
    }
    let starts = script
        .statements
        .iter()
        .map(|statement| statement.range.start);
    let mut pieces = Vec::with_capacity(script.statements.len());
    let mut from = 0;
    for start in starts.skip(1) {
        pieces.push(from..start);
        from = start;
    }
    pieces.push(from..sql.len());
    pieces
}

/// The line of an error in the statement after `done` others of the text that was sent for the file,
/// whose piece ends at `end`: of the token that SQLite names, else of the statement.
pub(super) fn line_of(
    migration: &Migration,
    text: &str,
    end: usize,
    done: usize,
    error: &rusqlite::Error,
) -> Option<u32> {
    let byte = match error {
        // SQLite was sent what was left of the piece.
        rusqlite::Error::SqlInputError { sql, offset, .. } => {
            end.checked_sub(sql.len())? + usize::try_from(*offset).ok()?
        }
        _ => {
            let script = sql::parse(Dialect::Sqlite, text);
            script.statements.get(done)?.range.start
        }
    };
    let before = migration.up.as_bytes().get(..byte)?;
    let lines = before.iter().filter(|byte| **byte == b'\n').count();
    Some(migration.up_line + u32::try_from(lines).ok()?)
}
