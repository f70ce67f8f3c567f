//! Secrets in text: what a variable's name asks for, what stands for a value that was not put in,
//! and where a file holds a password, a key or a token.
//!
//! No answer holds any part of a value.

use std::fmt;
use std::path::Path;

mod assignment;
mod blank;
mod connection;
mod encoding;
mod file_name;
mod name;
mod placeholder;
mod token;
mod value;

pub use name::{Asks, names_secret};
pub use placeholder::{ValueOf, perhaps_placeholder, placeholder, placeholder_in_url};
pub use value::is_random;

/// What a secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The file's name is that of a file of secrets.
    File(&'static str),
    /// A private key, whole or as base64.
    PrivateKey,
    /// A token that begins as those of one service do.
    Token(&'static str),
    /// A password inside a URL.
    Url,
    /// A password inside a connection string that is no URL.
    ConnectionString,
    /// A line of a password file.
    PasswordLine(&'static str),
    /// A hash of a password.
    PasswordHash,
    /// Credentials in a header or on a command line.
    Credentials,
    /// A value for a name that asks for a secret.
    Assigned,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::File(what) => write!(f, "its name is that of {what}"),
            Kind::PrivateKey => f.write_str("a private key"),
            Kind::Token(service) => write!(f, "a key or token of {service}"),
            Kind::Url => f.write_str("a URL with a password"),
            Kind::ConnectionString => f.write_str("a connection string with a password"),
            Kind::PasswordLine(file) => write!(f, "a password as in {file}"),
            Kind::PasswordHash => f.write_str("a hash of a password"),
            Kind::Credentials => f.write_str("credentials of a request"),
            Kind::Assigned => f.write_str("a value for a password, a key or a token"),
        }
    }
}

/// A secret in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The line, from 1; none where the file's name says it.
    pub line: Option<u64>,
    /// What it is.
    pub kind: Kind,
}

/// Why a file's text could not be looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// Compressed or packed, by what its first bytes say.
    Packed(&'static str),
    /// Not text. Keys and tokens that stand in it as text are found all the same.
    Binary,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unread::Packed(form) => write!(f, "it is packed ({form})"),
            Unread::Binary => f.write_str("it is not text"),
        }
    }
}

/// Bytes of text that are looked at again with those that follow them, so that what begins at the
/// end of one piece is seen whole.
const AGAIN_BYTES: usize = 1 << 14;

/// Bytes that are gathered before they are looked at.
const PIECE_BYTES: usize = 1 << 20;

/// As many findings as anybody reads.
const FINDINGS_MAX: usize = 20;

/// Looks through a file piece by piece.
#[derive(Debug)]
pub struct Scan {
    form: file_name::Form,
    decoder: encoding::Decoder,
    text: String,
    /// Lines that are gone from the text.
    lines: u64,
    findings: Vec<Finding>,
}

impl Scan {
    /// Of the file with this name.
    pub fn new(path: &Path) -> Scan {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (form, by_name) = file_name::judge(&name);
        Scan {
            form,
            decoder: encoding::Decoder::default(),
            text: String::new(),
            lines: 0,
            findings: by_name
                .map(|what| Finding {
                    line: None,
                    kind: Kind::File(what),
                })
                .into_iter()
                .collect(),
        }
    }

    /// The next bytes of it.
    pub fn feed(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE_BYTES) {
            self.decoder.feed(piece, &mut self.text);
            if self.text.len() >= PIECE_BYTES {
                self.look();
                self.forget();
            }
        }
    }

    /// What was found, in the order of the lines, and why not everything could be.
    pub fn finish(mut self) -> (Vec<Finding>, Option<Unread>) {
        self.decoder.finish(&mut self.text);
        self.look();
        self.findings.sort();
        self.findings.truncate(FINDINGS_MAX);
        (self.findings, self.decoder.unread())
    }

    fn look(&mut self) {
        if matches!(self.decoder.unread(), Some(Unread::Packed(_))) {
            return;
        }
        let mut found: Vec<(usize, Kind)> = Vec::new();
        let mut add = |at: usize, kind: Kind| found.push((at, kind));
        token::find(&self.text, &mut add);
        if self.decoder.unread().is_none() {
            connection::find(&self.text, &mut add);
            // An example is there to be filled in.
            if self.form != file_name::Form::Example {
                assignment::find(&self.text, self.form, &mut add);
            }
        }
        found.sort();
        let (mut line, mut from) = (self.lines + 1, 0);
        for (at, kind) in found {
            line += newlines(&self.text[from..at]);
            from = at;
            let finding = Finding {
                line: Some(line),
                kind,
            };
            // One secret is one finding: what is a token too is told by the more exact of the two.
            let known = self.findings.iter().any(|known| {
                known.line == finding.line && (known.kind == kind || kind == Kind::Assigned)
            });
            if !known {
                self.findings
                    .retain(|known| known.line != finding.line || known.kind != Kind::Assigned);
                self.findings.push(finding);
            }
        }
    }

    /// Drops what was looked at, but for its end, from a line's beginning on where there is one.
    fn forget(&mut self) {
        let mut cut = self.text.len().saturating_sub(AGAIN_BYTES);
        while !self.text.is_char_boundary(cut) {
            cut -= 1;
        }
        if let Some(line) = self.text[cut..].find('\n') {
            cut += line + 1;
        }
        self.lines += newlines(&self.text[..cut]);
        self.text.drain(..cut);
    }
}

/// Line ends are LF, CRLF or CR alone.
fn newlines(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let ends = |at: usize| match bytes[at] {
        b'\n' => true,
        b'\r' => bytes.get(at + 1) != Some(&b'\n'),
        _ => false,
    };
    (0..bytes.len()).filter(|at| ends(*at)).count() as u64
}

/// Looks through a whole file.
pub fn look(path: &Path, bytes: &[u8]) -> (Vec<Finding>, Option<Unread>) {
    let mut scan = Scan::new(path);
    scan.feed(bytes);
    scan.finish()
}

/// Whether a variable of the environment holds a password that its value shows: a URL or a
/// connection string. What its name says is not asked.
pub fn shows_password(value: &str) -> bool {
    let mut found = false;
    connection::find(value, &mut |_, kind| {
        found |= matches!(kind, Kind::Url | Kind::ConnectionString);
    });
    found || connection::is_keyword_string(value)
}
