// SPDX-License-Identifier: GPL-3.0-or-later
//! Each translation has all of the template, and says what it says.

use std::fs;

use tails_server::cli::Catalogue;
use tr::Translator;

use crate::po::{self, Entry};
use crate::source::{holes, root};
use crate::template;

fn languages() -> Vec<(String, String)> {
    let directory = fs::read_dir(root().join("contrib/po")).unwrap().map(|entry| entry.unwrap().path());
    let files = directory.filter(|path| path.extension().is_some_and(|extension| extension == "po"));
    let languages = files.map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), path));
    languages.map(|(code, path)| (code, fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn every_translation_is_part_of_the_program() {
    let code = fs::read_to_string(root().join("src/cli/language.rs")).unwrap();
    let languages = languages();
    assert!(!languages.is_empty());
    for (language, _) in languages {
        assert!(code.contains(&format!("contrib/po/{language}.po")), "src/cli/language.rs does not know {language}");
    }
}

#[test]
fn every_translation_is_whole() {
    for (language, file) in languages() {
        let (header, entries) = po::read(&file);
        assert!(header.contains(&format!("Language: {language}\n")), "{language}: {header}");
        let count = header.split_once("nplurals=").unwrap().1.split(';').next().unwrap().parse::<usize>().unwrap();
        let mut wrong = Vec::new();
        for wanted in template::entries() {
            match entries.get(&wanted.key()) {
                None => wrong.push(format!("is missing: {:?}", wanted.text)),
                Some(entry) => wrong.extend(flaws(&wanted, entry, count)),
            }
        }
        let wanted: Vec<_> = template::entries().iter().map(Entry::key).collect();
        wrong.extend(
            entries.keys().filter(|key| !wanted.contains(key)).map(|(_, text)| format!("is left over: {text:?}")),
        );
        assert!(wrong.is_empty(), "{language}.po: {} flaws\n{}", wrong.len(), wrong.join("\n"));
    }
}

fn flaws(wanted: &Entry, entry: &Entry, count: usize) -> Vec<String> {
    let text = &wanted.text;
    let mut flaws = Vec::new();
    let mut flaw = |what: &str| flaws.push(format!("{what}: {text:?}"));
    if entry.is_fuzzy {
        flaw("is fuzzy");
    }
    if entry.plural != wanted.plural {
        flaw("has another plural");
    }
    if entry.translations.len() != if wanted.plural.is_some() { count } else { 1 } {
        flaw("has not as many forms as the language");
    }
    let originals: Vec<&str> = [Some(text.as_str()), wanted.plural.as_deref()].into_iter().flatten().collect();
    for translation in &entry.translations {
        if translation.is_empty() {
            flaw("is not translated");
            continue;
        }
        // A form for one may leave out the number.
        let fits = |original: &&str| {
            let without = |holes: Vec<String>| holes.into_iter().filter(|hole| hole != "n").collect::<Vec<_>>();
            without(holes(original)) == without(holes(translation))
        };
        if !originals.iter().all(fits) || holes(translation).contains(&"n".to_owned()) && wanted.plural.is_none() {
            flaw("has other holes");
        }
        let edges =
            |text: &str| (text.starts_with(' '), text.ends_with(' '), text.ends_with('\n'), text.ends_with(':'));
        if edges(translation) != edges(originals[0]) {
            flaw("begins or ends with other blanks, line feeds or colons");
        }
        for command in originals[0].split('`').skip(1).step_by(2) {
            if !translation.contains(&format!("`{command}`")) {
                flaw(&format!("lacks `{command}`"));
            }
        }
    }
    flaws
}

/// A text with a word in each hole, the same word in one of the same name.
fn filled(text: &str) -> String {
    let mut pieces = text.split('{');
    let mut filled = pieces.next().unwrap().to_owned();
    let mut bare = 0..;
    for piece in pieces {
        let (hole, after) = piece.split_once('}').unwrap();
        let name = hole.split(':').next().unwrap();
        let name = if name.is_empty() { bare.next().unwrap().to_string() } else { name.to_owned() };
        filled.push_str(&format!("x-{name}-x{after}"));
    }
    filled
}

#[test]
fn sentences_of_other_rooms_are_known_again_with_all_values() {
    for (language, file) in languages() {
        let (_, entries) = po::read(&file);
        let catalogue = Catalogue::read(&file, |_| 0);
        let elsewhere = entries.values().filter(|entry| {
            !entry.places.iter().any(|place| place.starts_with("src/cli") || place.starts_with("src/errors"))
        });
        let with_holes: Vec<&Entry> =
            elsewhere.filter(|entry| entry.plural.is_none() && entry.text.contains('{')).collect();
        assert!(with_holes.len() > 60, "{}", with_holes.len());
        for Entry { text, translations, .. } in with_holes {
            assert_eq!(catalogue.translate(&filled(text), None), filled(&translations[0]), "{language}: {text}");
        }
    }
}

#[test]
fn a_flawed_translation_is_seen() {
    let text = "see `tails-server list` of {name}: ";
    let wanted = Entry { text: text.to_owned(), ..Entry::default() };
    let with = |translation: &str| Entry { translations: vec![translation.to_owned()], ..wanted.clone() };
    assert_eq!(flaws(&wanted, &with("siehe `tails-server list` zu {name}: "), 2), Vec::<String>::new());
    for flawed in ["", "siehe {name}: ", "siehe `tails-server list`: ", "siehe `tails-server list` zu {name}:"] {
        assert_eq!(flaws(&wanted, &with(flawed), 2).len(), 1, "{flawed}");
    }
    assert_eq!(flaws(&wanted, &Entry { is_fuzzy: true, ..with("`tails-server list` {name}: ") }, 2).len(), 1);
    let many = Entry { plural: Some("{n} of {name}".to_owned()), text: "one of {name}".to_owned(), ..Entry::default() };
    let forms = |forms: [&str; 2]| Entry { translations: forms.map(str::to_owned).to_vec(), ..many.clone() };
    assert_eq!(flaws(&many, &forms(["eins von {name}", "{n} von {name}"]), 2), Vec::<String>::new());
    assert_eq!(flaws(&many, &forms(["eins von {name}", "{n}"]), 2).len(), 1);
    assert_eq!(flaws(&many, &forms(["eins von {name}", "{n} von {name}"]), 3).len(), 1);
}
