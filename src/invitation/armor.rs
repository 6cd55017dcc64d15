// SPDX-License-Identifier: GPL-3.0-or-later
//! Bodies as text: written, and found again in what is left of it after mail and chat programs.

use zeroize::Zeroizing;

use super::body::{self, HEAD_LETTERS, Kind};
use super::error::{Artefact, PasteError};

/// Letters in a line.
// RFC 7468, 2. Mail programs wrap from 72 on.
const LINE: usize = 64;
/// What begins a URI, in capitals for the QR code. The scheme of a URI has no case.
const SCHEME: &str = "TAILS-SERVER:";
/// The most bodies that are looked for in one text.
// Each costs a look at all the rest of it; nobody pastes more.
const MOST_BODIES: usize = 16;
/// What ends every block, whatever its kind.
const END: &str = "END TAILS SERVER";

const fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Invitation => "TAILS SERVER INVITATION",
        Kind::Request => "TAILS SERVER REQUEST",
    }
}

const fn begin(kind: Kind) -> &'static str {
    match kind {
        Kind::Invitation => "BEGIN TAILS SERVER INVITATION",
        Kind::Request => "BEGIN TAILS SERVER REQUEST",
    }
}

/// A body as a block of text.
pub(super) fn block(kind: Kind, bytes: &[u8]) -> Zeroizing<String> {
    let letters = body::to_letters(bytes);
    let lines = letters.len().div_ceil(LINE);
    let around = "-----BEGIN -----\n-----END -----\n".len() + 2 * title(kind).len();
    let mut text = Zeroizing::new(String::with_capacity(letters.len() + lines + around));
    for part in ["-----BEGIN ", title(kind), "-----\n"] {
        text.push_str(part);
    }
    for (index, letter) in letters.char_indices() {
        if index > 0 && index % LINE == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    for part in ["\n-----END ", title(kind), "-----\n"] {
        text.push_str(part);
    }
    text
}

/// A body as a URI that QR codes hold in their alphanumeric mode.
pub(super) fn uri(bytes: &[u8]) -> Zeroizing<String> {
    let letters = body::to_letters(bytes);
    let mut text = Zeroizing::new(String::with_capacity(SCHEME.len() + letters.len()));
    text.push_str(SCHEME);
    text.push_str(&letters);
    text
}

/// A text as one line: without marks of quoting and what nobody sees, and with single spaces.
pub(super) fn flatten(text: &str) -> Zeroizing<String> {
    let mut flat = Zeroizing::new(String::with_capacity(text.len() + 1));
    for line in text.split(['\n', '\r']) {
        let quoted = |c: char| c.is_whitespace() || is_invisible(c) || matches!(c, '>' | '|');
        for word in line.trim_start_matches(quoted).split_whitespace() {
            flat.extend(word.chars().filter(|c| !is_invisible(*c)));
            flat.push(' ');
        }
    }
    let end = flat.trim_end().len();
    flat.truncate(end);
    flat
}

/// The letters of a body that should be one, and nothing else.
type Found = Result<Zeroizing<String>, PasteError>;

/// Every place in a flattened text, in capitals, where a body should be; the first [`MOST_BODIES`] of them.
pub(super) fn bodies(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut before = None;
    while found.len() < MOST_BODIES
        && let Some((start, artefact)) = next_start(rest, before)
    {
        let region = rest.get(start..).unwrap_or_default();
        let (letters, used) = body_at(region, artefact);
        found.push(letters);
        // At least one character further on, so that this ends.
        let (skipped, remaining) = rest.split_at_checked(start + used.max(1)).unwrap_or((rest, ""));
        before = skipped.chars().next_back();
        rest = remaining;
    }
    if found.is_empty() && text.contains(END) {
        let request = text.contains("END TAILS SERVER REQUEST");
        found.push(Err(PasteError::Damaged(if request { Artefact::Request } else { Artefact::Invitation })));
    }
    found
}

/// Where the next body begins, and what it seems to be.
fn next_start(text: &str, before: Option<char>) -> Option<(usize, Artefact)> {
    let marks = Kind::ALL.into_iter().filter_map(|kind| after(text, begin(kind)).map(|at| (at, kind.artefact())));
    let scheme = after(text, SCHEME).map(|at| (at, Artefact::Invitation));
    // A body without anything before it: its first letters begin a word.
    let bare = Kind::ALL.into_iter().filter_map(|kind| {
        let at = text.match_indices(kind.magic_letters()).map(|(at, _)| at).find(|at| {
            let previous = text.get(..*at).and_then(|front| front.chars().next_back()).or(before);
            !previous.is_some_and(char::is_alphanumeric)
        })?;
        Some((at, kind.artefact()))
    });
    marks.chain(scheme).chain(bare).min_by_key(|(at, _)| *at)
}

fn after(text: &str, mark: &str) -> Option<usize> {
    text.find(mark).map(|at| at + mark.len())
}

/// The letters of the body at the start of this text, and how much of the text they and their end take.
fn body_at(text: &str, seeming: Artefact) -> (Found, usize) {
    let limit = ["BEGIN TAILS SERVER", SCHEME].iter().filter_map(|mark| text.find(mark)).min().unwrap_or(text.len());
    let region = text.get(..limit).unwrap_or(text);
    match region.find(END) {
        Some(end) => {
            let between = region.get(..end).unwrap_or_default().trim_matches(is_decoration);
            let letters = collect(between.chars().filter(|c| !c.is_whitespace() && *c != '>'), text.len());
            let right = body::expected_letters(&letters).is_some_and(|(_, expected)| expected == letters.len());
            (if right { Ok(letters) } else { Err(PasteError::Damaged(seeming)) }, end + END.len())
        }
        None => endless(region, seeming),
    }
}

/// The body at the start of a text in which no mark says where it ends: its own head does.
fn endless(text: &str, seeming: Artefact) -> (Found, usize) {
    let trimmed = text.trim_start_matches(is_decoration);
    let offset = text.len() - trimmed.len();
    let mut letters = Zeroizing::new(String::with_capacity(trimmed.len()));
    let mut expected = None;
    for (index, character) in trimmed.char_indices() {
        if let Some((_, all)) = expected
            && letters.len() == all
        {
            // Nothing may stick to the last letter: it would be one too many.
            let stuck = character.is_alphanumeric();
            return (if stuck { Err(PasteError::Damaged(seeming)) } else { Ok(letters) }, offset + index);
        }
        match character {
            'A'..='Z' | '2'..='7' => letters.push(character),
            ' ' | '>' => continue,
            _ => return (Err(PasteError::Damaged(seeming)), offset + index),
        }
        if letters.len() == HEAD_LETTERS {
            expected = body::expected_letters(&letters);
            if expected.is_none() {
                return (Err(PasteError::Damaged(seeming)), offset + index);
            }
        }
    }
    let found = letters.len();
    let letters = match expected {
        Some((_, all)) if all == found => Ok(letters),
        Some((kind, all)) => Err(PasteError::Truncated { artefact: kind.artefact(), found, expected: all }),
        None => Err(PasteError::Damaged(seeming)),
    };
    (letters, text.len())
}

fn collect(letters: impl Iterator<Item = char>, most: usize) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(most));
    text.extend(letters);
    text
}

/// What stands around a body: lines of hyphens, which some programs make into dashes, and marks of emphasis or quoting.
const fn is_decoration(character: char) -> bool {
    matches!(character, ' ' | '-' | '\u{2010}'..='\u{2015}' | '*' | '_' | '`' | '~' | '>' | '|' | '"' | '\'' | '=')
}

/// What mail and chat programs put where a word may be broken, and editors at the beginning of a file.
const fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}
