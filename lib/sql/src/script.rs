use std::ops::Range;

use crate::act::Act;
use crate::columns;
use crate::depth::{Depth, TOKENS_MAX, depth};
use crate::lex::{Class, Lexed, lex};
use crate::lines::Lines;
use crate::transactions::Control;
use crate::{Dialect, postgres, sqlite};

/// A file, read: its statements in order, and whatever could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// In the order in which they run.
    pub statements: Vec<Statement>,
    /// What no parser made sense of, one for a line. A caller must not act on a script with errors:
    /// its statements are then a guess.
    pub errors: Vec<SyntaxError>,
    pub(crate) dialect: Dialect,
    /// Lines for psql or the sqlite3 shell.
    pub(crate) client_commands: Vec<(u32, Range<usize>)>,
}

/// One statement of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The bytes of the statement in the source, from its first token to its last, without the
    /// semicolon that ends it and without comments around it.
    pub range: Range<usize>,
    /// The 1-based line of its first token.
    pub line: u32,
    /// What sort of statement it is.
    pub kind: Kind,
    pub(crate) acts: Vec<Act>,
    /// What it does to the transaction around it, if that is what it is for.
    pub(crate) control: Option<Control>,
}

/// What sort of statement it is, by its leading words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Reads: SELECT, VALUES, SHOW, EXPLAIN.
    Query,
    /// Writes rows: INSERT, UPDATE, DELETE, MERGE, TRUNCATE, COPY.
    Data,
    /// CREATE, ALTER, DROP, GRANT, COMMENT and their like.
    Definition,
    /// BEGIN, COMMIT, ROLLBACK, SAVEPOINT and their like.
    Transaction,
    /// Changes the session: SET, PRAGMA, ATTACH, PREPARE, cursors, LOCK.
    Session,
    /// VACUUM, ANALYZE, REINDEX and their like.
    Maintenance,
    /// Runs code: DO, CALL, EXECUTE.
    Code,
}

/// Text that is no SQL to its parser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// 1-based.
    pub line: u32,
    /// What the parser says, as a clause.
    pub message: String,
}

/// Reads a script. Never fails: what can't be read is in [`Script::errors`].
///
/// Lines for psql or the sqlite3 shell and the data of `COPY … FROM STDIN` are no SQL; they are left
/// out here and reported by [`crate::hindrances`].
pub fn parse(dialect: Dialect, sql: &str) -> Script {
    let lexed = lex(dialect, sql);
    let source = Source::new(sql, &lexed);
    let too_many = columns::too_many(dialect, &lexed, sql);
    let mut script = match depth(dialect, &lexed, sql) {
        _ if let Some(at) = too_many => Script {
            errors: vec![SyntaxError {
                line: source.lines.at(at),
                message: format!("a list has more than {} columns", columns::COLUMNS_MAX),
            }],
            ..Script::empty(dialect)
        },
        Depth::Shallow => read(dialect, &source),
        Depth::Deep => read_with_room(dialect, &source),
        Depth::Bottomless => refused(
            dialect,
            format!("more than {TOKENS_MAX} tokens without a comma or an end"),
        ),
    };
    if let Some(error) = &lexed.error {
        // What a parser says about the same place is a consequence.
        let line = source.lines.at(error.at);
        script.errors.retain(|other| other.line < line);
        // The statement that runs into the fault is cut off: half of one may pass for a whole one.
        let last_end = lexed.semicolons().last().unwrap_or(0);
        script
            .statements
            .retain(|statement| statement.range.end <= last_end);
        script.errors.push(SyntaxError {
            line,
            message: error.message.clone(),
        });
    }
    script.errors.extend(swallowed(dialect, &source));
    script.note_unread(&source);
    script.errors.sort_by_key(|error| error.line);
    script.errors.dedup_by_key(|error| error.line);
    if !script.errors.is_empty() {
        let lines: Vec<&str> = crate::without_byte_order_mark(sql).split('\n').collect();
        for error in &mut script.errors {
            error.name_invisible(&lines);
        }
    }
    script.client_commands = lexed
        .lexemes
        .iter()
        .filter(|lexeme| lexeme.class == Class::ClientCommand)
        .map(|lexeme| (source.lines.at(lexeme.range.start), lexeme.range.clone()))
        .collect();
    script
}

/// Text behind what an editor shows as a line end and the engine does not: it is part of the comment
/// before it, and would be recorded as run without having run. PostgreSQL ends a comment at a carriage
/// return, SQLite at a line feed alone.
fn swallowed(dialect: Dialect, source: &Source) -> Option<SyntaxError> {
    let is_line_end = |c: char| {
        matches!(c, '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
            || c == '\r' && dialect == Dialect::Sqlite
    };
    let comments = source.lexed.lexemes.iter();
    comments
        .filter(|lexeme| lexeme.class == Class::LineComment)
        .find_map(|comment| {
            let text = comment.text(source.sql);
            let (at, end) = unseen_line_end(text, is_line_end)?;
            let at = comment.range.start + at;
            let returns = source.sql[..at].matches('\r').count();
            let pairs = source.sql[..at].matches("\r\n").count();
            let lines = u32::try_from(returns - pairs).unwrap_or(u32::MAX);
            Some(SyntaxError {
                line: source.lines.at(at).saturating_add(lines),
                message: format!(
                    "the comment does not end at the {} (U+{:04X}) in it, so that what stands \
                     behind it would not run: write line feeds as line ends",
                    if end == '\r' {
                        "carriage return"
                    } else {
                        "line end"
                    },
                    u32::from(end),
                ),
            })
        })
}

/// The first of these characters in a comment behind which it goes on with text that is no comment for
/// an editor.
fn unseen_line_end(comment: &str, is_line_end: impl Fn(char) -> bool) -> Option<(usize, char)> {
    let mut end = None;
    for (at, c) in comment.char_indices() {
        if is_line_end(c) {
            end.get_or_insert((at, c));
        } else if end.is_some() && !c.is_whitespace() {
            if !comment[at..].starts_with("--") {
                return end;
            }
            end = None;
        }
    }
    None
}

fn read(dialect: Dialect, source: &Source) -> Script {
    match dialect {
        Dialect::Sqlite => sqlite::read(source),
        Dialect::Postgres => postgres::read(source),
    }
}

/// Reads on a thread of its own, whose stack holds the deepest tree that is let through. Its pages
/// cost nothing until they are used.
fn read_with_room(dialect: Dialect, source: &Source) -> Script {
    const STACK_BYTES: usize = 512 << 20;
    std::thread::scope(|scope| {
        let room = std::thread::Builder::new().stack_size(STACK_BYTES);
        match room.spawn_scoped(scope, || read(dialect, source)) {
            Ok(reader) => reader
                .join()
                .unwrap_or_else(|_| refused(dialect, "the parser gave up".to_owned())),
            Err(error) => refused(dialect, format!("no room to read it: {error}")),
        }
    })
}

/// A script of which nothing was read.
fn refused(dialect: Dialect, message: String) -> Script {
    Script {
        errors: vec![SyntaxError { line: 1, message }],
        ..Script::empty(dialect)
    }
}

/// The text, cut into tokens, on its way to a parser.
pub(crate) struct Source<'a> {
    pub(crate) sql: &'a str,
    pub(crate) lexed: &'a Lexed,
    pub(crate) lines: Lines,
}

impl<'a> Source<'a> {
    fn new(sql: &'a str, lexed: &'a Lexed) -> Source<'a> {
        Source {
            sql,
            lexed,
            lines: Lines::of(sql),
        }
    }

    /// Where reading ends: at the fault of the lexer, or with the text.
    pub(crate) fn end(&self) -> usize {
        self.lexed
            .error
            .as_ref()
            .map_or(self.sql.len(), |error| error.at)
    }

    /// The text up to [`Source::end`] with blanks in place of all that is no SQL: the same offsets.
    pub(crate) fn sql_only(&self) -> String {
        let mut text = self.sql.as_bytes()[..self.end()].to_vec();
        let mut blank = |range: Range<usize>| {
            for byte in &mut text[range] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
        };
        blank(0..crate::lex::byte_order_mark(self.sql));
        for lexeme in &self.lexed.lexemes {
            if matches!(lexeme.class, Class::ClientCommand | Class::CopyData) {
                blank(lexeme.range.clone());
            }
        }
        // Whole lexemes were replaced by ASCII, so that this is still UTF-8.
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Script {
    pub(crate) fn empty(dialect: Dialect) -> Script {
        Script {
            statements: Vec::new(),
            errors: Vec::new(),
            dialect,
            client_commands: Vec::new(),
        }
    }

    /// The safety net under the parsers: a token that is in no statement, in a script that is said to
    /// be without errors, is one.
    fn note_unread(&mut self, source: &Source) {
        if !self.errors.is_empty() {
            return;
        }
        let mut statements = self.statements.iter().peekable();
        for token in source.lexed.tokens() {
            if matches!(
                token.class,
                Class::Semicolon | Class::ClientCommand | Class::CopyData
            ) {
                continue;
            }
            while statements
                .next_if(|statement| statement.range.end <= token.range.start)
                .is_some()
            {}
            let within = statements
                .peek()
                .is_some_and(|statement| statement.range.contains(&token.range.start));
            if !within {
                self.errors.push(SyntaxError {
                    line: source.lines.at(token.range.start),
                    message: format!(
                        "{} belongs to no statement",
                        excerpt(token.text(source.sql))
                    ),
                });
                return;
            }
        }
    }
}

impl SyntaxError {
    /// Names a character that nobody sees in the message, nor in an editor.
    fn name_invisible(&mut self, lines: &[&str]) {
        const INVISIBLE: [(char, &str); 6] = [
            ('\u{feff}', "a byte order mark"),
            ('\u{a0}', "a no-break space"),
            ('\u{200b}', "a zero-width space"),
            ('\u{200c}', "a zero-width non-joiner"),
            ('\u{200d}', "a zero-width joiner"),
            ('\u{2060}', "a word joiner"),
        ];
        let line = usize::try_from(self.line).unwrap_or(1).saturating_sub(1);
        let text = lines.get(line).copied().unwrap_or_default();
        let found = INVISIBLE.iter().find(|(char, _)| text.contains(*char));
        if let Some((char, name)) = found {
            let code = u32::from(*char);
            self.message
                .push_str(&format!("; the line has {name} (U+{code:04X}) in it"));
        }
    }
}

/// The beginning of a text, on one line, to show what is meant.
pub(crate) fn excerpt(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let mut words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((at, _)) = words.char_indices().nth(CHARS_MAX) {
        words.truncate(at);
        words.push('…');
    }
    words
}
