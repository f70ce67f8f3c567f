use sqlite3_parser::ast::{Expr, Literal};

use super::name::unquoted;
use crate::Hindrance;
use crate::act::What;

/// What setting a pragma does to a runner's transaction. Asking for one does nothing.
pub(super) fn act(name: &str, value: Option<&Expr>) -> Option<What> {
    // The one pragma that acts without a value.
    if name == "wal_checkpoint" {
        return Some(What::Hindered(Hindrance::NeedsNoTransaction));
    }
    let value = value?;
    match name {
        "query_only" if !is_off(value) => Some(What::Hindered(Hindrance::RunnersSession)),
        "hard_heap_limit" | "soft_heap_limit" | "temp_store_directory" | "data_store_directory" => {
            Some(What::Hindered(Hindrance::RunnersSession))
        }
        "journal_mode" if matches!(word(value).as_deref(), Some("off" | "memory")) => {
            Some(What::Hindered(Hindrance::RunnersSession))
        }
        // SQLite answers with an error, or (journal_mode) with the old mode.
        "journal_mode" | "synchronous" => Some(What::Hindered(Hindrance::NeedsNoTransaction)),
        "foreign_keys" => Some(What::Hindered(Hindrance::NoEffectInTransaction)),
        "writable_schema" if !is_off(value) => {
            Some(What::WritableSchema("pragma writable_schema".to_owned()))
        }
        _ => None,
    }
}

fn is_off(value: &Expr) -> bool {
    // RESET reads the schema again and turns the pragma off.
    matches!(
        word(value).as_deref(),
        Some("0" | "off" | "false" | "no" | "reset")
    )
}

/// The value in lower case, where it is one word or number.
fn word(value: &Expr) -> Option<String> {
    let text = match value {
        Expr::Literal(Literal::Numeric(text) | Literal::String(text) | Literal::Keyword(text)) => {
            text
        }
        Expr::Id(id) => id.0,
        Expr::Name(name) => name.0,
        _ => return None,
    };
    Some(unquoted(text))
}
