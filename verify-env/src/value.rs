//! One value against what is demanded of it. No message holds any part of the value.

use std::ffi::OsStr;
use std::num::{IntErrorKind, ParseIntError};
use std::path::Path;

use contract::Check;
use secrets::{Asks, ValueOf, names_secret, perhaps_placeholder, placeholder, placeholder_in_url};
use settings::file::{PathKind, VariableKind, VariableRule};
use settings::{Ambient, Target, Variables, target};

use crate::demand::Demand;
use crate::ordinary::is_ordinary;
use crate::{
    PATH_PRESENT, VALUE_ALLOWED, VALUE_CLEAN, VALUE_FORMED, VALUE_REPLACED, VALUES_DISTINCT,
};

/// What is wrong with a value.
pub(crate) struct Fault {
    pub(crate) message: String,
    /// What it should be, from the reviewed file.
    pub(crate) expected: Option<String>,
    /// Whether it may as well be meant.
    pub(crate) doubtful: bool,
}

fn fault(message: impl Into<String>) -> Fault {
    Fault {
        message: message.into(),
        expected: None,
        doubtful: false,
    }
}

fn doubt(message: impl Into<String>) -> Fault {
    Fault {
        doubtful: true,
        ..fault(message)
    }
}

fn against(message: impl Into<String>, expected: impl Into<String>) -> Fault {
    Fault {
        expected: Some(expected.into()),
        ..fault(message)
    }
}

/// Every check that applies to a value that is set, with what it found.
pub(crate) fn judge(
    demand: &Demand<'_>,
    value: &OsStr,
    variables: &Variables,
) -> Vec<(&'static Check, Vec<Fault>)> {
    let rule = &demand.rule;
    let mut findings = Vec::new();
    if rule.kind == VariableKind::Path {
        let base = variables.folder(demand.name).unwrap_or(Path::new(""));
        let found = present(&base.join(value), rule.must_exist);
        findings.push((&PATH_PRESENT, found.into_iter().collect()));
    }
    let Some(text) = value.to_str() else {
        if rule.kind != VariableKind::Path {
            findings.push((&VALUE_FORMED, vec![fault("not UTF-8")]));
        }
        return findings;
    };
    let formed = form(rule.kind, text, variables);
    let is_formed = formed.is_ok();
    if !matches!(
        rule.kind,
        VariableKind::String | VariableKind::Secret | VariableKind::Path
    ) {
        let faults = formed.err().map(fault).into_iter().collect();
        findings.push((&VALUE_FORMED, faults));
    }
    // The limits of a value that is not of its kind mean nothing.
    if is_formed && let Some(faults) = limits(demand, text) {
        findings.push((&VALUE_ALLOWED, faults));
    }
    let listed = rule.one_of.iter().flatten().any(|one| one == text);
    if !listed && let Some(found) = unreplaced(demand, text) {
        findings.push((&VALUE_REPLACED, found.into_iter().collect()));
    }
    if let Some(other) = &rule.must_differ_from
        && let Some(other_value) = variables.get(other).filter(|value| !value.is_empty())
    {
        let found = same(rule.kind, text, other_value, variables)
            .map(|how| fault(format!("{how} {other}")));
        findings.push((&VALUES_DISTINCT, found.into_iter().collect()));
    }
    // Reported only if it is so: it is nobody's demand.
    if let Some(found) = unclean(text) {
        findings.push((&VALUE_CLEAN, vec![found]));
    }
    findings
}

fn present(path: &Path, kind: Option<PathKind>) -> Option<Fault> {
    match (std::fs::metadata(path), kind) {
        (Err(error), _) if error.kind() == std::io::ErrorKind::NotFound => {
            Some(fault("nothing is there"))
        }
        (Err(_), _) => Some(fault("it can't be looked at")),
        (Ok(found), Some(PathKind::File)) if !found.is_file() => {
            Some(against("not a file", "a file"))
        }
        (Ok(found), Some(PathKind::Dir)) if !found.is_dir() => {
            Some(against("not a folder", "a folder"))
        }
        _ => None,
    }
}

/// Whether a text is of its kind; if not, what is wrong.
fn form(kind: VariableKind, text: &str, variables: &Variables) -> Result<(), String> {
    if kind == VariableKind::Url {
        let ambient = Ambient::of_process(variables.clone());
        if let Some(read) = target::check_url(text, &ambient) {
            return read.map_err(|error| format!("not a usable database URL: {error}"));
        }
    }
    form_of_text(kind, text).map_err(str::to_owned)
}

fn form_of_text(kind: VariableKind, text: &str) -> Result<(), &'static str> {
    match kind {
        VariableKind::String | VariableKind::Secret | VariableKind::Path => Ok(()),
        VariableKind::Url => url(text),
        VariableKind::Integer => integer(text).map(|_| ()),
        VariableKind::Port if is_port(text) => Ok(()),
        VariableKind::Port => Err("not a port, which is a number from 1 to 65535, digits alone"),
        VariableKind::Boolean => {
            const WORDS: [&str; 8] = ["true", "false", "1", "0", "yes", "no", "on", "off"];
            match WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)) {
                true => Ok(()),
                false => Err("not a boolean: true, false, yes, no, on, off, 1 or 0"),
            }
        }
        VariableKind::Email => email(text),
    }
}

fn integer(text: &str) -> Result<i64, &'static str> {
    text.parse()
        .map_err(|error: ParseIntError| match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => {
                "out of range: an integer is from -2^63 to 2^63 - 1"
            }
            _ => "not a whole number",
        })
}

/// Digits alone: what takes a port takes no sign, and Rust's own parser takes a plus.
fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Schemes whose URLs need no `//`.
const OPAQUE: [&str; 6] = ["sqlite", "sqlite3", "file", "mailto", "urn", "data"];

/// Whether a text is a URL (RFC 3986, section 3; several hosts as databases have them).
fn url(text: &str) -> Result<(), &'static str> {
    let (scheme, rest) = text.split_once(':').ok_or("not a URL: it has no scheme")?;
    let starts = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    let continues = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if !starts || !scheme.chars().all(continues) {
        return Err("not a URL: it has no scheme");
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("not a URL: it has white space or control characters in it");
    }
    let family = family(scheme);
    // jdbc:postgresql://host/db is a URL inside a URL.
    if family == "jdbc" {
        return url(rest);
    }
    if OPAQUE.contains(&family.as_str()) {
        return match rest.trim_start_matches('/') {
            "" => Err("not a URL: nothing follows the scheme"),
            _ => Ok(()),
        };
    }
    let rest = rest
        .strip_prefix("//")
        .ok_or("not a URL: :// must follow the scheme")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if path.contains('@') && !authority.contains('@') {
        return Err(
            "not a URL: a password must be percent-encoded (%2F for /, %3F for ?, %23 for #)",
        );
    }
    let hosts = authority
        .rsplit_once('@')
        .map_or(authority, |(_, hosts)| hosts);
    if hosts.is_empty() && path.trim_start_matches('/').is_empty() {
        return Err("not a URL: it names no host");
    }
    if hosts.is_empty() && matches!(family.as_str(), "http" | "https") {
        return Err("not a URL: it names no host");
    }
    for host in hosts.split(',') {
        let port = match host.strip_prefix('[') {
            Some(bracketed) => {
                let (_, after) = bracketed
                    .split_once(']')
                    .ok_or("not a URL: a bracket of its host is not closed")?;
                after.strip_prefix(':')
            }
            None => host.split_once(':').map(|(_, port)| port),
        };
        if port.is_some_and(|port| !port.is_empty() && !is_port(port)) {
            return Err("not a URL: its port is no number from 1 to 65535");
        }
    }
    Ok(())
}

/// A scheme without its driver, and with one name for each database.
fn family(scheme: &str) -> String {
    let scheme = scheme.to_ascii_lowercase();
    match scheme.split('+').next().unwrap_or_default() {
        "postgresql" => "postgres".to_owned(),
        "sqlite3" => "sqlite".to_owned(),
        family => family.to_owned(),
    }
}

/// A mailbox of the common form; RFC 5322 allows more than any mail system does.
fn email(text: &str) -> Result<(), &'static str> {
    const NOT: &str = "not an e-mail address";
    let begins = text.split_once('<').map_or("", |(name, _)| name.trim());
    if !begins.is_empty() && text.ends_with('>') {
        return Err("not an e-mail address alone: a name stands before it, as in a string");
    }
    let (mailbox, domain) = text.rsplit_once('@').ok_or(NOT)?;
    let odd = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(
                c,
                '@' | '<' | '>' | '(' | ')' | ',' | ';' | ':' | '"' | '\\' | '[' | ']'
            )
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    let dots = mailbox.starts_with('.') || mailbox.ends_with('.') || mailbox.contains("..");
    let fits = (1..=64).contains(&mailbox.len()) && domain.len() <= 253;
    match fits
        && !dots
        && !mailbox.contains(odd)
        && domain.contains('.')
        && domain.split('.').all(label)
    {
        true => Ok(()),
        false => Err(NOT),
    }
}

/// What the limits of a rule find, or nothing if it sets none.
fn limits(demand: &Demand<'_>, text: &str) -> Option<Vec<Fault>> {
    let VariableRule {
        min_length,
        schemes,
        min,
        max,
        one_of,
        ..
    } = &demand.rule;
    let mut any = false;
    let mut faults = Vec::new();
    let mut limit = |broken: bool, fault: Fault| {
        any = true;
        if broken {
            faults.push(fault);
        }
    };
    if let Some(min_length) = min_length {
        let short = text.chars().take(*min_length as usize).count() < *min_length as usize;
        let expected = format!("{min_length} characters or more");
        limit(short, against("too short", expected));
    }
    if let (Some(schemes), Some((scheme, _))) = (schemes, text.trim().split_once(':')) {
        let found = family(scheme);
        let none = !schemes.iter().any(|one| family(one) == found);
        limit(none, against("another scheme", schemes.join(", ")));
    }
    if let (Some(min), Ok(number)) = (min, integer(text)) {
        limit(
            number < *min,
            against("too small", format!("{min} or more")),
        );
    }
    if let (Some(max), Ok(number)) = (max, integer(text)) {
        limit(
            number > *max,
            against("too large", format!("{max} or less")),
        );
    }
    if let Some(one_of) = one_of {
        let none = !one_of.iter().any(|one| one == text);
        limit(
            none,
            against("none of the values that will do", one_of.join(", ")),
        );
    }
    if let (Some(pattern), Some(source)) = (&demand.pattern, &demand.rule.pattern) {
        limit(
            !pattern.is_match(text),
            against("does not match the pattern", source),
        );
    }
    any.then_some(faults)
}

/// Whether a value was never put in; `None` where a value can't be a placeholder.
fn unreplaced(demand: &Demand<'_>, text: &str) -> Option<Option<Fault>> {
    let kind = demand.rule.kind;
    // 3000 and true are what an example and a deployment may well agree on.
    if matches!(
        kind,
        VariableKind::Integer | VariableKind::Port | VariableKind::Boolean
    ) {
        return None;
    }
    let may_stay =
        kind == VariableKind::Path || !demand.described && is_ordinary(demand.name, cleaned(text));
    if demand.example_value().map(cleaned) == Some(cleaned(text)) && !may_stay {
        return Some(Some(fault("left as the example has it")));
    }
    let of = match names_secret(demand.name) {
        _ if kind == VariableKind::Secret => ValueOf::Secret,
        Some(Asks::Surely) => ValueOf::Named,
        _ => ValueOf::Text,
    };
    let found = placeholder(text, of).or_else(|| {
        let parts = login_and_host(text);
        parts.into_iter().find_map(placeholder_in_url)
    });
    let doubtful = || match of {
        ValueOf::Text => perhaps_placeholder(text).map(doubt),
        _ => None,
    };
    Some(found.map(fault).or_else(doubtful))
}

/// User, password and hosts of a URL: where a placeholder hides in one.
fn login_and_host(text: &str) -> Vec<&str> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Vec::new();
    };
    // A database's URL has no fragment: there, # is a part of the password.
    let is_database = matches!(family(scheme.trim()).as_str(), "postgres" | "sqlite");
    let ends = |c: char| matches!(c, '/' | '?') || c == '#' && !is_database;
    let authority = rest.split(ends).next().unwrap_or_default();
    authority
        .split(['@', ':', ','])
        .filter(|part| !part.is_empty())
        .collect()
}

/// How a value is the same as another, if it is.
fn same(
    kind: VariableKind,
    text: &str,
    other: &OsStr,
    variables: &Variables,
) -> Option<&'static str> {
    if other.to_str().map(cleaned) == Some(cleaned(text)) {
        return Some("the same value as");
    }
    if kind != VariableKind::Url {
        return None;
    }
    let ambient = Ambient::of_process(variables.clone());
    let target = |text: &str| Target::parse_to_compare(text, Path::new(""), &ambient).ok();
    let one = target(text)?;
    let two = target(other.to_str()?)?;
    one.same_database(&two).then_some("the same database as")
}

/// A value without what somebody's shell, or a file's last newline, left around it.
fn cleaned(text: &str) -> &str {
    let text = text.trim();
    let unquoted = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    unquoted('"').or_else(|| unquoted('\'')).unwrap_or(text)
}

/// What somebody's shell, or a file's last newline, left around a value.
fn unclean(text: &str) -> Option<Fault> {
    if text.trim().len() != text.len() {
        return Some(fault("white space around the value"));
    }
    let quoted = |quote: char| text.len() >= 2 && text.starts_with(quote) && text.ends_with(quote);
    (quoted('"') || quoted('\'')).then(|| fault("quotes around the value are part of it"))
}
