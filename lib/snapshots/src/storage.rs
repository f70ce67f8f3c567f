//! Does a folder outlive the machine, and is there room in it?

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Where a folder lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The folder, free of links, as far as it exists.
    pub folder: PathBuf,
    /// Its file system.
    pub file_system: FileSystem,
    /// The device that it is on, as stat(2) numbers it.
    pub device: u64,
    /// Whether it is on the device of `/`.
    pub on_root_device: bool,
    /// Whether this process runs in a container.
    pub in_container: bool,
}

/// The file systems that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystem {
    /// Memory: `tmpfs`, `ramfs`.
    Memory,
    /// The writable layer of a container's image.
    Overlay,
    /// Any other.
    Other,
}

/// Why a folder does not outlive the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ephemeral {
    /// As a clause: "it is in memory (tmpfs)".
    pub reason: String,
}

/// Folders that the system empties, or keeps in memory.
const EMPTIED: [&str; 5] = ["/tmp", "/var/tmp", "/dev/shm", "/run", "/private/tmp"];

/// Variables by which a platform shows that its processes run on a disk that is thrown away, and
/// the platform's name. A volume of theirs is a device of its own.
const PLATFORMS: [(&str, &str); 5] = [
    ("RAILWAY_ENVIRONMENT_ID", "Railway"),
    ("FLY_APP_NAME", "Fly.io"),
    ("RENDER", "Render"),
    ("CI_DISPOSABLE_ENVIRONMENT", "the CI runner"),
    ("KUBERNETES_SERVICE_HOST", "Kubernetes"),
];

/// Whether what is stored in `place` is still there when the machine is not. `variable` looks up
/// the environment.
///
/// What can't be told counts as lasting: a mounted volume that is thrown away nevertheless (an
/// `emptyDir`), a disk that nobody will ever attach again.
///
/// # Errors
///
/// [`Ephemeral`], with the reason.
pub fn outlives(place: &Place, variable: impl Fn(&str) -> Option<String>) -> Result<(), Ephemeral> {
    let ephemeral = |reason: &str| {
        Err(Ephemeral {
            reason: reason.to_owned(),
        })
    };
    let is = |name: &str, value: &str| variable(name).as_deref() == Some(value);
    if place.file_system == FileSystem::Memory {
        return ephemeral("it is in memory (tmpfs or ramfs)");
    }
    let temporary = variable("TMPDIR").filter(|folder| folder.len() > 1);
    let emptied = EMPTIED.into_iter().chain(temporary.as_deref());
    for folder in emptied.filter(|folder| folder.starts_with('/')) {
        if place.folder.starts_with(folder) {
            return ephemeral(&format!("it is below {folder}, which is emptied"));
        }
    }
    if is("GITHUB_ACTIONS", "true") && is("RUNNER_ENVIRONMENT", "github-hosted") {
        return ephemeral("it is on the disk of a runner that GitHub throws away after the job");
    }
    if is("CI_SHARED_ENVIRONMENT", "true") {
        return ephemeral("it is on the disk of a shared GitLab runner");
    }
    if variable("DYNO").is_some() {
        return ephemeral("it is on a dyno's disk, which Heroku throws away at every restart");
    }
    let volume = variable("RAILWAY_VOLUME_MOUNT_PATH").filter(|volume| !volume.is_empty());
    if volume.is_some_and(|volume| place.folder.starts_with(volume)) {
        return Ok(());
    }
    if place.on_root_device || place.file_system == FileSystem::Overlay {
        for (name, platform) in PLATFORMS {
            if variable(name).is_some_and(|value| !value.is_empty()) {
                return ephemeral(&format!(
                    "it is on a disk that {platform} throws away, no volume"
                ));
            }
        }
        if place.in_container {
            return ephemeral("it is on the root device of a container, no volume");
        }
    }
    Ok(())
}

/// Looks where `folder` lies, or would lie once it is made.
///
/// # Errors
///
/// [`Error::Read`].
pub fn look(folder: &Path) -> Result<Place, Error> {
    let (existing, missing) = existing(folder)?;
    let device = |path: &Path| {
        fs::metadata(path)
            .map(|meta| meta.dev())
            .map_err(Error::read(path))
    };
    let on = device(&existing)?;
    Ok(Place {
        file_system: file_system(&existing)?,
        on_root_device: on == device(Path::new("/"))?,
        device: on,
        in_container: in_container(),
        folder: existing.join(missing),
    })
}

/// The part of the path that exists, free of links, and the rest.
fn existing(folder: &Path) -> Result<(PathBuf, PathBuf), Error> {
    let absolute = std::path::absolute(folder).map_err(Error::read(folder))?;
    for ancestor in absolute.ancestors() {
        match fs::canonicalize(ancestor) {
            Ok(found) => {
                let rest = absolute.strip_prefix(ancestor).unwrap_or(Path::new(""));
                return Ok((found, rest.to_owned()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::read(ancestor)(error)),
        }
    }
    Ok((PathBuf::from("/"), PathBuf::new()))
}

#[cfg(target_os = "linux")]
fn file_system(folder: &Path) -> Result<FileSystem, Error> {
    // The numbers of statfs(2); the type's width differs between platforms.
    const TMPFS: u64 = 0x0102_1994;
    const RAMFS: u64 = 0x8584_58f6;
    const OVERLAYFS: u64 = 0x794c_7630;
    let stat = rustix::fs::statfs(folder).map_err(|error| Error::read(folder)(error.into()))?;
    Ok(match stat.f_type as u64 & 0xffff_ffff {
        TMPFS | RAMFS => FileSystem::Memory,
        OVERLAYFS => FileSystem::Overlay,
        _ => FileSystem::Other,
    })
}

#[cfg(not(target_os = "linux"))]
fn file_system(_: &Path) -> Result<FileSystem, Error> {
    Ok(FileSystem::Other)
}

fn in_container() -> bool {
    // Docker's mark, Podman's, and what systemd, LXC and Podman set.
    Path::new("/.dockerenv").exists()
        || Path::new("/run/.containerenv").exists()
        || std::env::var_os("container").is_some()
}

/// Bytes that an unprivileged process may still write to the file system of `folder`.
///
/// # Errors
///
/// [`Error::FreeSpace`].
pub fn free_bytes(folder: &Path) -> Result<u64, Error> {
    let stat = rustix::fs::statvfs(folder).map_err(|error| Error::FreeSpace {
        path: folder.to_owned(),
        source: error.into(),
    })?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Refuses to begin what can't end.
///
/// # Errors
///
/// [`Error::NoSpace`], which says how much is missing; [`Error::FreeSpace`].
pub fn require_free(folder: &Path, needed_bytes: u64) -> Result<(), Error> {
    let free_bytes = free_bytes(folder)?;
    if free_bytes < needed_bytes {
        return Err(Error::NoSpace {
            path: folder.to_owned(),
            needed_bytes,
            free_bytes,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(folder: &str) -> Place {
        Place {
            folder: PathBuf::from(folder),
            file_system: FileSystem::Other,
            device: 1,
            on_root_device: true,
            in_container: false,
        }
    }

    #[track_caller]
    fn check(place: Place, variables: &[(&str, &str)], refused: Option<&str>) {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let reason = outlives(&place, variable)
            .err()
            .map(|ephemeral| ephemeral.reason);
        match (&reason, refused) {
            (Some(reason), Some(part)) => assert!(reason.contains(part), "{reason}"),
            (None, None) => {}
            _ => panic!("{reason:?} instead of {refused:?}"),
        }
    }

    #[test]
    fn a_plain_server_s_disk_lasts() {
        check(place("/var/backups/app"), &[], None);
        check(place("/tmpfiles/app"), &[("TMPDIR", "/")], None);
        check(
            place("/var/backups/app"),
            &[("GITHUB_ACTIONS", "true")],
            None,
        );
    }

    #[test]
    fn memory_and_folders_that_are_emptied_do_not() {
        let memory = Place {
            file_system: FileSystem::Memory,
            ..place("/mnt/x")
        };
        check(memory, &[], Some("in memory"));
        for folder in [
            "/tmp",
            "/tmp/backups",
            "/var/tmp/x",
            "/dev/shm/x",
            "/run/user/1000/x",
        ] {
            check(place(folder), &[], Some("emptied"));
        }
        check(
            place("/scratch/x"),
            &[("TMPDIR", "/scratch")],
            Some("/scratch"),
        );
    }

    #[test]
    fn a_hosted_runner_s_disk_does_not_wherever_it_is_mounted() {
        let mounted = || Place {
            on_root_device: false,
            ..place("/mnt/backups")
        };
        let github = [
            ("GITHUB_ACTIONS", "true"),
            ("RUNNER_ENVIRONMENT", "github-hosted"),
        ];
        check(mounted(), &github, Some("GitHub"));
        let own = [
            ("GITHUB_ACTIONS", "true"),
            ("RUNNER_ENVIRONMENT", "self-hosted"),
        ];
        check(mounted(), &own, None);
        check(
            mounted(),
            &[("CI_SHARED_ENVIRONMENT", "true")],
            Some("GitLab"),
        );
        check(mounted(), &[("DYNO", "web.1")], Some("Heroku"));
    }

    #[test]
    fn in_a_container_and_on_a_platform_only_a_volume_lasts() {
        let volume = || Place {
            on_root_device: false,
            in_container: true,
            ..place("/data/backups")
        };
        let root = || Place {
            in_container: true,
            ..place("/data/backups")
        };
        let overlay = || Place {
            file_system: FileSystem::Overlay,
            ..volume()
        };
        check(volume(), &[], None);
        check(root(), &[], Some("container"));
        check(overlay(), &[], Some("container"));
        for (variable, platform) in PLATFORMS {
            check(place("/data"), &[(variable, "x")], Some(platform));
            check(volume(), &[(variable, "x")], None);
            check(place("/data"), &[(variable, "")], None);
        }
        let railway = [
            ("RAILWAY_ENVIRONMENT_ID", "x"),
            ("RAILWAY_VOLUME_MOUNT_PATH", "/data"),
        ];
        check(place("/data/backups"), &railway, None);
        check(place("/database"), &railway, Some("Railway"));
    }

    #[test]
    fn a_folder_that_is_not_there_yet_lies_where_its_parent_lies() {
        let dir = tempfile::tempdir().unwrap();
        let real = fs::canonicalize(dir.path()).unwrap();
        std::os::unix::fs::symlink(&real, real.join("link")).unwrap();
        let place = look(&real.join("link/a/b")).unwrap();
        assert_eq!(place.folder, real.join("a/b"));
        let memory = look(Path::new("/dev/shm/not/there")).unwrap();
        assert_eq!(memory.file_system, FileSystem::Memory);
    }
}
