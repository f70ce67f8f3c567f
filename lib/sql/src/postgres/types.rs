use squawk_syntax::ast::{self, AstNode as _};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::tree::{child, identifier, tokens};
use crate::act::Type;

/// The type that stands directly below a node.
pub(super) fn of(node: &SyntaxNode) -> Option<Type> {
    let node = node
        .children()
        .find(|child| ast::Type::can_cast(child.kind()))?;
    let mut words: Vec<String> = Vec::new();
    let mut args = Vec::new();
    let mut array = false;
    for token in tokens(&node) {
        match token.kind() {
            SyntaxKind::INT_NUMBER => {
                // Bounds of an array are not kept by the server.
                if !array && let Ok(arg) = token.text().parse() {
                    args.push(arg);
                }
            }
            SyntaxKind::L_BRACK | SyntaxKind::ARRAY_KW => array = true,
            SyntaxKind::L_PAREN
            | SyntaxKind::R_PAREN
            | SyntaxKind::R_BRACK
            | SyntaxKind::COMMA
            | SyntaxKind::DOT => (),
            // A quoted name stays quoted: "char" is another type than char.
            _ if token.text().starts_with('"') => words.push(token.text().to_owned()),
            _ => words.push(token.text().to_ascii_lowercase()),
        }
    }
    if words.first().is_some_and(|word| word == "pg_catalog") {
        words.remove(0);
    }
    Some(Type {
        name: canonical(&words.join(" ")).to_owned(),
        args,
        array,
    })
}

/// A type as `format_type` prints it: `character varying(50)`, `timestamp(3) without time zone`,
/// `numeric(8,2)[]`, `shop."Mood"`.
pub(crate) fn printed(text: &str) -> Type {
    let array = text.ends_with("[]");
    let text = text.trim_end_matches("[]");
    let (before, rest) = text.split_once('(').unwrap_or((text, ""));
    let (args, after) = rest.split_once(')').unwrap_or_default();
    let name = format!("{before}{after}").replace('.', " ");
    let name = name.strip_prefix("pg_catalog ").unwrap_or(&name);
    Type {
        name: canonical(name).to_owned(),
        args: args
            .split(',')
            .filter_map(|arg| arg.trim().parse().ok())
            .collect(),
        array,
    }
}

/// A type that nothing is known to fit into.
pub(super) fn unknown() -> Type {
    Type {
        name: "an unknown type".to_owned(),
        args: Vec::new(),
        array: false,
    }
}

/// One name for each built-in type (postgresql.org, "Data Types", table 8.1).
fn canonical(name: &str) -> &str {
    match name {
        "int" | "int4" | "serial" | "serial4" => "integer",
        "int2" | "smallserial" | "serial2" => "smallint",
        "int8" | "bigserial" | "serial8" => "bigint",
        "float4" => "real",
        "float8" | "float" => "double precision",
        "decimal" | "dec" => "numeric",
        "varchar" | "char varying" | "national character varying" | "nchar varying" => {
            "character varying"
        }
        "char" | "bpchar" | "nchar" | "national character" => "character",
        "varbit" => "bit varying",
        "bool" => "boolean",
        "timestamptz" | "timestamp with time zone" => "timestamp with time zone",
        "timestamp" | "timestamp without time zone" => "timestamp",
        "timetz" | "time with time zone" => "time with time zone",
        "time" | "time without time zone" => "time",
        name => name,
    }
}

/// Whether a change of type has no USING, or one that only casts the column itself: `USING a`,
/// `USING a::text`, `USING CAST(a AS text)`.
pub(super) fn is_plain(change: &SyntaxNode, column: &str) -> bool {
    let Some(using) = child(change, SyntaxKind::USING_EXPR) else {
        return true;
    };
    let mut expr = using.first_child();
    while let Some(node) = expr {
        match node.kind() {
            SyntaxKind::NAME_REF => return identifier(&node) == column,
            SyntaxKind::PAREN_EXPR => expr = node.first_child(),
            // A cast on the way may be narrower than the type in the end.
            SyntaxKind::CAST_EXPR if of(&node) == of(change) => expr = node.first_child(),
            _ => return false,
        }
    }
    false
}
