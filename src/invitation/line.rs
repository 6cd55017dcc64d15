// SPDX-License-Identifier: GPL-3.0-or-later
//! Words of somebody else that are shown to a person: in one line, and nothing in them that deceives.

use std::fmt;
use std::str::FromStr;

/// What the host calls the service: one line, at most [`Title::MAX_CHARACTERS`].
///
/// # Examples
/// ```
/// use tails_server::invitation::Title;
///
/// let title: Title = "Chess club".parse()?;
/// assert_eq!(title.as_str(), "Chess club");
/// // Right-to-left override: what is shown would not be what is there.
/// assert!("\u{202e}moc.knab".parse::<Title>().is_err());
/// # Ok::<(), tails_server::invitation::InvalidLine>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Title(String);

impl Title {
    /// The longest title.
    pub const MAX_CHARACTERS: usize = 80;

    /// The title as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Title {
    type Err = InvalidLine;

    fn from_str(text: &str) -> Result<Self, InvalidLine> {
        check(text, Self::MAX_CHARACTERS)?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Title {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// Why a text can not be shown to a person as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLine {
    /// Nothing there.
    #[error("the text is empty")]
    Empty,
    /// More characters than there is room for.
    #[error("the text has more than {most} characters")]
    TooLong {
        /// As many would do.
        most: usize,
    },
    /// White space that nobody sees.
    #[error("the text begins or ends with white space")]
    Edge,
    /// A character that moves, hides or reverses others.
    #[error("the text has a line break, a control character or an invisible one in it")]
    Character,
}

pub(super) fn check(text: &str, most: usize) -> Result<(), InvalidLine> {
    if text.is_empty() {
        return Err(InvalidLine::Empty);
    }
    if text.chars().count() > most {
        return Err(InvalidLine::TooLong { most });
    }
    if text.chars().any(deceives) {
        return Err(InvalidLine::Character);
    }
    if text.trim() != text {
        return Err(InvalidLine::Edge);
    }
    Ok(())
}

/// Control characters, those that turn the direction of writing, and those that nobody sees.
// Unicode's Default_Ignorable_Code_Point, line breaks and Bidi_Control. Two of the invisible ones are needed to write
// Persian and the languages of India, and are allowed: ZWNJ (200C) and ZWJ (200D). So are the variation selectors below
// FE10, which belong to emoji.
const fn deceives(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_deceive_is_refused() {
        for (text, reason) in [
            ("", InvalidLine::Empty),
            (" a", InvalidLine::Edge),
            ("a\u{a0}", InvalidLine::Edge),
            ("a\nb", InvalidLine::Character),
            ("a\u{1b}[31mb", InvalidLine::Character),
            ("\u{202e}abc", InvalidLine::Character),
            ("a\u{2066}b\u{2069}", InvalidLine::Character),
            ("a\u{200b}b", InvalidLine::Character),
            ("\u{e0061}", InvalidLine::Character),
            (&"ü".repeat(81), InvalidLine::TooLong { most: 80 }),
        ] {
            assert_eq!(text.parse::<Title>(), Err(reason), "{text:?}");
        }
    }

    #[test]
    fn what_people_write_is_taken() {
        for text in
            ["Chess club", "Schachklub Zürich – Gäste", "نمی\u{200c}خواهم", "שחמט", "♟️ 国际象棋", &"ü".repeat(80)]
        {
            assert_eq!(text.parse::<Title>().map(|title| title.to_string()).as_deref(), Ok(text));
        }
    }
}
