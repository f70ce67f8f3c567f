//! libpq's password file: `host:port:database:user:password` lines (PostgreSQL's manual, "The
//! Password File").

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::Warning;

/// Reads the file; nothing if there is none. What libpq refuses to use is refused here: anything
/// but a plain file, and one that group or others may use.
pub(super) fn read(path: &Path) -> Result<Option<String>, Warning> {
    let unused = |reason| {
        let path = path.to_owned();
        Err(Warning::UnusedPassfile { path, reason })
    };
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(_) => return unused("it can't be read"),
    };
    if !metadata.is_file() {
        return unused("it is not a plain file");
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return unused("group or others may use it; its mode must be 0600 or less");
    }
    match std::fs::read_to_string(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == ErrorKind::InvalidData => unused("it is not UTF-8"),
        Err(_) => unused("it can't be read"),
    }
}

/// Whether group or others may read a plain file. What is mounted read-only for one container, as a
/// secret of an orchestrator's, is often readable for all, and nobody else is there.
pub(crate) fn may_be_read_by_others(path: &Path) -> bool {
    let Ok(metadata) = std::fs::metadata(path) else {
        return false;
    };
    let is_mounted_secret =
        path.starts_with("/run/secrets") || path.starts_with("/var/run/secrets");
    metadata.is_file() && metadata.permissions().mode() & 0o044 != 0 && !is_mounted_secret
}

/// The password of the first line that fits host, port, database and user. `*` fits all; a
/// backslash takes `:` and itself as they are.
pub(super) fn password(content: &str, wanted: [&str; 4]) -> Option<String> {
    content
        .lines()
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| {
            let mut rest = line;
            for wanted in wanted {
                let (field, after) = split_field(rest)?;
                if field != "*" && unescape(field) != wanted {
                    return None;
                }
                rest = after;
            }
            Some(unescape(rest)).filter(|password| !password.is_empty())
        })
}

/// A field, still escaped, and what follows its colon.
fn split_field(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ':' => return Some((&text[..at], &text[at + 1..])),
            _ => {}
        }
    }
    None
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        // A backslash at the very end stands for itself.
        plain.push(if c == '\\' {
            chars.next().unwrap_or(c)
        } else {
            c
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_counts() {
        let file = "# comment:*:*:*:no\n\
                    db.example.com:5432:app:app:exact\n\
                    [::1]:*:*:*:bracketed\n\
                    \\:\\:1:*:*:*:v6\n\
                    *:*:*:we\\:ird\\\\user:escaped\n\
                    *:6432:*:*:with:colon and \\\\ and \\x\n\
                    short:line\n\
                    *:*:app:*:fallback\r\n";
        for (wanted, expected) in [
            (["db.example.com", "5432", "app", "app"], Some("exact")),
            (["db.example.com", "5432", "app", "other"], Some("fallback")),
            (["::1", "5432", "x", "y"], Some("v6")),
            (["h", "1", "d", "we:ird\\user"], Some("escaped")),
            (["h", "6432", "d", "u"], Some("with:colon and \\ and x")),
            (["h", "1", "d", "u"], None),
        ] {
            assert_eq!(password(file, wanted).as_deref(), expected, "{wanted:?}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pgpass");
        assert_eq!(read(&path), Ok(None));
        std::fs::write(&path, "*:*:*:*:pw\n").unwrap();
        for (mode, used) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path).is_ok(), used, "{mode:o}");
        }
        assert!(read(dir.path()).is_err());
    }
}
