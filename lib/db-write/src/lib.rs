//! Sessions that change a database: marks, ledger, lock, migrations.
//!
//! [`open`] connects for writing, [`create_sqlite`] makes a file that can be, [`Writer`] is what can be done there. Every change is one
//! transaction that holds its record too, so that a crash leaves both or neither; the exception, a
//! migration that has to run outside a transaction, leaves a row that says `started`.

mod error;
mod postgres;
mod sqlite;
mod stop;

mod writer;

pub use error::{ApplyError, Cause, Error};
pub use sqlite::create_sqlite;
pub use stop::Stop;
pub use writer::{
    Applied, Ear, NewAccepted, NewMark, NewSchema, Options, Resolution, Row, SCHEMA_RECORDED,
    Writer, not_recorded, open, record_schema, report_upgrade,
};
