//! A file outside the runner's transaction: what is known beforehand to fail on the way, where what
//! was done before it is committed.

use super::enums::{self, Added};
use super::{Control, Enders, Reading, Trouble};
use crate::act::{Act, What};
use crate::script::Statement;
use crate::{Dialect, Hindrance};

/// The transaction that the file has open, if it has.
#[derive(Default)]
struct Open<'a> {
    by: Option<&'a Statement>,
    /// SQLite: begun by a savepoint, and over with it.
    by_savepoint: bool,
    savepoints: Vec<&'a str>,
}

impl Reading<'_> {
    pub(super) fn by_statement(&mut self) {
        let is_sqlite = self.script.dialect == Dialect::Sqlite;
        let mut open = Open::default();
        let mut enders = Enders::default();
        let mut added: Vec<Added> = Vec::new();
        for statement in &self.script.statements {
            let is_open = open.by.is_some();
            match &statement.control {
                Some(Control::Begin { .. }) => {
                    if is_open && is_sqlite {
                        self.add(statement, Trouble::BeginsWithin);
                    }
                    // PostgreSQL warns, and goes on in the one that is open.
                    if !is_open {
                        open = Open::begun(statement);
                    }
                }
                Some(Control::Commit { chain } | Control::Rollback { chain }) => {
                    // PostgreSQL warns where there is nothing to end, unless another is to follow.
                    if !is_open && (is_sqlite || *chain) {
                        self.add(statement, Trouble::NothingToEnd);
                    }
                    open = match chain {
                        true => Open::begun(statement),
                        false => Open::default(),
                    };
                }
                Some(Control::Prepare) => open = Open::default(),
                Some(Control::Savepoint(name)) => {
                    if !is_open && is_sqlite {
                        open = Open::begun(statement);
                        open.by_savepoint = true;
                    } else if !is_open {
                        self.add(statement, Trouble::OutsideTransaction);
                    }
                    open.savepoints.push(name);
                }
                Some(Control::Release(name) | Control::RollbackTo(name)) => {
                    let at = open.savepoints.iter().rposition(|known| known == name);
                    match at {
                        None if is_open || is_sqlite => {
                            self.add(statement, Trouble::NothingToEnd);
                        }
                        None => self.add(statement, Trouble::OutsideTransaction),
                        Some(at) => {
                            let releases = matches!(statement.control, Some(Control::Release(_)));
                            open.savepoints.truncate(at + usize::from(!releases));
                            if open.savepoints.is_empty() && open.by_savepoint {
                                open = Open::default();
                            }
                        }
                    }
                }
                Some(Control::Needs) if !is_open => {
                    self.add(statement, Trouble::OutsideTransaction);
                }
                Some(Control::Modes | Control::Needs) | None => {
                    self.find_refused(statement, is_open, &enders);
                    enders.follow(statement);
                }
            }
            if open.by.is_none() {
                added.clear();
                continue;
            }
            if let Some(at) = enums::used(added.iter(), statement, self.sql) {
                let value = added.remove(at);
                self.add(statement, value.used(true));
            }
            added.extend(enums::added(statement));
            for value in &mut added {
                value.follow(statement, self.sql);
            }
        }
        if let Some(statement) = open.by {
            self.add(statement, Trouble::LeftOpen);
        }
    }

    /// What the engine refuses in the transaction that is open, or in code, which always runs in one.
    fn find_refused(&mut self, statement: &Statement, is_open: bool, enders: &Enders) {
        let is_refused = |act: &&Act| match act.what {
            What::Hindered(Hindrance::NeedsNoTransaction) => is_open || !act.certain,
            // Code may end a transaction where the file has begun none.
            _ => is_open && enders.is_one(act),
        };
        if let Some(act) = statement.acts.iter().find(is_refused) {
            self.add_at(act.line, statement, Trouble::InTransaction);
        }
    }
}

impl<'a> Open<'a> {
    fn begun(statement: &'a Statement) -> Open<'a> {
        Open {
            by: Some(statement),
            ..Open::default()
        }
    }
}
