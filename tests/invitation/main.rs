// SPDX-License-Identifier: GPL-3.0-or-later
//! Invitations and requests, from one person to another: what mail and chat do to them, what people paste instead, and
//! how large they are.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod damage;
mod properties;
mod samples;
mod size;
mod strays;
mod travel;
