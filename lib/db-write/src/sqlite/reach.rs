//! What a file may do beside what its statements name.

use migrations::Migration;

/// What a file may do beside its statements' plain work. Looked for in the whole text: SQLite takes
/// a string for a name too.
pub(super) struct Reach {
    /// It can leave something behind in the session: a pragma, a temporary object.
    pub(super) session: bool,
    /// It can write the schema table, and only by that take an index or a trigger from a table that
    /// it does not name, or reach mark and ledger past the authorizer.
    pub(super) schema_table: bool,
}

impl Reach {
    pub(super) fn of(migration: &Migration) -> Reach {
        let text = migration.up.to_ascii_lowercase();
        let has = |word| has_word(&text, word);
        Reach {
            session: has("pragma") || has("temp") || has("temporary"),
            schema_table: has("writable_schema"),
        }
    }
}

/// Whether a text has a word, in whatever quotes and comments, but not as a part of another.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |byte: Option<&u8>| {
        byte.is_some_and(|byte| {
            byte.is_ascii_alphanumeric() || b"_$".contains(byte) || *byte >= 0x80
        })
    };
    let bytes = text.as_bytes();
    text.match_indices(word).any(|(at, _)| {
        !is_part(at.checked_sub(1).and_then(|before| bytes.get(before)))
            && !is_part(bytes.get(at + word.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::has_word;

    #[test]
    fn a_word_is_found_in_quotes_and_not_within_another() {
        for text in [
            "temp.t",
            "create temp table",
            "\"temp\"",
            "'temp'",
            "temp",
            "/*temp*/",
        ] {
            assert!(has_word(text, "temp"), "{text}");
        }
        for text in [
            "temperature",
            "attempt",
            "x_temp",
            "temp1",
            "témp",
            "étemp",
            "",
        ] {
            assert!(!has_word(text, "temp"), "{text}");
        }
    }
}
