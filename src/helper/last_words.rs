// SPDX-License-Identifier: GPL-3.0-or-later
//! The last words of a server: what its unit wrote to the journal in a life that ended otherwise than it was told to.
//!
//! The controller may not read the journal, and should not have to: it gets these lines and no more.

use serde::Deserialize;

use super::error::Error;
use super::program::{JOURNALCTL, SYSTEMCTL, attempt, run};
use crate::descriptor::hides;

/// So many lines are told: why a server ends is in the last few, and each one more may have something private in it.
const LINES: usize = 5;
/// So many entries are looked at: some have no word in them.
const ENTRIES: &str = "--lines=20";
/// So many characters of a line are told.
const CHARACTERS: usize = 200;
/// What stands for an entry that is longer than journalctl hands out, which is 4096 bytes.
const TOO_LONG: &str = "(a line that is too long)";

/// One entry of the journal, as far as it matters.
#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(rename = "MESSAGE")]
    message: Option<Message>,
}

/// What an entry says.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Message {
    Text(String),
    /// There are bytes in it that are no text, or control characters.
    Bytes(Vec<u8>),
}

/// The last words of a unit that has failed. Where nobody can say, there are none: that is no reason for an act to fail.
pub(super) fn of(unit: &str) -> Vec<String> {
    let words = read(unit);
    if let Err(error) = &words {
        crate::errors::report(error, None);
    }
    words.unwrap_or_default()
}

fn read(unit: &str) -> Result<Vec<String>, Error> {
    let life = run(SYSTEMCTL, &["show", "--value", "--property=InvocationID", "--", unit])?;
    let life = life.trim();
    if life.is_empty() {
        return Ok(Vec::new());
    }
    // What the server has written may not have been taken in yet.
    attempt(JOURNALCTL, &["--sync"])?;
    let said = |matches: [&str; 2]| -> Result<Vec<String>, Error> {
        // As JSON, it hands out no entry that is very long: a server can write some of any size. Lives are never mistaken for
        // each other, so it need not be told of which boot they are: in a unit of its own it may not know that.
        let how = ["--quiet", "--no-pager", ENTRIES, "--output=json", "--output-fields=MESSAGE"];
        Ok(last_lines(&run(JOURNALCTL, &[&how[..], &matches].concat())?))
    };
    // Of this life alone. Both are fields that journald writes: nobody else can have words put into the server's mouth.
    let own = said([&format!("_SYSTEMD_UNIT={unit}"), &format!("_SYSTEMD_INVOCATION_ID={life}")])?;
    if !own.is_empty() {
        return Ok(own);
    }
    // It said nothing: what systemd says of it.
    said(["_PID=1", &format!("INVOCATION_ID={life}")])
}

/// The last lines of entries, one JSON object a line, as they can be shown anywhere.
fn last_lines(entries: &str) -> Vec<String> {
    let messages =
        entries.lines().filter_map(|entry| serde_json::from_str::<Entry>(entry).ok()).map(|entry| {
            match entry.message {
                Some(Message::Text(text)) => text,
                Some(Message::Bytes(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
                None => TOO_LONG.to_owned(),
            }
        });
    let lines: Vec<String> = messages
        .flat_map(|message| message.lines().map(plain).collect::<Vec<_>>())
        .filter(|line| !line.is_empty())
        .collect();
    lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().to_vec()
}

/// A line without escape sequences, control characters and what nobody sees, no longer than can be read.
fn plain(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line.chars().peekable();
    while let Some(character) = rest.next() {
        match (character, rest.peek()) {
            // ECMA-48, 5.4: CSI, parameters, and a final byte.
            ('\u{1b}', Some('[')) => {
                rest.next();
                rest.by_ref().find(|part| matches!(part, '\u{40}'..='\u{7e}'));
            }
            ('\u{9b}', _) => drop(rest.by_ref().find(|part| matches!(part, '\u{40}'..='\u{7e}'))),
            // OSC, as for titles of windows and links: to BEL or ST, whose second half is a backslash.
            ('\u{1b}', Some(']')) => drop(rest.by_ref().find(|part| matches!(part, '\u{7}' | '\\' | '\u{9c}'))),
            ('\t', _) => plain.push(' '),
            (other, _) if hides(other) => {}
            (other, _) => plain.push(other),
        }
    }
    let plain = plain.trim();
    if plain.chars().count() <= CHARACTERS {
        return plain.to_owned();
    }
    let begin: String = plain.chars().take(CHARACTERS - 1).collect();
    begin + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(messages: &[serde_json::Value]) -> String {
        let entry =
            |message: &serde_json::Value| serde_json::json!({ "MESSAGE": message, "__CURSOR": "x" }).to_string();
        messages.iter().map(entry).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_last_lines_are_told_in_their_order_and_no_more_than_five() {
        let messages: Vec<_> = (0..9).map(|number| format!("line {number}").into()).collect();
        assert_eq!(last_lines(&entries(&messages)), ["line 4", "line 5", "line 6", "line 7", "line 8"]);
        assert_eq!(last_lines(&entries(&["a\nb\n\nc".into(), " ".into(), "d".into()])), ["a", "b", "c", "d"]);
        assert_eq!(
            last_lines(&entries(&[serde_json::Value::Null, [104, 105, 255].as_slice().into()])),
            [TOO_LONG, "hi\u{fffd}"]
        );
        for nothing in ["", "\n", "no JSON", "[]", "{\"MESSAGE\":{}}"] {
            assert_eq!(last_lines(nothing), [""; 0], "{nothing}");
        }
    }

    #[test]
    fn a_line_has_nothing_in_it_that_a_terminal_would_obey_and_is_not_too_long() {
        for (line, told) in [
            ("a\tb", "a b"),
            ("\u{1b}[31;1mred\u{1b}[0m", "red"),
            ("\u{9b}31mred", "red"),
            ("\u{1b}]0;title\u{7}text", "text"),
            ("\u{1b}]8;;https://example.org\u{1b}\\link", "link"),
            ("\u{1b}]never ends", ""),
            ("\u{1b}[", ""),
            ("\u{1b}c\u{7}\u{8}\rb", "cb"),
            ("\u{202e}abc\u{200b}", "abc"),
            ("  für  ", "für"),
        ] {
            assert_eq!(plain(line), told, "{line:?}");
        }
        let told = plain(&"ü".repeat(CHARACTERS + 1));
        assert_eq!(told.chars().count(), CHARACTERS);
        assert!(told.ends_with("ü…"));
        assert_eq!(plain(&"ü".repeat(CHARACTERS)), "ü".repeat(CHARACTERS));
    }
}
