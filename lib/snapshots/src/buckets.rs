//! `buckets.bin`: the buckets of all tables, one after the other, 24 bytes each: the number of rows
//! (8 bytes) and the sum of the row hashes modulo 2^128 (16 bytes), both big-endian.
//!
//! A file of its own, because a million rows have 4,096 buckets: as text in the manifest they would
//! hide everything else.

use std::fs::File;
use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::fp1::Bucket;
use crate::manifest::{self, BucketRange};
use crate::publish::new_file;

/// The file's name in the snapshot's folder.
pub const FILE_NAME: &str = "buckets.bin";

/// Bytes per bucket.
pub const BUCKET_BYTES: u64 = 24;

/// Writes the file while tables are digested.
#[derive(Debug)]
pub(crate) struct Writer {
    path: PathBuf,
    file: BufWriter<File>,
    hasher: Sha256,
    next: u64,
}

impl Writer {
    pub(crate) fn create(folder: &Path) -> Result<Writer, Error> {
        let path = folder.join(FILE_NAME);
        let file = BufWriter::new(new_file(&path)?);
        Ok(Writer {
            path,
            file,
            hasher: Sha256::new(),
            next: 0,
        })
    }

    pub(crate) fn add(&mut self, buckets: &[Bucket]) -> Result<BucketRange, Error> {
        for bucket in buckets {
            let mut bytes = [0; BUCKET_BYTES as usize];
            bytes[..8].copy_from_slice(&bucket.rows.to_be_bytes());
            bytes[8..].copy_from_slice(&bucket.sum.to_be_bytes());
            self.hasher.update(bytes);
            self.file
                .write_all(&bytes)
                .map_err(Error::write(&self.path))?;
        }
        let range = BucketRange {
            first: self.next,
            count: buckets.len() as u64,
        };
        self.next += range.count;
        Ok(range)
    }

    /// Syncs the file and says what the manifest has to say about it.
    pub(crate) fn finish(mut self) -> Result<manifest::File, Error> {
        self.file.flush().map_err(Error::write(&self.path))?;
        self.file
            .get_ref()
            .sync_all()
            .map_err(Error::sync(&self.path))?;
        Ok(manifest::File {
            path: FILE_NAME.to_owned(),
            size: self.next * BUCKET_BYTES,
            sha256: crate::hex(&self.hasher.finalize()),
        })
    }
}

/// The buckets of one table of the snapshot in `folder`.
///
/// # Errors
///
/// [`Error::Read`], also when the file is shorter than the range says.
pub fn read(folder: &Path, range: BucketRange) -> Result<Vec<Bucket>, Error> {
    let path = folder.join(FILE_NAME);
    let mut file = File::open(&path).map_err(Error::read(&path))?;
    let from = SeekFrom::Start(range.first.saturating_mul(BUCKET_BYTES));
    file.seek(from).map_err(Error::read(&path))?;
    let mut file = std::io::BufReader::new(file);
    let mut buckets = Vec::new();
    for _ in 0..range.count {
        let (mut rows, mut sum) = ([0; 8], [0; 16]);
        file.read_exact(&mut rows).map_err(Error::read(&path))?;
        file.read_exact(&mut sum).map_err(Error::read(&path))?;
        buckets.push(Bucket {
            rows: u64::from_be_bytes(rows),
            sum: u128::from_be_bytes(sum),
        });
    }
    Ok(buckets)
}
