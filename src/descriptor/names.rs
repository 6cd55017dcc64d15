// SPDX-License-Identifier: GPL-3.0-or-later
//! The names in a descriptor: each has only characters that are safe wherever it goes.

use serde_json::json;
use tails_server_state::ServiceName;

use super::read::text;

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidText(pub(super) &'static str);

/// A text type of its own, which `check` judges.
macro_rules! newtype {
    ($(#[doc = $doc:literal])+ $name:ident, $rule:ident, $pattern:literal, $check:expr) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// As text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidText;

            fn from_str(text: &str) -> Result<Self, InvalidText> {
                let check: fn(&str) -> Result<(), InvalidText> = $check;
                check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.pad(&self.0)
            }
        }

        text!($name, $rule, json!({ "type": "string", "pattern": $pattern }));
    };
}
pub(super) use newtype;

newtype!(
    /// The name of an option, a port or a key pair: `[a-z][a-z0-9]*(-[a-z0-9]+)*`, at most 40 characters. A word on a command
    /// line, and with `_` for `-` a word in a template.
    Word, NameInvalid, "^[a-z][a-z0-9]*(-[a-z0-9]+)*$",
    |text| {
        let parts = text.split('-').all(|part| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        });
        let is_word = parts && text.len() <= 40 && text.starts_with(|first: char| first.is_ascii_lowercase());
        is_word.then_some(()).ok_or(InvalidText("use small letters, digits and single hyphens, such as welcome-message"))
    }
);

impl Word {
    /// As a template names it.
    #[must_use]
    pub fn variable(&self) -> String {
        self.0.replace('-', "_")
    }
}

newtype!(
    /// A Debian package. deb-control(5): small letters, digits and `+-.`.
    PackageName, PackageName, "^[a-z0-9][a-z0-9+.-]+$",
    |text| {
        let is_name = (2..=100).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
        is_name.then_some(()).ok_or(InvalidText("a package has small letters, digits and + - . in its name"))
    }
);

newtype!(
    /// A unit of type service, or `.socket` for those that are kept quiet.
    UnitName, UnitName, "^[A-Za-z0-9][A-Za-z0-9_.-]*(@[A-Za-z0-9_.-]*)?\\.(service|socket)$",
    |text| {
        let stem = text.strip_suffix(".service").or_else(|| text.strip_suffix(".socket"));
        let safe = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
        let is_name = text.len() <= 200
            && stem.is_some_and(|stem| {
                let (front, instance) = stem.split_once('@').unwrap_or((stem, ""));
                front.starts_with(|first: char| first.is_ascii_alphanumeric()) && safe(front) && safe(instance)
            });
        is_name.then_some(()).ok_or(InvalidText("a unit is named as nginx.service, in letters, digits and _ . - @"))
    }
);

newtype!(
    /// A user or a group of the system.
    UserName, UserName, "^[a-z_][a-z0-9_-]{0,30}$",
    |text| {
        // Debian's policy 9.2.1; _ is for system users.
        let is_name = (1..=31).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte));
        is_name.then_some(()).ok_or(InvalidText("a user has small letters, digits and _ - in its name"))
    }
);

newtype!(
    /// A file in the descriptor's own directory.
    CompanionName, CompanionName, "^[A-Za-z0-9][A-Za-z0-9_.-]*$",
    |text| {
        let is_name = text.len() <= 100
            && text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
        is_name.then_some(()).ok_or(InvalidText("name a file beside the descriptor, in letters, digits and _ . -"))
    }
);

newtype!(
    /// A program that a person starts, an icon, or a desktop file: a word without white space or slashes.
    ProgramName, NameInvalid, "^[A-Za-z0-9][A-Za-z0-9_.+-]*$",
    |text| {
        let is_name = text.len() <= 100
            && text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.+-".contains(&byte));
        is_name.then_some(()).ok_or(InvalidText("use letters, digits and _ . + -"))
    }
);

newtype!(
    /// Words for people: one line of at most 120 characters, nothing invisible in it.
    Line, TextLine, "^\\S(.{0,118}\\S)?$",
    |text| line(text, 120)
);

newtype!(
    /// A sentence or two for people, in one line of at most 600 characters.
    Help, TextLine, "^\\S(.{0,598}\\S)?$",
    |text| line(text, 600)
);

newtype!(
    /// Where the service is explained: `https://...` or `file:///...`.
    Documentation, DocumentationUrl, "^(https://[^/ ]|file:///).*$",
    |text| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("file:///"));
        let is_url = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
            && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte));
        is_url.then_some(()).ok_or(InvalidText("give an address that begins with https:// or file:///"))
    }
);

fn line(text: &str, most: usize) -> Result<(), InvalidText> {
    if text.is_empty() || text.trim() != text {
        return Err(InvalidText("give some words, without white space at their ends"));
    }
    if text.chars().count() > most {
        return Err(InvalidText("this is too long for people to read at a glance"));
    }
    if text.chars().any(hides) {
        return Err(InvalidText("there is a line break, a control character or an invisible one in it"));
    }
    Ok(())
}

/// Control characters, and those that turn the direction of writing or that nobody sees.
pub(crate) const fn hides(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

text!(ServiceName, NameInvalid, json!({ "type": "string", "pattern": "^[a-z][a-z0-9-]{0,31}$" }));

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    fn table<T: FromStr>(good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(text.parse::<T>().is_ok(), "{text:?}");
        }
        for text in bad {
            assert!(text.parse::<T>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_can_not_leave_their_place() {
        table::<Word>(&["a", "a1", "welcome-message"], &["", "1a", "-a", "a-", "a--b", "A", "a_b", "a b", "ä"]);
        table::<PackageName>(&["g++", "infinoted-0.7", "lua5.4"], &["", "a", "A", "a b", "-a", "a=1", "a;b", "a\n"]);
        table::<UnitName>(
            &["nginx.service", "ssh.socket", "a@.service", "a@b.service"],
            &["", "nginx", ".service", "a/b.service", "a@b@c.service", "a b.service", "a.timer", "-a.service"],
        );
        table::<UserName>(&["irc", "_znc", "www-data"], &["", "1a", "A", "a b", "a:b", "-a", "a\n"]);
        table::<CompanionName>(&["a.ini", "hook"], &["", ".", "..", "../a", "a/b", ".a", "a b", "a\0"]);
        table::<ProgramName>(&["mumble", "org.x.Y.desktop"], &["", "a b", "-a", "a/b", "a\n"]);
        table::<Line>(&["a", "Ein Server für Sprache"], &["", " a", "a ", "a\nb", "a\u{202e}b"]);
        table::<Documentation>(
            &["https://example.org/", "file:///usr/share/doc/x"],
            &["", "http://example.org", "https://", "https:///x", "file://x", "https://a b", "javascript:1"],
        );
    }
}
