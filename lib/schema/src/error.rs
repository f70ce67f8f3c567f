use contract::{Class, Classify};
use db_connect::StatementError;

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
    #[error("cannot read the schema's TOML")]
    Toml(#[source] Box<toml::de::Error>),
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

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Error::Sqlite { source, .. } => of_sqlite(source),
            Error::Postgres(error) => error.class(),
            Error::Toml(_) | Error::Json(_) | Error::Format { .. } => Class::Usage,
            Error::Write(_) => Class::Error,
        }
    }

    fn remedy(&self) -> Option<String> {
        match self {
            Error::Toml(_) | Error::Json(_) | Error::Format { .. } => {
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
