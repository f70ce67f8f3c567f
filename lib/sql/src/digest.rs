use sha2::{Digest as _, Sha256};

use crate::Dialect;
use crate::lex::{lex, with_line_feeds};

/// What the digest below is over; another way of cutting or framing tokens gets another name.
const SCHEME: &[u8] = b"lockstep sql tokens 1\n";

/// SHA-256 over the tokens of a script: equal for two texts that differ only in line ends, blanks
/// between tokens, comments and a byte order mark, and different for any other change.
///
/// A token counts as it is written: `SELECT` and `select` differ, and so do `"a"` and `a`. Inside a
/// string, a quoted identifier or a dollar-quoted body every byte counts except CR before LF, because
/// a checkout that converts line ends converts them there too. Comments inside a dollar-quoted body
/// are part of what the server stores, so they count. COPY data and lines for psql or the sqlite3
/// shell count as they stand.
///
/// Each token goes in as its length (64-bit little-endian) and its UTF-8 bytes, after the name of
/// the scheme and of the dialect.
///
/// None if the text can't be cut into tokens (a quote that is not closed, a NUL byte): nobody can
/// say then where a comment ends.
pub fn token_digest(dialect: Dialect, sql: &str) -> Option<[u8; 32]> {
    let lexed = lex(dialect, sql);
    if lexed.error.is_some() {
        return None;
    }
    let mut hash = Sha256::new();
    hash.update(SCHEME);
    hash.update(dialect.name().as_bytes());
    hash.update(b"\n");
    for token in lexed.tokens() {
        let text = with_line_feeds(token.text(sql));
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    Some(hash.finalize().into())
}

/// Whether the text holds no statement at all: nothing, or only blanks, comments and semicolons. A
/// text that can't be cut into tokens is not empty.
pub fn is_empty(dialect: Dialect, sql: &str) -> bool {
    let lexed = lex(dialect, sql);
    lexed.error.is_none()
        && lexed
            .tokens()
            .all(|token| token.class == crate::lex::Class::Semicolon)
}
