//! The deployment lock of a SQLite file: an OS lock on a file beside it, for the whole run.
//!
//! SQLite's own locks end with each transaction, so they can't keep two deployments apart. The
//! system releases this one when its holder ends, however it ends. The file is removed by its
//! holder while it holds the lock; whoever gets the lock looks whether the file that it locked is
//! still the one of that name, so that two processes never hold locks on two files of one name.
//!
//! It has the database's owner and mode, as the files that SQLite makes beside it: a run as root
//! that was killed leaves a file that the application's account can lock.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Gid, Mode, OFlags, Uid, fchmod, fchown, flock};

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
        let path = lock_path(database, options.sqlite.lock_dir.as_deref());
        let until = Instant::now() + wait;
        let mut told = false;
        loop {
            let mut file = open(&path)?;
            let locked = lock(&file, &path)?;
            if locked && is_named(&file, &path) {
                hand_over(&file, database);
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

/// Opens the file, and makes it where there is none. Whoever may write in the folder may have put
/// something else there under its name, and this process may be root: a link is not followed, and
/// what has another name or is no file is left alone.
fn open(path: &Path) -> Result<File, Error> {
    let failed = |source| Error::File {
        act: "open the lock file",
        path: path.display().to_string(),
        source,
    };
    let mut options = File::options();
    options
        .read(true)
        .write(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
    loop {
        // Without O_CREAT: in a folder for everybody Linux refuses that for another's file
        // (fs.protected_regular), and it may be a killed run's.
        let file = match options.open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                match options.clone().create_new(true).open(path) {
                    // Another run made it meanwhile.
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                    made => return made.map_err(failed),
                }
            }
            Err(error) if is_link(path) => return Err(unfit(path, &error.to_string())),
            opened => opened.map_err(failed)?,
        };
        let found = file.metadata().map_err(failed)?;
        if !found.is_file() {
            return Err(unfit(path, "it is no file"));
        }
        match found.nlink() {
            // Its last holder removed it between our opening and our looking.
            0 => continue,
            1 => return Ok(file),
            _ => return Err(unfit(path, "the file has other names too")),
        }
    }
}

fn is_link(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink())
}

fn unfit(path: &Path, why: &str) -> Error {
    Error::Unfit {
        target: path.display().to_string(),
        why: format!("it stands where the deployment's lock file goes: {why}"),
        remedy: format!(
            "ls -l {}, find out who made it, and move it away",
            path.display()
        ),
    }
}

/// Gives the lock file the database's mode and, where this process is root, its owner; where there
/// is no database yet, the folder's. Who may do neither has the database's account already, or
/// leaves the file as it is: the lock holds all the same.
fn hand_over(file: &File, database: &Path) {
    let model = std::fs::metadata(database)
        .or_else(|_| std::fs::metadata(database.parent().unwrap_or(Path::new("."))));
    if let Ok(model) = model {
        let _ = fchmod(file, mode(&model));
        if rustix::process::geteuid().is_root() {
            let owner = (Uid::from_raw(model.uid()), Gid::from_raw(model.gid()));
            let _ = fchown(file, Some(owner.0), Some(owner.1));
        }
    }
}

/// Reading and writing, for whom the model allows it.
fn mode(model: &Metadata) -> Mode {
    Mode::from_raw_mode(model.mode() & 0o666)
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
/// target share one lock; or in the folder that the file names. There databases of one name wait for
/// each other: the path that leads to a volume differs from one container to the next.
fn lock_path(database: &Path, folder: Option<&Path>) -> PathBuf {
    let canonical = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
    let beside = match (folder, canonical.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => canonical,
    };
    let mut name = beside.into_os_string();
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
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::atomic::{AtomicU32, Ordering};

    use settings::file::SqliteSettings;

    use super::*;
    use crate::Stop;

    #[test]
    fn one_at_a_time_although_each_removes_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("app.db");
        let options = options();
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

    fn options() -> Options {
        Options {
            tool: "test",
            run_id: "test".into(),
            actor: "test".into(),
            ledger: records::LedgerName::default(),
            schema: None,
            lock_timeout: Duration::ZERO,
            patience: Duration::ZERO,
            sqlite: SqliteSettings::default(),
            stop: Stop::default(),
            terms: None,
        }
    }

    fn taken(database: &Path) -> Result<FileLock, Error> {
        FileLock::take(database, &options(), Duration::ZERO, &mut |_| {})
    }

    #[test]
    fn the_file_has_the_database_s_mode_and_owner_also_one_that_a_killed_run_left() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("app.db");
        std::fs::write(&database, "").unwrap();
        let is_root = rustix::process::geteuid().is_root();
        for mode in [0o600, 0o640, 0o664, 0o666, 0o775] {
            std::fs::set_permissions(&database, Permissions::from_mode(mode)).unwrap();
            if is_root {
                std::os::unix::fs::chown(&database, Some(mode), Some(mode + 1)).unwrap();
            }
            let model = std::fs::metadata(&database).unwrap();
            for left in [false, true] {
                let path = lock_path(&database, None);
                if left {
                    std::fs::write(&path, "killed").unwrap();
                    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
                }
                let lock = taken(&database).unwrap();
                let found = std::fs::metadata(&path).unwrap();
                assert_eq!(found.mode() & 0o7777, mode & 0o666, "{mode:o} {left}");
                assert_eq!(
                    (found.uid(), found.gid()),
                    (model.uid(), model.gid()),
                    "{mode:o} {left}"
                );
                drop(lock);
            }
        }
        // Before there is a database, the folder says who may.
        std::fs::remove_file(&database).unwrap();
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o770)).unwrap();
        let _lock = taken(&database).unwrap();
        let found = std::fs::metadata(lock_path(&database, None)).unwrap();
        assert_eq!(found.mode() & 0o7777, 0o660);
    }

    #[test]
    fn what_stands_in_its_place_is_neither_followed_nor_touched() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("app.db");
        std::fs::write(&database, "").unwrap();
        std::fs::set_permissions(&database, Permissions::from_mode(0o666)).unwrap();
        let (path, other) = (lock_path(&database, None), dir.path().join("other"));
        let unharmed = |why: &str| {
            let error = taken(&database).unwrap_err();
            assert!(matches!(error, Error::Unfit { .. }), "{why}: {error}");
            assert!(std::fs::symlink_metadata(&path).is_ok(), "{why}");
            std::fs::remove_file(&path).unwrap();
        };
        std::fs::write(&other, "secret").unwrap();
        std::fs::set_permissions(&other, Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        unharmed("a link");
        std::os::unix::fs::symlink(dir.path().join("gone"), &path).unwrap();
        unharmed("a link to nothing");
        assert!(!dir.path().join("gone").exists());
        std::fs::hard_link(&other, &path).unwrap();
        unharmed("another name");
        let made = rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        );
        made.unwrap();
        unharmed("a pipe");
        assert_eq!(std::fs::read(&other).unwrap(), b"secret");
        assert_eq!(std::fs::metadata(&other).unwrap().mode() & 0o777, 0o600);
        drop(taken(&database).unwrap());
    }

    #[test]
    fn a_folder_of_its_own_holds_one_lock_for_all_paths_to_the_database() {
        let dir = tempfile::tempdir().unwrap();
        let (locks, data) = (dir.path().join("locks"), dir.path().join("data"));
        std::fs::create_dir(&data).unwrap();
        let database = data.join("app.db");
        std::fs::write(&database, "").unwrap();
        let link = data.join("link.db");
        std::os::unix::fs::symlink(&database, &link).unwrap();
        let options = Options {
            sqlite: SqliteSettings {
                lock_dir: Some(locks.clone()),
                ..SqliteSettings::default()
            },
            ..options()
        };
        let take = |path: &Path| FileLock::take(path, &options, Duration::ZERO, &mut |_| {});
        assert!(matches!(take(&database), Err(Error::File { .. })));
        std::fs::create_dir(&locks).unwrap();
        let held = take(&database).unwrap();
        assert!(locks.join("app.db.lockstep-lock").exists());
        assert!(!lock_path(&database, None).exists());
        for path in [&database, &link] {
            assert!(matches!(take(path), Err(Error::Locked { .. })));
        }
        drop(held);
        assert_eq!(std::fs::read_dir(&locks).unwrap().count(), 0);
    }
}
