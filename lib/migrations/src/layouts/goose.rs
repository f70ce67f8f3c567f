//! `1_name.sql` with `-- +goose Up` and `-- +goose Down` sections.
//!
//! Versions are integers above zero. `StatementBegin` and `StatementEnd` tell goose where not to
//! split at semicolons; nothing splits here, so they are only checked for being paired. Marks count
//! on any line, also inside a string, because goose reads them so.

use crate::collect::Collector;
use crate::layouts::sections::{self, Cut, Mark, Sections, broken};
use crate::listing::Entry;
use crate::names::{self, Name};
use crate::{Layout, Problem, ProblemKind};

pub(super) fn collect(entries: &[Entry], out: &mut Collector) {
    for entry in entries {
        match names::read(&entry.name) {
            Name::Flat { digits, rest } if entry.is_file() && rest.starts_with('_') => {
                if let Some(version) = version(digits, entry, out) {
                    sections::migration(version, &rest[1..], entry, cut, out);
                }
            }
            _ => match go(entry) {
                Some(digits) => {
                    let Some(version) = version(digits, entry, out) else {
                        continue;
                    };
                    let message = "is Go code, which can't be run here";
                    let problem = Problem::new(ProblemKind::Code, message).file(&entry.file);
                    out.unusable(&version, &entry.file, problem);
                }
                None => out.leave(entry),
            },
        }
    }
}

fn version(digits: &str, entry: &Entry, out: &mut Collector) -> Option<String> {
    let version = out.integer_version(digits, entry)?;
    if version == "0" {
        let why = "has version 0, which goose keeps for itself";
        out.ignore(ProblemKind::NameUnfit, &entry.file, why);
        return None;
    }
    Some(version)
}

/// The digits of a Go migration's name. Other Go files are not goose's business.
fn go(entry: &Entry) -> Option<&str> {
    let stem = entry.name.strip_suffix(".go").filter(|_| entry.is_file())?;
    let (digits, rest) = stem.split_once('_')?;
    (crate::version::is_digits(digits) && !rest.ends_with("_test")).then_some(digits)
}

fn cut(marks: Vec<Mark>) -> Cut {
    let (mut up, mut down) = (None, None);
    let mut no_transaction = false;
    let mut statement: Option<u32> = None;
    let mut problems = Vec::new();
    for mark in marks {
        let line = mark.line;
        if mark.layout != Layout::Goose {
            problems.push(broken(line, format!("has a mark of {}", mark.layout)));
            continue;
        }
        if mark.is_indented {
            let message = "has an indented mark, which not every version of goose sees";
            problems.push(broken(line, message));
            continue;
        }
        match mark.words.as_str() {
            "+goose up" if up.is_none() && down.is_none() => up = Some(mark),
            "+goose down" if up.is_some() && down.is_none() => down = Some(mark),
            "+goose up" | "+goose down" => {
                problems.push(broken(
                    line,
                    "has its sections doubled or in the wrong order",
                ));
            }
            "+goose statementbegin" if statement.is_none() && up.is_some() => {
                statement = Some(line);
            }
            "+goose statementend" if statement.is_some() => statement = None,
            "+goose statementbegin" | "+goose statementend" => {
                problems.push(broken(line, "has StatementBegin and StatementEnd unpaired"));
            }
            "+goose no transaction" => no_transaction = true,
            "+goose envsub on" | "+goose envsubst on" => {
                let message =
                    "has text from environment variables put in (ENVSUB), which is not done here";
                problems.push(Problem::new(ProblemKind::Unsupported, message).line(line));
            }
            "+goose envsub off" | "+goose envsubst off" => {}
            words => problems.push(broken(line, format!("has the unknown mark {words}"))),
        }
    }
    if let Some(line) = statement {
        problems.push(broken(line, "has a StatementBegin without a StatementEnd"));
    }
    match up {
        Some(up) => Cut::Sections(Sections {
            up,
            down,
            no_transaction,
            problems,
        }),
        None => Cut::Unusable(Problem::new(
            ProblemKind::UpMissing,
            "has no `-- +goose Up` line",
        )),
    }
}
