//! Stored SQL as tokens: what of a text counts when it is compared.

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

/// The text as it compares: comments and white space dropped, keywords and names in lower case
/// (SQLite compares names so, quoted or not), quotes around simple names dropped. Strings stay.
pub(crate) fn canonical(sql: &str) -> String {
    let Some(tokens) = tokens(sql) else {
        return sql.split_whitespace().collect::<Vec<_>>().join(" ");
    };
    let canonical: Vec<_> = tokens
        .iter()
        .map(|token| match unquoted(token.text) {
            Some(name) => shown_name(&name).to_ascii_lowercase(),
            None if token.text.starts_with('\'') => token.text.to_owned(),
            None => token.text.to_ascii_lowercase(),
        })
        .collect();
    canonical.join(" ")
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
        assert_eq!(canonical(one) == canonical(other), same, "{one} | {other}");
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
}
