//! Brackets in a value: what a deployment has to put in, and what an application fills in itself.

use crate::name::{Asks, names_secret};
use crate::placeholder::is_request;

/// Brackets in which something has to be put in, or an application's own template.
#[derive(Clone, Copy)]
pub(crate) struct Blank<'a> {
    pub(crate) kind: Kind,
    inner: &'a str,
    /// Whether nothing stands around it.
    is_whole: bool,
    /// What stands right before it.
    before: Option<char>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Angle,
    Square,
    Shell,
    Template,
    /// `${…}`, which shells, templates and applications all have.
    Dollar,
}

const BRACKETS: [(&str, &str, Kind); 6] = [
    ("<%", "%>", Kind::Template),
    ("<", ">", Kind::Angle),
    ("[", "]", Kind::Square),
    ("$(", ")", Kind::Shell),
    ("{{", "}}", Kind::Template),
    ("${", "}", Kind::Dollar),
];

pub(crate) fn blanks(value: &str) -> impl Iterator<Item = Blank<'_>> {
    BRACKETS.iter().flat_map(move |(open, close, kind)| {
        value.match_indices(open).filter_map(move |(at, _)| {
            let rest = &value[at + open.len()..];
            let length = rest.find(close)?;
            let ends = rest.len() == length + close.len();
            Some(Blank {
                kind: *kind,
                inner: rest[..length].trim(),
                is_whole: at == 0 && (ends || rest.ends_with(close)),
                before: value[..at].chars().next_back(),
            })
        })
    })
}

impl Blank<'_> {
    /// Whether something has to be put in here, for certain.
    pub(crate) fn is_unfilled(&self, value: &str, is_text: bool) -> bool {
        let Blank {
            inner, is_whole, ..
        } = *self;
        match self.kind {
            // `Shop <mail@example.org>`, `<https://example.org>`, `<b>bold</b>`, `<br/>`.
            Kind::Angle if is_address(inner) || value.contains("</") || inner.ends_with('/') => {
                false
            }
            Kind::Angle if is_whole => true,
            Kind::Angle => self.is_named() && (!is_text || asks(inner) || is_a_secret(inner)),
            // A JSON list is a value, and `[Shop]` begins the subject of a mail.
            Kind::Square => {
                is_whole
                    && !inner.contains(['"', ','])
                    && (!is_text || asks(inner) || is_a_secret(inner))
            }
            Kind::Shell => is_whole,
            Kind::Template if !is_text => is_whole,
            Kind::Template if is_whole => asks(inner) || is_a_secret(inner) || !is_name(inner),
            Kind::Template => is_from_outside(inner),
            Kind::Dollar if !is_text => is_whole || self.is_named(),
            Kind::Dollar if is_whole => asks(inner) || is_a_secret(inner),
            Kind::Dollar => asks(inner) && !value.contains(' '),
        }
    }

    /// Whether it may be that something has to be put in.
    pub(crate) fn is_doubtful(&self, value: &str) -> bool {
        let is_in_text = value.contains(' ') || value.contains("://");
        match self.kind {
            Kind::Angle => self.is_named() && !value.contains("</"),
            _ => self.is_whole || !is_in_text && is_a_secret(self.inner),
        }
    }

    /// Whether a name stands in it. A random secret may hold brackets, but hardly with a word between
    /// them, and hardly after what begins one.
    fn is_named(&self) -> bool {
        let letter = |c: char| c.is_ascii_alphabetic() || matches!(c, ' ' | '-' | '_');
        let begins = self.kind != Kind::Angle
            || matches!(self.before, Some(' ' | '-' | '_' | '=' | '/' | ':'));
        begins && self.inner.len() >= 3 && self.inner.chars().all(letter)
    }
}

/// `mail@example.org`, `https://example.org`.
fn is_address(inner: &str) -> bool {
    let parts = inner.split_once('@').or_else(|| inner.split_once("://"));
    parts.is_some_and(|(one, other)| {
        let begins = |part: &str| part.starts_with(|c: char| c.is_alphanumeric());
        begins(one) && begins(other) && !inner.contains(char::is_whitespace)
    })
}

/// The name that a blank begins with, without what follows it: `NAME` of `NAME:-default`.
fn name_of(inner: &str) -> &str {
    inner.split([':', '|', '?', ' ']).next().unwrap_or(inner)
}

/// Whether a blank asks somebody: `your key`, `NAME`, `secrets.KEY`.
fn asks(inner: &str) -> bool {
    let name = name_of(inner);
    let is_variable = name.len() >= 2
        && name.contains(|c: char| c.is_ascii_uppercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    is_request(inner, false) || is_variable || is_from_outside(inner)
}

/// What a deployment fills in: `secrets.KEY`, `.Values.host`.
fn is_from_outside(inner: &str) -> bool {
    const ROOTS: [&str; 14] = [
        "secrets", "secret", "env", "vars", "vault", "values", "release", "chart", "inputs",
        "github", "var", "local", "ansible", "process",
    ];
    let name = inner.trim_start_matches(['.', '$', '=', '-', ' ']);
    let root = name.split(['.', '[', '(', '/', ' ', '\'', '"']).next();
    let root = root.filter(|root| name.len() > root.len());
    root.is_some_and(|root| ROOTS.iter().any(|known| root.eq_ignore_ascii_case(known)))
}

fn is_a_secret(inner: &str) -> bool {
    names_secret(name_of(inner)) == Some(Asks::Surely)
}

/// `name`, `order.id`, `#if paid`: what an application's template has in its brackets.
fn is_name(inner: &str) -> bool {
    let inner = inner.trim_matches(['{', '}']);
    !inner.is_empty()
        && inner
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '#' | '/' | ' ' | '|'))
}
