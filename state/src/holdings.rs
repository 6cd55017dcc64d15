// SPDX-License-Identifier: GPL-3.0-or-later
//! All that is remembered, with its secrets: what a backup has in it.

use std::collections::BTreeMap;

use crate::client::{ClientName, ClientSecretKey, NewClient};
use crate::described::{OptionName, OptionText};
use crate::joined::JoinedService;
use crate::key::OnionKey;
use crate::record::{Persistence, ServiceRecord, Wish};

/// All that is remembered, or a part of it, with the secrets. What is left to do in Tor and on the host is none of it: that
/// is a matter of this machine.
#[derive(Debug, Default)]
pub struct Holdings {
    /// Services of ours.
    pub services: Vec<HeldService>,
    /// Services of others.
    pub joined: Vec<HeldJoined>,
    /// Keys that others were asked to let in.
    pub requests: Vec<HeldRequest>,
}

/// A service of ours, as a whole.
#[derive(Debug)]
pub struct HeldService {
    /// What it is.
    pub record: ServiceRecord,
    /// Its key, and with it its address.
    pub key: OnionKey,
    /// Whether it is wanted in this session.
    pub wish: Wish,
    /// Whom it lets in.
    pub clients: Vec<NewClient>,
    /// The options that have a value.
    pub options: BTreeMap<OptionName, OptionText>,
}

/// A service of somebody else, and the key that opens it if it takes one.
#[derive(Debug)]
pub struct HeldJoined {
    /// What is known of it.
    pub service: JoinedService,
    /// The key.
    pub key: Option<ClientSecretKey>,
}

/// A key that somebody was asked to let in.
#[derive(Debug)]
pub struct HeldRequest {
    /// What it is called here.
    pub name: ClientName,
    /// Both halves.
    pub key: ClientSecretKey,
    /// Where it is remembered.
    pub persistence: Persistence,
}

impl Holdings {
    /// Whether nothing of it is kept.
    #[must_use]
    pub fn is_amnesic(&self) -> bool {
        let is_amnesic = |place: Persistence| place == Persistence::Amnesic;
        self.services.iter().all(|held| is_amnesic(held.record.persistence()))
            && self.joined.iter().all(|held| is_amnesic(held.service.persistence))
            && self.requests.iter().all(|held| is_amnesic(held.persistence))
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.services.is_empty() && self.joined.is_empty() && self.requests.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Autostart;

    #[test]
    fn no_secret_is_in_its_debug_text() {
        let key = ClientSecretKey::generate().unwrap();
        let onion = OnionKey::generate().unwrap();
        let text = key.expose_base32().to_string();
        let expanded = format!("{:?}", onion.expose_expanded());
        let ports = vec!["80".parse().unwrap()].try_into().unwrap();
        let record = ServiceRecord::new("web".parse().unwrap(), Persistence::Kept, Autostart::Off, ports).unwrap();
        let options = BTreeMap::from([("password".parse().unwrap(), OptionText::new("hunter2"))]);
        let holdings = Holdings {
            services: vec![HeldService { record, key: onion, wish: Wish::Enabled, clients: Vec::new(), options }],
            joined: Vec::new(),
            requests: vec![HeldRequest { name: "me".parse().unwrap(), key, persistence: Persistence::Kept }],
        };
        let told = format!("{holdings:?}");
        assert!(
            told.contains("web") && !told.contains("hunter2") && !told.contains(&text) && !told.contains(&expanded)
        );
    }
}
