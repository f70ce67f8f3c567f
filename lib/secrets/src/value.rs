//! Values that are no secret although their name asks for one: references, templates, paths, words.

use crate::file_name::Form;
use crate::name::{Asks, names_secret};
use crate::placeholder::{ValueOf, placeholder};

/// Words that say that there is no value, or of which kind it is.
const WORDS: [&str; 30] = [
    "true",
    "false",
    "yes",
    "no",
    "on",
    "off",
    "null",
    "none",
    "nil",
    "undefined",
    "undef",
    "~",
    "-",
    "optional",
    "required",
    "prompt",
    "ask",
    "string",
    "str",
    "text",
    "bytes",
    "number",
    "integer",
    "int",
    "bool",
    "boolean",
    "any",
    "object",
    "auto",
    "unset",
];

/// How a reference to a value that is kept elsewhere begins.
const ELSEWHERE: [&str; 34] = [
    "env:",
    "env.",
    "env(",
    "env[",
    "env/",
    "$env:",
    "os.",
    "process.",
    "system.",
    "import.meta",
    "deno.env",
    "file:",
    "file(",
    "lookup(",
    "data.",
    "var.",
    "local.",
    "module.",
    "secrets.",
    "secret://",
    "vault:",
    "vault/",
    "op://",
    "ref+",
    "ssm:",
    "ssm://",
    "sops:",
    "akv:",
    "arn:aws:secretsmanager:",
    "arn:aws:ssm:",
    "@microsoft.keyvault(",
    "keyvault:",
    "projects/",
    "enc[",
];

/// Whether a value stands for another, or for none. `quoted` says that it stands in quotes.
pub(crate) fn stands_for_another(value: &str, quoted: bool, form: Form) -> bool {
    let value = value.trim();
    let lower = value.to_lowercase();
    if value.is_empty()
        || WORDS.contains(&lower.as_str())
        || placeholder(value, ValueOf::Named).is_some()
    {
        return true;
    }
    if ELSEWHERE.iter().any(|begin| lower.starts_with(begin)) || lower.starts_with("enc(") {
        return true;
    }
    if is_template(value) || is_path(value) || is_plain_url(&lower) || is_variable_name(value) {
        return true;
    }
    if quoted {
        return false;
    }
    // An expression, a list, an alias, a tag: nothing of it is text.
    let number = || value.bytes().all(|byte| byte.is_ascii_digit());
    match form {
        Form::Code => true,
        Form::Quoted => !number(),
        Form::Plain | Form::Example => {
            value.starts_with(['{', '[', '(', '*', '&', '|', '>', '#', '`'])
                || value.starts_with('!')
                    && value[1..].starts_with(|c: char| c.is_ascii_alphabetic())
                || is_call(value)
        }
    }
}

/// `${NAME}`, `$NAME`, `$(…)`, `%NAME%`, `%(name)s`, `{{ … }}`, `{name}`, `#{…}`, `<%= … %>`, `@name@`,
/// `:name`, and values that begin with one.
fn is_template(value: &str) -> bool {
    let name = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | ':' | ' '))
    };
    let between = |open: &str, close: &str| {
        let inner = value
            .strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close));
        inner.is_some_and(name)
    };
    let variable = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let opened = ["${", "$(", "{{", "{%", "<%", "#{", "%(", "%{", "$[[", "__"];
    opened
        .iter()
        .any(|open| value.starts_with(open) && *open != "__")
        || value.strip_prefix('$').is_some_and(variable)
        || value.strip_prefix("$$").is_some_and(variable)
        || between("%", "%")
        || between("{", "}")
        || between("@", "@")
        || between("__", "__")
        || value.starts_with("{cipher}")
        || matches!(value, "%s" | "%v" | "%@" | "?" | "{}" | "{0}")
}

/// `/run/secrets/db`, `./key.pem`, `~/.ssh/id`, `C:\keys\key`. A secret may begin with a slash too.
fn is_path(value: &str) -> bool {
    let drive = value.as_bytes().get(1..3) == Some(b":\\")
        && value.starts_with(|c: char| c.is_ascii_alphabetic());
    let starts = ["/", "./", "../", "~/"]
        .iter()
        .any(|start| value.starts_with(start));
    let plain = |c: char| {
        c.is_alphanumeric() || matches!(c, '/' | '\\' | ':' | '.' | '_' | '-' | '~' | '@' | ' ')
    };
    let mut parts = value
        .split(['/', '\\', '.'])
        .filter(|part| !part.is_empty());
    let several = parts.clone().count() >= 2;
    (starts || drive) && several && value.chars().all(plain) && !parts.any(is_random)
}

/// A web address: what is secret in one is found as a URL's password.
fn is_plain_url(lower: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|begin| lower.starts_with(begin))
}

/// `DB_PASSWORD`: the name of a variable that asks for a secret itself.
fn is_variable_name(value: &str) -> bool {
    value.contains('_')
        && value
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
        && names_secret(value) == Some(Asks::Surely)
}

/// `getSecret("name")`, `config.get(…)`.
fn is_call(value: &str) -> bool {
    value.split_once('(').is_some_and(|(name, _)| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':'))
    })
}

/// Long, with capitals, small letters and digits in it, as what a generator made.
pub fn is_random(part: &str) -> bool {
    part.len() >= 16
        && part.contains(|c: char| c.is_ascii_uppercase())
        && part.contains(|c: char| c.is_ascii_lowercase())
        && part.contains(|c: char| c.is_ascii_digit())
}
