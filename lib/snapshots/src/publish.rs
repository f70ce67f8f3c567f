//! A snapshot's folder: made under a temporary name, renamed when it is whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use crate::error::Error;

const PREFIX: &str = ".";
const SUFFIX: &str = ".partial";

/// A snapshot that is being written: a folder `.<name>.partial`, readable by its owner alone.
///
/// The folder itself is locked (`flock`), so that others can tell a run that works from one that
/// died. Dropping it removes the folder; a killed process leaves it to [`sweep`].
#[derive(Debug)]
pub struct Partial {
    parent: PathBuf,
    name: String,
    path: PathBuf,
    _lock: File,
    published: bool,
}

impl Partial {
    /// Makes the folder in `parent`, and `parent` if need be.
    ///
    /// # Errors
    ///
    /// [`Error::Create`], [`Error::Sync`].
    pub fn create(parent: &Path, name: &str) -> Result<Partial, Error> {
        let private = |path: &Path, parents: bool| {
            DirBuilder::new()
                .mode(0o700)
                .recursive(parents)
                .create(path)
                .map_err(Error::create(path))
        };
        let absolute = std::path::absolute(parent).map_err(Error::create(parent))?;
        let new = absolute.ancestors().take_while(|path| !path.exists());
        let above: Vec<&Path> = new.filter_map(Path::parent).collect();
        private(parent, true)?;
        // Each new folder is an entry in the one above it, which a power cut must not undo either.
        above.into_iter().try_for_each(sync_folder)?;
        let path = parent.join(format!("{PREFIX}{name}{SUFFIX}"));
        private(&path, false)?;
        let lock = File::open(&path).map_err(Error::create(&path))?;
        // A file system without locks (some network mounts) still takes snapshots; there `sweep`
        // can't get a lock either and removes nothing.
        let locked = flock(&lock, FlockOperation::NonBlockingLockExclusive);
        if locked.is_err_and(|error| error == Errno::WOULDBLOCK) || !is_at(&lock, &path) {
            let taken = io::Error::other("another run is removing it");
            return Err(Error::create(&path)(taken));
        }
        Ok(Partial {
            parent: parent.to_owned(),
            name: name.to_owned(),
            path,
            _lock: lock,
            published: false,
        })
    }

    /// The folder under its temporary name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The snapshot's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Syncs every folder in it, renames it to its final name and syncs the parent. The files must
    /// have been synced by whoever wrote them.
    ///
    /// # Errors
    ///
    /// [`Error::Sync`], [`Error::Rename`]. After a failed sync of the parent the folder has its
    /// final name and is whole, but a power cut may still undo the rename.
    pub fn publish(mut self) -> Result<PathBuf, Error> {
        sync_folders(&self.path)?;
        let to = self.parent.join(&self.name);
        fs::rename(&self.path, &to).map_err(|source| Error::Rename {
            path: self.path.clone(),
            to: to.clone(),
            source,
        })?;
        self.published = true;
        sync_folder(&self.parent)?;
        Ok(to)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.published {
            // The error that brought us here is the one to report; `sweep` tries again.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// What a run that did not end well left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The temporary folder.
    pub path: PathBuf,
    /// True when its run is dead and the folder was removed; false when it is being written.
    pub removed: bool,
}

/// Removes the temporary folders of dead runs in `parent` and names those of living ones. A folder
/// counts as dead when its lock can be had. Nothing else in `parent` is touched.
///
/// # Errors
///
/// [`Error::Read`], [`Error::Remove`]. A `parent` that does not exist holds none.
pub fn sweep(parent: &Path) -> Result<Vec<Leftover>, Error> {
    let entries = match fs::read_dir(parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::read(parent))?,
    };
    let mut leftovers = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::read(parent))?;
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let name = entry.file_name();
        if !is_folder || !name.to_str().is_some_and(is_partial_name) {
            continue;
        }
        let path = entry.path();
        // Gone since it was listed: another run swept it, or published it.
        let Ok(lock) = File::open(&path) else {
            continue;
        };
        let free = flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok();
        let removed = free && is_at(&lock, &path);
        if removed {
            fs::remove_dir_all(&path).map_err(|source| Error::Remove {
                path: path.clone(),
                source,
            })?;
        } else if free {
            continue;
        }
        leftovers.push(Leftover { path, removed });
    }
    leftovers.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(leftovers)
}

/// The snapshots in `parent`, by the names of their folders, oldest first. A `parent` that does not
/// exist holds none.
///
/// # Errors
///
/// [`Error::Read`].
pub fn snapshots(parent: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::read(parent))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::read(parent))?;
        let name = entry.file_name().into_string();
        names.extend(name.ok().filter(|name| is_snapshot_name(name)));
    }
    names.sort();
    Ok(names)
}

/// Whether the opened folder still is what stands at `path`.
fn is_at(folder: &File, path: &Path) -> bool {
    let identity = |meta: fs::Metadata| (meta.dev(), meta.ino());
    match (folder.metadata(), fs::metadata(path)) {
        (Ok(opened), Ok(there)) => identity(opened) == identity(there),
        _ => false,
    }
}

fn is_partial_name(name: &str) -> bool {
    let inner = name
        .strip_prefix(PREFIX)
        .and_then(|name| name.strip_suffix(SUFFIX));
    inner.is_some_and(is_snapshot_name)
}

/// Whether a folder's name is one that [`snapshot_name`] gives.
pub fn is_snapshot_name(name: &str) -> bool {
    let Some((time, rest)) = name.split_once('-') else {
        return false;
    };
    let Some((environment, id)) = rest.rsplit_once('-') else {
        return false;
    };
    let time = time.as_bytes();
    time.len() == 16
        && time[8] == b'T'
        && time[15] == b'Z'
        && time[..8].iter().chain(&time[9..15]).all(u8::is_ascii_digit)
        && id.len() == 8
        && id.bytes().all(|byte| byte.is_ascii_hexdigit())
        && !environment.is_empty()
}

/// `<UTC time>-<environment>-<short id>`, of characters that Windows and object stores accept too;
/// sorted as text, snapshots of one environment are sorted by time.
pub fn snapshot_name(at: Timestamp, environment: &str, id: [u8; 4]) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' {
            c
        } else {
            '-'
        }
    };
    let environment: String = environment.chars().map(plain).take(40).collect();
    let environment = environment.trim_matches('-');
    let environment = if environment.is_empty() {
        "unnamed"
    } else {
        environment
    };
    let at = at.strftime("%Y%m%dT%H%M%SZ");
    format!("{at}-{environment}-{:08x}", u32::from_be_bytes(id))
}

/// Random bytes for [`snapshot_name`].
///
/// # Errors
///
/// [`Error::Random`].
pub fn short_id() -> Result<[u8; 4], Error> {
    let mut id = [0; 4];
    getrandom::fill(&mut id).map_err(|source| Error::Random { source })?;
    Ok(id)
}

/// Creates a file that must not exist, readable by its owner alone: a copy of production is
/// production.
pub(crate) fn new_file(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .write(true)
        .read(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(Error::create(path))
}

/// Opens a file of a snapshot to read it: a plain file, as it was written. A pipe in its place would
/// wait for a writer, and what a link leads to is another's.
pub(crate) fn open_plain(path: &Path) -> Result<File, Error> {
    let odd = || Error::Damaged {
        path: path.to_owned(),
        found: "it is not a plain file".to_owned(),
    };
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = match file {
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => return Err(odd()),
        // What a socket answers.
        Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => return Err(odd()),
        file => file.map_err(Error::read(path))?,
    };
    if !file.metadata().map_err(Error::read(path))?.is_file() {
        return Err(odd());
    }
    Ok(file)
}

fn sync_folders(folder: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::read(folder))? {
        let entry = entry.map_err(Error::read(folder))?;
        if entry.file_type().map_err(Error::read(folder))?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    sync_folder(folder)
}

fn sync_folder(folder: &Path) -> Result<(), Error> {
    let handle = File::open(folder).map_err(Error::sync(folder))?;
    handle.sync_all().map_err(Error::sync(folder))
}
