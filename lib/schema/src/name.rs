//! Names of objects as they stand in files and findings.

use std::borrow::Cow;

/// `schema.object`, unambiguous whatever the parts hold.
pub(crate) fn qualified(schema: &str, object: &str) -> String {
    format!("{}.{}", part(schema), part(object))
}

/// One part of a name: in double quotes if it would otherwise not be seen as one part.
pub(crate) fn part(name: &str) -> Cow<'_, str> {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '.' | '"');
    if !name.is_empty() && name.chars().all(plain) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(format!("\"{}\"", name.replace('"', "\"\"")))
}

/// The schema and the object of what [`qualified`] made; the object may be followed by arguments.
pub(crate) fn split(name: &str) -> Option<(String, String)> {
    let (schema, rest) = first_part(name)?;
    let rest = rest.strip_prefix('.')?;
    let (object, arguments) = first_part(rest)?;
    Some((schema, object + arguments))
}

/// The parts of a name as findings have it, without their quotes and without a function's arguments.
pub fn name_parts(name: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = Some(name);
    while let Some((part, after)) = rest.and_then(first_part) {
        parts.push(part);
        rest = after.strip_prefix('.');
    }
    parts
}

fn first_part(name: &str) -> Option<(String, &str)> {
    let Some(quoted) = name.strip_prefix('"') else {
        let end = name.find(['.', '(']).unwrap_or(name.len());
        return Some((name[..end].to_owned(), &name[end..]));
    };
    let mut content = String::new();
    let mut rest = quoted;
    loop {
        let end = rest.find('"')?;
        content.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                content.push('"');
                rest = after;
            }
            None => return Some((content, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_parts_come_back() {
        for (schema, object) in [
            ("public", "users"),
            ("a.b", "c \"d\""),
            ("", "naïve"),
            ("x", ""),
        ] {
            let name = qualified(schema, object);
            assert_eq!(
                split(&name),
                Some((schema.to_owned(), object.to_owned())),
                "{name}"
            );
        }
        assert_ne!(qualified("a.b", "c"), qualified("a", "b.c"));
        assert_eq!(split("users"), None);
        for (name, parts) in [
            ("public.\"a.b\".c", &["public", "a.b", "c"][..]),
            ("public.area(integer, pg_catalog.text)", &["public", "area"]),
            ("users", &["users"]),
        ] {
            assert_eq!(name_parts(name), parts);
        }
    }
}
