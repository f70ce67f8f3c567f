use sqlite3_parser::ast;

use crate::act::Name;

/// A table's name as SQLite compares it: without regard to ASCII case, `main` said or not.
pub(super) fn table(name: &ast::QualifiedName) -> Name {
    Name {
        schema: name
            .db_name
            .as_ref()
            .map(column)
            .filter(|schema| schema != "main"),
        name: column(&name.name),
    }
}

/// Any name, without quotes and in lower case.
pub(super) fn column(name: &ast::Name) -> String {
    unquoted(name.0)
}

pub(super) fn unquoted(text: &str) -> String {
    let mut chars = text.chars();
    let inner = match (chars.next(), chars.next_back()) {
        (Some('['), Some(']')) => chars.as_str().to_owned(),
        (Some(quote @ ('"' | '`' | '\'')), Some(end)) if quote == end => {
            let doubled: String = [quote, quote].iter().collect();
            chars
                .as_str()
                .replace(&doubled, quote.encode_utf8(&mut [0; 4]))
        }
        _ => text.to_owned(),
    };
    inner.to_ascii_lowercase()
}
