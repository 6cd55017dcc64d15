// SPDX-License-Identifier: GPL-3.0-or-later
//! A folder that a person shares.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde_json::json;

use crate::descriptor::names::{InvalidText, hides};
use crate::descriptor::read::text;

/// Where people have their folders.
const ROOTS: &[&str] = &["/home", "/media", "/mnt", "/srv", "/var/www"];

/// A folder that a person shares: absolute, below one of the places where people have folders, no part of it hidden.
///
/// It may have spaces and letters of all scripts: it is handed to systemd alone, which escapes it, and never to a
/// configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Folder(String);

impl Folder {
    /// The longest path, in bytes.
    pub const MAX_BYTES: usize = 1024;

    /// As a path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl FromStr for Folder {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(InvalidText("a folder is given from the root on, such as /home/amnesia/Website"));
        };
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidText("the path is too long"));
        }
        if text.chars().any(hides) {
            return Err(InvalidText("there is a line break, a control character or an invisible one in it"));
        }
        if rest.split('/').any(|part| part.is_empty() || part == "..") {
            return Err(InvalidText("write the path without .. and without doubled or trailing slashes"));
        }
        // ~/.ssh, ~/.gnupg, ~/.config: what is hidden is not meant for others.
        if rest.split('/').any(|part| part.starts_with('.')) {
            return Err(InvalidText("a hidden folder is not shared"));
        }
        let path = Path::new(text);
        let below = ROOTS.iter().find_map(|root| path.strip_prefix(root).ok().map(|rest| (*root, rest)));
        // /home/NAME as a whole has all that a person has.
        let deep_enough = below.is_some_and(|(root, rest)| {
            rest.components().count() >= if matches!(root, "/home" | "/media") { 2 } else { 1 }
        });
        if !deep_enough {
            return Err(InvalidText("share a folder in a home directory, or below /media, /mnt, /srv or /var/www"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

text!(Folder, OptionDefault, json!({ "type": "string", "pattern": "^/(home|media|mnt|srv|var/www)/" }));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_meant_for_others_is_not_shared() {
        for text in ["/home/amnesia/Website", "/srv/site", "/var/www/html", "/media/amnesia/usb/Фото 2", "/mnt/x"] {
            assert!(text.parse::<Folder>().is_ok(), "{text}");
        }
        for text in [
            "",
            "site",
            "/",
            "/home",
            "/home/amnesia",
            "/media/amnesia",
            "/srv",
            "/etc",
            "/etc/tor",
            "/homes/a/b",
            "/home/amnesia/.ssh",
            "/home/amnesia/a/.git",
            "/home/amnesia/../root",
            "/home/./amnesia/x",
            "/srv/site/",
            "/srv//site",
            "/srv/a\nb",
            "/srv/a\u{202e}b",
        ] {
            assert!(text.parse::<Folder>().is_err(), "{text:?}");
        }
    }
}
