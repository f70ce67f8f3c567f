//! SQLite targets. The same text means different files to different libraries, so it is read as
//! the list of files it can mean, and the files that are there decide.
//!
//! | form | read as | who writes it |
//! | --- | --- | --- |
//! | `sqlite:PATH`, `sqlite3:PATH` | PATH | Lockstep, sqlx, Rails |
//! | `sqlite://PATH` | PATH | sqlx |
//! | `sqlite:///PATH` | PATH, `instance/PATH`, or `/PATH` | SQLAlchemy, Flask; sqlx |
//! | `sqlite:////PATH` | `/PATH` | SQLAlchemy |
//! | `file:PATH` | PATH, or `prisma/PATH` | SQLite's URIs, Prisma |
//! | `file:///PATH` | `/PATH` | SQLite's URIs |
//!
//! Where none of them exists, the first counts. A `%XX` is decoded; `sqlite:` forms are also tried
//! as they stand.

use std::fmt;
use std::path::{Path, PathBuf};

use contract::TargetFacts;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{TargetError, file_system, keys, percent_decode};
use crate::Warning;

/// A SQLite database file, which need not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteTarget {
    /// The file; relative to the working directory where it is relative.
    pub path: PathBuf,
}

/// What a path can't hold as it stands in `sqlite:PATH`.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%').add(b'?');

impl SqliteTarget {
    /// The file with every link resolved; of a file that is not there, its folder's.
    pub fn canonical_path(&self) -> PathBuf {
        if let Ok(path) = self.path.canonicalize() {
            return path;
        }
        let absolute = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        match (absolute.parent(), absolute.file_name()) {
            (Some(folder), Some(name)) => match folder.canonicalize() {
                Ok(folder) => folder.join(name),
                Err(_) => absolute,
            },
            _ => absolute,
        }
    }

    /// The name of the file system that it lies on, if that is one that other machines write too:
    /// there SQLite can't rely on its locks.
    pub fn shared_file_system(&self) -> Option<&'static str> {
        file_system::shared_below(&self.canonical_path())
    }

    /// How results name it.
    pub fn describe(&self) -> TargetFacts {
        TargetFacts {
            kind: "sqlite",
            path: Some(self.path.display().to_string()),
            ..TargetFacts::default()
        }
    }
}

impl fmt::Display for SqliteTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.to_string_lossy();
        write!(f, "sqlite:{}", utf8_percent_encode(&path, ENCODED))
    }
}

/// The files that a text can mean, in the order in which they count when none is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Form {
    candidates: Vec<Candidate>,
    warnings: Vec<Warning>,
}

#[derive(Debug, PartialEq, Eq)]
struct Candidate {
    path: PathBuf,
    /// Whose habit puts it there, where that is worth a word.
    habit: Option<&'static str>,
}

const FLASK: &str = "Flask";
const PRISMA: &str = "Prisma";

impl Form {
    /// Reads what follows `scheme:`.
    pub(super) fn read(
        scheme: &str,
        driver: Option<&str>,
        rest: &str,
    ) -> Result<Form, TargetError> {
        if scheme == "file" {
            return Form::read_uri(rest);
        }
        let (path, query) = split_query(rest);
        // SQLAlchemy's way to hand SQLite a URI: sqlite:///file:app.db?mode=ro&uri=true
        if let Some(uri) = path.trim_start_matches('/').strip_prefix("file:") {
            let mut form = Form::read_uri(uri)?;
            form.warnings = read_query(query)?;
            return Ok(form);
        }
        let warnings = read_query(query)?;
        let mut texts = vec![path.to_owned()];
        match percent_decode(path, "path") {
            Ok(decoded) if decoded != path => texts.insert(0, decoded),
            _ => {}
        }
        let mut candidates = Vec::new();
        for text in &texts {
            candidates.extend(read_slashes(text, driver.is_some())?);
        }
        Ok(Form {
            candidates,
            warnings,
        })
    }

    /// A URI as SQLite reads it (sqlite.org/uri.html), after `file:`.
    fn read_uri(rest: &str) -> Result<Form, TargetError> {
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (path, query) = split_query(rest);
        let warnings = read_query(query)?;
        let path = match path.strip_prefix("//") {
            None => path,
            Some(rest) => {
                let slash = rest.find('/').ok_or(TargetError::FileHost)?;
                let (host, path) = rest.split_at(slash);
                if !host.is_empty() && host != "localhost" {
                    return Err(TargetError::FileHost);
                }
                path
            }
        };
        let path = named(&percent_decode(path, "path")?)?;
        let mut candidates = vec![Candidate {
            path: path.clone(),
            habit: None,
        }];
        if path.is_relative() {
            candidates.push(Candidate {
                path: Path::new("prisma").join(path),
                habit: Some(PRISMA),
            });
        }
        Ok(Form {
            candidates,
            warnings,
        })
    }

    /// Decides by the files that are there.
    pub(super) fn locate(
        self,
        base: &Path,
        warnings: &mut Vec<Warning>,
    ) -> Result<SqliteTarget, TargetError> {
        warnings.extend(self.warnings);
        let mut found: Vec<(PathBuf, Candidate)> = Vec::new();
        for candidate in &self.candidates {
            let path = base.join(&candidate.path);
            if let Ok(canonical) = path.canonicalize()
                && !canonical.is_dir()
                && !found.iter().any(|(other, _)| *other == canonical)
            {
                let habit = candidate.habit;
                found.push((canonical, Candidate { path, habit }));
            }
        }
        if found.len() > 1 {
            let paths = found.into_iter().map(|(_, candidate)| candidate.path);
            return Err(TargetError::AmbiguousPath(paths.collect()));
        }
        match found.pop() {
            Some((_, Candidate { path, habit })) => {
                if let Some(habit) = habit {
                    let path = path.clone();
                    warnings.push(Warning::FoundElsewhere { path, habit });
                }
                Ok(SqliteTarget { path })
            }
            None => match self.candidates.into_iter().next() {
                Some(candidate) => Ok(SqliteTarget {
                    path: base.join(candidate.path),
                }),
                None => Err(TargetError::Empty),
            },
        }
    }
}

/// What `text`, which follows `sqlite:`, can mean. With a driver (`sqlite+aiosqlite`) it is
/// SQLAlchemy's, and three slashes are a relative path for certain.
fn read_slashes(text: &str, sqlalchemy: bool) -> Result<Vec<Candidate>, TargetError> {
    let plain = |path: &str| {
        Ok::<_, TargetError>(Candidate {
            path: named(path)?,
            habit: None,
        })
    };
    let Some(rest) = text.strip_prefix("//") else {
        return Ok(vec![plain(text)?]);
    };
    if rest.starts_with("//") {
        return Ok(vec![plain(&rest[1..])?]);
    }
    if let Some(relative) = rest.strip_prefix('/') {
        let mut candidates = vec![
            plain(relative)?,
            Candidate {
                path: Path::new("instance").join(relative),
                habit: Some(FLASK),
            },
        ];
        if !sqlalchemy {
            candidates.push(plain(rest)?);
        }
        return Ok(candidates);
    }
    let mut candidates = vec![plain(rest)?];
    if let Some(path) = rest.strip_prefix("localhost/") {
        candidates.push(plain(&format!("/{path}"))?);
    }
    Ok(candidates)
}

fn named(path: &str) -> Result<PathBuf, TargetError> {
    match path {
        "" | "/" => Err(TargetError::Empty),
        _ if path.trim_start_matches('/') == ":memory:" => Err(TargetError::Memory),
        _ => Ok(PathBuf::from(path)),
    }
}

fn split_query(text: &str) -> (&str, &str) {
    text.split_once('?').unwrap_or((text, ""))
}

/// The keys after `?`. None of them changes which file it is or how Lockstep opens it, so they are
/// ignored with a warning, but for the few that say it is no plain file.
fn read_query(query: &str) -> Result<Vec<Warning>, TargetError> {
    let mut warnings = Vec::new();
    for (index, setting) in query.split('&').filter(|text| !text.is_empty()).enumerate() {
        let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
        match key {
            "mode" if value == "memory" => return Err(TargetError::Memory),
            "vfs" if value != "unix" => {
                return Err(TargetError::Unsupported {
                    key: "vfs",
                    reason: "the file would be written in a form of its own",
                });
            }
            "key" | "hexkey" | "textkey" | "cipher" | "encryption_key" | "encryptionKey"
            | "password" | "Password" | "_key" | "_pragma_key" => {
                return Err(TargetError::Unsupported {
                    key: "key",
                    reason: "Lockstep can't open encrypted SQLite files",
                });
            }
            "authToken" | "syncUrl" => {
                return Err(TargetError::Unsupported {
                    key: "syncUrl",
                    reason: "a replica's data is on its server",
                });
            }
            _ => {}
        }
        let Some(known) = keys::SQLITE.iter().find(|known| **known == key) else {
            return Err(TargetError::UnknownKey {
                position: index + 1,
                in_url: false,
                nearest: crate::nearest::nearest(key, keys::SQLITE.iter().copied()),
            });
        };
        warnings.push(Warning::IgnoredKey {
            key: known,
            reason: "Lockstep opens the file its own way",
        });
    }
    Ok(warnings)
}
