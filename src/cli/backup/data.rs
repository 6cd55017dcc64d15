// SPDX-License-Identifier: GPL-3.0-or-later
//! The data of servers in a backup: what is kept of described services, in `data/SERVICE/DIRECTORY/` of the tar.
//!
//! Only what is kept is in a backup: what is amnesic is to be forgotten. The directories are called as root's helper calls
//! them; owners and groups are there by name, as their numbers differ between computers.
//!
//! What is read comes from a file that anybody may have made. It is unpacked beside the data that are here, where nobody but
//! root comes in: each entry by its single name into a directory that was made for it just before and is still open, so no
//! name, link or order of entries leads anywhere else. Then [`Delivery`] exchanges it for what is here.

mod accounts;
mod delivery;
mod entries;
mod notes;
mod pack;
mod paths;
mod rules;
mod unpack;
mod walk;

pub(super) use self::accounts::Accounts;
pub(super) use self::delivery::{Delivery, DeliveryError, Site};
pub(super) use self::entries::{Entries, Kind, is_malformed};
pub(super) use self::pack::{Cargo, Declared};
pub(super) use self::rules::{Catalogue, Rules};
pub(super) use self::unpack::{Contents, Trouble, Unpacking};

/// The directory in the tar.
const ROOT: &str = "data";
/// The deepest that directories may be in one another: with each of them a handle is open.
const MOST_DEPTH: usize = 100;
