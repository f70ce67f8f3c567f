//! Values that stand for a value that somebody forgot to set.

use crate::blank::{Blank, Kind, blanks};

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

/// What a value is of, as far as it changes what can stand for it: a text that people read may hold
/// the application's own templates and any name, and a secret neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueOf {
    /// A secret that is declared as one: what everybody knows is none.
    Secret,
    /// A variable whose name asks for a secret, or a part of a URL.
    Named,
    /// Any other.
    Text,
}

const IN_BRACKETS: &str = "a placeholder in brackets, or a template that was not filled in";

/// What is a placeholder about a value, if it is one. The answer holds nothing of the value.
pub fn placeholder(value: &str, of: ValueOf) -> Option<&'static str> {
    let value = value.trim();
    let word = letters(value);
    let is_text = of == ValueOf::Text;
    if is_request(value, is_text) || WORDS.contains(&word.as_str()) && !(is_text && is_title(value))
    {
        return Some("a placeholder");
    }
    if value.len() >= 3 && is_one_character(value, is_text) {
        return Some("one character over and over");
    }
    // `sk_test_xxx`. A host may end in `.xxx`.
    let separators: &[char] = if is_text {
        &['_', '-']
    } else {
        &['_', '-', '.']
    };
    if value.rsplit(separators).next().is_some_and(is_crosses) {
        return Some("a placeholder");
    }
    if blanks(value).any(|blank| blank.is_unfilled(value, is_text)) {
        return Some(IN_BRACKETS);
    }
    let is_open = OPEN_SECRETS.contains(&word.as_str()) || value.starts_with("django-insecure-");
    (of == ValueOf::Secret && is_open).then_some("a secret that everybody knows")
}

/// What may be a placeholder about a text, and may as well be meant: a template of the application's
/// own, a name that is also a word for one.
pub fn perhaps_placeholder(value: &str) -> Option<&'static str> {
    let value = value.trim();
    if WORDS.contains(&letters(value).as_str()) {
        return Some("perhaps a placeholder");
    }
    let is_template = |blank: Blank<'_>| blank.kind != Kind::Square && blank.is_doubtful(value);
    blanks(value)
        .any(is_template)
        .then_some("perhaps a template that was not filled in")
}

/// What is a placeholder about a user, a host or a password inside a URL. Their names are people's
/// own: `todo` is a database and `my-app` a host.
pub fn placeholder_in_url(part: &str) -> Option<&'static str> {
    let is_name = part.eq_ignore_ascii_case("todo") || part.eq_ignore_ascii_case("test");
    placeholder(part, ValueOf::Named).filter(|_| !is_name)
}

fn letters(value: &str) -> String {
    let letters = value.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// `Todo`, one word as a name is written. A placeholder is in small letters or in capitals.
fn is_title(value: &str) -> bool {
    let mut letters = value.chars();
    letters.next().is_some_and(char::is_uppercase) && letters.all(char::is_lowercase)
}

/// `xxx`, three or more.
fn is_crosses(word: &str) -> bool {
    word.len() >= 3 && word.bytes().all(|byte| byte.eq_ignore_ascii_case(&b'x'))
}

/// What a request asks for.
const ASKED_FOR: [&str; 42] = [
    "key",
    "keys",
    "token",
    "tokens",
    "secret",
    "secrets",
    "password",
    "pass",
    "passphrase",
    "pin",
    "name",
    "id",
    "url",
    "uri",
    "host",
    "hostname",
    "server",
    "domain",
    "email",
    "mail",
    "address",
    "value",
    "values",
    "username",
    "user",
    "login",
    "account",
    "database",
    "db",
    "bucket",
    "region",
    "project",
    "company",
    "organization",
    "org",
    "app",
    "dsn",
    "port",
    "path",
    "string",
    "credentials",
    "here",
];

/// `your-api-key`, `YOUR_TOKEN_HERE`, `insert password here`. In a text, what is asked for has to be
/// a thing of computers: `Your Home Store` and `Replacement Parts` are shops.
pub(crate) fn is_request(value: &str, is_text: bool) -> bool {
    let lower = value.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
    let asked = |words: &[&str]| words.iter().any(|word| ASKED_FOR.contains(word));
    match words.as_slice() {
        ["changeme" | "replaceme", ..] => true,
        ["change" | "replace", "me" | "this" | "with", rest @ ..] => {
            const ON: [&str; 12] = [
                "to", "in", "before", "please", "now", "later", "with", "by", "for", "if", "on",
                "when",
            ];
            !is_text
                || rest
                    .first()
                    .is_none_or(|next| ON.contains(next) || is_number(next))
                || asked(rest)
        }
        ["your", .., last] => {
            let last = match words.iter().rev().find(|word| !is_number(word)) {
                Some(word) => word,
                None => last,
            };
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ' ');
            lower.len() <= 40
                && lower.chars().all(plain)
                && (!is_text || value.contains('_') || ASKED_FOR.contains(last))
        }
        [
            "insert" | "enter" | "put" | "add" | "paste",
            between @ ..,
            "here",
        ] => !is_text || asked(between) || between.contains(&"your") || value.contains('_'),
        [one] => {
            const ON: [&str; 5] = ["please", "now", "later", "before", "in"];
            let rest = one
                .strip_prefix("changeme")
                .or(one.strip_prefix("replaceme"));
            rest.is_some_and(|rest| {
                is_number(rest)
                    || ON.iter().any(|word| rest.starts_with(word))
                    || !is_text && !rest.starts_with("nt")
            })
        }
        _ => false,
    }
}

/// `xxx`, `********`, `...`; not digits, which are numbers. A text may be `www` or `---`.
fn is_one_character(value: &str, is_text: bool) -> bool {
    let mut chars = value.chars();
    match chars.next() {
        Some(first) if is_text && !matches!(first, 'x' | 'X' | '*' | '.' | '?' | '_') => false,
        Some(first) if !first.is_ascii_digit() => chars.all(|c| c.eq_ignore_ascii_case(&first)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{ValueOf, perhaps_placeholder, placeholder};

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
            for of in [ValueOf::Text, ValueOf::Named, ValueOf::Secret] {
                assert!(placeholder(value, of).is_some(), "{value} {of:?}");
            }
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
            assert_eq!(placeholder(value, ValueOf::Named), None, "{value}");
            assert_eq!(placeholder(value, ValueOf::Text), None, "{value}");
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
            assert!(placeholder(value, ValueOf::Secret).is_some(), "{value}");
        }
        assert_eq!(placeholder("secret", ValueOf::Text), None);
    }

    #[test]
    fn a_name_an_address_and_a_template_of_the_applications_own_are_text() {
        for value in [
            "Your Home Store",
            "your-style",
            "Replacement Parts",
            "Change Mentors",
            "ChangeMerchants",
            "Change This World",
            "Put It All In Here Ltd",
            "Insert Coin Here",
            "Todo",
            "Placeholder",
            "www",
            "---",
            "AAA",
            "shop.xxx",
            "Shop <mail@example.org>",
            "<mail@example.org>",
            "\"Your Home Store\" <your@store.org>",
            "<https://example.org>",
            "Hello <strong>you</strong>",
            "<b>Sale</b>",
            "one<br/>two",
            "[Shop]",
            "[Shop] ",
            "Dear {{name}},",
            "Order {{ order.id }} of ${customer}",
            "order-${id}",
            "INV-${year}-${number}",
            "Dear ${NAME}, hello",
            "https://cdn.example.org/{{id}}.png",
            "https://example.org/reset?token=${token}",
            "{{name}}",
            "{{ order.id }}",
            "${id}",
            "{{#if paid}}",
        ] {
            assert_eq!(placeholder(value, ValueOf::Text), None, "{value}");
        }
    }

    #[test]
    fn a_text_that_is_nothing_but_a_template_may_be_either() {
        for value in [
            "{{name}}",
            "${id}",
            "Todo",
            "https://cdn/<bucket>/x",
            "sk-${token}",
        ] {
            assert!(perhaps_placeholder(value).is_some(), "{value}");
        }
        for value in [
            "Shop <mail@example.org>",
            "Dear {{name}},",
            "order-${id}",
            "Your Home Store",
            "[Shop]",
        ] {
            assert_eq!(perhaps_placeholder(value), None, "{value}");
        }
    }

    #[test]
    fn what_a_deployment_fills_in_is_no_text_either() {
        for value in [
            "{{ .Values.host }}",
            "{{ env.HOST }}/x",
            "${{ vars.HOST }}",
            "{{ vault_password }}",
            "{{DB_HOST}}",
            "${DB_HOST:-localhost}",
            "${HOST}:6379",
            "<%= ENV['HOST'] %>",
            "[API_KEY]",
            "<name>",
            "your bucket name",
            "Change me please",
            "changeme-please",
            "changemeplease",
            "changeme-in-production",
            "replaceme123",
        ] {
            assert!(placeholder(value, ValueOf::Text).is_some(), "{value}");
        }
    }

    #[test]
    fn a_secret_is_no_template() {
        for value in [
            "{{name}}",
            "${id}",
            "Todo",
            "your-style",
            "aaaa",
            "[Shop]",
            "changemeplease",
        ] {
            assert!(placeholder(value, ValueOf::Named).is_some(), "{value}");
        }
    }
}
