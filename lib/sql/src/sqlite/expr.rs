use sqlite3_parser::ast::{Expr, Literal, Operator, UnaryOperator};

use super::name::unquoted;

/// Whether a condition holds for every row by its very text: `1`, `TRUE`, `1 = 1`, `id = id`. What
/// only the data could tell is not looked for.
pub(super) fn always_true(condition: &Expr) -> bool {
    constant(condition) == Some(true)
}

/// The same without regard to what is meant: `id = id` does not hold where `id` is NULL.
pub(super) fn surely_true(condition: &Expr) -> bool {
    let literal = match condition {
        Expr::Parenthesized(inner) => inner.as_slice().first(),
        condition => Some(condition),
    };
    literal.is_some_and(|literal| {
        matches!(literal, Expr::Literal(_) | Expr::Id(_) | Expr::Name(_)) && always_true(literal)
    })
}

fn constant(condition: &Expr) -> Option<bool> {
    match condition {
        Expr::Literal(Literal::Numeric(number)) => {
            number.parse::<f64>().ok().map(|number| number != 0.0)
        }
        Expr::Literal(Literal::Keyword(word)) => boolean(word),
        Expr::Id(id) => boolean(id.0),
        Expr::Name(name) => boolean(name.0),
        Expr::Parenthesized(inner) => match inner.as_slice() {
            [inner] => constant(inner),
            _ => None,
        },
        Expr::Unary(UnaryOperator::Not, inner) => constant(inner).map(|value| !value),
        Expr::Binary(left, operator, right) => match operator {
            Operator::Or => match (constant(left), constant(right)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Operator::And => match (constant(left), constant(right)) {
                (Some(true), Some(true)) => Some(true),
                (Some(false), _) | (_, Some(false)) => Some(false),
                _ => None,
            },
            Operator::Equals | Operator::Is => same(left, right),
            Operator::NotEquals | Operator::IsNot => match (left, right) {
                (Expr::Literal(_), Expr::Literal(_)) => same(left, right).map(|same| !same),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
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

fn same(left: &Expr, right: &Expr) -> Option<bool> {
    match (left, right) {
        (Expr::Literal(Literal::Null), _) | (_, Expr::Literal(Literal::Null)) => None,
        (Expr::Literal(Literal::Numeric(left)), Expr::Literal(Literal::Numeric(right))) => {
            Some(left.parse::<f64>().ok()? == right.parse::<f64>().ok()?)
        }
        (Expr::Literal(left), Expr::Literal(right)) => (left == right).then_some(true),
        // A column equals itself in every row that has a value: meant as "all".
        (Expr::Id(left), Expr::Id(right)) => {
            (unquoted(left.0) == unquoted(right.0)).then_some(true)
        }
        (Expr::Qualified(a, b), Expr::Qualified(c, d)) => {
            (unquoted(a.0) == unquoted(c.0) && unquoted(b.0) == unquoted(d.0)).then_some(true)
        }
        _ => None,
    }
}
