//! The schema's file form: TOML that a person reviews, and compact JSON for the ledger.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::{Error, FORMAT, Schema};

impl Schema {
    /// The file form: one section per object, one line per column, deterministic.
    ///
    /// # Errors
    ///
    /// None is known; the serializer could refuse.
    pub fn to_toml(&self) -> Result<String, Error> {
        let mut out = String::new();
        let head = Schema {
            server_major: self.server_major,
            reading: self.reading,
            scope: self.scope.clone(),
            schemas: self.schemas.clone(),
            ..Schema::empty(self.engine)
        };
        let head = serde_json::to_value(head).map_err(Error::Write)?;
        for (name, value) in head.as_object().into_iter().flatten() {
            out.push_str(&format!("{} = {}\n", key(name), inline(value)));
        }
        // One object at a time: as a tree of values all of them take ten times their text.
        sections(&mut out, "tables", &self.tables)?;
        sections(&mut out, "views", &self.views)?;
        sections(&mut out, "functions", &self.functions)?;
        sections(&mut out, "sequences", &self.sequences)?;
        if !self.enums.is_empty() {
            out.push_str("\n[enums]\n");
        }
        // An enum is nothing but its labels: a line.
        for (name, labels) in &self.enums {
            let labels = Value::from(labels.clone());
            out.push_str(&format!("{} = {}\n", key(name), inline(&labels)));
        }
        sections(&mut out, "domains", &self.domains)?;
        sections(&mut out, "types", &self.types)?;
        sections(&mut out, "extensions", &self.extensions)?;
        Ok(out)
    }

    /// Reads the file form.
    ///
    /// # Errors
    ///
    /// Text that is no TOML, has unknown keys, or is of another format.
    pub fn from_toml(text: &str) -> Result<Schema, Error> {
        let schema = toml::from_str(text).map_err(|error| Error::toml(text, &error))?;
        of_known_format(schema)
    }

    /// The same in compact JSON.
    ///
    /// # Errors
    ///
    /// None is known; the serializer could refuse.
    pub fn to_json(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(Error::Write)
    }

    /// Reads what [`Schema::to_json`] wrote.
    ///
    /// # Errors
    ///
    /// Text that is no JSON, has unknown keys, or is of another format.
    pub fn from_json(text: &str) -> Result<Schema, Error> {
        of_known_format(serde_json::from_str(text).map_err(Error::Json)?)
    }
}

fn of_known_format(schema: Schema) -> Result<Schema, Error> {
    if schema.format == FORMAT {
        return Ok(schema);
    }
    Err(Error::Format {
        found: schema.format,
    })
}

/// A section for each object of a class.
fn sections<T: Serialize>(
    out: &mut String,
    class: &str,
    objects: &BTreeMap<String, T>,
) -> Result<(), Error> {
    for (name, object) in objects {
        out.push_str(&format!("\n[{class}.{}]\n", key(name)));
        let object = serde_json::to_value(object).map_err(Error::Write)?;
        for (name, value) in object.as_object().into_iter().flatten() {
            field(out, &key(name), value);
        }
    }
    Ok(())
}

/// `name = value`; what a table has many of stands as `columns.email = { … }`, a line each.
fn field(out: &mut String, name: &str, value: &Value) {
    match value {
        Value::Object(fields) if name.contains('.') && !fields.values().any(is_long) => {
            out.push_str(&format!("{name} = {}\n", inline(value)));
        }
        Value::Object(fields) if name != "primary_key" => {
            for (inner, value) in fields {
                field(out, &format!("{name}.{}", key(inner)), value);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            out.push_str(&format!("{name} = [\n"));
            for item in items {
                out.push_str(&format!("    {},\n", inline(item)));
            }
            out.push_str("]\n");
        }
        _ => out.push_str(&format!("{name} = {}\n", inline(value))),
    }
}

fn is_long(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.contains('\n'))
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => string(text),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| format!("{} = {}", key(name), inline(value)))
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(bare) {
        return name.to_owned();
    }
    escaped(name)
}

fn string(text: &str) -> String {
    let tame = |c: char| !c.is_control() || c == '\t';
    if text.chars().all(tame) && text.contains(['"', '\\']) && !text.contains('\'') {
        return format!("'{text}'");
    }
    let tame_lines = text.chars().all(|c| tame(c) || c == '\n');
    if text.contains('\n') && tame_lines && !text.contains("'''") && !text.ends_with('\'') {
        return format!("'''\n{text}'''");
    }
    escaped(text)
}

/// A JSON string is a TOML basic string, but for the one control character that JSON lets stand.
fn escaped(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}
