// SPDX-License-Identifier: GPL-3.0-or-later
//! The line of an `.auth_private` file: whatever is read is written so that it is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tails_server_state::{ClientCredential, ClientPublicKey};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(credential) = ClientCredential::parse(text) {
        let again = ClientCredential::parse(&credential.expose_line()).expect("what was written is read");
        assert_eq!(again.expose_line(), credential.expose_line());
    }
    if let Ok(key) = ClientPublicKey::parse(text) {
        assert_eq!(ClientPublicKey::parse(&key.base32()), Ok(key));
    }
});
