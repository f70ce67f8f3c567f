//! `.env` files: `NAME=value` lines, as the common libraries agree on them.
//!
//! They disagree on two points: whether `${OTHER}` is replaced, and whether a `#` inside an
//! unquoted value begins a comment. A value with one of these is marked, and `--env-file` refuses
//! it, because two programs would read two values. Single quotes and backticks keep everything;
//! in double quotes `\n`, `\r`, `\t`, `\"`, `\\` and `\$` are escapes; quoted values may span lines.

use std::collections::HashSet;

use crate::file::SIZE_BYTES_MAX;

/// One assignment of the file. Its `Debug` leaves the value out.
#[derive(Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The variable.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The line of its name, from 1.
    pub line: u32,
    /// Why another library may read another value, if one may.
    pub doubt: Option<&'static str>,
}

impl std::fmt::Debug for Assignment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}=… (line {})", self.name, self.line)
    }
}

/// Why a text is no `.env` file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DotenvFault {
    /// Larger than such a file can be.
    #[error("it is larger than {SIZE_BYTES_MAX} bytes")]
    TooLarge,
    /// Not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// Lines that can't be read; never none.
    #[error("{}", listed(.0))]
    Lines(Vec<LineFault>),
}

/// What is wrong with one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// It can't be read.
    #[error("line {line}: {message}")]
    Unreadable {
        /// From 1.
        line: u32,
        /// What is wrong, without any of the line's text.
        message: &'static str,
    },
    /// It assigns a name for the second time.
    #[error("line {line}: {name} is set for the second time")]
    Repeated {
        /// The second line.
        line: u32,
        /// The variable.
        name: String,
    },
}

impl DotenvFault {
    /// What to do next.
    pub fn remedy(&self) -> &'static str {
        match self {
            DotenvFault::TooLarge => "name a .env file; this is another one",
            DotenvFault::NotUtf8 => "save the file as UTF-8, or name a .env file",
            DotenvFault::Lines(_) => {
                "write each line as NAME=value, each name once, or begin it with # as a comment"
            }
        }
    }
}

/// As many lines as are listed. With more of them it is hardly a `.env` file.
const LISTED_MAX: usize = 20;

fn listed(faults: &[LineFault]) -> String {
    let shown = faults.iter().take(LISTED_MAX);
    let mut parts: Vec<String> = shown.map(LineFault::to_string).collect();
    if let Some(more) = faults
        .len()
        .checked_sub(LISTED_MAX)
        .filter(|more| *more > 0)
    {
        parts.push(format!("and {more} more"));
    }
    parts.join("; ")
}

const INTERPOLATION: &str = "some programs replace ${…}, others do not; put it in single quotes";
const HASH: &str = "some programs take a # for a comment, others do not; quote the value";

/// Reads the bytes of a file.
///
/// # Errors
///
/// Too large, not UTF-8, or lines that are no assignment, comment or blank.
pub fn parse(bytes: &[u8]) -> Result<Vec<Assignment>, DotenvFault> {
    if bytes.len() as u64 > SIZE_BYTES_MAX {
        return Err(DotenvFault::TooLarge);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| DotenvFault::NotUtf8)?;
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut assignments: Vec<Assignment> = Vec::new();
    let mut faults = Vec::new();
    let mut names = HashSet::new();
    let mut line = 1;
    while !rest.is_empty() {
        let before = rest;
        rest = match read_line(rest) {
            Ok((None, after)) => after,
            Ok((Some((name, value)), after)) => {
                let name = name.to_owned();
                if names.insert(name.clone()) {
                    assignments.push(Assignment {
                        name,
                        value: value.text,
                        line,
                        doubt: value.doubt,
                    });
                } else {
                    faults.push(LineFault::Repeated { line, name });
                }
                after
            }
            Err(Unread { message, after }) => {
                faults.push(LineFault::Unreadable { line, message });
                after
            }
        };
        let read = &before[..before.len() - rest.len()];
        line += u32::try_from(read.matches('\n').count()).unwrap_or(u32::MAX);
    }
    match faults.is_empty() {
        true => Ok(assignments),
        false => Err(DotenvFault::Lines(faults)),
    }
}

/// Why a line can't be read, and what follows that can.
struct Unread<'a> {
    message: &'static str,
    after: &'a str,
}

struct Value {
    text: String,
    doubt: Option<&'static str>,
}

type Line<'a> = (Option<(&'a str, Value)>, &'a str);

/// One line, or the lines of one quoted value, and what follows.
fn read_line(text: &str) -> Result<Line<'_>, Unread<'_>> {
    let text = text.trim_start_matches([' ', '\t', '\r']);
    if text.is_empty() || text.starts_with(['#', '\n']) {
        return Ok((None, cut_line(text).1));
    }
    let text = match text.strip_prefix("export") {
        Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start_matches([' ', '\t']),
        _ => text,
    };
    let unread = |message, after| Err(Unread { message, after });
    let (whole, next) = cut_line(text);
    let Some((name, _)) = whole.split_once('=') else {
        return unread("it has no =", next);
    };
    let value = &text[name.len() + 1..];
    let name = name.trim_end();
    if !is_name(name) {
        return unread("what stands before = is no name of a variable", next);
    }
    let as_written = value;
    let value = value.trim_start_matches([' ', '\t']);
    let Some(quote @ ('"' | '\'' | '`')) = value.chars().next() else {
        let (value, after) = cut_line(as_written);
        return Ok((Some((name, unquoted(value))), after));
    };
    let Some((mut value, after)) = quoted(&value[1..], quote) else {
        // Where the value was to end can't be told, nor what would be a line.
        return unread("a quoted value does not end", "");
    };
    let (trailing, after) = cut_line(after);
    // A shell reads on where no blank stands before the `#`.
    if trailing.starts_with('#') {
        value.doubt = Some(HASH);
    }
    match trailing.trim() {
        trailing if trailing.is_empty() || trailing.starts_with('#') => {
            Ok((Some((name, value)), after))
        }
        _ => unread("something follows the closing quote", after),
    }
}

/// The text up to the end of the line, and what follows its newline.
fn cut_line(text: &str) -> (&str, &str) {
    text.split_once('\n').unwrap_or((text, ""))
}

/// Whether a text can be the name of a variable.
pub fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

/// A value without quotes, from right behind the `=`: as it stands, up to white space and `#`. Where
/// nothing stands before the `#`, as in `#FF0000`, one program reads a value and another none.
fn unquoted(text: &str) -> Value {
    let (value, comment) = text
        .match_indices('#')
        .find(|(at, _)| text[..*at].ends_with([' ', '\t']))
        .map_or((text, ""), |(at, _)| (&text[..at], &text[at + 1..]));
    let text = value.trim();
    let is_value = text.is_empty() && comment.starts_with(char::is_alphanumeric);
    let doubt = if is_value || text.contains('#') {
        Some(HASH)
    } else if text.contains("${") {
        Some(INTERPOLATION)
    } else {
        None
    };
    Value {
        text: text.to_owned(),
        doubt,
    }
}

/// What stands before the closing quote, and what follows it.
fn quoted(text: &str, quote: char) -> Option<(Value, &str)> {
    let escapes = quote == '"';
    let mut value = String::new();
    let mut doubt = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => {
                let after = &text[at + 1..];
                let text = value;
                return Some((Value { text, doubt }, after));
            }
            '\\' if escapes => match chars.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                c @ ('"' | '\\' | '$') => value.push(c),
                c => value.extend(['\\', c]),
            },
            c => {
                if escapes && c == '$' && text[at..].starts_with("${") {
                    doubt = Some(INTERPOLATION);
                }
                value.push(c);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn values(text: &str) -> Vec<(String, String)> {
        let assignments = parse(text.as_bytes()).unwrap();
        let pairs = assignments.into_iter().map(|one| (one.name, one.value));
        pairs.collect()
    }

    #[test]
    fn one_value_has_many_notations() {
        for (text, expected) in [
            ("A=b", "b"),
            ("export A=b", "b"),
            ("\u{feff}  A = b  \r\n", "b"),
            ("A=b # comment", "b"),
            ("A=", ""),
            ("A= # comment", ""),
            ("A=b c", "b c"),
            ("A=b\\n", "b\\n"),
            ("A='b # \\n \"c\" ${D}' # comment", "b # \\n \"c\" ${D}"),
            ("A=`it's \"b\"`", "it's \"b\""),
            (
                "A=\"b\\nc\\t\\\"d\\\" \\$E \\\\ \\x\"",
                "b\nc\t\"d\" $E \\ \\x",
            ),
            ("A=\"one\ntwo\"", "one\ntwo"),
            ("A=postgres://u:p@h/d?x=1", "postgres://u:p@h/d?x=1"),
            ("A=pa$$word", "pa$$word"),
        ] {
            let assignment = &parse(text.as_bytes()).unwrap()[0];
            assert_eq!(assignment.value, expected, "{text}");
            assert_eq!(assignment.doubt, None, "{text}");
        }
    }

    #[test]
    fn a_line_follows_a_line() {
        let text = "# note\n\nA=1\nB=\"x\ny\" # z\n  # C=3\nexport D='4'\nexported=5";
        let pairs = [("A", "1"), ("B", "x\ny"), ("D", "4"), ("exported", "5")];
        assert_eq!(
            values(text),
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        let lines: Vec<u32> = parse(text.as_bytes())
            .unwrap()
            .iter()
            .map(|assignment| assignment.line)
            .collect();
        assert_eq!(lines, [3, 4, 7, 8]);
    }

    #[test]
    fn what_libraries_read_differently_is_marked() {
        for (text, value) in [
            ("A=b#c", "b#c"),
            ("A=#FF0000", "#FF0000"),
            ("A=#FF0000 # red", "#FF0000"),
            ("A=#red", "#red"),
            ("A=#", "#"),
            ("A= #FF0000", ""),
            ("A='b'#c", "b"),
            ("A=${B}", "${B}"),
            ("A=\"x${B}\"", "x${B}"),
        ] {
            let read = &parse(text.as_bytes()).unwrap()[0];
            assert!(read.doubt.is_some(), "{text}");
            assert_eq!(read.value, value, "{text}");
        }
        for text in [
            "A='#FF0000'",
            "A=\"#FF0000\" # red",
            "A= # red",
            "A= #",
            "A= ## red",
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap()[0].doubt, None, "{text}");
        }
        assert_eq!(parse(b"A=\"\\${B}\"").unwrap()[0].doubt, None);
    }

    #[test]
    fn what_is_no_assignment_is_named_by_its_line() {
        for (text, line) in [
            ("A=1\nhunter2", 2),
            ("hunter2\nB=1", 1),
            ("A=1\nhunter 2=1", 2),
            ("=hunter2", 1),
            ("A=\"hunter2\nB=1", 1),
            ("A='b'hunter2", 1),
            ("A=\"x\ny\"\nA=hunter2", 3),
        ] {
            let fault = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(
                fault.starts_with(&format!("line {line}: ")),
                "{text}: {fault}"
            );
            assert!(!fault.contains("hunter"), "{fault}");
        }
        assert_eq!(parse(b"A=\xff"), Err(DotenvFault::NotUtf8));
    }

    #[test]
    fn every_faulty_line_is_named() {
        let text = "hunter2\nA=1\nhunter 2=\"x\nB='x\ny' hunter2\nA=2\nC=3\nD=\"hunter2\nhunter2";
        assert_eq!(
            parse(text.as_bytes()).unwrap_err().to_string(),
            "line 1: it has no =; \
             line 3: what stands before = is no name of a variable; \
             line 4: something follows the closing quote; \
             line 6: A is set for the second time; \
             line 8: a quoted value does not end"
        );
        let many = "x\n".repeat(1000);
        let said = parse(many.as_bytes()).unwrap_err().to_string();
        assert!(
            said.ends_with("line 20: it has no =; and 980 more"),
            "{said}"
        );
    }
}
