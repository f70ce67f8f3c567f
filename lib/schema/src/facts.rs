//! A schema as a flat list of objects with their properties: what is compared and digested.

mod under;

use std::collections::{BTreeMap, BTreeSet};

use crate::kinds::Class;
use crate::name::part;
use crate::sqlite;
use crate::{Domain, Engine, Schema, Table, View};

/// What an object is found by in the other schema. Names are folded as the engine folds them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The table or view, or the object itself if it stands alone.
    pub(crate) owner: String,
    pub(crate) class: Class,
    /// The object under its owner; empty for the owner itself. A constraint without a name has its
    /// definition here.
    pub(crate) name: String,
}

/// One object.
#[derive(Debug)]
pub(crate) struct Fact {
    /// The name for people.
    pub(crate) subject: String,
    /// If this one is missing, so is the object, and that is no finding of its own.
    pub(crate) parent: Option<Key>,
    /// The object in one piece, for a finding that says it is missing.
    pub(crate) whole: Option<String>,
    pub(crate) properties: Vec<Property>,
    /// False for an invalid index.
    pub(crate) valid: bool,
    /// Whether this is a partition's column, which is there only if it differs from the parent's.
    pub(crate) of_partition: bool,
}

/// What two objects are compared by. A property that only one of them has is not compared.
#[derive(Debug)]
pub(crate) struct Property {
    pub(crate) name: &'static str,
    /// As it stands in a finding.
    pub(crate) shown: String,
    /// As it is compared.
    pub(crate) canonical: String,
}

/// Every object of the schema.
pub(crate) fn facts(schema: &Schema) -> BTreeMap<Key, Fact> {
    let mut facts = Facts {
        engine: schema.engine,
        names: names(schema),
        all: BTreeMap::new(),
    };
    for name in &schema.schemas {
        let key = facts.top(Class::Schema, name);
        facts.add(key, name.clone(), None, None, Vec::new());
    }
    for (name, extension) in &schema.extensions {
        let mut properties = vec![plain("schema", &extension.schema)];
        properties.extend(
            extension
                .version
                .iter()
                .map(|version| plain("version", version)),
        );
        let key = facts.top(Class::Extension, name);
        facts.add(key, name.clone(), None, None, properties);
    }
    for (name, labels) in &schema.enums {
        let labels: Vec<_> = labels.iter().map(|label| quoted(label)).collect();
        facts.defined(Class::Enum, name, "labels", &labels.join(", "));
    }
    for (name, domain) in &schema.domains {
        facts.domain(name, domain);
    }
    for (name, composite) in &schema.types {
        facts.defined(Class::Type, name, "definition", &composite.definition);
    }
    for (name, sequence) in &schema.sequences {
        facts.defined(Class::Sequence, name, "definition", &sequence.definition);
    }
    for (name, function) in &schema.functions {
        facts.defined(Class::Function, name, "definition", &function.definition);
    }
    for (name, table) in &schema.tables {
        facts.table(name, table);
    }
    for (name, view) in &schema.views {
        facts.view(name, view);
    }
    facts.all
}

struct Facts {
    engine: Engine,
    /// The names of tables, their columns and what else stands under them, in lower case: for SQLite
    /// what is in double quotes is a string where it is none of them.
    names: BTreeSet<String>,
    all: BTreeMap<Key, Fact>,
}

impl Facts {
    fn fold(&self, name: &str) -> String {
        match self.engine {
            Engine::Sqlite => name.to_ascii_lowercase(),
            Engine::Postgres => name.to_owned(),
        }
    }

    fn canonical(&self, text: &str) -> String {
        match self.engine {
            Engine::Sqlite => sqlite::canonical(text, &self.names),
            // A body written with other line ends is the same.
            Engine::Postgres => text.trim().replace("\r\n", "\n"),
        }
    }

    fn sql(&self, name: &'static str, text: &str) -> Property {
        Property {
            name,
            shown: text.to_owned(),
            canonical: self.canonical(text),
        }
    }

    fn top(&self, class: Class, name: &str) -> Key {
        Key {
            owner: self.fold(name),
            class,
            name: String::new(),
        }
    }

    /// The PostgreSQL schema that an object goes with.
    fn schema_of(&self, name: &str) -> Option<Key> {
        let (schema, _) = crate::name::split(name)?;
        (self.engine == Engine::Postgres).then(|| self.top(Class::Schema, &schema))
    }

    fn add(
        &mut self,
        mut key: Key,
        subject: String,
        parent: Option<Key>,
        whole: Option<String>,
        properties: Vec<Property>,
    ) -> &mut Fact {
        // Two constraints without a name may say the same thing.
        while self.all.contains_key(&key) {
            key.name.push('+');
        }
        self.all.entry(key).or_insert(Fact {
            subject,
            parent,
            whole,
            properties,
            valid: true,
            of_partition: false,
        })
    }

    fn defined(&mut self, class: Class, name: &str, property: &'static str, text: &str) {
        let properties = vec![self.sql(property, text)];
        let (key, parent) = (self.top(class, name), self.schema_of(name));
        self.add(
            key,
            name.to_owned(),
            parent,
            Some(text.to_owned()),
            properties,
        );
    }

    fn domain(&mut self, name: &str, domain: &Domain) {
        let checks: Vec<_> = domain
            .checks
            .iter()
            .map(|check| match &check.name {
                Some(name) => format!("CONSTRAINT {} {}", part(name), check.definition),
                None => check.definition.clone(),
            })
            .collect();
        let properties = vec![
            plain("type", &domain.data_type),
            nullability(domain.not_null),
            self.optional("default", domain.default.as_deref()),
            self.optional("collation", domain.collation.as_deref()),
            self.optional(
                "checks",
                Some(checks.join(", "))
                    .filter(|all| !all.is_empty())
                    .as_deref(),
            ),
        ];
        let (key, parent) = (self.top(Class::Domain, name), self.schema_of(name));
        self.add(
            key,
            name.to_owned(),
            parent,
            Some(domain.data_type.clone()),
            properties,
        );
    }

    fn table(&mut self, name: &str, table: &Table) {
        let of_partition = table
            .options
            .iter()
            .any(|option| option.starts_with("PARTITION OF "));
        let mut properties = vec![options(&table.options)];
        if let Some(definition) = &table.definition {
            properties.push(self.sql("definition", definition));
        }
        let (key, parent) = (self.top(Class::Table, name), self.schema_of(name));
        self.add(key.clone(), name.to_owned(), parent, None, properties);
        for (column_name, column) in &table.columns {
            let (properties, whole) = self.column(column);
            self.under(&key, name, Class::Column, column_name, whole, properties)
                .of_partition = of_partition;
        }
        self.constraints(&key, name, Class::PrimaryKey, table.primary_key.as_slice());
        self.constraints(&key, name, Class::Unique, &table.unique);
        self.constraints(&key, name, Class::Check, &table.checks);
        self.constraints(&key, name, Class::ForeignKey, &table.foreign_keys);
        self.constraints(&key, name, Class::Exclusion, &table.exclusions);
        self.indexes(&key, name, &table.indexes);
        self.triggers(&key, name, &table.triggers);
        self.definitions(&key, name, Class::Policy, &table.policies);
        self.definitions(&key, name, Class::Rule, &table.rules);
    }

    fn view(&mut self, name: &str, view: &View) {
        let properties = vec![
            options(&view.options),
            self.sql("definition", &view.definition),
        ];
        let (key, parent) = (self.top(Class::View, name), self.schema_of(name));
        self.add(key.clone(), name.to_owned(), parent, None, properties);
        self.indexes(&key, name, &view.indexes);
        self.triggers(&key, name, &view.triggers);
        self.definitions(&key, name, Class::Rule, &view.rules);
    }
}

fn names(schema: &Schema) -> BTreeSet<String> {
    let mut names: Vec<&String> = schema.tables.keys().chain(schema.views.keys()).collect();
    for table in schema.tables.values() {
        names.extend(table.columns.keys());
        names.extend(table.indexes.keys());
        names.extend(table.triggers.keys());
    }
    for view in schema.views.values() {
        names.extend(view.triggers.keys());
    }
    names.iter().map(|name| name.to_ascii_lowercase()).collect()
}

fn plain(name: &'static str, text: &str) -> Property {
    Property {
        name,
        shown: format!("{name} {text}"),
        canonical: text.to_owned(),
    }
}

fn nullability(not_null: bool) -> Property {
    let shown = if not_null { "not null" } else { "nullable" };
    Property {
        name: "nullability",
        shown: shown.to_owned(),
        canonical: shown.to_owned(),
    }
}

fn options(options: &BTreeSet<String>) -> Property {
    let all: Vec<_> = options.iter().map(String::as_str).collect();
    let shown = if all.is_empty() {
        "none".to_owned()
    } else {
        all.join(", ")
    };
    Property {
        name: "options",
        canonical: shown.clone(),
        shown,
    }
}

fn quoted(label: &str) -> String {
    format!("'{}'", label.replace('\'', "''"))
}
