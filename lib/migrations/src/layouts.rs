//! The rules of each layout: which files are migrations, and what in them applies.

mod dbmate;
mod diesel;
mod goose;
mod plain;
pub(crate) mod prisma;
pub(crate) mod sections;
mod up_down;
mod versioned;

use crate::Layout;
use crate::collect::Collector;
use crate::listing::Entry;
use crate::source::Source;

/// Adds what is in a folder by the rules of one layout.
pub(crate) fn collect(layout: Layout, entries: &[Entry], out: &mut Collector) {
    match layout {
        Layout::Plain => plain::collect(entries, out),
        Layout::UpDown => up_down::collect(entries, out),
        Layout::Diesel => diesel::collect(entries, out),
        Layout::Prisma => prisma::collect(entries, out),
        Layout::Versioned => versioned::collect(entries, out),
        Layout::Dbmate => dbmate::collect(entries, out),
        Layout::Goose => goose::collect(entries, out),
    }
}

/// sqlx's own mark for a file that runs outside a transaction: the very first bytes of the file.
pub(crate) const SQLX_MARK: &str = "-- no-transaction";

fn is_marked_by_sqlx(source: &Source) -> bool {
    !source.has_byte_order_mark && source.text.starts_with(SQLX_MARK)
}

/// The layouts that sqlx writes.
pub(crate) fn reads_sqlx(layout: Layout) -> bool {
    matches!(layout, Layout::Plain | Layout::UpDown)
}

/// What a folder's name says after the version, in the layouts where the rest is the name.
fn after_first_underscore(folder: &str) -> &str {
    folder.split_once('_').map_or("", |(_, name)| name)
}
