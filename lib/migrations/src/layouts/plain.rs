//! `0001_name.sql`, with an optional `0001_name.down.sql` or `rollback/0001_name.sql`.
//!
//! Also what sqlx writes for migrations without a way back: versions are integers, the name begins
//! after the first underscore, or a dash or a dot in its place, `-- no-transaction` counts as the file's first bytes.

use crate::collect::{Collector, Downs, Draft};
use crate::layouts::is_marked_by_sqlx;
use crate::listing::{Entry, Kind};
use crate::names::{self, Name};

const ROLLBACK: &str = "rollback";

pub(super) fn collect(entries: &[Entry], out: &mut Collector) {
    let mut downs = downs(entries, out);
    for entry in entries {
        match names::read(&entry.name) {
            Name::Flat { digits, rest } if entry.is_file() && names::named(rest).is_some() => {
                let name = names::named(rest).unwrap_or_default();
                let down = downs.take(&format!("{digits}_{name}"), out);
                let Some(version) = out.integer_version(digits, entry) else {
                    continue;
                };
                let Some(source) = out.read(&version, &entry.file) else {
                    continue;
                };
                out.add(Draft {
                    no_transaction: is_marked_by_sqlx(&source),
                    down,
                    ..Draft::whole(version, name, &entry.file, source)
                });
            }
            Name::Direction { up: false, .. } if entry.is_file() => {}
            _ if matches!(entry.kind, Kind::Folder(_)) && entry.name == ROLLBACK => {}
            _ => out.leave(entry),
        }
    }
    downs.finish(out);
}

fn downs(entries: &[Entry], out: &mut Collector) -> Downs {
    let mut downs = Downs::default();
    for entry in entries {
        if let Name::Direction {
            digits,
            name,
            up: false,
        } = names::read(&entry.name)
            && entry.is_file()
        {
            downs.put(&format!("{digits}_{name}"), &entry.file);
        } else if entry.name == ROLLBACK {
            for child in entry.entries() {
                match names::read(&child.name) {
                    Name::Flat { digits, rest } if child.is_file() => {
                        let name = names::named(rest).unwrap_or(rest);
                        downs.put(&format!("{digits}_{name}"), &child.file);
                    }
                    Name::Direction {
                        digits,
                        name,
                        up: false,
                    } if child.is_file() => {
                        downs.put(&format!("{digits}_{name}"), &child.file);
                    }
                    _ => out.leave(child),
                }
            }
        }
    }
    downs
}
