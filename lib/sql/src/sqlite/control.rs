use sqlite3_parser::ast::{Cmd, Stmt};

use super::name::column;
use crate::transactions::Control;

/// What a statement does to the transaction around it, if that is what it is for.
pub(super) fn control(command: &Cmd) -> Option<Control> {
    let Cmd::Stmt(statement) = command else {
        return None;
    };
    Some(match statement {
        // Which locks it takes at once: the runner has taken them.
        Stmt::Begin(..) => Control::Begin { plain: true },
        Stmt::Commit(_) => Control::Commit { chain: false },
        Stmt::Rollback {
            savepoint_name: None,
            ..
        } => Control::Rollback { chain: false },
        Stmt::Rollback {
            savepoint_name: Some(name),
            ..
        } => Control::RollbackTo(column(name)),
        Stmt::Savepoint(name) => Control::Savepoint(column(name)),
        Stmt::Release(name) => Control::Release(column(name)),
        _ => return None,
    })
}
