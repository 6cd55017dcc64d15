// SPDX-License-Identifier: GPL-3.0-or-later
//! The language that a person is spoken to in: English in the source, the others from the catalogues in `contrib/po`.
//!
//! A catalogue is part of the program, as the text that a translator edits, and is read only if it is the one that is
//! wanted: so English costs nothing, and nothing has to be installed or built.

mod catalogue;
mod help;

use std::env;

use tr::tr;

use crate::cli::output::Form;

pub use self::catalogue::Catalogue;
pub use self::help::{help_in_words, text_in_words};

/// A language beside English.
struct Language {
    code: &'static str,
    catalogue: &'static str,
    /// Which of its forms goes with a number: `Plural-Forms` of the catalogue, as code.
    form: fn(u64) -> usize,
}

const LANGUAGES: &[Language] = &[Language {
    code: "de",
    catalogue: include_str!("../../contrib/po/de.po"),
    form: |number| usize::from(number != 1),
}];

/// Takes up the language of the person. Whether it is another one than English.
pub(super) fn choose() -> bool {
    let Some(language) = wanted(|name| env::var(name).ok()) else { return false };
    tr::set_translator!(Catalogue::read(language.catalogue, language.form));
    true
}

/// The command line with its help in the language of the person.
pub(super) fn help(command: clap::Command) -> clap::Command {
    help_in_words(command, &|text| tr!(text))
}

/// A text of several lines in the language of the person.
pub(super) fn text(text: &str) -> String {
    text_in_words(text, &|text| tr!(text))
}

/// While it is there, everything is said in English: sentences for programs are the same in all languages.
#[must_use]
pub(super) struct English;

impl English {
    /// For programs; a person is told in the language that was chosen.
    pub(super) fn for_programs(form: Form) -> Option<Self> {
        match form {
            Form::Json => {
                tr::unset_translator!();
                Some(Self)
            }
            Form::Yaml => None,
        }
    }
}

impl Drop for English {
    fn drop(&mut self) {
        choose();
    }
}

/// The language that the environment asks for, as gettext understands it.
// gettext manual, 2.3, "Setting the Locale through Environment Variables"
fn wanted(variable: impl Fn(&str) -> Option<String>) -> Option<&'static Language> {
    let set = |name: &&str| variable(name).filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(set)?;
    let codeset = locale.split_once('.').map(|(_, codeset)| codeset.split('@').next().unwrap_or_default());
    let is_plain = locale == "C" || locale == "POSIX" || locale.starts_with("C.");
    // What is not UTF-8 would show broken letters: better plain English.
    if is_plain || codeset.is_some_and(|codeset| !["utf8", "utf-8"].contains(&codeset.to_lowercase().as_str())) {
        return None;
    }
    let preferred = set(&"LANGUAGE").unwrap_or(locale);
    for name in preferred.split(':') {
        let code = name.split(['_', '.', '@']).next().unwrap_or_default();
        if ["en", "C", "POSIX"].contains(&code) {
            return None;
        }
        let found = LANGUAGES.iter().find(|language| language.code == code);
        if found.is_some() {
            return found;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(variables: &[(&str, &str)]) -> Option<&'static str> {
        let value =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        wanted(value).map(|language| language.code)
    }

    #[test]
    fn the_language_is_the_one_that_gettext_would_choose() {
        for (variables, chosen) in [
            (&[][..], None),
            (&[("LANG", "de_DE.UTF-8")], Some("de")),
            (&[("LANG", "de")], Some("de")),
            (&[("LANG", "de_AT.utf8@euro")], Some("de")),
            (&[("LANG", "de_DE.ISO-8859-1")], None),
            (&[("LANG", "en_US.UTF-8")], None),
            (&[("LANG", "fr_FR.UTF-8")], None),
            (&[("LANG", "C.UTF-8")], None),
            (&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")], None),
            (&[("LC_ALL", ""), ("LANG", "de_DE.UTF-8")], Some("de")),
            (&[("LC_MESSAGES", "de_DE.UTF-8"), ("LANG", "en_US.UTF-8")], Some("de")),
            (&[("LC_ALL", "en_US.UTF-8"), ("LC_MESSAGES", "de_DE.UTF-8")], None),
            // LANGUAGE is a list, and counts only where there is a locale.
            (&[("LANGUAGE", "de")], None),
            (&[("LANGUAGE", "de"), ("LANG", "C")], None),
            (&[("LANGUAGE", "fr:de:en"), ("LANG", "en_US.UTF-8")], Some("de")),
            (&[("LANGUAGE", "en:de"), ("LANG", "de_DE.UTF-8")], None),
        ] {
            assert_eq!(code(variables), chosen, "{variables:?}");
        }
    }

    #[test]
    fn the_rule_for_plurals_is_the_one_in_the_catalogue() {
        for Language { code, catalogue, form } in LANGUAGES {
            let rule = match *code {
                "de" => "nplurals=2; plural=(n != 1);",
                _ => panic!("{code}: write its rule here, as it is in its catalogue"),
            };
            assert!(catalogue.contains(&format!("\"Plural-Forms: {rule}\\n\"")), "{code}");
            assert_eq!([0, 1, 2, 101].map(form), [1, 0, 1, 1], "{code}");
        }
    }
}
