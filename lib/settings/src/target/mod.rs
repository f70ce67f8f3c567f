//! The database target, typed: it can be used, compared and shown, and never shows its password.

mod account;
mod complete;
mod connection_string;
mod error;
mod file_system;
mod keys;
mod passfile;
mod postgres;
mod secret;
mod sqlite;
#[cfg(test)]
mod tests;
mod tls;

use std::fmt;
use std::path::{Path, PathBuf};

use contract::TargetFacts;

pub use account::Account;
pub use error::TargetError;
pub(crate) use passfile::may_be_read_by_others;
pub use postgres::{
    ChannelBinding, ClientCert, Endpoint, Host, PORT_DEFAULT, PostgresTarget, RootCert,
    SessionAttrs, SslMode, SslNegotiation, TlsVersion, Verification,
};
pub use secret::Secret;
pub use sqlite::SqliteTarget;

use crate::{Variables, Warning};

/// One database, with what it takes to reach it.
#[expect(
    clippy::large_enum_variant,
    reason = "a program has one or two of them"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A file.
    Sqlite(SqliteTarget),
    /// A database on a server.
    Postgres(PostgresTarget),
}

/// What fills in what a target leaves out: libpq's variables, and the account of this process.
#[derive(Clone, Debug, Default)]
pub struct Ambient {
    /// `PGHOST` and the others, and whatever `{ env = "NAME" }` names.
    pub variables: Variables,
    /// Name and home folder of the user that this process runs as.
    pub account: Account,
    /// Where a server's socket is looked for when the target names no host.
    pub socket_dirs: Vec<PathBuf>,
}

impl Ambient {
    /// That of this process, with the variables given.
    pub fn of_process(variables: Variables) -> Ambient {
        let account = Account::of_process(&variables);
        // Debian's packages and those of the project itself differ; the two are all there is.
        let socket_dirs = vec![PathBuf::from("/var/run/postgresql"), PathBuf::from("/tmp")];
        Ambient {
            variables,
            account,
            socket_dirs,
        }
    }
}

impl Target {
    /// Reads a target that is complete in itself: no variable and no password file is asked.
    /// Relative paths in it are relative to `base`.
    ///
    /// # Errors
    ///
    /// The text is no target, or one that could mean two existing files.
    pub fn parse(text: &str, base: &Path) -> Result<(Target, Vec<Warning>), TargetError> {
        let ambient = Ambient {
            account: Account::of_process(&Variables::default()).without_home(),
            ..Ambient::default()
        };
        Target::parse_with(text, base, &ambient)
    }

    /// Reads a target; `ambient` fills in what it leaves out, as libpq does.
    ///
    /// # Errors
    ///
    /// The text is no target, or one that could mean two existing files, or a libpq variable asks
    /// for something that is not supported.
    pub fn parse_with(
        text: &str,
        base: &Path,
        ambient: &Ambient,
    ) -> Result<(Target, Vec<Warning>), TargetError> {
        let mut warnings = Vec::new();
        let target = match Syntax::of(text)? {
            Syntax::Sqlite(form) => Target::Sqlite(form.locate(base, &mut warnings)?),
            Syntax::Postgres(string) => {
                Target::Postgres(string.complete(base, ambient, &mut warnings)?)
            }
            Syntax::Bare(path) => return Err(bare(path, base)),
        };
        Ok((target, warnings))
    }

    /// Reads a target that is only compared: as [`Target::parse_with`] does, but no password file
    /// is opened.
    ///
    /// # Errors
    ///
    /// As with [`Target::parse_with`].
    pub fn parse_to_compare(
        text: &str,
        base: &Path,
        ambient: &Ambient,
    ) -> Result<Target, TargetError> {
        let unused = &mut Vec::new();
        match Syntax::of(text)? {
            Syntax::Sqlite(form) => form.locate(base, unused).map(Target::Sqlite),
            Syntax::Postgres(string) => string
                .without_passfile(base, ambient, unused)
                .map(Target::Postgres),
            Syntax::Bare(path) => Err(bare(path, base)),
        }
    }

    /// Takes over the password of `other` where it is the same database and user, and has none of its
    /// own, nor in a password file. Nothing else of it counts, so that it goes only where `other` would
    /// send it: under the same demands on TLS, or to a server that is verified in full.
    pub(crate) fn borrow_password(&mut self, other: &Target) {
        if let (Target::Postgres(own), Target::Postgres(other)) = (self, other)
            && own.password.is_none()
            && own.user == other.user
            && own.identity_hint() == other.identity_hint()
            && own
                .endpoints
                .iter()
                .all(|endpoint| endpoint.passfile_password.is_none())
            && (own.verification() == Verification::Full
                || (
                    own.sslmode,
                    &own.sslrootcert,
                    own.channel_binding,
                    own.tls_min,
                ) == (
                    other.sslmode,
                    &other.sslrootcert,
                    other.channel_binding,
                    other.tls_min,
                ))
        {
            own.password.clone_from(&other.password);
        }
    }

    /// What results say of it.
    pub fn describe(&self) -> TargetFacts {
        match self {
            Target::Sqlite(target) => target.describe(),
            Target::Postgres(target) => target.describe(),
        }
    }

    /// Where the database is, as the settings have it: the canonical path of a file,
    /// `host:port/database` of a server's. Whether it is still the same database only its own mark
    /// can tell.
    pub fn identity_hint(&self) -> String {
        match self {
            Target::Sqlite(target) => target.canonical_path().display().to_string(),
            Target::Postgres(target) => target.identity_hint(),
        }
    }

    /// Whether both name one database, whoever logs in and however: compared by what they mean
    /// and not by their text. A host name and its address count as two: nothing is looked up.
    pub fn same_database(&self, other: &Target) -> bool {
        match (self, other) {
            (Target::Sqlite(one), Target::Sqlite(two)) => {
                one.canonical_path() == two.canonical_path()
            }
            (Target::Postgres(one), Target::Postgres(two)) => {
                one.identity_hint() == two.identity_hint()
            }
            _ => false,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Sqlite(target) => target.fmt(f),
            Target::Postgres(target) => target.fmt(f),
        }
    }
}

/// Whether a text names a password, without completing it from anywhere else.
///
/// # Errors
///
/// The text is no target.
pub fn has_password(text: &str) -> Result<bool, TargetError> {
    Ok(match Syntax::of(text)? {
        Syntax::Postgres(string) => string.has_password(),
        Syntax::Sqlite(_) | Syntax::Bare(_) => false,
    })
}

const WRITE_POSTGRES: &str = "; write postgres:// where the server is PostgreSQL's";

/// Schemes that are no target's, how a message names them, and what to write instead.
const OTHER_SCHEMES: [(&[&str], &str, &str); 16] = [
    (&["mysql", "mysql2", "mysqls"], "MySQL is", ""),
    (&["mariadb"], "MariaDB is", ""),
    (&["mssql", "sqlserver", "tsql"], "SQL Server is", ""),
    (&["oracle", "oci"], "Oracle is", ""),
    (&["mongodb", "mongo"], "MongoDB is", ""),
    (&["redis", "rediss", "valkey"], "Redis is", ""),
    (&["clickhouse", "clickhouses"], "ClickHouse is", ""),
    (&["cockroach", "cockroachdb", "crdb"], "CockroachDB is", ""),
    (
        &[
            "redshift",
            "snowflake",
            "bigquery",
            "spanner",
            "firebird",
            "db2",
            "cassandra",
        ],
        "this engine is",
        "",
    ),
    (&["duckdb"], "DuckDB is", ""),
    (&["libsql", "turso", "wss"], "libSQL's server is", ""),
    (
        &["prisma", "prisma+postgres"],
        "Prisma's proxy is",
        "; write the database's own address",
    ),
    (
        &["jdbc", "r2dbc"],
        "this notation is",
        "; leave out what stands before sqlite: or postgresql:",
    ),
    (
        &["http", "https"],
        "an address of the web is",
        WRITE_POSTGRES,
    ),
    (
        &[
            "pg",
            "pgsql",
            "psql",
            "postgre",
            "postgress",
            "postgressql",
            "postgis",
            "timescale",
            "timescaledb",
        ],
        "this scheme is",
        WRITE_POSTGRES,
    ),
    (
        &["spatialite", "sqlcipher"],
        "this kind of SQLite is",
        "; sqlite:PATH is a plain file",
    ),
];

/// Why a text is no target though it has a scheme.
fn other_scheme(text: &str) -> Option<TargetError> {
    let (whole, _) = text.split_once(':')?;
    let whole = whole.to_ascii_lowercase();
    let scheme = whole.split('+').next().unwrap_or_default();
    let mut known = OTHER_SCHEMES.iter();
    let (_, what, write) = known
        .find(|(schemes, ..)| schemes.contains(&whole.as_str()) || schemes.contains(&scheme))?;
    Some(TargetError::OtherScheme(what, write))
}

/// Why a text without a known scheme is no target.
fn bare(path: &str, base: &Path) -> TargetError {
    if let Some(other) = other_scheme(path) {
        return other;
    }
    match base.join(path) {
        path if path.is_file() => TargetError::BarePath(path),
        _ => TargetError::UnknownScheme,
    }
}

/// Whether a URL is a target, without looking where it leads; `None` where its scheme is not that of
/// a database. `file:` is not: it may be any file.
///
/// No file is opened. What `ambient` fills in counts, and so does whether libpq's default
/// certificates are there: they decide what a target may leave out.
pub fn check_url(text: &str, ambient: &Ambient) -> Option<Result<(), TargetError>> {
    let (scheme, ..) = split_scheme(text.trim())?;
    if !matches!(
        scheme.as_str(),
        "postgres" | "postgresql" | "sqlite" | "sqlite3"
    ) {
        return None;
    }
    Some(Syntax::of(text).and_then(|syntax| {
        match syntax {
            Syntax::Postgres(string) => string
                .without_passfile(Path::new(""), ambient, &mut Vec::new())
                .map(|_| ()),
            Syntax::Sqlite(_) | Syntax::Bare(_) => Ok(()),
        }
    }))
}

/// A text's scheme in lower case, the driver behind its `+`, and what follows the colon.
fn split_scheme(text: &str) -> Option<(String, Option<String>, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let scheme = scheme.to_ascii_lowercase();
    Some(match scheme.split_once('+') {
        Some((scheme, driver)) => (scheme.to_owned(), Some(driver.to_owned()), rest),
        None => (scheme, None, rest),
    })
}

/// Decodes `%XX`; `part` names what is being read.
fn percent_decode(text: &str, part: &'static str) -> Result<String, TargetError> {
    let broken = || TargetError::PercentEncoding(part);
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let digits = || bytes.get(at + 1..at + 3);
        if *byte == b'%' && !digits().is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit)) {
            return Err(broken());
        }
    }
    let decoded = percent_encoding::percent_decode_str(text);
    let decoded = decoded.decode_utf8().map_err(|_| broken())?;
    if decoded.contains('\0') {
        return Err(broken());
    }
    Ok(decoded.into_owned())
}

/// What a text is, before any file or variable is looked at.
enum Syntax<'a> {
    Sqlite(sqlite::Form),
    Postgres(connection_string::ConnectionString),
    Bare(&'a str),
}

impl Syntax<'_> {
    fn of(text: &str) -> Result<Syntax<'_>, TargetError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(TargetError::Empty);
        }
        if text == ":memory:" {
            return Err(TargetError::Memory);
        }
        if text.contains('\0') {
            return Err(TargetError::UnknownScheme);
        }
        if let Some((scheme, driver, rest)) = split_scheme(text) {
            match scheme.as_str() {
                "sqlite" | "sqlite3" | "file" => {
                    let form = sqlite::Form::read(&scheme, driver.as_deref(), rest);
                    return form.map(Syntax::Sqlite);
                }
                "postgres" | "postgresql" => {
                    return connection_string::read_url(rest).map(Syntax::Postgres);
                }
                _ => {}
            }
        }
        if connection_string::is_key_value(text) {
            return connection_string::read_key_value(text).map(Syntax::Postgres);
        }
        Ok(Syntax::Bare(text))
    }
}
