//! What a query reads, and whether it hands on every row of one table.

use std::collections::BTreeSet;

use sqlite3_parser::ast::{
    Expr, FromClause, OneSelect, ResolveType, ResultColumn, Select, SelectTable,
};

use super::name::{column, table, unquoted};
use crate::act::{Copy, Name};

/// OR IGNORE and OR REPLACE lose rows and go on; the others stop the script.
pub(super) fn stops_at_conflict(resolve: ResolveType) -> bool {
    match resolve {
        ResolveType::Abort | ResolveType::Fail | ResolveType::Rollback => true,
        ResolveType::Ignore | ResolveType::Replace => false,
    }
}

/// The tables named in FROM, at any depth of FROM; those of subqueries in expressions are left out.
/// Names of common table expressions come along, which does no harm.
pub(super) fn tables(query: &Select) -> Vec<Name> {
    let mut names = Vec::new();
    let mut queries = vec![query];
    while let Some(query) = queries.pop() {
        if let Some(with) = &query.with {
            queries.extend(with.ctes.iter().map(|cte| cte.select));
        }
        let compounds = query.body.compounds.iter().flatten();
        let selects = std::iter::once(&query.body.select);
        for select in selects.chain(compounds.map(|compound| &compound.select)) {
            if let OneSelect::Select {
                from: Some(from), ..
            } = select
            {
                from_clause(from, &mut names, &mut queries);
            }
        }
    }
    names
}

fn from_clause<'a>(
    from: &'a FromClause<'a>,
    names: &mut Vec<Name>,
    queries: &mut Vec<&'a Select<'a>>,
) {
    let joined = from.joins.iter().flatten().map(|join| &join.table);
    for source in from.select.into_iter().chain(joined) {
        match source {
            SelectTable::Table(name, ..) => names.push(table(name)),
            SelectTable::TableCall(..) => (),
            SelectTable::Select(query, _) => queries.push(query),
            SelectTable::Sub(from, _) => from_clause(from, names, queries),
        }
    }
}

/// The table that the query hands on row by row, without losing one: no WHERE, JOIN, GROUP BY,
/// DISTINCT, LIMIT, set operation, WITH, and no function that might be an aggregate.
pub(super) fn copy(query: &Select) -> Option<Copy> {
    if query.with.is_some() || query.limit.is_some() || query.body.compounds.is_some() {
        return None;
    }
    let OneSelect::Select {
        distinctness: None,
        columns,
        from: Some(from),
        where_clause: None,
        group_by: None,
        having: None,
        window_clause: None,
    } = &query.body.select
    else {
        return None;
    };
    let (Some(SelectTable::Table(source, ..)), None) = (from.select, &from.joins) else {
        return None;
    };
    let mut read = Some(BTreeSet::new());
    for result in *columns {
        match result {
            ResultColumn::Star | ResultColumn::TableStar(_) => read = None,
            ResultColumn::Expr(expr, _) => {
                let mut columns = BTreeSet::new();
                columns_of(expr, &mut columns)?;
                if let Some(read) = &mut read {
                    read.append(&mut columns);
                }
            }
        }
    }
    Some(Copy {
        source: table(source),
        columns: read,
    })
}

/// Collects the columns that an expression reads. None if it may be an aggregate, which would make
/// one row of all, or if it is of a sort not looked into.
fn columns_of(expr: &Expr, columns: &mut BTreeSet<String>) -> Option<()> {
    let mut pending = vec![expr];
    while let Some(expr) = pending.pop() {
        match expr {
            Expr::Id(id) => {
                columns.insert(unquoted(id.0));
            }
            Expr::Name(name) | Expr::Qualified(_, name) | Expr::DoublyQualified(_, _, name) => {
                columns.insert(column(name));
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
                distinctness: None,
                args,
                order_by: None,
                filter_over: None,
            } => {
                let args = args.unwrap_or_default();
                if !is_scalar(&unquoted(name.0), args.len()) {
                    return None;
                }
                pending.extend(args);
            }
            _ => return None,
        }
    }
    Some(())
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
        | "json_valid" | "jsonb" | "julianday" | "length" | "lower" | "ltrim" | "mod"
        | "nullif" | "octet_length" | "printf" | "quote" | "random" | "randomblob" | "replace"
        | "round" | "rtrim" | "sign" | "strftime" | "substr" | "substring" | "time"
        | "timediff" | "trim" | "trunc" | "typeof" | "unhex" | "unicode" | "unixepoch"
        | "upper" | "zeroblob" => true,
        _ => false,
    }
}
