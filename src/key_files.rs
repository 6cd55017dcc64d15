// SPDX-License-Identifier: GPL-3.0-or-later
//! Keys of onion services in the files that people have: read from Tor, mkp224o and OnionShare, written for Tor.
//!
//! [`import`] reads a `HiddenServiceDir` or one file and changes nothing. [`export`] writes a `HiddenServiceDir` that Tor
//! takes as its own. The authorised clients go with the key in both directions: a key that came without them would open
//! to everybody what was private.
//!
//! | file | bytes |
//! |---|---|
//! | `hs_ed25519_secret_key` | `== ed25519v1-secret: type0 ==`, three zero bytes, the 64 bytes of the expanded key |
//! | `hs_ed25519_public_key` | `== ed25519v1-public: type0 ==`, three zero bytes, the 32 bytes of the public key |
//! | `hostname` | the address, a line feed |
//! | `authorized_clients/NAME.auth` | `descriptor:x25519:` and the public key of a client in base32 |

mod client_file;
mod error;
mod export;
mod file;
mod format;
mod import;
mod onionshare;

pub use error::{ExportError, ImportError, Unsuitable};
pub use export::export;
pub use import::{Imported, ImportedClient, Warning, import};
