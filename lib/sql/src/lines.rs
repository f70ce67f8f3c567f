/// Where the lines of a text begin, so that a byte offset becomes a line number without counting
/// from the start each time.
pub(crate) struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    pub(crate) fn of(text: &str) -> Lines {
        let after_breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Lines {
            starts: std::iter::once(0)
                .chain(after_breaks.map(|(at, _)| at + 1))
                .collect(),
        }
    }

    /// The 1-based line that holds the byte at `offset`.
    pub(crate) fn at(&self, offset: usize) -> u32 {
        let line = self.starts.partition_point(|start| *start <= offset);
        u32::try_from(line).unwrap_or(u32::MAX)
    }
}
