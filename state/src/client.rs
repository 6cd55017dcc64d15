// SPDX-License-Identifier: GPL-3.0-or-later
//! The clients that a service lets in: their names, their keys, and the line that gives one of them access.

mod authorized;
mod credential;
mod key;
mod name;

pub use self::authorized::{AuthorizedClient, MOST_CLIENTS, NewClient, NewClientKey, SecretHeld};
pub use self::credential::{ClientCredential, InvalidCredential};
pub use self::key::{ClientPublicKey, ClientSecretKey, InvalidClientKey};
pub use self::name::{ClientName, InvalidClientName};
