//! What the database does not have: nothing is lost with it.

use std::collections::BTreeSet;

use crate::act::{Name, What};
use crate::{Before, Dialect};

use super::History;

/// How much is known of what is there beside the tables that are known.
pub(super) struct Known {
    /// Every table that is there is known, under the name that it has.
    is_complete: bool,
    /// There was no table before the pending files, and rows of no other database are in reach.
    is_empty: bool,
    /// What columns were renamed to. A child's are renamed with its parent's.
    renamed_to: BTreeSet<String>,
    /// Those that are installed, or that a pending file installs.
    extensions: BTreeSet<String>,
    /// Code that was there before, which nobody has read.
    routines: BTreeSet<String>,
}

impl Known {
    pub(super) fn new(before: &Before) -> Known {
        Known {
            is_complete: before.is_complete,
            is_empty: before.is_complete && before.tables.is_empty(),
            renamed_to: BTreeSet::new(),
            extensions: before.extensions.clone(),
            routines: before.routines.clone(),
        }
    }

    /// Tables may be there that nobody knows, or under other names.
    pub(super) fn forget(&mut self) {
        self.is_complete = false;
    }

    /// What stays known where that is all that is.
    pub(super) fn forgotten(&self) -> Known {
        Known {
            is_complete: false,
            is_empty: self.is_empty,
            renamed_to: self.renamed_to.clone(),
            extensions: self.extensions.clone(),
            routines: self.routines.clone(),
        }
    }

    pub(super) fn reach_further(&mut self) {
        self.is_empty = false;
    }

    pub(super) fn rename_column(&mut self, to: &str) {
        self.renamed_to.insert(to.to_owned());
    }

    /// Code that nobody has read may do what it likes.
    pub(super) fn call(&mut self, routine: &Name) {
        if self.routines.contains(&routine.name) {
            self.forget();
        }
    }

    pub(super) fn add_extension(&mut self, extension: &str) {
        self.extensions.insert(extension.to_owned());
    }
}

impl History {
    /// Whether the database was empty: nothing that was in it can be lost.
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty
    }

    /// Whether what an act names surely is not there, so that the engine stops at it unless it is told to
    /// go on.
    pub(crate) fn lacks(&self, what: &What) -> bool {
        match what {
            What::DropTable(table)
            | What::DropColumn { table, .. }
            | What::ChangeType { table, .. }
            | What::Truncate { table, .. }
            | What::Delete { table, .. }
            | What::Update { table, .. }
            | What::ReplaceRows(table) => self.is_absent_table(table),
            What::DropSchema(schema) => self.is_absent_schema(schema),
            What::DropExtension(extension) => self.is_absent_extension(extension),
            What::DropCascade { name, .. } => self.is_absent_type(name),
            _ => false,
        }
    }

    /// Whether there surely is no table of that name.
    pub(crate) fn is_absent_table(&self, table: &Name) -> bool {
        self.is_absent(&self.meant(table))
    }

    /// The same. `meant` is what [`History::meant`] gives.
    pub(super) fn is_absent(&self, meant: &Name) -> bool {
        if !self.known.is_complete || !is_plain(&meant.name) || self.tables.contains_key(meant) {
            return false;
        }
        match &meant.schema {
            // SQLite's one schema has none; another database is attached, or nobody knows where.
            None => self.names.dialect() == Dialect::Sqlite,
            Some(_) if self.names.dialect() == Dialect::Sqlite => false,
            // One that was made in a path that nobody knows may be this.
            Some(schema) => {
                let unplaced = Name {
                    schema: None,
                    name: meant.name.clone(),
                };
                is_plain(schema) && !self.tables.contains_key(&unplaced)
            }
        }
    }

    /// Whether there surely is no such column of the table, or none that holds values of its own.
    pub(crate) fn is_absent_column(&self, table: &Name, column: &str) -> bool {
        let columns = self
            .tables
            .get(&self.meant(table))
            .filter(|table| !table.are_guessed)
            .and_then(|table| table.columns.as_ref());
        self.known.is_complete
            && is_plain(column)
            && !self.known.renamed_to.contains(column)
            && columns.is_some_and(|columns| !columns.iter().any(|known| known == column))
    }

    pub(crate) fn is_absent_schema(&self, schema: &str) -> bool {
        let inside = |name: &Name| name.schema.as_deref() == Some(schema);
        self.known.is_complete
            && is_plain(schema)
            && !self.names.has_schema(schema)
            && !self.tables.keys().any(inside)
    }

    pub(crate) fn is_absent_extension(&self, extension: &str) -> bool {
        self.known.is_complete && is_plain(extension) && !self.known.extensions.contains(extension)
    }

    pub(crate) fn is_absent_type(&self, ty: &Name) -> bool {
        self.known.is_complete && is_plain(&ty.name) && self.types.lacks(&ty.name)
    }

    /// Tables that were made where nobody could tell may have any schema.
    pub(super) fn forget_unplaced(&mut self) {
        let is_unplaced = |name: &Name| name.schema.is_none();
        if !self.names.is_one_schema() && self.tables.keys().any(is_unplaced) {
            self.known.forget();
        }
    }
}

/// Whether a name is surely compared as it stands: the server cuts long ones off (63 bytes), and folds
/// other letters than ASCII's by its own rules.
fn is_plain(name: &str) -> bool {
    name.is_ascii() && name.len() < 64
}
