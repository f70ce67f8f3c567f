//! The copying itself: SQLite's backup steps under one read transaction of the source.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::Request;
use crate::error::Error;
use crate::progress::Phase;
use crate::publish::new_file;

/// Pages per step: with the usual 4 KiB, 4 MiB between two progress reports.
const STEP_PAGES: i32 = 1000;

/// Lines of `quick_check` that are reported. Those of damaged pages come first.
const FINDINGS_MAX: u32 = 20;

/// The facts of a copy.
pub(super) struct Copied {
    pub(super) held: Duration,
    pub(super) journal_mode: String,
    pub(super) encoding: String,
    pub(super) page_size: u64,
}

/// Room for the copy and for an artefact that can't be compressed.
pub(super) fn bytes_needed(source: &Connection) -> Result<u64, Error> {
    let size = pragma(source, "page_count")?.saturating_mul(pragma(source, "page_size")?);
    Ok(size
        .saturating_mul(2)
        .saturating_add(size / 100)
        .saturating_add(1 << 20))
}

/// Copies `source` to the new file `to`.
///
/// The transaction is opened by a read before the first step. Without it SQLite begins anew
/// whenever another process commits between two steps, and a busy database is never copied.
pub(super) fn copy(request: &Request<'_>, to: &Path) -> Result<Copied, Error> {
    let source = request.source;
    new_file(to)?;
    let reading = |act| move |error| Error::SourceSqlite { act, source: error };
    let writing = |act| move |error| Error::CopySqlite { act, source: error };
    let mut target = Connection::open_with_flags(
        to,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(writing("open the copy"))?;
    // The copy has a temporary name until it is whole, so a journal would protect nothing.
    target
        .execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
        .map_err(writing("open the copy"))?;

    let begun = request.since.unwrap_or_else(Instant::now);
    let transaction = Reading::begin(source).map_err(reading("begin a read transaction"))?;
    let text = |pragma: &str| {
        source
            .pragma_query_value(Some("main"), pragma, |row| row.get::<_, String>(0))
            .map_err(reading("read its settings"))
    };
    let journal_mode = text("journal_mode")?;
    let encoding = text("encoding")?;
    let page_size = pragma(source, "page_size")?;
    let page_count = pragma(source, "page_count")?;

    let backup = Backup::new(source, &mut target).map_err(writing("begin"))?;
    let mut remaining = None;
    loop {
        request.stop.check()?;
        let result = backup.step(STEP_PAGES).map_err(writing("copy its pages"))?;
        let at = backup.progress();
        if remaining.is_some_and(|before| at.remaining > before) {
            return Err(Error::CopyRestarted);
        }
        remaining = Some(at.remaining);
        let done = u64::try_from(at.pagecount - at.remaining).unwrap_or(0);
        (request.progress)(Phase::Copy, done * page_size, Some(page_count * page_size));
        match result {
            StepResult::Done => break,
            StepResult::More => {}
            // Nobody else knows the target, and the source's lock is held already.
            _ => {
                let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
                return Err(writing("copy its pages")(rusqlite::Error::SqliteFailure(
                    busy, None,
                )));
            }
        }
    }
    drop(backup);
    transaction
        .end()
        .map_err(reading("end the read transaction"))?;
    let held = begun.elapsed();

    target
        .close()
        .map_err(|(_, source)| writing("close the copy")(source))?;
    let copied = fs::metadata(to).map_err(Error::read(to))?.len();
    if copied != page_count * page_size {
        return Err(Error::CopyDiffers {
            path: to.to_owned(),
            found: format!("{copied} bytes instead of {}", page_count * page_size),
        });
    }
    Ok(Copied {
        held,
        journal_mode,
        encoding,
        page_size,
    })
}

/// A read transaction, the caller's or a new one; ended when dropped.
struct Reading<'a>(&'a Connection);

impl<'a> Reading<'a> {
    fn begin(connection: &'a Connection) -> rusqlite::Result<Reading<'a>> {
        if connection.is_autocommit() {
            connection.execute_batch("BEGIN")?;
        }
        let reading = Reading(connection);
        // SQLite takes the snapshot with the first read, not with BEGIN.
        connection.query_row("SELECT count(*) FROM main.sqlite_schema", [], |_| Ok(()))?;
        Ok(reading)
    }

    fn end(self) -> rusqlite::Result<()> {
        self.0.execute_batch("COMMIT")
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit() {
            // It only read; and the error that brought us here is the one to report.
            let _ = self.0.execute_batch("ROLLBACK");
        }
    }
}

/// Opens a copy that nobody writes, without a trace: no locks, no `-wal` and no `-shm` beside it.
///
/// A collation of the application's own compares as bytes do, so that tables whose definition names
/// one can be read. No order is to be asked for there; `quick_check` asks for none either.
///
/// # Errors
///
/// [`Error::Read`], [`Error::CopySqlite`].
pub fn open_copy(path: &Path) -> Result<Connection, Error> {
    use std::os::unix::ffi::OsStrExt as _;
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'/')
        .remove(b'.')
        .remove(b'-')
        .remove(b'_');
    let absolute = fs::canonicalize(path).map_err(Error::read(path))?;
    let encoded = percent_encode(absolute.as_os_str().as_bytes(), KEPT);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let open = || {
        let copy =
            Connection::open_with_flags(format!("file:{encoded}?mode=ro&immutable=1"), flags)?;
        copy.collation_needed(|copy, name| copy.create_collation(name, |a, b| a.cmp(b)))?;
        Ok(copy)
    };
    open().map_err(|source| Error::CopySqlite {
        act: "open the copy",
        source,
    })
}

/// Checks the copy's structure (`PRAGMA quick_check`). Damage of pages and b-trees is an error. What
/// else it names is the application's and comes back as warnings: values that the declared type or
/// a constraint does not allow, a full-text index that does not fit its table.
pub(super) fn check(copy: &Connection) -> Result<Vec<String>, Error> {
    let failed = |source| Error::CopySqlite {
        act: "check the copy",
        source,
    };
    let check = || {
        copy.execute_batch("PRAGMA ignore_check_constraints = ON")?;
        let mut statement = copy.prepare(&format!("PRAGMA main.quick_check({FINDINGS_MAX})"))?;
        let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
        lines.collect::<Result<Vec<String>, _>>()
    };
    let mut lines = check().map_err(failed)?;
    lines.retain(|line| line != "ok");
    let (damage, warnings): (Vec<String>, Vec<String>) = lines
        .into_iter()
        .partition(|line| line.starts_with("*** in database "));
    if damage.is_empty() {
        return Ok(warnings);
    }
    Err(Error::SourceDamaged {
        found: first_of(&damage),
    })
}

/// The first findings of a check, each of which may be several lines below a heading.
fn first_of(damage: &[String]) -> String {
    const NAMED_MAX: usize = 3;
    let lines: Vec<&str> = damage
        .iter()
        .flat_map(|finding| finding.lines())
        .filter(|line| !line.starts_with("*** in database "))
        .collect();
    let named = lines[..lines.len().min(NAMED_MAX)].join("; ");
    match lines.len().saturating_sub(NAMED_MAX) {
        0 => named,
        more => format!("{named}; and {more} more"),
    }
}

fn pragma(connection: &Connection, name: &str) -> Result<u64, Error> {
    connection
        .pragma_query_value(Some("main"), name, |row| row.get::<_, i64>(0))
        .map(i64::unsigned_abs)
        .map_err(|source| Error::SourceSqlite {
            act: "read its settings",
            source,
        })
}
