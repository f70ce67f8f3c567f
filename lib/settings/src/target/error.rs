//! Why a text is no database target.

use std::path::PathBuf;

/// Why a text is no database target.
///
/// No variant holds a part of the text: a text that does not parse may have its password anywhere.
/// The paths in two of them are of files that were found to exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Nothing but white space.
    #[error("it is empty")]
    Empty,
    /// No scheme that Lockstep knows.
    #[error(
        "it is neither sqlite:PATH nor postgres://USER@HOST:PORT/DATABASE nor libpq's key=value form"
    )]
    UnknownScheme,
    /// The scheme of another engine, or another spelling of a known one.
    #[error("{0} not supported: a target is SQLite's or PostgreSQL's{1}")]
    OtherScheme(&'static str, &'static str),
    /// The path of a file, without `sqlite:`.
    #[error("it is a path and not a target; write {}", sqlite_form(.0))]
    BarePath(PathBuf),
    /// `:memory:`, or `mode=memory`.
    #[error("a database in memory belongs to the process that made it; name a file")]
    Memory,
    /// One form, several files that are there.
    #[error("it could mean more than one existing file; write {}", either(.0))]
    AmbiguousPath(Vec<PathBuf>),
    /// `file://host/path`.
    #[error("a file: URL can name this machine alone; write file:///PATH")]
    FileHost,
    /// `postgres:` without two slashes.
    #[error("two slashes must follow the scheme")]
    MissingSlashes,
    /// Not `%` and two hexadecimal digits, or not UTF-8, or a NUL.
    #[error("the percent-encoding of its {0} can't be read; a % itself is written %25")]
    PercentEncoding(&'static str),
    /// A URL in which the password or another part was not encoded.
    #[error(
        "an @ stands where none can; in user, password and names write %40 for @, %2F for /, \
         %3A for :, %3F for ?, %26 for & and %25 for %"
    )]
    StrayAt,
    /// An IPv6 address without brackets, or a bracket that is not closed.
    #[error("an IPv6 address must stand in [ and ]")]
    Brackets,
    /// As many ports, or numeric addresses, as hosts, or one.
    #[error("it has {0} hosts and another number of {1}")]
    HostCount(usize, &'static str),
    /// In key=value form, a quote that is not closed or a backslash at the end.
    #[error("a quoted value does not end")]
    OpenQuote,
    /// Something without `=`.
    #[error("setting {0} has no =")]
    MissingEquals(usize),
    /// The same behind the `?` of a URL, where the rest of a password ends up.
    #[error("setting {0} behind the ? has no ={PASSWORD_ENCODED}")]
    QueryUnequal(usize),
    /// A key that nobody knows.
    #[error("setting {position} has an unknown key{}{}", hint(*nearest), if *in_url { PASSWORD_ENCODED } else { "" })]
    UnknownKey {
        /// Which of the settings, from 1.
        position: usize,
        /// Whether it stands behind the `?` of a URL, where the rest of a password ends up.
        in_url: bool,
        /// The known key that it resembles.
        nearest: Option<&'static str>,
    },
    /// One key, two values.
    #[error("{0} is given twice, with different values")]
    Repeated(&'static str),
    /// A value that the key can't have.
    #[error("{key} must be {expected}")]
    Value {
        /// The key, as libpq or SQLite names it.
        key: &'static str,
        /// What it may be.
        expected: &'static str,
    },
    /// A setting that would change what the connection promises, and that is not supported.
    #[error("{key} is not supported: {reason}")]
    Unsupported {
        /// The key or variable.
        key: &'static str,
        /// Why, or what to do instead.
        reason: &'static str,
    },
    /// A URL where the database's name belongs.
    #[error("the database's name is itself a URL or a connection string")]
    NestedTarget,
    /// No user in the target, and none can be found out.
    #[error("it names no user, and this process's own can't be found out; name one")]
    NoUser,
}

impl TargetError {
    /// The same of a setting behind the `?` of a URL.
    pub(super) fn in_url(self) -> TargetError {
        match self {
            TargetError::UnknownKey {
                position, nearest, ..
            } => TargetError::UnknownKey {
                position,
                nearest,
                in_url: true,
            },
            other => other,
        }
    }
}

/// What makes a setting of a part of a password.
const PASSWORD_ENCODED: &str = "; in a password write %3F for ?, %26 for & and %3D for =";

/// `sqlite:PATH`, with `./` before a relative path.
fn sqlite_form(path: &std::path::Path) -> String {
    let target = super::SqliteTarget {
        path: path.to_owned(),
    };
    let shown = target.to_string();
    match shown.strip_prefix("sqlite:") {
        Some(relative) if path.is_relative() && !relative.starts_with('.') => {
            format!("sqlite:./{relative}")
        }
        _ => shown,
    }
}

fn either(paths: &[PathBuf]) -> String {
    let forms: Vec<String> = paths.iter().map(|path| sqlite_form(path)).collect();
    forms.join(" or ")
}

fn hint(nearest: Option<&str>) -> String {
    match nearest {
        Some(key) => format!("; did you mean {key}?"),
        None => String::new(),
    }
}
