//! Lengths of time as people write them: `250ms`, `30s`, `5m`, `1h`, `7d`.

use std::time::Duration;

/// Why a text is no length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// No whole number and unit.
    #[error("a length of time is a whole number and ms, s, m, h or d, as in 30s")]
    Form,
    /// A number without a unit, or with one in other words.
    #[error("a length of time is a whole number and ms, s, m, h or d; write {0}{1}")]
    Unit(u64, &'static str),
    /// More than `u64` milliseconds.
    #[error("it is too long")]
    TooLong,
    /// Zero where it would mean no limit at all.
    #[error("zero would mean no limit; write how long")]
    Zero,
}

/// Units by milliseconds. `ms` stands before `m` and `s`, whose last letters it shares.
const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Units in other words. A number alone is taken for seconds, in what to write.
const WORDS: [(&str, &[&str]); 5] = [
    (
        "ms",
        &["msec", "msecs", "millis", "millisecond", "milliseconds"],
    ),
    ("s", &["", "sec", "secs", "second", "seconds"]),
    ("m", &["min", "mins", "minute", "minutes"]),
    ("h", &["hr", "hrs", "hour", "hours"]),
    ("d", &["day", "days"]),
];

/// A length of time as a file has it, before it is read: a text, or a number that lacks its unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written(pub String);

impl<'de> serde::Deserialize<'de> for Written {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Written, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = Written;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a length of time as a string, as in \"30s\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Written, E> {
                Ok(Written(text.to_owned()))
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Written, E> {
                Ok(Written(number.to_string()))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

/// Reads a limit, which can't be zero. Usable as clap's `value_parser`.
///
/// # Errors
///
/// No whole number with a unit, or zero.
pub fn parse_limit(text: &str) -> Result<Duration, DurationError> {
    match parse(text)? {
        Duration::ZERO => Err(DurationError::Zero),
        limit => Ok(limit),
    }
}

/// Reads a length of time, zero included. Usable as clap's `value_parser`.
///
/// # Errors
///
/// No whole number with a unit.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let scale = UNITS.iter().find(|(name, _)| *name == unit);
    let Some((_, scale)) = scale.filter(|_| digits > 0) else {
        return Err(meant(number, unit).unwrap_or(DurationError::Form));
    };
    let number: u64 = number.parse().map_err(|_| DurationError::TooLong)?;
    let ms = number.checked_mul(*scale).ok_or(DurationError::TooLong)?;
    Ok(Duration::from_millis(ms))
}

/// What was meant by a number and something that is no unit.
fn meant(number: &str, unit: &str) -> Option<DurationError> {
    let number = number.parse().ok()?;
    let unit = unit.trim().to_ascii_lowercase();
    let is_meant = |(name, words): &&(&str, &[&str])| *name == unit || words.contains(&&*unit);
    let (name, _) = WORDS.iter().find(is_meant)?;
    Some(DurationError::Unit(number, name))
}

/// The shortest text that [`parse`] reads as the same whole milliseconds.
pub fn format(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let fits = UNITS
        .iter()
        .rev()
        .find(|(_, scale)| ms > 0 && ms % scale == 0);
    let (name, scale) = fits.unwrap_or(&("s", 1000));
    format!("{}{name}", ms / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit() {
        for (text, ms) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("7d", 604_800_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
            assert_eq!(format(Duration::from_millis(ms)), text);
        }
        assert_eq!(format(Duration::from_secs(90)), "90s");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "s", "1.5h", "-1s", " 1s", "1w", "1h30m", "-60"] {
            assert_eq!(parse(text), Err(DurationError::Form), "{text:?}");
        }
        for (text, write) in [
            ("60", "write 60s"),
            ("0", "write 0s"),
            ("1 s", "write 1s"),
            ("1S", "write 1s"),
            ("90 seconds", "write 90s"),
            ("5min", "write 5m"),
            ("2 Hours", "write 2h"),
            ("250 millis", "write 250ms"),
            ("7days", "write 7d"),
        ] {
            let said = parse(text).unwrap_err().to_string();
            assert!(said.ends_with(write), "{text:?}: {said}");
        }
        for text in ["99999999999999999999s", "18446744073709551615d"] {
            assert_eq!(parse(text), Err(DurationError::TooLong), "{text}");
        }
        assert_eq!(parse_limit("0ms"), Err(DurationError::Zero));
        assert_eq!(parse_limit("1ms"), Ok(Duration::from_millis(1)));
    }
}
