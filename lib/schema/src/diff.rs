//! What differs between two schemas.

use std::collections::BTreeMap;

use contract::Check;

use crate::facts::{Fact, Key, Known, facts};
use crate::kinds::Class;
use crate::objects::Objects;
use crate::{ENGINE_AS_EXPECTED, INDEX_VALID, Schema};

/// One difference: one object that is missing, not expected, or not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which of [`crate::CHECKS`] it breaks.
    pub kind: Check,
    /// The object: `public.users.email`. A constraint without a name stands under its table.
    pub subject: String,
    /// What is so.
    pub message: String,
    /// What should be; of long definitions, the first line that differs.
    pub expected: Option<String>,
    /// What is.
    pub actual: Option<String>,
}

/// Every difference, in the order of the objects' names. What is missing or not expected is named
/// once: not its columns, indexes and constraints too. An invalid index is always a difference,
/// even if the expected schema was recorded with it.
pub fn diff(expected: &Schema, actual: &Schema) -> Vec<Difference> {
    if expected.engine != actual.engine {
        return vec![Difference {
            kind: ENGINE_AS_EXPECTED,
            subject: "schema".to_owned(),
            message: "is of another engine".to_owned(),
            expected: Some(expected.engine.name().to_owned()),
            actual: Some(actual.engine.name().to_owned()),
        }];
    }
    let known = Known::both(expected, actual);
    let (expected, actual) = (Objects::of(expected), Objects::of(actual));
    // Of most schemas next to nothing is left.
    let expected_facts = facts(expected.unlike(&actual), &expected, known);
    let actual_facts = facts(actual.unlike(&expected), &actual, known);
    let (expected, actual) = (expected_facts, actual_facts);
    let mut found: Vec<(&Key, Difference)> = Vec::new();
    let mut missing = only_in(&expected, &actual);
    let mut extra = only_in(&actual, &expected);
    for (was, is) in pair(&mut missing, &mut extra, &expected, &actual) {
        found.push((was, renamed_or_redefined(was, &expected[was], &actual[is])));
    }
    for key in missing {
        found.push((key, not_found(key, &expected[key])));
    }
    for key in extra {
        found.push((key, not_expected(key, &actual[key])));
    }
    for (key, is) in &actual {
        if let Some(was) = expected.get(key) {
            found.extend(compare(key, was, is).map(|difference| (key, difference)));
        }
    }
    found.sort_by_key(|(key, _)| *key);
    found
        .into_iter()
        .map(|(_, difference)| difference)
        .collect()
}

/// The objects that only one side has, without those whose parent is missing as well.
fn only_in<'f>(one: &'f BTreeMap<Key, Fact>, other: &BTreeMap<Key, Fact>) -> Vec<&'f Key> {
    one.iter()
        .filter(|(key, fact)| {
            let parent_there = fact.parent.as_ref().is_none_or(|key| {
                // Recorded before its schema was in the scope, an object is still there.
                other.contains_key(key) || !one.contains_key(key)
            });
            !other.contains_key(key) && parent_there
        })
        .map(|(key, _)| key)
        .collect()
}

/// Takes out of both lists what is one constraint that was renamed or, without a name, redefined.
fn pair<'f>(
    missing: &mut Vec<&'f Key>,
    extra: &mut Vec<&'f Key>,
    expected: &BTreeMap<Key, Fact>,
    actual: &BTreeMap<Key, Fact>,
) -> Vec<(&'f Key, &'f Key)> {
    let mut pairs = Vec::new();
    missing.retain(|was| {
        let fits = |is: &&Key| {
            let same_place = is.owner == was.owner && is.class == was.class && is_constraint(was);
            let (was, is) = (&expected[*was], &actual[*is]);
            let unnamed = was.subject == is.subject;
            same_place && (unnamed || was.properties[0].canonical == is.properties[0].canonical)
        };
        let Some(at) = extra.iter().position(fits) else {
            return true;
        };
        pairs.push((*was, extra.remove(at)));
        false
    });
    pairs
}

fn is_constraint(key: &Key) -> bool {
    matches!(
        key.class,
        Class::Unique | Class::Check | Class::ForeignKey | Class::Exclusion
    )
}

fn renamed_or_redefined(key: &Key, was: &Fact, is: &Fact) -> Difference {
    if was.subject == is.subject {
        return Difference {
            kind: *key.class.kinds().as_expected,
            subject: was.subject.clone(),
            message: "differs in definition".to_owned(),
            expected: was.whole.clone(),
            actual: is.whole.clone(),
        };
    }
    Difference {
        kind: *key.class.kinds().as_expected,
        subject: was.subject.clone(),
        message: "has another name".to_owned(),
        expected: Some(was.subject.clone()),
        actual: Some(is.subject.clone()),
    }
}

fn not_found(key: &Key, was: &Fact) -> Difference {
    if was.of_partition {
        return Difference {
            kind: *key.class.kinds().as_expected,
            subject: was.subject.clone(),
            message: "differs from what is expected of this partition alone".to_owned(),
            expected: was.whole.clone(),
            actual: Some("as the partitioned table has it".to_owned()),
        };
    }
    Difference {
        kind: *key.class.kinds().present,
        subject: was.subject.clone(),
        message: "not found".to_owned(),
        expected: was.whole.as_deref().map(first_line),
        actual: None,
    }
}

fn not_expected(key: &Key, is: &Fact) -> Difference {
    let actual = is.whole.as_deref().map(first_line);
    if !is.valid {
        return Difference {
            message: "invalid and not expected".to_owned(),
            ..invalid(is)
        };
    }
    if is.of_partition {
        return Difference {
            kind: *key.class.kinds().as_expected,
            subject: is.subject.clone(),
            message: "differs from the partitioned table's".to_owned(),
            expected: Some("as the partitioned table has it".to_owned()),
            actual,
        };
    }
    Difference {
        kind: *key.class.kinds().declared,
        subject: is.subject.clone(),
        message: "not expected".to_owned(),
        expected: None,
        actual,
    }
}

fn invalid(is: &Fact) -> Difference {
    Difference {
        kind: INDEX_VALID,
        subject: is.subject.clone(),
        message: "invalid: it is kept up to date or not, but no query uses it".to_owned(),
        expected: None,
        actual: is.whole.clone(),
    }
}

fn compare(key: &Key, was: &Fact, is: &Fact) -> Option<Difference> {
    if !is.valid {
        return Some(invalid(is));
    }
    let differing: Vec<_> = was
        .properties
        .iter()
        .filter_map(|was| {
            let same = is.properties.iter().find(|is| is.name == was.name)?;
            (same.canonical != was.canonical).then_some((was, same))
        })
        .collect();
    let names: Vec<_> = differing.iter().map(|(was, _)| was.name).collect();
    if names.is_empty() {
        return None;
    }
    let (expected, actual): (Vec<_>, Vec<_>) = differing
        .iter()
        .map(|(was, is)| where_they_part(&was.shown, &is.shown))
        .unzip();
    Some(Difference {
        kind: *key.class.kinds().as_expected,
        subject: was.subject.clone(),
        message: format!("differs in {}", names.join(", ")),
        expected: Some(expected.join("; ")),
        actual: Some(actual.join("; ")),
    })
}

/// Both texts, or of longer ones the first line in which they differ. What would look the same on both
/// sides is written so that the difference shows.
fn where_they_part(was: &str, is: &str) -> (String, String) {
    if look_alike(was, is) {
        let line = |text: &str, at: usize| visible(text.split('\n').nth(at).unwrap_or_default());
        let mut lines = was.split('\n').zip(is.split('\n'));
        let at = lines.position(|(was, is)| was != is).unwrap_or_default();
        return match was.contains('\n') || is.contains('\n') {
            false => (visible(was), visible(is)),
            true => (
                format!("line {}: {}", at + 1, line(was, at)),
                format!("line {}: {}", at + 1, line(is, at)),
            ),
        };
    }
    if !was.contains('\n') && !is.contains('\n') {
        return (was.to_owned(), is.to_owned());
    }
    let (mut was, mut is) = (was.lines(), is.lines());
    let mut number = 0;
    loop {
        number += 1;
        let (was, is) = (was.next(), is.next());
        if was.map(str::trim_end) != is.map(str::trim_end) || was.is_none() {
            let line = |text: Option<&str>| match text {
                Some(text) => format!("line {number}: {}", text.trim()),
                None => format!("ends before line {number}"),
            };
            return (line(was), line(is));
        }
    }
}

/// Whether two texts differ in nothing but blanks at the ends of lines, and characters that nobody
/// sees or that look like a blank.
fn look_alike(was: &str, is: &str) -> bool {
    let shown = |text: &str| -> Vec<String> {
        let seen = |c: char| match c {
            '\n' => Some('\n'),
            c if c.is_whitespace() => Some(' '),
            '\'' | '"' | '\\' => Some(c),
            c => c.escape_debug().nth(1).is_none().then_some(c),
        };
        let seen: String = text
            .replace("\r\n", "\n")
            .chars()
            .filter_map(seen)
            .collect();
        seen.split('\n')
            .map(|line| line.trim_end().to_owned())
            .collect()
    };
    shown(was) == shown(is)
}

/// A line with a name for each character that nobody sees.
fn visible(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '\'' | '"' => text.push(c),
            c => text.extend(c.escape_debug()),
        }
    }
    text
}

fn first_line(text: &str) -> String {
    match text.trim().split_once('\n') {
        Some((first, _)) => format!("{} …", first.trim_end()),
        None => text.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::where_they_part;

    #[test]
    fn what_would_look_the_same_is_written_so_that_it_does_not() {
        for (was, is, expected, actual) in [
            ("'a'", "'b'", "'a'", "'b'"),
            ("a\nb", "a\nc", "line 2: b", "line 2: c"),
            ("'a\r\nb'", "'a\nb'", "line 1: 'a\\r", "line 1: 'a"),
            ("'a b'", "'a\tb'", "'a b'", "'a\\tb'"),
            ("'a b'", "'a\u{a0}b'", "'a b'", "'a\\u{a0}b'"),
            ("'ab'", "'a\u{200b}b'", "'ab'", "'a\\u{200b}b'"),
            ("'a \nb'", "'a\nb'", "line 1: 'a ", "line 1: 'a"),
            ("x\n'a\rb'", "x\n'a b'", "line 2: 'a\\rb'", "line 2: 'a b'"),
        ] {
            let parted = where_they_part(was, is);
            assert_eq!(parted, (expected.to_owned(), actual.to_owned()));
        }
    }
}
