//! One run at a time for each environment of a working folder.
//!
//! The lock is an flock(2) on a file. Programs of the suite that change something inherit its
//! descriptor, so that a run whose orchestrator was killed stays locked while such a program still
//! works. Foreign programs do not inherit it: a service that a step started would hold it for
//! ever. The file itself is never removed, because a file of the same name would be another lock.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};

use contract::{Class, Classify};

/// The lock, held until this is dropped and every program that inherited it has ended.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

/// Why the run can't have it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    #[error("cannot start: another run holds {} ({holder})", path.display())]
    Held { path: PathBuf, holder: String },
    #[error("cannot lock {}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl Classify for LockError {
    fn class(&self) -> Class {
        match self {
            LockError::Held { .. } => Class::Busy,
            LockError::File { .. } => Class::Error,
        }
    }

    fn remedy(&self) -> Option<String> {
        Some(match self {
            LockError::Held { .. } => "wait until that run has ended and start again".to_owned(),
            LockError::File { .. } => "make the folder .lockstep writable".to_owned(),
        })
    }
}

impl Lock {
    /// Takes the lock and says in the file who has it.
    ///
    /// # Errors
    ///
    /// When another run holds it, or the file can't be used.
    pub(crate) fn take(path: &Path, holder: &str) -> Result<Lock, LockError> {
        let error = |source| LockError::File {
            path: path.to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(error)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held {
                    path: path.to_owned(),
                    holder: format!("{}{}", read_holder(&mut file), open_in(path)),
                });
            }
            Err(TryLockError::Error(source)) => return Err(error(source)),
        }
        file.set_len(0)
            .and_then(|()| file.write_all(format!("{holder}\n").as_bytes()))
            .map_err(error)?;
        Ok(Lock { file })
    }

    /// For programs that hold the lock as long as they live.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The processes that have the file open, as far as this user may know: a run whose orchestrator
/// was killed is held by what still works.
fn open_in(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let own = std::process::id();
    let holder = |process: &Path| {
        let pid: u32 = process.file_name()?.to_str()?.parse().ok()?;
        let files = std::fs::read_dir(process.join("fd")).ok()?.flatten();
        let mut links = files.filter_map(|file| std::fs::read_link(file.path()).ok());
        let holds = pid != own && links.any(|link| link == path);
        let name = std::fs::read_to_string(process.join("comm")).ok()?;
        holds.then(|| format!("{} (process {pid})", name.trim()))
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let holders: Vec<String> = processes
        .filter_map(|process| holder(&process.path()))
        .collect();
    match holders.is_empty() {
        true => String::new(),
        false => format!("; still at work: {}", holders.join(", ")),
    }
}

fn read_holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file
        .rewind()
        .and_then(|()| file.take(1024).read_to_string(&mut text));
    match read {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "it does not say who".to_owned(),
    }
}
