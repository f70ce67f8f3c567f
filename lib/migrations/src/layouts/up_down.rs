//! `1_name.up.sql` and `1_name.down.sql`, as sqlx and golang-migrate have them.
//!
//! Both order by an integer and pair the two files by version alone. sqlx's mark for a file
//! outside a transaction counts; golang-migrate has none.

use crate::collect::{Collector, Downs, Draft};
use crate::layouts::is_marked_by_sqlx;
use crate::listing::Entry;
use crate::names::{self, Name};

pub(super) fn collect(entries: &[Entry], out: &mut Collector) {
    let mut downs = Downs::default();
    for entry in entries {
        if let Name::Direction {
            digits, up: false, ..
        } = names::read(&entry.name)
            && entry.is_file()
            && let Some(version) = out.integer_version(digits, entry)
        {
            downs.put(&version, &entry.file);
        }
    }
    for entry in entries {
        match names::read(&entry.name) {
            Name::Direction {
                digits,
                name,
                up: true,
            } if entry.is_file() => {
                let Some(version) = out.integer_version(digits, entry) else {
                    continue;
                };
                let down = downs.take(&version, out);
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
            _ => out.leave(entry),
        }
    }
    downs.finish(out);
}
