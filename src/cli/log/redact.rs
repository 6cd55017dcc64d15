// SPDX-License-Identifier: GPL-3.0-or-later
//! What must not be read by whoever a log is shown to: onion addresses, keys, and secrets that are known.
//!
//! All places are found in the text as it is and then taken out at once: what is left of one can not make another one.

use std::env;
use std::fmt::Write;
use std::ops::Range;

use zeroize::Zeroizing;

/// What stands for what was taken out.
const GONE: &str = "[redacted]";
/// Base32 digits of a key of a client; an address has four more.
const BASE32_DIGITS: usize = 52;
/// Base64 digits of 32 bytes.
const BASE64_DIGITS: usize = 43;
/// Hexadecimal digits of 32 bytes. The fingerprint of a relay has 40, and is no secret.
const HEX_DIGITS: usize = 64;

/// Takes out what must not be shown.
pub(in crate::cli) struct Redactor {
    /// Each with what stands for it.
    known: Vec<(Zeroizing<String>, &'static str)>,
}

impl Redactor {
    /// One that knows these secrets, in every form in which a program may write them.
    pub(super) fn knowing<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let forms = secrets.into_iter().flat_map(forms).filter(|form| !form.is_empty());
        Self { known: forms.map(|form| (form, GONE)).collect() }
    }

    /// Knows these, too, beside those that it knew: they may still be written.
    pub(super) fn learn<'a>(&mut self, secrets: impl IntoIterator<Item = &'a str>) {
        for (form, instead) in Self::knowing(secrets).known {
            if !self.known.iter().any(|(known, _)| **known == *form) {
                self.known.push((form, instead));
            }
        }
    }

    /// One for what is pasted in public: it knows no secret, and not who this person is either.
    pub(in crate::cli) fn for_public() -> Self {
        let home = env::var("HOME").ok().filter(|home| home.len() > 1);
        Self { known: home.into_iter().map(|home| (Zeroizing::new(home), "~")).collect() }
    }

    /// The text without them.
    pub(in crate::cli) fn redact(&self, text: &str) -> String {
        let mut places: Vec<(Range<usize>, &str)> = Vec::new();
        for (secret, instead) in &self.known {
            places.extend(occurrences(text, secret).map(|place| (place, *instead)));
        }
        places.extend(keys(text).into_iter().map(|place| (place, GONE)));
        // Of those that begin at the same place, the longest first.
        places.sort_by_key(|(place, _)| (place.start, usize::MAX - place.end));
        let (mut shown, mut at) = (String::with_capacity(text.len()), 0);
        for (place, instead) in places {
            if place.start >= at {
                shown.push_str(text.get(at..place.start).unwrap_or_default());
                shown.push_str(instead);
            }
            at = at.max(place.end);
        }
        shown.push_str(text.get(at..).unwrap_or_default());
        shown
    }
}

/// A secret as it is, each of its lines alone, as part of an address of the web, and as a program quotes it.
fn forms(secret: &str) -> Vec<Zeroizing<String>> {
    let lines = secret.lines().map(str::trim);
    let all = std::iter::once(secret.trim()).chain(lines).filter(|text| !text.is_empty());
    let mut forms = Vec::new();
    for text in all {
        let quoted = Zeroizing::new(format!("{text:?}"));
        let quoted = quoted.trim_matches('"').to_owned();
        forms.extend([text.to_owned(), quoted, in_percent(text)].map(Zeroizing::new));
    }
    forms
}

// RFC 3986, section 2
fn in_percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut whole, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            whole.push(char::from(byte));
        } else {
            // Writing to a text does not fail.
            let _ = write!(whole, "%{byte:02X}");
        }
        whole
    })
}

/// Where it occurs, overlapping too.
fn occurrences<'a>(text: &'a str, secret: &'a str) -> impl Iterator<Item = Range<usize>> + use<'a> {
    let starts = text.char_indices().map(|(at, _)| at);
    let found = starts.filter(move |at| text.get(*at..).is_some_and(|rest| rest.starts_with(secret)));
    found.map(|at| at..at + secret.len())
}

/// Where something is written that is as long as a key or an address, and of the same digits.
fn keys(text: &str) -> Vec<Range<usize>> {
    let base32 = runs(text, |byte| byte.is_ascii_alphabetic() || (b'2'..=b'7').contains(&byte), BASE32_DIGITS);
    let hex = runs(text, |byte| byte.is_ascii_hexdigit(), HEX_DIGITS);
    let base64 = runs(text, |byte| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte), BASE64_DIGITS);
    // Paths are of these digits, too, and seldom have capitals.
    let is_mixed = |place: &Range<usize>| {
        let run = text.as_bytes().get(place.clone()).unwrap_or_default();
        run.iter().any(u8::is_ascii_uppercase) && run.iter().any(u8::is_ascii_lowercase)
    };
    base32.into_iter().chain(hex).chain(base64.into_iter().filter(is_mixed)).collect()
}

/// Where so many such bytes follow one another, or more.
fn runs(text: &str, is_digit: impl Fn(u8) -> bool, least: usize) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut begin = 0;
    // One more than there are bytes ends the last run.
    for (at, byte) in text.bytes().map(Some).chain([None]).enumerate() {
        if !byte.is_some_and(&is_digit) {
            if at - begin >= least {
                runs.push(begin..at);
            }
            begin = at + 1;
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tails_server_state::{ClientSecretKey, OnionKey};

    use super::*;

    #[test]
    fn addresses_and_keys_go_and_what_people_need_stays() {
        let redactor = Redactor::knowing(["hunter2", "pass word\n\"quoted\" line"]);
        let address = OnionKey::generate().unwrap().address().display_unredacted();
        let id = address.trim_end_matches(".onion");
        for (line, shown) in [
            (format!("from {address}:80"), "from [redacted].onion:80".to_owned()),
            (format!("{}x", id.to_uppercase()), "[redacted]".to_owned()),
            (format!("<{id}>"), "<[redacted]>".to_owned()),
            ("password hunter2hunter2!".to_owned(), "password [redacted][redacted]!".to_owned()),
            ("mumble://x:pass%20word@y".to_owned(), "mumble://x:[redacted]@y".to_owned()),
            ("said \"\\\"quoted\\\" line\"".to_owned(), "said \"[redacted]\"".to_owned()),
            (format!("digest {}", "0a".repeat(32)), "digest [redacted]".to_owned()),
            (format!("blob {}==", "aB3/".repeat(21)), "blob [redacted]".to_owned()),
        ] {
            assert_eq!(redactor.redact(&line), shown, "{line}");
        }
        for kept in [
            "Listening on 127.0.0.1:64738, [::1]:64738",
            "an HSDir $9FF98062C2056738EA04324A10D337607D296C3C",
            "/usr/share/tails-server/services/mumble/service.toml and /var/lib/tails-server-helper/mumble",
            "state changed service=mumble state=waiting-for-tor",
            "",
            "Grüße, 世界",
        ] {
            assert_eq!(redactor.redact(kept), kept);
        }
    }

    #[test]
    fn it_says_nothing_of_this_person() {
        // Set by cargo or by whoever runs the tests; where it is not, there is nothing to take out.
        if let Some(home) = env::var("HOME").ok().filter(|home| home.len() > 1) {
            let shown = Redactor::for_public().redact(&format!("cannot read {home}/.local/state/x"));
            assert_eq!(shown, "cannot read ~/.local/state/x");
        }
    }

    proptest! {
        #[test]
        fn no_known_secret_survives(
            secrets in prop::collection::vec(".{1,12}", 1..4),
            pieces in prop::collection::vec("[ -~ä\u{4e16}]{0,20}", 1..6),
            order in prop::collection::vec(0..4_usize, 0..8),
        ) {
            let address = OnionKey::generate().unwrap().address().display_unredacted();
            let key = ClientSecretKey::generate().unwrap().expose_base32().to_string();
            let mut line = String::new();
            for (at, piece) in pieces.iter().enumerate() {
                line.push_str(piece);
                if let Some(secret) = order.get(at).and_then(|which| secrets.get(*which)) {
                    line.push_str(secret.trim());
                }
            }
            line.push_str(&format!("{address} {key}"));
            let shown = Redactor::knowing(secrets.iter().map(String::as_str)).redact(&line);
            // What stands for a secret may have letters of another one.
            for left in shown.split(GONE) {
                for secret in secrets.iter().flat_map(|secret| secret.lines()).map(str::trim).filter(|text| !text.is_empty()) {
                    prop_assert!(!left.contains(secret), "{secret:?} is in {left:?}");
                }
                prop_assert!(!left.contains(address.trim_end_matches(".onion")) && !left.contains(&key));
            }
        }
    }
}
