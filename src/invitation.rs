// SPDX-License-Identifier: GPL-3.0-or-later
//! What one person sends to another, so that a service can be reached: one artefact with all that it takes.
//!
//! An [`Invitation`] is written by the host of a service. A [`Request`] goes the other way before it, so that the secret
//! key of the client need not travel. [`Pasted::read`] takes what a person pasted and says what it is. Nothing here needs
//! a network, a file or a clock.
//!
//! # The format
//! Both are the same bytes in the same letters, once as a block of text (for mail, chat and files) and once as a URI (for
//! a QR code). The letters are those of base32, RFC 4648, without padding: they survive a change of case, no program takes
//! them for markup, nobody confuses 0 and O in them, and QR codes pack them tightly as long as they are capitals.
//!
//! The bytes: five that spell `TAILSINV` or `TAILSREQ`, the version (1), the length of the fields (2 bytes, big endian),
//! the fields, the first 8 bytes of SHA-256 of all before. This frame is for all versions, so that a reader always knows
//! whether a text is damaged or only newer than itself. A field is a tag (1), a length (2) and that many bytes; the tags
//! ascend. Whoever does not know a tag below 128 must not use the invitation; others are skipped.

mod armor;
mod body;
mod detail;
mod error;
mod expiry;
mod fields;
mod letter;
mod line;
mod pasted;
mod request;
mod stray;

pub use detail::{Detail, Secrecy};
pub use error::{Artefact, CannotComplete, Expired, InvalidInvitation, PasteError, Stray};
pub use expiry::{Expiry, InvalidExpiry, InvalidLifetime, Lifetime};
pub use letter::{Access, Invitation};
pub use line::{InvalidLine, Title};
pub use pasted::Pasted;
pub use request::Request;
