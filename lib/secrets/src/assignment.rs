//! Names that ask for a secret, and the value that a text gives them: in variables, INI, TOML, YAML,
//! JSON, XML, properties, connection strings and code.

use crate::Kind;
use crate::file_name::Form;
use crate::name::{Asks, names_secret};
use crate::token::base64;
use crate::value::{is_random, stands_for_another};

/// How far behind a name its value may stand.
const NEAR_BYTES: usize = 400;

/// Functions that give a name a value, or a value in its stead.
const GIVE: [&str; 10] = [
    "define",
    "env",
    "getenv",
    "get",
    "set",
    "setenv",
    "putenv",
    "setproperty",
    "put",
    "config",
];

/// Calls `add` with the place and kind of each.
pub(crate) fn find(text: &str, form: Form, add: &mut dyn FnMut(usize, Kind)) {
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric() || c == '_') else {
            return;
        };
        let begin = at + start;
        let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let end = text[begin..]
            .find(|c| !word(c))
            .map_or(text.len(), |end| begin + end);
        at = end;
        let name = text[begin..end].trim_end_matches(['-', '.']);
        let asks = names_secret(name);
        let place = Place {
            text,
            begin,
            end: begin + name.len(),
            form,
        };
        if asks.is_some_and(|asks| place.is_given(asks)) {
            add(begin, Kind::Assigned);
        } else if place.is_login(name) {
            add(begin, Kind::Credentials);
        }
    }
}

/// A name in a text.
struct Place<'a> {
    text: &'a str,
    begin: usize,
    end: usize,
    form: Form,
}

/// A value as it stands there.
struct Value<'a> {
    text: &'a str,
    quoted: bool,
}

impl<'a> Place<'a> {
    fn is_given(&self, asks: Asks) -> bool {
        let Some(value) = self.value() else {
            return false;
        };
        // A sentence, not a setting.
        let prose = !value.quoted
            && value.text.trim().contains(' ')
            && (self.is_in_comment() || self.line_before().split_whitespace().count() >= 3);
        !prose
            && !stands_for_another(value.text, value.quoted, self.form)
            && (asks == Asks::Surely || is_random(value.text.trim()))
    }

    fn is_login(&self, name: &str) -> bool {
        match name.to_ascii_lowercase().as_str() {
            "auth" => self.is_docker_login(),
            "authorization" => self.is_header(),
            _ => false,
        }
    }

    /// `"auth": "dXNlcjpwYXNzd29yZA=="`.
    fn is_docker_login(&self) -> bool {
        self.value().is_some_and(|value| {
            let decoded = base64(value.text.trim().as_bytes()).unwrap_or_default();
            let text = String::from_utf8(decoded).unwrap_or_default();
            let login = text.split_once(':');
            login.is_some_and(|(user, password)| !user.is_empty() && password.len() >= 3)
                && text.chars().all(|c| !c.is_control())
        })
    }

    /// `Authorization: Bearer …`.
    fn is_header(&self) -> bool {
        self.value().is_some_and(|value| {
            let mut words = value.text.split_whitespace();
            let scheme = words.next().unwrap_or_default().to_lowercase();
            let known = ["basic", "bearer", "token", "apikey"].contains(&scheme.as_str());
            let given = words
                .next()
                .unwrap_or_default()
                .trim_end_matches(['"', '\'', ',']);
            known && given.len() >= 8 && !stands_for_another(given, true, self.form)
        })
    }

    fn before(&self) -> &'a str {
        &self.text[..self.begin]
    }

    fn after(&self) -> &'a str {
        &self.text[self.end..]
    }

    fn is_in_comment(&self) -> bool {
        let line = self.line_before().trim_start();
        ["#", ";", "//", "--", "*", "/*", "<!--"]
            .iter()
            .any(|begin| line.starts_with(begin))
    }

    fn value(&self) -> Option<Value<'a>> {
        let before = self.before().trim_end_matches('\\');
        let after = self.after();
        if before.ends_with('/') && after.trim_start().starts_with('>') {
            return None;
        }
        if before.ends_with('<') || element_of_a_namespace(before) {
            return element(after);
        }
        let unescaped = after.strip_prefix('\\').unwrap_or(after);
        let quote = unescaped
            .chars()
            .next()
            .filter(|c| matches!(c, '"' | '\'' | '`'));
        let Some(quote) = quote else {
            // A key in brackets, a colon of Ruby's, an optional member.
            let after = after.trim_start_matches([']', ')', '?']);
            return self
                .assigned(after)
                .or_else(|| self.named_above(after))
                .or_else(|| self.directive(after));
        };
        let behind = &unescaped[1..];
        if let Some(value) = self.named(before, quote, behind) {
            return Some(value);
        }
        let behind = behind.trim_start_matches([']', ' ', '\t']);
        if let Some(value) = self.assigned(behind) {
            return Some(value);
        }
        // define('NAME', 'value')
        let opened = before.strip_suffix(quote)?.trim_end();
        let function = opened.strip_suffix('(')?;
        let name = function.len()
            - function
                .trim_end_matches(|c: char| c.is_ascii_alphanumeric())
                .len();
        let function = function[function.len() - name..].to_ascii_lowercase();
        let value = behind.strip_prefix(',')?.trim_start();
        (GIVE.contains(&function.as_str()))
            .then(|| quoted(value))
            .flatten()
    }

    /// `<add key="password" value="…"/>`, `{"name": "PASSWORD", "value": "…"}`, `<entry
    /// key="password">…</entry>`, `- name: PASSWORD` and `value: …` below it.
    fn named(&self, before: &'a str, quote: char, behind: &'a str) -> Option<Value<'a>> {
        let key = before.strip_suffix(quote)?;
        let key = key.trim_end_matches(['\\', ' ', '\t']);
        let key = key.strip_suffix('=').or_else(|| key.strip_suffix(':'))?;
        let key = key.trim_end_matches(['"', '\'', '\\', ' ', '\t']);
        let is_key = ["name", "key", "id", "variable", "property"]
            .iter()
            .any(|name| key.to_ascii_lowercase().ends_with(name));
        if !is_key {
            return None;
        }
        beside(behind).or_else(|| {
            let element = behind.trim_start().strip_prefix('>')?;
            inside(element)
        })
    }

    /// What follows an operator.
    fn assigned(&self, after: &'a str) -> Option<Value<'a>> {
        let rest = after.trim_start_matches([' ', '\t']);
        let mut rest = ["=>", ":=", "?=", "+=", "=", ":"]
            .iter()
            .find_map(|operator| rest.strip_prefix(operator))?;
        // A comparison, a path of Rust's or C++'s, a URL's scheme.
        if rest.starts_with(['=', ':', '~']) || rest.starts_with("//") {
            return None;
        }
        rest = rest.trim_start_matches([' ', '\t']);
        // In JSON the value may stand on the next line.
        let next = rest.trim_start();
        if rest.starts_with(['\n', '\r']) && next.starts_with(['"', '\'']) && !names_next(next) {
            rest = next;
        }
        // YAML's text of several lines.
        if let Some(block) = rest.strip_prefix(['|', '>']) {
            let block = block.trim_start_matches(['-', '+', ' ', '1', '2', '3', '4']);
            if block.starts_with(['\n', '\r']) {
                return bare(block.trim_start()).filter(|value| !value.text.contains(": "));
            }
        }
        if let Some(value) = quoted(rest) {
            return Some(value);
        }
        let value = bare(rest)?;
        // `password: str = "…"`, `val password: String = "…"`.
        if let Some(given) = behind_a_type(rest) {
            return quoted(given.trim_start());
        }
        Some(value)
    }

    /// `private_key "…";` and `requirepass …`.
    fn directive(&self, after: &'a str) -> Option<Value<'a>> {
        if !self.line_before().trim_start().is_empty() {
            return None;
        }
        let rest = after
            .strip_prefix([' ', '\t'])?
            .trim_start_matches([' ', '\t']);
        let name = self.text[self.begin..self.end].to_ascii_lowercase();
        if matches!(name.as_str(), "requirepass" | "masterauth") {
            return bare(rest);
        }
        let (value, behind) = quoted_and_rest(rest)?;
        let behind = behind.trim_start_matches([';', ' ', '\t']);
        (behind.is_empty() || behind.starts_with(['\n', '\r'])).then_some(value)
    }

    /// `- name: PASSWORD` and `value: …` on the next line.
    fn named_above(&self, after: &'a str) -> Option<Value<'a>> {
        let key = self.line_before().trim_end();
        if !["name:", "key:"].iter().any(|name| key.ends_with(name)) {
            return None;
        }
        let given = after.trim_start().strip_prefix("value:")?;
        let given = given.trim_start_matches([' ', '\t']);
        quoted(given).or_else(|| bare(given))
    }

    fn line_before(&self) -> &'a str {
        let before = self.before();
        &before[before.rfind(['\n', '\r']).map_or(0, |end| end + 1)..]
    }
}

/// Whether what stands in quotes is a name itself: `"a": "b"`.
fn names_next(text: &str) -> bool {
    quoted_and_rest(text).is_some_and(|(_, behind)| behind.trim_start().starts_with(':'))
}

fn element_of_a_namespace(before: &str) -> bool {
    let prefix = before.strip_suffix(':');
    prefix.is_some_and(|prefix| {
        let name = prefix.trim_end_matches(|c: char| c.is_ascii_alphanumeric());
        name.len() < prefix.len() && name.ends_with('<')
    })
}

/// The text of `<password …>text</password>`, from behind the name on.
fn element(after: &str) -> Option<Value<'_>> {
    let end = after.find(['>', '<'])?;
    let tag = &after[..end];
    if !after[end..].starts_with('>') || tag.ends_with('/') || end > NEAR_BYTES {
        return None;
    }
    inside(&after[end + 1..])
}

/// The text up to the next tag.
fn inside(text: &str) -> Option<Value<'_>> {
    if let Some(data) = text.trim_start().strip_prefix("<![CDATA[") {
        let end = data.find("]]>")?;
        return Some(Value {
            text: &data[..end],
            quoted: true,
        });
    }
    if let Some(value) = text
        .trim_start()
        .strip_prefix("<value>")
        .or_else(|| text.trim_start().strip_prefix("<string>"))
    {
        return inside(value);
    }
    // A word in angle brackets is no element unless one is closed.
    let end = text
        .find('<')
        .filter(|end| text[*end..].starts_with("</"))?;
    Some(Value {
        text: text[..end].trim(),
        quoted: true,
    })
}

/// The value of a member `value` beside a name.
fn beside(behind: &str) -> Option<Value<'_>> {
    let mut end = behind.len().min(NEAR_BYTES);
    while !behind.is_char_boundary(end) {
        end -= 1;
    }
    let near = &behind[..end];
    // Not beyond the tag or the object that the name stands in.
    let near = &near[..near.find(['>', '}']).unwrap_or(near.len())];
    let at = near.to_ascii_lowercase().find("value")?;
    let rest = behind[at + "value".len()..].trim_start_matches(['\\', '"', '\'', ' ', '\t']);
    let rest = rest.strip_prefix(['=', ':'])?.trim_start();
    quoted(rest).or_else(|| bare(rest))
}

/// What stands in quotes.
fn quoted(text: &str) -> Option<Value<'_>> {
    quoted_and_rest(text).map(|(value, _)| value)
}

/// What stands in quotes, and what follows it.
fn quoted_and_rest(text: &str) -> Option<(Value<'_>, &str)> {
    let value = |text| Value { text, quoted: true };
    let text = text.trim_start_matches("!!str ");
    // JSON in a string: \"password\":\"…\".
    if let Some(rest) = text.strip_prefix("\\\"") {
        let end = rest.find("\\\"")?;
        return Some((value(&rest[..end]), &rest[end + 2..]));
    }
    let text = match text.as_bytes() {
        [b'r' | b'b' | b'f' | b'u' | b'@' | b'$', b'"' | b'\'', ..] => &text[1..],
        _ => text,
    };
    for quote in ["\"\"\"", "'''"] {
        if let Some(rest) = text.strip_prefix(quote) {
            let end = rest.find(quote)?;
            return Some((value(&rest[..end]), &rest[end + quote.len()..]));
        }
    }
    let quote = text
        .chars()
        .next()
        .filter(|c| matches!(c, '"' | '\'' | '`'))?;
    let rest = &text[1..];
    let mut escaped = false;
    for (at, c) in rest.char_indices() {
        match c {
            _ if c == quote && !escaped => {
                return Some((value(&rest[..at]), &rest[at + 1..]));
            }
            '\n' | '\r' => return None,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    None
}

/// What stands without quotes, to the end of the line or of the connection string.
fn bare(text: &str) -> Option<Value<'_>> {
    let end = text
        .find(['\n', '\r', ';', '&', '"', '\'', '`', '<'])
        .unwrap_or(text.len());
    let mut value = &text[..end];
    if let Some(comment) = value.find(" #") {
        value = &value[..comment];
    }
    let value = value.trim().trim_end_matches([',', '}', ']', ')']);
    Some(Value {
        text: value,
        quoted: false,
    })
}

/// What follows a type, where the text is one and `= value` behind it.
fn behind_a_type(text: &str) -> Option<&str> {
    const TYPES: [&str; 9] = [
        "str",
        "string",
        "optional",
        "option<",
        "&str",
        "&'static str",
        "bytes",
        "secretstr",
        "std::string",
    ];
    let end = text.find(['\n', '\r', '='])?;
    let kind = text[..end].trim().to_ascii_lowercase();
    let given = text[end..].strip_prefix('=')?;
    (TYPES.iter().any(|known| kind.starts_with(known)) && !given.starts_with('=')).then_some(given)
}
