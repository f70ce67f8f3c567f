//! Whether an INSERT hands on every row of one table, and what it makes of the columns.

use std::collections::BTreeSet;

use sqlite3_parser::ast::{
    DistinctNames, Expr, FunctionTail, InsertBody, JoinConstraint, Literal, OneSelect, Operator,
    ResolveType, ResultColumn, Select, SelectTable, Type, With,
};

use super::expr::{limits, surely_true};
use super::name::{column, table, unquoted};
use crate::act::{self, Copy, Value};

/// OR IGNORE and OR REPLACE lose rows and go on; the others stop the script.
pub(super) fn stops_at_conflict(resolve: ResolveType) -> bool {
    match resolve {
        ResolveType::Abort | ResolveType::Fail | ResolveType::Rollback => true,
        ResolveType::Ignore | ResolveType::Replace => false,
    }
}

/// The copy that an INSERT is, or what in it may lose a row.
pub(super) fn of_insert(
    with: Option<&With>,
    or_conflict: Option<ResolveType>,
    into: Option<&DistinctNames>,
    body: &InsertBody,
) -> Result<Copy, &'static str> {
    let InsertBody::Select(query, upsert) = body else {
        return Err("the statement copies no row");
    };
    if !or_conflict.is_none_or(stops_at_conflict) {
        return Err("OR IGNORE and OR REPLACE leave rows out");
    }
    if upsert.is_some() {
        return Err("ON CONFLICT leaves rows out");
    }
    if with.is_some() || query.with.is_some() {
        return Err("the copy has a WITH, which is not looked into");
    }
    let into = into.into_iter().flat_map(|names| names.iter().map(column));
    copy(query, into.collect())
}

/// The table that the query hands on row by row, without losing one.
fn copy(query: &Select, into: Vec<String>) -> Result<Copy, &'static str> {
    let OneSelect::Select {
        distinctness,
        columns,
        from,
        where_clause,
        group_by,
        having,
        window_clause: _,
    } = &query.body.select
    else {
        return Err("the statement copies no row");
    };
    let from = from.as_ref().ok_or("the statement copies no row")?;
    if query.body.compounds.is_some() {
        return Err("UNION, EXCEPT and INTERSECT leave rows out");
    }
    if query.limit.is_some_and(limits) {
        return Err("LIMIT leaves rows out");
    }
    if distinctness.is_some() {
        return Err("DISTINCT leaves rows out");
    }
    if group_by.is_some() || having.is_some() {
        return Err("GROUP BY leaves rows out");
    }
    if where_clause.is_some_and(|condition| !surely_true(condition)) {
        return Err("WHERE leaves rows out");
    }
    let (Some(SelectTable::Table(source, ..)), None) = (from.select, &from.joins) else {
        return Err("the copy reads more than one table");
    };
    for sorted in query.order_by.into_iter().flatten() {
        read_by(&sorted.expr)?;
    }
    let values = columns.iter().map(|result| match result {
        ResultColumn::Star | ResultColumn::TableStar(_) => Ok(Value::All),
        ResultColumn::Expr(expr, _) => value(expr),
    });
    Ok(Copy {
        source: table(source),
        into,
        values: values.collect::<Result<_, _>>()?,
    })
}

fn value(expr: &Expr) -> Result<Value, &'static str> {
    let columns = read_by(expr)?;
    Ok(kept(expr).unwrap_or(Value::Made(columns)))
}

/// The one column whose values an expression keeps, if there is one.
fn kept(expr: &Expr) -> Option<Value> {
    match expr {
        Expr::Id(_) | Expr::Name(_) | Expr::Qualified(..) | Expr::DoublyQualified(..) => {
            Some(Value::Column {
                name: named(expr)?,
                cast: None,
            })
        }
        Expr::Parenthesized(inner) => match inner.as_slice() {
            [inner] => kept(inner),
            _ => None,
        },
        Expr::Collate(inner, _) => kept(inner),
        Expr::Cast { expr, type_name } => match kept(expr)? {
            Value::Column { name, cast: None } => Some(Value::Column {
                name,
                cast: Some(ty(type_name.as_ref())),
            }),
            _ => None,
        },
        Expr::FunctionCall { name, args, .. }
            if matches!(
                unquoted(name.0).as_str(),
                "coalesce" | "ifnull" | "likelihood" | "likely" | "unlikely"
            ) =>
        {
            kept(args.and_then(|args| args.first())?)
        }
        Expr::Case {
            base: None,
            when_then_pairs: [(when, _)],
            else_expr: Some(otherwise),
        } => {
            let (Expr::IsNull(tested)
            | Expr::Binary(tested, Operator::Is, Expr::Literal(Literal::Null))) = when
            else {
                return None;
            };
            let is_same = named(tested).is_some() && named(tested) == named(otherwise);
            kept(otherwise).filter(|_| is_same)
        }
        _ => None,
    }
}

fn named(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Id(id) => Some(unquoted(id.0)),
        Expr::Name(name) | Expr::Qualified(_, name) | Expr::DoublyQualified(_, _, name) => {
            Some(column(name))
        }
        _ => None,
    }
}

/// A declared type.
pub(super) fn ty(declared: Option<&Type>) -> act::Type {
    act::Type {
        name: declared.map_or_else(String::new, |ty| ty.name.to_ascii_lowercase()),
        args: Vec::new(),
        array: false,
    }
}

/// The columns that an expression reads. It must be neither an aggregate, which would make one row of
/// all, nor of a sort not looked into. An aggregate in a subquery may be the outer query's own
/// (sqlite.org `lang_aggfunc` does not say so, but SQLite does as the standard says).
fn read_by(expr: &Expr) -> Result<BTreeSet<String>, &'static str> {
    const UNKNOWN: &str = "the copy has an expression that is not looked into";
    let mut columns = BTreeSet::new();
    let mut pending = vec![expr];
    while let Some(expr) = pending.pop() {
        match expr {
            Expr::Id(_) | Expr::Name(_) | Expr::Qualified(..) | Expr::DoublyQualified(..) => {
                columns.extend(named(expr));
            }
            Expr::Literal(_) => (),
            Expr::Binary(left, _, right) => pending.extend([*left, *right]),
            Expr::Unary(_, inner)
            | Expr::Cast { expr: inner, .. }
            | Expr::Collate(inner, _)
            | Expr::IsNull(inner)
            | Expr::NotNull(inner) => pending.push(inner),
            Expr::Parenthesized(inner) => pending.extend(inner.iter()),
            Expr::Between {
                lhs, start, end, ..
            } => pending.extend([*lhs, *start, *end]),
            Expr::Like {
                lhs, rhs, escape, ..
            } => {
                pending.extend([*lhs, *rhs]);
                pending.extend(*escape);
            }
            Expr::InList { lhs, rhs, .. } => {
                pending.push(lhs);
                pending.extend(rhs.iter().copied().flatten());
            }
            Expr::Case {
                base,
                when_then_pairs,
                else_expr,
            } => {
                pending.extend(*base);
                pending.extend(*else_expr);
                for (when, then) in *when_then_pairs {
                    pending.extend([when, then]);
                }
            }
            Expr::FunctionCall {
                name,
                args,
                filter_over,
                ..
            } => {
                let args = args.unwrap_or_default();
                let is_safe = is_window(filter_over.as_ref())
                    || filter_over.is_none() && is_scalar(&unquoted(name.0), args.len());
                if !is_safe {
                    return Err("the copy has a function that may make one row of many");
                }
                pending.extend(args);
            }
            Expr::FunctionCallStar { filter_over, .. } => {
                if !is_window(filter_over.as_ref()) {
                    return Err("the copy has a function that may make one row of many");
                }
            }
            Expr::Subquery(query) | Expr::Exists(query) => {
                pending.extend(within(query).ok_or(UNKNOWN)?);
            }
            Expr::InSelect { lhs, rhs, .. } => {
                pending.push(lhs);
                pending.extend(within(rhs).ok_or(UNKNOWN)?);
            }
            _ => return Err(UNKNOWN),
        }
    }
    Ok(columns)
}

/// A window function answers for each row.
fn is_window(tail: Option<&FunctionTail>) -> bool {
    tail.is_some_and(|tail| tail.over_clause.is_some())
}

/// The expressions of a subquery. None if there are more than these.
fn within<'a>(query: &'a Select<'a>) -> Option<Vec<&'a Expr<'a>>> {
    let OneSelect::Select {
        columns,
        from,
        where_clause,
        group_by,
        having,
        ..
    } = &query.body.select
    else {
        return None;
    };
    if query.with.is_some() || query.body.compounds.is_some() {
        return None;
    }
    let mut found: Vec<&Expr> = Vec::new();
    for result in *columns {
        if let ResultColumn::Expr(expr, _) = result {
            found.push(expr);
        }
    }
    if let Some(from) = from {
        let joins = from.joins.iter().flatten();
        let tables = joins.clone().map(|join| &join.table).chain(from.select);
        for table in tables {
            if !matches!(table, SelectTable::Table(..)) {
                return None;
            }
        }
        for join in joins {
            if let Some(JoinConstraint::On(condition)) = &join.constraint {
                found.push(condition);
            }
        }
    }
    found.extend(*where_clause);
    found.extend(*having);
    found.extend(group_by.iter().copied().flatten());
    found.extend(
        query
            .order_by
            .into_iter()
            .flatten()
            .map(|sorted| &sorted.expr),
    );
    if let Some(limit) = query.limit {
        found.push(&limit.expr);
        found.extend(limit.offset.as_ref());
    }
    Some(found)
}

/// SQLite's own functions that answer for one row (sqlite.org `lang_corefunc`, `lang_datefunc`,
/// `lang_mathfunc`, `json1`). A name that is not here may be an aggregate.
fn is_scalar(name: &str, args: usize) -> bool {
    match name {
        "min" | "max" => args > 1,
        "abs" | "ceil" | "ceiling" | "char" | "coalesce" | "concat" | "concat_ws" | "date"
        | "datetime" | "floor" | "format" | "hex" | "if" | "ifnull" | "iif" | "instr" | "json"
        | "json_array" | "json_extract" | "json_insert" | "json_object" | "json_patch"
        | "json_quote" | "json_remove" | "json_replace" | "json_set" | "json_type"
        | "json_valid" | "jsonb" | "julianday" | "length" | "likelihood" | "likely" | "lower"
        | "ltrim" | "mod" | "nullif" | "octet_length" | "printf" | "quote" | "random"
        | "randomblob" | "replace" | "round" | "rtrim" | "sign" | "strftime" | "substr"
        | "substring" | "time" | "timediff" | "trim" | "trunc" | "typeof" | "unhex" | "unicode"
        | "unlikely" | "unixepoch" | "upper" | "zeroblob" => true,
        _ => false,
    }
}
