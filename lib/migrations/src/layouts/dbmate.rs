//! `1_name.sql` with `-- migrate:up` and `-- migrate:down` sections.
//!
//! The version is the digits as text, and files apply in the order of their names as text. dbmate
//! wants both sections; one that applies is enough here, and the other is missed with a warning.

use crate::collect::Collector;
use crate::layouts::sections::{self, Cut, Mark, Sections, broken};
use crate::listing::Entry;
use crate::names::{self, Name};
use crate::{Layout, Problem, ProblemKind};

pub(super) fn collect(entries: &[Entry], out: &mut Collector) {
    for entry in entries {
        match names::read(&entry.name) {
            Name::Flat { digits, rest } if entry.is_file() => {
                let name = rest.strip_prefix('_').unwrap_or(rest);
                sections::migration(digits.to_owned(), name, entry, cut, out);
            }
            _ => out.leave(entry),
        }
    }
}

fn cut(marks: Vec<Mark>) -> Cut {
    let (mut up, mut down) = (None, None);
    let mut problems = Vec::new();
    for mark in marks {
        if mark.layout != Layout::Dbmate {
            problems.push(broken(mark.line, format!("has a mark of {}", mark.layout)));
            continue;
        }
        if mark.is_indented {
            problems.push(broken(
                mark.line,
                "has an indented mark, which dbmate does not see",
            ));
            continue;
        }
        let is_up = mark.words.starts_with("migrate:up");
        let section = if is_up { &mut up } else { &mut down };
        if section.is_some() {
            problems.push(broken(mark.line, "has the same section twice"));
        } else {
            *section = Some(mark);
        }
    }
    let Some(up) = up else {
        let message = "has no `-- migrate:up` line";
        return Cut::Unusable(Problem::new(ProblemKind::UpMissing, message));
    };
    match &down {
        Some(down) if down.start < up.start => {
            return Cut::Unusable(broken(
                down.line,
                "has the section that reverts above the one that applies",
            ));
        }
        Some(_) => {}
        None => {
            let message = "has no `-- migrate:down` line, without which dbmate refuses the file";
            problems.push(Problem::new(ProblemKind::DownMissing, message));
        }
    }
    let mut no_transaction = false;
    for option in up.words.split(' ').skip(1) {
        match option {
            "transaction:false" => no_transaction = true,
            "transaction:true" => {}
            option => problems.push(broken(up.line, format!("has the unknown option {option}"))),
        }
    }
    Cut::Sections(Sections {
        up,
        down,
        no_transaction,
        problems,
    })
}
