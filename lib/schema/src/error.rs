use contract::{Class, Classify};
use db_connect::StatementError;

/// A parser's message may hold a key of the file, which may be of any length.
const MESSAGE_CHARS_MAX: usize = 300;

/// Why a schema can't be read, from a database or from a file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A query on SQLite's schema failed.
    #[error("cannot read {what} from SQLite's schema")]
    Sqlite {
        /// The class of objects that was being read.
        what: &'static str,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// A query on PostgreSQL's catalogs failed.
    #[error(transparent)]
    Postgres(#[from] StatementError),
    /// The text is no TOML, or not this schema's.
    #[error("cannot read the schema's TOML: line {line}, column {column}: {message}")]
    Toml {
        /// 1-based.
        line: usize,
        /// 1-based, in characters.
        column: usize,
        /// What the parser says, on one line and of bounded length.
        message: String,
    },
    /// The text is no JSON, or not this schema's.
    #[error("cannot read the schema's JSON")]
    Json(#[source] serde_json::Error),
    /// The schema holds something that its file form can't.
    #[error("cannot write the schema")]
    Write(#[source] serde_json::Error),
    /// The file says that it is of another format.
    #[error("cannot read a schema of format {found:?}, only {known:?}", known = crate::FORMAT)]
    Format {
        /// What the file says.
        found: String,
    },
}

impl Error {
    /// The parser's own text quotes the line, however long that is.
    pub(crate) fn toml(text: &str, error: &toml::de::Error) -> Error {
        let at = error.span().map_or(0, |span| span.start);
        let before = text.get(..at).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let message = error.message().split_whitespace().collect::<Vec<_>>();
        let message = message.join(" ");
        let more = if message.chars().count() > MESSAGE_CHARS_MAX {
            " …"
        } else {
            ""
        };
        let told: String = message.chars().take(MESSAGE_CHARS_MAX).collect();
        Error::Toml {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: format!("{told}{more}"),
        }
    }
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Error::Sqlite { source, .. } => of_sqlite(source),
            Error::Postgres(error) => error.class(),
            Error::Toml { .. } | Error::Json(_) | Error::Format { .. } => Class::Usage,
            Error::Write(_) => Class::Error,
        }
    }

    fn remedy(&self) -> Option<String> {
        match self {
            Error::Toml { .. } | Error::Json(_) | Error::Format { .. } => {
                Some("record the schema again with this version".to_owned())
            }
            Error::Postgres(error) => error.remedy(),
            Error::Sqlite { .. } | Error::Write(_) => None,
        }
    }
}

fn of_sqlite(error: &rusqlite::Error) -> Class {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseCorrupt, DatabaseLocked, NotADatabase};
    match error.sqlite_error_code() {
        Some(DatabaseBusy | DatabaseLocked) => Class::Busy,
        Some(DatabaseCorrupt | NotADatabase) => Class::Fail,
        _ => Class::Error,
    }
}
