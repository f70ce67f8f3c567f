//! Versions: what they are read from, and what they sort by.

/// What a version sorts by. Keys of one layout are all of one variant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// sqlx, golang-migrate, goose: an integer. All three store it as a signed 64-bit one.
    Number(i64),
    /// Flyway, refinery: integers of any length, part by part.
    Dotted(Vec<Digits>),
    /// Prisma, diesel, dbmate: text, byte by byte.
    Text(String),
}

/// A natural number of any length, without leading zeros. The shorter one is smaller, and the
/// order of the fields says so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Digits {
    length: usize,
    text: String,
}

pub(crate) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A version that is an integer from 0 to 2^63-1, leading zeros allowed.
pub(crate) fn number(text: &str) -> Option<i64> {
    // `parse` alone would also take a sign.
    if is_digits(text) {
        text.parse().ok()
    } else {
        None
    }
}

/// A version of parts between dots or underscores, with its canonical text. As in Flyway, leading
/// zeros of a part and parts of zero at the end don't count: 1, 1.0 and 001 are one version.
pub(crate) fn dotted(text: &str) -> Option<(String, Key)> {
    let mut parts = Vec::new();
    for part in text.split(['.', '_']) {
        if !is_digits(part) {
            return None;
        }
        let stripped = part.trim_start_matches('0');
        parts.push(if stripped.is_empty() { "0" } else { stripped });
    }
    while parts.len() > 1 && parts.last() == Some(&"0") {
        parts.pop();
    }
    let canonical = parts.join(".");
    let parts = parts
        .into_iter()
        .map(|part| Digits {
            length: part.len(),
            text: part.to_owned(),
        })
        .collect();
    Some((canonical, Key::Dotted(parts)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fit_a_bigint_and_have_no_sign() {
        assert_eq!(number("0007"), Some(7));
        assert_eq!(number("20240131120000"), Some(20_240_131_120_000));
        assert_eq!(number("9223372036854775807"), Some(i64::MAX));
        assert_eq!(number("9223372036854775808"), None);
        assert_eq!(number("-1"), None);
        assert_eq!(number("+1"), None);
        assert_eq!(number(""), None);
    }

    #[test]
    fn dotted_versions_compare_part_by_part() {
        let sorted = [
            "0",
            "0.1",
            "1",
            "1.1",
            "1_2",
            "1.10",
            "2",
            "10",
            "20240131120000000000000",
        ];
        let keys: Vec<Key> = sorted.iter().map(|text| dotted(text).unwrap().1).collect();
        assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
    }

    #[test]
    fn dotted_versions_have_one_canonical_text() {
        for (written, canonical) in [
            ("1", "1"),
            ("001", "1"),
            ("1.0", "1"),
            ("1_0_0", "1"),
            ("1_02", "1.2"),
            ("0", "0"),
        ] {
            assert_eq!(dotted(written).unwrap().0, canonical);
        }
        for written in ["", "1.", ".1", "1..2", "a", "1-2"] {
            assert_eq!(dotted(written), None, "{written}");
        }
    }
}
