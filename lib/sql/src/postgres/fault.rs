//! What squawk's grammar lets through and the server refuses.

use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::tree::{child, has, tokens};

/// Why the server would not take a node, as a clause.
pub(super) fn of(node: &SyntaxNode) -> Option<&'static str> {
    use SyntaxKind::*;
    match node.kind() {
        ALTER_TABLE if is_only(node, &[TABLE_RELATION_NAME, IF_EXISTS]) => {
            Some("ALTER TABLE says no action")
        }
        DROP_TABLE if !has(node, TABLE_NAME_REF) => Some("DROP TABLE names no table"),
        COPY if is_only(node, &[COPY_TABLE]) => Some("COPY says neither FROM nor TO"),
        PATH_TYPE if has(node, ARG_LIST) && is_without_arguments(node) => {
            Some("the type takes no number in parentheses")
        }
        _ => None,
    }
}

fn is_only(node: &SyntaxNode, kinds: &[SyntaxKind]) -> bool {
    node.children().all(|child| kinds.contains(&child.kind()))
}

fn is_without_arguments(ty: &SyntaxNode) -> bool {
    let path = child(ty, SyntaxKind::PATH_REF);
    let name = path.and_then(|path| tokens(&path).last());
    name.is_some_and(|name| {
        matches!(
            name.text().to_ascii_lowercase().as_str(),
            "smallint"
                | "int2"
                | "int"
                | "integer"
                | "int4"
                | "bigint"
                | "int8"
                | "smallserial"
                | "serial"
                | "bigserial"
                | "real"
                | "boolean"
                | "bool"
                | "text"
                | "date"
                | "bytea"
                | "uuid"
                | "json"
                | "jsonb"
        )
    })
}
