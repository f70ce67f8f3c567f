//! The few fields of a certificate that are needed before, or beside, its verification.

use std::time::Duration;

use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// Parts of a certificate (RFC 5280, section 4.1), as DER.
pub(crate) struct Fields<'a> {
    /// The algorithm that the issuer signed with.
    signature_algorithm: &'a [u8],
    not_before: (u8, &'a [u8]),
    not_after: (u8, &'a [u8]),
    /// The subject's public key, with its header.
    pub(crate) spki: &'a [u8],
}

/// Cuts a certificate into its fields, or nothing where it is no certificate.
pub(crate) fn fields(certificate: &[u8]) -> Option<Fields<'_>> {
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (tbs, after) = element(certificate, SEQUENCE)?;
    let (algorithm, _) = element(after, SEQUENCE)?;
    let (signature_algorithm, _) = element(algorithm, OBJECT_IDENTIFIER)?;
    let mut rest = tbs;
    if rest.first() == Some(&VERSION) {
        (_, rest) = element(rest, VERSION)?;
    }
    (_, rest) = element(rest, INTEGER)?;
    (_, rest) = element(rest, SEQUENCE)?;
    (_, rest) = element(rest, SEQUENCE)?;
    let (validity, rest) = element(rest, SEQUENCE)?;
    let (not_before, validity) = any(validity)?;
    let (not_after, _) = any(validity)?;
    let (_, rest) = element(rest, SEQUENCE)?;
    let (_, after) = element(rest, SEQUENCE)?;
    Some(Fields {
        signature_algorithm,
        not_before,
        not_after,
        spki: rest.get(..rest.len() - after.len())?,
    })
}

impl Fields<'_> {
    /// Whether a moment (since 1970) lies before, within or after the certificate's validity.
    pub(crate) fn validity_at(&self, now: Duration) -> Option<std::cmp::Ordering> {
        let seconds = i64::try_from(now.as_secs()).ok()?;
        if seconds < time(self.not_before)? {
            return Some(std::cmp::Ordering::Less);
        }
        if seconds > time(self.not_after)? {
            return Some(std::cmp::Ordering::Greater);
        }
        Some(std::cmp::Ordering::Equal)
    }
}

/// What `tls-server-end-point` (RFC 5929, section 4.1) binds to: the certificate's hash by the hash
/// of its own signature, SHA-256 for the broken ones. Nothing where that is not defined (Ed25519)
/// or not agreed upon among servers (RSA-PSS).
pub(crate) fn end_point_hash(certificate: &[u8]) -> Option<Vec<u8>> {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04];
    let algorithm = fields(certificate)?.signature_algorithm;
    let bits = match (algorithm.strip_prefix(RSA), algorithm.strip_prefix(ECDSA)) {
        (Some([4 | 5 | 11]), _) | (_, Some([1] | [3, 2])) => 256,
        (Some([12]), _) | (_, Some([3, 3])) => 384,
        (Some([13]), _) | (_, Some([3, 4])) => 512,
        _ => return None,
    };
    Some(match bits {
        256 => Sha256::digest(certificate).to_vec(),
        384 => Sha384::digest(certificate).to_vec(),
        _ => Sha512::digest(certificate).to_vec(),
    })
}

const INTEGER: u8 = 0x02;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// The content of the first element, which must have this tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let ((found, content), rest) = any(der)?;
    (found == tag).then_some((content, rest))
}

type Tagged<'a> = (u8, &'a [u8]);

/// Tag and content of the first element, and what follows it.
fn any(der: &[u8]) -> Option<(Tagged<'_>, &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let count = usize::from(first & 0x7f);
        if !(1..=4).contains(&count) {
            return None;
        }
        let (bytes, after) = rest.split_at_checked(count)?;
        length = bytes
            .iter()
            .fold(0, |length, byte| length << 8 | usize::from(*byte));
        rest = after;
    }
    let (content, rest) = rest.split_at_checked(length)?;
    Some(((tag, content), rest))
}

/// Seconds since 1970 of a UTCTime (`YYMMDDHHMMSSZ`, 1950 to 2049) or a GeneralizedTime
/// (`YYYYMMDDHHMMSSZ`).
fn time((tag, content): Tagged<'_>) -> Option<i64> {
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i64 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    if rest.len() != 10 {
        return None;
    }
    let part = |at: usize| rest.get(at..at + 2)?.parse::<i64>().ok();
    let (month, day) = (part(0)?, part(2)?);
    // Days from the civil date, with years that begin in March: the leap day is then the last.
    let (year, month) = if month <= 2 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    Some(days * 86_400 + part(4)? * 3600 + part(6)? * 60 + part(8)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        // `date -u -d … +%s`
        for (tag, text, expected) in [
            (UTC_TIME, "700101000000Z", 0),
            (UTC_TIME, "240229235959Z", 1_709_251_199),
            (GENERALIZED_TIME, "20500301000000Z", 2_529_705_600),
            (UTC_TIME, "491231235959Z", 2_524_607_999),
        ] {
            assert_eq!(time((tag, text.as_bytes())), Some(expected), "{text}");
        }
        assert_eq!(time((UTC_TIME, b"2402")), None);
    }

    #[test]
    fn what_is_cut_off_is_no_certificate() {
        assert!(fields(&[]).is_none());
        assert!(fields(&[SEQUENCE, 0x82, 0x01]).is_none());
        assert!(fields(&[SEQUENCE, 0x85, 1, 1, 1, 1, 1]).is_none());
    }
}
