//! The digest scheme `fp1`: row count and a sum of row hashes per table, and the same per bucket.
//!
//! The README of this crate specifies it for a second implementation.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// The id of the scheme, recorded with every digest. Digests of two ids never compare.
pub const SCHEME: &str = "fp1";

/// Rows per bucket that the number of buckets aims at.
pub const ROWS_PER_BUCKET: u64 = 256;

/// The most buckets a table has; also the grain in which rows are collected before folding.
pub const BUCKETS_MAX: usize = 1 << 16;

/// Rows that are gathered before they are added to their buckets. One after the other, their places
/// in memory are asked for at once; each after its row's hash, every row waits for the memory.
/// A table of fewer rows is folded from here, without clearing the 2 MiB of the full grain.
const BATCH_ROWS: usize = 4096;

/// Collects the rows of one table after another; its memory is reused and bounded
/// (about 2 MiB), whatever the number of rows.
#[derive(Debug, Default)]
pub struct Accumulator {
    rows: u64,
    sum: Sum,
    batch: Vec<(u16, u128)>,
    fine: Vec<Bucket>,
    fine_in_use: bool,
}

impl Accumulator {
    /// An empty table.
    pub fn new() -> Accumulator {
        Accumulator::default()
    }

    /// Adds a row by its row bytes and the bytes of its primary key (`None`: the table has no key,
    /// and the row is bucketed by its own hash).
    pub fn add_row(&mut self, row: &[u8], key: Option<&[u8]>) {
        let hash = Sha256::digest(row).into();
        self.add_hash(&hash, key);
    }

    /// As [`Accumulator::add_row`], for a row that was hashed piece by piece.
    pub fn add_hash(&mut self, hash: &[u8; 32], key: Option<&[u8]>) {
        let place = match key {
            Some(key) => place(&Sha256::digest(key).into()),
            None => place(hash),
        };
        self.rows += 1;
        self.sum.add_hash(hash);
        self.batch.push((place, low_half(hash)));
        if self.batch.len() == BATCH_ROWS {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if !self.fine_in_use {
            self.fine.clear();
            self.fine.resize(BUCKETS_MAX, Bucket::default());
            self.fine_in_use = true;
        }
        for (place, low) in self.batch.drain(..) {
            if let Some(bucket) = self.fine.get_mut(usize::from(place)) {
                bucket.add(low);
            }
        }
    }

    /// The rows added so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The table's digest; the accumulator is empty again afterwards.
    pub fn finish(&mut self) -> Digest {
        let count = bucket_count(self.rows);
        let buckets = if self.fine_in_use {
            self.flush();
            fold(&self.fine, count)
        } else {
            let mut buckets = vec![Bucket::default(); count];
            for (place, low) in self.batch.drain(..) {
                let index = usize::from(place) * count / BUCKETS_MAX;
                buckets[index].add(low);
            }
            buckets
        };
        self.fine_in_use = false;
        Digest {
            rows: std::mem::take(&mut self.rows),
            sum: std::mem::take(&mut self.sum),
            buckets,
        }
    }
}

/// What `fp1` says about a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digest {
    /// Number of rows.
    pub rows: u64,
    /// Sum of the row hashes.
    pub sum: Sum,
    /// A power of two of buckets; empty for a combination of tables.
    pub buckets: Vec<Bucket>,
}

impl Digest {
    /// Adds the rows of another table, as a partitioned table combines its leaves. Buckets are
    /// dropped: those of the leaves stay the finer answer.
    pub fn combine(&mut self, other: &Digest) {
        self.rows += other.rows;
        self.sum.add(&other.sum);
        self.buckets.clear();
    }

    /// True when rows and sum are equal. Buckets follow from the rows and need no comparison.
    pub fn same_rows(&self, other: &Digest) -> bool {
        self.rows == other.rows && self.sum == other.sum
    }
}

/// The rows whose key hashes into one part of the hash's range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Number of rows.
    pub rows: u64,
    /// Sum of the row hashes modulo 2^128.
    pub sum: u128,
}

impl Bucket {
    fn add(&mut self, low: u128) {
        self.rows += 1;
        self.sum = self.sum.wrapping_add(low);
    }
}

/// The number of buckets for a row count: the least power of two that leaves at most
/// [`ROWS_PER_BUCKET`] rows to each on average, between 1 and [`BUCKETS_MAX`].
pub fn bucket_count(rows: u64) -> usize {
    let wanted = rows
        .div_ceil(ROWS_PER_BUCKET)
        .max(1)
        .checked_next_power_of_two();
    wanted.map_or(BUCKETS_MAX, |count| count.min(BUCKETS_MAX as u64) as usize)
}

/// Folds buckets to a smaller power of two, by adding neighbours: a bucket is chosen by the first
/// bits of a hash, so two tables of unequal size compare in the coarser of their numbers.
///
/// `count` and the number of buckets are powers of two; a greater `count` leaves them as they are.
pub fn fold(buckets: &[Bucket], count: usize) -> Vec<Bucket> {
    let width = (buckets.len() / count.max(1)).max(1);
    buckets
        .chunks(width)
        .map(|neighbours| {
            neighbours
                .iter()
                .fold(Bucket::default(), |sum, bucket| Bucket {
                    rows: sum.rows + bucket.rows,
                    sum: sum.sum.wrapping_add(bucket.sum),
                })
        })
        .collect()
}

fn place(hash: &[u8; 32]) -> u16 {
    u16::from_be_bytes([hash[0], hash[1]])
}

fn low_half(hash: &[u8; 32]) -> u128 {
    let mut half = [0; 16];
    half.copy_from_slice(&hash[16..]);
    u128::from_be_bytes(half)
}

/// A sum of SHA-256 values modulo 2^256, each read as a big-endian number.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    high: u128,
    low: u128,
}

impl Sum {
    fn add_hash(&mut self, hash: &[u8; 32]) {
        let mut high = [0; 16];
        high.copy_from_slice(&hash[..16]);
        self.add(&Sum {
            high: u128::from_be_bytes(high),
            low: low_half(hash),
        });
    }

    fn add(&mut self, other: &Sum) {
        let (low, carry) = self.low.overflowing_add(other.low);
        self.low = low;
        self.high = self
            .high
            .wrapping_add(other.high)
            .wrapping_add(u128::from(carry));
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}{:032x}", self.high, self.low)
    }
}

impl fmt::Debug for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A digest that is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 64 hexadecimal digits")]
pub struct NoSum;

impl FromStr for Sum {
    type Err = NoSum;

    fn from_str(text: &str) -> Result<Sum, NoSum> {
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NoSum);
        }
        let half = |part: &str| u128::from_str_radix(part, 16).map_err(|_| NoSum);
        Ok(Sum {
            high: half(&text[..32])?,
            low: half(&text[32..])?,
        })
    }
}

impl Serialize for Sum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sum, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(rows: &[(&[u8], Option<&[u8]>)]) -> Digest {
        let mut accumulator = Accumulator::new();
        for (row, key) in rows {
            accumulator.add_row(row, *key);
        }
        accumulator.finish()
    }

    fn numbered(rows: std::ops::Range<u32>) -> Digest {
        let mut accumulator = Accumulator::new();
        for number in rows {
            let row = format!("{number}\trow");
            accumulator.add_row(row.as_bytes(), Some(number.to_string().as_bytes()));
        }
        accumulator.finish()
    }

    #[test]
    fn one_row_is_its_sha256_and_two_rows_are_the_sum() {
        // SHA-256 of "a" and of "b"; their sum was computed with another tool's big integers.
        let a = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
        let sum = "08bb6928ca5517152e4b8118ff058d82334469f89d507abd84f46634858a4958";
        assert_eq!(digest(&[(b"a", None)]).sum.to_string(), a);
        assert_eq!(digest(&[(b"a", None), (b"b", None)]).sum.to_string(), sum);
    }

    #[test]
    fn order_does_not_matter_but_multiplicity_does() {
        let ab = digest(&[(b"a", None), (b"b", None)]);
        assert_eq!(ab, digest(&[(b"b", None), (b"a", None)]));
        let twice = digest(&[(b"a", None), (b"a", None)]);
        let thrice = digest(&[(b"a", None), (b"a", None), (b"a", None)]);
        assert_ne!(twice.sum, thrice.sum);
        assert_ne!(twice.sum, digest(&[]).sum, "equal rows must not cancel out");
    }

    #[test]
    fn the_sum_wraps_at_256_bits() {
        let mut sum: Sum = "f".repeat(64).parse().unwrap();
        sum.add(&format!("{}2", "0".repeat(63)).parse().unwrap());
        assert_eq!(sum.to_string(), format!("{}1", "0".repeat(63)));
    }

    #[test]
    fn buckets_hold_all_rows_in_tables_of_every_size() {
        for rows in [0, 1, 256, 257, 4095, 4096, 4097, 70_000] {
            let digest = numbered(0..rows);
            assert_eq!(digest.buckets.len(), bucket_count(u64::from(rows)));
            let inside: u64 = digest.buckets.iter().map(|bucket| bucket.rows).sum();
            assert_eq!(inside, u64::from(rows));
            let low = u128::from_str_radix(&digest.sum.to_string()[32..], 16).unwrap();
            assert_eq!(fold(&digest.buckets, 1)[0].sum, low);
        }
        assert_eq!(bucket_count(256), 1);
        assert_eq!(bucket_count(257), 2);
        assert_eq!(bucket_count(u64::MAX), BUCKETS_MAX);
    }

    #[test]
    fn a_changed_row_changes_the_bucket_of_its_key_alone() {
        let mut accumulator = Accumulator::new();
        for number in 0..10_000_u32 {
            let row = if number == 77 {
                "changed".into()
            } else {
                format!("{number}\trow")
            };
            accumulator.add_row(row.as_bytes(), Some(number.to_string().as_bytes()));
        }
        let (before, after) = (numbered(0..10_000), accumulator.finish());
        let differing: Vec<usize> = (0..before.buckets.len())
            .filter(|&index| before.buckets[index] != after.buckets[index])
            .collect();
        assert_eq!(differing.len(), 1);
        assert_eq!(before.rows, after.rows);
        assert_ne!(before.sum, after.sum);
    }

    #[test]
    fn small_and_large_collection_agree_bucket_by_bucket() {
        let large = numbered(0..4096);
        let half: Vec<Bucket> = numbered(0..4095).buckets;
        let last = digest(&[(b"4095\trow", Some(b"4095"))]);
        let missing: u64 = large
            .buckets
            .iter()
            .zip(&half)
            .map(|(a, b)| a.rows - b.rows)
            .sum();
        assert_eq!(missing, 1);
        let changed = large
            .buckets
            .iter()
            .zip(&half)
            .find(|(a, b)| a != b)
            .unwrap();
        assert_eq!(
            changed.0.sum.wrapping_sub(changed.1.sum),
            last.buckets[0].sum
        );
    }

    #[test]
    fn an_accumulator_is_empty_after_finish() {
        let mut accumulator = Accumulator::new();
        for number in 0..5000_u32 {
            accumulator.add_row(&number.to_be_bytes(), None);
        }
        accumulator.finish();
        assert_eq!(accumulator.finish(), digest(&[]));
        accumulator.add_row(b"a", None);
        assert_eq!(accumulator.finish(), digest(&[(b"a", None)]));
    }
}
