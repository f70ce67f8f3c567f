//! What a comparison looked at, counted.

use std::collections::BTreeMap;

use contract::Check;

use crate::kinds::Class;
use crate::objects::Objects;
use crate::{Difference, Engine, INDEX_VALID, Schema};

/// One class of objects of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// What holds where none of them differs.
    pub check: Check,
    /// How many there are: `3 tables`.
    pub objects: String,
    /// The checks that a difference in this class breaks.
    broken_by: Vec<&'static str>,
}

impl Tally {
    /// Whether one of the differences is in this class.
    pub fn is_broken(&self, differences: &[Difference]) -> bool {
        differences
            .iter()
            .any(|difference| self.broken_by.contains(&difference.kind.id))
    }
}

/// Every class of which the schema has an object, in the order of [`crate::CHECKS`].
pub fn tally(schema: &Schema) -> Vec<Tally> {
    let mut counts: BTreeMap<Class, usize> = BTreeMap::new();
    for object in Objects::of(schema).iter() {
        for (class, count) in object.counts() {
            if count > 0 {
                *counts.entry(class).or_default() += count;
            }
        }
    }
    let mut tallies = Vec::new();
    if let Some(indexes) = counts.get(&Class::Index)
        // SQLite has none that are invalid.
        && schema.engine == Engine::Postgres
    {
        tallies.push(Tally {
            check: INDEX_VALID,
            objects: Class::Index.counted(*indexes),
            broken_by: vec![INDEX_VALID.id],
        });
    }
    tallies.extend(counts.into_iter().map(|(class, count)| {
        let kinds = class.kinds();
        Tally {
            check: *kinds.as_expected,
            objects: class.counted(count),
            broken_by: vec![kinds.present.id, kinds.declared.id, kinds.as_expected.id],
        }
    }));
    tallies
}
