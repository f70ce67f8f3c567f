//! Text that must never be printed.
//!
//! Passwords live in types that can't be formatted; this is the net beneath them, for the text of
//! drivers, helper programs and panics. Everything that the contract writes passes [`redact`].

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stands in the place of a secret.
pub const MASK: &str = "[redacted]";

/// Every form of every secret. [`redact`] holds the lock for a copy of the pointer only: several
/// threads redact at once, and a panic in the midst of one of them redacts too.
static SECRETS: LazyLock<Mutex<Arc<[String]>>> = LazyLock::new(Mutex::default);

/// Shortest secret that is searched for inside words; a shorter one is part of many a word, and
/// each masked word would tell a letter of it.
const SHORTEST_INSIDE_WORDS: usize = 8;

/// Makes [`redact`] mask `secret`, as it is, percent-encoded, and percent-decoded. `public` are
/// names that results show (user, database, host): a password equal to one of them is not masked,
/// because a masked name would tell which name the password is.
pub fn register(secret: &str, public: &[&str]) {
    if secret.is_empty() || public.contains(&secret) {
        return;
    }
    let encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let lower = encoded.to_lowercase();
    let decoded = percent_decode_str(secret).decode_utf8_lossy().into_owned();
    let debug = format!("{secret:?}");
    let escaped = debug.trim_matches('"').to_owned();
    let mut current = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut secrets = current.to_vec();
    for form in [secret.to_owned(), encoded, lower, decoded, escaped] {
        if !form.is_empty() && !secrets.contains(&form) {
            secrets.push(form);
        }
    }
    // The longest first, so that a secret that contains another is masked whole.
    secrets.sort_by_key(|form| std::cmp::Reverse(form.len()));
    *current = secrets.into();
}

/// Registers an argument that looks as if it held a password, however it is written: before it is
/// known what it is, or that it is nothing, a message may repeat it. A target without a password, a
/// file's name and an option pass.
pub(crate) fn register_argument(arg: &str) {
    let lower = arg.to_ascii_lowercase();
    if lower.starts_with("sqlite:") || lower.starts_with("file:") {
        return;
    }
    let authority = arg.split_once("://").map_or(arg, |(_, rest)| rest);
    // `user:password@host`, also where a scheme is left out or its slashes are.
    let login = authority
        .rsplit_once('@')
        .is_some_and(|(login, _)| login.contains(':'));
    let setting = ["password", "passwd", "pwd"].iter().any(|key| {
        lower
            .split(key)
            .skip(1)
            .any(|rest| rest.trim_start().starts_with('='))
    });
    if login || setting {
        register(arg, &[]);
    }
}

/// `text` with every registered secret masked, and with whatever stands where a URL or a
/// `password=` setting has its password, registered or not.
pub fn redact(text: &str) -> String {
    mask(text, replace_word)
}

/// As [`redact`], for what a program states in a form of its own: a time, a digest, an identifier,
/// a path. A short secret is left there: `2026` is part of a time and not told by it, and programs
/// compare what they read.
pub(crate) fn redact_fact(text: &str) -> String {
    mask(text, |text, _| text.to_owned())
}

fn mask(text: &str, short: fn(&str, &str) -> String) -> String {
    // Most text has neither, and every line that is printed comes through here.
    let mut text = if text.contains("://") {
        mask_urls(text)
    } else {
        text.to_owned()
    };
    let is_key = |word: &[u8]| word.eq_ignore_ascii_case(KEY.as_bytes());
    if text.as_bytes().windows(KEY.len()).any(is_key) {
        text = mask_settings(&text);
    }
    let secrets = Arc::clone(&SECRETS.lock().unwrap_or_else(PoisonError::into_inner));
    for secret in secrets.iter() {
        if secret.len() >= SHORTEST_INSIDE_WORDS {
            text = text.replace(secret.as_str(), MASK);
        } else {
            text = short(&text, secret);
        }
    }
    text
}

fn replace_word(text: &str, word: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let before = rest[..at].chars().next_back();
        let after = rest[at + word.len()..].chars().next();
        let inside = |side: Option<char>| side.is_some_and(|c| c.is_alphanumeric() || c == '_');
        masked.push_str(&rest[..at]);
        masked.push_str(if inside(before) || inside(after) {
            word
        } else {
            MASK
        });
        rest = &rest[at + word.len()..];
    }
    masked.push_str(rest);
    masked
}

/// Masks what stands between `://` and the last `@` of the same word, but for a user name that a
/// colon ends. A password may hold `@`, `/` and `:` when a person forgot to encode it.
fn mask_urls(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + 3);
        masked.push_str(head);
        let end = tail.find(char::is_whitespace).unwrap_or(tail.len());
        let word = &tail[..end];
        match word.rfind('@') {
            Some(last) => {
                if let Some(colon) = word[..last].find(':') {
                    masked.push_str(&word[..colon]);
                    masked.push(':');
                    masked.push_str(MASK);
                } else {
                    masked.push_str(&word[..last]);
                }
                masked.push_str(&word[last..]);
            }
            None => masked.push_str(word),
        }
        rest = &tail[end..];
    }
    masked.push_str(rest);
    masked
}

/// What names a password in a setting; `sslpassword` ends in it.
const KEY: &str = "password";

/// Masks the value after `password=`, in libpq's key/value form and in a URL's query.
fn mask_settings(text: &str) -> String {
    // Lower-casing ASCII keeps every place where it is.
    let lower = text.to_ascii_lowercase();
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = lower[text.len() - rest.len()..].find(KEY) {
        let (head, tail) = rest.split_at(at + KEY.len());
        masked.push_str(head);
        let value = tail.trim_start_matches(' ');
        let Some(value) = value.strip_prefix('=') else {
            rest = tail;
            continue;
        };
        let value = value.trim_start_matches(' ');
        masked.push('=');
        masked.push_str(MASK);
        let end = match value.strip_prefix('\'') {
            Some(quoted) => end_of_quoted(quoted) + 1,
            None => value
                .find(|c: char| c.is_whitespace() || c == '&')
                .unwrap_or(value.len()),
        };
        rest = &value[end..];
    }
    masked.push_str(rest);
    masked
}

/// Where a single-quoted libpq value ends, its closing quote included; a backslash escapes.
fn end_of_quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registered_secret_is_masked_in_every_form() {
        register("p@ss/w0rd", &[]);
        for text in ["p@ss/w0rd", "p%40ss%2Fw0rd", "p%40ss%2fw0rd"] {
            let masked = redact(&format!("authentication with {text} failed"));
            assert_eq!(masked, "authentication with [redacted] failed");
        }
    }

    #[test]
    fn threads_that_redact_at_once_lose_no_text() {
        register("seen-by-all", &[]);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        assert_eq!(redact("seen-by-all is wrong"), "[redacted] is wrong");
                    }
                });
            }
        });
    }

    #[test]
    fn an_argument_that_may_hold_a_password_is_masked_whole() {
        for arg in [
            "postgres://u:hunter 2a@h/db",
            "mysql:u:hunter2b@h",
            "u:hunter2c@h",
            "host=h passwd=hunter2d",
            "host=h PWD = hunter2e",
        ] {
            register_argument(arg);
            assert_eq!(redact(&format!("'{arg}' found")), "'[redacted]' found");
        }
        for arg in [
            "sqlite:/srv/a:b@c.db",
            "postgres://app@db:5432/shop",
            "a@b",
            "--wait=30s",
            "passwords.txt",
        ] {
            register_argument(arg);
            assert_eq!(redact(arg), arg);
        }
    }

    #[test]
    fn a_short_secret_in_a_fact_is_no_secret() {
        register("2031", &[]);
        assert_eq!(redact_fact("2031-01-01T00:00:00Z"), "2031-01-01T00:00:00Z");
        assert_eq!(redact("it is 2031"), "it is [redacted]");
    }

    #[test]
    fn a_short_secret_is_masked_as_a_word_only() {
        register("zq", &[]);
        assert_eq!(redact("the zq of zqar"), "the [redacted] of zqar");
    }

    #[test]
    fn a_password_that_is_a_shown_name_is_left() {
        register("appuser", &["appuser"]);
        assert_eq!(redact("role appuser"), "role appuser");
    }

    #[test]
    fn urls_and_settings_lose_their_password_unregistered() {
        for (text, expected) in [
            (
                "postgres://u:a@b/c:d@host/db",
                "postgres://u:[redacted]@host/db",
            ),
            ("x postgres://u@host/db y", "x postgres://u@host/db y"),
            (
                "host=h password=abc user=u",
                "host=h password=[redacted] user=u",
            ),
            (
                "host=h password = 'a b\\'c' user=u",
                "host=h password=[redacted] user=u",
            ),
            (
                "postgres://h/db?password=abc&x=1",
                "postgres://h/db?password=[redacted]&x=1",
            ),
            (
                "password authentication failed",
                "password authentication failed",
            ),
            (
                "sslPassword=abc PASSWORD=é",
                "sslPassword=[redacted] PASSWORD=[redacted]",
            ),
        ] {
            assert_eq!(redact(text), expected);
        }
    }
}
