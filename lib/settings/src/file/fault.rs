//! What is wrong with a `lockstep.toml`, in words that name line, table and key, and no value.

use toml::de::{DeTable, DeValue};

use super::{SIZE_BYTES_MAX, values};
use crate::nearest::nearest;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Larger than a settings file can be.
    #[error("it is larger than {SIZE_BYTES_MAX} bytes")]
    TooLarge,
    /// At one place in its text.
    #[error("line {line}, column {column}: {message}")]
    At {
        /// The line, from 1.
        line: usize,
        /// The character in the line, from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
}

impl Fault {
    fn at(text: &str, offset: usize, message: String) -> Fault {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Fault::At {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message,
        }
    }
}

/// The file's bytes as text.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        Fault::at(&valid, valid.len(), "it is not UTF-8".to_owned())
    })
}

/// Says what the parser's error means. Its own text is used only where it can't hold a value of
/// the file, because a value may be a secret that should not be there.
pub(super) fn explain(text: &str, error: &toml::de::Error) -> Fault {
    let offset = error.span().map_or(0, |span| span.start);
    let message = error.message();
    let document = DeTable::parse(text);
    let place = document
        .as_ref()
        .ok()
        .and_then(|document| place(document.get_ref(), offset, &mut Vec::new()));
    let message = if let Some(rest) = message.strip_prefix("unknown field ") {
        unknown_key(rest, place.as_ref())
    } else if let Some(rest) = message.strip_prefix("unknown variant ") {
        unknown_word(rest, place.as_ref())
    } else if let Some(rest) = message.strip_prefix("missing field ") {
        let (name, _) = quoted(rest);
        format!("{} is missing{}", name, in_table(place.as_ref(), true))
    } else if let Some(rest) = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))
    {
        wrong_type(rest, place.as_ref())
    } else {
        match &place {
            Some(place) if document.is_ok() => format!("{place}: {message}"),
            _ => message.to_owned(),
        }
    };
    Fault::at(text, offset, message)
}

/// What is said of the key that a table has taken the place of.
const SCRATCH_MOVED: &str = "scratch in [schema] is the table [scratch] now; write in its place the \
                             two lines `[scratch]` and `server = { env = \"SCRATCH_URL\" }`, with \
                             the variable's own name, or `server = \"temporary\"`";

/// A key, and the table that it stands in.
struct Place {
    table: String,
    key: String,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.key)?;
        f.write_str(&in_table(Some(self), false))
    }
}

/// ` in [table]`, or nothing at the top; `whole` takes the key for the table.
fn in_table(place: Option<&Place>, whole: bool) -> String {
    match place {
        Some(Place { table, key }) if whole && table.is_empty() => format!(" in [{key}]"),
        Some(Place { table, key }) if whole => format!(" in [{table}.{key}]"),
        Some(Place { table, .. }) if !table.is_empty() => format!(" in [{table}]"),
        _ => String::new(),
    }
}

/// The innermost key whose own text or value is at `offset`.
fn place(table: &DeTable<'_>, offset: usize, path: &mut Vec<String>) -> Option<Place> {
    let holds = |span: std::ops::Range<usize>| span.contains(&offset) || span.start == offset;
    for (key, value) in table {
        let tables = inner_tables(value.get_ref());
        let name = match value.get_ref() {
            // As TOML writes it.
            DeValue::Array(_) if !tables.is_empty() => format!("[{}]", key.get_ref()),
            _ => key.get_ref().to_string(),
        };
        if holds(key.span()) {
            return Some(Place {
                table: path.join("."),
                key: name,
            });
        }
        path.push(name.clone());
        let inner = tables
            .into_iter()
            .find_map(|inner| place(inner, offset, path));
        path.pop();
        if inner.is_some() {
            return inner;
        }
        if holds(value.span()) {
            return Some(Place {
                table: path.join("."),
                key: name,
            });
        }
    }
    None
}

/// A table, or the tables of an array.
fn inner_tables<'t, 'v>(value: &'t DeValue<'v>) -> Vec<&'t DeTable<'v>> {
    let of_item = |value: &'t DeValue<'v>| match value {
        DeValue::Table(table) => Some(table),
        _ => None,
    };
    match value {
        DeValue::Array(items) => items
            .iter()
            .filter_map(|item| of_item(item.get_ref()))
            .collect(),
        value => of_item(value).into_iter().collect(),
    }
}

/// After "unknown field ": `` `databse`, expected one of `database`, `protected` ``.
fn unknown_key(rest: &str, place: Option<&Place>) -> String {
    let (typed, expected) = quoted(rest);
    let table = in_table(place, false);
    if typed == "scratch" && place.is_some_and(|place| place.table == "schema") {
        return SCRATCH_MOVED.to_owned();
    }
    match nearest(typed, names(expected)) {
        Some(known) => format!("unknown key \"{typed}\"{table}; did you mean \"{known}\"?"),
        None => {
            let known: Vec<&str> = names(expected).collect();
            format!(
                "unknown key \"{typed}\"{table}; known are {}",
                known.join(", ")
            )
        }
    }
}

/// After "unknown variant ", of a value; the value itself is shown only if it resembles a known
/// word.
fn unknown_word(rest: &str, place: Option<&Place>) -> String {
    let (typed, expected) = quoted(rest);
    let key = place.map_or_else(|| "the value".to_owned(), Place::to_string);
    match nearest(typed, names(expected)) {
        Some(known) => format!("unknown {key}: \"{typed}\"; did you mean \"{known}\"?"),
        None => {
            let known: Vec<&str> = names(expected).collect();
            format!("{key} must be one of {}", known.join(", "))
        }
    }
}

/// After "invalid type: ": `string "the value", expected a boolean`.
fn wrong_type(rest: &str, place: Option<&Place>) -> String {
    let key = place.map_or_else(|| "the value".to_owned(), Place::to_string);
    let (found, expected) = rest.rsplit_once(", expected ").unwrap_or((rest, ""));
    let found = match found.split([' ', '`', '"']).next().unwrap_or_default() {
        "string" | "character" => "a string",
        "integer" => "an integer",
        "floating" => "a floating-point number",
        "boolean" => "a boolean",
        "sequence" => "an array",
        "map" => "a table",
        _ => "something else",
    };
    let expected = match expected {
        "a map" => "a table",
        "a sequence" => "an array",
        "path string" => "a string",
        expected if expected.starts_with("struct ") => "a table",
        expected if expected.starts_with('"') => expected,
        expected if expected.starts_with("string or table") => "a string or a table",
        "i64" => "an integer",
        "u32" => "an integer that is not negative",
        expected => expected,
    };
    format!("{key} must be {expected}, and is {found}")
}

/// The text between the first two backticks, and what follows.
fn quoted(text: &str) -> (&str, &str) {
    let inside = text.strip_prefix('`').unwrap_or(text);
    inside.split_once('`').unwrap_or((inside, ""))
}

/// Every text between two backticks.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Refuses a URL with a password in any value of the file, whatever the key.
pub(super) fn refuse_passwords(text: &str) -> Result<(), Fault> {
    match DeTable::parse(text) {
        Ok(document) => refuse_in_table(text, document.get_ref()),
        Err(_) => Ok(()),
    }
}

fn refuse_in_table(text: &str, table: &DeTable<'_>) -> Result<(), Fault> {
    table
        .iter()
        .try_for_each(|(_, value)| refuse_in_value(text, value.get_ref(), value.span().start))
}

fn refuse_in_value(text: &str, value: &DeValue<'_>, offset: usize) -> Result<(), Fault> {
    match value {
        DeValue::Table(table) => refuse_in_table(text, table),
        DeValue::Array(array) => array
            .iter()
            .try_for_each(|value| refuse_in_value(text, value.get_ref(), value.span().start)),
        DeValue::String(value) if holds_login(value) => {
            Err(Fault::at(text, offset, values::PASSWORD.to_owned()))
        }
        _ => Ok(()),
    }
}

/// Whether a text has `://user:password@` in it.
fn holds_login(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let word = rest.split(char::is_whitespace).next().unwrap_or_default();
        let login = word.rsplit_once('@').map_or("", |(login, _)| login);
        login
            .split_once(':')
            .is_some_and(|(_, password)| !password.is_empty())
    })
}
