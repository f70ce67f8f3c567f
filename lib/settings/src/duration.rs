//! Lengths of time as people write them: `250ms`, `30s`, `5m`, `1h`, `7d`.

use std::time::Duration;

/// Why a text is no length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// No whole number and unit.
    #[error("a length of time is a whole number and ms, s, m, h or d, as in 30s")]
    Form,
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
    let (_, scale) = scale.filter(|_| digits > 0).ok_or(DurationError::Form)?;
    let number: u64 = number.parse().map_err(|_| DurationError::TooLong)?;
    let ms = number.checked_mul(*scale).ok_or(DurationError::TooLong)?;
    Ok(Duration::from_millis(ms))
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
        for text in [
            "", "30", "s", "1.5h", "-1s", " 1s", "1 s", "1S", "1w", "1h30m",
        ] {
            assert_eq!(parse(text), Err(DurationError::Form), "{text:?}");
        }
        for text in ["99999999999999999999s", "18446744073709551615d"] {
            assert_eq!(parse(text), Err(DurationError::TooLong), "{text}");
        }
        assert_eq!(parse_limit("0ms"), Err(DurationError::Zero));
        assert_eq!(parse_limit("1ms"), Ok(Duration::from_millis(1)));
    }
}
