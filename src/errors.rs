// SPDX-License-Identifier: GPL-3.0-or-later
//! How an error is told: what is the matter, why, and what to do.

pub(crate) mod usage;

use std::error::Error;
use std::io::Write;

use tr::tr;

/// Writes an error with its causes, and a hint, to standard error.
pub(crate) fn report(error: &dyn Error, hint: Option<&str>) {
    let mut lines: Vec<String> = vec![tr!("Error: {message}", message = capitalised(&error.to_string()))];
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        let reason = reason.as_str();
        // Causes come from rooms that speak English alone.
        lines.push(tr!("Caused by: {reason}", reason = tr!(reason)));
        cause = error.source();
    }
    lines.extend(hint.map(|hint| tr!("Hint: {hint}", hint)));
    let text = lines.iter().map(|line| harmless(line) + "\n").collect::<String>();
    // Where standard error is gone, there is nobody to tell.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// An error and its causes in one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// The text without what would move the cursor, or change the colour: some of it comes from files, from Tor, from servers.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().map(|letter| if is_harmful(letter) { ' ' } else { letter }).collect()
}

/// Whether a terminal would take it for a command, or turn the text around.
pub(crate) fn is_harmful(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_elsewhere_moves_the_cursor() {
        let told = harmless("\x1b[2J\rTor\u{9b}1m\u{202e}roT\n");
        assert!(!told.chars().any(char::is_control) && !told.contains('\u{202e}'), "{told:?}");
        assert!(told.contains("Tor") && harmless("é 日本") == "é 日本");
    }
}
