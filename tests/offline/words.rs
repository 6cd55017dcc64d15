// SPDX-License-Identifier: GPL-3.0-or-later
//! A secret in every form in which it could have been written down.

use tails_server_state::{ServiceName, Store, StoreLayout};

use crate::harness::Controller;

/// Beginnings of the onion address and of the key of a service, in text, hex, base64 and base32. The controller must have
/// ended.
pub(crate) fn secrets_of(controller: &Controller, name: &str) -> Vec<(&'static str, String)> {
    let layout = StoreLayout { kept: controller.state().join("kept"), amnesic: controller.runtime().join("amnesic") };
    let name: ServiceName = name.parse().unwrap();
    let key = Store::open(&layout).key(&name).unwrap();
    let address = key.address().service_id();
    let public = base32::decode(base32::Alphabet::Rfc4648Lower { padding: false }, &address).unwrap();
    let mut secrets = vec![("the address", address[..20].to_owned())];
    for (what, bytes) in
        [("the key", key.expose_expanded().as_slice()), ("half of the key", &key.expose_expanded()[32..])]
    {
        secrets.extend(forms(what, bytes));
    }
    secrets.extend(forms("the public key", &public[..32]));
    secrets
}

fn forms(what: &'static str, bytes: &[u8]) -> Vec<(&'static str, String)> {
    let hex: String = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let decimal: Vec<String> = bytes.iter().take(8).map(u8::to_string).collect();
    let base32 = base32::encode(base32::Alphabet::Rfc4648Lower { padding: false }, &bytes[..15]);
    vec![
        (what, hex.to_uppercase()),
        (what, hex),
        (what, decimal.join(", ")),
        (what, base32.to_uppercase()),
        (what, base32),
        (what, base64(&bytes[..15])),
        (what, base64(&bytes[..15]).replace('+', "-").replace('/', "_")),
    ]
}

/// Base64 of a multiple of three bytes.
pub(crate) fn base64(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sextets = bytes.chunks(3).flat_map(|three| {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        [18, 12, 6, 0].map(|shift| (bits >> shift) & 63)
    });
    sextets.map(|sextet| char::from(alphabet[sextet as usize])).collect()
}

/// Where one of the secrets is in the text.
pub(crate) fn found<'a>(secrets: &'a [(&'static str, String)], text: &str) -> Option<&'a (&'static str, String)> {
    secrets.iter().find(|(_, secret)| text.contains(secret.as_str()))
}

#[test]
fn the_forms_are_those_of_the_standard() {
    assert_eq!(base64(b"foobar"), "Zm9vYmFy");
    let forms = forms("x", b"0123456789abcde");
    for form in ["3031323334353637", "48, 49, 50", "GAYTEMZUGU3DOOBZMFRGGZDF", "MDEyMzQ1Njc4OWFiY2Rl"] {
        assert!(forms.iter().any(|(_, text)| text.starts_with(form)), "{form} {forms:?}");
    }
}
