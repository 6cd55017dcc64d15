// SPDX-License-Identifier: GPL-3.0-or-later
//! The part of the store that is about backups: all of it out, and some of it in.

use super::{Store, StoreError};
use crate::client::{NewClient, NewClientKey, SecretHeld};
use crate::holdings::{HeldJoined, HeldRequest, HeldService, Holdings};

impl Store {
    /// All that is remembered, with its secrets.
    ///
    /// # Errors
    /// Whatever is wrong with a place: what can not be read would be missing.
    pub fn holdings(&self) -> Result<Holdings, StoreError> {
        self.places.ensure_readable()?;
        self.readable_holdings()
    }

    /// All that is remembered where these belong. What is kept is left out while its volume is not there, if nothing of these
    /// is kept: it could not be in their way, as it is in nobody's who adds a service then.
    ///
    /// # Errors
    /// Whatever is wrong with a place that is needed.
    pub fn holdings_beside(&self, those: &Holdings) -> Result<Holdings, StoreError> {
        self.places.ensure_ready_for(those)?;
        self.readable_holdings()
    }

    fn readable_holdings(&self) -> Result<Holdings, StoreError> {
        let mut holdings = Holdings::default();
        for service in self.services() {
            let name = service.record.name();
            let client = |client: &crate::client::AuthorizedClient| {
                let key = match client.secret {
                    SecretHeld::Here => NewClientKey::Made(self.client_key(name, &client.name)?),
                    SecretHeld::Elsewhere => NewClientKey::Brought(client.public_key),
                };
                Ok(NewClient { name: client.name.clone(), key })
            };
            holdings.services.push(HeldService {
                key: self.key(name)?,
                wish: service.wish,
                clients: service.clients.iter().map(client).collect::<Result<_, StoreError>>()?,
                options: self.options(name)?,
                record: service.record,
            });
        }
        for service in self.joined() {
            let key = self.joined_key(&service.name)?;
            holdings.joined.push(HeldJoined { service, key });
        }
        for request in self.requests() {
            let key = self.request_key(&request.name)?;
            holdings.requests.push(HeldRequest { name: request.name, key, persistence: request.persistence });
        }
        Ok(holdings)
    }

    /// Remembers all of this, each in the place of what has its name: all or nothing, in both places, also if the program is
    /// killed or the power is cut meanwhile. What is remembered under other names stays. What is replaced is gone from all
    /// files before this returns or, where that is not possible, as soon as it is; it no longer counts in any case.
    ///
    /// # Errors
    /// [`StoreError::AddressTaken`] if a service of another name has the key of one, [`StoreError::Shadowed`] if there are two
    /// of a name already, [`StoreError::TooLarge`], [`StoreError::Full`], and whatever is wrong with a place. After an error
    /// nothing was changed; where nobody can tell, because a place can not be read any more, it is done as a whole when that
    /// is opened again, and until then, all of it is closed.
    pub fn restore(&self, holdings: &Holdings) -> Result<(), StoreError> {
        self.write(|places| places.restore(holdings))
    }
}
