//! File names as the layouts read them.

use crate::Layout;

/// What a file's name says. Text is borrowed from the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name<'a> {
    /// `<digits>_<name>.up.sql` or `.down.sql`.
    Direction {
        digits: &'a str,
        name: &'a str,
        up: bool,
    },
    /// `<digits><rest>.sql`; `rest` may be empty.
    Flat { digits: &'a str, rest: &'a str },
    /// `V<version>__<name>.sql`, `U…`, `B…` or `R__<name>.sql`; or the same name of code.
    Versioned {
        prefix: char,
        version: &'a str,
        name: &'a str,
        is_code: bool,
    },
    /// Any other SQL file. `begins`: its name begins as a migration's would.
    Sql { begins: bool },
    /// No SQL file.
    Other,
}

/// What refinery and Flyway run besides SQL.
const CODE: [&str; 3] = [".rs", ".java", ".kt"];

pub(crate) fn read(name: &str) -> Name<'_> {
    let Some(stem) = name.strip_suffix(".sql") else {
        let code = CODE
            .iter()
            .find_map(|extension| name.strip_suffix(extension));
        return match code.and_then(|stem| versioned(stem, true)) {
            Some(code) => code,
            None if name.to_ascii_lowercase().ends_with(".sql") => Name::Sql {
                begins: begins(name),
            },
            None => Name::Other,
        };
    };
    if let Some(found) = versioned(stem, false) {
        return found;
    }
    let length = stem.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = stem.split_at(length);
    if digits.is_empty() {
        return Name::Sql {
            begins: begins(name),
        };
    }
    if let Some(rest) = rest.strip_prefix('_') {
        if let Some(name) = rest.strip_suffix(".up") {
            return Name::Direction {
                digits,
                name,
                up: true,
            };
        }
        if let Some(name) = rest.strip_suffix(".down") {
            return Name::Direction {
                digits,
                name,
                up: false,
            };
        }
    }
    Name::Flat { digits, rest }
}

fn versioned(stem: &str, is_code: bool) -> Option<Name<'_>> {
    let (head, name) = stem.split_once("__")?;
    let mut letters = head.chars();
    let prefix = letters.next()?;
    let version = letters.as_str();
    let fits = match prefix {
        'R' => version.is_empty() && !is_code,
        'V' | 'U' | 'B' => crate::version::dotted(version).is_some(),
        _ => false,
    };
    fits.then_some(Name::Versioned {
        prefix,
        version,
        name,
        is_code,
    })
}

/// What a name that fits no layout looks like, for a message.
pub(crate) fn looks_like(name: &str) -> Option<&'static str> {
    let length = name.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = name.split_at(length);
    let mut letters = name.chars();
    let is_versioned = letters.next().is_some_and(|first| "vVuU".contains(first))
        && letters.next().is_some_and(|second| second.is_ascii_digit());
    let lower = name.to_ascii_lowercase();
    Some(match rest.chars().next() {
        _ if is_versioned && name.contains("__") => {
            "Flyway's V1__name.sql in another case, or with a version that is no number"
        }
        _ if is_versioned => "Flyway's V1__name.sql with one underscore",
        _ if digits.is_empty() => return None,
        Some('-') if lower.ends_with("-up.sql") || lower.ends_with("-down.sql") => {
            "db-migrate's <time>-name-up.sql and -down.sql"
        }
        Some('-') => "a number and a name with a dash between them",
        Some('.') if lower.contains(".do.") || lower.contains(".undo.") => {
            "Postgrator's 001.do.name.sql"
        }
        Some('.') => "a number and a name with a dot between them",
        Some('_') if !name.ends_with(".sql") => "migrations with their ending in capitals",
        Some(' ') => "a number and a name with a blank between them",
        _ => return None,
    })
}

fn begins(name: &str) -> bool {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) if first.is_ascii_digit() => true,
        Some('V' | 'v' | 'U' | 'u' | 'B' | 'b') => {
            letters.next().is_some_and(|second| second.is_ascii_digit())
        }
        Some('R' | 'r') => letters.as_str().starts_with("__"),
        _ => false,
    }
}

/// The layouts whose rules a name fits without a look into the file.
pub(crate) fn layout(name: &Name<'_>) -> Option<Layout> {
    match name {
        Name::Direction { up: true, .. } => Some(Layout::UpDown),
        Name::Versioned { .. } => Some(Layout::Versioned),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        let flat = |digits, rest| Name::Flat { digits, rest };
        let direction = |digits, name, up| Name::Direction { digits, name, up };
        let versioned = |prefix, version, name| Name::Versioned {
            prefix,
            version,
            name,
            is_code: false,
        };
        for (name, expected) in [
            ("0001_create_users.sql", flat("0001", "_create_users")),
            ("0001.sql", flat("0001", "")),
            ("0001-dash.sql", flat("0001", "-dash")),
            ("1_a.up.sql", direction("1", "a", true)),
            ("1_a.b.down.sql", direction("1", "a.b", false)),
            ("V1__a.sql", versioned('V', "1", "a")),
            ("V1_2.3__a__b.sql", versioned('V', "1_2.3", "a__b")),
            ("U2__a.sql", versioned('U', "2", "a")),
            ("B10__a.sql", versioned('B', "10", "a")),
            ("R__view.sql", versioned('R', "", "view")),
            ("V1_a.sql", Name::Sql { begins: true }),
            ("v1__a.sql", Name::Sql { begins: true }),
            ("0001_a.SQL", Name::Sql { begins: true }),
            ("seed.sql", Name::Sql { begins: false }),
            ("._0001_a.sql", Name::Sql { begins: false }),
            ("README.md", Name::Other),
            ("0001_a.sql~", Name::Other),
            (".DS_Store", Name::Other),
        ] {
            assert_eq!(read(name), expected, "{name}");
        }
        assert!(matches!(
            read("V1__a.rs"),
            Name::Versioned { is_code: true, .. }
        ));
    }
}
