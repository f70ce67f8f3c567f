//! The artefact: one zstd frame, read back and hashed while it is written.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use sha2::{Digest as _, Sha256};
use zstd::stream::{read::Decoder, write::Encoder};
use zstd::zstd_safe::CParameter;

use crate::error::Error;
use crate::manifest;
use crate::publish::new_file;

/// zstd's level. On COPY text level 1 gave 66 MB where 3 gave 72 MB, on a SQLite file 187 MB where
/// 3 gave 186 MB, in about half the time; the time is what a deployment waits for.
const LEVEL: i32 = 1;

/// Compressed bytes that are gathered for one write.
const WRITE_BYTES: usize = 1 << 20;

/// Raw bytes that a worker compresses at a time. A worker sees them as one piece, which is faster
/// than zstd's single-threaded streaming through a ring buffer; more of them cost memory (about
/// 12 MiB per worker at this size, 30 MiB at zstd's own choice) and save nothing.
const JOB_BYTES: u32 = 4 << 20;

/// Decompressed bytes that are hashed at once.
const DECODE_BYTES: usize = 1 << 18;

/// What was written and read back.
#[derive(Debug)]
pub(crate) struct Compressed {
    pub(crate) file: manifest::File,
    pub(crate) raw_size: u64,
    pub(crate) raw_sha256: Option<String>,
}

/// Compresses what `feed` puts into the frame to `folder/name`, and syncs the file.
///
/// A second thread reads the file behind the writer, decompresses it and takes both hashes from
/// what it read: they are of the bytes that a reader gets. Equality with what was put in is held by
/// the frame's own checksum (XXH64) and the size. It reads through the page cache, so it finds
/// what went wrong on the way to the kernel; the disk's answer is that of the sync.
///
/// The raw bytes are hashed only where `raw_size` is known, that is where they are a file of their
/// own to somebody; of a dump that is a third of the hashing, and proves nothing more.
///
/// `done` counts the raw bytes that were read back. `raw_size`, where known, is written into the frame's header and must be kept.
pub(crate) fn write(
    folder: &Path,
    name: &str,
    raw_size: Option<u64>,
    done: &AtomicU64,
    feed: impl FnOnce(&mut Frame<'_>) -> Result<(), Error>,
) -> Result<Compressed, Error> {
    let path = folder.join(name);
    let file = new_file(&path)?;
    let reader = File::open(&path).map_err(Error::read(&path))?;
    let (sender, receiver) = channel();
    thread::scope(|scope| {
        let read_back = scope.spawn(move || {
            decode(reader, receiver, raw_size.is_some(), &mut |bytes| {
                done.store(bytes, Ordering::Relaxed)
            })
        });
        let fed = write_frame(&path, file, sender, raw_size, feed);
        // The writer is gone with its end of the channel, so the reader comes to an end.
        let read = read_back
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let fed_bytes = fed?;
        let back = |source| Error::ReadBack {
            path: path.clone(),
            source,
        };
        let read = read.map_err(back)?;
        if read.raw_size != fed_bytes {
            return Err(back(io::Error::other(format!(
                "{} bytes instead of {fed_bytes}",
                read.raw_size
            ))));
        }
        Ok(Compressed {
            file: manifest::File {
                path: name.to_owned(),
                size: read.size,
                sha256: read.sha256,
            },
            raw_size: read.raw_size,
            raw_sha256: read.raw_sha256,
        })
    })
}

/// Two cores are busy with one worker, since the rows are digested beside it.
fn workers() -> u32 {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    if cores < 4 { 1 } else { 2 }
}

fn write_frame(
    path: &Path,
    file: File,
    sender: Sender<u64>,
    raw_size: Option<u64>,
    feed: impl FnOnce(&mut Frame<'_>) -> Result<(), Error>,
) -> Result<u64, Error> {
    let lead = Lead {
        file,
        written: 0,
        sender,
    };
    let encoder = || {
        let mut encoder = Encoder::new(BufWriter::with_capacity(WRITE_BYTES, lead), LEVEL)?;
        encoder.include_checksum(true)?;
        encoder.set_pledged_src_size(raw_size)?;
        encoder.set_parameter(CParameter::NbWorkers(workers()))?;
        encoder.set_parameter(CParameter::JobSize(JOB_BYTES))?;
        Ok(encoder)
    };
    let encoder = encoder().map_err(Error::write(path))?;
    let mut frame = Frame {
        path,
        encoder,
        bytes: 0,
    };
    feed(&mut frame)?;
    let bytes = frame.bytes;
    let lead = frame.encoder.finish().map_err(Error::write(path))?;
    let lead = lead
        .into_inner()
        .map_err(|error| Error::write(path)(error.into_error()))?;
    let Lead { file, sender, .. } = lead;
    drop(sender);
    file.sync_all().map_err(Error::sync(path))?;
    Ok(bytes)
}

/// Where `feed` puts the bytes to compress.
pub(crate) struct Frame<'a> {
    path: &'a Path,
    encoder: Encoder<'static, BufWriter<Lead>>,
    bytes: u64,
}

impl Frame<'_> {
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.encoder
            .write_all(bytes)
            .map_err(Error::write(self.path))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

/// The writing end of the file, which tells the reader how far it may read.
struct Lead {
    file: File,
    written: u64,
    sender: Sender<u64>,
}

impl Write for Lead {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.written += count as u64;
        // A reader that is gone has met an error, which is reported when it is joined.
        let _ = self.sender.send(self.written);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The reading end: waits at the end of what was written until there is more or no writer.
struct Tail {
    file: File,
    read: u64,
    written: u64,
    more: Receiver<u64>,
    hasher: Sha256,
}

impl Read for Tail {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read == self.written {
            match self.more.recv() {
                Ok(written) => self.written = written,
                Err(_) => return Ok(0),
            }
        }
        let left = usize::try_from(self.written - self.read).unwrap_or(usize::MAX);
        let room = left.min(buffer.len());
        let count = self.file.read(&mut buffer[..room])?;
        if count == 0 && room > 0 {
            return Err(io::Error::other(
                "the file is shorter than what was written to it",
            ));
        }
        self.read += count as u64;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

/// Sizes and hashes (hexadecimal) of a frame and of what is in it.
pub(crate) struct FrameRead {
    pub(crate) size: u64,
    pub(crate) sha256: String,
    pub(crate) raw_size: u64,
    pub(crate) raw_sha256: Option<String>,
}

/// Decompresses a whole artefact that nobody writes any more, and hashes what is in it if
/// `hash_raw`; `done` is told the raw bytes so far.
pub(crate) fn read_frame(
    file: File,
    hash_raw: bool,
    done: &mut dyn FnMut(u64),
) -> io::Result<FrameRead> {
    let (sender, more) = channel();
    let _ = sender.send(file.metadata()?.len());
    drop(sender);
    decode(file, more, hash_raw, done)
}

fn decode(
    file: File,
    more: Receiver<u64>,
    hash_raw: bool,
    done: &mut dyn FnMut(u64),
) -> io::Result<FrameRead> {
    let tail = Tail {
        file,
        read: 0,
        written: 0,
        more,
        hasher: Sha256::new(),
    };
    let mut decoder = Decoder::new(tail)?;
    let mut hasher = hash_raw.then(Sha256::new);
    let mut raw_size = 0;
    let mut buffer = vec![0; DECODE_BYTES];
    loop {
        let count = decoder.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        if let Some(hasher) = &mut hasher {
            hasher.update(&buffer[..count]);
        }
        raw_size += count as u64;
        done(raw_size);
    }
    let tail = decoder.finish().into_inner();
    Ok(FrameRead {
        size: tail.read,
        sha256: crate::hex(&tail.hasher.finalize()),
        raw_size,
        raw_sha256: hasher.map(|hasher| crate::hex(&hasher.finalize())),
    })
}
