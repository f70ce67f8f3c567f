//! The layouts, by name.

use std::fmt;
use std::str::FromStr;

use crate::Error;
use crate::version::{self, Key};

/// How a tool lays out its migrations. The order of the variants has no meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layout {
    /// `0001_name.sql`, with an optional `0001_name.down.sql` or `rollback/0001_name.sql`.
    Plain,
    /// `1_name.up.sql` and `1_name.down.sql`, as sqlx and golang-migrate have them.
    UpDown,
    /// `<version>_name/up.sql` and `down.sql`.
    Diesel,
    /// `<version>_name/migration.sql` beside a `migration_lock.toml`.
    Prisma,
    /// `V1__name.sql`, as Flyway and refinery have them.
    Versioned,
    /// `1_name.sql` with `-- migrate:up` and `-- migrate:down` sections.
    Dbmate,
    /// `1_name.sql` with `-- +goose Up` and `-- +goose Down` sections.
    Goose,
}

impl Layout {
    /// All layouts.
    pub const ALL: [Self; 7] = [
        Self::Plain,
        Self::UpDown,
        Self::Diesel,
        Self::Prisma,
        Self::Versioned,
        Self::Dbmate,
        Self::Goose,
    ];

    /// The name as it stands in `[migrations] layout = "…"`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::UpDown => "up-down",
            Self::Diesel => "diesel",
            Self::Prisma => "prisma",
            Self::Versioned => "versioned",
            Self::Dbmate => "dbmate",
            Self::Goose => "goose",
        }
    }

    /// The tools that write it.
    pub const fn tools(self) -> &'static str {
        match self {
            Self::Plain => "sqlx",
            Self::UpDown => "sqlx -r, golang-migrate",
            Self::Diesel => "diesel",
            Self::Prisma => "Prisma",
            Self::Versioned => "Flyway, refinery",
            Self::Dbmate => "dbmate",
            Self::Goose => "goose",
        }
    }

    /// The layout that `[migrations] layout` asks for, by its own name or its tool's. None for a tool
    /// that has two: which of them it is, the files show.
    ///
    /// # Errors
    ///
    /// If the name is neither.
    pub fn asked(name: &str) -> Result<Option<Self>, Error> {
        let lower = name.to_ascii_lowercase();
        match lower.as_str() {
            "sqlx" => Ok(None),
            "flyway" | "refinery" => Ok(Some(Self::Versioned)),
            "golang-migrate" | "migrate" => Ok(Some(Self::UpDown)),
            _ => lower.parse().map(Some).map_err(|_| Error::UnknownLayout {
                name: name.to_owned(),
            }),
        }
    }

    /// What a migration's file is called, for messages.
    pub(crate) const fn pattern(self) -> &'static str {
        match self {
            Self::Plain | Self::Goose => "0001_name.sql",
            Self::UpDown => "0001_name.up.sql",
            Self::Diesel => "0001_name/up.sql",
            Self::Prisma => "0001_name/migration.sql",
            Self::Versioned => "V1__name.sql",
            Self::Dbmate => "0001_name.sql",
        }
    }

    /// A version as a person may write it, in the form that [`crate::Migration::version`] has:
    /// `0007` is `7` where versions are numbers, `V1_2` is `1.2` for Flyway. None if no version
    /// of this layout reads like it.
    pub fn canonical_version(self, written: &str) -> Option<String> {
        match self {
            Self::UpDown => {
                let digits = written.strip_prefix(['V', 'v']).unwrap_or(written);
                version::number(digits).map(|number| number.to_string())
            }
            Self::Plain | Self::Goose => version::number(written).map(|number| number.to_string()),
            Self::Versioned => {
                version::dotted(written.strip_prefix('V').unwrap_or(written)).map(|(text, _)| text)
            }
            Self::Dbmate => version::is_digits(written).then(|| written.to_owned()),
            Self::Diesel => {
                let text = written.replace('-', "");
                (!text.is_empty()).then_some(text)
            }
            Self::Prisma => (!written.is_empty()).then(|| written.to_owned()),
        }
    }

    /// What a canonical version sorts by.
    pub(crate) fn key(self, version: &str) -> Option<Key> {
        match self {
            Self::Plain | Self::UpDown | Self::Goose => version::number(version).map(Key::Number),
            Self::Versioned => version::dotted(version).map(|(_, key)| key),
            Self::Dbmate | Self::Diesel | Self::Prisma => Some(Key::Text(version.to_owned())),
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Layout {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|layout| layout.name() == name)
            .ok_or_else(|| Error::UnknownLayout {
                name: name.to_owned(),
            })
    }
}
