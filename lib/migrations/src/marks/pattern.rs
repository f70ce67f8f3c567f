//! Comments as words and signs, and patterns over them.

use super::known::{ATLAS, DOWN, HEADING_BESIDE, HEADING_DOWN, HEADING_UP, OFF, UP};

/// More words than a mark has; what stands behind them in a longer comment is not looked at.
const PIECES_MAX: usize = 12;

/// A word or a sign of a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// A word in lower case; empty for a sign.
    word: String,
    sign: char,
    is_apart: bool,
}

impl Piece {
    fn is_word(&self) -> bool {
        !self.word.is_empty()
    }

    pub(super) fn is(&self, word: &str) -> bool {
        self.word == word
    }
}

/// What nobody sees, at the beginning of a line or between words.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Cuts a comment, up to its `*/` if it has one. The dashes and slashes that make it one are signs like others.
pub(super) fn pieces(comment: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut is_apart = true;
    let mut in_word = false;
    let mut words = 0;
    // Nothing is looked for ahead: a line of a megabyte may begin a comment at every third byte.
    let mut last = ' ';
    for c in comment.chars() {
        if (last, c) == ('*', '/') && words > 0 {
            break;
        }
        last = c;
        // Nobody sees these, so they part no word either.
        if is_blank(c) && !c.is_whitespace() {
            continue;
        }
        if c.is_whitespace() {
            (is_apart, in_word) = (true, false);
            continue;
        }
        let is_letter = c.is_alphanumeric();
        if is_letter
            && in_word
            && let Some(last) = pieces.last_mut()
        {
            last.word.extend(c.to_lowercase());
            continue;
        }
        if words == PIECES_MAX || pieces.len() > 4 * PIECES_MAX {
            break;
        }
        words += usize::from(is_letter);
        let sign = match c {
            '\u{ff1a}' | '\u{a789}' | '\u{2236}' => ':',
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe63}' | '\u{ff0d}' => '-',
            '\u{ff0b}' => '+',
            c => c,
        };
        // A row of one sign is one.
        let repeats = !is_apart
            && pieces
                .last()
                .is_some_and(|last| !last.is_word() && last.sign == sign);
        if is_letter || !repeats {
            pieces.push(Piece {
                word: if is_letter {
                    c.to_lowercase().collect()
                } else {
                    String::new()
                },
                sign,
                is_apart,
            });
        }
        (is_apart, in_word) = (false, is_letter);
    }
    if !pieces.iter().any(Piece::is_word) {
        pieces.clear();
    }
    // `/* … */` and `-- …`: what opens a comment is no sign of a mark.
    let opening = pieces
        .iter()
        .take_while(|piece| !piece.is_word() && matches!(piece.sign, '-' | '/' | '*' | '#'))
        .count();
    pieces.drain(..opening);
    pieces
}

#[derive(Debug)]
pub(super) enum Element {
    Word(&'static str),
    Class(&'static [&'static str]),
    AnyWord,
    Words,
    Rest,
    Sign {
        sign: char,
        glued_before: bool,
        glued_behind: bool,
    },
}

pub(super) fn compile(pattern: &'static str) -> Vec<Element> {
    pattern.split_whitespace().map(element).collect()
}

fn element(text: &'static str) -> Element {
    match text {
        "*" => return Element::Rest,
        "?" => return Element::AnyWord,
        ".." => return Element::Words,
        "UP" => return Element::Class(UP),
        "DOWN" => return Element::Class(DOWN),
        "OFF" => return Element::Class(OFF),
        "ATLAS" => return Element::Class(ATLAS),
        _ => {}
    }
    let mut signs = text.trim_matches('^').chars();
    match (signs.next(), signs.next()) {
        (Some(sign), None) if !sign.is_alphanumeric() => Element::Sign {
            sign,
            glued_before: text.starts_with('^'),
            glued_behind: text.ends_with('^'),
        },
        _ => Element::Word(text),
    }
}

pub(super) fn fits(pattern: &[Element], pieces: &[Piece]) -> bool {
    let Some((first, rest)) = pattern.split_first() else {
        return !pieces.iter().any(Piece::is_word);
    };
    for (at, piece) in pieces.iter().enumerate() {
        let behind = &pieces[at + 1..];
        match first {
            Element::Rest => return true,
            Element::Words => {
                if fits(rest, &pieces[at..]) {
                    return true;
                }
            }
            Element::Sign {
                sign,
                glued_before,
                glued_behind,
            } => {
                if piece.is_word() {
                    return false;
                }
                let is_glued = (!glued_before || !piece.is_apart)
                    && (!glued_behind
                        || behind
                            .first()
                            .is_some_and(|next| next.is_word() && !next.is_apart));
                if piece.sign == *sign && is_glued && fits(rest, behind) {
                    return true;
                }
            }
            _ if !piece.is_word() => {}
            Element::Word(word) => return is_like(&piece.word, word) && fits(rest, behind),
            Element::Class(words) => {
                return words.iter().any(|word| is_like(&piece.word, word)) && fits(rest, behind);
            }
            Element::AnyWord => return fits(rest, behind),
        }
    }
    matches!(first, Element::Rest)
}

/// Whether a comment is a heading over the part that reverts: see [`HEADING_DOWN`].
pub(super) fn is_heading(pieces: &[Piece]) -> bool {
    let words: Vec<&str> = pieces
        .iter()
        .filter(|piece| piece.is_word())
        .map(|piece| piece.word.as_str())
        .collect();
    let is_any = |list: &[&str]| words.iter().any(|word| list.contains(word));
    let known = |word: &&str| {
        [HEADING_UP, HEADING_DOWN, HEADING_BESIDE]
            .iter()
            .any(|list| list.contains(word))
    };
    let goes_back = is_any(HEADING_DOWN) || words.windows(2).any(|pair| pair == ["roll", "back"]);
    goes_back && !is_any(HEADING_UP) && words.iter().all(known)
}

/// Whether a word is one of the table: `goose~` allows for one slip of the keyboard.
fn is_like(word: &str, known: &str) -> bool {
    match known.strip_suffix('~') {
        Some(known) => is_a_slip_away(word, known),
        None => word == known,
    }
}

/// One letter left out, put in, taken for another, or two exchanged.
fn is_a_slip_away(word: &str, known: &str) -> bool {
    if word.is_ascii() {
        return differs_by_a_slip(word.as_bytes(), known.as_bytes());
    }
    // A letter of another script is one slip, however many bytes it has.
    let (word, known): (Vec<char>, Vec<char>) = (word.chars().collect(), known.chars().collect());
    differs_by_a_slip(&word, &known)
}

fn differs_by_a_slip<T: PartialEq>(word: &[T], known: &[T]) -> bool {
    if word.len().abs_diff(known.len()) > 1 {
        return false;
    }
    let same = word.iter().zip(known).take_while(|(a, b)| a == b).count();
    match (&word[same..], &known[same..]) {
        ([], []) => true,
        ([_, a @ ..], [_, b @ ..]) if a == b => true,
        ([_, a @ ..], b) if a == b => true,
        (a, [_, b @ ..]) if a == b => true,
        ([x, y, a @ ..], [v, w, b @ ..]) => x == w && y == v && a == b,
        _ => false,
    }
}
