// SPDX-License-Identifier: GPL-3.0-or-later
//! How an error is told: what is the matter, why, and what to do.

pub(crate) mod usage;

use std::error::Error;
use std::io::Write;

use tr::tr;

/// Writes an error with its causes, and a hint, to standard error.
pub(crate) fn report(error: &dyn Error, hint: Option<&str>) {
    let mut lines = vec![tr!("Error: {message}", message = capitalised(&error.to_string()))];
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        let reason = reason.as_str();
        // Causes come from rooms that speak English alone.
        lines.push(tr!("Caused by: {reason}", reason = tr!(reason)));
        cause = error.source();
    }
    lines.extend(hint.map(|hint| tr!("Hint: {hint}", hint)));
    let text = lines.into_iter().map(|line| line + "\n").collect::<String>();
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

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
