//! What a query reads.

use sqlite3_parser::ast::{FromClause, OneSelect, Select, SelectTable};

use super::name::table;
use crate::act::Name;

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
