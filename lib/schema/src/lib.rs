//! A database's schema as data: introspection, file form, differences.
//!
//! Nothing here opens a connection or writes to one. Two schemas compare only if the same engine
//! printed both; a printed definition may change with the server's major version, which is why
//! [`Schema::server_major`] is recorded.

mod diff;
mod digest;
mod error;
mod facts;
mod file;
mod kinds;
mod model;
mod name;
mod named;
mod objects;
mod outline;
mod postgres;
mod scope;
mod sketch;
mod sqlite;
mod tally;

pub use diff::{Difference, diff};
pub use digest::digest;
pub use error::Error;
pub use kinds::{CHECKS, ENGINE_AS_EXPECTED, INDEX_VALID, SCHEMA_EXISTS};
pub use model::{
    Column, Constraint, Domain, Engine, Extension, FORMAT, Function, Index, Schema, Sequence,
    Table, Trigger, Type, View,
};
pub use name::name_parts;
pub use named::Named;
pub use outline::{Outline, OutlineCache, catalog_stamp};
pub use postgres::read_postgres;
pub use scope::{Counted, Scope};
pub use sketch::{Sketch, SketchCache};
pub use sqlite::read_sqlite;
pub use tally::{Tally, tally};
