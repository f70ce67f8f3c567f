use sqlite3_parser::ast::{Expr, Limit, Literal, OneSelect, Operator, Select, UnaryOperator};

use super::name::{column, unquoted};
use crate::truth::{Comparison, Records, Value, and, compare, is_same_column, or};

/// Whether a condition holds for every row by its very text: `1`, `TRUE`, `1 = 1`, `id = id`. What
/// only the data could tell is not looked for.
pub(super) fn always_true(condition: &Expr, records: Records) -> bool {
    constant(condition, records) == Some(true)
}

/// Outside of a trigger a name before a dot is a table's.
pub(super) fn no_records(_: &str) -> bool {
    false
}

/// The same without regard to what is meant: `id = id` does not hold where `id` is NULL.
pub(super) fn surely_true(condition: &Expr) -> bool {
    let literal = match condition {
        Expr::Parenthesized(inner) => inner.as_slice().first(),
        condition => Some(condition),
    };
    literal.is_some_and(|literal| {
        matches!(literal, Expr::Literal(_) | Expr::Id(_) | Expr::Name(_))
            && always_true(literal, &no_records)
    })
}

/// Whether a LIMIT leaves rows out: one below zero is none.
pub(super) fn limits(limit: &Limit) -> bool {
    !matches!(value(&limit.expr, &no_records), Some(Value::Number(number)) if number < 0.0)
        || limit.offset.is_some()
}

fn constant(condition: &Expr, records: Records) -> Option<bool> {
    match condition {
        Expr::Parenthesized(inner) => match inner.as_slice() {
            [inner] => constant(inner, records),
            _ => None,
        },
        Expr::Unary(UnaryOperator::Not, inner) => constant(inner, records).map(|value| !value),
        Expr::IsNull(inner) => compare(&value(inner, records)?, Comparison::Is, &Value::Null),
        Expr::NotNull(inner) => compare(&value(inner, records)?, Comparison::IsNot, &Value::Null),
        Expr::Exists(query) => is_one_row(query).then_some(true),
        Expr::Binary(left, Operator::Or, right) => or(
            or(constant(left, records), constant(right, records)),
            is_null_or_not(left, right, records).then_some(true),
        ),
        Expr::Binary(left, Operator::And, right) => {
            and(constant(left, records), constant(right, records))
        }
        Expr::Binary(left, operator, right) => compare(
            &value(left, records)?,
            comparison(*operator)?,
            &value(right, records)?,
        ),
        condition => match value(condition, records)? {
            Value::Bool(value) => Some(value),
            Value::Number(number) => Some(number != 0.0),
            Value::Text(text) => Some(leading_number(&text) != 0.0),
            Value::Null | Value::Column { .. } | Value::Field { .. } => None,
        },
    }
}

fn comparison(operator: Operator) -> Option<Comparison> {
    Some(match operator {
        Operator::Equals => Comparison::Equal,
        Operator::NotEquals => Comparison::NotEqual,
        Operator::Less => Comparison::Less,
        Operator::LessEquals => Comparison::LessOrEqual,
        Operator::Greater => Comparison::Greater,
        Operator::GreaterEquals => Comparison::GreaterOrEqual,
        Operator::Is => Comparison::Is,
        Operator::IsNot => Comparison::IsNot,
        _ => return None,
    })
}

fn value(expr: &Expr, records: Records) -> Option<Value> {
    match expr {
        Expr::Parenthesized(inner) => match inner.as_slice() {
            [inner] => value(inner, records),
            _ => None,
        },
        Expr::Literal(Literal::Null) => Some(Value::Null),
        Expr::Literal(Literal::Numeric(text)) => number(text).map(Value::Number),
        Expr::Literal(Literal::String(text)) => Some(Value::Text(text_of(text))),
        Expr::Literal(Literal::Keyword(word)) => boolean(word).map(Value::Bool),
        Expr::Unary(UnaryOperator::Negative, inner) => match value(inner, records)? {
            Value::Number(number) => Some(Value::Number(-number)),
            _ => None,
        },
        Expr::Unary(UnaryOperator::Positive, inner) => value(inner, records),
        Expr::Id(id) => Some(named(id.0)),
        Expr::Name(name) => Some(named(name.0)),
        Expr::Qualified(table, name) | Expr::DoublyQualified(_, table, name) => {
            Some(Value::named(Some(column(table)), column(name), records))
        }
        Expr::Binary(..) | Expr::IsNull(_) | Expr::NotNull(_) | Expr::Unary(..) => {
            constant(expr, records).map(Value::Bool)
        }
        _ => None,
    }
}

/// A column, or one of the two words for truth.
fn named(text: &str) -> Value {
    boolean(text).map_or_else(
        || Value::Column {
            table: None,
            name: unquoted(text),
        },
        Value::Bool,
    )
}

fn boolean(word: &str) -> Option<bool> {
    if word.eq_ignore_ascii_case("true") {
        Some(true)
    } else if word.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

fn number(text: &str) -> Option<f64> {
    let text = text.replace('_', "");
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        // Every digit but zero makes it another number than zero.
        Some(digits) => u64::from_str_radix(digits, 16)
            .ok()
            .map(|number| number as f64),
        None => text.parse().ok(),
    }
}

/// The text of a string literal, in its own case.
fn text_of(literal: &str) -> String {
    let inner = literal
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''));
    inner.unwrap_or(literal).replace("''", "'")
}

/// The number that a text begins with, as SQLite takes it for a condition; 0 if there is none.
fn leading_number(text: &str) -> f64 {
    let text = text.trim_start();
    let ends = (0..=text.len())
        .rev()
        .filter(|end| text.is_char_boundary(*end));
    let digits = text.chars().take_while(|c| "+-.eE0123456789".contains(*c));
    let length = digits.count();
    ends.filter(|end| *end <= length)
        .find_map(|end| text[..end].parse().ok())
        .unwrap_or(0.0)
}

/// Whether a query surely has a row, as `SELECT 1` has.
fn is_one_row(query: &Select) -> bool {
    query.with.is_none()
        && query.limit.is_none()
        && query.body.compounds.is_none()
        && matches!(
            query.body.select,
            OneSelect::Select {
                from: None,
                where_clause: None,
                having: None,
                ..
            } | OneSelect::Values(_)
        )
}

/// What a test for NULL is about, and whether it is to be NULL.
fn null_test(expr: &Expr, records: Records) -> Option<(Value, bool)> {
    match expr {
        Expr::Parenthesized(inner) => match inner.as_slice() {
            [inner] => null_test(inner, records),
            _ => None,
        },
        Expr::IsNull(inner) | Expr::Binary(inner, Operator::Is, Expr::Literal(Literal::Null)) => {
            Some((value(inner, records)?, true))
        }
        Expr::NotNull(inner)
        | Expr::Binary(inner, Operator::IsNot, Expr::Literal(Literal::Null)) => {
            Some((value(inner, records)?, false))
        }
        _ => None,
    }
}

fn is_null_or_not(left: &Expr, right: &Expr, records: Records) -> bool {
    match (null_test(left, records), null_test(right, records)) {
        (Some((left, is_null)), Some((right, other_is_null))) => {
            is_null != other_is_null && is_same_column(&left, &right)
        }
        _ => false,
    }
}
