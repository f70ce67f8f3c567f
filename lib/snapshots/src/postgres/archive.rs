//! Reads `pg_dump`'s custom format, uncompressed, from a stream.
//!
//! The layout is that of `ReadHead`, `ReadToc` and `_PrintTocData` in PostgreSQL's
//! `src/bin/pg_dump` (`pg_backup_archiver.c`, `pg_backup_custom.c`), archive versions 1.14 to 1.16:
//! servers 12 to 18. An integer is a sign byte and little-endian bytes; a text is its length as an
//! integer (-1 for none) and its bytes. The table of contents comes first, then blocks of data in
//! pieces, each with its length before it.

use std::io::{self, BufRead};

use crate::error::Error;

const BLOCK_DATA: u8 = 1;
const BLOCK_LARGE_OBJECTS: u8 = 3;
const FORMAT_CUSTOM: u8 = 1;
const VERSION_MIN: [u8; 2] = [1, 14];
const VERSION_MAX: [u8; 2] = [1, 16];

/// The longest text that is believed: the definition of one object.
const TEXT_BYTES_MAX: usize = 1 << 30;

/// What the table of contents says about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The number under which its data come.
    pub id: i32,
    /// `TABLE`, `TABLE DATA`, `INDEX`, …
    pub kind: String,
    /// Its name.
    pub tag: String,
    /// Its schema; empty without one.
    pub schema: String,
    /// Whether data of it come.
    pub has_data: bool,
}

/// What comes next in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// A table's rows, to be read with [`Archive::pieces`].
    Table {
        /// [`Entry::id`].
        id: i32,
    },
    /// Large objects, to be read with [`Archive::large_object`].
    LargeObjects,
}

/// An archive whose table of contents was read.
#[derive(Debug)]
pub struct Archive<R> {
    source: R,
    at: u64,
    integer_bytes: u8,
    /// The table of contents, in the archive's order.
    pub entries: Vec<Entry>,
}

impl<R: BufRead> Archive<R> {
    /// Reads header and table of contents.
    ///
    /// # Errors
    ///
    /// [`Error::Archive`] with what is not understood, or where the stream ended.
    pub fn open(source: R) -> Result<Archive<R>, Error> {
        let mut archive = Archive {
            source,
            at: 0,
            integer_bytes: 4,
            entries: Vec::new(),
        };
        archive.read_contents()?;
        Ok(archive)
    }

    /// The next block; none at the archive's end.
    ///
    /// # Errors
    ///
    /// [`Error::Archive`].
    pub fn next_block(&mut self) -> Result<Option<Block>, Error> {
        if self.filled()?.is_empty() {
            return Ok(None);
        }
        let kind = self.byte()?;
        let id = self.integer()?;
        match kind {
            BLOCK_DATA => Ok(Some(Block::Table { id })),
            BLOCK_LARGE_OBJECTS => Ok(Some(Block::LargeObjects)),
            _ => Err(self.wrong(&format!("a block of unknown kind {kind}"))),
        }
    }

    /// Hands the bytes of the current table or large object to `take`, cut anywhere.
    ///
    /// # Errors
    ///
    /// [`Error::Archive`], and what `take` returns.
    pub fn pieces(
        &mut self,
        mut take: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        loop {
            let length = self.integer()?;
            let mut left = usize::try_from(length).map_err(|_| self.wrong("a negative length"))?;
            if left == 0 {
                return Ok(());
            }
            while left > 0 {
                let bytes = self.some()?;
                let count = bytes.len().min(left);
                take(&bytes[..count])?;
                self.skip(count);
                left -= count;
            }
        }
    }

    /// The loid of the next large object of the block, whose pieces then follow; none at its end.
    ///
    /// # Errors
    ///
    /// [`Error::Archive`].
    pub fn large_object(&mut self) -> Result<Option<u32>, Error> {
        // Loids above 2^31 are written as the negative number with the same bits.
        let loid = self.integer()?;
        Ok((loid != 0).then_some(loid.cast_unsigned()))
    }

    fn read_contents(&mut self) -> Result<(), Error> {
        if &self.bytes::<5>()? != b"PGDMP" {
            return Err(self.wrong("no archive of pg_dump"));
        }
        let [major, minor, _] = self.bytes()?;
        if !(VERSION_MIN..=VERSION_MAX).contains(&[major, minor]) {
            return Err(self.wrong(&format!("an archive of unknown version {major}.{minor}")));
        }
        let [integer_bytes, offset_bytes, format] = self.bytes()?;
        if !(4..=8).contains(&integer_bytes) || format != FORMAT_CUSTOM {
            return Err(self.wrong("an archive of another format"));
        }
        self.integer_bytes = integer_bytes;
        let compression = if minor >= 15 {
            i32::from(self.byte()?)
        } else {
            self.integer()?
        };
        if compression != 0 {
            return Err(self.wrong("a compressed archive"));
        }
        for _ in 0..7 {
            // Seconds to years of the time of dumping, and whether it was summer.
            self.integer()?;
        }
        for _ in 0..3 {
            // Database, server version, version of pg_dump.
            self.text()?;
        }
        let count = self.integer()?;
        for _ in 0..count {
            let entry = self.entry(minor, offset_bytes)?;
            self.entries.push(entry);
        }
        Ok(())
    }

    fn entry(&mut self, minor: u8, offset_bytes: u8) -> Result<Entry, Error> {
        let id = self.integer()?;
        let has_data = self.integer()? != 0;
        self.text()?; // oid of the catalog
        self.text()?; // oid in it
        let tag = self.text()?.unwrap_or_default();
        let kind = self.text()?.unwrap_or_default();
        self.integer()?; // section
        self.text()?; // definition
        self.text()?; // how to drop it
        self.text()?; // the COPY statement
        let schema = self.text()?.unwrap_or_default();
        self.text()?; // tablespace
        self.text()?; // access method
        if minor >= 16 {
            self.integer()?; // kind of relation
        }
        self.text()?; // owner
        self.text()?; // "with oids", a relic
        while self.text()?.is_some() {} // what it depends on
        self.byte()?; // whether the offset is known, and the offset: never in a stream
        for _ in 0..offset_bytes {
            self.byte()?;
        }
        Ok(Entry {
            id,
            kind,
            tag,
            schema,
            has_data,
        })
    }

    fn text(&mut self) -> Result<Option<String>, Error> {
        let length = self.integer()?;
        let Ok(length) = usize::try_from(length) else {
            return Ok(None);
        };
        if length > TEXT_BYTES_MAX {
            return Err(self.wrong("a text of impossible length"));
        }
        let mut text = Vec::new();
        while text.len() < length {
            let bytes = self.some()?;
            let count = bytes.len().min(length - text.len());
            text.extend_from_slice(&bytes[..count]);
            self.skip(count);
        }
        Ok(Some(String::from_utf8_lossy(&text).into_owned()))
    }

    fn integer(&mut self) -> Result<i32, Error> {
        let width = usize::from(self.integer_bytes);
        let ready = self.some()?;
        // Once per row, nearly always within what is read already.
        if let Some([sign, a, b, c, d]) = ready.first_chunk().copied().filter(|_| width == 4) {
            self.skip(5);
            return Ok(signed(sign, u32::from_le_bytes([a, b, c, d])));
        }
        let sign = self.byte()?;
        let mut value = [0; 4];
        for index in 0..width {
            let byte = self.byte()?;
            match value.get_mut(index) {
                Some(place) => *place = byte,
                None if byte == 0 => {}
                None => return Err(self.wrong("a number that is too large")),
            }
        }
        Ok(signed(sign, u32::from_le_bytes(value)))
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            *byte = self.byte()?;
        }
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8, Error> {
        let byte = self.some()?[0];
        self.skip(1);
        Ok(byte)
    }

    /// At least one byte.
    fn some(&mut self) -> Result<&[u8], Error> {
        if self.filled()?.is_empty() {
            return Err(Error::CutShort { at: self.at });
        }
        // Filled by the line above, so this reads nothing.
        self.filled()
    }

    fn filled(&mut self) -> Result<&[u8], Error> {
        let at = self.at;
        self.source
            .fill_buf()
            .map_err(|error| read_failed(&error, at))
    }

    fn skip(&mut self, count: usize) {
        self.source.consume(count);
        self.at += count as u64;
    }

    fn wrong(&self, found: &str) -> Error {
        Error::Archive {
            found: found.to_owned(),
            at: self.at,
        }
    }
}

fn read_failed(error: &io::Error, at: u64) -> Error {
    Error::Archive {
        found: error.to_string(),
        at,
    }
}

fn signed(sign: u8, magnitude: u32) -> i32 {
    let value = magnitude.cast_signed();
    if sign == 0 {
        value
    } else {
        value.wrapping_neg()
    }
}
