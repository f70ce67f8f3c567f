//! A schema as a flat list of objects with their properties: what is compared and digested.

mod under;

use std::collections::{BTreeMap, BTreeSet};

use crate::kinds::Class;
use crate::name::part;
use crate::objects::{Object, Objects, What};
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
    /// Not of every reading: it counts for a digest only where it says something, so that what was
    /// digested before is digested to the same.
    pub(crate) is_new: bool,
}

/// What both sides of a comparison were asked for, by their readers and by what their servers have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    reading: u32,
    /// The older server's major; a file without it is of no known one.
    major: Option<u32>,
}

impl Known {
    /// What one schema knows of itself.
    pub(crate) fn of(schema: &Schema) -> Known {
        Known {
            reading: schema.reading,
            major: schema.server_major,
        }
    }

    /// What both know.
    pub(crate) fn both(one: &Schema, other: &Schema) -> Known {
        let majors = one.server_major.zip(other.server_major);
        Known {
            reading: one.reading.min(other.reading),
            major: majors.map(|(one, other)| one.min(other)),
        }
    }

    fn details(self) -> bool {
        self.reading >= 2
    }

    /// Whether both servers are of this major or newer.
    fn since(self, major: u32) -> bool {
        self.major.is_none_or(|least| least >= major)
    }
}

/// These objects, and all that stands under them, with the properties that are known.
pub(crate) fn facts<'f, 's: 'f>(
    objects: impl IntoIterator<Item = &'f Object<'s>>,
    of: &Objects<'_>,
    known: Known,
) -> BTreeMap<Key, Fact> {
    let mut facts = Facts {
        engine: of.schema.engine,
        known,
        names: &of.names,
        all: BTreeMap::new(),
    };
    for object in objects {
        facts.object(object);
    }
    facts.all
}

struct Facts<'n> {
    engine: Engine,
    known: Known,
    names: &'n BTreeSet<String>,
    all: BTreeMap<Key, Fact>,
}

impl Facts<'_> {
    fn object(&mut self, object: &Object<'_>) {
        let name = object.name;
        match object.what {
            What::Schema => {
                let key = self.top(Class::Schema, name);
                self.add(key, name.to_owned(), None, None, Vec::new());
            }
            What::Extension(extension) => {
                let mut properties = vec![plain("schema", &extension.schema)];
                let version = extension.version.iter();
                properties.extend(version.map(|version| plain("version", version)));
                let key = self.top(Class::Extension, name);
                self.add(key, name.to_owned(), None, None, properties);
            }
            What::Enum(labels) => {
                let labels: Vec<_> = labels.iter().map(|label| quoted(label)).collect();
                self.defined(Class::Enum, name, "labels", &labels.join(", "));
            }
            What::Domain(domain) => self.domain(name, domain),
            What::Type(composite) => {
                let definition = self.type_definition(&composite.definition);
                let details = self.detail("details", composite.details.as_deref());
                self.defined(Class::Type, name, "definition", &definition)
                    .properties
                    .extend(details);
            }
            What::Sequence(sequence) => {
                let unlogged = sequence.unlogged.then_some("UNLOGGED");
                let persistence = match self.known.since(15) {
                    true => self.detail("persistence", unlogged),
                    false => None,
                };
                self.defined(Class::Sequence, name, "definition", &sequence.definition)
                    .properties
                    .extend(persistence);
            }
            What::Function(function) => {
                let details = self.detail("details", function.details.as_deref());
                self.defined(Class::Function, name, "definition", &function.definition)
                    .properties
                    .extend(details);
            }
            What::Table(table) => self.table(name, table),
            What::View(view) => self.view(name, view),
        }
    }

    fn fold(&self, name: &str) -> String {
        match self.engine {
            Engine::Sqlite => name.to_ascii_lowercase(),
            Engine::Postgres => name.to_owned(),
        }
    }

    fn canonical(&self, text: &str) -> String {
        match self.engine {
            Engine::Sqlite => sqlite::canonical(text, self.names),
            // A body written with other line ends is the same.
            Engine::Postgres => text.trim().replace("\r\n", "\n"),
        }
    }

    fn sql(&self, name: &'static str, text: &str) -> Property {
        Property {
            name,
            shown: text.to_owned(),
            canonical: self.canonical(text),
            is_new: false,
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

    /// A property of reading 2, where both sides are.
    fn detail(&self, name: &'static str, text: Option<&str>) -> Option<Property> {
        let said = self.known.details().then(|| self.optional(name, text))?;
        Some(Property {
            is_new: true,
            ..said
        })
    }

    /// Servers before 14 have no multirange.
    fn type_definition(&self, definition: &str) -> String {
        match definition.split_once(", MULTIRANGE_TYPE_NAME = ") {
            Some((before, _)) if !self.known.since(14) => format!("{before})"),
            _ => definition.to_owned(),
        }
    }

    fn defined(
        &mut self,
        class: Class,
        name: &str,
        property: &'static str,
        text: &str,
    ) -> &mut Fact {
        let properties = vec![self.sql(property, text)];
        let (key, parent) = (self.top(class, name), self.schema_of(name));
        self.add(
            key,
            name.to_owned(),
            parent,
            Some(text.to_owned()),
            properties,
        )
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
        let mut properties = vec![
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
        if self.known.since(17) {
            let name = domain.not_null_name.as_deref();
            properties.extend(self.detail("name of not null", name));
        }
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
        let mut known_options = table.options.clone();
        if !self.known.details() {
            known_options.retain(|option| !option.starts_with("OF ") && option != "DETACH PENDING");
        }
        let mut properties = vec![options(&known_options)];
        if let Some(definition) = &table.definition {
            properties.push(self.sql("definition", definition));
        }
        let (key, parent) = (self.top(Class::Table, name), self.schema_of(name));
        self.add(key.clone(), name.to_owned(), parent, None, properties);
        for (column_name, column) in table.columns.iter() {
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
        let mut properties = vec![
            options(&view.options),
            self.sql("definition", &view.definition),
        ];
        let defaults = view.defaults.iter();
        let defaults: Vec<_> = defaults
            .map(|(column, default)| format!("{} {default}", part(column)))
            .collect();
        let defaults = Some(defaults.join(", ")).filter(|all| !all.is_empty());
        properties.extend(self.detail("defaults", defaults.as_deref()));
        let (key, parent) = (self.top(Class::View, name), self.schema_of(name));
        self.add(key.clone(), name.to_owned(), parent, None, properties);
        self.indexes(&key, name, &view.indexes);
        self.triggers(&key, name, &view.triggers);
        self.definitions(&key, name, Class::Rule, &view.rules);
    }
}

fn plain(name: &'static str, text: &str) -> Property {
    Property {
        name,
        shown: format!("{name} {text}"),
        canonical: text.to_owned(),
        is_new: false,
    }
}

fn nullability(not_null: bool) -> Property {
    let shown = if not_null { "not null" } else { "nullable" };
    Property {
        name: "nullability",
        shown: shown.to_owned(),
        canonical: shown.to_owned(),
        is_new: false,
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
        is_new: false,
    }
}

fn quoted(label: &str) -> String {
    format!("'{}'", label.replace('\'', "''"))
}
