//! What is read along of the server's messages, because the driver keeps it to itself.
//!
//! A message is one byte of type, four of length (its own included), then the content: PostgreSQL,
//! "Message Formats".

/// Reads along while logging in: the process id in BackendKeyData tells the server from a pooler.
#[derive(Default)]
pub(crate) struct Startup {
    unread: Vec<u8>,
    pub(crate) key: Option<(i32, i32)>,
    pub(crate) done: bool,
}

/// More than this in one message is no login.
const STARTUP_MESSAGE_MAX: usize = 1 << 20;

impl Startup {
    /// Returns what stands behind the last message of the login.
    pub(crate) fn read<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        self.unread.extend_from_slice(bytes);
        let mut at = 0;
        while let Some((kind, rest)) = self.unread.get(at..).and_then(<[u8]>::split_first) {
            let Some((length, _)) = rest.split_first_chunk::<4>() else {
                break;
            };
            let length = u32::from_be_bytes(*length) as usize;
            if !(4..=STARTUP_MESSAGE_MAX).contains(&length) {
                self.done = true;
                return &[];
            }
            let Some(content) = rest.get(4..length) else {
                break;
            };
            match (kind, content.first_chunk(), content.get(4..)) {
                (b'K', Some(pid), Some(secret)) => {
                    if let Some(secret) = secret.first_chunk() {
                        self.key = Some((i32::from_be_bytes(*pid), i32::from_be_bytes(*secret)));
                    }
                }
                (b'Z' | b'E', ..) => {
                    self.done = true;
                    let behind = self.unread.len() - (at + 1 + length);
                    return &bytes[bytes.len() - behind..];
                }
                _ => {}
            }
            at += 1 + length;
        }
        self.unread.drain(..at);
        &[]
    }
}

/// Counts the statements that the server says are done. In the simple query protocol each statement
/// of a message is answered by a CommandComplete of its own, and an error ends the message; so the
/// count says which statement failed, where the error itself names no place.
#[derive(Default)]
pub(crate) struct Completions {
    header: [u8; 5],
    /// How many bytes of the header are known.
    known: usize,
    /// How many bytes of the content are still to come.
    skip: usize,
}

/// What a piece of the server's answer says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Read {
    /// How many messages that say "done" begin in it.
    pub(crate) completed: u64,
    /// Whether the server begins to say that it waits for the next request.
    pub(crate) is_ready: bool,
}

impl Completions {
    pub(crate) fn read(&mut self, mut bytes: &[u8]) -> Read {
        let mut read = Read::default();
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            self.header[self.known] = bytes[0];
            self.known += 1;
            bytes = &bytes[1..];
            if self.known == self.header.len() {
                let [kind, length @ ..] = self.header;
                self.known = 0;
                self.skip = (u32::from_be_bytes(length) as usize).saturating_sub(length.len());
                read.completed += u64::from(kind == b'C');
                read.is_ready |= kind == b'Z';
            }
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Vec<u8> {
        let mut bytes = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x0ca\0bcdef\0".to_vec();
        bytes.extend(b"K\0\0\0\x0c\0\0\x10\x01\xff\xff\xff\xfeZ\0\0\0\x05I");
        bytes
    }

    #[test]
    fn the_key_is_found_wherever_the_bytes_are_cut() {
        let login = login();
        for step in 1..login.len() {
            let mut startup = Startup::default();
            for piece in login.chunks(step) {
                startup.read(piece);
            }
            assert!(startup.done, "in pieces of {step}");
            assert_eq!(startup.key, Some((0x1001, -2)), "in pieces of {step}");
        }
    }

    #[test]
    fn what_is_no_login_is_not_hoarded() {
        let mut startup = Startup::default();
        startup.read(b"HTTP/1.1 400 Bad Request\r\n");
        assert!(startup.done);
        assert_eq!(startup.key, None);
    }

    #[test]
    fn what_follows_the_login_is_handed_on() {
        let mut bytes = login();
        bytes.extend(b"C\0\0\0\x05x");
        let mut startup = Startup::default();
        assert_eq!(startup.read(&bytes), b"C\0\0\0\x05x");
    }

    #[test]
    fn statements_are_counted_wherever_the_bytes_are_cut() {
        let mut bytes = b"C\0\0\0\x0dSELECT 1\0D\0\0\0\x08CCCC".to_vec();
        bytes.extend(b"C\0\0\0\x0bCREATE\0E\0\0\0\x05\0Z\0\0\0\x05E");
        for step in 1..bytes.len() {
            let mut completions = Completions::default();
            let (mut completed, mut ready) = (0, Vec::new());
            for piece in bytes.chunks(step) {
                let read = completions.read(piece);
                completed += read.completed;
                ready.push(read.is_ready);
            }
            assert_eq!(completed, 2, "in pieces of {step}");
            assert_eq!(
                ready.iter().filter(|is| **is).count(),
                1,
                "in pieces of {step}"
            );
        }
    }
}
