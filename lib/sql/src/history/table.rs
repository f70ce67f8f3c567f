//! A table, as far as it is known.

use crate::Dialect;
use crate::act::{Name, Type};

use super::Table;

impl Table {
    pub(super) fn before(dialect: Dialect, table: &crate::before::Table) -> (Name, Table) {
        let folded = |name: &str| match dialect {
            Dialect::Sqlite => name.to_ascii_lowercase(),
            Dialect::Postgres => name.to_owned(),
        };
        let name = Name {
            schema: table.schema.clone(),
            name: folded(&table.name),
        };
        let columns = table.columns.as_ref().map(|columns| {
            let columns = columns.iter();
            let columns = columns.map(|(name, ty)| (folded(name), Type::printed(dialect, ty)));
            columns.collect::<Vec<(String, Type)>>()
        });
        let names =
            |columns: &Vec<(String, Type)>| columns.iter().map(|(name, _)| name.clone()).collect();
        let known = Table {
            columns: columns.as_ref().map(names),
            types: columns.into_iter().flatten().collect(),
            ..Table::default()
        };
        (name, known)
    }

    pub(super) fn forget_column(&mut self, column: &str) {
        self.new_columns.remove(column);
        self.types.remove(column);
        if let Some(columns) = &mut self.columns {
            columns.retain(|known| known != column);
        }
    }

    /// A name may mean another column than it did.
    pub(super) fn doubt_column(&mut self, column: &str) {
        self.new_columns.remove(column);
        self.types.remove(column);
    }

    pub(super) fn rename_column(&mut self, from: &str, to: &str) {
        if self.new_columns.remove(from) {
            self.new_columns.insert(to.to_owned());
        }
        if let Some(ty) = self.types.remove(from) {
            self.types.insert(to.to_owned(), ty);
        }
        for column in self.columns.iter_mut().flatten() {
            if column == from {
                to.clone_into(column);
            }
        }
    }
}
