//! One value for everything that is compared.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::Schema;
use crate::facts::{Known, facts};
use crate::objects::Objects;

/// SHA-256, in lower-case hex, over the canonical JSON of everything that [`crate::diff`] compares:
/// schemas between which it finds nothing have the same digest. Two exceptions: whether an index is
/// valid is a state and not digested, and an extension's version is, if it was recorded.
pub fn digest(schema: &Schema) -> String {
    let objects = Objects::of(schema);
    let mut sha256 = Sha256::new();
    let head = serde_json::json!([schema.format, schema.engine.name()]).to_string();
    // The list stays open: the objects are its third member, written one after the other.
    sha256.update(head.trim_end_matches(']'));
    let mut separator = ",[";
    for owned in objects.by_owner() {
        for (key, fact) in facts(owned, &objects, Known::of(schema)) {
            let properties: Vec<_> = fact
                .properties
                .into_iter()
                .filter(|property| !property.is_new || !property.canonical.is_empty())
                .map(|property| (property.name, property.canonical))
                .collect();
            let fact = serde_json::json!([key.owner, key.class.id(), key.name, properties]);
            sha256.update(separator);
            sha256.update(fact.to_string());
            separator = ",";
        }
    }
    sha256.update(if separator == "," { "]]" } else { ",[]]" });
    let mut hex = String::with_capacity(64);
    for byte in sha256.finalize() {
        // Writing to a String can't fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Engine, Sequence, Table};

    /// What was digested by an earlier version has to keep its digest: files name it.
    #[test]
    fn the_digest_is_that_of_one_json_document() {
        let hex = |text: &str| {
            let digest = Sha256::digest(text);
            digest
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        let mut schema = Schema::empty(Engine::Postgres);
        let empty = r#"["lockstep-schema/1","postgres",[]]"#;
        assert_eq!(digest(&schema), hex(empty));
        schema.schemas.insert("public".to_owned());
        schema
            .tables
            .insert("public.b".to_owned(), Table::default());
        let sequence = Sequence {
            definition: "bigint".to_owned(),
            unlogged: false,
        };
        schema.sequences.insert("public.a".to_owned(), sequence);
        let whole = r#"["lockstep-schema/1","postgres",[["public","schema","",[]],["public.a","sequence","",[["definition","bigint"]]],["public.b","table","",[["options","none"]]]]]"#;
        assert_eq!(digest(&schema), hex(whole));
    }
}
