//! Takes a snapshot of a SQLite database and leaves it unpublished, to be measured from outside:
//! `measure-sqlite DATABASE PARENT`.

use std::path::PathBuf;

use rusqlite::{Connection, OpenFlags};
use snapshots::publish::Partial;
use snapshots::{Stop, sqlite};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(database), Some(parent)) = (args.next(), args.next()) else {
        return Err("usage: measure-sqlite DATABASE PARENT".into());
    };
    let source = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let partial = Partial::create(&parent, "measured")?;
    sqlite::snapshot(&sqlite::Request {
        source: &source,
        since: None,
        folder: partial.path(),
        own: &|_| false,
        progress: &|_, _, _| {},
        stop: &Stop::default(),
    })?;
    Ok(())
}
