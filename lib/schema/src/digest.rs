//! One value for everything that is compared.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::Schema;
use crate::facts::facts;

/// SHA-256, in lower-case hex, over the canonical JSON of everything that [`crate::diff`] compares:
/// schemas between which it finds nothing have the same digest. Two exceptions: whether an index is
/// valid is a state and not digested, and an extension's version is, if it was recorded.
pub fn digest(schema: &Schema) -> String {
    let facts: Vec<_> = facts(schema)
        .into_iter()
        .map(|(key, fact)| {
            let properties: Vec<_> = fact
                .properties
                .into_iter()
                .map(|property| (property.name, property.canonical))
                .collect();
            (key.owner, key.class.id(), key.name, properties)
        })
        .collect();
    let canonical = serde_json::json!([schema.format, schema.engine.name(), facts]);
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(canonical.to_string()) {
        // Writing to a String can't fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
