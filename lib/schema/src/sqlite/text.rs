//! Stored SQL as tokens: what of a text counts when it is compared.

use std::collections::BTreeSet;

use sqlite3_parser::lexer::Scanner;
use sqlite3_parser::lexer::sql::Tokenizer;

/// One token and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'s> {
    pub(super) text: &'s str,
    start: usize,
    end: usize,
}

impl Token<'_> {
    /// Whether it is this keyword or punctuation; a quoted name never is.
    pub(super) fn is(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }

    /// The name that it is, without its quotes.
    pub(super) fn name(&self) -> String {
        unquoted(self.text).unwrap_or_else(|| match string_content(self.text) {
            // SQLite takes a string where only a name can stand.
            Some(content) => content,
            None => self.text.to_owned(),
        })
    }
}

/// The tokens without comments and white space, or nothing if the text can't be read to its end.
pub(super) fn tokens(sql: &str) -> Option<Vec<Token<'_>>> {
    let mut scanner = Scanner::new(Tokenizer::new());
    let mut tokens = Vec::new();
    loop {
        // The token itself lacks some marks (of blobs, of variables); the positions have them.
        let (start, token, end) = scanner.scan(sql.as_bytes()).ok()?;
        if token.is_none() {
            return Some(tokens);
        }
        let text = sql.get(start..end)?;
        tokens.push(Token { text, start, end });
    }
}

/// Words after which a name comes, never a string.
const BEFORE_NAMES: [&str; 17] = [
    ".",
    "AS",
    "COLLATE",
    "CONSTRAINT",
    "EXISTS",
    "FROM",
    "INDEX",
    "INTO",
    "JOIN",
    "ON",
    "REFERENCES",
    "SAVEPOINT",
    "TABLE",
    "TRIGGER",
    "UPDATE",
    "VIEW",
    "WITH",
];

/// Bare words that are values of their own as a default.
const VALUES: [&str; 6] = [
    "NULL",
    "TRUE",
    "FALSE",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
];

/// The text as it compares: comments and white space dropped, keywords and names in lower case
/// (SQLite compares names so, quoted or not), quotes around simple names dropped. Strings stay.
///
/// SQLite takes what stands in double quotes for a string where nothing has that name. It does so
/// here where it is none of `names` (in lower case), the text has no such word elsewhere, and what
/// stands beside it asks for no name.
pub(crate) fn canonical(sql: &str, names: &BTreeSet<String>) -> String {
    let Some(mut tokens) = tokens(sql) else {
        return sql.split_whitespace().collect::<Vec<_>>().join(" ");
    };
    // Of a trigger: SQLite knows no other ones.
    while let Some(at) = tokens
        .windows(3)
        .position(|three| three[0].is("FOR") && three[1].is("EACH") && three[2].is("ROW"))
    {
        tokens.drain(at..at + 3);
    }
    let is_name = |at: usize, name: &str| {
        let beside = |at: Option<usize>| at.and_then(|at| tokens.get(at));
        let before = beside(at.checked_sub(1));
        let after = beside(Some(at + 1));
        !tokens[at].text.starts_with('"')
            || names.contains(&name.to_ascii_lowercase())
            || tokens.iter().any(|token| token.is(name))
            || before.is_some_and(|token| BEFORE_NAMES.iter().any(|word| token.is(word)))
            || before.is_some_and(|token| token.is(")"))
            || after.is_some_and(|token| token.is(".") || token.is("AS"))
            || tokens
                .iter()
                .zip(tokens.iter().skip(1))
                .any(|(word, alias)| {
                    word.is("AS") && unquoted(alias.text).is_some_and(|alias| alias == name)
                })
    };
    let canonical = tokens
        .iter()
        .enumerate()
        .map(|(at, token)| match unquoted(token.text) {
            Some(name) if is_name(at, &name) => shown_name(&name).to_ascii_lowercase(),
            Some(string) => literal(&string),
            None if token.text.starts_with('\'') => token.text.to_owned(),
            None => token.text.to_ascii_lowercase(),
        });
    canonical.collect::<Vec<_>>().join(" ")
}

/// A column's default as it compares. No name can stand there: a word or what is in double quotes is
/// a string.
pub(crate) fn canonical_default(sql: &str) -> String {
    match tokens(sql).as_deref() {
        Some([word]) => {
            let first = word.text.chars().next().unwrap_or_default();
            let bare = first.is_alphabetic() || first == '_';
            let blob = word.text.ends_with('\'');
            match unquoted(word.text) {
                Some(string) => literal(&string),
                None if bare && !blob && !VALUES.iter().any(|value| word.is(value)) => {
                    literal(word.text)
                }
                None => canonical(sql, &BTreeSet::new()),
            }
        }
        _ => canonical(sql, &BTreeSet::new()),
    }
}

fn literal(string: &str) -> String {
    format!("'{}'", string.replace('\'', "''"))
}

/// The tokens as they stand in the text, every run of white space and comments as one space.
pub(super) fn tidy(tokens: &[Token<'_>]) -> String {
    let mut text = String::new();
    let mut end = None;
    for token in tokens {
        if end.is_some_and(|end| end != token.start) {
            text.push(' ');
        }
        text.push_str(token.text);
        end = Some(token.end);
    }
    text
}

/// A name as it stands in the definitions that this crate writes.
pub(super) fn shown_name(name: &str) -> String {
    let simple = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.is_empty()
        && name.chars().all(simple)
        && !name.starts_with(|c: char| c.is_ascii_digit())
    {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The index of the parenthesis that closes the one at `open`.
pub(super) fn closing(tokens: &[Token<'_>], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" => depth += 1,
            ")" => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// The parts between the commas that stand in no further parenthesis.
pub(super) fn by_commas<'t, 's>(tokens: &'t [Token<'s>]) -> Vec<&'t [Token<'s>]> {
    let mut depth = 0_usize;
    tokens
        .split(|token| {
            match token.text {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && token.text == ","
        })
        .collect()
}

fn unquoted(token: &str) -> Option<String> {
    let content = |open: char, close: char| token.strip_prefix(open)?.strip_suffix(close);
    if let Some(name) = content('"', '"') {
        return Some(name.replace("\"\"", "\""));
    }
    if let Some(name) = content('`', '`') {
        return Some(name.replace("``", "`"));
    }
    content('[', ']').map(str::to_owned)
}

fn string_content(token: &str) -> Option<String> {
    let content = token.strip_prefix('\'')?.strip_suffix('\'')?;
    Some(content.replace("''", "'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_same(one: &str, other: &str, same: bool) {
        let names = ["a", "b", "a b", "order", "status"]
            .map(str::to_owned)
            .into();
        let (one_canonical, other_canonical) = (canonical(one, &names), canonical(other, &names));
        assert_eq!(
            one_canonical == other_canonical,
            same,
            "{one_canonical} | {other_canonical}"
        );
    }

    #[test]
    fn only_what_counts_differs() {
        check_same("a>0 AND b", "A > 0 /* x */ and\n\"b\" -- y", true);
        check_same("[a b]", "`A B`", true);
        check_same("\"order\"", "order", true);
        check_same("x = 'A'", "x = 'a'", false);
        check_same("x = 'A'", "x = 'A '", false);
        check_same("X'AB'", "x'ab'", true);
        check_same("\"a b\"", "a b", false);
        check_same("a<>b", "a < > b", false);
        check_same("?1", "1", false);
        check_same("'unfinished", "'unfinished ", true);
    }

    #[test]
    fn what_is_in_double_quotes_and_names_nothing_is_a_string() {
        check_same(
            "a IN (\"Draft\", \"Sent\")",
            "a in (\"draft\", \"sent\")",
            false,
        );
        check_same("a = \"Draft\"", "a = 'Draft'", true);
        check_same("\"Status\" = 1", "status = 1", true);
        check_same("[Draft] = 1", "draft = 1", true);
        check_same(
            "SELECT a AS \"Total\" ORDER BY \"Total\"",
            "select a as total order by total",
            true,
        );
        check_same(
            "SELECT count(*) \"Total\" ORDER BY 1",
            "SELECT count(*) total ORDER BY 1",
            true,
        );
        check_same("SELECT \"X\".a FROM b x", "SELECT x.a FROM b X", true);
        check_same(
            "WITH \"C\" AS (SELECT 1) SELECT * FROM \"C\"",
            "WITH c AS (SELECT 1) SELECT * FROM c",
            true,
        );
        check_same("COLLATE \"NoCase\"", "COLLATE nocase", true);
        check_same(
            "CREATE TRIGGER \"Tr\" AFTER INSERT ON a FOR EACH ROW BEGIN SELECT 1; END",
            "CREATE TRIGGER tr AFTER INSERT ON A BEGIN SELECT 1; END",
            true,
        );
    }

    #[test]
    fn a_default_that_is_a_word_is_a_string() {
        for (one, other, same) in [
            ("Yes", "yes", false),
            ("\"X\"", "\"x\"", false),
            ("\"X\"", "'X'", true),
            ("Yes", "'Yes'", true),
            ("Current_Timestamp", "CURRENT_TIMESTAMP", true),
            ("NULL", "null", true),
            ("x'AB'", "X'ab'", true),
            ("(Lower('X'))", "(lower('X'))", true),
            ("-1", "- 1", true),
        ] {
            let equal = canonical_default(one) == canonical_default(other);
            assert_eq!(equal, same, "{one} | {other}");
        }
    }
}
