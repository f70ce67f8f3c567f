//! Getting around in squawk's tree.

use std::ops::Range;

use squawk_syntax::{SyntaxKind, SyntaxNode, SyntaxToken};

use crate::act::Name;

/// From the first token to the last, without semicolon, blanks and comments. None for an empty one.
pub(super) fn text_range(node: &SyntaxNode) -> Option<Range<usize>> {
    // Not last_token(): an empty node at the end has none.
    let mut own = tokens(node).filter(|token| token.kind() != SyntaxKind::SEMICOLON);
    let first = own.next()?;
    let last = own.last().unwrap_or_else(|| first.clone());
    let range = usize::from(first.text_range().start())..usize::from(last.text_range().end());
    Some(range)
}

pub(super) fn start(node: &SyntaxNode) -> usize {
    usize::from(node.text_range().start())
}

/// The tokens below a node, at any depth, without blanks and comments.
pub(super) fn tokens(node: &SyntaxNode) -> impl Iterator<Item = SyntaxToken> {
    node.descendants_with_tokens()
        .filter_map(|element| element.into_token())
        .filter(|token| !token.kind().is_trivia())
}

pub(super) fn child(node: &SyntaxNode, kind: SyntaxKind) -> Option<SyntaxNode> {
    node.children().find(|child| child.kind() == kind)
}

pub(super) fn children(node: &SyntaxNode, kind: SyntaxKind) -> impl Iterator<Item = SyntaxNode> {
    node.children().filter(move |child| child.kind() == kind)
}

pub(super) fn descendants(node: &SyntaxNode, kind: SyntaxKind) -> impl Iterator<Item = SyntaxNode> {
    node.descendants().filter(move |below| below.kind() == kind)
}

pub(super) fn has(node: &SyntaxNode, kind: SyntaxKind) -> bool {
    node.children_with_tokens()
        .any(|element| element.kind() == kind)
}

pub(super) fn descendant_token(node: &SyntaxNode, kind: SyntaxKind) -> Option<SyntaxToken> {
    tokens(node).find(|token| token.kind() == kind)
}

/// The name below a node: of a table, a type, a schema. The server folds ASCII case of a name
/// without quotes.
pub(super) fn name(node: &SyntaxNode) -> Option<Name> {
    let segments = node.descendants().filter(|below| {
        matches!(
            below.kind(),
            SyntaxKind::PATH_SEGMENT | SyntaxKind::PATH_SEGMENT_REF
        )
    });
    let mut parts: Vec<String> = segments.map(|segment| identifier(&segment)).collect();
    if parts.is_empty() {
        parts.push(identifier(node));
    }
    let name = parts.pop().filter(|name| !name.is_empty())?;
    Some(Name {
        // A catalog before the schema can only be the database itself.
        schema: parts.pop(),
        name,
    })
}

/// The one identifier below a node.
pub(super) fn identifier(node: &SyntaxNode) -> String {
    squawk_syntax::ast::normalize_name_node(node)
}

/// The text of a string literal. None if the node is no plain literal.
pub(super) fn string(node: &SyntaxNode) -> Option<String> {
    use squawk_syntax::ast::{AstNode as _, Literal};
    Literal::cast(node.clone())?.string_value()
}
