// SPDX-License-Identifier: GPL-3.0-or-later
//! Secrets among the options: made at random, and wiped.

use std::fmt;

use zeroize::Zeroizing;

/// A password or the like. `Debug` hides it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

/// Letters and digits: they survive every format, every shell and being read aloud.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// The largest multiple of 62 in a byte: above it, letters would not be equally likely.
const FAIR: u8 = 248;

impl SecretText {
    /// A secret from its text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// As many letters and digits at random.
    ///
    /// # Errors
    /// The operating system has no randomness.
    pub fn generate(length: u16) -> Result<Self, getrandom::Error> {
        let length = usize::from(length);
        // Room for all of it at once: text that grows leaves copies behind.
        let mut text = Zeroizing::new(String::with_capacity(length));
        let mut bytes = Zeroizing::new([0_u8; 64]);
        while text.len() < length {
            getrandom::fill(&mut *bytes)?;
            let fair = bytes.iter().filter(|byte| **byte < FAIR);
            let letters = fair.filter_map(|byte| ALPHABET.get(usize::from(byte % 62)));
            let room = length - text.len();
            text.extend(letters.take(room).map(|letter| char::from(*letter)));
        }
        Ok(Self(text))
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretText(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn generated_secrets_have_their_length_and_differ() {
        let secrets: BTreeSet<String> =
            (0..100).map(|_| SecretText::generate(20).unwrap().expose().to_owned()).collect();
        assert_eq!(secrets.len(), 100);
        for secret in &secrets {
            assert_eq!(secret.len(), 20);
            assert!(secret.bytes().all(|byte| ALPHABET.contains(&byte)));
        }
        // 2000 letters of 62: one that never occurs has a chance of 62 * (61/62)^2000, below 1 in 10^12.
        let all: BTreeSet<char> = secrets.iter().flat_map(|secret| secret.chars()).collect();
        assert_eq!(all.len(), 62);
    }

    #[test]
    fn a_secret_is_not_in_its_debug_text() {
        assert_eq!(format!("{:?}", SecretText::new("correct horse")), "SecretText(..)");
    }
}
