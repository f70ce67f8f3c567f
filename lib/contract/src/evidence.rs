//! The evidence chain: one JSON object a line, each naming the SHA-256 of the line before it.
//!
//! `DIR/evidence.jsonl` holds the lines, the first member of each is `prev`. `DIR/HEAD` holds
//! origin, number of lines and hash of the last line, because a chain alone does not show a cut
//! tail. The `prev` of the first line is the origin, a random number, so that two chains never
//! look alike. A shell checks it: `tail -n +K evidence.jsonl | head -n 1 | tr -d '\n' | sha256sum`
//! gives the `prev` of line K+1.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::file::refuse_pipe;
use crate::{Class, Classify};

#[cfg(test)]
mod tests;

/// The file of the chain, inside the evidence folder.
pub const LINES_FILE: &str = "evidence.jsonl";
/// The file that names the chain's end.
pub const HEAD_FILE: &str = "HEAD";

/// How long another writer is waited for. One holds the chain for as long as it takes to read it and
/// to sync a line.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why evidence can't be written or believed.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// A file operation failed.
    #[error("cannot {act} {}", path.display())]
    File {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// Another writer kept the chain locked.
    #[error("cannot lock {}: another program holds it", path.display())]
    Held {
        /// The evidence file.
        path: PathBuf,
    },
    /// The chain does not hold together.
    #[error("cannot trust {}: {what}", path.display())]
    Broken {
        /// The evidence file.
        path: PathBuf,
        /// Where it breaks.
        what: String,
    },
}

impl Classify for EvidenceError {
    fn class(&self) -> Class {
        match self {
            EvidenceError::Held { .. } => Class::Busy,
            EvidenceError::File { .. } | EvidenceError::Broken { .. } => Class::Error,
        }
    }

    fn remedy(&self) -> Option<String> {
        Some(match self {
            EvidenceError::File { .. } => {
                "name a folder that can be written with --evidence".into()
            }
            EvidenceError::Held { .. } => {
                "see what has the file open (fuser), end it if it hangs, and run this again".into()
            }
            EvidenceError::Broken { .. } => {
                "keep the folder for inspection and start a new one with --evidence".into()
            }
        })
    }
}

/// Where a chain ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Random name of the chain: 64 hexadecimal digits, the `prev` of its first line.
    pub origin: String,
    /// How many lines.
    pub lines: u64,
    /// SHA-256 of the last line's bytes without its line end, in hexadecimal; the origin while
    /// there is none.
    pub hash: String,
}

/// One line of the chain.
#[derive(Clone, Debug)]
pub struct Line {
    /// SHA-256 of its bytes without the line end, in hexadecimal.
    pub hash: String,
    /// The object.
    pub value: Value,
}

/// An evidence folder that can be written.
#[derive(Debug)]
pub struct Evidence {
    dir: PathBuf,
}

impl Evidence {
    /// Makes the folder if needed and proves that the chain in it holds and can be written.
    ///
    /// # Errors
    ///
    /// When the folder can't be made or written, is held by another writer, or the chain is broken.
    pub fn open(dir: &Path) -> Result<Evidence, EvidenceError> {
        std::fs::create_dir_all(dir).map_err(file("make", dir))?;
        let evidence = Evidence {
            dir: dir.to_owned(),
        };
        let mut locked = evidence.lock(PATIENCE)?;
        evidence.end(&mut locked)?;
        Ok(evidence)
    }

    /// Appends one object, synced to the disk, and returns the new end of the chain.
    ///
    /// # Errors
    ///
    /// When the chain is broken or a write fails; then no whole line was added.
    pub fn append(&self, result: &Value) -> Result<Head, EvidenceError> {
        self.append_within(PATIENCE, result)
    }

    /// As [`Evidence::append`], with less patience: what panicked, or what a signal interrupted, may
    /// hold the lock itself.
    pub(crate) fn append_at_once(&self, result: &Value) -> Result<Head, EvidenceError> {
        self.append_within(Duration::from_secs(1), result)
    }

    fn append_within(&self, patience: Duration, result: &Value) -> Result<Head, EvidenceError> {
        let path = self.dir.join(LINES_FILE);
        let mut locked = self.lock(patience)?;
        let mut head = self.end(&mut locked)?;
        let mut object = serde_json::Map::new();
        object.insert("prev".to_owned(), Value::String(head.hash.clone()));
        if let Value::Object(members) = result {
            object.extend(members.clone());
        }
        let line = crate::console::json_text(&Value::Object(object));
        let mut bytes = line.clone().into_bytes();
        bytes.push(b'\n');
        let start = locked
            .seek(SeekFrom::End(0))
            .map_err(file("write", &path))?;
        head.lines += 1;
        head.hash = hex(&Sha256::digest(line.as_bytes()));
        let written = locked
            .write_all(&bytes)
            .and_then(|()| locked.sync_data())
            .map_err(file("write", &path))
            .and_then(|()| self.write_head(&head));
        if let Err(error) = written {
            // The caller's answer will be another one than the line's. Best effort: of a line that
            // is torn the next writer drops the rest as well.
            let _ = locked.set_len(start).and_then(|()| locked.sync_data());
            return Err(error);
        }
        Ok(head)
    }

    fn lock(&self, patience: Duration) -> Result<File, EvidenceError> {
        let path = self.dir.join(LINES_FILE);
        let lines = refuse_pipe(&path)
            .and_then(|()| {
                let mut options = OpenOptions::new();
                options.create(true).read(true).append(true).open(&path)
            })
            .map_err(file("open", &path))?;
        lock(
            &lines,
            FlockOperation::NonBlockingLockExclusive,
            patience,
            &path,
        )?;
        Ok(lines)
    }

    /// The end of the chain, after proving it whole. A HEAD that lags behind is a writer that died
    /// between the two files, and so is a last line without its line end, which is dropped: its
    /// writer never answered.
    fn end(&self, locked: &mut File) -> Result<Head, EvidenceError> {
        let path = self.dir.join(LINES_FILE);
        let mut bytes = Vec::new();
        locked
            .seek(SeekFrom::Start(0))
            .and_then(|_| locked.read_to_end(&mut bytes))
            .map_err(file("read", &path))?;
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let recorded = self.read_head()?;
        if bytes.is_empty() && recorded.is_none() {
            let head = new_origin();
            self.write_head(&head)?;
            return Ok(head);
        }
        let Some(recorded) = recorded else {
            return Err(broken(&path, "its HEAD is missing"));
        };
        let (_, head) = follow(&path, &bytes[..whole], &recorded)?;
        // Only of a file that is proved a chain of ours.
        if whole < bytes.len() {
            locked.set_len(whole as u64).map_err(file("write", &path))?;
        }
        if head != recorded {
            self.write_head(&head)?;
        }
        Ok(head)
    }

    fn read_head(&self) -> Result<Option<Head>, EvidenceError> {
        let path = self.dir.join(HEAD_FILE);
        match refuse_pipe(&path).and_then(|()| std::fs::read(&path)) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| broken(&path, &format!("its HEAD can't be read: {error}"))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(file("read", &path)(error)),
        }
    }

    fn write_head(&self, head: &Head) -> Result<(), EvidenceError> {
        let path = self.dir.join(HEAD_FILE);
        let temporary = self.dir.join("HEAD.new");
        let text = serde_json::json!({
            "origin": head.origin, "lines": head.lines, "hash": head.hash,
        })
        .to_string();
        let written = File::create(&temporary).and_then(|mut new| {
            new.write_all(text.as_bytes())?;
            new.write_all(b"\n")?;
            new.sync_data()?;
            std::fs::rename(&temporary, &path)
        });
        written.map_err(file("write", &path))
    }
}

/// Reads a chain and proves it whole.
///
/// # Errors
///
/// When a file can't be read, a line was changed, removed or cut off, or HEAD names another end.
pub fn read(dir: &Path) -> Result<(Vec<Line>, Head), EvidenceError> {
    let path = dir.join(LINES_FILE);
    let evidence = Evidence {
        dir: dir.to_owned(),
    };
    let file_handle = crate::file::open(&path).map_err(file("open", &path))?;
    lock(
        &file_handle,
        FlockOperation::NonBlockingLockShared,
        PATIENCE,
        &path,
    )?;
    let mut bytes = Vec::new();
    (&file_handle)
        .read_to_end(&mut bytes)
        .map_err(file("read", &path))?;
    // A torn last line is a writer that died; its result was never given.
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    bytes.truncate(whole);
    let Some(recorded) = evidence.read_head()? else {
        return Err(broken(&path, "its HEAD is missing"));
    };
    follow(&path, &bytes, &recorded)
}

/// Walks the chain from its origin, and proves that the end that HEAD names is on the way.
fn follow(path: &Path, bytes: &[u8], recorded: &Head) -> Result<(Vec<Line>, Head), EvidenceError> {
    let mut head = Head {
        origin: recorded.origin.clone(),
        lines: 0,
        hash: recorded.origin.clone(),
    };
    let mut passed = recorded.lines == 0 && recorded.hash == recorded.origin;
    let mut lines = Vec::new();
    let whole = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    // A file without a line splits into one that is empty.
    for line in whole
        .split(|byte| *byte == b'\n')
        .filter(|_| !bytes.is_empty())
    {
        let number = head.lines + 1;
        let value: Value = serde_json::from_slice(line)
            .map_err(|_| broken(path, &format!("line {number} is not JSON")))?;
        if value.get("prev").and_then(Value::as_str) != Some(&head.hash) {
            return Err(broken(
                path,
                &format!("line {number} does not follow from the line before it"),
            ));
        }
        head.lines = number;
        head.hash = hex(&Sha256::digest(line));
        passed |= head == *recorded;
        lines.push(Line {
            hash: head.hash.clone(),
            value,
        });
    }
    if !passed {
        let what = if recorded.lines > head.lines {
            let lines = match recorded.lines {
                1 => "1 line".to_owned(),
                count => format!("{count} lines"),
            };
            format!("HEAD names {lines}, the file has {}", head.lines)
        } else {
            format!("line {} is not the one that HEAD names", recorded.lines)
        };
        return Err(broken(path, &what));
    }
    Ok((lines, head))
}

/// Polls, because a lock that is waited for can't be given up.
fn lock(
    lines: &File,
    operation: FlockOperation,
    patience: Duration,
    path: &Path,
) -> Result<(), EvidenceError> {
    let until = Instant::now() + patience;
    loop {
        match rustix::fs::flock(lines, operation) {
            Ok(()) => return Ok(()),
            Err(Errno::WOULDBLOCK) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(Errno::WOULDBLOCK) => {
                return Err(EvidenceError::Held {
                    path: path.to_owned(),
                });
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(file("lock", path)(errno.into())),
        }
    }
}

fn new_origin() -> Head {
    let origin = hex(&crate::run_id::random_bytes::<32>());
    Head {
        hash: origin.clone(),
        origin,
        lines: 0,
    }
}

fn broken(path: &Path, what: &str) -> EvidenceError {
    EvidenceError::Broken {
        path: path.to_owned(),
        what: what.to_owned(),
    }
}

fn file<'a>(
    act: &'static str,
    path: &'a Path,
) -> impl Fn(std::io::Error) -> EvidenceError + use<'a> {
    move |source| EvidenceError::File {
        act,
        path: path.to_owned(),
        source,
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
