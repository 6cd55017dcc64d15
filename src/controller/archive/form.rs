// SPDX-License-Identifier: GPL-3.0-or-later
//! The form in which all that is remembered leaves the store, version 1. Frozen once released: a field more is a version
//! more.
//!
//! JSON, so that whoever has it can see what is in it without this program. Secrets that are bytes are in base64, keys of
//! clients in base32 as people know them. Values of options and notes are in base64, too, as they may be passwords: text that
//! needs no escaping is read and written without a copy that nobody wipes.

use std::fmt;
use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// What it says that it is.
pub(super) const FORMAT: &str = "tails-server-remembered";
/// The version that is written, and the only one there is.
pub(super) const VERSION: u32 = 1;

/// What is the same in every version.
#[derive(Deserialize)]
pub(super) struct Head {
    pub(super) format: String,
    pub(super) version: u32,
}

/// All of it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Remembered {
    pub(super) format: String,
    pub(super) version: u32,
    pub(super) services: Vec<Service>,
    pub(super) joined: Vec<Joined>,
    pub(super) requests: Vec<Request>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Service {
    pub(super) name: String,
    /// Whether it was wanted when the backup was made.
    pub(super) enabled: bool,
    pub(super) persistence: bool,
    pub(super) autostart: bool,
    /// `VIRTUAL:TARGET`.
    pub(super) ports: Vec<String>,
    pub(super) client_authorization: bool,
    pub(super) max_streams: Option<u16>,
    pub(super) pow: Option<ProofOfWork>,
    /// Missing from a port that is published as it is.
    pub(super) described: Option<LocalAccess>,
    /// With `.onion`. It follows from the key.
    pub(super) address: String,
    /// The expanded key, 64 bytes in base64.
    pub(super) key: Secret,
    pub(super) clients: Vec<Client>,
    pub(super) options: Vec<OptionValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ProofOfWork {
    pub(super) rate: u32,
    pub(super) burst: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct LocalAccess {
    pub(super) allow_localhost: bool,
    pub(super) allow_lan: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Client {
    pub(super) name: String,
    /// Base32.
    pub(super) public_key: String,
    /// Base32; missing if only the client has it.
    pub(super) secret_key: Option<Secret>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct OptionValue {
    pub(super) name: String,
    /// Text in base64.
    pub(super) value: Secret,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Joined {
    pub(super) name: String,
    pub(super) persistence: bool,
    /// With `.onion`.
    pub(super) address: String,
    /// Base32; missing if it is open to everybody.
    pub(super) secret_key: Option<Secret>,
    pub(super) title: Option<String>,
    pub(super) ports: Vec<u16>,
    /// Text in base64.
    pub(super) note: Secret,
    /// Seconds since 1970.
    pub(super) expires: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Request {
    pub(super) name: String,
    pub(super) persistence: bool,
    /// Base32.
    pub(super) secret_key: Secret,
}

/// A secret as text that needs no escaping.
pub(super) struct Secret(pub(super) Zeroizing<String>);

impl Secret {
    pub(super) fn of(bytes: &[u8]) -> Self {
        // Of its final size at once: text that grows leaves copies behind.
        let mut text = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(3) * 4));
        STANDARD.encode_string(bytes, &mut text);
        Self(text)
    }

    pub(super) fn bytes(&self) -> Option<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(vec![0; self.0.len().div_ceil(4) * 3]);
        let length = STANDARD.decode_slice(self.0.as_bytes(), &mut bytes).ok()?;
        bytes.truncate(length);
        Some(bytes)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Secret;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a secret")
            }

            fn visit_str<E>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret(Zeroizing::new(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Writes it, without leaving copies behind.
pub(super) fn render(remembered: &Remembered) -> Option<Zeroizing<Vec<u8>>> {
    let mut length = Length(0);
    serde_json::to_writer_pretty(&mut length, remembered).ok()?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(length.0));
    serde_json::to_writer_pretty(&mut *bytes, remembered).ok()?;
    Some(bytes)
}

pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

/// How much is written.
struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
