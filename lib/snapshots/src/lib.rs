//! Snapshots: row digests, manifest, storage, publishing, reading back.

pub mod buckets;
mod compressed;
mod error;
pub mod files;
pub mod fp1;
pub mod git;
pub mod manifest;
pub mod postgres;
mod progress;
pub mod publish;
pub mod sqlite;
mod stop;
pub mod storage;
pub mod verify;

pub use error::{Cause, Error};
pub use manifest::{Content, Manifest};
pub use progress::{Phase, Progress};
pub use stop::{Running, Stop};

use sha2::{Digest as _, Sha256};

/// Lower-case hexadecimal text of the SHA-256 of `bytes`.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// A moment in RFC 3339, UTC, to the millisecond.
pub fn rfc3339(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
