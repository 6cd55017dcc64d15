// SPDX-License-Identifier: GPL-3.0-or-later
//! Words, keyword arguments and quoted strings of replies and events.

/// One keyword argument, `KEY=VALUE` or `KEY="QUOTED VALUE"`; a bare word is a key without a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Argument<'a> {
    pub(super) key: &'a str,
    pub(super) value: Option<String>,
}

/// Splits the rest of a line into arguments. Total: whatever makes no sense becomes a key without a value.
pub(super) fn arguments(text: &str) -> Arguments<'_> {
    Arguments { rest: text }
}

/// The iterator behind [`arguments`].
pub(super) struct Arguments<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Arguments<'a> {
    type Item = Argument<'a>;

    fn next(&mut self) -> Option<Argument<'a>> {
        self.rest = self.rest.trim_start_matches(' ');
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.find([' ', '=']).unwrap_or(self.rest.len());
        let (key, rest) = self.rest.split_at(end);
        let Some(value) = rest.strip_prefix('=') else {
            self.rest = rest;
            return Some(Argument { key, value: None });
        };
        let value = match value.strip_prefix('"').and_then(unquote) {
            Some((value, rest)) => {
                self.rest = rest;
                value
            }
            None => {
                let end = value.find(' ').unwrap_or(value.len());
                let (value, rest) = value.split_at(end);
                self.rest = rest;
                value.to_owned()
            }
        };
        Some(Argument { key, value: Some(value) })
    }
}

/// The quoted strings of a text that has nothing else, up to the first thing that is none.
pub(super) fn quoted(text: &str) -> impl Iterator<Item = String> + '_ {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (value, after) = rest.trim_start_matches(' ').strip_prefix('"').and_then(unquote)?;
        rest = after;
        Some(value)
    })
}

/// Reads a quoted string up to its closing quote, and gives what follows it. `None` when it never closes.
// control-spec, QuotedString: \n \t \r and octal are C escapes; a backslash before anything else is that character.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(index + 1..)?)),
            '\\' => {
                let (_, escaped) = characters.next()?;
                match escaped {
                    'n' => value.push('\n'),
                    't' => value.push('\t'),
                    'r' => value.push('\r'),
                    '0'..='7' => {
                        let mut code = escaped.to_digit(8)?;
                        let mut ahead = characters.clone();
                        for _ in 0..2 {
                            let Some(digit) = ahead.next().and_then(|(_, digit)| digit.to_digit(8)) else { break };
                            code = code * 8 + digit;
                            characters = ahead.clone();
                        }
                        value.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    other => value.push(other),
                }
            }
            other => value.push(other),
        }
    }
    None
}

/// The text without control characters, cut at `max` characters: safe to keep and to print.
pub(super) fn bounded(text: &str, max: usize) -> String {
    text.chars().take(max).map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// A word that is all upper-case letters, digits and underscores and not long, as Tor's own keywords are.
pub(super) fn keyword(word: &str) -> Option<&str> {
    let fits = (1..=40).contains(&word.len())
        && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    fits.then_some(word)
}

/// What Tor said, for an error: bounded, and without anything as long as a key or an address.
// A peer that echoes our own line would otherwise put a secret key into a log.
pub(super) fn presentable(text: &str) -> String {
    const LONGEST: usize = 200;
    const LONGEST_WORD: usize = 31;
    let mut shown = String::new();
    let is_blob =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '+' | '/' | '=' | '-' | '_');
    let mut rest = text;
    while !rest.is_empty() && shown.len() < LONGEST {
        let end = rest.find(|character| !is_blob(character)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.len() > LONGEST_WORD {
            shown.push('…');
        } else {
            shown.push_str(word);
        }
        let end = after.find(is_blob).unwrap_or(after.len());
        let (between, after) = after.split_at(end);
        shown.push_str(between);
        rest = after;
    }
    bounded(&shown, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<(&str, Option<String>)> {
        arguments(text).map(|argument| (argument.key, argument.value)).collect()
    }

    #[test]
    fn arguments_are_cut_at_spaces_outside_of_quotes() {
        let some = |value: &str| Some(value.to_owned());
        for (text, expected) in [
            ("", vec![]),
            ("   ", vec![]),
            ("NOTICE BOOTSTRAP", vec![("NOTICE", None), ("BOOTSTRAP", None)]),
            ("PROGRESS=5 TAG=conn", vec![("PROGRESS", some("5")), ("TAG", some("conn"))]),
            (r#"SUMMARY="a \"b\" = c" X=1"#, vec![("SUMMARY", some("a \"b\" = c")), ("X", some("1"))]),
            (r#"A="\101\n\\\8" B="#, vec![("A", some("A\n\\8")), ("B", some(""))]),
            (r#"A="open B=1"#, vec![("A", some("\"open")), ("B", some("1"))]),
            (r#"A="" B"#, vec![("A", some("")), ("B", None)]),
            ("=x", vec![("", some("x"))]),
        ] {
            assert_eq!(list(text), expected, "{text:?}");
        }
    }

    #[test]
    fn errors_never_repeat_a_key_or_an_address() {
        let key = "GPSoId4NLQNzwZ/4q3ss7y5/WJOvk87bVgZ53Zx0P3VwCVVqnIrA0bFdTUHGnKfHiaLxfQH6wtptuHWxhAvwFw==";
        let shown = presentable(&format!("echo ADD_ONION ED25519-V3:{key} Port=80"));
        assert_eq!(shown, "echo ADD_ONION ED25519-V3:… Port=80");
        assert_eq!(presentable("Onion address collision"), "Onion address collision");
        assert_eq!(presentable("a\r\nb\0c"), "a  b c");
        assert!(presentable(&"ab ".repeat(10_000)).len() <= 200);
        assert!(presentable(&"ü".repeat(10_000)).chars().count() <= 200);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_splitter_panic_or_loop(text in ".{0,300}") {
            proptest::prop_assert!(arguments(&text).count() <= text.len());
            presentable(&text);
            bounded(&text, 10);
        }
    }
}
