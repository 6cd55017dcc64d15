// SPDX-License-Identifier: GPL-3.0-or-later
//! The value of an option: text becomes one at the border, or is refused.

use std::borrow::Cow;
use std::num::NonZeroU16;

use super::folder::Folder;
use super::kinds::{Characters, EnumKeys, IntKeys};
use super::secret::SecretText;
use super::{OptionKind, OptionSpec};
use crate::descriptor::names::hides;

/// The value of an option, which fits its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptionValue {
    /// On or off.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A TCP port.
    Port(NonZeroU16),
    /// One line, lines, or a word of some.
    Text(String),
    /// A password.
    Secret(SecretText),
    /// A folder of a person.
    Folder(Folder),
}

impl OptionValue {
    /// The value as it is given on the command line, secrets too.
    #[must_use]
    pub fn expose(&self) -> Cow<'_, str> {
        match self {
            Self::Bool(true) => "true".into(),
            Self::Bool(false) => "false".into(),
            Self::Int(number) => number.to_string().into(),
            Self::Port(port) => port.to_string().into(),
            Self::Text(text) => text.into(),
            Self::Secret(secret) => secret.expose().into(),
            Self::Folder(folder) => folder.to_string().into(),
        }
    }
}

/// Why a text is no value of an option. Never repeats the text, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidValue {
    /// Neither on nor off.
    #[error("it is true or false")]
    Bool,
    /// Not in the range.
    #[error("it is a whole number from {min} to {max}")]
    Int {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// No port.
    #[error("it is a port, from 1 to 65535")]
    Port,
    /// Too short.
    #[error("it has at least {0} characters")]
    Short(i64),
    /// Too long.
    #[error("it has at most {0} characters")]
    Long(u16),
    /// More than one line.
    #[error("it is one line, without control characters or invisible ones")]
    Line,
    /// Characters that nobody sees.
    #[error("it is lines of text, without control characters or invisible ones")]
    Text,
    /// Other characters than it may have.
    #[error("it has {}", .0.about())]
    Characters(Characters),
    /// None of the words.
    #[error("it is one of {0}")]
    Enum(String),
    /// No folder to share.
    #[error(transparent)]
    Folder(#[from] crate::descriptor::names::InvalidText),
    /// It is found out, and can not be set.
    #[error("it can not be set: it follows from the key of the server")]
    ReadOnly,
}

impl OptionSpec {
    /// What a text means for this option.
    ///
    /// # Errors
    /// It is no value of its type, in [`InvalidValue`].
    pub fn parse(&self, text: &str) -> Result<OptionValue, InvalidValue> {
        match &self.kind {
            OptionKind::Bool(_) => match text {
                "true" | "on" | "yes" => Ok(OptionValue::Bool(true)),
                "false" | "off" | "no" => Ok(OptionValue::Bool(false)),
                _ => Err(InvalidValue::Bool),
            },
            OptionKind::Int(keys) => int(text, keys).map(OptionValue::Int),
            OptionKind::Port(_) => {
                digits(text).and_then(|digits| digits.parse().ok()).map(OptionValue::Port).ok_or(InvalidValue::Port)
            }
            OptionKind::String(keys) => {
                line(text, keys.max_length, keys.characters)?;
                if i64::try_from(text.chars().count()).is_ok_and(|count| count < keys.min_length) {
                    return Err(InvalidValue::Short(keys.min_length));
                }
                Ok(OptionValue::Text(text.to_owned()))
            }
            OptionKind::Text(keys) => {
                length(text, keys.max_length)?;
                if text.chars().any(|character| hides(character) && !matches!(character, '\n' | '\t')) {
                    return Err(InvalidValue::Text);
                }
                Ok(OptionValue::Text(text.to_owned()))
            }
            OptionKind::Enum(keys) => word(text, keys).map(OptionValue::Text),
            OptionKind::Secret(keys) => {
                // An empty password would be none, and an open door.
                if text.is_empty() {
                    return Err(InvalidValue::Short(1));
                }
                line(text, keys.max_length, keys.characters)?;
                Ok(OptionValue::Secret(SecretText::new(text)))
            }
            OptionKind::Folder(_) => Ok(OptionValue::Folder(text.parse()?)),
            OptionKind::TlsFingerprint(_) | OptionKind::SshHostKey(_) => Err(InvalidValue::ReadOnly),
        }
    }

    /// What it is without a word; `None` for a probe, and for a secret, which is generated.
    pub(crate) fn default(&self) -> Option<OptionValue> {
        match &self.kind {
            OptionKind::Bool(keys) => Some(OptionValue::Bool(keys.default)),
            OptionKind::Int(keys) => Some(OptionValue::Int(keys.default.value)),
            OptionKind::Port(keys) => Some(OptionValue::Port(keys.default)),
            OptionKind::String(keys) => Some(OptionValue::Text(keys.default.value.clone())),
            OptionKind::Text(keys) => Some(OptionValue::Text(keys.default.value.clone())),
            OptionKind::Enum(keys) => Some(OptionValue::Text(keys.default.value.clone())),
            OptionKind::Folder(keys) => Some(OptionValue::Folder(keys.default.clone())),
            OptionKind::Secret(_) | OptionKind::TlsFingerprint(_) | OptionKind::SshHostKey(_) => None,
        }
    }
}

/// Plain decimal digits: no sign, no spaces.
fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

fn int(text: &str, keys: &IntKeys) -> Result<i64, InvalidValue> {
    let (min, max) = (keys.min, keys.max);
    let plain = digits(text.strip_prefix('-').unwrap_or(text)).is_some();
    let number = plain.then(|| text.parse::<i64>().ok()).flatten();
    number.filter(|number| (min..=max).contains(number)).ok_or(InvalidValue::Int { min, max })
}

fn length(text: &str, most: NonZeroU16) -> Result<(), InvalidValue> {
    if text.chars().count() > usize::from(most.get()) { Err(InvalidValue::Long(most.get())) } else { Ok(()) }
}

fn line(text: &str, most: NonZeroU16, characters: Characters) -> Result<(), InvalidValue> {
    length(text, most)?;
    if text.chars().any(hides) {
        return Err(InvalidValue::Line);
    }
    if !characters.allow(text) {
        return Err(InvalidValue::Characters(characters));
    }
    Ok(())
}

fn word(text: &str, keys: &EnumKeys) -> Result<String, InvalidValue> {
    let words = || keys.choices.iter().map(|choice| choice.value.as_str());
    match words().find(|word| *word == text) {
        Some(word) => Ok(word.to_owned()),
        None => Err(InvalidValue::Enum(words().collect::<Vec<_>>().join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use toml::de::DeValue;

    use super::*;
    use crate::descriptor::finding::Findings;
    use crate::descriptor::read::Read;

    fn option(keys: &str) -> OptionSpec {
        let text = format!("{{ name = 'x', label = 'X', {keys} }}");
        let mut findings = Findings::default();
        OptionSpec::read(&DeValue::parse(&text).unwrap(), &mut findings).unwrap_or_else(|| panic!("{findings:?}"))
    }

    #[test]
    fn values_are_judged_at_the_border() {
        use InvalidValue as Bad;
        for (keys, text, expected) in [
            ("type = 'bool', default = true", "on", Ok("true")),
            ("type = 'bool', default = true", "no", Ok("false")),
            ("type = 'bool', default = true", "TRUE", Err(Bad::Bool)),
            ("type = 'int', default = 1, min = -1, max = 5", "-1", Ok("-1")),
            ("type = 'int', default = 1, min = -1, max = 5", "6", Err(Bad::Int { min: -1, max: 5 })),
            ("type = 'int', default = 1, min = -1, max = 5", "+1", Err(Bad::Int { min: -1, max: 5 })),
            ("type = 'int', default = 1, min = -1, max = 5", "1 ", Err(Bad::Int { min: -1, max: 5 })),
            ("type = 'int', default = 1, min = -1, max = 5", "--1", Err(Bad::Int { min: -1, max: 5 })),
            ("type = 'port', default = 80", "65535", Ok("65535")),
            ("type = 'port', default = 80", "65536", Err(Bad::Port)),
            ("type = 'port', default = 80", "0", Err(Bad::Port)),
            ("type = 'string', max-length = 3", "äöü", Ok("äöü")),
            ("type = 'string', max-length = 3", "äöüß", Err(Bad::Long(3))),
            ("type = 'string', default = 'a', min-length = 1", "", Err(Bad::Short(1))),
            ("type = 'string'", "a\nb", Err(Bad::Line)),
            ("type = 'string'", "a\0b", Err(Bad::Line)),
            ("type = 'string', characters = 'word'", "a.b-c_d", Ok("a.b-c_d")),
            ("type = 'string', characters = 'word'", "-a", Err(Bad::Characters(Characters::Word))),
            ("type = 'string', characters = 'word'", "a*", Err(Bad::Characters(Characters::Word))),
            ("type = 'text'", "a\nb\tc", Ok("a\nb\tc")),
            ("type = 'text'", "a\rb", Err(Bad::Text)),
            ("type = 'secret'", "pass!word", Ok("pass!word")),
            ("type = 'secret'", "", Err(Bad::Short(1))),
            ("type = 'secret'", "pass word", Err(Bad::Characters(Characters::Ascii))),
            ("type = 'enum', default = 'a', choices = [{ value = 'a', label = 'A' }]", "a", Ok("a")),
            ("type = 'enum', default = 'a', choices = [{ value = 'a', label = 'A' }]", "b", Err(Bad::Enum("a".into()))),
            ("type = 'tls-fingerprint', key-pair = 'x'", "AB", Err(Bad::ReadOnly)),
            ("type = 'ssh-host-key', key-pair = 'x'", "AB", Err(Bad::ReadOnly)),
        ] {
            let found = option(keys).parse(text);
            let found = found.as_ref().map(|value| value.expose().into_owned()).map_err(Clone::clone);
            assert_eq!(found, expected.map(str::to_owned), "{keys} {text:?}");
        }
    }

    #[test]
    fn a_secret_is_in_no_debug_text_and_no_error() {
        let spec = option("type = 'secret', max-length = 20");
        let value = spec.parse("correcthorse").unwrap();
        assert!(!format!("{value:?}").contains("horse"));
        let error = spec.parse("correct horse battery").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("horse"));
    }
}
