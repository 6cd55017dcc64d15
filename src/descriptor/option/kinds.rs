// SPDX-License-Identifier: GPL-3.0-or-later
//! What each type of option has beside what all have.

use std::num::NonZeroU16;

use super::folder::Folder;
use crate::descriptor::names::{Line, Word};
use crate::descriptor::places::ServicePath;
use crate::descriptor::read::{At, table, words};

table! {
    /// On or off.
    pub struct BoolKeys {
        /// What it is without a word.
        required default: bool,
    }
}

table! {
    /// A whole number.
    pub struct IntKeys {
        /// What it is without a word.
        required default: At<i64>,
        /// The smallest.
        required min: i64,
        /// The largest.
        required max: i64,
        /// What is counted.
        optional unit: Line,
    }
}

table! {
    /// A TCP port.
    pub struct PortKeys {
        /// What it is without a word.
        required default: NonZeroU16,
    }
}

words! {
    /// What a line may have in it.
    pub enum Characters {
        /// All that can be seen, and spaces.
        Any = "any",
        /// ASCII without spaces.
        Ascii = "ascii",
        /// Letters, digits and `_ . -`, beginning with a letter or digit.
        Word = "word",
        /// Letters and digits.
        Alphanumeric = "alphanumeric",
    }
}

impl Characters {
    /// Whether the text has nothing else in it.
    #[must_use]
    pub fn allow(self, text: &str) -> bool {
        let first_fits = text.starts_with(|first: char| first.is_ascii_alphanumeric()) || text.is_empty();
        match self {
            Self::Any => true,
            Self::Ascii => text.bytes().all(|byte| byte.is_ascii_graphic()),
            Self::Word => first_fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)),
            Self::Alphanumeric => text.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        }
    }

    /// What they are, for people.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Any => "characters that can be seen",
            Self::Ascii => "ASCII characters without spaces",
            Self::Word => "letters, digits and _ . - alone, beginning with a letter or digit",
            Self::Alphanumeric => "letters and digits alone",
        }
    }
}

table! {
    /// One line of text.
    pub struct StringKeys {
        /// What it is without a word.
        or(nothing()) default: At<String>,
        /// The fewest characters.
        or(0) min_length: i64,
        /// The most characters.
        or(LINE) max_length: NonZeroU16,
        /// What it may have in it.
        or(Characters::Any) characters: Characters,
    }
}

table! {
    /// Lines of text.
    pub struct TextKeys {
        /// What it is without a word.
        or(nothing()) default: At<String>,
        /// The most characters.
        or(TEXT) max_length: NonZeroU16,
    }
}

table! {
    /// A word that can be chosen.
    pub struct Choice {
        /// The word on the command line and in templates.
        required value: Word,
        /// The words for it in the window.
        required label: Line,
    }
}

table! {
    /// One of some words.
    pub struct EnumKeys {
        /// What it is without a word.
        required default: At<String>,
        /// What can be chosen.
        required choices: At<Vec<Choice>>,
    }
}

table! {
    /// A password or the like.
    pub struct SecretKeys {
        /// How many letters and digits are generated.
        or(SECRET) length: NonZeroU16,
        /// The most characters, if people give their own.
        or(MOST_SECRET) max_length: NonZeroU16,
        /// What it may have in it, if people give their own.
        or(Characters::Ascii) characters: Characters,
    }
}

words! {
    /// What a server may do with a folder.
    pub enum Access {
        /// Read it.
        Read = "read",
        /// Read and write it.
        Write = "write",
    }
}

table! {
    /// A folder of a person.
    pub struct FolderKeys {
        /// What it is without a word.
        required default: Folder,
        /// The path under which the server sees it: what stands in its configuration.
        required mount: ServicePath,
        /// What the server may do with it.
        or(Access::Read) access: Access,
    }
}

table! {
    /// What is found out, and never set.
    pub struct ProbeKeys {
        /// The key pair that it is about.
        required key_pair: At<Word>,
    }
}

/// As many as fit on a line that people read.
const LINE: NonZeroU16 = NonZeroU16::new(200).expect("200 is not 0");
/// Some pages.
const TEXT: NonZeroU16 = NonZeroU16::new(10_000).expect("10,000 is not 0");
/// 20 of 62 are 119 bits: nobody guesses it, and it can be typed.
const SECRET: NonZeroU16 = NonZeroU16::new(20).expect("20 is not 0");
/// More than anybody types.
const MOST_SECRET: NonZeroU16 = NonZeroU16::new(128).expect("128 is not 0");

fn nothing() -> At<String> {
    At { value: String::new(), span: 0..0 }
}
