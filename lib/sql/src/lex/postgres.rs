use squawk_lexer::{LiteralKind, TokenKind};

use super::{Class, LexError, Lexed, Lexeme, byte_order_mark, end_of_line};

pub(super) fn lex(sql: &str) -> Lexed {
    let mut lexer = Lexer {
        sql,
        lexemes: Vec::new(),
        error: None,
        copy: Copy::Start,
        depth: 0,
    };
    let mut at = Some(byte_order_mark(sql));
    while let Some(from) = at {
        at = lexer.read_from(from);
    }
    Lexed {
        lexemes: lexer.lexemes,
        error: lexer.error,
    }
}

struct Lexer<'a> {
    sql: &'a str,
    lexemes: Vec<Lexeme>,
    error: Option<LexError>,
    copy: Copy,
    /// Open parentheses of the statement.
    depth: usize,
}

/// How much of `COPY … FROM STDIN` the statement has shown so far.
#[derive(PartialEq)]
enum Copy {
    /// No token of the statement has come yet.
    Start,
    Named,
    From,
    FromStdin,
    /// The statement is not a COPY.
    No,
}

impl Lexer<'_> {
    /// Reads SQL up to something that is none. Gives the offset to go on from.
    fn read_from(&mut self, from: usize) -> Option<usize> {
        let sql = self.sql;
        let mut at = from;
        let mut operator: Option<usize> = None;
        for token in squawk_lexer::tokenize(&sql[from..]) {
            let range = at..at + token.len as usize;
            if is_operator(&token.kind) {
                operator.get_or_insert(at);
                at = range.end;
                continue;
            }
            self.end_operator(operator.take(), at);
            at = range.end;
            if let Some(message) = fault(&token.kind) {
                self.error = Some(LexError {
                    at: range.start,
                    message: message.to_owned(),
                });
                return None;
            }
            let class = match token.kind {
                TokenKind::Whitespace => {
                    // Servers before 16 take it for no blank.
                    if let Some(tab) = sql[range.clone()].find('\u{b}') {
                        self.error = Some(LexError {
                            at: range.start + tab,
                            message: "a vertical tab (U+000B) is no blank".to_owned(),
                        });
                        return None;
                    }
                    continue;
                }
                TokenKind::Unknown if sql[range.clone()].starts_with('\\') => {
                    let end = end_of_line(sql, range.start);
                    self.lexemes.push(Lexeme {
                        class: Class::ClientCommand,
                        range: range.start..end,
                    });
                    // psql sends what it has before most of its commands.
                    self.begin_statement();
                    return Some(end);
                }
                TokenKind::LineComment => Class::LineComment,
                TokenKind::BlockComment { .. } => Class::BlockComment,
                TokenKind::Ident => Class::Word,
                TokenKind::Semi => Class::Semicolon,
                TokenKind::OpenParen => Class::Open,
                TokenKind::CloseParen => Class::Close,
                _ => Class::Other,
            };
            self.lexemes.push(Lexeme {
                class,
                range: range.clone(),
            });
            if self.follow(class, range.start) {
                return self.copy_data(range.end);
            }
        }
        self.end_operator(operator, at);
        None
    }

    /// Follows the statement; true at the semicolon of `COPY … FROM STDIN`.
    fn follow(&mut self, class: Class, at: usize) -> bool {
        let sql = self.sql;
        let word = |word: &str| {
            let rest = &sql.as_bytes()[at..];
            class == Class::Word
                && rest.len() >= word.len()
                && rest[..word.len()].eq_ignore_ascii_case(word.as_bytes())
                && self
                    .lexemes
                    .last()
                    .is_some_and(|last| last.range.len() == word.len())
        };
        let next = match (&self.copy, class) {
            (_, Class::LineComment | Class::BlockComment) => return false,
            (_, Class::Open) => {
                self.depth += 1;
                (self.copy == Copy::Start).then_some(Copy::No)
            }
            (_, Class::Close) => {
                self.depth = self.depth.saturating_sub(1);
                None
            }
            (copy, Class::Semicolon) if self.depth == 0 => {
                let data_follows = *copy == Copy::FromStdin;
                self.begin_statement();
                return data_follows;
            }
            (Copy::Start, _) if word("copy") => Some(Copy::Named),
            (Copy::Start, _) => Some(Copy::No),
            (Copy::Named, _) if self.depth == 0 && word("from") => Some(Copy::From),
            (Copy::From, _) if self.depth == 0 && word("stdin") => Some(Copy::FromStdin),
            (Copy::From, _) => Some(Copy::No),
            _ => None,
        };
        if let Some(next) = next {
            self.copy = next;
        }
        false
    }

    fn begin_statement(&mut self) {
        self.copy = Copy::Start;
        self.depth = 0;
    }

    /// psql reads data from the line after the statement up to `\.` or the end of the file.
    fn copy_data(&mut self, semicolon_end: usize) -> Option<usize> {
        let sql = self.sql;
        let begin = semicolon_end + sql[semicolon_end..].find('\n')? + 1;
        let mut end = begin;
        for line in sql[begin..].split_inclusive('\n') {
            end += line.len();
            if line.trim_end() == "\\." {
                break;
            }
        }
        if begin < end {
            self.lexemes.push(Lexeme {
                class: Class::CopyData,
                range: begin..end,
            });
        }
        Some(end)
    }

    /// Adds the run of operator characters from `begin` to `end` as the tokens that the server
    /// makes of it, so that `a <- b` and `a < -b` differ: blanks decide there.
    ///
    /// After PostgreSQL's `scan.l`: the longest run is one operator, but it gives back trailing
    /// `+` and `-` unless it holds one of ``~ ! @ # ^ & | ` ? %``. `::` and `:=` come first.
    fn end_operator(&mut self, begin: Option<usize>, end: usize) {
        let Some(mut begin) = begin else { return };
        let bytes = &self.sql.as_bytes()[..end];
        while begin < end {
            let run = &bytes[begin..];
            let len = if run[0] == b':' {
                1 + usize::from(matches!(run.get(1), Some(b':' | b'=')))
            } else {
                let len = run.iter().position(|byte| *byte == b':');
                operator_len(&run[..len.unwrap_or(run.len())])
            };
            self.lexemes.push(Lexeme {
                class: Class::Other,
                range: begin..begin + len,
            });
            begin += len;
        }
        if self.copy == Copy::Start {
            self.copy = Copy::No;
        }
    }
}

fn operator_len(run: &[u8]) -> usize {
    if run.iter().any(|byte| b"~!@#^&|`?%".contains(byte)) {
        return run.len();
    }
    let last = run.iter().rposition(|byte| !b"+-".contains(byte));
    last.map_or(1, |last| last + 1)
}

fn is_operator(kind: &TokenKind) -> bool {
    matches!(
        kind,
        TokenKind::At
            | TokenKind::Pound
            | TokenKind::Tilde
            | TokenKind::Question
            | TokenKind::Colon
            | TokenKind::Eq
            | TokenKind::Bang
            | TokenKind::Lt
            | TokenKind::Gt
            | TokenKind::Minus
            | TokenKind::And
            | TokenKind::Or
            | TokenKind::Plus
            | TokenKind::Star
            | TokenKind::Slash
            | TokenKind::Caret
            | TokenKind::Percent
            | TokenKind::Backtick
    )
}

fn fault(kind: &TokenKind) -> Option<&'static str> {
    match kind {
        TokenKind::BlockComment { terminated: false } => Some("a /* is not closed"),
        TokenKind::QuotedIdent {
            terminated: false, ..
        } => Some("a double quote is not closed"),
        TokenKind::Literal { kind } => match kind {
            LiteralKind::Str { terminated: false }
            | LiteralKind::NationalStr { terminated: false }
            | LiteralKind::ByteStr { terminated: false }
            | LiteralKind::BitStr { terminated: false }
            | LiteralKind::UnicodeEscStr { terminated: false }
            | LiteralKind::EscStr { terminated: false } => Some("a quote is not closed"),
            LiteralKind::DollarQuotedString { terminated: false } => {
                Some("a dollar quote is not closed")
            }
            _ => None,
        },
        _ => None,
    }
}
