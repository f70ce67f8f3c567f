//! SQLite's statements, by a port of SQLite's own parser.

use sqlite3_parser::ast::{
    self, AlterTableBody, Cmd, ColumnConstraint, ColumnDefinition, CreateTableBody, Expr,
    InsertBody, Limit, PragmaBody, QualifiedName, ResolveType, Select, Set, Stmt, TableConstraint,
    TriggerCmd,
};
use sqlite3_parser::lexer::sql::{Error, Parser};
use sqlite3_parser::{Bump, FallibleIterator as _};

use crate::Hindrance;
use crate::act::{Act, Column, CreateTable, TriggerName, What};
use crate::lex::{Class, Lexeme};
use crate::script::{Kind, Script, Source, Statement, SyntaxError, excerpt};

mod control;
mod copy;
mod expr;
mod name;
mod pragma;
mod select;

use expr::{always_true, no_records};
use name::{column, table};

pub(crate) fn read(source: &Source) -> Script {
    let text = source.sql_only();
    let tokens: Vec<&Lexeme> = source
        .lexed
        .tokens()
        .filter(|token| token.class != Class::ClientCommand)
        .collect();
    let mut script = Script::empty(crate::Dialect::Sqlite);
    let mut next = 0;
    while let Some(first) = tokens.get(next) {
        if first.class == Class::Semicolon {
            next += 1;
            continue;
        }
        let start = first.range.start;
        let line = source.lines.at(start);
        let bump = Bump::new();
        let rest = &text.as_bytes()[start..];
        let mut parser = Parser::new(&bump, rest);
        match parser.next() {
            Ok(Some(command)) => {
                let consumed = start + offset(rest, &parser);
                let end = tokens[next..].partition_point(|token| token.range.start < consumed);
                let body = &tokens[next..next + end.max(1)];
                let last = body
                    .iter()
                    .rev()
                    .find(|token| token.class != Class::Semicolon);
                let (kind, acts) = acts(&command);
                let control = control::control(&command);
                let if_exists = matches!(
                    &command,
                    Cmd::Stmt(Stmt::DropTable {
                        if_exists: true,
                        ..
                    })
                );
                let certain = |what| Act {
                    line,
                    certain: true,
                    if_exists,
                    what,
                };
                script.statements.push(Statement {
                    range: start..last.map_or(first.range.end, |last| last.range.end),
                    line,
                    kind,
                    acts: acts.into_iter().map(certain).collect(),
                    control,
                });
                next += body.len();
            }
            Ok(None) => break,
            Err(error) => {
                let (line, message) = message(source, &tokens, start, &error);
                script.errors.push(SyntaxError { line, message });
                next = after_statement(source, &tokens, next);
            }
        }
    }
    script
}

/// How far the parser has come, in bytes of `text`. It tells only line and column (of bytes).
fn offset(text: &[u8], parser: &Parser) -> usize {
    let position = parser.position();
    let mut breaks = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let line = match position.line {
        0 | 1 => 0,
        line => breaks.nth(line - 2).map_or(text.len(), |(at, _)| at + 1),
    };
    (line + position.column - 1).min(text.len())
}

/// The token after the statement that begins with the token `from` and could not be read. A trigger
/// has semicolons of its own: it ends with END.
fn after_statement(source: &Source, tokens: &[&Lexeme], from: usize) -> usize {
    let word = |at: usize, word: &str| {
        tokens.get(at).is_some_and(|token| {
            token.class == Class::Word && token.text(source.sql).eq_ignore_ascii_case(word)
        })
    };
    let temporary = word(from + 1, "temp") || word(from + 1, "temporary");
    let is_trigger = word(from, "create") && word(from + 1 + usize::from(temporary), "trigger");
    let ends = (from..tokens.len()).find(|at| {
        tokens[*at].class == Class::Semicolon && (!is_trigger || word(at.wrapping_sub(1), "end"))
    });
    ends.map_or(tokens.len(), |at| at + 1)
}

fn message(source: &Source, tokens: &[&Lexeme], start: usize, error: &Error) -> (u32, String) {
    let begin = source.lines.at(start);
    match error {
        Error::ParserError(error, position) => {
            let line = position.as_ref().map_or(1, |position| position.line);
            let line = begin + u32::try_from(line).unwrap_or(1) - 1;
            (line, error.to_string())
        }
        _ => {
            let at = tokens.partition_point(|token| token.range.start < start);
            let text = tokens.get(at).map_or("", |token| token.text(source.sql));
            (begin, format!("near {}: unrecognized token", excerpt(text)))
        }
    }
}

fn acts(command: &Cmd) -> (Kind, Vec<What>) {
    match command {
        // SQLite's EXPLAIN never runs what it explains.
        Cmd::Explain(_) | Cmd::ExplainQueryPlan(_) => (Kind::Query, Vec::new()),
        Cmd::Stmt(statement) => {
            let mut acts = acts_of(statement);
            let schema_writes: Vec<What> = acts.iter().filter_map(schema_write).collect();
            acts.extend(schema_writes);
            (kind(statement), acts)
        }
    }
}

/// A statement that writes the table of schemas itself.
fn schema_write(what: &What) -> Option<What> {
    let (What::Insert { table, .. } | What::Update { table, .. } | What::Delete { table, .. }) =
        what
    else {
        return None;
    };
    matches!(table.name.as_str(), "sqlite_master" | "sqlite_schema")
        .then(|| What::WritableSchema(table.to_string()))
}

fn kind(statement: &Stmt) -> Kind {
    match statement {
        Stmt::Select(_) => Kind::Query,
        Stmt::Insert { .. } | Stmt::Update { .. } | Stmt::Delete { .. } => Kind::Data,
        Stmt::Begin(..)
        | Stmt::Commit(_)
        | Stmt::Rollback { .. }
        | Stmt::Savepoint(_)
        | Stmt::Release(_) => Kind::Transaction,
        Stmt::Pragma(..) | Stmt::Attach { .. } | Stmt::Detach(_) => Kind::Session,
        Stmt::Analyze(_) | Stmt::Reindex { .. } | Stmt::Vacuum(..) => Kind::Maintenance,
        Stmt::AlterTable(..)
        | Stmt::CreateIndex { .. }
        | Stmt::CreateTable { .. }
        | Stmt::CreateTrigger { .. }
        | Stmt::CreateView { .. }
        | Stmt::CreateVirtualTable { .. }
        | Stmt::DropIndex { .. }
        | Stmt::DropTable { .. }
        | Stmt::DropTrigger { .. }
        | Stmt::DropView { .. } => Kind::Definition,
    }
}

fn acts_of(statement: &Stmt) -> Vec<What> {
    match statement {
        Stmt::AlterTable(name, body) => vec![alter(name, body)],
        Stmt::Attach { .. } | Stmt::Detach(_) => vec![What::Hindered(Hindrance::Attach)],
        Stmt::Begin(..) | Stmt::Commit(_) => vec![What::Hindered(Hindrance::EndsTransaction)],
        // What was made, dropped or renamed before it may be as it was.
        Stmt::Rollback {
            savepoint_name: None,
            ..
        } => vec![What::Hindered(Hindrance::EndsTransaction), What::ForgetAll],
        Stmt::Rollback { .. } => vec![What::ForgetAll],
        Stmt::CreateTable {
            temporary,
            if_not_exists,
            tbl_name,
            body,
        } => vec![create_table(
            table(tbl_name),
            *temporary,
            *if_not_exists,
            body,
        )],
        Stmt::CreateVirtualTable {
            if_not_exists,
            tbl_name,
            ..
        } => vec![What::CreateTable(not_a_table(tbl_name, *if_not_exists))],
        // An index belongs to the schema of its table.
        Stmt::CreateIndex {
            idx_name, tbl_name, ..
        } => vec![What::Touch(table(idx_name).sibling(column(tbl_name)))],
        Stmt::CreateTrigger {
            trigger_name,
            tbl_name,
            commands,
            ..
        } => vec![trigger(trigger_name, tbl_name, commands)],
        Stmt::DropTrigger { trigger_name, .. } => vec![What::DropTrigger {
            name: TriggerName::Trigger(column(&trigger_name.name)),
            table: None,
        }],
        // Nothing is written to it but by its triggers, which may write anywhere.
        Stmt::CreateView {
            view_name,
            temporary: false,
            ..
        } => vec![What::CreateTable(not_a_table(view_name, false))],
        Stmt::DropTable { tbl_name, .. } => vec![What::DropTable(table(tbl_name))],
        Stmt::Delete {
            tbl_name,
            where_clause,
            limit,
            ..
        } => match column(&tbl_name.name).as_str() {
            // Counters and statistics, which SQLite makes anew.
            "sqlite_sequence" | "sqlite_stat1" | "sqlite_stat4" => Vec::new(),
            _ => vec![What::Delete {
                table: table(tbl_name),
                every_row: every_row(where_clause.as_ref(), *limit),
            }],
        },
        Stmt::Update {
            or_conflict,
            tbl_name,
            sets,
            where_clause,
            limit,
            ..
        } => {
            let update = What::Update {
                table: table(tbl_name),
                every_row: every_row(where_clause.as_ref(), *limit),
                columns: set_columns(sets),
            };
            replacing(*or_conflict, update)
        }
        Stmt::Insert {
            with,
            or_conflict,
            tbl_name,
            columns,
            body,
            ..
        } => {
            let mut from = match body {
                InsertBody::Select(query, _) => select::tables(query),
                InsertBody::DefaultValues => Vec::new(),
            };
            if let Some(with) = with {
                from.extend(with.ctes.iter().flat_map(|cte| select::tables(cte.select)));
            }
            let insert = What::Insert {
                table: table(tbl_name),
                from,
                copy: copy::of_insert(with.as_ref(), *or_conflict, columns.as_ref(), body),
            };
            replacing(*or_conflict, insert)
        }
        Stmt::Pragma(name, body) => {
            let value = body.as_ref().map(|body| match body {
                PragmaBody::Equals(value) | PragmaBody::Call(value) => value,
            });
            pragma::act(&column(&name.name), value)
                .into_iter()
                .collect()
        }
        // INTO another file, outside of every check made before.
        Stmt::Vacuum(_, Some(_)) => vec![What::Hindered(Hindrance::Attach)],
        Stmt::Vacuum(..) => vec![What::Hindered(Hindrance::NeedsNoTransaction)],
        Stmt::Analyze(_)
        | Stmt::CreateView { .. }
        | Stmt::DropIndex { .. }
        | Stmt::DropView { .. }
        | Stmt::Reindex { .. }
        | Stmt::Release(_)
        | Stmt::Savepoint(_)
        | Stmt::Select(_) => Vec::new(),
    }
}

/// What has the name of a table and shows rows that are kept elsewhere: a view, or a virtual table with
/// external content.
fn not_a_table(name: &QualifiedName, if_not_exists: bool) -> CreateTable {
    CreateTable {
        table: table(name),
        temporary: false,
        if_not_exists,
        columns: None,
        dependent: true,
        from: Vec::new(),
        loses_rows: false,
    }
}

fn every_row(condition: Option<&Expr>, limit: Option<&Limit>) -> bool {
    condition.is_none_or(|condition| always_true(condition, &no_records))
        && !limit.is_some_and(expr::limits)
}

/// A statement, and before it that it deletes the rows that stand in its way if it does.
fn replacing(or_conflict: Option<ResolveType>, what: What) -> Vec<What> {
    let replaced = what.tables().into_iter().cloned().map(What::ReplaceRows);
    let mut acts: Vec<What> = match or_conflict {
        Some(ResolveType::Replace) => replaced.collect(),
        _ => Vec::new(),
    };
    acts.push(what);
    acts
}

fn alter(name: &QualifiedName, body: &AlterTableBody) -> What {
    let table = table(name);
    match body {
        AlterTableBody::RenameTo(to) => What::RenameTable {
            to: table.sibling(column(to)),
            from: table,
        },
        AlterTableBody::AddColumn(definition) => What::AddColumn {
            table,
            column: defined(definition),
            if_not_exists: false,
        },
        AlterTableBody::RenameColumn { old, new } => What::RenameColumn {
            table,
            from: column(old),
            to: column(new),
        },
        AlterTableBody::DropColumn(name) => What::DropColumn {
            table,
            column: column(name),
        },
        AlterTableBody::DropColumnNotNull(_)
        | AlterTableBody::SetColumnNotNull(..)
        | AlterTableBody::AddConstraint(_)
        | AlterTableBody::DropConstraint(_) => What::Touch(table),
    }
}

fn defined(definition: &ColumnDefinition) -> Column {
    Column {
        name: column(&definition.col_name),
        ty: Some(copy::ty(definition.col_type.as_ref())),
    }
}

fn create_table(
    table: crate::act::Name,
    temporary: bool,
    if_not_exists: bool,
    body: &CreateTableBody,
) -> What {
    let (columns, from) = match body {
        CreateTableBody::ColumnsAndConstraints { columns, .. } => {
            let stored = columns.iter().filter(|definition| {
                !definition
                    .flags
                    .intersects(sqlite3_parser::ast::ColFlags::GENERATED)
            });
            (Some(stored.map(defined).collect()), Vec::new())
        }
        CreateTableBody::AsSelect(query) => (None, tables_of(query)),
    };
    What::CreateTable(CreateTable {
        temporary: temporary || table.is_temporary(crate::Dialect::Sqlite),
        table,
        if_not_exists,
        columns,
        dependent: false,
        from,
        loses_rows: loses_rows(body),
    })
}

/// Whether a constraint leaves a row out where two rows do not go together, and goes on.
fn loses_rows(body: &CreateTableBody) -> bool {
    let CreateTableBody::ColumnsAndConstraints {
        columns,
        constraints,
        ..
    } = body
    else {
        return false;
    };
    let of_columns = columns
        .iter()
        .flat_map(|definition| definition.constraints)
        .map(|named| match &named.constraint {
            ColumnConstraint::PrimaryKey {
                conflict_clause, ..
            }
            | ColumnConstraint::NotNull {
                conflict_clause, ..
            }
            | ColumnConstraint::Unique(conflict_clause) => *conflict_clause,
            _ => None,
        });
    let of_table = constraints
        .iter()
        .copied()
        .flatten()
        .map(|named| match &named.constraint {
            TableConstraint::PrimaryKey {
                conflict_clause, ..
            }
            | TableConstraint::Unique {
                conflict_clause, ..
            }
            | TableConstraint::Check(_, conflict_clause) => *conflict_clause,
            TableConstraint::ForeignKey { .. } => None,
        });
    let mut clauses = of_columns.chain(of_table).flatten();
    clauses.any(|clause| !copy::stops_at_conflict(clause))
}

/// The code of a trigger, which runs with whatever is written to its table.
fn trigger(name: &QualifiedName, on: &QualifiedName, commands: &[TriggerCmd]) -> What {
    // The row that set it off is no table of a statement, unless one is called so.
    let all = |written: &QualifiedName, condition: &Option<Expr>| {
        let is_named = |name: &ast::Name, of: &str| column(name) == of;
        let is_record = |of: &str| {
            matches!(of, "old" | "new")
                && !is_named(&written.name, of)
                && !written
                    .alias
                    .as_ref()
                    .is_some_and(|alias| is_named(alias, of))
        };
        condition
            .as_ref()
            .is_none_or(|condition| always_true(condition, &is_record))
    };
    let whats = commands.iter().filter_map(|command| {
        Some(match command {
            TriggerCmd::Update {
                tbl_name,
                sets,
                where_clause,
                ..
            } => What::Update {
                table: table(tbl_name),
                every_row: all(tbl_name, where_clause),
                columns: set_columns(sets),
            },
            TriggerCmd::Delete {
                tbl_name,
                where_clause,
            } => What::Delete {
                table: table(tbl_name),
                every_row: all(tbl_name, where_clause),
            },
            TriggerCmd::Insert {
                tbl_name, select, ..
            } => What::Insert {
                table: table(tbl_name),
                from: select::tables(select),
                copy: Err("a trigger makes it"),
            },
            TriggerCmd::Select(_) => return None,
        })
    });
    let body = whats.map(|what| Act {
        line: 0,
        certain: false,
        if_exists: false,
        what,
    });
    What::CreateTrigger {
        name: TriggerName::Trigger(column(&name.name)),
        table: table(on),
        body: body.collect(),
    }
}

fn set_columns(sets: &[Set]) -> Vec<String> {
    sets.iter()
        .flat_map(|set| set.col_names.iter().map(column))
        .collect()
}

fn tables_of(query: &Select) -> Vec<crate::act::Name> {
    select::tables(query)
}
