//! Passwords in URLs and connection strings, and in the lines of password files.

use crate::Kind;
use crate::file_name::Form;
use crate::value::stands_for_another;

/// Calls `add` with the place and kind of each.
pub(crate) fn find(text: &str, add: &mut dyn FnMut(usize, Kind)) {
    urls(text, add);
    without_scheme(text, add);
    let mut at = 0;
    for line in text.split_inclusive(['\n', '\r']) {
        let content = line.trim();
        let from = at + (line.len() - line.trim_start().len());
        if let Some(kind) = password_line(content) {
            add(from, kind);
        }
        if content.contains("curl") && names_user(content) {
            add(from, Kind::Credentials);
        }
        at += line.len();
    }
    netrc(text, add);
}

/// What ends a URL or a connection string inside a text.
fn ends(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | '|')
}

fn is_secret(value: &str) -> bool {
    !stands_for_another(value, true, Form::Plain)
}

fn urls(text: &str, add: &mut dyn FnMut(usize, Kind)) {
    for (at, _) in text.match_indices("://") {
        let scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-');
        let before = text[..at].trim_end_matches(scheme);
        let scheme = &text[before.len()..at];
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let rest = &text[at + 3..];
        // Placeholders hold what ends a URL otherwise: <password>.
        let rest = &rest[..rest
            .find(|c| ends(c) && !matches!(c, '<' | '>'))
            .unwrap_or(rest.len())];
        let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
        let web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        let login = match authority.rsplit_once('@') {
            Some((login, _)) => login,
            // A password with a slash in it that nobody encoded; 5432/a@b is a port and a path.
            None if !web => match rest.rsplit_once('@') {
                Some((login, _)) if has_no_port(authority) => login,
                _ => continue,
            },
            None => continue,
        };
        if let Some((_, password)) = login.split_once(':')
            && is_secret(&decoded(password))
        {
            add(before.len(), Kind::Url);
        }
    }
}

fn has_no_port(authority: &str) -> bool {
    authority
        .split_once(':')
        .is_some_and(|(_, port)| port.bytes().any(|byte| !byte.is_ascii_digit()))
}

/// `%7B` and its like are read, so that an encoded placeholder is one.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        let hex = more.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = hex.and_then(|two| u8::from_str_radix(two, 16).ok());
        match byte.filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `user:password@tcp(host:3306)/db` of Go, `jdbc:oracle:thin:user/password@host`.
fn without_scheme(text: &str, add: &mut dyn FnMut(usize, Kind)) {
    for protocol in ["@tcp(", "@unix("] {
        for (at, _) in text.match_indices(protocol) {
            let login = &text[..at];
            let login = &login[login.rfind(ends).map_or(0, |end| end + 1)..];
            if let Some((_, password)) = login.split_once(':')
                && is_secret(password)
            {
                add(at - login.len(), Kind::ConnectionString);
            }
        }
    }
    for driver in [":oracle:thin:", ":oracle:oci:"] {
        for (at, _) in text.match_indices(driver) {
            let rest = &text[at + driver.len()..];
            let rest = &rest[..rest.find(ends).unwrap_or(rest.len())];
            let login = rest.split_once('@').map_or("", |(login, _)| login);
            if let Some((_, password)) = login.split_once('/')
                && is_secret(password)
            {
                add(at, Kind::ConnectionString);
            }
        }
    }
}

/// Whether a whole value is libpq's `key=value` string, or ADO.NET's, with a password in it.
pub(crate) fn is_keyword_string(value: &str) -> bool {
    let pairs = value
        .split([' ', ';'])
        .filter_map(|pair| pair.split_once('='));
    let mut names = pairs.map(|(name, value)| (name.trim().to_lowercase(), value));
    let is = |name: &str| matches!(name, "password" | "pwd" | "sslpassword");
    names.any(|(name, value)| is(&name) && !value.is_empty())
}

/// A line of a password file, whole.
fn password_line(line: &str) -> Option<Kind> {
    if line.starts_with(['#', ';']) {
        return None;
    }
    if let Some((user, hash)) = line.split_once(':')
        && !user.is_empty()
        && !user.contains(char::is_whitespace)
        && is_hash(hash.split(':').next().unwrap_or_default())
    {
        return Some(Kind::PasswordHash);
    }
    let fields = pgpass_fields(line)?;
    let [host, port, database, user, password] = fields.as_slice() else {
        return None;
    };
    let port_fits = port == "*" || port.parse::<u16>().is_ok_and(|port| port > 0);
    let plain = |field: &String| {
        !field.is_empty()
            && !field.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '/' | '{'))
    };
    (port_fits
        && [database, user].into_iter().all(plain)
        && !host.contains(' ')
        && is_secret(password))
    .then_some(Kind::PasswordLine(".pgpass"))
}

/// The fields of a line of `.pgpass`, where a backslash takes the meaning of a colon.
fn pgpass_fields(line: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ':' if fields.len() < 5 => fields.push(String::new()),
            '\\' => fields.last_mut()?.extend(chars.next()),
            c => fields.last_mut()?.push(c),
        }
    }
    (fields.len() == 5).then_some(fields)
}

/// As `crypt` and `htpasswd` write them.
fn is_hash(text: &str) -> bool {
    let schemes = [
        "$apr1$", "$1$", "$2a$", "$2b$", "$2y$", "$5$", "$6$", "$7$", "$y$", "$argon2", "{SHA}",
        "{SSHA}",
    ];
    text.len() >= 20
        && !text.contains(char::is_whitespace)
        && schemes.iter().any(|scheme| text.starts_with(scheme))
}

/// `curl -u name:password`.
fn names_user(line: &str) -> bool {
    let mut words = line.split_whitespace();
    while let Some(word) = words.next() {
        let login = match word {
            "-u" | "--user" => words.next(),
            _ => word
                .strip_prefix("--user=")
                .or(word.strip_prefix("-u").filter(|rest| !rest.is_empty())),
        };
        let login = login.map(|login| login.trim_matches(['"', '\'']));
        if let Some((_, password)) = login.and_then(|login| login.split_once(':'))
            && is_secret(password)
        {
            return true;
        }
    }
    false
}

/// `machine HOST login NAME password SECRET`, on one line or on several.
fn netrc(text: &str, add: &mut dyn FnMut(usize, Kind)) {
    let mut words = text.split_ascii_whitespace();
    // How many words ago a machine was named.
    let mut since = usize::MAX;
    while let Some(word) = words.next() {
        since = since.saturating_add(1);
        match word {
            "machine" | "default" => since = 0,
            "password" | "passwd" if since <= 8 => {
                if let Some(password) = words.next()
                    && is_secret(password)
                {
                    add(
                        password.as_ptr() as usize - text.as_ptr() as usize,
                        Kind::PasswordLine(".netrc"),
                    );
                }
            }
            _ => {}
        }
    }
}
