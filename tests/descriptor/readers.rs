// SPDX-License-Identifier: GPL-3.0-or-later
//! Small readers of the formats, written from their specifications and not from our escapers.

use tails_server::descriptor::Format;

/// A piece of a file as its server reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A key, a word, punctuation.
    Word(String),
    /// A value of text.
    Text(String),
    /// The end of a line, where lines count.
    End,
}

/// The pieces of a file, without comments.
pub(crate) fn read(format: Format, text: &str) -> Vec<Piece> {
    match format {
        Format::Plain => vec![Piece::Text(text.to_owned())],
        Format::KeyValue => lines(text, |value| vec![Piece::Text(value.to_owned())]),
        Format::IniQt => lines(text, qt),
        Format::IniGlib => lines(text, |value| vec![Piece::Text(glib(value))]),
        Format::Sshd => text.split('\n').filter(|line| !line.trim_start().starts_with('#')).flat_map(words).collect(),
        Format::Lua => tokens(text, "--", true),
        Format::Nginx => tokens(text, "#", false),
    }
}

/// Without white space at its ends: as isspace(3) in the C locale has it, which knows none but that of ASCII.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|character: char| character.is_ascii_whitespace() || character == '\u{b}')
}

/// `[section]`, `key=value`, and comments that begin with `#` or `;`.
fn lines(text: &str, value: impl Fn(&str) -> Vec<Piece>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    // Whatever some reader may take for a line break is one.
    for line in text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
        let line = trimmed(line);
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        match line.split_once('=') {
            Some((key, rest)) if !line.starts_with('[') => {
                pieces.push(Piece::Word(trimmed(key).to_owned()));
                pieces.extend(value(trimmed(rest)));
            }
            // Password files have lines of another form.
            None if !line.starts_with('[') => pieces.push(Piece::Text(line.to_owned())),
            Some(_) | None => pieces.push(Piece::Word(line.to_owned())),
        }
        pieces.push(Piece::End);
    }
    pieces
}

/// qsettings.cpp, iniUnescapedStringList and stringToVariant.
fn qt(value: &str) -> Vec<Piece> {
    let Some(quoted) = value.strip_prefix('"') else { return vec![Piece::Word(value.to_owned())] };
    let mut text = String::new();
    let mut rest = quoted.chars();
    loop {
        match rest.next().expect("the quotes end on the line") {
            '"' => break,
            '\\' => text.push(match rest.next().expect("something is escaped") {
                'n' => '\n',
                't' => '\t',
                same @ ('"' | '\\') => same,
                other => panic!("\\{other} is an escape that means something else"),
            }),
            plain => text.push(plain),
        }
    }
    assert_eq!(rest.as_str(), "", "there is something behind the quotes");
    match text.strip_prefix('@') {
        Some(doubled) if doubled.starts_with('@') => vec![Piece::Text(doubled.to_owned())],
        Some(_) => panic!("it is taken for something else than text"),
        None => vec![Piece::Text(text)],
    }
}

/// gkeyfile.c, g_key_file_parse_value_as_string.
fn glib(value: &str) -> String {
    let mut text = String::new();
    let mut rest = value.chars();
    while let Some(character) = rest.next() {
        text.push(match character {
            '\\' => match rest.next().expect("something is escaped") {
                's' => ' ',
                '\\' => '\\',
                other => panic!("\\{other} is an escape that means something else"),
            },
            plain => plain,
        });
    }
    text
}

/// misc.c of OpenSSH, argv_split: words, quotes, and a comment to the end of the line.
fn words(line: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (text, after) = quoted.split_once('"').expect("the quotes end on the line");
            assert!(!text.contains('\\'), "versions differ on backslashes");
            pieces.push(Piece::Text(text.to_owned()));
            assert!(after.is_empty() || after.starts_with(' '), "there is something behind the quotes");
            rest = after.trim_start();
        } else {
            let end = rest.find([' ', '"']).unwrap_or(rest.len());
            pieces.push(Piece::Word(rest[..end].to_owned()));
            rest = rest[end..].trim_start();
        }
    }
    pieces.push(Piece::End);
    pieces
}

/// Words and strings: Lua, and ngx_conf_read_token of nginx.
fn tokens(text: &str, comment: &str, is_lua: bool) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if rest.starts_with(comment) {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if first == '"' {
            let mut string = String::new();
            let mut characters = rest[1..].char_indices();
            loop {
                match characters.next().expect("the quotes end").1 {
                    '"' => break,
                    '\n' => panic!("a line break in a string"),
                    '$' if !is_lua => panic!("a variable in a string"),
                    '\\' => string.push(match (characters.next().expect("something is escaped").1, is_lua) {
                        ('n', true) => '\n',
                        ('t', true) => '\t',
                        (same @ ('"' | '\\'), _) => same,
                        (other, _) => panic!("\\{other} is an escape that means something else"),
                    }),
                    plain => string.push(plain),
                }
            }
            pieces.push(Piece::Text(string));
            rest = characters.as_str();
        } else if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
        } else {
            let is_word = |character: char| character.is_alphanumeric() || "_./:-".contains(character);
            let end = rest.find(|character| !is_word(character)).unwrap_or(rest.len()).max(first.len_utf8());
            let comment_at = rest.find(comment).unwrap_or(rest.len());
            let end = end.min(comment_at);
            pieces.push(Piece::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        }
    }
    pieces
}
