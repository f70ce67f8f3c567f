use sha2::{Digest as _, Sha256};

use crate::Dialect;
use crate::lex::{Class, lex, with_line_feeds};

/// What the digests are over; another way of cutting or framing tokens gets another name.
const SCHEME: &[u8] = b"lockstep sql tokens 2\n";
const SCHEME_FORMER: &[u8] = b"lockstep sql tokens 1\n";

/// The digest of a script's tokens, and what an older ledger has in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenDigest {
    /// SHA-256 over the tokens, by the scheme that ledgers are written with.
    pub current: [u8; 32],
    /// The same by scheme 1, which took CRLF for LF inside strings too.
    former: [u8; 32],
}

impl TokenDigest {
    /// Whether a ledger's digest is that of the same tokens, whichever scheme it was written with.
    pub fn is(&self, recorded: &[u8; 32]) -> bool {
        self.current == *recorded || self.former == *recorded
    }
}

/// SHA-256 over the tokens of a script: equal for two texts that differ only in line ends, blanks
/// between tokens, comments and a byte order mark, and different for any other change.
///
/// A token counts as it is written: `SELECT` and `select` differ, and so do `"a"` and `a`. Inside a
/// string or a quoted identifier every byte counts, line ends too: they are data. PostgreSQL's code in
/// strings (after AS, DO or LANGUAGE and a name) counts with LF where CRLF was, as it is compared
/// in schemas, because a checkout that converts line ends converts them there too; comments in it are
/// part of what the server stores, so they count. COPY data and lines for psql or the
/// sqlite3 shell count in the same way.
///
/// Each token goes in as its length (64-bit little-endian) and its UTF-8 bytes, after the name of
/// the scheme and of the dialect.
///
/// None if the text can't be cut into tokens (a quote that is not closed, a NUL byte): nobody can
/// say then where a comment ends.
pub fn token_digest(dialect: Dialect, sql: &str) -> Option<TokenDigest> {
    let lexed = lex(dialect, sql);
    if lexed.error.is_some() {
        return None;
    }
    let begin = |scheme: &[u8]| {
        let mut hash = Sha256::new();
        hash.update(scheme);
        hash.update(dialect.name().as_bytes());
        hash.update(b"\n");
        hash
    };
    let add = |hash: &mut Sha256, text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    let (mut current, mut former) = (begin(SCHEME), begin(SCHEME_FORMER));
    let mut before = ["", ""];
    for token in lexed.tokens() {
        let text = token.text(sql);
        let converted = with_line_feeds(text);
        let is_data = token.class == Class::Other
            && !(dialect == Dialect::Postgres && announces_code(before) && !text.starts_with('"'));
        add(&mut current, if is_data { text } else { &converted });
        add(&mut former, &converted);
        before = [before[1], text];
    }
    Some(TokenDigest {
        current: current.finalize().into(),
        former: former.finalize().into(),
    })
}

/// Whether a string behind these two tokens is code.
fn announces_code(before: [&str; 2]) -> bool {
    let [first, second] = before;
    ["as", "do"]
        .iter()
        .any(|word| second.eq_ignore_ascii_case(word))
        || first.eq_ignore_ascii_case("language")
}

/// Whether the text holds no statement at all: nothing, or only blanks, comments and semicolons. A
/// text that can't be cut into tokens is not empty.
pub fn is_empty(dialect: Dialect, sql: &str) -> bool {
    let lexed = lex(dialect, sql);
    lexed.error.is_none() && lexed.tokens().all(|token| token.class == Class::Semicolon)
}
