// SPDX-License-Identifier: GPL-3.0-or-later
//! Files of gettext's, read strictly, and written.

use std::collections::BTreeMap;

/// What makes an entry one of its own: context, text and plural.
pub(crate) type Key = (Option<String>, String);

/// An entry of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Source files that it is in.
    pub(crate) places: Vec<String>,
    pub(crate) is_fuzzy: bool,
    pub(crate) context: Option<String>,
    pub(crate) text: String,
    pub(crate) plural: Option<String>,
    pub(crate) translations: Vec<String>,
}

impl Entry {
    pub(crate) fn key(&self) -> Key {
        (self.context.clone(), self.text.clone())
    }
}

/// Reads a file. The first of what it gives back is its header.
pub(crate) fn read(file: &str) -> (String, BTreeMap<Key, Entry>) {
    let mut entries = BTreeMap::new();
    for block in file.split("\n\n") {
        let mut entry = Entry::default();
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in block.lines().filter(|line| !line.starts_with("#~")) {
            if let Some(places) = line.strip_prefix("#:") {
                entry.places.extend(places.split_whitespace().map(str::to_owned));
            } else if line.starts_with('#') {
                entry.is_fuzzy |= line.starts_with("#,") && line.contains("fuzzy");
            } else if !line.is_empty() {
                let at = line.find('"').unwrap_or_else(|| panic!("no text in {line:?}"));
                let (keyword, quoted) = (line[..at].trim(), &line[at + 1..]);
                let text =
                    unescaped(quoted.strip_suffix('"').unwrap_or_else(|| panic!("no end of the text in {line:?}")));
                if keyword.is_empty() {
                    fields.last_mut().expect("a keyword").1.push_str(&text);
                } else {
                    fields.push((keyword.to_owned(), text));
                }
            }
        }
        if fields.is_empty() {
            continue;
        }
        for (keyword, text) in fields {
            match keyword.as_str() {
                "msgctxt" => entry.context = Some(text),
                "msgid" => entry.text = text,
                "msgid_plural" => entry.plural = Some(text),
                "msgstr" => entry.translations = vec![text],
                numbered => {
                    assert_eq!(numbered, format!("msgstr[{}]", entry.translations.len()), "{block}");
                    entry.translations.push(text);
                }
            }
        }
        let is_new = entries.insert(entry.key(), entry.clone()).is_none();
        assert!(is_new, "twice: {:?}", entry.text);
    }
    let header = entries.remove(&(None, String::new())).expect("a header");
    (header.translations.concat(), entries)
}

fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => plain.push(match letters.next().unwrap() {
                'n' => '\n',
                't' => '\t',
                other => other,
            }),
            '"' => panic!("a quotation mark in {text}"),
            letter => plain.push(letter),
        }
    }
    plain
}

/// A template with these entries, in this order.
pub(crate) fn template(entries: &[Entry]) -> String {
    let mut file = "\
# Messages of Tails Server.
# This file is written by `TAILS_SERVER_BLESS=1 cargo test --test words`; see README.md beside it.
msgid \"\"
msgstr \"\"
\"Project-Id-Version: tails-server\\n\"
\"MIME-Version: 1.0\\n\"
\"Content-Type: text/plain; charset=UTF-8\\n\"
\"Content-Transfer-Encoding: 8bit\\n\"
"
    .to_owned();
    for entry in entries {
        file.push_str(&format!("\n#: {}\n", entry.places.join(" ")));
        if let Some(context) = &entry.context {
            file.push_str(&format!("msgctxt {}\n", quoted(context)));
        }
        file.push_str(&format!("msgid {}\n", quoted(&entry.text)));
        match &entry.plural {
            Some(plural) => {
                file.push_str(&format!("msgid_plural {}\nmsgstr[0] \"\"\nmsgstr[1] \"\"\n", quoted(plural)))
            }
            None => file.push_str("msgstr \"\"\n"),
        }
    }
    file
}

fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\t', "\\t");
    format!("\"{text}\"")
}
