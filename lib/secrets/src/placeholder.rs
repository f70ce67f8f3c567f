//! Values that stand for a value that somebody forgot to set.

/// Words that are a placeholder as a whole value. Compared without case and punctuation.
const WORDS: [&str; 19] = [
    "changeme",
    "changethis",
    "changeit",
    "changemenow",
    "pleasechange",
    "pleasechangeme",
    "replaceme",
    "replacethis",
    "replace",
    "placeholder",
    "fillme",
    "fillmein",
    "setme",
    "fixme",
    "todo",
    "tbd",
    "undefined",
    "objectobject",
    "redacted",
];

/// What is no secret to anybody. Compared like [`WORDS`], for secrets alone.
const OPEN_SECRETS: [&str; 21] = [
    "null",
    "none",
    "nil",
    "admin",
    "letmein",
    "qwerty",
    "password1",
    "password123",
    "123456",
    "12345678",
    "secret",
    "secretkey",
    "supersecret",
    "mysecret",
    "password",
    "default",
    "dummy",
    "example",
    "insecure",
    "test",
    "keyboardcat",
];

/// What is a placeholder about a value, if it is one. The answer holds nothing of the value.
pub fn placeholder(value: &str, secret: bool) -> Option<&'static str> {
    let value = value.trim();
    let word: String = value
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    let asks = word.starts_with("changeme") || word.starts_with("replaceme");
    if asks || WORDS.contains(&word.as_str()) || is_request(value) {
        return Some("a placeholder");
    }
    if value.len() >= 3 && is_one_character(value) {
        return Some("one character over and over");
    }
    // `sk_test_xxx`.
    if value.rsplit(['_', '-', '.']).next().is_some_and(is_crosses) {
        return Some("a placeholder");
    }
    if has_blank(value) {
        return Some("a placeholder in brackets, or a template that was not filled in");
    }
    let brackets = [
        ("<", ">"),
        ("${", "}"),
        ("{{", "}}"),
        ("$(", ")"),
        ("[", "]"),
    ];
    let bracketed = |(open, close): &(&str, &str)| {
        value.starts_with(open)
            && value.ends_with(close)
            // A JSON list is a value.
            && !(*open == "[" && value.contains(['"', ',']))
    };
    if brackets.iter().any(bracketed) {
        return Some("a placeholder in brackets, or a template that was not filled in");
    }
    if secret && (OPEN_SECRETS.contains(&word.as_str()) || value.starts_with("django-insecure-")) {
        return Some("a secret that everybody knows");
    }
    None
}

/// What is a placeholder about a user, a host or a password inside a URL. Their names are people's
/// own: `todo` is a database and `my-app` a host.
pub fn placeholder_in_url(part: &str) -> Option<&'static str> {
    let is_name = part.eq_ignore_ascii_case("todo") || part.eq_ignore_ascii_case("test");
    placeholder(part, false).filter(|_| !is_name)
}

/// `xxx`, three or more.
fn is_crosses(word: &str) -> bool {
    word.len() >= 3 && word.bytes().all(|byte| byte.eq_ignore_ascii_case(&b'x'))
}

/// `sk-<your key>`, `Bearer <token>`, `https://${HOST}/`: brackets with a name in them, inside a
/// value. A random secret may hold brackets, but hardly with a word between them that begins one.
fn has_blank(value: &str) -> bool {
    let named = |open: &str, close: char| {
        value.split(open).skip(1).any(|rest| {
            rest.split_once(close).is_some_and(|(name, _)| {
                name.len() >= 3
                    && name
                        .chars()
                        .all(|c| c.is_ascii_alphabetic() || matches!(c, ' ' | '-' | '_'))
            })
        })
    };
    let bracketed = [" <", "-<", "_<", "=<", "/<", ":<"]
        .iter()
        .any(|open| named(open, '>'));
    bracketed || named("${", '}')
}

/// `your-api-key`, `YOUR_TOKEN_HERE`, `insert password here`.
fn is_request(value: &str) -> bool {
    let lower = value.to_lowercase();
    let mut words = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    match words.next() {
        Some("your") => {
            lower.split(['-', '_', ' ']).count() > 1
                && lower.len() <= 40
                && lower
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ' '))
        }
        Some("insert" | "enter" | "put" | "add" | "paste") => words.next_back() == Some("here"),
        Some("change" | "replace") => matches!(words.next(), Some("me" | "this" | "with")),
        _ => false,
    }
}

/// `xxx`, `********`, `...`; not digits, which are numbers.
fn is_one_character(value: &str) -> bool {
    let mut chars = value.chars();
    match chars.next() {
        Some(first) if !first.is_ascii_digit() => chars.all(|c| c.eq_ignore_ascii_case(&first)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::placeholder;

    #[test]
    fn what_stands_for_a_value_is_found() {
        for value in [
            "changeme",
            "CHANGE_ME",
            "Change-Me!",
            "change_this_to_a_secret",
            "xxx",
            "XXXXXXXX",
            "****",
            "...",
            "<your key>",
            "${DB_PASSWORD}",
            "{{ secrets.KEY }}",
            "$(cat key)",
            "[your key]",
            "your-api-key",
            "YOUR_SECRET_KEY_HERE",
            "insert password here",
            "TODO",
            "undefined",
            "[object Object]",
            "replace-me",
            " changeme\n",
            "changeme123",
            "your-256-bit-secret",
            "YOUR_API_KEY_123",
            "sk_test_xxx",
            "sk-<your key>",
            "Bearer <token>",
            "https://${HOST}/x",
        ] {
            assert!(placeholder(value, false).is_some(), "{value}");
        }
    }

    #[test]
    fn a_value_is_left_alone() {
        for value in [
            "true",
            "0",
            "000",
            "11111111",
            "app",
            "production",
            "localhost",
            "https://x.org",
            "your2Fw9!k_x",
            "x",
            "no",
            "[\"a\",\"b\"]",
            "[1,2]",
            "change",
            "yourapp.com",
            "-",
            "todo-app",
            "postgres://u@h/d",
            "mydb",
            "address",
            "exchangeme",
            "my-app",
            "my_database",
            "index",
            "a<b>c",
            "9<xyz>2",
            "app-prod-xx",
            "null",
        ] {
            assert_eq!(placeholder(value, false), None, "{value}");
        }
    }

    #[test]
    fn what_everybody_knows_is_no_secret() {
        for value in [
            "secret",
            "Password",
            "password123",
            "none",
            "keyboard cat",
            "django-insecure-8f2k",
        ] {
            assert!(placeholder(value, true).is_some(), "{value}");
        }
        assert_eq!(placeholder("secret", false), None);
    }
}
