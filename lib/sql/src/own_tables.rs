//! What Lockstep keeps in the database: the mark in `lockstep.environment`, and the ledger, in the schema
//! `lockstep` unless `[migrations]` names another; on SQLite tables with those names as prefixes.

use crate::Dialect;
use crate::act::{Act, Name, What};

const LOCKSTEP: &str = "lockstep";

/// The ledger's tables, where it has another name: the schema may have tables of others too.
const LEDGER_TABLES: [&str; 5] = [
    "migrations",
    "schema",
    "ledger_format",
    "schema_history",
    "accepted",
];

pub(crate) struct OwnTables<'a> {
    dialect: Dialect,
    ledger: &'a str,
    /// Whether a name without a schema may be one of ours.
    in_path: bool,
}

impl<'a> OwnTables<'a> {
    pub(crate) fn of(dialect: Dialect, ledger: &'a str) -> OwnTables<'a> {
        OwnTables {
            dialect,
            ledger,
            in_path: false,
        }
    }

    /// Whether an act changes one of them, or keeps code that would.
    pub(crate) fn is_touched(&self, what: &What) -> bool {
        let within = |body: &[Act]| body.iter().any(|act| self.is_touched(&act.what));
        match what {
            What::CreateSchema { schema, .. } => schema == LOCKSTEP,
            What::DropSchema(schema) | What::AttachSchema(schema) => self.is_schema(schema),
            What::Attach(table) => self.is_one(table),
            What::RenameSchema { from, to } => self.is_schema(from) || self.is_schema(to),
            What::CreateRoutine { body, .. } => within(body),
            What::CreateTrigger { table, body, .. } => self.is_one(table) || within(body),
            what => what.tables().into_iter().any(|table| self.is_one(table)),
        }
    }

    /// Follows the search path.
    pub(crate) fn follow(&mut self, what: &What) {
        if let What::SetPath(path) = what {
            let is_in = |path: &Vec<String>| path.iter().any(|schema| self.is_schema(schema));
            self.in_path = path.as_ref().is_none_or(is_in);
        }
    }

    fn is_schema(&self, schema: &str) -> bool {
        schema == LOCKSTEP || schema == self.ledger
    }

    fn is_one(&self, table: &Name) -> bool {
        let is_of_ledger = |name: &str| LEDGER_TABLES.contains(&name);
        match (self.dialect, table.schema.as_deref()) {
            (Dialect::Sqlite, Some("main") | None) => {
                let rest = table.name.strip_prefix(self.ledger);
                table.name.starts_with("lockstep_")
                    || rest
                        .and_then(|rest| rest.strip_prefix('_'))
                        .is_some_and(is_of_ledger)
            }
            (Dialect::Sqlite, Some(_)) => false,
            (Dialect::Postgres, Some(LOCKSTEP)) => true,
            (Dialect::Postgres, Some(schema)) => schema == self.ledger && is_of_ledger(&table.name),
            (Dialect::Postgres, None) => {
                self.in_path && (table.name == "environment" || is_of_ledger(&table.name))
            }
        }
    }
}
