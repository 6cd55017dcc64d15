// SPDX-License-Identifier: GPL-3.0-or-later
//! The values of all options of one service: complete at any time.

use std::collections::BTreeMap;

use super::secret::SecretText;
use super::value::{InvalidValue, OptionValue};
use super::{OptionKind, OptionSpec};

/// A value for each option of a service that can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionValues {
    values: BTreeMap<String, OptionValue>,
    probed: BTreeMap<String, String>,
}

/// Why an option was not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// There is no such option.
    #[error("there is no option \"{0}\"")]
    Unknown(String),
    /// The value does not fit.
    #[error("the value of \"{option}\" does not fit")]
    Invalid {
        /// The option.
        option: String,
        /// Why not.
        #[source]
        reason: InvalidValue,
    },
}

impl OptionValues {
    /// What they are without a word; secrets are generated.
    ///
    /// # Errors
    /// The operating system has no randomness.
    pub fn defaults(options: &[OptionSpec]) -> Result<Self, getrandom::Error> {
        let mut values = BTreeMap::new();
        for option in options {
            let value = match &option.kind {
                OptionKind::Secret(keys) => Some(OptionValue::Secret(SecretText::generate(keys.length.get())?)),
                OptionKind::Bool(_)
                | OptionKind::Int(_)
                | OptionKind::Port(_)
                | OptionKind::String(_)
                | OptionKind::Text(_)
                | OptionKind::Enum(_)
                | OptionKind::Folder(_)
                | OptionKind::TlsFingerprint(_)
                | OptionKind::SshHostKey(_) => option.default(),
            };
            values.extend(value.map(|value| (option.name().to_string(), value)));
        }
        Ok(Self { values, probed: BTreeMap::new() })
    }

    /// Values to try templates out with: in round 0 the defaults, later other choices. Nothing in them is random.
    pub(in crate::descriptor) fn samples(options: &[OptionSpec], round: usize) -> Self {
        let sample = |option: &OptionSpec| match &option.kind {
            OptionKind::Bool(keys) => Some(OptionValue::Bool(keys.default ^ (round % 2 == 1))),
            OptionKind::Enum(keys) => {
                let choice = keys.choices.iter().cycle().nth(round);
                choice.map(|choice| OptionValue::Text(choice.value.to_string()))
            }
            OptionKind::Secret(_) => Some(OptionValue::Secret(SecretText::new("SampleSecret12345678"))),
            // Empty, and not.
            OptionKind::String(_) | OptionKind::Text(_) if round % 2 == 1 => {
                Some(OptionValue::Text("sample".to_owned()))
            }
            OptionKind::Int(_)
            | OptionKind::Port(_)
            | OptionKind::String(_)
            | OptionKind::Text(_)
            | OptionKind::Folder(_)
            | OptionKind::TlsFingerprint(_)
            | OptionKind::SshHostKey(_) => option.default(),
        };
        let values = options.iter().filter_map(|option| Some((option.name().to_string(), sample(option)?)));
        Self { values: values.collect(), probed: BTreeMap::new() }
    }

    /// Gives an option another value.
    ///
    /// # Errors
    /// There is no such option, or the text is no value of its type.
    pub fn set(&mut self, options: &[OptionSpec], name: &str, text: &str) -> Result<(), SetError> {
        let Some(option) = options.iter().find(|option| option.name().as_str() == name) else {
            return Err(SetError::Unknown(name.to_owned()));
        };
        let value = option.parse(text).map_err(|reason| SetError::Invalid { option: name.to_owned(), reason })?;
        self.values.insert(name.to_owned(), value);
        Ok(())
    }

    /// Remembers what was found out.
    pub fn probed(&mut self, name: &str, found: String) {
        self.probed.insert(name.to_owned(), found);
    }

    /// The value of an option; `None` for one that is found out.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&OptionValue> {
        self.values.get(name)
    }

    /// What was found out of an option, if it was.
    pub(in crate::descriptor) fn found(&self, name: &str) -> Option<&str> {
        self.probed.get(name).map(String::as_str)
    }
}
