//! Names of Lockstep's own tables.

use crate::format::LEDGER_FORMAT_TABLE;

/// The ledger's name where `[migrations] ledger` gives none: the schema on PostgreSQL, the prefix
/// of the tables on SQLite.
pub const LEDGER_DEFAULT: &str = "lockstep";

/// PostgreSQL cuts names at 63 bytes, and a cut name could be another ledger's.
const LEDGER_NAME_BYTES_MAX: usize = 40;

/// The name of a ledger: lower-case letters, digits and underscores, so that it is the same name
/// on both engines, quoted or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerName(String);

/// A ledger's name that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot use {0:?} as the ledger's name: it takes up to 40 lower-case letters, digits and underscores, a letter first"
)]
pub struct LedgerNameError(String);

impl contract::Classify for LedgerNameError {
    fn class(&self) -> contract::Class {
        contract::Class::Usage
    }
}

impl Default for LedgerName {
    fn default() -> LedgerName {
        LedgerName(LEDGER_DEFAULT.to_owned())
    }
}

impl LedgerName {
    /// The ledger that `[migrations] ledger` names, or the default one.
    ///
    /// # Errors
    ///
    /// When the name has other characters than the allowed ones, or too many.
    pub fn new(name: Option<&str>) -> Result<LedgerName, LedgerNameError> {
        let Some(name) = name else {
            return Ok(LedgerName::default());
        };
        let fits = name.len() <= LEDGER_NAME_BYTES_MAX
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            // These belong to the engines.
            && !name.starts_with("pg_")
            && !name.starts_with("sqlite_");
        if fits {
            Ok(LedgerName(name.to_owned()))
        } else {
            Err(LedgerNameError(name.to_owned()))
        }
    }

    /// The name: PostgreSQL's schema, and SQLite's prefix without its underscore.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The unquoted table on SQLite.
    pub fn sqlite_table(&self, table: &str) -> String {
        format!("{}_{table}", self.0)
    }

    /// Whether this is the name of one of Lockstep's own tables on SQLite. Nothing else is, whatever
    /// its prefix: what counts as ours is not looked at before a deployment begins.
    pub fn is_own_sqlite(&self, table: &str) -> bool {
        let own = self.own_sqlite();
        own.iter().any(|own| own.eq_ignore_ascii_case(table))
    }

    /// The names of Lockstep's own tables on SQLite, those of the default ledger among them.
    pub(crate) fn own_sqlite(&self) -> Vec<String> {
        let mut own = vec![MARK_SQLITE.to_owned()];
        for table in LEDGER_TABLES {
            own.push(self.sqlite_table(table));
            own.push(LedgerName::default().sqlite_table(table));
        }
        own
    }

    /// The quoted and qualified table on PostgreSQL.
    pub fn postgres_table(&self, table: &str) -> String {
        format!("\"{}\".\"{table}\"", self.0)
    }
}

/// The tables of a ledger.
pub const LEDGER_TABLES: [&str; 5] = [
    "migrations",
    "schema",
    LEDGER_FORMAT_TABLE,
    "schema_history",
    "accepted",
];

/// A condition that holds for Lockstep's own tables on PostgreSQL alone, and not for what else
/// stands in a schema that `[migrations] ledger` names: `n` is their row of `pg_namespace`, `c` of
/// `pg_class`, and `$1` the ledger's name.
pub const OWN_POSTGRES: &str = "(n.nspname = 'lockstep' \
        AND c.relname IN ('environment', 'migrations', 'schema', 'ledger_format', 'schema_history', \
            'accepted') \
    OR n.nspname = $1 AND c.relname IN ('migrations', 'schema', 'ledger_format', \
        'schema_history', 'accepted'))";

/// The mark belongs to the database and not to a project, so its place does not move with the
/// ledger's name.
pub(crate) const MARK_SQLITE: &str = "lockstep_environment";
pub(crate) const MARK_POSTGRES: &str = "\"lockstep\".\"environment\"";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_makes_no_table_ours() {
        let shop = LedgerName::new(Some("shop")).unwrap();
        for own in [
            "lockstep_environment",
            "Lockstep_Migrations",
            "shop_migrations",
            "shop_schema",
            "shop_ledger_format",
            "shop_schema_history",
            "shop_accepted",
        ] {
            assert!(shop.is_own_sqlite(own), "{own}");
        }
        for other in [
            "lockstep_orders",
            "shop_orders",
            "shop_environment",
            "schema",
        ] {
            assert!(!shop.is_own_sqlite(other), "{other}");
        }
    }

    #[test]
    fn a_ledger_name_is_one_that_needs_no_quotes() {
        assert_eq!(LedgerName::new(None).unwrap().as_str(), "lockstep");
        assert_eq!(
            LedgerName::new(Some("billing_2"))
                .unwrap()
                .postgres_table("migrations"),
            "\"billing_2\".\"migrations\""
        );
        let long = "a".repeat(41);
        for name in ["", "2a", "A", "a-b", "a\"b", "pg_x", "sqlite_x", "é", &long] {
            assert!(LedgerName::new(Some(name)).is_err(), "{name}");
        }
    }
}
