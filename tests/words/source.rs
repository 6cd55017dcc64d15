// SPDX-License-Identifier: GPL-3.0-or-later
//! Rust source, as far as it takes to find the texts in it.

use std::fs;
use std::path::{Path, PathBuf};

/// A literal of a source file.
#[derive(Debug)]
pub(crate) struct Literal {
    /// What it says, without escapes.
    pub(crate) text: String,
    /// Where it begins and ends in the code.
    pub(crate) span: (usize, usize),
}

/// A `tr!` of a source file.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) context: Option<String>,
    pub(crate) text: String,
    pub(crate) plural: Option<String>,
    /// The names of the values that it is given.
    pub(crate) values: Vec<String>,
    pub(crate) span: (usize, usize),
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The source files of some rooms, in their order; of a room `x` these are `x.rs` and all below `x/`.
pub(crate) fn files(rooms: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for room in rooms {
        let file = root().join(format!("{room}.rs"));
        found.extend(file.is_file().then_some(file));
        below(&root().join(room), &mut found);
    }
    assert!(!found.is_empty(), "{rooms:?}");
    found
}

fn below(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            below(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") && !is_test(&entry) {
            found.push(entry);
        }
    }
}

fn is_test(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests"))
}

/// How a file is called in the template.
pub(crate) fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

/// The code of a file: no comments, no attributes that hold help or conditions, nothing of its tests.
pub(crate) fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// All string literals of some code.
pub(crate) fn literals(code: &str) -> Vec<Literal> {
    let bytes = code.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let literal = literal(code, at);
                at = literal.span.1;
                found.push(literal);
            }
            // A letter in single quotation marks may be one of these; a lifetime is none.
            b'\'' if bytes.get(at + 1) == Some(&b'\\') => at += 4,
            b'\'' if bytes.get(at + 2) == Some(&b'\'') => at += 3,
            b'/' if code[at..].starts_with("// ") => at += code[at..].find('\n').unwrap_or(code.len() - at),
            _ => at += 1,
        }
    }
    found
}

/// The literal whose quotation mark is here.
fn literal(code: &str, start: usize) -> Literal {
    let mut text = String::new();
    let mut letters = code[start + 1..].char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Literal { text, span: (start, start + 1 + at + 1) },
            '\\' => match letters.next().unwrap().1 {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                '0' => text.push('\0'),
                'u' => {
                    let hex: String =
                        letters.by_ref().map(|(_, letter)| letter).take_while(|letter| *letter != '}').collect();
                    let number = u32::from_str_radix(hex.trim_start_matches('{'), 16).unwrap();
                    text.push(char::from_u32(number).unwrap());
                }
                'x' => letters.by_ref().take(2).for_each(drop),
                '\n' => {
                    let rest = letters.clone();
                    for _ in rest.take_while(|(_, letter)| letter.is_whitespace()) {
                        letters.next();
                    }
                }
                other => text.push(other),
            },
            letter => text.push(letter),
        }
    }
    panic!("a literal has no end: {}", &code[start..(start + 40).min(code.len())]);
}

/// All messages that are said with `tr!` as they are written there. One that is given in a variable was found elsewhere.
pub(crate) fn messages(code: &str) -> Vec<Message> {
    let literals = literals(code);
    let mut found = Vec::new();
    for (start, _) in code.match_indices("tr!(") {
        // Another macro may end like it.
        let is_longer = code[..start].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
        if is_longer || literals.iter().any(|literal| literal.span.0 < start && start < literal.span.1) {
            continue;
        }
        let mut at = start + "tr!(".len();
        let Some(mut first) = next_literal(code, &literals, &mut at) else { continue };
        let mut context = None;
        if skip(code, &mut at, "=>") {
            context = Some(first);
            first = next_literal(code, &literals, &mut at).expect("a text after its context");
        }
        let plural = skip(code, &mut at, "|").then(|| next_literal(code, &literals, &mut at).expect("a plural"));
        let (values, end) = values(code, &literals, at);
        found.push(Message { context, text: first, plural, values, span: (start, end) });
    }
    found
}

fn next_literal(code: &str, literals: &[Literal], at: &mut usize) -> Option<String> {
    let blank = code[*at..].len() - code[*at..].trim_start().len();
    let literal = literals.iter().find(|literal| literal.span.0 == *at + blank)?;
    *at = literal.span.1;
    Some(literal.text.clone())
}

fn skip(code: &str, at: &mut usize, mark: &str) -> bool {
    let rest = code[*at..].trim_start();
    let is_there = rest.starts_with(mark);
    if is_there {
        *at = code.len() - rest.len() + mark.len();
    }
    is_there
}

/// The names of the values up to the bracket that closes, and where it is.
fn values(code: &str, literals: &[Literal], start: usize) -> (Vec<String>, usize) {
    let (mut depth, mut at, mut parts) = (1, start, vec![String::new()]);
    loop {
        if let Some(literal) = literals.iter().find(|literal| literal.span.0 == at) {
            at = literal.span.1;
            continue;
        }
        let letter = code[at..].chars().next().expect("a closing bracket");
        match letter {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if letter == ',' && depth == 1 {
            parts.push(String::new());
        } else {
            parts.last_mut().unwrap().push(letter);
        }
        at += letter.len_utf8();
    }
    // The first part is what follows the text: nothing, or the number.
    let names = parts.iter().skip(1).map(|part| part.split('=').next().unwrap().trim().to_owned());
    (names.filter(|name| !name.is_empty()).collect(), at + 1)
}

/// The names of the holes in a text.
pub(crate) fn holes(text: &str) -> Vec<String> {
    let mut holes = Vec::new();
    let mut bare = 0..;
    for piece in text.split('{').skip(1) {
        let name = piece.split(['}', ':']).next().unwrap();
        holes.push(if name.is_empty() { bare.next().unwrap().to_string() } else { name.to_owned() });
    }
    holes.sort();
    holes.dedup();
    holes
}

#[test]
fn messages_are_found_with_all_their_parts() {
    let code = r#"
        say(&tr!("plain \"word\""));
        say(&tr!("{name} is \
                  here", name));
        tr!("menu" => "door");
        tr!("one of {of}" | "{n} of {of}" % count(a, "b, c"), of = x.of());
        tr!(hint);
        let text = "tr!(\"no\")";
        include_str!("no.txt");
    "#;
    let messages = messages(code);
    let texts: Vec<&str> = messages.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(texts, ["plain \"word\"", "{name} is here", "door", "one of {of}"]);
    assert_eq!(messages[1].values, ["name"]);
    assert_eq!(messages[2].context.as_deref(), Some("menu"));
    assert_eq!(messages[3].plural.as_deref(), Some("{n} of {of}"));
    assert_eq!(messages[3].values, ["of"]);
    assert_eq!(holes("{b} {} {a:?} {b} {}"), ["0", "1", "a", "b"]);
}
