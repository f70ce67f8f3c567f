//! How a SQLite file stands in the file system: SQLite keeps its journals beside the name that it was
//! opened by, so a file with another name somewhere else has journals that not everybody sees.

use std::ffi::OsString;
use std::fmt;
use std::fs::Metadata;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Another name of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OtherName {
    /// So many hard links.
    Links(u64),
    /// The file alone is mounted here, as a container has it that was given a file and no folder.
    Mounted(PathBuf),
}

impl fmt::Display for OtherName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OtherName::Links(names) => write!(
                f,
                "the file has {names} names (hard links), and only one of them has its journal beside it"
            ),
            OtherName::Mounted(at) => write!(
                f,
                "the file alone is mounted at {}, and its journal lies beside another name, outside of \
                 the mount",
                at.display()
            ),
        }
    }
}

impl OtherName {
    /// The other name of the file at `path`, whose metadata is `file`; `None` where it has one
    /// alone, as far as this system tells.
    pub fn of(path: &Path, file: &Metadata) -> Option<OtherName> {
        if file.nlink() > 1 {
            return Some(OtherName::Links(file.nlink()));
        }
        let path = path.canonicalize().ok()?;
        // Only Linux has it; elsewhere a file can't be mounted alone.
        let mounts = std::fs::read("/proc/self/mountinfo").ok()?;
        let is_file = |at: &Path| {
            at.metadata()
                .is_ok_and(|found| found.ino() == file.ino() && found.dev() == file.dev())
        };
        mounted_alone(&mounts, &path, is_file).map(OtherName::Mounted)
    }

    /// A deed that leaves the file one name.
    pub fn remedy(&self) -> &'static str {
        match self {
            OtherName::Links(_) => {
                "leave the file one name, the one that the application opens: delete the other links \
                 (find -samefile lists them), or make them copies"
            }
            OtherName::Mounted(_) => {
                "mount the folder that holds the database, for the application too, so that its -wal and \
                 -journal lie on the same volume"
            }
        }
    }
}

/// The place where the file at `path` is mounted alone, by the lines of `/proc/self/mountinfo`
/// (proc_pid_mountinfo(5)): at its own name, or at another one, where `is_file` has to tell that it
/// is the same file.
fn mounted_alone(mounts: &[u8], path: &Path, is_file: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let name = |root: &Path| root.file_name().map(OsString::from);
    mounts
        .split(|byte| *byte == b'\n')
        .filter_map(Mount::read)
        .find(|mount| {
            mount.at == path
                // What is mounted whole is no single file. A file keeps its name where it is mounted
                // from, so that no other place, perhaps on a server that does not answer, is asked.
                || mount.root != Path::new("/") && name(&mount.root) == name(path) && is_file(&mount.at)
        })
        .map(|mount| mount.at)
}

struct Mount {
    /// What of its file system is mounted.
    root: PathBuf,
    at: PathBuf,
}

impl Mount {
    fn read(line: &[u8]) -> Option<Mount> {
        let mut fields = line.split(|byte| *byte == b' ').skip(3);
        Some(Mount {
            root: unescaped(fields.next()?),
            at: unescaped(fields.next()?),
        })
    }
}

/// A field in which space, tab, line end and backslash are written as `\040` and the like.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, more @ ..] = rest {
        let octal = more
            .get(..3)
            .filter(|_| *first == b'\\')
            .and_then(|digits| {
                let digits = std::str::from_utf8(digits).ok()?;
                u8::from_str_radix(digits, 8).ok()
            });
        match octal {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[3..];
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 254:0 /srv/data /data rw,relatime shared:1 - ext4 /dev/vda rw
41 27 254:0 /srv/app.db /app/app.db rw,relatime - ext4 /dev/vda rw
42 27 254:0 /srv/a\\040b\\134c.db /app/a\\040b\\134c.db rw,relatime - ext4 /dev/vda rw
43 27 0:50 /share/app.db /gone/app.db rw - nfs4 server:/ rw
";

    fn check(path: &str, same: &[&str], at: Option<&str>) {
        let is_file = |at: &Path| same.iter().any(|same| at == Path::new(same));
        let found = mounted_alone(MOUNTS.as_bytes(), Path::new(path), is_file);
        assert_eq!(found.as_deref(), at.map(Path::new), "{path}");
    }

    #[test]
    fn a_file_that_is_a_mount_point_is_told_from_one_below_it() {
        check("/app/app.db", &[], Some("/app/app.db"));
        check("/app/a b\\c.db", &[], Some("/app/a b\\c.db"));
        check("/data/app.db", &[], None);
        check("/srv/other.db", &["/app/app.db"], None);
    }

    #[test]
    fn the_name_that_it_is_mounted_from_is_told_too() {
        check("/srv/app.db", &["/app/app.db"], Some("/app/app.db"));
        check("/srv/app.db", &[], None);
    }

    #[test]
    fn what_is_no_line_of_a_mount_is_passed_over() {
        let found = mounted_alone(b"\n1 2 3\n\xff\n", Path::new("/a"), |_| true);
        assert_eq!(found, None);
    }
}
