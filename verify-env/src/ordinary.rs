//! Values of an example that a deployment may well have too, told from the value where no kind is
//! declared: a number, a word for yes or no, a path.

use secrets::{is_random, names_secret};

/// Whether the value that an example has for a variable may stay as it is.
pub(crate) fn is_ordinary(name: &str, value: &str) -> bool {
    is_yes_or_no(value) || is_number(value) && names_secret(name).is_none() || is_path(name, value)
}

fn is_yes_or_no(value: &str) -> bool {
    ["true", "false", "yes", "no", "on", "off"]
        .iter()
        .any(|word| value.eq_ignore_ascii_case(word))
}

fn is_number(value: &str) -> bool {
    value.parse::<i64>().is_ok()
}

/// `/var/lib/app`, `./data`, `~/app.db`. A secret may begin with a slash too: where the name asks
/// for one, only a file's name with an extension tells a path from it.
fn is_path(name: &str, value: &str) -> bool {
    let starts = ["/", "./", "../", "~/"]
        .iter()
        .any(|start| value.starts_with(start));
    if !starts {
        return matches!(value, "." | "..");
    }
    let is_plain =
        |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '~' | '@' | ' ');
    value.chars().all(is_plain)
        && !value.split(['/', '.']).any(is_random)
        && (names_secret(name).is_none() || has_extension(value))
}

fn has_extension(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or_default();
    file.rsplit_once('.').is_some_and(|(_, extension)| {
        (1..=5).contains(&extension.len()) && extension.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::is_ordinary;

    #[test]
    fn numbers_yes_and_no_and_paths_may_stay() {
        for (name, value) in [
            ("PORT", "3000"),
            ("OFFSET", "-1"),
            ("TOKEN_TTL", "3600"),
            ("KEY_LENGTH", "32"),
            ("MAX_TOKENS", "4096"),
            ("DEBUG", "False"),
            ("USE_TOKEN", "on"),
            ("DATA_DIR", "/var/lib/app"),
            ("DATA_DIR", "./data"),
            ("DATA_DIR", "."),
            ("BASE", "/"),
            ("DB", "~/app.db"),
            ("SSL_KEY", "/etc/ssl/key.pem"),
            ("GOOGLE_APPLICATION_CREDENTIALS", "../creds.json"),
        ] {
            assert!(is_ordinary(name, value), "{name}={value}");
        }
    }

    #[test]
    fn a_secret_and_any_other_text_may_not() {
        for (name, value) in [
            ("DB_PASSWORD", "12345678"),
            ("PGPASSWORD", "1234"),
            ("apiKey", "0"),
            ("API_KEY_2", "81"),
            ("ADMIN_PIN", "0000"),
            ("SECRET_KEY_BASE", "42"),
            ("SECRET_KEY", "/9j4AAQSkZJRg"),
            ("HASH", "/9j4AAQSkZJRgABAQ"),
            ("HASH", "/9j4+AAQ="),
            ("NUMBER", "99999999999999999999"),
            ("MODE", "production"),
            ("RATIO", "1.5"),
            ("REPO", "owner/name"),
            ("PATHS", "/a:/b"),
            ("DATABASE_URL", "postgres://u:p@h/d"),
            ("URL", "https://x.org"),
            ("EMPTY", ""),
        ] {
            assert!(!is_ordinary(name, value), "{name}={value}");
        }
    }
}
