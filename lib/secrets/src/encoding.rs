//! Bytes to text: UTF-8, UTF-16 with its mark or without, and what is neither.

use crate::Unread;

/// So many bytes are enough to tell what a file is.
const HEAD_BYTES: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Utf8,
    Utf16 { big: bool },
    Other(Unread),
}

/// Decodes what comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    form: Option<Form>,
    waiting: Vec<u8>,
}

/// First bytes of what is packed, and its name.
const PACKED: [(&[u8], &str); 10] = [
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"Rar!\x1a\x07", "RAR"),
    (b"\x1f\x9d", "compress"),
];

impl Decoder {
    /// Why not all of it is read as text, as far as that is known.
    pub(crate) fn unread(&self) -> Option<Unread> {
        match self.form {
            Some(Form::Other(why)) => Some(why),
            _ => None,
        }
    }

    pub(crate) fn feed(&mut self, bytes: &[u8], text: &mut String) {
        self.waiting.extend_from_slice(bytes);
        if self.form.is_some() || self.waiting.len() >= HEAD_BYTES {
            self.decode(false, text);
        }
    }

    pub(crate) fn finish(&mut self, text: &mut String) {
        self.decode(true, text);
    }

    fn decode(&mut self, last: bool, text: &mut String) {
        let form = *self.form.get_or_insert_with(|| form_of(&self.waiting));
        // A character that is cut waits for its other half.
        let whole = match form {
            _ if last => self.waiting.len(),
            Form::Utf16 { .. } => self.waiting.len() & !3,
            Form::Utf8 => match std::str::from_utf8(&self.waiting) {
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                _ => self.waiting.len(),
            },
            Form::Other(_) => self.waiting.len(),
        };
        let bytes = &self.waiting[..whole];
        let decoded = match form {
            Form::Utf8 | Form::Other(Unread::Binary) => String::from_utf8_lossy(bytes).into_owned(),
            Form::Utf16 { big } => {
                let units = bytes.chunks(2).map(|pair| match *pair {
                    [a, b] if big => u16::from_be_bytes([a, b]),
                    [a, b] => u16::from_le_bytes([a, b]),
                    _ => u16::from(b'?'),
                });
                char::decode_utf16(units)
                    .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
                    .collect()
            }
            Form::Other(Unread::Packed(_)) => String::new(),
        };
        text.push_str(decoded.trim_start_matches('\u{feff}'));
        self.waiting.drain(..whole);
    }
}

fn form_of(head: &[u8]) -> Form {
    let head = &head[..head.len().min(HEAD_BYTES)];
    if let Some((_, name)) = PACKED.iter().find(|(first, _)| head.starts_with(first)) {
        return Form::Other(Unread::Packed(name));
    }
    match head {
        [0xff, 0xfe, ..] => return Form::Utf16 { big: false },
        [0xfe, 0xff, ..] => return Form::Utf16 { big: true },
        _ => {}
    }
    if !head.contains(&0) {
        return Form::Utf8;
    }
    // Text of Latin letters in UTF-16 has a zero in every other byte.
    let zeros = |odd: usize| {
        let bytes = head.iter().skip(odd).step_by(2);
        let (all, zero) = bytes.fold((0, 0), |(all, zero), byte| {
            (all + 1, zero + usize::from(*byte == 0))
        });
        all > 0 && zero * 10 >= all * 7
    };
    match (zeros(0), zeros(1)) {
        (false, true) => Form::Utf16 { big: false },
        (true, false) => Form::Utf16 { big: true },
        _ => Form::Other(Unread::Binary),
    }
}
