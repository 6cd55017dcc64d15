// SPDX-License-Identifier: GPL-3.0-or-later
//! The D-Bus face of the controller.
//!
//! [`api`] is the contract, for both ends; the rest serves it. Faces translate: text becomes a type here, a picture
//! becomes dictionaries, and nothing is decided.

pub mod api;
mod archive;
mod catalog;
mod clock;
mod diagnosis;
mod door;
mod face;
mod hooks;
mod inline;
mod listener;
mod manager;
mod message_bus;
mod meter;
mod objects;
mod options;
mod refusal;
mod service;
mod signals;
mod socket;
mod translate;

pub use listener::{ListenError, Listener};
pub use message_bus::{MessageBus, serve};
