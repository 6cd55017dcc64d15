// SPDX-License-Identifier: GPL-3.0-or-later
//! The clients of a service, as Tor's `.auth` files have them.

use tails_server_state::{AuthorizedClient, ClientName, ClientPublicKey};

use super::error::Unsuitable;

/// What the name of such a file ends with.
pub(super) const EXTENSION: &str = "auth";

/// Reads the line of an `.auth` file.
// rend-spec-v3, G.1.1: <auth-type>:<key-type>:<base32-encoded-public-key>
pub(super) fn read(bytes: &[u8]) -> Result<ClientPublicKey, Unsuitable> {
    let text = std::str::from_utf8(bytes).map_err(|_| Unsuitable::ClientForm)?.trim();
    if !text.starts_with("descriptor:x25519:") {
        return Err(Unsuitable::ClientForm);
    }
    ClientPublicKey::parse(text).map_err(Unsuitable::ClientKey)
}

/// The line of an `.auth` file.
pub(super) fn line(client: &AuthorizedClient) -> String {
    format!("descriptor:x25519:{}\n", client.public_key.base32())
}

/// The name of a client from that of its file, which can be any: `Bob's phone` becomes `bob-s-phone`. `taken` are those
/// that other clients have.
pub(super) fn name(file: &str, taken: impl Fn(&ClientName) -> bool) -> ClientName {
    let mut text: String = file
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .collect();
    if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        text.insert_str(0, "client-");
    }
    // Room for a number that tells it from others.
    text.truncate(ClientName::MAX_BYTES);
    if let Ok(name) = text.parse()
        && !taken(&name)
    {
        return name;
    }
    text.truncate(ClientName::MAX_BYTES - 5);
    (2_u32..)
        .filter_map(|number| format!("{text}-{number}").parse().ok())
        .find(|name| !taken(name))
        .expect("there are more numbers than clients")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_a_file_gives_a_name() {
        let mut taken: Vec<ClientName> = Vec::new();
        for (file, expected) in [
            ("alice", "alice"),
            ("Alice", "alice-2"),
            ("ALICE", "alice-3"),
            ("Bob's phone", "bob-s-phone"),
            ("1", "client-1"),
            ("", "client-"),
            ("ü", "client--"),
            ("a".repeat(40).as_str(), "a".repeat(32).as_str()),
            ("a".repeat(41).as_str(), format!("{}-2", "a".repeat(27)).as_str()),
        ] {
            let name = name(file, |name| taken.contains(name));
            assert_eq!(name.as_str(), expected, "{file}");
            taken.push(name);
        }
    }
}
