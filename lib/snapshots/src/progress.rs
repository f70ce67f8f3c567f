//! How far a long act has come.

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The database file is copied; in bytes.
    Copy,
    /// The copy is checked, its rows are digested; in tables.
    Digest,
    /// The dump is read, digested and compressed; in bytes.
    Dump,
    /// The artefact is compressed and read back; in bytes.
    Compress,
    /// A snapshot is read; in bytes.
    Verify,
}

/// Receives what is done and, where it is known, how much there is. It is called on the caller's own
/// thread, some times for each megabyte; the work waits for it.
pub type Progress<'a> = &'a dyn Fn(Phase, u64, Option<u64>);
