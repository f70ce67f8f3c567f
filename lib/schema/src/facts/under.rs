//! What stands under a table or view.

use super::{Fact, Facts, Key, Property, nullability, plain};
use crate::kinds::Class;
use crate::name::part;
use crate::sqlite;
use crate::{Column, Constraint, Engine, Index, Named, Trigger};

impl Facts<'_> {
    pub(super) fn under(
        &mut self,
        owner: &Key,
        owner_name: &str,
        class: Class,
        name: &str,
        whole: String,
        properties: Vec<Property>,
    ) -> &mut Fact {
        let key = Key {
            owner: owner.owner.clone(),
            class,
            name: self.fold(name),
        };
        let subject = format!("{owner_name}.{}", part(name));
        self.add(key, subject, Some(owner.clone()), Some(whole), properties)
    }

    pub(super) fn column(&self, column: &Column) -> (Vec<Property>, String) {
        let mut properties = vec![
            self.sql("type", &column.data_type),
            nullability(column.not_null),
            self.default(column.default.as_deref()),
            self.optional("generated", column.generated.as_deref()),
            self.optional("identity", column.identity.as_deref()),
            self.optional("collation", column.collation.as_deref()),
            self.optional("sequence", column.sequence.as_deref()),
            self.optional("conflict clause", column.on_conflict.as_deref()),
        ];
        if self.known.since(18) {
            let name = column.not_null_name.as_deref();
            properties.extend(self.detail("name of not null", name));
        }
        let state = column.not_null_state.as_deref();
        properties.extend(self.detail("state of not null", state));
        if self.known.since(15) {
            let persistence = column.sequence_persistence.as_deref();
            properties.extend(self.detail("persistence of its sequence", persistence));
        }
        let mut whole = vec![column.data_type.clone()];
        if column.not_null {
            whole.push("not null".to_owned());
        }
        let optional = properties[2..]
            .iter()
            .filter(|property| !property.canonical.is_empty());
        whole.extend(optional.map(|property| property.shown.clone()));
        whole.retain(|piece| !piece.is_empty());
        (properties, whole.join(" "))
    }

    fn default(&self, text: Option<&str>) -> Property {
        let mut property = self.optional("default", text);
        if let (Engine::Sqlite, Some(text)) = (self.engine, text) {
            property.canonical = sqlite::canonical_default(text);
        }
        property
    }

    pub(super) fn optional(&self, name: &'static str, text: Option<&str>) -> Property {
        match text {
            Some(text) => Property {
                name,
                shown: format!("{name} {text}"),
                canonical: self.canonical(text),
                is_new: false,
            },
            None => Property {
                name,
                shown: format!("no {name}"),
                canonical: String::new(),
                is_new: false,
            },
        }
    }

    pub(super) fn constraints(
        &mut self,
        owner: &Key,
        owner_name: &str,
        class: Class,
        all: &[Constraint],
    ) {
        for constraint in all {
            let definition = &constraint.definition;
            let mut properties = vec![self.sql("definition", definition)];
            let name = match (class, &constraint.name) {
                // A table has one primary key whatever its name.
                (Class::PrimaryKey, name) => {
                    properties.extend(name.iter().map(|name| plain("name", name)));
                    String::new()
                }
                (_, Some(name)) => name.clone(),
                (_, None) => self.canonical(definition),
            };
            let subject = match &constraint.name {
                Some(name) => format!("{owner_name}.{}", part(name)),
                None => owner_name.to_owned(),
            };
            let key = Key {
                owner: owner.owner.clone(),
                class,
                name,
            };
            self.add(
                key,
                subject,
                Some(owner.clone()),
                Some(definition.clone()),
                properties,
            );
        }
    }

    pub(super) fn indexes(&mut self, owner: &Key, owner_name: &str, all: &Named<Index>) {
        for (name, index) in all.iter() {
            let definition = &index.definition;
            let properties = vec![self.sql("definition", definition)];
            let whole = definition.clone();
            self.under(owner, owner_name, Class::Index, name, whole, properties)
                .valid = index.valid;
        }
    }

    pub(super) fn triggers(&mut self, owner: &Key, owner_name: &str, all: &Named<Trigger>) {
        for (name, trigger) in all.iter() {
            let enabled = trigger.enabled.as_deref().unwrap_or("ENABLED");
            let definition = &trigger.definition;
            let properties = vec![self.sql("definition", definition), plain("state", enabled)];
            self.under(
                owner,
                owner_name,
                Class::Trigger,
                name,
                definition.clone(),
                properties,
            );
        }
    }

    pub(super) fn definitions(
        &mut self,
        owner: &Key,
        owner_name: &str,
        class: Class,
        all: &Named<String>,
    ) {
        for (name, definition) in all.iter() {
            let properties = vec![self.sql("definition", definition)];
            self.under(
                owner,
                owner_name,
                class,
                name,
                definition.clone(),
                properties,
            );
        }
    }
}
