//! An ELF file's header, as far as it tells whether this machine could run the file. As elf(5).

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::OnceLock;

/// What such a file begins with.
pub(crate) const MAGIC: &[u8] = b"\x7fELF";

/// The machines that have a name here; others have their number.
const MACHINES: [(u16, &str); 9] = [
    (3, "i386"),
    (8, "mips"),
    (21, "ppc64"),
    (22, "s390x"),
    (40, "arm"),
    (62, "x86_64"),
    (183, "aarch64"),
    (243, "riscv"),
    (258, "loongarch"),
];

/// Machines whose kernel may run the programs of an older one: it can't be seen from here.
const COMPATIBLE: [(u16, u16); 3] = [(62, 3), (183, 40), (21, 20)];

/// A program header's types.
const LOAD: u64 = 1;
const INTERPRETER: u64 = 3;
/// No loader has a longer path (PATH_MAX).
const LOADER_BYTES_MAX: u64 = 4096;

/// What it is for, and where its program headers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    wide: bool,
    big_endian: bool,
    machine: u16,
    kind: u16,
    headers_at: u64,
    header_bytes: usize,
    headers: usize,
}

impl Header {
    fn read(head: &[u8]) -> Option<Header> {
        let wide = match head.get(4)? {
            1 => false,
            2 => true,
            _ => return None,
        };
        let big_endian = match head.get(5)? {
            1 => false,
            2 => true,
            _ => return None,
        };
        let at = |narrow: usize, far: usize| if wide { far } else { narrow };
        let short = |offset| number(head, offset, 2, big_endian);
        let (header_bytes, headers) = (short(at(42, 54))?, short(at(44, 56))?);
        Some(Header {
            wide,
            big_endian,
            machine: u16::try_from(short(18)?).ok()?,
            kind: u16::try_from(short(16)?).ok()?,
            headers_at: number(head, at(28, 32), at(4, 8), big_endian)?,
            header_bytes: usize::try_from(header_bytes).ok()?,
            headers: usize::try_from(headers).ok()?,
        })
    }

    fn machine_name(self) -> String {
        let known = MACHINES.iter().find(|(number, _)| *number == self.machine);
        known.map_or_else(
            || format!("machine {}", self.machine),
            |(_, name)| (*name).to_owned(),
        )
    }
}

fn number(bytes: &[u8], at: usize, width: usize, big_endian: bool) -> Option<u64> {
    let bytes = bytes.get(at..at + width)?;
    let add = |sum: u64, byte: &u8| (sum << 8) | u64::from(*byte);
    Some(match big_endian {
        true => bytes.iter().fold(0, add),
        false => bytes.iter().rev().fold(0, add),
    })
}

/// This program's own, which is the machine's.
fn own() -> Option<Header> {
    static OWN: OnceLock<Option<Header>> = OnceLock::new();
    *OWN.get_or_init(|| {
        let mut head = [0; 64];
        let file = File::open("/proc/self/exe").ok()?;
        file.read_exact_at(&mut head, 0).ok()?;
        Header::read(&head)
    })
}

/// Why the file can't be run, if that can be seen. `head` is its beginning, `length` its length in
/// bytes.
pub(crate) fn look(head: &[u8], file: &File, length: u64) -> Option<String> {
    let Some(header) = Header::read(head) else {
        return Some("its ELF header is damaged or cut".to_owned());
    };
    let own = own()?;
    let machines = (own.machine, header.machine);
    let other = own.machine != header.machine && !COMPATIBLE.contains(&machines);
    if other || own.big_endian != header.big_endian {
        return Some(format!(
            "it is a program for {}, and this machine is {}",
            header.machine_name(),
            own.machine_name()
        ));
    }
    if !matches!(header.kind, 2 | 3) {
        return Some("it is an object file or a memory image, and no program".to_owned());
    }
    look_at_parts(header, file, length)
}

fn look_at_parts(header: Header, file: &File, length: u64) -> Option<String> {
    let cut = || Some("it is cut short".to_owned());
    let mut parts = vec![0; header.header_bytes.checked_mul(header.headers)?];
    if parts.is_empty() || file.read_exact_at(&mut parts, header.headers_at).is_err() {
        return cut();
    }
    for part in parts.chunks_exact(header.header_bytes) {
        let at = |narrow: usize, far: usize| {
            let (at, width) = if header.wide { (far, 8) } else { (narrow, 4) };
            number(part, at, width, header.big_endian)
        };
        let kind = number(part, 0, 4, header.big_endian)?;
        let (offset, bytes) = (at(4, 8)?, at(16, 32)?);
        if kind == LOAD && offset.checked_add(bytes).is_none_or(|end| end > length) {
            return cut();
        }
        if kind == INTERPRETER && bytes <= LOADER_BYTES_MAX {
            let mut loader = vec![0; usize::try_from(bytes).ok()?];
            if file.read_exact_at(&mut loader, offset).is_err() {
                return cut();
            }
            let loader = String::from_utf8_lossy(&loader);
            let loader = loader.trim_end_matches('\0');
            if !Path::new(loader).exists() {
                return Some(format!(
                    "its loader {loader} is missing: it was built for another system"
                ));
            }
        }
    }
    None
}
