// SPDX-License-Identifier: GPL-3.0-or-later
//! The template has all messages: those of the command line, its help, and what other rooms say to people through it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::{env, fs};

use clap::CommandFactory;
use tails_server::cli::{Arguments, Topic, help_in_words, text_in_words};

use crate::po::{self, Entry, Key};
use crate::source::{self, code, files, holes, literals, messages};

/// Where messages are said with `tr!`.
pub(crate) const SPOKEN: &[&str] = &["src/cli", "src/errors"];

/// Rooms whose sentences come through the command line to people: as errors, causes, problems and hints.
const ELSEWHERE: &[&str] =
    &["state/src", "src/invitation", "src/key_files", "src/qr", "src/controller", "src/bus", "src/adapters"];

/// Of those, rooms that say nothing but sentences, and some of two words.
const WHOLE: &[&str] = &["src/controller/diagnosis", "src/controller/explain"];

/// What the system says, as far as people meet it.
const SYSTEM: &[&str] = &[
    "No such file or directory (os error 2)",
    "Permission denied (os error 13)",
    "File exists (os error 17)",
    "Not a directory (os error 20)",
    "Is a directory (os error 21)",
    "Too many open files (os error 24)",
    "No space left on device (os error 28)",
    "Read-only file system (os error 30)",
    "File name too long (os error 36)",
    "Connection refused (os error 111)",
];

/// What Tor says of its way into the network. It is in many messages.
// Tor, src/feature/control/control_bootstrap.c
const TOR: &[&str] = &[
    "Starting",
    "Connecting to pluggable transport",
    "Connected to pluggable transport",
    "Connecting to proxy",
    "Connected to proxy",
    "Connecting to a relay",
    "Connected to a relay",
    "Handshaking with a relay",
    "Handshake with a relay done",
    "Establishing an encrypted directory connection",
    "Asking for networkstatus consensus",
    "Loading networkstatus consensus",
    "Loading authority key certificates",
    "Asking for relay descriptors",
    "Loading relay descriptors",
    "Loaded enough directory info to build circuits",
    "Connecting to pluggable transport to build circuits",
    "Connected to pluggable transport to build circuits",
    "Connecting to proxy to build circuits",
    "Connected to proxy to build circuits",
    "Connecting to a relay to build circuits",
    "Connected to a relay to build circuits",
    "Finishing handshake with a relay to build circuits",
    "Handshake finished with a relay to build circuits",
    "Establishing a Tor circuit",
    "Done",
];

/// Sentences of one word, which nobody can tell from a name: where, and what.
const WORDS: &[(&str, &str)] = &[("src/controller/explain.rs", "nothing")];

/// What looks like a sentence for people, and is none: where, and what it is.
const NO_SENTENCES: &[(&str, &str)] = &[
    ("Derive temporary signing key", "a constant of Tor's"),
    ("{place:?} {skipped} {failures}", "a log"),
    ("what is acknowledged holds", "a log"),
    ("list of ports", "the name of a field"),
    ("every invitation fits in a QR code", "a reason for us"),
    ("allow-localhost and allow-lan", "names of options"),
    ("tails-server reset-option {name} {option}", "a command"),
    ("the control connection ended", "a log"),
    ("the control connection ended while it was added", "a log"),
    ("Tor has the address already", "a log"),
    ("Tor refused it", "a log"),
    ("a filter refused it", "a log"),
    ("Tor has no proof-of-work defence", "a log"),
    ("Tor let others in", "a log"),
    ("it was not wanted any more", "a log"),
    ("Tor could not add it", "a log"),
    ("Tor did not take a key", "a log"),
    ("Tor did not forget a key", "a log"),
    ("Tor did not remove it", "a log"),
    ("its visitors could not be sent away", "a log"),
];

/// Files whose texts are data: what `info --details` says of the options, in the language of the descriptors.
const DATA: &[&str] = &["src/controller/options.rs"];

fn file() -> std::path::PathBuf {
    source::root().join("contrib/po/tails-server.pot")
}

/// All entries of the template, from the source.
pub(crate) fn entries() -> Vec<Entry> {
    let mut order: Vec<Key> = Vec::new();
    let mut found: BTreeMap<Key, Entry> = BTreeMap::new();
    let mut add = |place: &str, context: Option<String>, text: String, plural: Option<String>| {
        let key = (context.clone(), text.clone());
        let entry = found.entry(key.clone()).or_insert_with(|| {
            order.push(key);
            Entry { context, text, plural: plural.clone(), ..Entry::default() }
        });
        // gettext knows one entry by its text alone.
        assert!(entry.plural == plural, "{:?} is said with a plural, and without it", entry.text);
        if !entry.places.iter().any(|known| known == place) {
            entry.places.push(place.to_owned());
        }
    };
    for file in files(SPOKEN) {
        for message in messages(&code(&file)) {
            add(&source::name(&file), message.context, message.text, message.plural);
        }
    }
    for text in help() {
        add("--help", None, text, None);
    }
    for (place, text) in elsewhere() {
        add(&place, None, text, None);
    }
    for (place, text) in WORDS {
        assert!(code(&source::root().join(place)).contains(&format!("\"{text}\"")), "{place} does not say {text}");
        add(place, None, (*text).to_owned(), None);
    }
    for (place, texts) in [("system", SYSTEM), ("tor", TOR)] {
        for text in texts {
            add(place, None, (*text).to_owned(), None);
        }
    }
    order.into_iter().map(|key| found.remove(&key).unwrap()).collect()
}

/// All texts of the help: of the commands, and of the topics.
pub(crate) fn help() -> Vec<String> {
    let said = RefCell::new(Vec::new());
    let note = |text: &str| {
        if !said.borrow().contains(&text.to_owned()) {
            said.borrow_mut().push(text.to_owned());
        }
        text.to_owned()
    };
    let _ = help_in_words(Arguments::command(), &note);
    for topic in Topic::ALL {
        let _ = text_in_words(&topic.text(), &note);
    }
    said.into_inner()
}

/// Every literal of a room that looks like a sentence.
fn elsewhere() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for file in files(ELSEWHERE).into_iter().filter(|file| !DATA.contains(&source::name(file).as_str())) {
        let code = code(&file);
        let name = source::name(&file);
        let is_whole = WHOLE.iter().any(|room| name.starts_with(room));
        let least = if is_whole { 1 } else { 2 };
        for literal in literals(&code) {
            let before = &code[..literal.span.0];
            let statement = &before[before.rfind([';', '{', '}']).map_or(0, |at| at + 1)..];
            let is_for_us =
                ["expect(", "reason = ", "error!(", "warn!(", "info!(", "debug!(", "trace!(", "Bug(", "panic!("];
            if is_for_us.iter().any(|mark| statement.contains(mark)) {
                continue;
            }
            // What goes through D-Bus has its hint on the next line.
            for text in literal.text.split('\n') {
                let begins = text.starts_with(|letter: char| {
                    letter.is_ascii_alphabetic() || "{`\"".contains(letter) || is_whole && letter.is_ascii_digit()
                });
                let is_none = NO_SENTENCES.iter().any(|(known, _)| *known == text.trim_end_matches('\0'))
                    // The marks of invitations and keys.
                    || text.to_uppercase() == text && !text.contains('{')
                    || text.starts_with("bug: ");
                if begins && text.matches(' ').count() >= least && !is_none {
                    found.push((name.clone(), text.to_owned()));
                }
            }
        }
    }
    found
}

#[test]
fn the_template_has_every_message() {
    let entries = entries();
    let written = po::template(&entries);
    if env::var_os("TAILS_SERVER_BLESS").is_some() {
        fs::write(file(), &written).unwrap();
    }
    let recorded = fs::read_to_string(file()).unwrap_or_default();
    let (_, known) = po::read(&recorded);
    let missing: Vec<&str> =
        entries.iter().filter(|entry| !known.contains_key(&entry.key())).map(|entry| entry.text.as_str()).collect();
    assert!(missing.is_empty(), "not in the template; renew it with TAILS_SERVER_BLESS=1: {missing:#?}");
    assert!(recorded == written, "the template is not as it would be written; renew it with TAILS_SERVER_BLESS=1");
}

#[test]
fn every_hole_of_a_message_is_filled() {
    let mut found = 0;
    for file in files(SPOKEN) {
        for message in messages(&code(&file)) {
            found += 1;
            let mut values = message.values.clone();
            values.extend(message.plural.is_some().then(|| "n".to_owned()));
            for text in [Some(&message.text), message.plural.as_ref()].into_iter().flatten() {
                for hole in holes(text) {
                    assert!(values.contains(&hole), "{}: nothing fills {{{hole}}} of {text:?}", source::name(&file));
                }
                // A translator has to be able to move them.
                assert!(!text.contains("{}"), "{}: a hole without a name in {text:?}", source::name(&file));
            }
        }
    }
    assert!(found > 100, "{found}");
}
