//! File names as the layouts read them.

use std::path::Path;

use sql::Dialect;

use crate::Layout;

/// What a file's name says. Text is borrowed from the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name<'a> {
    /// `<digits>_<name>.up.sql` or `.down.sql`, also with a dash or a dot before the name, and `V`
    /// before the digits.
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

/// What `.sql` becomes under a hasty hand. Such a file would be passed over without a word.
const ENDINGS_SLIPPED: [&str; 11] = [
    "slq", "sq", "sqll", "ssql", "qsl", "lsq", "qls", "sqk", "sqp", "aql", "sql.txt",
];

/// Words for engines, as they stand before a file's ending or as a folder's name.
const ENGINES: [(&str, &str); 32] = [
    ("sqlite", "SQLite"),
    ("sqlite3", "SQLite"),
    ("postgres", "PostgreSQL"),
    ("postgresql", "PostgreSQL"),
    ("pg", "PostgreSQL"),
    ("pgsql", "PostgreSQL"),
    ("psql", "PostgreSQL"),
    ("mysql", "MySQL"),
    ("mariadb", "MariaDB"),
    ("mssql", "SQL Server"),
    ("sqlserver", "SQL Server"),
    ("oracle", "Oracle"),
    ("cockroach", "CockroachDB"),
    ("cockroachdb", "CockroachDB"),
    ("crdb", "CockroachDB"),
    ("yugabyte", "YugabyteDB"),
    ("clickhouse", "ClickHouse"),
    ("duckdb", "DuckDB"),
    ("spanner", "Spanner"),
    ("h2", "H2"),
    ("hsqldb", "HSQLDB"),
    ("derby", "Derby"),
    ("db2", "Db2"),
    ("redshift", "Redshift"),
    ("snowflake", "Snowflake"),
    ("bigquery", "BigQuery"),
    ("tidb", "TiDB"),
    ("ydb", "YDB"),
    ("cassandra", "Cassandra"),
    ("vertica", "Vertica"),
    ("firebird", "Firebird"),
    ("mongodb", "MongoDB"),
];

/// The engine that a file or folder is for, where its name says another than `dialect`'s:
/// `0001_name.mysql.up.sql`, `V1__name.oracle.sql`, `mysql/`.
pub(crate) fn other_engine(name: &str, dialect: Dialect) -> Option<&'static str> {
    let engine = match without_sql(name) {
        Some(stem) => cut_engine(stem).map(|(_, engine)| engine),
        None => engine(name),
    };
    engine.filter(|engine| *engine != engine_of(dialect))
}

/// What the engine of a dialect is called.
pub(crate) fn engine_of(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "SQLite",
        Dialect::Postgres => "PostgreSQL",
    }
}

/// The canonical version of a migration's file, by its name alone.
pub(crate) fn version(layout: Layout, file: &Path) -> Option<String> {
    let digits = match read(file.file_name()?.to_str()?) {
        Name::Flat { digits, .. } => digits,
        Name::Direction {
            digits, up: true, ..
        } => digits,
        Name::Versioned {
            prefix: 'V',
            version,
            ..
        } => version,
        _ => return None,
    };
    layout.canonical_version(digits)
}

fn engine(word: &str) -> Option<&'static str> {
    let mut engines = ENGINES.iter();
    let (_, engine) = engines.find(|(known, _)| word.eq_ignore_ascii_case(known))?;
    Some(engine)
}

/// `0001_name` of `0001_name.mysql` and `0001_name.mysql.up`, `0001_name.up` of `0001_name.up.mysql`.
fn cut_engine(stem: &str) -> Option<(&str, &'static str)> {
    let (before, last) = stem.rsplit_once('.')?;
    match engine(last) {
        Some(engine) => Some((before, engine)),
        None if matches!(last, "up" | "down") => {
            let (before, word) = before.rsplit_once('.')?;
            Some((before, engine(word)?))
        }
        None => None,
    }
}

fn without_sql(name: &str) -> Option<&str> {
    let stem = name.len().checked_sub(".sql".len())?;
    let ending = name.get(stem..)?;
    ending.eq_ignore_ascii_case(".sql").then(|| &name[..stem])
}

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
            None if begins(name) && has_slipped_ending(name) => Name::Sql { begins: true },
            None => Name::Other,
        };
    };
    if let Some(found) = versioned(stem, false) {
        return found;
    }
    // Some write the engine behind the direction.
    let stem = match cut_engine(stem) {
        Some((before, _)) if before.ends_with(".up") || before.ends_with(".down") => before,
        _ => stem,
    };
    let numbered = stem.strip_prefix(['V', 'v']).unwrap_or(stem);
    let length = numbered.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = numbered.split_at(length);
    if !digits.is_empty() {
        for (ending, up) in [(".up", true), (".down", false)] {
            if let Some(name) = rest.strip_suffix(ending).and_then(named) {
                return Name::Direction { digits, name, up };
            }
        }
    }
    if digits.is_empty() || numbered.len() < stem.len() {
        return Name::Sql {
            begins: begins(name),
        };
    }
    Name::Flat { digits, rest }
}

/// The name behind a version's digits. After a dash or a dot it has to be one for certain: `-01-15`
/// is the rest of a date, and `-name-down` and `.undo.name` are files that revert. Before a dash
/// `undo` or `rollback` may be what the migration does: `-rollback-triggers`. A file of that form which
/// reverts has its migration's version, and that is found.
pub(crate) fn named(rest: &str) -> Option<&str> {
    const DIRECTIONS: [&str; 7] = ["up", "down", "do", "undo", "rollback", "revert", "reverse"];
    if let Some(name) = rest.strip_prefix('_') {
        return Some(name);
    }
    let name = rest.strip_prefix(['-', '.'])?;
    let mut words = name.split(['-', '.', '_']);
    let (first, last) = (words.next(), words.next_back());
    let reverts = |word: Option<&str>| {
        word.is_some_and(|word| {
            DIRECTIONS
                .iter()
                .any(|known| word.eq_ignore_ascii_case(known))
        })
    };
    let is_verb = rest.starts_with('-')
        && last.is_some()
        && first.is_some_and(|word| {
            !["up", "down"]
                .iter()
                .any(|up| word.eq_ignore_ascii_case(up))
        });
    let begins = name.starts_with(char::is_alphabetic);
    (begins && (is_verb || !reverts(first)) && !reverts(last)).then_some(name)
}

fn has_slipped_ending(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    ENDINGS_SLIPPED.iter().any(|ending| {
        lower
            .strip_suffix(ending)
            .is_some_and(|stem| stem.ends_with('.'))
    })
}

/// The name that a file or folder was probably meant to have in a layout.
pub(crate) fn likely(layout: Layout, name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let slipped = ENDINGS_SLIPPED
        .iter()
        .find_map(|ending| lower.strip_suffix(&format!(".{ending}")));
    let length = lower
        .strip_suffix(".sql")
        .or(slipped)
        .map_or(name.len(), str::len);
    let stem = &name[..length];
    let (letter, numbered) = match stem.chars().next()? {
        c @ ('V' | 'v' | 'U' | 'u' | 'B' | 'b') => (c.to_ascii_uppercase(), &stem[1..]),
        _ => ('V', stem),
    };
    let digits = |c: char| c.is_ascii_digit();
    let part = |text: &str| text.chars().take_while(|c| digits(*c)).count();
    let mut version = part(numbered);
    if version == 0 {
        return None;
    }
    // `1.2`, `1_2`: the parts of a version, where the layout has some.
    while layout == Layout::Versioned
        && numbered[version..].starts_with(['.', '_'])
        && part(&numbered[version + 1..]) > 0
    {
        version += 1 + part(&numbered[version + 1..]);
    }
    let (version, rest) = numbered.split_at(version);
    let rest = rest.trim_matches([' ', '_', '-', '.']);
    let down = [".down", "-down", "_down"]
        .iter()
        .find_map(|end| rest.strip_suffix(end));
    let up = [".up", "-up", "_up"]
        .iter()
        .find_map(|end| rest.strip_suffix(end));
    let words = down.or(up).unwrap_or(rest).replace(' ', "_");
    if words.is_empty() {
        return None;
    }
    Some(match (layout, down.is_some()) {
        (Layout::Plain | Layout::Dbmate | Layout::Goose, false) => format!("{version}_{words}.sql"),
        (Layout::Plain | Layout::UpDown, true) => format!("{version}_{words}.down.sql"),
        (Layout::UpDown, false) => format!("{version}_{words}.up.sql"),
        (Layout::Diesel, false) => format!("{version}_{words}/up.sql"),
        (Layout::Diesel, true) => format!("{version}_{words}/down.sql"),
        (Layout::Prisma, false) => format!("{version}_{words}/migration.sql"),
        (Layout::Versioned, false) => format!("{letter}{version}__{words}.sql"),
        (Layout::Versioned, true) => format!("U{version}__{words}.sql"),
        (Layout::Prisma | Layout::Dbmate | Layout::Goose, true) => return None,
    })
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

/// Whether a number stands in the name of a file behind something else: `db_00001.sql`.
pub(crate) fn is_numbered(name: &str) -> bool {
    without_sql(name).is_some_and(|stem| stem.bytes().any(|byte| byte.is_ascii_digit()))
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
            ("V0001.Name.up.sql", direction("0001", "Name", true)),
            ("v2.b.down.sql", direction("2", "b", false)),
            ("0001-a.up.sql", direction("0001", "a", true)),
            ("0001_a.up.postgres.sql", direction("0001", "a", true)),
            (
                "0001_a.postgres.up.sql",
                direction("0001", "a.postgres", true),
            ),
            ("20240101-a-up.sql", flat("20240101", "-a-up")),
            ("0001_a.slq", Name::Sql { begins: true }),
            ("0001_a.sql.txt", Name::Sql { begins: true }),
            ("notes.sq", Name::Other),
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

    #[test]
    fn a_name_after_a_dash_or_a_dot_is_one_for_certain() {
        for (rest, name) in [
            ("_a", Some("a")),
            ("_", Some("")),
            ("-add-users", Some("add-users")),
            (".add_users", Some("add_users")),
            ("-a.down", None),
            ("-a-down", None),
            ("-a-UP", None),
            (".undo.a", None),
            (".do.a", None),
            ("-rollback-triggers", Some("rollback-triggers")),
            ("-do-not-track", Some("do-not-track")),
            ("-rollback", None),
            ("-undo.down", None),
            ("-down-a", None),
            ("-Up-a", None),
            ("-01-15-a", None),
            (".2-a", None),
            ("--a", None),
            ("-", None),
            (" a", None),
            ("", None),
        ] {
            assert_eq!(named(rest), name, "{rest}");
        }
    }

    #[test]
    fn a_misspelt_name_has_a_likely_one() {
        for (layout, name, expected) in [
            (Layout::Versioned, "V42_add.sql", "V42__add.sql"),
            (Layout::Versioned, "v42__add.sql", "V42__add.sql"),
            (Layout::Versioned, "42_add.sql", "V42__add.sql"),
            (Layout::Versioned, "V4_2_add.sql", "V4_2__add.sql"),
            (Layout::Versioned, "V42 add it.sql", "V42__add_it.sql"),
            (Layout::Versioned, "V42__add.SQL", "V42__add.sql"),
            (Layout::Versioned, "42_add.down.sql", "U42__add.sql"),
            (Layout::Plain, "0042 add.sql", "0042_add.sql"),
            (Layout::Plain, "0042_add.slq", "0042_add.sql"),
            (Layout::Plain, "V42__add.sql", "42_add.sql"),
            (Layout::UpDown, "0042_add.sql", "0042_add.up.sql"),
            (Layout::UpDown, "0042_add_down.sql", "0042_add.down.sql"),
            (Layout::Diesel, "0042_add.sql", "0042_add/up.sql"),
            (Layout::Prisma, "0042_add.sql", "0042_add/migration.sql"),
        ] {
            assert_eq!(likely(layout, name).as_deref(), Some(expected), "{name}");
        }
        assert_eq!(likely(Layout::Plain, "seed.sql"), None);
        assert_eq!(likely(Layout::Plain, "0042.sql"), None);
    }

    #[test]
    fn a_file_for_another_engine_is_told_by_its_name() {
        let other = |name| {
            (
                other_engine(name, Dialect::Sqlite),
                other_engine(name, Dialect::Postgres),
            )
        };
        for name in [
            "1_a.mysql.up.sql",
            "1_a.up.mysql.sql",
            "V1__a.mysql.sql",
            "1_a.MySQL.sql",
            "mysql",
        ] {
            assert_eq!(other(name), (Some("MySQL"), Some("MySQL")), "{name}");
        }
        assert_eq!(other("1_a.sqlite.sql"), (None, Some("SQLite")));
        assert_eq!(other("1_a.postgres.down.sql"), (Some("PostgreSQL"), None));
        assert_eq!(other("1_a.pg.sql"), (Some("PostgreSQL"), None));
        for name in [
            "1_mysql.sql",
            "1_a.sql",
            "1_a.up.sql",
            "mysql.sql",
            "1_a.b.sql",
            "2026",
        ] {
            assert_eq!(other(name), (None, None), "{name}");
        }
    }
}
