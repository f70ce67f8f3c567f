//! A schema's objects in the order in which they are compared, without a copy of any.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::kinds::Class;
use crate::{Domain, Engine, Extension, Function, Named, Schema, Sequence, Table, Type, View};

/// All objects, by their owners: a table goes with everything under it.
#[derive(Debug)]
pub(crate) struct Objects<'s> {
    pub(crate) schema: &'s Schema,
    /// SQLite: the names of tables, their columns and what else stands under them, in lower case:
    /// what is in double quotes is a string where it is none of them.
    pub(crate) names: BTreeSet<String>,
    all: Vec<Object<'s>>,
}

/// One object that stands alone.
#[derive(Debug, PartialEq)]
pub(crate) struct Object<'s> {
    /// The name as the engine folds it.
    owner: Cow<'s, str>,
    pub(crate) name: &'s str,
    pub(crate) what: What<'s>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum What<'s> {
    Schema,
    Extension(&'s Extension),
    Enum(&'s Vec<String>),
    Domain(&'s Domain),
    Type(&'s Type),
    Sequence(&'s Sequence),
    Function(&'s Function),
    Table(&'s Table),
    View(&'s View),
}

impl<'s> Objects<'s> {
    pub(crate) fn of(schema: &'s Schema) -> Objects<'s> {
        let mut all = Vec::new();
        let mut add = |name: &'s String, what| {
            let owner = match schema.engine {
                Engine::Sqlite => Cow::Owned(name.to_ascii_lowercase()),
                Engine::Postgres => Cow::Borrowed(name.as_str()),
            };
            all.push(Object { owner, name, what });
        };
        schema
            .schemas
            .iter()
            .for_each(|name| add(name, What::Schema));
        let extensions = schema.extensions.iter();
        extensions.for_each(|(name, it)| add(name, What::Extension(it)));
        schema
            .enums
            .iter()
            .for_each(|(name, it)| add(name, What::Enum(it)));
        schema
            .domains
            .iter()
            .for_each(|(name, it)| add(name, What::Domain(it)));
        schema
            .types
            .iter()
            .for_each(|(name, it)| add(name, What::Type(it)));
        let sequences = schema.sequences.iter();
        sequences.for_each(|(name, it)| add(name, What::Sequence(it)));
        let functions = schema.functions.iter();
        functions.for_each(|(name, it)| add(name, What::Function(it)));
        schema
            .tables
            .iter()
            .for_each(|(name, it)| add(name, What::Table(it)));
        schema
            .views
            .iter()
            .for_each(|(name, it)| add(name, What::View(it)));
        // Stable: of one owner, in the order above.
        all.sort_by(|one, other| one.owner.cmp(&other.owner));
        let names = match schema.engine {
            Engine::Sqlite => names(schema),
            Engine::Postgres => BTreeSet::new(),
        };
        Objects { schema, names, all }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Object<'s>> {
        self.all.iter()
    }

    /// The objects of each owner, in the order of the owners.
    pub(crate) fn by_owner(&self) -> impl Iterator<Item = &[Object<'s>]> {
        self.all.chunk_by(|one, other| one.owner == other.owner)
    }

    /// What is worth a comparison with the other side: all that does not stand there just the same.
    /// What others go with is always among it, and what is a finding by itself.
    pub(crate) fn unlike<'o>(&'o self, other: &Objects<'_>) -> Vec<&'o Object<'s>> {
        let mut others = other.by_owner().peekable();
        let mut unlike = Vec::new();
        for objects in self.by_owner() {
            let owner = &objects[0].owner;
            while others.next_if(|there| there[0].owner < *owner).is_some() {}
            // The same words mean the same where the same names are known.
            let same =
                self.names == other.names && others.peek().is_some_and(|there| *there == objects);
            let counts = |object: &&Object<'_>| !same || object.is_always_compared();
            unlike.extend(objects.iter().filter(counts));
        }
        unlike
    }
}

impl Object<'_> {
    fn is_always_compared(&self) -> bool {
        match self.what {
            What::Schema => true,
            What::Table(table) => table.indexes.values().any(|index| !index.valid),
            What::View(view) => view.indexes.values().any(|index| !index.valid),
            _ => false,
        }
    }

    /// How many objects of which class it is, with what stands under it.
    pub(crate) fn counts(&self) -> Vec<(Class, usize)> {
        match self.what {
            What::Schema => vec![(Class::Schema, 1)],
            What::Extension(_) => vec![(Class::Extension, 1)],
            What::Enum(_) => vec![(Class::Enum, 1)],
            What::Domain(_) => vec![(Class::Domain, 1)],
            What::Type(_) => vec![(Class::Type, 1)],
            What::Sequence(_) => vec![(Class::Sequence, 1)],
            What::Function(_) => vec![(Class::Function, 1)],
            What::Table(table) => vec![
                (Class::Table, 1),
                (Class::Column, table.columns.len()),
                (Class::PrimaryKey, usize::from(table.primary_key.is_some())),
                (Class::Unique, table.unique.len()),
                (Class::Check, table.checks.len()),
                (Class::ForeignKey, table.foreign_keys.len()),
                (Class::Exclusion, table.exclusions.len()),
                (Class::Index, table.indexes.len()),
                (Class::Trigger, table.triggers.len()),
                (Class::Policy, table.policies.len()),
                (Class::Rule, table.rules.len()),
            ],
            What::View(view) => vec![
                (Class::View, 1),
                (Class::Index, view.indexes.len()),
                (Class::Trigger, view.triggers.len()),
                (Class::Rule, view.rules.len()),
            ],
        }
    }
}

fn names(schema: &Schema) -> BTreeSet<String> {
    fn add<T>(names: &mut BTreeSet<String>, of: &Named<T>) {
        names.extend(of.keys().map(|name| name.to_ascii_lowercase()));
    }
    let mut names = BTreeSet::new();
    for (name, table) in &schema.tables {
        names.insert(name.to_ascii_lowercase());
        add(&mut names, &table.columns);
        add(&mut names, &table.indexes);
        add(&mut names, &table.triggers);
    }
    for (name, view) in &schema.views {
        names.insert(name.to_ascii_lowercase());
        add(&mut names, &view.triggers);
    }
    names
}
