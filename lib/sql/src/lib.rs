//! SQL of both dialects read by real parsers: statements, tokens, rules on what loses data.
//!
//! Everything here is a pure function of the text. Nothing is connected to, and reading never fails:
//! what a parser can't read is data, for the caller to report.

mod act;
mod affinity;
mod before;
mod columns;
mod comments;
mod depth;
mod digest;
mod directives;
mod hindrance;
mod history;
mod lex;
mod lines;
mod made;
mod names;
mod own_tables;
mod postgres;
mod rebuild;
mod rules;
mod script;
mod server_settings;
mod sqlite;
#[cfg(test)]
mod tests;
mod transactions;
mod truth;
mod unfold;

pub use before::{Before, Table, UserType, search_path};
pub use comments::{Comment, comments};
pub use digest::{TokenDigest, is_empty, token_digest};
pub use directives::{Allowance, Directives, Problem, directives};
pub use hindrance::{Hindered, Hindrance, hindrances, tables_touched};
pub use made::{Made, made, unmade};
pub use names::names;
pub use rebuild::Cause;
pub use rules::{Pending, RULES, Rule, Violation, allowable, violations};
pub use script::{Kind, Script, Statement, SyntaxError, parse};
pub use server_settings::{PINNED, RECORDED, Treatment, reading_pins, treatment};
pub use transactions::{
    LeftOut, TransactionFault, Transactions, Trouble, transactions, within_transaction,
};

/// What a file allows itself so that it may sort before one that is already applied. No rule on SQL:
/// the ledger comparison asks for it.
pub const OUT_OF_ORDER: &str = "out-of-order";

/// What a file allows itself so that it may do nothing: an empty one that was applied somewhere can
/// be neither deleted nor filled. No rule either.
pub const NO_STATEMENT: &str = "no-statement";

/// The SQL of one engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Dialect {
    /// `sqlite` or `postgres`.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Sqlite => "sqlite",
            Dialect::Postgres => "postgres",
        }
    }
}

/// The text without a byte order mark at its start. SQLite skips one; PostgreSQL calls it a syntax
/// error, so that it must not be sent.
pub fn without_byte_order_mark(sql: &str) -> &str {
    &sql[lex::byte_order_mark(sql)..]
}
