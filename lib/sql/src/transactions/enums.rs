//! PostgreSQL: values of enums that are added and used in one transaction.
//!
//! The server refuses a new value until it is committed (`ALTER TYPE`, "Notes"). Whether a text is
//! one of the enum's values, only the server tells: any literal that says the same counts, unless it
//! is cast to a type of text or compared with what is, or stands where labels are only named.

use crate::Dialect::Postgres;
use crate::act::What;
use crate::lex::{Class, Lexeme, lex};
use crate::script::{Kind, Statement};

use super::Trouble;

/// A value that was added.
pub(super) struct Added {
    ty: String,
    value: String,
    line: u32,
    /// Functions whose code names the value: nothing looks at it before they run.
    carriers: Vec<String>,
    /// Whether a trigger runs one of them.
    triggered: bool,
}

impl Added {
    pub(super) fn used(&self, is_own: bool) -> Trouble {
        Trouble::EnumValueUsed {
            ty: self.ty.clone(),
            value: self.value.clone(),
            added: self.line,
            is_own,
        }
    }

    /// Follows a statement that keeps code, or calls the value by another name.
    pub(super) fn follow(&mut self, statement: &Statement, sql: &str) {
        let text = &sql[statement.range.clone()];
        for act in &statement.acts {
            match &act.what {
                What::CreateRoutine { name, .. }
                    if is_kept(statement, text) && names(text, &self.value, 0) =>
                {
                    self.carriers.push(name.name.clone());
                }
                What::RenameEnumValue { from, to } if *from == self.value => {
                    self.value.clone_from(to);
                }
                What::CreateTrigger { body, .. } => {
                    let carries = |what: &What| matches!(what, What::Call(name) if self.carriers.contains(&name.name));
                    self.triggered |= body.iter().any(|act| carries(&act.what));
                }
                _ => (),
            }
        }
    }

    fn is_used(&self, statement: &Statement, text: &str) -> bool {
        if self.triggered && statement.kind == Kind::Data {
            return true;
        }
        let calls =
            |what: &What| matches!(what, What::Call(name) if self.carriers.contains(&name.name));
        if statement.acts.iter().any(|act| calls(&act.what)) {
            return true;
        }
        !is_kept(statement, text) && names(text, &self.value, 0)
    }
}

/// The values that a statement adds.
pub(super) fn added(statement: &Statement) -> impl Iterator<Item = Added> {
    statement.acts.iter().filter_map(|act| match &act.what {
        What::AddEnumValue { ty, value } => Some(Added {
            ty: ty.to_string(),
            value: value.clone(),
            line: act.line,
            carriers: Vec::new(),
            triggered: false,
        }),
        _ => None,
    })
}

/// Which of the values a statement uses first: its place among them.
pub(super) fn used<'a>(
    mut added: impl Iterator<Item = &'a Added>,
    statement: &Statement,
    sql: &str,
) -> Option<usize> {
    let text = &sql[statement.range.clone()];
    if only_names(text) {
        return None;
    }
    added.position(|value| value.is_used(statement, text))
}

/// Whether a statement keeps code that the server looks at when it runs: PL/pgSQL, unlike SQL.
fn is_kept(statement: &Statement, text: &str) -> bool {
    let creates = |what: &What| matches!(what, What::CreateRoutine { .. });
    statement.acts.iter().any(|act| creates(&act.what))
        && lex(Postgres, text).tokens().any(|token| {
            let name = token.text(text).trim_matches(['\'', '"']);
            name.eq_ignore_ascii_case("plpgsql")
        })
}

/// Whether a statement names labels and uses none: of a type, or as a comment.
fn only_names(text: &str) -> bool {
    let lexed = lex(Postgres, text);
    let mut words = lexed.tokens().map(|token| token.text(text));
    let (first, second) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let is = |text: &str, word: &str| text.eq_ignore_ascii_case(word);
    is(first, "comment") || is(second, "type") && (is(first, "alter") || is(first, "create"))
}

/// Whether a text has a literal that is the value, itself or in code that it quotes.
fn names(text: &str, value: &str, depth: usize) -> bool {
    /// Code in strings in strings: nobody writes more.
    const DEPTH_MAX: usize = 8;
    let lexed = lex(Postgres, text);
    let tokens: Vec<&Lexeme> = lexed.tokens().collect();
    let quoted = format!("'{}'", value.replace('\'', "''"));
    let word = |at: Option<usize>, words: &[&str]| {
        let token = at.and_then(|at| tokens.get(at));
        token.is_some_and(|token| {
            let text = token.text(text);
            words.iter().any(|word| text.eq_ignore_ascii_case(word))
        })
    };
    tokens.iter().enumerate().any(|(at, token)| {
        if token.class == Class::Word {
            // They give all of the values, whether or not one of them is named.
            return word(Some(at), &["enum_range", "enum_first", "enum_last"]);
        }
        if token.class != Class::Other {
            return false;
        }
        let Some(said) = said(token.text(text)) else {
            return false;
        };
        if said == value {
            let before = at.checked_sub(1);
            let labels = word(before, &["value", "exists", "after", "before"]);
            let catalog = word(before, &["="]) && word(at.checked_sub(2), &["enumlabel"]);
            // A text may become a value all the same, by a second cast.
            let cast = word(Some(at + 1), &["::", "as"])
                && word(Some(at + 2), TEXTS)
                && !word(Some(at + 3), &["::"])
                && !word(Some(at + 4), &["::"]);
            let compared = !word(Some(at + 1), &["::"]) && {
                let listed = |token: &&Lexeme| {
                    let text = token.text(text);
                    text == "," || text.starts_with('\'')
                };
                let list = tokens[..at]
                    .iter()
                    .rev()
                    .take_while(|token| listed(token))
                    .count();
                let open = (at - list).checked_sub(1);
                let back = |steps: usize| open.and_then(|open| open.checked_sub(steps));
                let left = if word(open, &["("]) && word(back(1), &["in"]) {
                    back(if word(back(2), &["not"]) { 3 } else { 2 })
                } else if list == 0 && word(before, &["=", "<>", "!="]) {
                    back(1)
                } else {
                    None
                };
                word(left, TEXTS) && word(left.and_then(|left| left.checked_sub(1)), &["::"])
            };
            return !(labels || catalog || cast || compared);
        }
        said.contains(&quoted) && (depth >= DEPTH_MAX || names(&said, value, depth + 1))
    })
}

const TEXTS: &[&str] = &["text", "varchar", "character", "char", "name", "citext"];

/// What a string says. None if the token is none.
fn said(token: &str) -> Option<String> {
    if let Some(rest) = token.strip_prefix('$') {
        let (tag, rest) = rest.split_once('$')?;
        let end = rest.len().checked_sub(tag.len() + 2)?;
        return Some(rest.get(..end)?.to_owned());
    }
    let (_, rest) = token.split_once('\'')?;
    if token.starts_with('"') {
        return None;
    }
    Some(rest.strip_suffix('\'').unwrap_or(rest).replace("''", "'"))
}
