//! What ALTER does to tables, types and what else has a table's name.

use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::tree::{child, children, has, identifier, name, string};
use super::{table, types};
use crate::act::{Name, Using, What};

/// The table of an ALTER TABLE.
pub(super) fn altered(node: &SyntaxNode) -> Option<Name> {
    if node.kind() != SyntaxKind::ALTER_TABLE {
        return None;
    }
    name(&child(node, SyntaxKind::TABLE_RELATION_NAME)?)
}

/// One action of an ALTER TABLE.
pub(super) fn alter_table(action: &SyntaxNode) -> Option<What> {
    use SyntaxKind::*;
    let table = altered(&action.parent()?)?;
    let column_ref = || Some(identifier(&child(action, COLUMN_NAME_REF)?));
    Some(match action.kind() {
        DROP_COLUMN => What::DropColumn {
            table,
            column: column_ref()?,
        },
        ALTER_COLUMN => {
            let change = child(action, SET_TYPE)?;
            let column = column_ref()?;
            What::ChangeType {
                table,
                using: types::using(&change, &column),
                to: types::of(&change).unwrap_or_else(types::unknown),
                column,
            }
        }
        ADD_COLUMN => What::AddColumn {
            table,
            column: table::column(action)?,
            if_not_exists: has(action, IF_NOT_EXISTS),
        },
        RENAME_COLUMN => What::RenameColumn {
            table,
            from: column_ref()?,
            to: identifier(&child(action, COLUMN_NAME)?),
        },
        TABLE_RENAME_TO => What::RenameTable {
            to: table.sibling(name(&child(action, TABLE_NAME)?)?.name),
            from: table,
        },
        SET_SCHEMA => What::RenameTable {
            to: Name {
                schema: Some(identifier(&child(action, SCHEMA_REF)?)),
                name: table.name.clone(),
            },
            from: table,
        },
        ATTACH_PARTITION => What::Adopt {
            parent: table,
            child: name(&child(action, TABLE_NAME_REF)?)?,
        },
        INHERIT_TABLE => What::Adopt {
            parent: name(action)?,
            child: table,
        },
        _ => return None,
    })
}

/// A composite type's attribute is a column of every table that has a column of the type.
pub(super) fn alter_type(node: &SyntaxNode) -> Vec<What> {
    use SyntaxKind::*;
    let Some(ty) = child(node, TYPE_NAME_REF).and_then(|ty| name(&ty)) else {
        return Vec::new();
    };
    let to = |action: &SyntaxNode| {
        Some(match action.kind() {
            TYPE_RENAME_TO => ty.sibling(name(&child(action, TYPE_NAME)?)?.name),
            SET_SCHEMA => ty.within(&identifier(&child(action, SCHEMA_REF)?)),
            _ => return None,
        })
    };
    if let Some(to) = node.children().find_map(|action| to(&action)) {
        let (from, table) = (ty.clone(), to.clone());
        return vec![
            What::RenameType { from: ty, to },
            // A composite type has attributes as a table has columns.
            What::RenameTable { from, to: table },
        ];
    }
    if let Some(action) = child(node, RENAME_VALUE) {
        let mut values = children(&action, LITERAL).filter_map(|value| string(&value));
        return match (values.next(), values.next()) {
            (Some(from), Some(to)) => vec![What::RenameEnumValue { from, to }],
            _ => Vec::new(),
        };
    }
    let value = child(node, ADD_VALUE).and_then(|action| child(&action, LITERAL));
    if let Some(value) = value.and_then(|value| string(&value)) {
        return vec![What::AddEnumValue { ty, value }];
    }
    let attribute = |action: &SyntaxNode| Some(identifier(&child(action, COMPOSITE_FIELD_REF)?));
    let actions = child(node, ALTER_TYPE_ATTRIBUTE_ACTION_LIST);
    let actions = actions.iter().flat_map(SyntaxNode::children);
    actions
        .filter_map(|action| {
            Some(match action.kind() {
                DROP_ATTRIBUTE => What::DropColumn {
                    table: ty.clone(),
                    column: attribute(&action)?,
                },
                ALTER_ATTRIBUTE => What::ChangeType {
                    table: ty.clone(),
                    column: attribute(&action)?,
                    to: types::of(&action).unwrap_or_else(types::unknown),
                    using: Using::Cast,
                },
                _ => return None,
            })
        })
        .collect()
}

/// What gets another name or schema, and may be named as a table: `ALTER INDEX` takes any relation.
pub(super) fn renamed(node: &SyntaxNode) -> Option<What> {
    use SyntaxKind::*;
    let from = node.children().find(|child| {
        matches!(
            child.kind(),
            INDEX_REF | VIEW_REF | SEQUENCE_REF | TABLE_RELATION_NAME
        )
    });
    let from = name(&from?)?;
    let to = node.children().find_map(|action| {
        Some(match action.kind() {
            INDEX_RENAME_TO | VIEW_RENAME_TO | SEQUENCE_RENAME_TO | TABLE_RENAME_TO => {
                from.sibling(name(&action.last_child()?)?.name)
            }
            SET_SCHEMA => from.within(&identifier(&child(&action, SCHEMA_REF)?)),
            _ => return None,
        })
    })?;
    Some(What::RenameTable { from, to })
}

pub(super) fn alter_domain(node: &SyntaxNode) -> Option<What> {
    use SyntaxKind::*;
    let from = name(&child(node, DOMAIN_REF)?)?;
    let to = node.children().find_map(|action| match action.kind() {
        DOMAIN_RENAME_TO => Some(from.sibling(name(&action.last_child()?)?.name)),
        SET_SCHEMA => Some(from.within(&identifier(&child(&action, SCHEMA_REF)?))),
        _ => None,
    })?;
    Some(What::RenameType { from, to })
}
