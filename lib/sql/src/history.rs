use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::act::{Act, Column, CreateTable, Name, Type, What};

/// What the pending files have done so far, as far as it tells what a table holds: a table that they
/// created holds no data that was there before, unless some was copied into it and is gone elsewhere.
///
/// In doubt a table holds data. A table made inside a block of code, or with IF NOT EXISTS, was
/// perhaps there before; a name without a schema means another table once the search path changed.
#[derive(Default)]
pub(crate) struct History {
    tables: HashMap<Name, Table>,
    /// The other way round than [`Table::copies_of`]: who has rows of a table.
    copies: HashMap<Name, BTreeSet<Name>>,
    /// Of this file: another may run in another session.
    temporary: BTreeSet<Name>,
    schemas: BTreeSet<String>,
}

#[derive(Default)]
struct Table {
    /// Created by the pending files.
    new: bool,
    /// The tables whose rows were copied here, and that were there before.
    copies_of: BTreeSet<Name>,
    /// All columns with values of their own, if they are known.
    columns: Option<BTreeSet<String>>,
    /// Columns that the pending files added to a table that was there before.
    new_columns: BTreeSet<String>,
    types: BTreeMap<String, Type>,
}

impl History {
    /// Whether the table is new and holds only what the pending files wrote: whatever happens to its
    /// rows, no data is lost.
    pub(crate) fn is_new(&self, table: &Name) -> bool {
        self.is_temporary(table)
            || self
                .tables
                .get(table)
                .is_some_and(|table| table.new && table.copies_of.is_empty())
    }

    /// Whether nothing is lost with the table, because it is new and every row that was copied into
    /// it is still where it came from.
    pub(crate) fn holds_nothing_else(&self, table: &Name) -> bool {
        self.is_temporary(table) || self.tables.get(table).is_some_and(|table| table.new)
    }

    /// Whether the pending files added the column to a table that was there before.
    pub(crate) fn is_new_column(&self, table: &Name, column: &str) -> bool {
        self.tables
            .get(table)
            .is_some_and(|table| table.new_columns.contains(column))
    }

    pub(crate) fn is_new_schema(&self, schema: &str) -> bool {
        let inside = |name: &Name| name.schema.as_deref() == Some(schema);
        self.schemas.contains(schema)
            && self
                .tables
                .iter()
                .all(|(name, table)| !inside(name) || table.new)
    }

    pub(crate) fn column_type(&self, table: &Name, column: &str) -> Option<&Type> {
        self.tables.get(table)?.types.get(column)
    }

    /// The columns of a table that held values before the pending files, as far as they are known.
    pub(crate) fn old_columns(&self, table: &Name) -> Vec<&str> {
        let Some(table) = self.tables.get(table).filter(|table| !table.new) else {
            return Vec::new();
        };
        let columns = table.columns.iter().flatten().map(String::as_str);
        columns
            .filter(|column| !table.new_columns.contains(*column))
            .collect()
    }

    pub(crate) fn begin_file(&mut self) {
        self.temporary.clear();
    }

    /// Takes an act in. `loses` says that a rule found a loss in it.
    pub(crate) fn follow(&mut self, act: &Act, loses: bool) {
        match &act.what {
            What::CreateTable(create) => self.create(create, act.certain),
            What::RenameTable { from, to } => self.rename(from, to),
            What::DropTable(table) => {
                if !self.temporary.remove(table) {
                    self.lose(table);
                    self.take(table);
                }
            }
            What::AddColumn {
                table,
                column,
                if_not_exists,
            } => self.add(table, column, act.certain && !if_not_exists),
            What::DropColumn { table, column } => {
                if loses {
                    self.lose(table);
                }
                if let Some(known) = self.tables.get_mut(table) {
                    known.forget_column(column);
                    if loses {
                        // One of them may be what the dropped column was copied to.
                        known.new_columns.clear();
                    }
                }
            }
            What::RenameColumn { table, from, to } => {
                if let Some(known) = self.tables.get_mut(table) {
                    known.rename_column(from, to);
                }
            }
            What::ChangeType {
                table, column, to, ..
            } => {
                if loses {
                    self.lose(table);
                }
                let known = self.tables.entry(table.clone()).or_default();
                known.types.insert(column.clone(), to.clone());
            }
            What::Truncate { table, .. } | What::Delete { table, .. } => self.lose(table),
            What::Update { table, columns, .. } => {
                let fills = |column: &String| self.is_new_column(table, column);
                if !columns.iter().all(fills) || columns.is_empty() {
                    self.lose(table);
                }
            }
            What::Insert { table, from, .. } => {
                let origins = self.origins(from);
                if let Some(mut known) = self.take(table) {
                    known.copies_of.extend(origins);
                    self.put(table.clone(), known);
                }
            }
            What::Adopt { parent } => {
                if let Some(known) = self.tables.get_mut(parent) {
                    known.new = false;
                }
            }
            What::CreateSchema(schema) if act.certain => {
                self.schemas.insert(schema.clone());
            }
            What::DropSchema(schema) => {
                self.schemas.remove(schema);
                self.keep(|name| name.schema.as_ref() != Some(schema));
            }
            What::ForgetPath => {
                self.keep(|name| name.schema.is_some());
                self.temporary.clear();
            }
            What::ForgetAll => *self = History::default(),
            What::CreateSchema(_)
            | What::Touch(_)
            | What::DropDatabase(_)
            | What::DropOwned(_)
            | What::DropExtension(_)
            | What::DropCascade { .. }
            | What::Unread { .. }
            | What::WritableSchema(_)
            | What::Hindered(_) => (),
        }
    }

    fn is_temporary(&self, table: &Name) -> bool {
        table.is_temporary() || self.temporary.contains(table)
    }

    fn create(&mut self, create: &CreateTable, certain: bool) {
        if create.temporary {
            if certain {
                self.temporary.insert(create.table.clone());
            }
            return;
        }
        let new = certain && !create.if_not_exists;
        let columns = create.columns.as_ref();
        let names = columns.map(|columns| columns.iter().map(|column| column.name.clone()));
        let names = names.map(BTreeSet::from_iter);
        if !new {
            // Perhaps it was there before; most likely with these columns.
            let known = self.tables.entry(create.table.clone()).or_default();
            if !known.new && known.columns.is_none() {
                known.columns = names;
            }
            return;
        }
        let types = columns.into_iter().flatten();
        let table = Table {
            new: !create.dependent,
            copies_of: self.origins(&create.from),
            columns: names,
            new_columns: BTreeSet::new(),
            types: types
                .filter_map(|column| Some((column.name.clone(), column.ty.clone()?)))
                .collect(),
        };
        self.take(&create.table);
        self.put(create.table.clone(), table);
    }

    fn add(&mut self, table: &Name, column: &Column, new: bool) {
        let known = self.tables.entry(table.clone()).or_default();
        if let Some(columns) = &mut known.columns {
            columns.insert(column.name.clone());
        }
        if !new {
            return;
        }
        if !known.new {
            known.new_columns.insert(column.name.clone());
        }
        if let Some(ty) = &column.ty {
            known.types.insert(column.name.clone(), ty.clone());
        }
    }

    fn rename(&mut self, from: &Name, to: &Name) {
        if self.temporary.remove(from) {
            self.temporary.insert(to.clone());
            return;
        }
        // One that is not known was there before; under its new name too.
        let table = self.take(from).unwrap_or_default();
        self.take(to);
        self.put(to.clone(), table);
        for copy in self.copies.remove(from).unwrap_or_default() {
            if let Some(table) = self.tables.get_mut(&copy) {
                table.copies_of.remove(from);
                table.copies_of.insert(to.clone());
            }
            self.copies.entry(to.clone()).or_default().insert(copy);
        }
    }

    fn take(&mut self, name: &Name) -> Option<Table> {
        let table = self.tables.remove(name)?;
        for origin in &table.copies_of {
            if let Some(copies) = self.copies.get_mut(origin) {
                copies.remove(name);
            }
        }
        Some(table)
    }

    fn put(&mut self, name: Name, table: Table) {
        for origin in &table.copies_of {
            let copies = self.copies.entry(origin.clone()).or_default();
            copies.insert(name.clone());
        }
        self.tables.insert(name, table);
    }

    /// Forgets the other tables. What they were copied to is still known by their names: that may
    /// make a table old, never new.
    fn keep(&mut self, keep: impl Fn(&Name) -> bool) {
        self.tables.retain(|name, _| keep(name));
    }

    /// Where rows that are read from these tables were before the pending files.
    fn origins(&self, from: &[Name]) -> BTreeSet<Name> {
        let mut origins = BTreeSet::new();
        for name in from {
            match self.tables.get(name).filter(|table| table.new) {
                Some(table) => origins.extend(table.copies_of.iter().cloned()),
                None => {
                    origins.insert(name.clone());
                }
            }
        }
        origins
    }

    /// Rows or values of a table are gone: what was copied from it is perhaps the last of them.
    fn lose(&mut self, lost: &Name) {
        for origin in self.origins(std::slice::from_ref(lost)) {
            for copy in self.copies.get(&origin).into_iter().flatten() {
                if copy != lost
                    && let Some(table) = self.tables.get_mut(copy)
                {
                    table.new = false;
                }
            }
        }
    }
}

impl Table {
    fn forget_column(&mut self, column: &str) {
        self.new_columns.remove(column);
        self.types.remove(column);
        if let Some(columns) = &mut self.columns {
            columns.remove(column);
        }
    }

    fn rename_column(&mut self, from: &str, to: &str) {
        if self.new_columns.remove(from) {
            self.new_columns.insert(to.to_owned());
        }
        if let Some(ty) = self.types.remove(from) {
            self.types.insert(to.to_owned(), ty);
        }
        if let Some(columns) = &mut self.columns
            && columns.remove(from)
        {
            columns.insert(to.to_owned());
        }
    }
}
