use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::act::{Act, Column, CreateTable, Name, Type, What};
use crate::{Before, Dialect};

mod absent;
mod names;
mod table;
mod types;

use absent::Known;
use names::Names;
use types::Types;

/// What the pending files have done so far, as far as it tells what a table holds: a table that they
/// created holds no data that was there before, unless some was copied into it and is gone elsewhere.
///
/// In doubt a table holds data. A table made inside a block of code, or with IF NOT EXISTS, was
/// perhaps there before; a name without a schema means another table once the search path changed.
pub(crate) struct History {
    names: Names,
    tables: HashMap<Name, Table>,
    /// The other way round than [`Table::copies_of`]: who has rows of a table.
    copies: HashMap<Name, BTreeSet<Name>>,
    /// Schemas that the pending files made.
    schemas: BTreeSet<String>,
    types: Types,
    known: Known,
}

#[derive(Default)]
struct Table {
    /// Created by the pending files.
    new: bool,
    /// The tables whose rows were copied here, and that were there before.
    copies_of: BTreeSet<Name>,
    /// All columns with values of their own in their order, if they are known.
    columns: Option<Vec<String>>,
    /// Whether the columns are those that the table has most likely. They prove no absence.
    are_guessed: bool,
    /// Columns that the pending files added to a table that was there before.
    new_columns: BTreeSet<String>,
    types: BTreeMap<String, Type>,
}

impl History {
    pub(crate) fn new(dialect: Dialect, before: &Before) -> History {
        let tables = before
            .tables
            .iter()
            .map(|table| Table::before(dialect, table));
        History {
            names: Names::new(dialect, before),
            tables: tables.collect(),
            copies: HashMap::new(),
            schemas: BTreeSet::new(),
            types: Types::new(before),
            known: Known::new(before),
        }
    }

    /// Whether the table is new and holds only what the pending files wrote: whatever happens to its
    /// rows, no data is lost.
    pub(crate) fn is_new(&self, table: &Name) -> bool {
        let table = self.meant(table);
        self.names.is_temporary(&table)
            || self
                .tables
                .get(&table)
                .is_some_and(|table| table.new && table.copies_of.is_empty())
    }

    /// Whether nothing is lost with the table, because it is new and every row that was copied into
    /// it is still where it came from.
    pub(crate) fn holds_nothing_else(&self, table: &Name) -> bool {
        let table = self.meant(table);
        self.names.is_temporary(&table) || self.tables.get(&table).is_some_and(|table| table.new)
    }

    /// Whether the pending files added the column to a table that was there before.
    pub(crate) fn is_new_column(&self, table: &Name, column: &str) -> bool {
        self.tables
            .get(&self.meant(table))
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
        self.tables.get(&self.meant(table))?.types.get(column)
    }

    /// Whether the type surely is an enum.
    pub(crate) fn is_enum(&self, ty: &Type) -> bool {
        self.types.is_enum(ty)
    }

    /// The columns of a table from before the pending files, in order, as far as they are known.
    pub(crate) fn old_columns(&self, table: &Name) -> &[String] {
        self.tables
            .get(&self.meant(table))
            .filter(|table| !table.new)
            .and_then(|table| table.columns.as_deref())
            .unwrap_or_default()
    }

    /// The runner makes its session as new for each file.
    pub(crate) fn begin_file(&mut self) {
        self.names.begin_file();
    }

    /// Takes an act in. `loses` says that a rule found a loss in it.
    pub(crate) fn follow(&mut self, act: &Act, loses: bool) {
        let certain = act.certain;
        match &act.what {
            What::CreateTable(create) => self.create(create, certain),
            What::RenameTable { from, to } => self.rename(from, to, certain),
            What::DropTable(table) => self.drop(table, certain),
            What::AddColumn {
                table,
                column,
                if_not_exists,
            } => self.add(table, column, certain && !if_not_exists),
            What::DropColumn { table, column } => {
                self.doubt_namesakes(table);
                if loses {
                    self.lose(table);
                }
                if let Some(known) = self.known(table) {
                    known.forget_column(column);
                    if loses {
                        // One of them may be what the dropped column was copied to.
                        known.new_columns.clear();
                    }
                }
            }
            What::RenameColumn { table, from, to } => {
                self.known.rename_column(to);
                self.doubt_namesakes(table);
                if let Some(known) = self.known(table) {
                    if certain {
                        known.rename_column(from, to);
                    } else {
                        known.doubt_column(from);
                        known.doubt_column(to);
                    }
                }
            }
            What::ChangeType {
                table, column, to, ..
            } => {
                if loses {
                    self.lose(table);
                }
                let meant = self.meant(table);
                if self.is_absent(&meant) {
                    return;
                }
                let known = self.tables.entry(meant).or_default();
                if certain {
                    known.types.insert(column.clone(), to.clone());
                } else {
                    known.types.remove(column);
                }
            }
            What::Truncate { table, .. }
            | What::Delete { table, .. }
            | What::ReplaceRows(table) => self.lose(table),
            What::Update { table, columns, .. } => {
                let fills = |column: &String| self.is_new_column(table, column);
                if !columns.iter().all(fills) || columns.is_empty() {
                    self.lose(table);
                }
            }
            What::Insert { table, from, .. } => {
                let origins = self.origins(from);
                let table = self.meant(table);
                if let Some(known) = self.tables.get_mut(&table) {
                    // Only what is new to it: a table may have rows of thousands.
                    for origin in origins {
                        if known.copies_of.insert(origin.clone()) {
                            let copies = self.copies.entry(origin).or_default();
                            copies.insert(table.clone());
                        }
                    }
                }
            }
            What::Adopt { parent, child } => {
                for table in [parent, child] {
                    if let Some(known) = self.known(table) {
                        known.new = false;
                    }
                }
            }
            What::CreateSchema {
                schema,
                if_not_exists,
            } => self.create_schema(schema, certain, *if_not_exists),
            What::DropSchema(schema) => {
                self.schemas.remove(schema);
                self.tables
                    .retain(|name, _| name.schema.as_ref() != Some(schema));
                self.names.drop_schema(schema, certain);
                if !certain {
                    self.known.forget();
                }
            }
            What::SetPath(Some(path)) if certain => {
                self.forget_unplaced();
                self.tables.retain(|name, _| name.schema.is_some());
                self.names.set_path(path);
                if self.names.is_unclear() {
                    self.schemas.clear();
                }
            }
            What::SetPath(_) | What::ForgetPath => {
                self.known.forget();
                self.names.forget_path();
                // What is made from here on may be made in them.
                self.schemas.clear();
                self.tables
                    .retain(|name, _| name.schema.is_some() || self.names.is_one_schema());
            }
            // What was inside has another name now.
            What::RenameSchema { .. } | What::ForgetAll => {
                let nothing = Before {
                    search_path: Vec::new(),
                    ..Before::default()
                };
                let known = self.known.forgotten();
                *self = History::new(self.names.dialect(), &nothing);
                self.known = known;
            }
            What::CreateExtension(extension) => {
                self.known.add_extension(extension);
                self.types.forget();
            }
            What::CreateType { name, is_enum } => self.types.add(name, *is_enum),
            What::RenameType { from, to } => self.types.rename(from, to, certain),
            What::Unlisted | What::Unread { .. } => {
                self.known.forget();
                self.types.forget();
            }
            What::Foreign => self.known.reach_further(),
            What::Call(routine) => self.known.call(routine),
            What::Touch(_)
            | What::Attach(_)
            | What::AttachSchema(_)
            | What::CreateRoutine { .. }
            | What::DropRoutine { .. }
            | What::RenameRoutine { .. }
            | What::CreateTrigger { .. }
            | What::DropTrigger { .. }
            | What::RenameTrigger { .. }
            | What::DropDatabase(_)
            | What::DropOwned(_)
            | What::DropExtension(_)
            | What::DropCascade { .. }
            | What::AddEnumValue { .. }
            | What::RenameEnumValue { .. }
            | What::Bounded
            | What::WritableSchema(_)
            | What::CatalogWrite(_)
            | What::Hindered(_) => (),
        }
    }

    /// The table that a name means now.
    fn meant(&self, name: &Name) -> Name {
        self.names
            .meant(name, |known| self.tables.contains_key(known))
    }

    fn known(&mut self, table: &Name) -> Option<&mut Table> {
        let meant = self.meant(table);
        self.tables.get_mut(&meant)
    }

    fn create(&mut self, create: &CreateTable, certain: bool) {
        if create.temporary {
            if certain {
                self.names.add_temporary(&create.table);
            }
            return;
        }
        let name = self.names.made(&create.table);
        // What was not there is new, whether or not a block comes to it.
        let new = certain && !create.if_not_exists || self.is_absent(&name);
        let columns = create.columns.as_ref();
        let names: Option<Vec<String>> =
            columns.map(|columns| columns.iter().map(|column| column.name.clone()).collect());
        if !new {
            // Perhaps it was there before; most likely with these columns.
            let known = self.tables.entry(name).or_default();
            if !known.new && known.columns.is_none() {
                known.columns = names;
                known.are_guessed = true;
            }
            return;
        }
        let types = columns.into_iter().flatten();
        let table = Table {
            new: !create.dependent,
            copies_of: self.origins(&create.from),
            columns: names,
            are_guessed: false,
            new_columns: BTreeSet::new(),
            types: types
                .filter_map(|column| Some((column.name.clone(), column.ty.clone()?)))
                .collect(),
        };
        self.take(&name);
        self.put(name, table);
    }

    fn drop(&mut self, table: &Name, certain: bool) {
        self.doubt_namesakes(table);
        let table = self.meant(table);
        if self.names.is_temporary(&table) {
            self.names.remove_temporary(&table);
            return;
        }
        if self.is_absent(&table) {
            return;
        }
        self.lose(&table);
        if certain {
            self.take(&table);
        } else {
            self.doubt(&table);
        }
    }

    fn add(&mut self, table: &Name, column: &Column, new: bool) {
        let table = self.meant(table);
        if self.is_absent(&table) {
            return;
        }
        let known = self.tables.entry(table).or_default();
        if let Some(columns) = &mut known.columns
            && !columns.contains(&column.name)
        {
            columns.push(column.name.clone());
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

    fn rename(&mut self, from: &Name, to: &Name, certain: bool) {
        self.doubt_namesakes(from);
        self.doubt_namesakes(to);
        let from = self.meant(from);
        let to = match to.schema {
            // Beside the table itself.
            None => from.sibling(to.name.clone()),
            Some(_) => self.names.made(to),
        };
        if self.names.is_temporary(&from) {
            self.names.remove_temporary(&from);
            if certain {
                self.names.add_temporary(&to);
            }
            return;
        }
        if self.is_absent(&from) {
            return;
        }
        if !certain {
            // Either may be the old one now.
            for name in [from, to] {
                self.lose(&name);
                self.doubt(&name);
            }
            return;
        }
        // One that is not known was there before; under its new name too.
        let table = self.take(&from).unwrap_or_default();
        self.take(&to);
        self.put(to.clone(), table);
        for copy in self.copies.remove(&from).unwrap_or_default() {
            if let Some(table) = self.tables.get_mut(&copy) {
                table.copies_of.remove(&from);
                table.copies_of.insert(to.clone());
            }
            self.copies.entry(to.clone()).or_default().insert(copy);
        }
    }

    fn create_schema(&mut self, schema: &str, certain: bool, if_not_exists: bool) {
        if certain && !if_not_exists && !self.names.is_unclear() {
            self.schemas.insert(schema.to_owned());
        }
        self.names.create_schema(schema, certain);
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

    /// A name may mean another table than it did: whatever it means was there before.
    fn doubt(&mut self, name: &Name) {
        let known = self.tables.entry(name.clone()).or_default();
        known.new = false;
        known.new_columns.clear();
        known.types.clear();
        known.columns = None;
    }

    /// Where the path is unclear, `t` and `s.t` may be the same table.
    fn doubt_namesakes(&mut self, name: &Name) {
        if !self.names.is_unclear() {
            return;
        }
        let may_be_same = |other: &Name| {
            other.name == name.name && other.schema.is_some() != name.schema.is_some()
        };
        let others: Vec<Name> = self
            .tables
            .keys()
            .filter(|t| may_be_same(t))
            .cloned()
            .collect();
        for other in others {
            self.doubt(&other);
        }
    }

    /// Where rows that are read from these tables were before the pending files.
    fn origins(&self, from: &[Name]) -> BTreeSet<Name> {
        let mut origins = BTreeSet::new();
        for name in from {
            let name = self.meant(name);
            match self.tables.get(&name).filter(|table| table.new) {
                Some(table) => origins.extend(table.copies_of.iter().cloned()),
                None => {
                    origins.insert(name);
                }
            }
        }
        origins
    }

    /// Rows or values of a table are gone: what was copied from it is perhaps the last of them.
    fn lose(&mut self, lost: &Name) {
        let itself = self.meant(lost);
        for origin in self.origins(std::slice::from_ref(lost)) {
            for copy in self.copies.get(&origin).into_iter().flatten() {
                if *copy != itself
                    && let Some(table) = self.tables.get_mut(copy)
                {
                    table.new = false;
                }
            }
        }
    }
}
