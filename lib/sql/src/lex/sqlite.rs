use sqlite3_parser::dialect::TokenType;
use sqlite3_parser::lexer::Splitter as _;
use sqlite3_parser::lexer::sql::{Error, Tokenizer};

use super::{Class, LexError, Lexed, Lexeme, byte_order_mark, end_of_line};

pub(super) fn lex(sql: &str) -> Lexed {
    let mut tokenizer = Tokenizer::new();
    let mut lexemes = Vec::new();
    let mut at = byte_order_mark(sql);
    let mut statement_begins = true;
    while at < sql.len() {
        if statement_begins && is_dot_command(sql, at) {
            let end = end_of_line(sql, at);
            lexemes.push(Lexeme {
                class: Class::ClientCommand,
                range: at..end,
            });
            at = end;
            continue;
        }
        let rest = &sql.as_bytes()[at..];
        let (token, len) = match tokenizer.split(rest) {
            Ok((token, len)) if len > 0 => (token.map(|(_, kind)| kind), len),
            Ok(_) => return stopped(lexemes, at, "unrecognized token"),
            Err(error) => return stopped(lexemes, at, message(&error)),
        };
        let range = at..at + len;
        let class = match token {
            Some(kind) => {
                statement_begins = kind == TokenType::TK_SEMI;
                Some(class(kind, &sql[range.clone()]))
            }
            None if rest.starts_with(b"--") => Some(Class::LineComment),
            None if rest.starts_with(b"/*") => Some(Class::BlockComment),
            None => None,
        };
        match class {
            // The tokenizer counts the line end as part of the comment.
            Some(Class::LineComment) => lexemes.push(Lexeme {
                class: Class::LineComment,
                range: at..end_of_line(sql, at),
            }),
            Some(class) => lexemes.push(Lexeme { class, range }),
            None => (),
        }
        at += len;
    }
    Lexed {
        lexemes,
        error: None,
    }
}

fn class(kind: TokenType, text: &str) -> Class {
    match kind {
        TokenType::TK_SEMI => Class::Semicolon,
        TokenType::TK_LP => Class::Open,
        TokenType::TK_RP => Class::Close,
        _ if is_word(text) => Class::Word,
        _ => Class::Other,
    }
}

fn is_word(text: &str) -> bool {
    let first = text.bytes().next();
    first.is_some_and(|byte| byte == b'_' || byte.is_ascii_alphabetic() || byte >= 0x80)
        && !text.ends_with('\'')
}

/// The sqlite3 shell takes a line that begins with a dot for itself, unless it is in a statement.
fn is_dot_command(sql: &str, at: usize) -> bool {
    let (before, line) = sql.split_at(at);
    let begins_line = before.is_empty() || before.ends_with(['\n', '\u{feff}']);
    begins_line
        && line
            .strip_prefix('.')
            .is_some_and(|name| name.starts_with(|first: char| first.is_ascii_alphabetic()))
}

fn stopped(lexemes: Vec<Lexeme>, at: usize, message: &str) -> Lexed {
    Lexed {
        lexemes,
        error: Some(LexError {
            at,
            message: message.to_owned(),
        }),
    }
}

fn message(error: &Error) -> &'static str {
    match error {
        Error::UnterminatedLiteral(_) => "a quote is not closed",
        Error::UnterminatedBracket(_) => "a [ is not closed",
        Error::UnterminatedBlockComment(_) => "a /* is not closed",
        Error::BadVariableName(_) => "bad parameter name",
        Error::BadNumber(_) => "bad number",
        Error::ExpectedEqualsSign(_) => "a ! without =",
        Error::MalformedBlobLiteral(_) => "malformed blob literal",
        Error::MalformedHexInteger(_) => "malformed hexadecimal number",
        _ => "unrecognized token",
    }
}
