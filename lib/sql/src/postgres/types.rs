use squawk_syntax::ast::{self, AstNode as _};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::tree::{child, has, identifier, string, tokens};
use crate::act::{Type, Using};

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

/// What a change of type makes of the column: `USING a`, `USING a::text`, `USING CAST(a AS text)` are
/// no more than no USING.
pub(super) fn using(change: &SyntaxNode, column: &str) -> Using {
    let Some(using) = child(change, SyntaxKind::USING_EXPR) else {
        return Using::Cast;
    };
    let to = of(change);
    let mut by_text = false;
    let mut expr = using.first_child();
    while let Some(node) = expr {
        match node.kind() {
            SyntaxKind::NAME_REF if identifier(&node) != column => return Using::Other,
            SyntaxKind::NAME_REF if by_text => return Using::Text,
            SyntaxKind::NAME_REF => return Using::Cast,
            SyntaxKind::PAREN_EXPR => expr = node.first_child(),
            SyntaxKind::CAST_EXPR => {
                let cast = of(&node);
                if cast != to {
                    // A cast on the way may be narrower than the type in the end.
                    match cast {
                        Some(cast) if is_text(&cast) => by_text = true,
                        _ => return Using::Other,
                    }
                } else if by_text {
                    return Using::Other;
                }
                expr = node.first_child();
            }
            SyntaxKind::BIN_EXPR if !by_text => return zone(&node, column).unwrap_or(Using::Other),
            _ => return Using::Other,
        }
    }
    Using::Other
}

/// A type whose values are the texts of others, whole.
fn is_text(ty: &Type) -> bool {
    ty.args.is_empty() && matches!(ty.name.as_str(), "text" | "character varying")
}

/// `column AT TIME ZONE 'zone'`.
fn zone(node: &SyntaxNode, column: &str) -> Option<Using> {
    if !has(node, SyntaxKind::AT_TIME_ZONE) {
        return None;
    }
    let of = node.first_child()?;
    (of.kind() == SyntaxKind::NAME_REF && identifier(&of) == column)
        .then(|| string(&node.last_child()?).map(Using::Zone))?
}
