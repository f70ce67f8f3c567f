//! Lines of COPY text become rows of a digest.

use std::io::BufRead as _;

use crate::fp1::Accumulator;

/// What ends the rows in a dump. A row can't be it: a backslash in a value is doubled.
const END: &[u8] = b"\\.";

/// Cuts a stream of COPY text into lines, which may be cut anywhere when they arrive, and adds each
/// to an accumulator.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Places of the key's columns in a line, in the key's order.
    key: Vec<usize>,
    begun: Vec<u8>,
    key_bytes: Vec<u8>,
    ended: bool,
}

/// A stream that is not lines of COPY text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Something stands behind the end mark.
    AfterEnd,
    /// The stream ends within a line.
    CutLine,
    /// A line has fewer columns than the key asks for.
    Columns,
}

impl Lines {
    /// For a table whose key's columns stand at these places of a line.
    pub(super) fn new(key: Vec<usize>) -> Lines {
        Lines {
            key,
            ..Lines::default()
        }
    }

    /// Whether the end mark came.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    pub(super) fn feed(&mut self, bytes: &[u8], rows: &mut Accumulator) -> Result<(), Wrong> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, after) = cut(rest, b'\n');
            rest = after;
            match piece.strip_suffix(b"\n") {
                None => self.begun.extend_from_slice(piece),
                Some(line) if self.begun.is_empty() => self.line(line, rows)?,
                Some(line) => {
                    let mut whole = std::mem::take(&mut self.begun);
                    whole.extend_from_slice(line);
                    self.line(&whole, rows)?;
                    whole.clear();
                    self.begun = whole;
                }
            }
        }
        Ok(())
    }

    /// To be called at the stream's end.
    pub(super) fn finish(&self) -> Result<(), Wrong> {
        if self.begun.is_empty() {
            Ok(())
        } else {
            Err(Wrong::CutLine)
        }
    }

    fn line(&mut self, line: &[u8], rows: &mut Accumulator) -> Result<(), Wrong> {
        if self.ended {
            return if line.is_empty() {
                Ok(())
            } else {
                Err(Wrong::AfterEnd)
            };
        }
        if line == END {
            self.ended = true;
            return Ok(());
        }
        match self.key[..] {
            [] => rows.add_row(line, None),
            [column] => rows.add_row(line, Some(field(line, column).ok_or(Wrong::Columns)?)),
            _ => {
                self.key_bytes.clear();
                for (index, &column) in self.key.iter().enumerate() {
                    if index > 0 {
                        self.key_bytes.push(b'\t');
                    }
                    let field = field(line, column).ok_or(Wrong::Columns)?;
                    self.key_bytes.extend_from_slice(field);
                }
                rows.add_row(line, Some(&self.key_bytes));
            }
        }
        Ok(())
    }
}

/// A column of a line. A tab within a value is escaped, so tabs only separate.
fn field(line: &[u8], column: usize) -> Option<&[u8]> {
    let mut rest = line;
    for _ in 0..column {
        let (before, after) = cut(rest, b'\t');
        before.strip_suffix(b"\t")?;
        rest = after;
    }
    let (field, _) = cut(rest, b'\t');
    Some(field.strip_suffix(b"\t").unwrap_or(field))
}

/// Up to and with the first `mark`, and the rest; everything when there is none.
fn cut(bytes: &[u8], mark: u8) -> (&[u8], &[u8]) {
    let mut rest = bytes;
    // The standard library's own search, many bytes at a time; memory can't fail to be read.
    let count = rest.skip_until(mark).unwrap_or(bytes.len());
    bytes.split_at(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fp1::Digest;

    fn digest(key: &[usize], pieces: &[&[u8]]) -> Result<(Digest, bool), Wrong> {
        let mut rows = Accumulator::new();
        let mut lines = Lines::new(key.to_vec());
        for piece in pieces {
            lines.feed(piece, &mut rows)?;
        }
        lines.finish()?;
        Ok((rows.finish(), lines.ended()))
    }

    #[test]
    fn cuts_anywhere_make_no_difference() {
        let text = b"1\ta\\\\.\n2\t\\N\n\n3\tc\n\\.\n\n\n";
        let whole = digest(&[0], &[text]).unwrap();
        assert_eq!((whole.0.rows, whole.1), (4, true));
        for at in 0..text.len() {
            let (left, right) = text.split_at(at);
            assert_eq!(digest(&[0], &[left, right]).unwrap(), whole);
        }
    }

    #[test]
    fn a_stream_that_is_cut_or_goes_on_is_wrong() {
        assert_eq!(digest(&[], &[b"1\n2"]), Err(Wrong::CutLine));
        assert_eq!(digest(&[], &[b"1\n\\.\n2\n"]), Err(Wrong::AfterEnd));
        assert_eq!(digest(&[1], &[b"1\n"]), Err(Wrong::Columns));
        assert!(!digest(&[], &[b"1\n"]).unwrap().1);
    }

    #[test]
    fn fields_are_found_at_the_begin_the_middle_and_the_end() {
        let line = b"a\t\tc";
        let fields: Vec<_> = (0..4).map(|column| field(line, column)).collect();
        assert_eq!(fields, [Some(&b"a"[..]), Some(b""), Some(b"c"), None]);
        assert_eq!(field(b"", 0), Some(&b""[..]));
    }
}
