//! What statements do to tables and to what holds them.

use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::alter::{alter_domain, alter_table, alter_type, altered, renamed};
use super::tree::{child, children, descendants, has, identifier, name, tokens};
use super::{expr, types};
use crate::Dialect::Postgres;
use crate::act::{Column, CreateTable, Name, What};

pub(super) fn acts(node: &SyntaxNode) -> Vec<What> {
    let mut acts = of_statement(node);
    let writes: Vec<What> = acts.iter().filter_map(catalog_write).collect();
    acts.extend(writes);
    acts.extend(attached(node));
    acts
}

/// A statement that writes rows of a system catalog. Names that begin with `pg_` are looked for there
/// first.
fn catalog_write(what: &What) -> Option<What> {
    let (What::Insert { table, .. }
    | What::Update { table, .. }
    | What::Delete { table, .. }
    | What::Truncate { table, .. }) = what
    else {
        return None;
    };
    let is_catalog = match table.schema.as_deref() {
        Some(schema) => matches!(schema, "pg_catalog" | "information_schema"),
        None => table.name.starts_with("pg_"),
    };
    is_catalog.then(|| What::CatalogWrite(table.clone()))
}

fn of_statement(node: &SyntaxNode) -> Vec<What> {
    use SyntaxKind::*;
    match node.kind() {
        CREATE_TABLE | CREATE_TABLE_AS => create_table(node),
        CREATE_FOREIGN_TABLE => child(node, TABLE_NAME)
            .and_then(|table| name(&table))
            .map(|table| What::CreateTable(elsewhere(table)))
            .into_iter()
            .chain([What::Foreign])
            .collect(),
        CREATE_SERVER => vec![What::Foreign],
        IMPORT_FOREIGN_SCHEMA => vec![What::Foreign, What::Unlisted],
        ALTER_INDEX
        | ALTER_VIEW
        | ALTER_MATERIALIZED_VIEW
        | ALTER_SEQUENCE
        | ALTER_FOREIGN_TABLE => renamed(node).into_iter().collect(),
        SELECT_INTO => select_into(node).into_iter().collect(),
        ALTER_TABLE => altered(node).map(What::Touch).into_iter().collect(),
        DROP_COLUMN | ALTER_COLUMN | ADD_COLUMN | RENAME_COLUMN | TABLE_RENAME_TO | SET_SCHEMA
        | ATTACH_PARTITION | INHERIT_TABLE => alter_table(node).into_iter().collect(),
        ALTER_TYPE => alter_type(node),
        DROP_TABLE => named(node, TABLE_NAME_REF).map(What::DropTable).collect(),
        TRUNCATE => truncate(node),
        DELETE => delete(node).into_iter().collect(),
        UPDATE => update(node).into_iter().collect(),
        MERGE => merge(node),
        INSERT => insert(node).into_iter().collect(),
        COPY => copy_into(node).into_iter().collect(),
        CREATE_INDEX => named(node, TABLE_RELATION_NAME)
            .chain(named(node, TABLE_NAME_REF))
            .map(What::Touch)
            .collect(),
        CREATE_SCHEMA => schema_of(node)
            .map(|schema| What::CreateSchema {
                schema,
                if_not_exists: has(node, IF_NOT_EXISTS),
            })
            .into_iter()
            .collect(),
        ALTER_SCHEMA => rename_schema(node).into_iter().collect(),
        DROP_SCHEMA => children(node, SCHEMA_REF)
            .map(|schema| What::DropSchema(identifier(&schema)))
            .collect(),
        DROP_DATABASE => children(node, DATABASE_REF)
            .map(|database| What::DropDatabase(identifier(&database)))
            .collect(),
        DROP_OWNED => descendants(node, ROLE_REF)
            .filter_map(|role| tokens(&role).next())
            .map(|role| What::DropOwned(role.text().to_owned()))
            .collect(),
        CREATE_EXTENSION => child(node, EXTENSION)
            .map(|extension| What::CreateExtension(identifier(&extension)))
            .into_iter()
            .collect(),
        // Its tables and types move too.
        ALTER_EXTENSION => vec![What::Unlisted],
        CREATE_TYPE => create_type(node, TYPE_NAME).into_iter().collect(),
        CREATE_DOMAIN => create_type(node, DOMAIN).into_iter().collect(),
        ALTER_DOMAIN => alter_domain(node).into_iter().collect(),
        DROP_EXTENSION => children(node, EXTENSION_REF)
            .map(|extension| What::DropExtension(identifier(&extension)))
            .collect(),
        DROP_TYPE => drop_cascade(node, "type"),
        DROP_DOMAIN => drop_cascade(node, "domain"),
        DROP_COLLATION => drop_cascade(node, "collation"),
        DROP_ACCESS_METHOD => drop_cascade(node, "access method"),
        _ => Vec::new(),
    }
}

/// What a node gives to a table that acts with it.
fn attached(node: &SyntaxNode) -> Vec<What> {
    use SyntaxKind::*;
    match node.kind() {
        INHERITS | PARTITION_OF | REFERENCES_CONSTRAINT | FOREIGN_KEY_CONSTRAINT => {
            named(node, TABLE_NAME_REF).map(What::Attach).collect()
        }
        CREATE_POLICY | ALTER_POLICY => child(node, ON_TABLE)
            .iter()
            .flat_map(|on| named(on, TABLE_NAME_REF))
            .map(What::Attach)
            .collect(),
        GRANT if grants_writing(node) => descendants(node, PRIVILEGE_TABLE)
            .chain(descendants(node, PRIVILEGE_DEFAULT))
            .flat_map(|objects| named(&objects, RELATION_NAME_REF).collect::<Vec<_>>())
            .map(What::Attach)
            .chain(schemas(node))
            .collect(),
        ALTER_DEFAULT_PRIVILEGES if grants_writing(node) => schemas(node).collect(),
        _ => Vec::new(),
    }
}

fn schemas(node: &SyntaxNode) -> impl Iterator<Item = What> {
    descendants(node, SyntaxKind::SCHEMA_REF).map(|schema| What::AttachSchema(identifier(&schema)))
}

/// Whether a GRANT, or one of default privileges, lets somebody change rows, or make what does.
fn grants_writing(node: &SyntaxNode) -> bool {
    use SyntaxKind::*;
    let mut words = tokens(node)
        .skip_while(|token| token.kind() != GRANT_KW)
        .take_while(|token| token.kind() != ON_KW);
    words.any(|token| {
        matches!(
            token.kind(),
            ALL_KW | INSERT_KW | UPDATE_KW | DELETE_KW | TRUNCATE_KW | TRIGGER_KW | CREATE_KW
        )
    })
}

fn named(node: &SyntaxNode, kind: SyntaxKind) -> impl Iterator<Item = Name> {
    children(node, kind).filter_map(|child| name(&child))
}

fn create_table(node: &SyntaxNode) -> Vec<What> {
    use SyntaxKind::*;
    let Some(mut table) = child(node, TABLE_NAME).and_then(|table| name(&table)) else {
        return Vec::new();
    };
    if let Some(schema) = node
        .parent()
        .filter(|parent| parent.kind() == CREATE_SCHEMA)
    {
        table.schema = table.schema.or_else(|| schema_of(&schema));
    }
    let temporary = table.is_temporary(Postgres) || is_temporary(node);
    let at_commit = |word| {
        child(node, ON_COMMIT).is_some_and(|action| tokens(&action).any(|t| t.kind() == word))
    };
    let mut acts = Vec::new();
    if at_commit(DROP_KW) || at_commit(DELETE_KW) {
        acts.push(What::Bounded);
    }
    // It ends with the transaction: a later name means another table.
    if temporary && at_commit(DROP_KW) {
        return acts;
    }
    let args = child(node, TABLE_ARG_LIST);
    let of_others = [INHERITS, OF_TYPE, PARTITION_OF]
        .iter()
        .any(|kind| has(node, *kind))
        || args.as_ref().is_some_and(|args| has(args, LIKE_CLAUSE));
    let columns = args.iter().flat_map(|args| children(args, COLUMN));
    let columns: Vec<Column> = columns.filter_map(|node| column(&node)).collect();
    let is_query = node.kind() == CREATE_TABLE_AS;
    acts.push(What::CreateTable(CreateTable {
        table,
        temporary,
        if_not_exists: has(node, IF_NOT_EXISTS),
        columns: (!of_others && !is_query).then_some(columns),
        dependent: has(node, PARTITION_OF),
        from: if is_query { sources(node) } else { Vec::new() },
        loses_rows: false,
    }));
    acts
}

/// What has the name of a table and rows of others: a view, a foreign table.
pub(super) fn elsewhere(table: Name) -> CreateTable {
    CreateTable {
        table,
        temporary: false,
        if_not_exists: false,
        columns: None,
        dependent: true,
        from: Vec::new(),
        loses_rows: false,
    }
}

fn create_type(node: &SyntaxNode, kind: SyntaxKind) -> Option<What> {
    Some(What::CreateType {
        name: name(&child(node, kind)?)?,
        is_enum: has(node, SyntaxKind::ENUM_TYPE),
    })
}

fn is_temporary(node: &SyntaxNode) -> bool {
    has(node, SyntaxKind::TEMP)
}

fn select_into(node: &SyntaxNode) -> Option<What> {
    let into = child(node, SyntaxKind::INTO_CLAUSE)?;
    let table = name(&child(&into, SyntaxKind::TABLE_NAME)?)?;
    Some(What::CreateTable(CreateTable {
        temporary: table.is_temporary(Postgres) || is_temporary(&into),
        table,
        if_not_exists: false,
        columns: None,
        dependent: false,
        from: sources(node),
        loses_rows: false,
    }))
}

/// The tables that a query below the node reads. Names of common table expressions come along, which
/// does no harm.
fn sources(node: &SyntaxNode) -> Vec<Name> {
    descendants(node, SyntaxKind::RELATION_NAME_REF)
        .filter_map(|table| name(&table))
        .collect()
}

pub(super) fn column(node: &SyntaxNode) -> Option<Column> {
    Some(Column {
        name: identifier(&child(node, SyntaxKind::COLUMN_NAME)?),
        ty: types::of(node),
    })
}

fn truncate(node: &SyntaxNode) -> Vec<What> {
    let cascade = has(node, SyntaxKind::CASCADE);
    let list = child(node, SyntaxKind::TABLE_LIST);
    list.iter()
        .flat_map(|list| named(list, SyntaxKind::TABLE_RELATION_NAME))
        .map(|table| What::Truncate { table, cascade })
        .collect()
}

fn delete(node: &SyntaxNode) -> Option<What> {
    Some(What::Delete {
        table: target(node)?,
        every_row: every_row(node),
    })
}

fn update(node: &SyntaxNode) -> Option<What> {
    Some(What::Update {
        table: target(node)?,
        every_row: every_row(node),
        columns: set_columns(node),
    })
}

/// The columns that a SET clause gives values.
fn set_columns(node: &SyntaxNode) -> Vec<String> {
    use SyntaxKind::*;
    let list = child(node, SET_CLAUSE).and_then(|set| child(&set, SET_COLUMN_LIST));
    let sets = list.iter().flat_map(SyntaxNode::children);
    let targets = sets.flat_map(|set| match child(&set, COLUMN_TARGET_LIST) {
        Some(list) => children(&list, COLUMN_TARGET).collect::<Vec<_>>(),
        None => children(&set, COLUMN_TARGET).collect(),
    });
    targets
        .filter_map(|target| child(&target, COLUMN_NAME_REF))
        .map(|column| identifier(&column))
        .collect()
}

fn target(node: &SyntaxNode) -> Option<Name> {
    name(&child(node, SyntaxKind::RELATION_NAME)?)
}

fn every_row(node: &SyntaxNode) -> bool {
    if has(node, SyntaxKind::WHERE_CURRENT_OF) || has(node, SyntaxKind::FOR_PORTION_OF) {
        return false;
    }
    let condition = child(node, SyntaxKind::WHERE_CLAUSE).and_then(|clause| clause.first_child());
    condition.is_none_or(|condition| expr::always_true(&condition, node))
}

/// A MERGE deletes or updates every row if its join condition holds for every pair, if it is about rows
/// without a match, or if it joins the table with all of itself; in all three unless a condition of its
/// own says which rows.
fn merge(node: &SyntaxNode) -> Vec<What> {
    use SyntaxKind::*;
    let Some(table) = child(node, TABLE_RELATION_NAME).and_then(|table| name(&table)) else {
        return Vec::new();
    };
    let using = child(node, USING_ON_CLAUSE);
    let on = using
        .as_ref()
        .and_then(|using| child(using, ON_CLAUSE))
        .and_then(|on| on.first_child());
    let matches_all = on.is_some_and(|condition| expr::always_true(&condition, node))
        || using.is_some_and(|using| {
            sources(&using)
                .iter()
                .any(|source| source.name == table.name)
                && descendants(&using, WHERE_CLAUSE).next().is_none()
        });
    let mut acts = vec![What::Touch(table.clone())];
    for when in node.children() {
        let every_row = match when.kind() {
            MERGE_WHEN_MATCHED => matches_all,
            MERGE_WHEN_NOT_MATCHED_SOURCE => true,
            MERGE_WHEN_NOT_MATCHED_TARGET => false,
            _ => continue,
        };
        let condition = child(&when, MERGE_CONDITION).and_then(|own| own.first_child());
        let every_row =
            every_row && condition.is_none_or(|condition| expr::always_true(&condition, node));
        if has(&when, MERGE_DELETE) {
            acts.push(What::Delete {
                table: table.clone(),
                every_row,
            });
        }
        if let Some(update) = child(&when, MERGE_UPDATE) {
            acts.push(What::Update {
                table: table.clone(),
                every_row,
                columns: set_columns(&update),
            });
        }
        if has(&when, MERGE_INSERT) {
            acts.push(What::Insert {
                table: table.clone(),
                from: sources(node),
                copy: Err("the engine is not SQLite"),
            });
        }
    }
    acts
}

fn insert(node: &SyntaxNode) -> Option<What> {
    let into = child(node, SyntaxKind::RELATION_NAME_REF)?;
    let table = name(&into)?;
    let from = descendants(node, SyntaxKind::RELATION_NAME_REF)
        .filter(|source| *source != into)
        .filter_map(|source| name(&source))
        .collect();
    Some(What::Insert {
        table,
        from,
        copy: Err("the engine is not SQLite"),
    })
}

fn copy_into(node: &SyntaxNode) -> Option<What> {
    child(node, SyntaxKind::COPY_FROM)?;
    let table = child(node, SyntaxKind::COPY_TABLE)?;
    Some(What::Insert {
        table: name(&child(&table, SyntaxKind::TABLE_NAME_REF)?)?,
        from: Vec::new(),
        copy: Err("the engine is not SQLite"),
    })
}

fn rename_schema(node: &SyntaxNode) -> Option<What> {
    let to = child(node, SyntaxKind::SCHEMA_RENAME_TO)?;
    Some(What::RenameSchema {
        from: identifier(&child(node, SyntaxKind::SCHEMA_REF)?),
        to: identifier(&child(&to, SyntaxKind::SCHEMA)?),
    })
}

fn schema_of(node: &SyntaxNode) -> Option<String> {
    let schema = descendants(node, SyntaxKind::SCHEMA).next()?;
    Some(identifier(&schema))
}

fn drop_cascade(node: &SyntaxNode, what: &'static str) -> Vec<What> {
    if !has(node, SyntaxKind::CASCADE) {
        return Vec::new();
    }
    node.children()
        .filter(|child| !matches!(child.kind(), SyntaxKind::CASCADE | SyntaxKind::IF_EXISTS))
        .filter_map(|child| name(&child))
        .map(|name| What::DropCascade { what, name })
        .collect()
}
