use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::tree::{child, children, has, identifier, string, tokens};
use crate::truth::{Comparison, Value, and, compare, is_same_column, or};

/// Whether a condition holds for every row by its very text: `true`, `1 = 1`, `id = id`. What only
/// the data could tell is not looked for.
pub(super) fn always_true(condition: &SyntaxNode) -> bool {
    constant(condition) == Some(true)
}

fn constant(node: &SyntaxNode) -> Option<bool> {
    match node.kind() {
        SyntaxKind::PAREN_EXPR => constant(&node.first_child()?),
        SyntaxKind::LITERAL => boolean(node),
        SyntaxKind::CAST_EXPR => boolean(&node.first_child()?),
        SyntaxKind::PREFIX_EXPR if has(node, SyntaxKind::NOT_KW) => {
            constant(&node.first_child()?).map(|value| !value)
        }
        SyntaxKind::POSTFIX_EXPR => {
            let (value, is_null) = null_test(node)?;
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
                    or(constant(&left), constant(&right)),
                    is_null_or_not(&left, &right).then_some(true),
                );
            }
            if has(node, SyntaxKind::AND_KW) {
                return and(constant(&left), constant(&right));
            }
            compare(&value(&left)?, comparison(node)?, &value(&right)?)
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

fn value(node: &SyntaxNode) -> Option<Value> {
    match node.kind() {
        SyntaxKind::PAREN_EXPR => value(&node.first_child()?),
        SyntaxKind::NAME_REF => Some(Value::Column {
            table: None,
            name: identifier(node),
        }),
        SyntaxKind::FIELD_EXPR => {
            let parts = children(node, SyntaxKind::NAME_REF);
            let mut parts: Vec<String> = parts.map(|part| identifier(&part)).collect();
            Some(Value::Column {
                name: parts.pop()?,
                table: parts.pop(),
            })
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
                _ => return constant(node).map(Value::Bool),
            };
            match value(&node.first_child()?)? {
                Value::Number(number) => Some(Value::Number(sign * number)),
                _ => None,
            }
        }
        _ => constant(node).map(Value::Bool),
    }
}

fn number(text: &str) -> Option<Value> {
    text.replace('_', "").parse().ok().map(Value::Number)
}

/// `a IS NULL`, `a ISNULL`, `a IS NOT NULL`, `a NOTNULL`: what is asked about, and whether it is to be
/// NULL.
fn null_test(node: &SyntaxNode) -> Option<(Value, bool)> {
    match node.kind() {
        SyntaxKind::PAREN_EXPR => null_test(&node.first_child()?),
        SyntaxKind::POSTFIX_EXPR => {
            let is_null = match tokens(node).last()?.kind() {
                SyntaxKind::ISNULL_KW => true,
                SyntaxKind::NOTNULL_KW => false,
                _ => return None,
            };
            Some((value(&node.first_child()?)?, is_null))
        }
        SyntaxKind::BIN_EXPR => {
            let is_null = match comparison(node)? {
                Comparison::Is => true,
                Comparison::IsNot => false,
                _ => return None,
            };
            if value(&node.last_child()?)? != Value::Null {
                return None;
            }
            Some((value(&node.first_child()?)?, is_null))
        }
        _ => None,
    }
}

fn is_null_or_not(left: &SyntaxNode, right: &SyntaxNode) -> bool {
    match (null_test(left), null_test(right)) {
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
