// SPDX-License-Identifier: GPL-3.0-or-later
//! The shape of a sentence with values in it: how one that was made in another room is known again.

/// Letters that a shape has at least. With fewer, it would fit what it was not made for.
const LEAST_LETTERS: usize = 8;

/// A sentence, with holes where its values were.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape {
    /// How definite it is.
    letters: usize,
    before: String,
    /// Each hole by its name, or else its number, and what follows it.
    holes: Vec<(String, String)>,
}

impl Shape {
    /// The shape of a text of the catalogue. `None` if it is not definite enough.
    pub(super) fn of(text: &str) -> Option<Self> {
        let mut pieces = text.split('{');
        let before = pieces.next()?.to_owned();
        let mut holes = Vec::new();
        let mut bare = 0;
        for piece in pieces {
            let (hole, after) = piece.split_once('}')?;
            holes.push((name(hole, &mut bare), after.to_owned()));
        }
        let texts = holes.iter().map(|(_, after)| after).chain([&before]);
        let letters = texts.map(|text| text.chars().filter(|letter| letter.is_alphabetic()).count()).sum();
        (letters >= LEAST_LETTERS).then_some(Self { letters, before, holes })
    }

    /// The values of a sentence of this shape.
    pub(super) fn values<'a>(&self, sentence: &'a str) -> Option<Vec<(String, &'a str)>> {
        let mut rest = sentence.strip_prefix(self.before.as_str())?;
        let mut values: Vec<(String, &str)> = Vec::new();
        let mut told = &self.before;
        for (number, (name, after)) in self.holes.iter().enumerate() {
            let is_last = number + 1 == self.holes.len();
            let end = if is_last { rest.strip_suffix(after.as_str())?.len() } else { rest.find(after.as_str())? };
            let (value, following) = rest.split_at_checked(end)?;
            // What comes after a colon is a cause, and no part of a name that ends the sentence.
            if is_last && after.is_empty() && value.contains(": ") && !told.ends_with(": ") {
                return None;
            }
            told = after;
            // A value that is said twice is the same both times.
            if values.iter().any(|(known, earlier)| known == name && *earlier != value) {
                return None;
            }
            values.push((name.clone(), value));
            rest = following.get(after.len()..)?;
        }
        rest.is_empty().then_some(values)
    }
}

/// A translation with the values in its holes.
pub(super) fn filled<S: AsRef<str>>(translation: &str, values: &[(String, S)]) -> String {
    let mut text = String::with_capacity(2 * translation.len());
    let mut pieces = translation.split('{');
    text.push_str(pieces.next().unwrap_or_default());
    let mut bare = 0;
    for piece in pieces {
        let (hole, after) = piece.split_once('}').unwrap_or((piece, ""));
        let name = name(hole, &mut bare);
        let value = values.iter().find(|(known, _)| *known == name);
        text.push_str(value.map_or("", |(_, value)| value.as_ref()));
        text.push_str(after);
    }
    text
}

/// The name of a hole, or its number among those without one. How a value is written is no part of it.
fn name(hole: &str, bare: &mut usize) -> String {
    let name = hole.split(':').next().unwrap_or_default();
    if name.is_empty() {
        *bare += 1;
        return (*bare - 1).to_string();
    }
    name.to_owned()
}
