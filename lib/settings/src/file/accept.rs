//! `[[accept]]`: what was found in a database and is excused by a reviewed line.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

/// What an `[[accept]]` line can excuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acceptable {
    /// A database is adopted at a version that no replay proves.
    AdoptionProven,
    /// The schema was changed by hand since it was recorded.
    SchemaAsRecorded,
}

impl Acceptable {
    /// The check that finds it.
    pub fn check_id(self) -> &'static str {
        match self {
            Acceptable::AdoptionProven => "adoption-proven",
            Acceptable::SchemaAsRecorded => "schema-as-recorded",
        }
    }
}

/// One `[[accept]]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accept {
    /// What it excuses.
    pub check: Acceptable,
    /// The UUID of the mark of the database in which it was found.
    #[serde(deserialize_with = "uuid")]
    pub target: String,
    /// What was found, as the finding prints it: `sha256:` and 64 hexadecimal digits.
    #[serde(deserialize_with = "digest")]
    pub digest: String,
    /// Why it is right so.
    #[serde(deserialize_with = "reason")]
    pub because: String,
    /// The line of the file, from 1.
    #[serde(skip)]
    pub line: u32,
}

/// What stands before the digits of a digest.
const DIGEST_PREFIX: &str = "sha256:";

/// Whether a text is a digest as findings print it.
pub fn is_digest(text: &str) -> bool {
    text.strip_prefix(DIGEST_PREFIX)
        .is_some_and(|digits| digits.len() == 64 && digits.bytes().all(is_lower_hex))
}

/// Whether a text is a mark's UUID as Lockstep writes it.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => is_lower_hex(byte),
        })
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn uuid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    checked(
        deserializer,
        is_uuid,
        "the UUID of the database's mark belongs here, as the finding prints it",
    )
}

fn digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    checked(
        deserializer,
        is_digest,
        "a digest is sha256: and 64 hexadecimal digits in lower case, as the finding prints it",
    )
}

fn reason<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    checked(
        deserializer,
        |text| !text.trim().is_empty(),
        "it is empty; say why what was found is right",
    )
}

fn checked<'de, D: Deserializer<'de>>(
    deserializer: D,
    holds: impl Fn(&str) -> bool,
    otherwise: &str,
) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    match holds(&text) {
        true => Ok(text),
        false => Err(D::Error::custom(otherwise)),
    }
}

/// The lines of the file, each with the offset at which it stands in the place of its line number:
/// [`number`] makes that of it.
pub(super) fn lines<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Accept>, D::Error> {
    let mut lines: Vec<Accept> = Vec::new();
    for spanned in Vec::<Spanned<Accept>>::deserialize(deserializer)? {
        let offset = spanned.span().start;
        let accept = Accept {
            line: u32::try_from(offset).map_err(D::Error::custom)?,
            ..spanned.into_inner()
        };
        // One that was copied would excuse a second time what it excused.
        if lines.iter().any(|line| line.says_the_same(&accept)) {
            return Err(D::Error::custom("two entries say the same; delete one"));
        }
        lines.push(accept);
    }
    Ok(lines)
}

impl Accept {
    fn says_the_same(&self, other: &Accept) -> bool {
        (self.check, &self.target, &self.digest, &self.because)
            == (other.check, &other.target, &other.digest, &other.because)
    }

    /// Makes a line number of the offset that [`lines`] left.
    pub(super) fn number(&mut self, text: &str) {
        let before = text.get(..self.line as usize).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        self.line = u32::try_from(line).unwrap_or(u32::MAX);
    }
}
