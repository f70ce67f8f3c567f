//! PostgreSQL: which types are enums.

use std::collections::HashMap;

use crate::Before;
use crate::act::{Name, Type};

/// Types by the last part of their name: whether each of that name is an enum.
pub(super) struct Types {
    are_enums: HashMap<String, bool>,
    /// Whether these are all that there are.
    is_complete: bool,
}

impl Types {
    pub(super) fn new(before: &Before) -> Types {
        let mut types = Types {
            are_enums: HashMap::new(),
            is_complete: before.is_complete,
        };
        for ty in &before.types {
            types.note(&ty.name, ty.is_enum);
        }
        types
    }

    pub(super) fn add(&mut self, name: &Name, is_enum: bool) {
        self.note(&name.name, is_enum);
    }

    /// Another type may have the old name, and the new one.
    pub(super) fn rename(&mut self, from: &Name, to: &Name, certain: bool) {
        let is_enum = self.are_enums.get(&from.name).copied().unwrap_or(false);
        self.note(&to.name, is_enum && certain);
    }

    pub(super) fn forget(&mut self) {
        self.is_complete = false;
    }

    /// Whether there surely is no type of that name.
    pub(super) fn lacks(&self, name: &str) -> bool {
        self.is_complete && !self.are_enums.contains_key(name)
    }

    /// Whether it surely is an enum, or an array of one.
    pub(super) fn is_enum(&self, ty: &Type) -> bool {
        let last = ty.name.rsplit(' ').next().unwrap_or_default();
        let name = last
            .strip_prefix('"')
            .and_then(|last| last.strip_suffix('"'));
        let name = name.unwrap_or(last).replace("\"\"", "\"");
        ty.args.is_empty() && self.are_enums.get(&name) == Some(&true)
    }

    fn note(&mut self, name: &str, is_enum: bool) {
        let known = self.are_enums.entry(name.to_owned()).or_insert(is_enum);
        *known &= is_enum;
    }
}
