use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::tree::{child, has, identifier, name, string, tokens};
use crate::truth::{Comparison, Records, Value, and, compare, is_same_column, or};

/// Whether a condition holds for every row by its very text: `true`, `1 = 1`, `id = id`. What only
/// the data could tell is not looked for.
///
/// `statement` is what the condition belongs to: a name before a dot that is none of its tables is a
/// record's or an argument's.
pub(super) fn always_true(condition: &SyntaxNode, statement: &SyntaxNode) -> bool {
    use SyntaxKind::*;
    let named = statement.descendants().filter(|below| {
        matches!(
            below.kind(),
            RELATION_NAME | RELATION_NAME_REF | TABLE_RELATION_NAME | TABLE_ALIAS
        )
    });
    let tables: Vec<String> = named.filter_map(|below| Some(name(&below)?.name)).collect();
    let is_record = |of: &str| !tables.iter().any(|table| table == of);
    constant(condition, &is_record) == Some(true)
}

fn constant(node: &SyntaxNode, records: Records) -> Option<bool> {
    match node.kind() {
        SyntaxKind::PAREN_EXPR => constant(&node.first_child()?, records),
        SyntaxKind::LITERAL => boolean(node),
        SyntaxKind::CAST_EXPR => boolean(&node.first_child()?),
        SyntaxKind::PREFIX_EXPR if has(node, SyntaxKind::NOT_KW) => {
            constant(&node.first_child()?, records).map(|value| !value)
        }
        SyntaxKind::POSTFIX_EXPR => {
            let (value, is_null) = null_test(node, records)?;
            let comparison = if is_null {
                Comparison::Is
            } else {
                Comparison::IsNot
            };
            compare(&value, comparison, &Value::Null)
        }
        SyntaxKind::CALL_EXPR => child(node, SyntaxKind::EXISTS_FN)
            .and_then(|exists| child(&exists, SyntaxKind::SELECT))
            .filter(|query| {
                query
                    .children()
                    .all(|part| part.kind() == SyntaxKind::SELECT_CLAUSE)
            })
            .map(|_| true),
        SyntaxKind::BIN_EXPR => {
            let left = node.first_child()?;
            let right = node.last_child()?;
            if has(node, SyntaxKind::OR_KW) {
                return or(
                    or(constant(&left, records), constant(&right, records)),
                    is_null_or_not(&left, &right, records).then_some(true),
                );
            }
            if has(node, SyntaxKind::AND_KW) {
                return and(constant(&left, records), constant(&right, records));
            }
            compare(
                &value(&left, records)?,
                comparison(node)?,
                &value(&right, records)?,
            )
        }
        _ => None,
    }
}

fn comparison(node: &SyntaxNode) -> Option<Comparison> {
    node.children_with_tokens()
        .find_map(|element| match element.kind() {
            SyntaxKind::EQ => Some(Comparison::Equal),
            SyntaxKind::NEQ | SyntaxKind::NEQB => Some(Comparison::NotEqual),
            SyntaxKind::L_ANGLE => Some(Comparison::Less),
            SyntaxKind::LTEQ => Some(Comparison::LessOrEqual),
            SyntaxKind::R_ANGLE => Some(Comparison::Greater),
            SyntaxKind::GTEQ => Some(Comparison::GreaterOrEqual),
            SyntaxKind::IS_KW | SyntaxKind::IS_NOT_DISTINCT_FROM => Some(Comparison::Is),
            SyntaxKind::IS_NOT | SyntaxKind::IS_DISTINCT_FROM => Some(Comparison::IsNot),
            _ => None,
        })
}

fn value(node: &SyntaxNode, records: Records) -> Option<Value> {
    match node.kind() {
        SyntaxKind::PAREN_EXPR => value(&node.first_child()?, records),
        SyntaxKind::NAME_REF => Some(Value::Column {
            table: None,
            name: identifier(node),
        }),
        SyntaxKind::FIELD_EXPR => {
            let mut parts = parts(node)?;
            let name = parts.pop()?;
            // A schema before the table's name says no more.
            Some(Value::named(parts.pop(), name, records))
        }
        SyntaxKind::LITERAL => {
            let token = tokens(node).next()?;
            match token.kind() {
                SyntaxKind::NULL_KW => Some(Value::Null),
                SyntaxKind::TRUE_KW => Some(Value::Bool(true)),
                SyntaxKind::FALSE_KW => Some(Value::Bool(false)),
                SyntaxKind::INT_NUMBER | SyntaxKind::NUMERIC_NUMBER => number(token.text()),
                _ => string(node).map(Value::Text),
            }
        }
        SyntaxKind::PREFIX_EXPR => {
            let sign = match tokens(node).next()?.kind() {
                SyntaxKind::MINUS => -1.0,
                SyntaxKind::PLUS => 1.0,
                _ => return constant(node, records).map(Value::Bool),
            };
            match value(&node.first_child()?, records)? {
                Value::Number(number) => Some(Value::Number(sign * number)),
                _ => None,
            }
        }
        _ => constant(node, records).map(Value::Bool),
    }
}

/// The names of `schema.table.column` or `record.field`. None if something else has a field.
fn parts(node: &SyntaxNode) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    for child in node.children() {
        match child.kind() {
            SyntaxKind::NAME_REF => parts.push(identifier(&child)),
            SyntaxKind::FIELD_EXPR => parts.extend(self::parts(&child)?),
            _ => return None,
        }
    }
    Some(parts)
}

fn number(text: &str) -> Option<Value> {
    text.replace('_', "").parse().ok().map(Value::Number)
}

/// `a IS NULL`, `a ISNULL`, `a IS NOT NULL`, `a NOTNULL`: what is asked about, and whether it is to be
/// NULL.
fn null_test(node: &SyntaxNode, records: Records) -> Option<(Value, bool)> {
    match node.kind() {
        SyntaxKind::PAREN_EXPR => null_test(&node.first_child()?, records),
        SyntaxKind::POSTFIX_EXPR => {
            let is_null = match tokens(node).last()?.kind() {
                SyntaxKind::ISNULL_KW => true,
                SyntaxKind::NOTNULL_KW => false,
                _ => return None,
            };
            Some((value(&node.first_child()?, records)?, is_null))
        }
        SyntaxKind::BIN_EXPR => {
            let is_null = match comparison(node)? {
                Comparison::Is => true,
                Comparison::IsNot => false,
                _ => return None,
            };
            if value(&node.last_child()?, records)? != Value::Null {
                return None;
            }
            Some((value(&node.first_child()?, records)?, is_null))
        }
        _ => None,
    }
}

fn is_null_or_not(left: &SyntaxNode, right: &SyntaxNode, records: Records) -> bool {
    match (null_test(left, records), null_test(right, records)) {
        (Some((left, is_null)), Some((right, other_is_null))) => {
            is_null != other_is_null && is_same_column(&left, &right)
        }
        _ => false,
    }
}

fn boolean(node: &SyntaxNode) -> Option<bool> {
    let token = tokens(node).next()?;
    match token.text().to_ascii_lowercase().trim_matches('\'') {
        "true" | "t" | "yes" | "on" | "1" => Some(true),
        "false" | "f" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}
