//! The known name that a mistyped one was probably meant to be.

const TYPED_LENGTH_MAX: usize = 64;

/// The name in `known` that `typed` resembles, if one does: at most a third of its letters differ,
/// or one of the two begins with the other.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // No name is that long, and comparing takes time by the product of the lengths.
    if typed.len() > TYPED_LENGTH_MAX {
        return None;
    }
    let typed = typed.to_lowercase();
    let distance_max = (typed.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|name| {
            (
                strsim::damerau_levenshtein(&typed, &name.to_lowercase()),
                name,
            )
        })
        .filter(|(distance, name)| {
            *distance <= distance_max
                || (typed.len() >= 3 && (name.starts_with(&typed) || typed.starts_with(*name)))
        })
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_is_found_and_a_stranger_is_not() {
        let known = ["database", "protected", "require"];
        for (typed, expected) in [
            ("databse", Some("database")),
            ("Databases", Some("database")),
            ("protect", Some("protected")),
            ("requires", Some("require")),
            ("colour", None),
            ("d", None),
        ] {
            assert_eq!(nearest(typed, known), expected, "{typed}");
        }
    }
}
