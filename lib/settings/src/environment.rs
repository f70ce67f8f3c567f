//! The environment's name: `--environment`, `LOCKSTEP_ENV`, or the variable that the file names.

use crate::Variables;
use crate::variables::NotUnicode;

/// The variable that names the environment.
pub const VARIABLE: &str = "LOCKSTEP_ENV";

/// What a name may look like.
pub(crate) const NAME_FORM: &str = "an environment's name is up to 64 letters, digits, - and _";

/// Why the environment's name is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Two sources, two names.
    #[error("cannot tell the environment: {first} says \"{one}\" and {second} says \"{two}\"")]
    Contradiction {
        /// The first source.
        first: String,
        /// What it says.
        one: String,
        /// The second source.
        second: String,
        /// What it says.
        two: String,
    },
    /// Not a name.
    #[error("cannot use the environment's name in {source_name}: {NAME_FORM}")]
    Form {
        /// Where it stands.
        source_name: String,
    },
    /// Not UTF-8.
    #[error(transparent)]
    NotUnicode(#[from] NotUnicode),
}

/// Whether a text can be an environment's name. Names become parts of file names.
pub fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// The name, if anything says one. `argument` is that of `--environment`, `variable` the one that
/// `[environment] variable` names. All that are set have to agree: which of two environments is
/// meant is never guessed.
///
/// # Errors
///
/// Two of them differ, or what one says can't be a name.
pub fn name(
    argument: Option<&str>,
    variable: Option<&str>,
    variables: &Variables,
) -> Result<Option<String>, NameError> {
    let own = variables.text(VARIABLE)?;
    let other = match variable {
        Some(variable) => variables.text(variable)?,
        None => None,
    };
    let mut found: Option<(&str, &str)> = None;
    for (source, text) in [
        ("--environment", argument),
        (VARIABLE, own),
        (variable.unwrap_or_default(), other),
    ] {
        let Some(text) = text else { continue };
        // What is no name is not shown either: the variable may be the wrong one.
        if !is_name(text) {
            return Err(NameError::Form {
                source_name: source.to_owned(),
            });
        }
        match found {
            None => found = Some((source, text)),
            Some((first, one)) if one != text => {
                return Err(NameError::Contradiction {
                    first: first.to_owned(),
                    one: one.to_owned(),
                    second: source.to_owned(),
                    two: text.to_owned(),
                });
            }
            Some(_) => {}
        }
    }
    Ok(found.map(|(_, name)| name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(argument: Option<&str>, set: &[(&str, &str)]) -> Result<Option<String>, NameError> {
        name(argument, Some("NODE_ENV"), &set.iter().copied().collect())
    }

    #[test]
    fn any_of_the_three_names_it() {
        let expected = Ok(Some("dev".to_owned()));
        assert_eq!(named(Some("dev"), &[]), expected);
        assert_eq!(named(None, &[("LOCKSTEP_ENV", "dev")]), expected);
        assert_eq!(named(None, &[("NODE_ENV", "dev")]), expected);
        assert_eq!(
            named(Some("dev"), &[("LOCKSTEP_ENV", "dev"), ("NODE_ENV", "dev")]),
            expected
        );
        assert_eq!(named(None, &[("LOCKSTEP_ENV", "")]), Ok(None));
        let unnamed = [("NODE_ENV", "dev")].into_iter().collect();
        assert_eq!(name(None, None, &unnamed), Ok(None));
    }

    #[test]
    fn two_names_are_an_error() {
        for (argument, set) in [
            (Some("dev"), &[("LOCKSTEP_ENV", "production")][..]),
            (Some("dev"), &[("NODE_ENV", "production")]),
            (None, &[("LOCKSTEP_ENV", "dev"), ("NODE_ENV", "production")]),
        ] {
            let error = named(argument, set).unwrap_err();
            assert!(matches!(error, NameError::Contradiction { .. }), "{error}");
        }
    }

    #[test]
    fn what_is_no_name_is_not_shown() {
        for text in ["../up", "a b", "pw@host", "é"] {
            let error = named(None, &[("NODE_ENV", text)]).unwrap_err();
            assert!(!error.to_string().contains(text), "{error}");
        }
        assert!(named(Some(&"x".repeat(65)), &[]).is_err());
    }
}
