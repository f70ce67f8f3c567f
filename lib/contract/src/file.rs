//! Files that a person names, opened and read within bounds.

use std::fs::File;
use std::io::{Error, ErrorKind, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

/// Opens a file for reading.
///
/// # Errors
///
/// Those of the system, and a named pipe: it would be waited for until somebody writes to it.
pub fn open(path: &Path) -> std::io::Result<File> {
    refuse_pipe(path)?;
    File::open(path)
}

/// The bytes of a file, one more than `bytes_max` at most, by which the caller sees that there are
/// more.
///
/// # Errors
///
/// Those of [`open`], and of reading.
pub fn read_limited(path: &Path, bytes_max: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?
        .take(bytes_max.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// # Errors
///
/// For a named pipe. Not for one that a shell has opened, as `<(command)` or `/dev/stderr`: its name
/// leads to no file, and it has somebody at its other end.
pub(crate) fn refuse_pipe(path: &Path) -> std::io::Result<()> {
    let is_pipe = std::fs::metadata(path).is_ok_and(|meta| meta.file_type().is_fifo());
    if is_pipe && path.canonicalize().is_ok() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is a named pipe"));
    }
    Ok(())
}
