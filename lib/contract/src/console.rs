//! Text for people: colour, and what must not reach a terminal or a CI runner.

use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use anstyle::{AnsiColor, Style};

use crate::cli::Color;
use crate::report::Status;
use crate::secret;

/// How long a write waits for its reader, once that has an end.
static PATIENCE: OnceLock<Duration> = OnceLock::new();

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
pub(crate) const RED: Style = AnsiColor::Red.on_default().bold();
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default();

pub(crate) const fn style_of(status: Status) -> Style {
    match status {
        Status::Pass => GREEN,
        Status::Fail => RED,
        Status::Warn => YELLOW,
        Status::Skip => DIM,
    }
}

/// `text` in a style, or as it is.
pub(crate) fn paint(colored: bool, style: Style, text: &str) -> String {
    if colored {
        format!("{style}{text}{style:#}")
    } else {
        text.to_owned()
    }
}

/// Whether `stream` gets colour: `--color`, then `CLICOLOR_FORCE`, `NO_COLOR`, `TERM=dumb`, then
/// the stream's own terminal test.
pub(crate) fn colored(choice: Color, stream: &impl IsTerminal) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match choice {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            if std::env::var_os("CLICOLOR_FORCE").is_some_and(|v| !v.is_empty() && v != "0") {
                true
            } else if set("NO_COLOR") || std::env::var_os("TERM").is_some_and(|v| v == "dumb") {
                false
            } else {
                stream.is_terminal()
            }
        }
    }
}

/// `text` on one line, without secrets, and without anything that a terminal or a CI runner would
/// obey: names and messages come from databases. GitHub's runner takes `::command::` at the start
/// of a line, and its older form `##[command]` anywhere.
pub(crate) fn plain(text: &str) -> String {
    let text = secret::redact(text);
    // Nearly every text that a program has to say.
    if text
        .bytes()
        .all(|byte| byte == b' ' || byte.is_ascii_graphic())
        && !text.contains("##[")
    {
        return text;
    }
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => plain.push_str("\\n"),
            '\t' => plain.push(' '),
            c if is_obeyed(c) => plain.extend(c.escape_default()),
            c => plain.push(c),
        }
    }
    plain.replace("##[", "# #[")
}

/// Characters that a terminal or a viewer obeys in place of showing them: control characters, those that
/// reorder what is shown (Unicode's bidirectional formatting), those that some take for a line end.
fn is_obeyed(c: char) -> bool {
    let is_direction = matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    c.is_control() || is_direction || matches!(c, '\u{2028}' | '\u{2029}')
}

/// A JSON text in which whatever a terminal or a viewer would obey is escaped. The grammar itself is
/// ASCII, so such a character stands in a string, and all of them have four hexadecimal digits.
pub(crate) fn json_text(value: &serde_json::Value) -> String {
    let text = value.to_string();
    if text.is_ascii() && !text.contains('\u{7f}') {
        return text;
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_obeyed(c) {
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// From now on no write waits longer than this for its reader.
pub(crate) fn limit_patience(patience: Duration) {
    // The first who asks is heard.
    let _ = PATIENCE.set(patience);
}

/// What the write to `to` came to; none when its reader did not take it in time. It is then still
/// under way on a thread of its own, for no poll(2) tells how much a terminal takes, and ends with
/// the process.
pub(crate) fn within_patience<T: Send + 'static>(
    to: impl AsFd,
    write: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let Some(patience) = PATIENCE.get().filter(|_| !is_file(to)) else {
        return Some(write());
    };
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new()
        .spawn(move || sender.send(write()))
        .ok()?;
    receiver.recv_timeout(*patience).ok()
}

/// A file has no reader to wait for, and a busy disk is no reason to cut it.
fn is_file(fd: impl AsFd) -> bool {
    rustix::fs::fstat(fd).is_ok_and(|stat| {
        rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::RegularFile
    })
}

/// Writes and flushes, and leaves the verdict alone whatever happens: a closed pipe is a reader
/// who left, and a full disk says nothing about the target.
pub(crate) fn write_stdout(bytes: &[u8]) {
    let bytes = bytes.to_owned();
    let written = within_patience(std::io::stdout(), move || {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(&bytes).and_then(|()| stdout.flush())
    });
    if let Some(Err(error)) = written
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        write_stderr(&format!("cannot write the result to stdout: {error}\n"));
    }
}

pub(crate) fn write_stderr(text: &str) {
    let text = text.to_owned();
    within_patience(std::io::stderr(), move || {
        let mut stderr = std::io::stderr().lock();
        // Nowhere is left to say that stderr can't be written.
        let _ = stderr
            .write_all(text.as_bytes())
            .and_then(|()| stderr.flush());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_or_a_runner_obeys_gets_through() {
        for (text, expected) in [
            ("a\n::error::b", "a\\n::error::b"),
            ("\u{1b}[2Jx", "\\u{1b}[2Jx"),
            ("x ##[add-mask]y", "x # #[add-mask]y"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("a\u{200f}\u{61c}b", "a\\u{200f}\\u{61c}b"),
            ("a\u{2028}\u{9b}b", "a\\u{2028}\\u{9b}b"),
            ("naïve – 表", "naïve – 表"),
        ] {
            assert_eq!(plain(text), expected);
        }
    }

    #[test]
    fn nothing_of_the_kind_stands_in_json_and_every_text_comes_back() {
        let obeyed: String = ('\u{7f}'..='\u{9f}')
            .chain([
                '\u{61c}', '\u{200e}', '\u{202e}', '\u{2028}', '\u{2069}', '\n', '\u{1b}',
            ])
            .collect();
        let value = serde_json::json!({ "naïve – 表": obeyed });
        let text = json_text(&value);
        assert!(!text.chars().any(is_obeyed), "{text}");
        assert!(text.contains("naïve – 表"), "{text}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
    }
}
