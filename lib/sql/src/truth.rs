//! What a condition comes to without a look at the rows.

use std::cmp::Ordering;

/// A side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Column {
        table: Option<String>,
        name: String,
    },
    /// A field of a row that is the same for every row of the statement: OLD, NEW, a loop's record, a
    /// function's argument.
    Field {
        of: String,
        name: String,
    },
}

impl Value {
    /// What a name with a table's, or with none, stands for. `is_record` says which are no tables of the
    /// statement.
    pub(crate) fn named(table: Option<String>, name: String, is_record: Records) -> Value {
        match table {
            Some(of) if is_record(&of) => Value::Field { of, name },
            table => Value::Column { table, name },
        }
    }
}

/// Which names before a dot are of a record and not of a table.
pub(crate) type Records<'a> = &'a dyn Fn(&str) -> bool;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// NULL is NULL.
    Is,
    IsNot,
}

/// What a comparison comes to. None if only the rows tell.
///
/// A column equals itself in every row that has a value: meant as "all".
pub(crate) fn compare(left: &Value, comparison: Comparison, right: &Value) -> Option<bool> {
    use Comparison::{Equal, GreaterOrEqual, Is, IsNot, Less, LessOrEqual, NotEqual};
    if is_same_column(left, right) {
        let is_reflexive = matches!(comparison, Equal | Is | LessOrEqual | GreaterOrEqual);
        return is_reflexive.then_some(true);
    }
    let order = match (left, right) {
        (Value::Column { .. } | Value::Field { .. }, _)
        | (_, Value::Column { .. } | Value::Field { .. }) => return None,
        (Value::Null, _) | (_, Value::Null) => {
            return match comparison {
                Is => Some(left == right),
                IsNot => Some(left != right),
                _ => None,
            };
        }
        (Value::Number(left), Value::Number(right)) => left.partial_cmp(right)?,
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        // Which text comes first is a matter of the collation.
        (Value::Text(left), Value::Text(right)) => match comparison {
            Equal | Is | NotEqual | IsNot => left.cmp(right),
            _ => return None,
        },
        _ => return None,
    };
    Some(match comparison {
        Equal | Is => order == Ordering::Equal,
        NotEqual | IsNot => order != Ordering::Equal,
        Less => order == Ordering::Less,
        LessOrEqual => order != Ordering::Greater,
        Comparison::Greater => order == Ordering::Greater,
        GreaterOrEqual => order != Ordering::Less,
    })
}

/// Whether two names mean one column. In a statement with two tables a name without one is an error if
/// both have it.
pub(crate) fn is_same_column(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (
            Value::Column {
                table: left_table,
                name: left,
            },
            Value::Column {
                table: right_table,
                name: right,
            },
        ) => {
            left == right
                && (left_table == right_table || left_table.is_none() || right_table.is_none())
        }
        (Value::Field { .. }, Value::Field { .. }) => left == right,
        _ => false,
    }
}

pub(crate) fn or(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

pub(crate) fn and(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(true), Some(true)) => Some(true),
        (Some(false), _) | (_, Some(false)) => Some(false),
        _ => None,
    }
}
