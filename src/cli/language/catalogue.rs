// SPDX-License-Identifier: GPL-3.0-or-later
//! A catalogue of gettext's, as a translator writes it: `.po`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use tr::Translator;

use self::shape::Shape;

mod shape;

/// Sentences that are in one another, as values and as causes. What comes over the bus may be anything.
const MOST_CAUSES: u8 = 6;

/// Where this program fills holes itself. What is said there fits sentences that were made elsewhere by chance alone.
const OWN: [&str; 2] = ["src/cli", "src/errors"];

/// Texts and their translations.
pub struct Catalogue {
    /// By text, or by context and text as in gettext's own files: all forms of the translation.
    texts: HashMap<String, Vec<String>>,
    form: fn(u64) -> usize,
    /// Those of `texts` with holes that this program never fills itself.
    elsewhere: Vec<String>,
    shapes: OnceLock<Vec<(Shape, String)>>,
}

/// What a quoted line belongs to.
#[derive(Clone, Copy)]
enum Field {
    Context,
    Text,
    Plural,
    Translation(usize),
}

/// One entry, as far as it is read.
#[derive(Default)]
struct Entry {
    is_fuzzy: bool,
    /// Whether it is said in the rooms of the command line, and nowhere else.
    is_own: bool,
    context: Option<String>,
    text: String,
    translations: Vec<String>,
}

impl Catalogue {
    /// Reads a `.po` file. What is not translated, or marked as fuzzy, stays English; what makes no sense is left out.
    #[must_use]
    pub fn read(file: &str, form: fn(u64) -> usize) -> Self {
        let (mut texts, mut elsewhere) = (HashMap::new(), Vec::new());
        let mut entry = Entry::default();
        let mut field = Field::Text;
        for line in file.lines().map(str::trim) {
            // An empty line, and in files of some tools nothing but the next entry, ends one.
            let begins = line.starts_with('#') || line.starts_with("msgctxt") || line.starts_with("msgid ");
            if line.is_empty() || begins && !entry.translations.is_empty() {
                std::mem::take(&mut entry).put_into(&mut texts, &mut elsewhere);
            }
            if let Some(comment) = line.strip_prefix('#') {
                entry.is_fuzzy |= comment.starts_with(',') && comment.contains("fuzzy");
                if let Some(places) = comment.strip_prefix(':') {
                    entry.is_own = places.split_whitespace().all(|place| OWN.iter().any(|own| place.starts_with(own)));
                }
                continue;
            }
            let (keyword, quoted) = line.split_at(line.find('"').unwrap_or(line.len()));
            field = match keyword.trim_end() {
                "" => field,
                "msgctxt" => Field::Context,
                "msgid" => Field::Text,
                "msgid_plural" => Field::Plural,
                "msgstr" => Field::Translation(0),
                numbered => {
                    let number = numbered.strip_prefix("msgstr[").and_then(|rest| rest.strip_suffix(']'));
                    number.and_then(|number| number.parse().ok()).map_or(Field::Plural, Field::Translation)
                }
            };
            entry.add(field, &unquoted(quoted));
        }
        entry.put_into(&mut texts, &mut elsewhere);
        Self { texts, form, elsewhere, shapes: OnceLock::new() }
    }

    fn known(&self, text: &str, context: Option<&str>) -> Option<&Vec<String>> {
        match context {
            None => self.texts.get(text),
            Some(context) => self.texts.get(&key(Some(context), text)),
        }
    }

    /// A sentence that was made by another room, or another program, with values in it already.
    fn made_elsewhere(&self, sentence: &str, depth: u8) -> Option<String> {
        let shapes = self.shapes.get_or_init(|| {
            let translated = self.elsewhere.iter().filter_map(|text| Some((text, self.texts.get(text)?)));
            let shapes = translated.filter_map(|(text, forms)| Some((Shape::of(text)?, forms.first()?.clone())));
            let mut shapes: Vec<(Shape, String)> = shapes.collect();
            // The most definite first; two that are alike in an order that is always the same.
            shapes.sort_by(|(one, _), (other, _)| other.cmp(one));
            shapes
        });
        let fitting = shapes.iter().find_map(|(shape, translation)| Some((shape.values(sentence)?, translation)));
        if let Some((values, translation)) = fitting {
            let values = values.into_iter().map(|(hole, value)| (hole, self.of_elsewhere(value, depth)));
            return Some(shape::filled(translation, &values.collect::<Vec<_>>()));
        }
        // Causes are told after a colon. Half of it in another language would be worse than none.
        let (what, why) = sentence.split_at_checked(sentence.find(": ")? + 2)?;
        let beginning = match self.texts.get(what).and_then(|forms| forms.first()) {
            Some(said) => said.clone(),
            None => {
                let what = what.strip_suffix(": ")?;
                let said = self.of_elsewhere(what, depth);
                (said != what).then(|| format!("{said}: "))?
            }
        };
        Some(beginning + &self.of_elsewhere(why, depth))
    }

    fn of_elsewhere<'a>(&'a self, sentence: &'a str, depth: u8) -> Cow<'a, str> {
        match self.texts.get(sentence).and_then(|forms| forms.first()) {
            Some(translation) => Cow::Borrowed(translation),
            None if depth == 0 => Cow::Borrowed(sentence),
            None => self.made_elsewhere(sentence, depth - 1).map_or(Cow::Borrowed(sentence), Cow::Owned),
        }
    }
}

impl Translator for Catalogue {
    fn translate<'a>(&'a self, text: &'a str, context: Option<&'a str>) -> Cow<'a, str> {
        match self.known(text, context).and_then(|forms| forms.first()) {
            Some(translation) => Cow::Borrowed(translation),
            // The texts of this program with holes in them are known, or were never translated.
            None if context.is_some() || text.contains('{') => Cow::Borrowed(text),
            None => self.of_elsewhere(text, MOST_CAUSES),
        }
    }

    fn ntranslate<'a>(&'a self, number: u64, one: &'a str, many: &'a str, context: Option<&'a str>) -> Cow<'a, str> {
        let forms = self.known(one, context);
        let translation = forms.and_then(|forms| forms.get((self.form)(number)));
        translation.map_or(Cow::Borrowed(if number == 1 { one } else { many }), |text| Cow::Borrowed(text))
    }
}

impl Entry {
    fn add(&mut self, field: Field, text: &str) {
        match field {
            Field::Context => self.context.get_or_insert_default().push_str(text),
            Field::Text => self.text.push_str(text),
            Field::Plural => {}
            Field::Translation(form) => {
                // No language has more than six.
                self.translations.resize(self.translations.len().max((form + 1).min(8)), String::new());
                if let Some(translation) = self.translations.get_mut(form) {
                    translation.push_str(text);
                }
            }
        }
    }

    fn put_into(self, texts: &mut HashMap<String, Vec<String>>, elsewhere: &mut Vec<String>) {
        let is_whole = self.translations.iter().all(|translation| !translation.is_empty());
        if !self.text.is_empty() && !self.translations.is_empty() && is_whole && !self.is_fuzzy {
            if !self.is_own && self.context.is_none() && self.text.contains('{') && self.translations.len() == 1 {
                elsewhere.push(self.text.clone());
            }
            texts.insert(key(self.context.as_deref(), &self.text), self.translations);
        }
    }
}

fn key(context: Option<&str>, text: &str) -> String {
    context.map_or_else(|| text.to_owned(), |context| format!("{context}\u{4}{text}"))
}

/// The text between the quotation marks.
fn unquoted(quoted: &str) -> String {
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default();
    let mut text = String::with_capacity(inner.len());
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        match (letter, letter == '\\') {
            (_, true) => match letters.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some(other) => text.push(other),
                None => {}
            },
            (letter, false) => text.push(letter),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
msgid ""
msgstr "Language: xx\n"

# A comment of the translator.
#: src/cli.rs
msgid "one \"word\""
msgstr ""
"ein "
"\"Wort\"\n"

#, fuzzy
msgid "guessed"
msgstr "geraten"

msgid "open"
msgstr ""

msgctxt "menu"
msgid "door"
msgstr "Tür"

msgid "one file"
msgid_plural "{n} files"
msgstr[0] "eine Datei"
msgstr[1] "{n} Dateien"

#~ msgid "old"
#~ msgstr "alt"

msgid "service \"{name}\" does not exist"
msgstr "es gibt keinen Dienst „{name}“"

msgid "the {} is cut off: only {found} of {expected} characters are there"
msgstr "{found} von {expected} Zeichen sind da, abgeschnitten ist: {}"

msgid "invitation"
msgstr "Einladung"

msgid "cannot write {0}"
msgstr "{0} kann nicht geschrieben werden"

msgid "Permission denied (os error 13)"
msgstr "Keine Berechtigung"

#: src/cli/watch.rs
msgid "{name} was left behind"
msgstr "{name} zurückgelassen"
"#;

    fn said(text: &str) -> String {
        Catalogue::read(FILE, |number| usize::from(number != 1)).translate(text, None).into_owned()
    }

    #[test]
    fn what_is_translated_is_said_so_and_the_rest_in_english() {
        for (text, expected) in [
            ("one \"word\"", "ein \"Wort\"\n"),
            ("guessed", "guessed"),
            ("open", "open"),
            ("door", "door"),
            ("old", "old"),
            ("", ""),
            ("never heard of", "never heard of"),
        ] {
            assert_eq!(said(text), expected);
        }
        let catalogue = Catalogue::read(FILE, |number| usize::from(number != 1));
        assert_eq!(catalogue.translate("door", Some("menu")), "Tür");
        for (number, form) in [(0, "{n} Dateien"), (1, "eine Datei"), (2, "{n} Dateien")] {
            assert_eq!(catalogue.ntranslate(number, "one file", "{n} files", None), form);
        }
        assert_eq!(catalogue.ntranslate(1, "one house", "{n} houses", None), "one house");
        assert_eq!(catalogue.ntranslate(2, "one house", "{n} houses", None), "{n} houses");
    }

    #[test]
    fn sentences_that_were_made_elsewhere_are_known_by_their_shape() {
        for (text, expected) in [
            ("service \"web\" does not exist", "es gibt keinen Dienst „web“"),
            (
                "the invitation is cut off: only 3 of 52 characters are there",
                "3 von 52 Zeichen sind da, abgeschnitten ist: Einladung",
            ),
            (
                "cannot write /tmp/x: Permission denied (os error 13)",
                "/tmp/x kann nicht geschrieben werden: Keine Berechtigung",
            ),
            ("service \"web\" does not exist any more", "service \"web\" does not exist any more"),
            // One of ours that fits by chance.
            ("nothing of it was left behind", "nothing of it was left behind"),
            ("something: else", "something: else"),
            ("something: ", "something: "),
            (": : : : : : : : : : : : ", ": : : : : : : : : : : : "),
        ] {
            assert_eq!(said(text), expected);
        }
    }

    #[test]
    fn a_damaged_catalogue_is_never_the_end() {
        for end in 0..FILE.len() {
            let Some(beginning) = FILE.get(..end) else { continue };
            let catalogue = Catalogue::read(beginning, |_| usize::MAX);
            let _ = catalogue.translate("service \"web\" does not exist", None);
            assert_eq!(catalogue.ntranslate(1, "one file", "{n} files", None), "one file");
        }
    }
}
