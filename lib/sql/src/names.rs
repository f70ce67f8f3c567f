use std::collections::BTreeSet;

use crate::Dialect;
use crate::lex::{Class, lex};

/// Every word and quoted identifier of a script, in lower case and without its quotes: whatever the
/// script could mean when it names an object. Keywords are among them, comments and strings are not.
pub fn names(dialect: Dialect, sql: &str) -> BTreeSet<String> {
    lex(dialect, sql)
        .tokens()
        .filter_map(|token| match token.class {
            Class::Word => Some(token.text(sql).to_lowercase()),
            Class::Other => unquoted(token.text(sql)),
            _ => None,
        })
        .collect()
}

fn unquoted(text: &str) -> Option<String> {
    let inside = |open: char, close: char| {
        let inner = text.strip_prefix(open)?.strip_suffix(close)?;
        let doubled: String = [close, close].iter().collect();
        Some(inner.replace(&doubled, &close.to_string()).to_lowercase())
    };
    inside('"', '"')
        .or_else(|| inside('`', '`'))
        .or_else(|| inside('[', ']'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_however_it_is_quoted_and_a_string_is_none() {
        let found = names(
            Dialect::Sqlite,
            "-- old\nDROP TABLE \"My \"\"T\"\"\"; UPDATE [b c] SET `d` = 'text', E = 1;",
        );
        for name in ["my \"t\"", "b c", "d", "e"] {
            assert!(found.contains(name), "{name}");
        }
        for name in ["old", "text"] {
            assert!(!found.contains(name), "{name}");
        }
    }
}
