//! The file that a SQLite database was, when its mark was written.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use db_read::SqliteSession;
use records::{LedgerName, Mark, Place, SqliteRecords};
use settings::SqliteTarget;

use crate::TOOL;

/// Whether the file that `mark` names is there, is another one than the file at `now`, and carries
/// that mark too: then the one at `now` is a copy. A missing file proves nothing. It may have been
/// moved, or stand where this process can't see it.
pub(crate) fn stands(mark: &Mark, now: &Place, ledger: &LedgerName) -> bool {
    if now.database_oid.is_some() {
        return false;
    }
    let (was, is) = (mark.place.file(), now.file());
    let (Ok(original), Ok(file)) = (std::fs::metadata(&was), std::fs::metadata(&is)) else {
        return false;
    };
    let another = (original.dev(), original.ino()) != (file.dev(), file.ino());
    another && uuid_of(&was, ledger).is_some_and(|uuid| uuid == mark.uuid)
}

/// The identity of the database at `path`; nothing where it can't be read.
fn uuid_of(path: &Path, ledger: &LedgerName) -> Option<String> {
    let target = SqliteTarget {
        path: path.to_owned(),
    };
    let session = SqliteSession::open(&target, &db_read::Options::new(TOOL.name)).ok()?;
    let mark = SqliteRecords::new(session.connection(), ledger).mark();
    session.close();
    mark.ok()?.map(|mark| mark.uuid)
}
