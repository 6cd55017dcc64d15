// SPDX-License-Identifier: GPL-3.0-or-later
//! What a stream can show: how wide it is, and whether colours are welcome.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

pub(super) use crate::errors::harmless;

/// What is written where a text was cut.
const ELLIPSIS: char = '…';

/// Where text for people is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Screen {
    /// The columns of a terminal; nothing elsewhere, where no line is too long.
    pub(super) width: Option<usize>,
    /// Whether colours are welcome. They never say what the words do not say.
    pub(super) colours: bool,
    /// Whether a line can be written over.
    pub(super) redraws: bool,
}

impl Screen {
    /// A pipe or a file.
    pub(super) const PLAIN: Self = Self { width: None, colours: false, redraws: false };

    /// Standard output.
    pub(super) fn output() -> Self {
        Self::of(&io::stdout())
    }

    /// Standard error.
    pub(super) fn talk() -> Self {
        Self::of(&io::stderr())
    }

    fn of(stream: &(impl IsTerminal + AsFd)) -> Self {
        if !stream.is_terminal() {
            return Self::PLAIN;
        }
        // A terminal that does not know its size says 0.
        let columns = terminal_size::terminal_size_of(stream).map(|(width, _)| usize::from(width.0));
        let colours = welcomes_colours(|name| env::var_os(name));
        Self { width: columns.filter(|columns| *columns > 0), colours, redraws: redraws(env::var_os("TERM")) }
    }

    /// The text in this tone.
    pub(super) fn toned(self, text: &str, tone: Tone) -> String {
        match tone.code().filter(|_| self.colours && !text.is_empty()) {
            Some(code) => format!("\x1b[{code}m{text}\x1b[0m"),
            None => text.to_owned(),
        }
    }
}

/// What a text is about. The word beside it says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Heading,
    Good,
    Moving,
    Bad,
    Quiet,
}

impl Tone {
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Heading => Some("1"),
            Self::Good => Some("32"),
            Self::Moving => Some("33"),
            Self::Bad => Some("31"),
            Self::Quiet => Some("2"),
        }
    }
}

/// On a terminal; elsewhere they never are.
// https://no-color.org and https://bixense.com/clicolors; CLICOLOR_FORCE is not for us: in a pipe nobody expects colours.
fn welcomes_colours(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let is_refused = variable("NO_COLOR").is_some_and(|value| !value.is_empty())
        || variable("CLICOLOR").is_some_and(|value| value == "0");
    !is_refused && redraws(variable("TERM"))
}

/// A terminal that says what it is understands the few sequences that all do.
fn redraws(term: Option<OsString>) -> bool {
    term.is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// The columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The text in at most so many columns.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let Some(room) = columns.checked_sub(1) else { return String::new() };
    let mut kept = String::new();
    for letter in text.chars() {
        if width(&kept) + letter.width().unwrap_or(0) > room {
            break;
        }
        kept.push(letter);
    }
    kept.push(ELLIPSIS);
    kept
}

/// The text in lines of at most so many columns, broken between words where that is possible.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    // A letter can take two.
    let columns = columns.max(2);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        let gap = usize::from(!line.is_empty());
        if width(line) + gap + width(word) <= columns {
            line.push_str(if gap == 1 { " " } else { "" });
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(String::new());
        }
        for letter in word.chars() {
            if lines.last().is_some_and(|line| width(line) + letter.width().unwrap_or(0) > columns) {
                lines.push(String::new());
            }
            if let Some(line) = lines.last_mut() {
                line.push(letter);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_shown_where_nothing_speaks_against_them() {
        let welcome = |variables: &[(&str, &str)]| {
            welcomes_colours(|name| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
            })
        };
        assert!(welcome(&[("TERM", "xterm")]));
        assert!(welcome(&[("TERM", "xterm"), ("NO_COLOR", ""), ("CLICOLOR", "1")]));
        for against in [
            &[("TERM", "dumb")] as &[_],
            &[],
            &[("TERM", "")],
            &[("TERM", "xterm"), ("NO_COLOR", "1")],
            &[("TERM", "dumb"), ("CLICOLOR_FORCE", "1")],
            &[("TERM", "xterm"), ("CLICOLOR", "0")],
        ] {
            assert!(!welcome(against), "{against:?}");
        }
    }

    #[test]
    fn what_is_cut_says_so_and_takes_no_more_columns_than_there_are() {
        for (text, columns, shown) in [
            ("mumble", 6, "mumble"),
            ("mumble", 5, "mumb…"),
            ("mumble", 1, "…"),
            ("mumble", 0, ""),
            // Each of these takes two columns.
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("日本語", 2, "…"),
        ] {
            assert_eq!(cut(text, columns), shown, "{text} {columns}");
        }
    }

    #[test]
    fn lines_break_between_words_and_no_word_is_lost() {
        assert_eq!(wrap("nothing listens on 127.0.0.1:8080", 18), ["nothing listens on", "127.0.0.1:8080"]);
        assert_eq!(wrap("on 127.0.0.1:8080", 8), ["on", "127.0.0.", "1:8080"]);
        assert_eq!(wrap("日本語 で", 4), ["日本", "語", "で"]);
        assert_eq!(wrap("", 10), [""]);
        let text = "a word, and a_word_that_is_far_too_long 日本語日本語";
        for columns in 0..60 {
            let lines = wrap(text, columns);
            assert!(lines.iter().all(|line| width(line) <= columns.max(2)), "{columns} {lines:?}");
            let all = |text: &str| text.replace(' ', "");
            assert_eq!(all(&lines.concat()), all(text));
        }
    }

    #[test]
    fn a_screen_without_colours_shows_the_text_and_nothing_else() {
        assert_eq!(Screen::PLAIN.toned("failed", Tone::Bad), "failed");
        let colourful = Screen { colours: true, ..Screen::PLAIN };
        let shown = colourful.toned("failed", Tone::Bad);
        assert_eq!(shown.strip_prefix("\x1b[31m").unwrap(), "failed\x1b[0m");
        assert_eq!(colourful.toned("failed", Tone::Plain), "failed");
    }
}
