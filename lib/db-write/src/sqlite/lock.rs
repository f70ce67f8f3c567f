//! The deployment lock of a SQLite file: an OS lock on a file beside it, for the whole run.
//!
//! SQLite's own locks end with each transaction, so they can't keep two deployments apart. The
//! system releases this one when its holder ends, however it ends. The file is removed by its
//! holder while it holds the lock; whoever gets the lock looks whether the file that it locked is
//! still the one of that name, so that two processes never hold locks on two files of one name.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use crate::{Error, Options};

const POLL: Duration = Duration::from_millis(50);

/// Held as long as it lives.
#[derive(Debug)]
pub(super) struct FileLock {
    path: PathBuf,
    _file: File,
}

impl FileLock {
    pub(super) fn take(
        database: &Path,
        options: &Options,
        wait: Duration,
        say: &mut dyn FnMut(&str),
    ) -> Result<FileLock, Error> {
        let path = lock_path(database);
        let until = Instant::now() + wait;
        let mut told = false;
        loop {
            let mut file = open(&path)?;
            let locked = lock(&file, &path)?;
            if locked && is_named(&file, &path) {
                // Who holds it is for the message of the one who waits; the lock itself is the
                // system's, so a full disk is no reason to go without it.
                let text = format!(
                    "{} (process {}, run {}, since {})\n",
                    options.tool,
                    std::process::id(),
                    options.run_id,
                    contract::now()
                );
                let _ = file
                    .set_len(0)
                    .and_then(|()| file.seek(SeekFrom::Start(0)))
                    .and_then(|_| file.write_all(text.as_bytes()));
                return Ok(FileLock { path, _file: file });
            }
            if locked {
                // Its last holder removed it between our opening and our locking.
                continue;
            }
            let holder = holder(&mut file);
            if Instant::now() >= until {
                return Err(Error::Locked {
                    target: database.display().to_string(),
                    holder,
                });
            }
            if !told {
                say(&format!(
                    "waiting for the deployment lock, held by {holder}"
                ));
                told = true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if options.stop.pause(POLL.min(left)) {
                return Err(Error::Stopped {
                    act: "wait for the deployment lock",
                });
            }
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // A file that can't be removed does no harm: the next run locks it.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn open(path: &Path) -> Result<File, Error> {
    File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .map_err(|source| Error::File {
            act: "open the lock file",
            path: path.display().to_string(),
            source,
        })
}

fn lock(file: &File, path: &Path) -> Result<bool, Error> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(Error::File {
            act: "lock",
            path: path.display().to_string(),
            source: errno.into(),
        }),
    }
}

/// Whether the open file is the one that the path leads to.
fn is_named(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(named)) => open.ino() == named.ino() && open.dev() == named.dev(),
        _ => false,
    }
}

/// `<db>.lockstep-lock`, beside the file that the path leads to, so that a symbolic link and its
/// target share one lock.
fn lock_path(database: &Path) -> PathBuf {
    let canonical = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
    let mut name = canonical.into_os_string();
    name.push(".lockstep-lock");
    PathBuf::from(name)
}

/// Who holds the lock, by its own words. It locks first and writes them then, so an empty file is
/// looked at again for a moment.
fn holder(file: &mut File) -> String {
    const LOOKS: u32 = 40;
    for _ in 0..LOOKS {
        let mut text = String::new();
        let read = file
            .seek(SeekFrom::Start(0))
            .and_then(|_| (&*file).take(400).read_to_string(&mut text));
        if read.is_err() {
            break;
        }
        if text.ends_with('\n') {
            return text.trim().to_owned();
        }
        std::thread::sleep(POLL / 10);
    }
    "another process".to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::Stop;

    #[test]
    fn one_at_a_time_although_each_removes_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("app.db");
        let options = Options {
            tool: "test",
            run_id: "test".into(),
            actor: "test".into(),
            ledger: records::LedgerName::default(),
            schema: None,
            lock_timeout: Duration::ZERO,
            patience: Duration::ZERO,
            stop: Stop::default(),
            terms: None,
        };
        let (inside, taken) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while taken.load(Ordering::SeqCst) < 2000 {
                        let lock = FileLock::take(&database, &options, Duration::ZERO, &mut |_| {});
                        let Ok(lock) = lock else { continue };
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        taken.fetch_add(1, Ordering::SeqCst);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_of_the_same_name_is_another_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let file = open(&path).unwrap();
        assert!(is_named(&file, &path));
        std::fs::remove_file(&path).unwrap();
        assert!(!is_named(&file, &path));
        let _other = open(&path).unwrap();
        assert!(!is_named(&file, &path));
    }
}
