// SPDX-License-Identifier: GPL-3.0-or-later
//! Whether an output is the one that is written down.
//!
//! `<word>` stands for what is another at each time, and for the same wherever it stands in a session, but for `<time>` and
//! `<n>`. `...` alone on a line stands for any lines, and within a line for any text. How wide the columns of a table
//! are depends on what is in them, so that several spaces are as good as two.

use std::collections::BTreeMap;

/// What was found for the words in angle brackets so far.
pub(crate) type Known = BTreeMap<String, String>;

/// What is never the same.
const FLEETING: [&str; 2] = ["time", "n"];

/// Compares an output; what is known after it, if it is as written down.
pub(crate) fn agrees(written: &[String], output: &[String], known: &Known) -> Option<Known> {
    match (written.split_first(), output.split_first()) {
        (None, None) => Some(known.clone()),
        (Some((any, rest)), _) if any.trim() == "..." => agrees(rest, output, known)
            .or_else(|| output.split_first().and_then(|(_, output)| agrees(written, output, known))),
        (Some((line, rest)), Some((found, output))) => {
            let all = line_agrees(&narrow(line), &narrow(found), known);
            all.into_iter().find_map(|known| agrees(rest, output, &known))
        }
        (Some(_), None) | (None, Some(_)) => None,
    }
}

/// Puts in what is known.
pub(crate) fn filled_in(text: &str, known: &Known) -> String {
    known.iter().fold(text.to_owned(), |text, (word, found)| text.replace(&format!("<{word}>"), found))
}

/// The line with no more than two spaces in a row, but for those that it begins with.
fn narrow(line: &str) -> String {
    let text = line.trim_start();
    let (indent, mut text) = (&line[..line.len() - text.len()], text.trim_end().to_owned());
    while text.contains("   ") {
        text = text.replace("   ", "  ");
    }
    format!("{indent}{text}")
}

/// Each way in which the line is what was found.
fn line_agrees(written: &str, found: &str, known: &Known) -> Vec<Known> {
    if let Some(rest) = written.strip_prefix("...") {
        return ends(found).flat_map(|end| line_agrees(rest, &found[end..], known)).collect();
    }
    if let Some((word, rest)) = written.strip_prefix('<').and_then(|written| written.split_once('>')) {
        if let Some(before) = known.get(word) {
            let rest = found.strip_prefix(before.as_str()).map(|found| line_agrees(rest, found, known));
            return rest.unwrap_or_default();
        }
        let fitting = ends(found).filter(|end| fits(word, &found[..*end]));
        return fitting
            .flat_map(|end| {
                let mut known = known.clone();
                if !FLEETING.contains(&word) {
                    known.insert(word.to_owned(), found[..end].to_owned());
                }
                line_agrees(rest, &found[end..], &known)
            })
            .collect();
    }
    let (mut written, mut found) = (written.chars(), found.chars());
    match (written.next(), found.next()) {
        (None, None) => vec![known.clone()],
        (one, other) if one == other => line_agrees(written.as_str(), found.as_str(), known),
        _ => Vec::new(),
    }
}

/// Where a part of the text can end.
fn ends(text: &str) -> impl Iterator<Item = usize> + '_ {
    text.char_indices().map(|(at, _)| at).chain([text.len()])
}

/// Whether this can be what the word stands for.
fn fits(word: &str, found: &str) -> bool {
    let is_base32 =
        |text: &str| text.chars().all(|letter| letter.is_ascii_lowercase() || ('2'..='7').contains(&letter));
    match word {
        "n" => !found.is_empty() && found.chars().all(|digit| digit.is_ascii_digit()),
        "time" => {
            let shape: String = found.chars().map(|it| if it.is_ascii_digit() { '0' } else { it }).collect();
            shape == "0000-00-00T00:00:00Z"
        }
        word if word.ends_with("address") => {
            found.strip_suffix(".onion").is_some_and(|id| id.len() == 56 && is_base32(id))
        }
        _ => !found.is_empty() && !found.contains(char::is_whitespace),
    }
}
