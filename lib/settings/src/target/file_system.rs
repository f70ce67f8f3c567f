//! File systems on which SQLite can't rely on locks.
//!
//! What is written by two machines, or by a guest and its host, has locks that one of them may not
//! see, and a write-ahead log needs memory that both share: sqlite.org/howtocorrupt.html, 2.1, and
//! sqlite.org/useovernet.html. The kernel tells a file system by a number (statfs(2), `f_type`).

use std::path::Path;

/// The numbers, and what people call the file system. From `linux/magic.h` where it has them, else
/// from the source of the file system that is named; statfs(2) lists most.
const SHARED: [(u32, &str); 25] = [
    (0x0000_6969, "NFS"),
    (0x0000_517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB (2 or newer)"),
    (0x0000_564c, "NCP"),
    (
        0x0102_1997,
        "9p, the share of a virtual machine, of WSL or of a sandbox",
    ),
    // Also virtiofs, sshfs, s3fs, GlusterFS, mergerfs, and the shares of Docker Desktop.
    (0x6573_5546, "FUSE (virtiofs, sshfs, s3fs and the like)"),
    (0x786f_4256, "vboxsf, a shared folder of VirtualBox"),
    (0xbacb_acbc, "vmhgfs, a shared folder of VMware"),
    (0x7c7c_6673, "prl_fs, a shared folder of Parallels"),
    // WSL 1: a folder of Windows (`WSLFS` of coreutils' stat.c).
    (0x5346_4846, "a folder of Windows"),
    // OpenAFS, and the kernel's own.
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0xaad7_aaea, "PanFS"),
    (0x2003_0528, "OrangeFS"),
    (0x0131_11a8, "IBRIX"),
    (0xbeef_dead, "StorNext"),
    (0x6163_6673, "ACFS"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
];

/// What a file system of this number is called, if another machine may write it too.
fn shared(number: u32) -> Option<&'static str> {
    let found = SHARED.iter().find(|(known, _)| *known == number);
    found.map(|(_, name)| *name)
}

/// The shared file system that `path` lies on, or would lie on; `None` also where that can't be told.
#[cfg(target_os = "linux")]
pub(super) fn shared_below(path: &Path) -> Option<&'static str> {
    // The type's width and sign differ between platforms; the numbers have 32 bits.
    let stat = path
        .ancestors()
        .find_map(|path| rustix::fs::statfs(path).ok())?;
    shared((stat.f_type as u64 & 0xffff_ffff) as u32)
}

/// Only Linux has these numbers.
#[cfg(not(target_os = "linux"))]
pub(super) fn shared_below(_: &Path) -> Option<&'static str> {
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_other_machines_write_is_told_from_a_disk_by_its_number() {
        for (number, name) in [
            (0x6969, "NFS"),
            (0x517b, "SMB"),
            (0xff53_4d42, "CIFS"),
            (0xfe53_4d42, "SMB"),
            (0x0102_1997, "9p"),
            (0x6573_5546, "FUSE"),
            (0x6573_5546, "virtiofs"),
            (0x786f_4256, "VirtualBox"),
            (0xbacb_acbc, "VMware"),
            (0x7c7c_6673, "Parallels"),
            (0x5346_414f, "AFS"),
            (0x6b41_4653, "AFS"),
            (0x7375_7245, "Coda"),
            (0x00c3_6400, "Ceph"),
            (0x0bd0_0bd0, "Lustre"),
        ] {
            let found = shared(number).unwrap_or_else(|| panic!("{name}"));
            assert!(found.contains(name), "{found}");
        }
        for (number, name) in [
            (0xef53, "ext4"),
            (0x5846_5342, "xfs"),
            (0x9123_683e, "btrfs"),
            (0x2fc1_2fc1, "zfs"),
            (0xf2f5_2010, "f2fs"),
            (0x0102_1994, "tmpfs"),
            (0x8584_58f6, "ramfs"),
            (0x794c_7630, "overlayfs"),
            (0x4d44, "vfat"),
            (0x2011_bab0, "exfat"),
            (0x0000_f15f, "ecryptfs"),
            (0xca45_1a4e, "bcachefs"),
            (0, "nothing"),
        ] {
            assert_eq!(shared(number), None, "{name}");
        }
        let numbers: BTreeSet<u32> = SHARED.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers.len(), SHARED.len());
    }

    #[test]
    fn a_file_that_is_not_there_lies_where_its_folder_lies() {
        let missing = Path::new("/proc/no/such/file");
        assert!(rustix::fs::statfs(missing).is_err());
        assert_eq!(shared_below(missing), None);
        assert_eq!(shared_below(Path::new("")), None);
    }
}
