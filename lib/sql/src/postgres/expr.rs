use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::tree::tokens;

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
        SyntaxKind::PREFIX_EXPR => {
            let not = tokens(node).next()?.kind() == SyntaxKind::NOT_KW;
            let inner = constant(&node.first_child()?)?;
            not.then_some(!inner)
        }
        SyntaxKind::BIN_EXPR => {
            let left = node.first_child()?;
            let right = node.last_child()?;
            let operator = node
                .children_with_tokens()
                .filter_map(|element| element.into_token())
                .find(|token| !token.kind().is_trivia())?;
            match operator.kind() {
                SyntaxKind::OR_KW => match (constant(&left), constant(&right)) {
                    (Some(true), _) | (_, Some(true)) => Some(true),
                    (Some(false), Some(false)) => Some(false),
                    _ => None,
                },
                SyntaxKind::AND_KW => match (constant(&left), constant(&right)) {
                    (Some(true), Some(true)) => Some(true),
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    _ => None,
                },
                SyntaxKind::EQ => same(&left, &right),
                _ => None,
            }
        }
        _ => None,
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

/// Equal texts are equal values, of a column too as far as it has one: `id = id` is meant as "all".
fn same(left: &SyntaxNode, right: &SyntaxNode) -> Option<bool> {
    let simple = |node: &SyntaxNode| {
        matches!(
            node.kind(),
            SyntaxKind::LITERAL | SyntaxKind::NAME_REF | SyntaxKind::FIELD_EXPR
        )
    };
    if !simple(left) || !simple(right) {
        return None;
    }
    let text = |node: &SyntaxNode| -> Vec<String> {
        tokens(node).map(|token| token.text().to_owned()).collect()
    };
    let (left, right) = (text(left), text(right));
    if left.len() == 1 && left[0].eq_ignore_ascii_case("null") {
        return None;
    }
    (left == right).then_some(true)
}
