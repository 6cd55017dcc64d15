// SPDX-License-Identifier: GPL-3.0-or-later
//! The part of the store that is about access: who may reach a service, and which services of others we may reach.

use std::collections::BTreeMap;

use super::{Store, StoreError};
use crate::Change;
use crate::client::{ClientName, ClientPublicKey, ClientSecretKey, NewClient};
use crate::described::{OptionName, OptionText};
use crate::farewell::Farewell;
use crate::joined::{JoinedService, PendingRequest};
use crate::key::OnionKey;
use crate::name::ServiceName;
use crate::record::{Persistence, ServiceRecord};
use crate::uninstall::Uninstall;

/// Changing a service.
impl Store {
    /// Replaces exposure, autostart and ports of a service. Only this opens a service that was for its clients alone.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] if there is no such service, [`StoreError::OtherPlace`] if it is in the other place, and
    /// whatever is wrong with its place. After an error a service that was to be opened to everybody is not.
    pub fn set_record(&self, record: &ServiceRecord) -> Result<Change, StoreError> {
        self.write(|places| places.set_record(record))
    }

    /// Moves a service to the other place, with its key, its clients and its options, and changes nothing else about it but
    /// that autostart falls off with what is kept. What it leaves behind is gone from all files before this returns or, where
    /// that is not possible, as soon as it is; it no longer counts in any case.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] if there is no such service, [`StoreError::Shadowed`] if another one of its name is in the kept
    /// place, [`StoreError::Full`] if there is no room, and whatever is wrong with a place. After an error it is where it was
    /// or, where nobody can tell, as a whole in either place or in both: then the kept one counts.
    pub fn set_persistence(&self, service: &ServiceName, place: Persistence) -> Result<Change, StoreError> {
        self.write(|places| places.set_persistence(service, place))
    }

    /// Gives a service another key, hence another address. The old key is gone from all files before this returns or, where
    /// that is not possible, as soon as it is; it no longer counts in any case.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] if there is no such service, [`StoreError::AddressTaken`] if another one has this key, and
    /// whatever is wrong with its place.
    pub fn replace_key(&self, service: &ServiceName, key: &OnionKey) -> Result<(), StoreError> {
        self.write(|places| places.replace_key(service, key))
    }
}

/// The options of a service.
impl Store {
    /// Gives an option of a service a value. The old one is gone from all files as a key is that is replaced.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] if there is no such service, [`StoreError::TooLarge`], and whatever is wrong with its place.
    /// After an error either of the two values counts, as a whole.
    pub fn set_option(
        &self,
        service: &ServiceName,
        option: &OptionName,
        text: &OptionText,
    ) -> Result<Change, StoreError> {
        self.write(|places| places.set_option(service, option, text))
    }

    /// Forgets the value of an option, as [`Store::remove_client`] forgets a client.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] if there is no such service, and whatever is wrong with its place.
    pub fn reset_option(&self, service: &ServiceName, option: &OptionName) -> Result<Change, StoreError> {
        self.write(|places| places.reset_option(service, option))
    }

    /// The options of a service that have a value.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] if there is no such service, and whatever is wrong with its place.
    pub fn options(&self, service: &ServiceName) -> Result<BTreeMap<OptionName, OptionText>, StoreError> {
        self.places.options(service)
    }
}

/// The clients of a service.
impl Store {
    /// Remembers a client of a service.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] if there is no such service, [`StoreError::ClientExists`], [`StoreError::ClientKeyTaken`],
    /// [`StoreError::TooManyClients`], and whatever is wrong with the place of the service. After an error the client was
    /// taken back; where that was not possible either, it is listed.
    #[expect(clippy::needless_pass_by_value, reason = "the key is the store's from here on")]
    pub fn add_client(&self, service: &ServiceName, client: NewClient) -> Result<(), StoreError> {
        self.write(|places| places.add_client(service, &client))
    }

    /// Forgets a client, durably, also on a full disk. Its secret key is gone from all files before this returns or, where
    /// that is not possible, as soon as it is. A client that is not there is [`Change::Unchanged`].
    ///
    /// # Errors
    /// [`StoreError::Unknown`] if there is no such service, and whatever is wrong with its place.
    pub fn remove_client(&self, service: &ServiceName, client: &ClientName) -> Result<Change, StoreError> {
        self.write(|places| places.remove_client(service, client))
    }

    /// Gives a client another name, and changes nothing else.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] if there is no such service, [`StoreError::UnknownClient`], [`StoreError::ClientExists`], and
    /// whatever is wrong with the place of the service.
    pub fn rename_client(
        &self,
        service: &ServiceName,
        from: &ClientName,
        to: &ClientName,
    ) -> Result<Change, StoreError> {
        self.write(|places| places.rename_client(service, from, to))
    }

    /// The secret key of a client.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] if there is no such service, [`StoreError::UnknownClient`], [`StoreError::SecretElsewhere`] if
    /// only the client has it, and whatever is wrong with the place of the service.
    pub fn client_key(&self, service: &ServiceName, client: &ClientName) -> Result<ClientSecretKey, StoreError> {
        self.places.client_key(service, client)
    }
}

/// Services of others.
impl Store {
    /// Remembers a service of somebody else, and the key that opens it if it takes one. One that is known by this name and
    /// has the same address is replaced as a whole, with its key.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the name is that of a joined service with another address, [`StoreError::AddressTaken`] if
    /// the address is that of one with another name, [`StoreError::TooLarge`] if the note is too long, and whatever is wrong with its place.
    pub fn join(&self, service: &JoinedService, key: Option<&ClientSecretKey>) -> Result<Change, StoreError> {
        self.write(|places| places.join(service, key))
    }

    /// The services of others, by name. Taken from memory.
    #[must_use]
    pub fn joined(&self) -> Vec<JoinedService> {
        self.places.joined().into_values().collect()
    }

    /// The key that opens a service of somebody else, if it takes one.
    ///
    /// # Errors
    /// [`StoreError::NotJoined`] if there is no such service, and whatever is wrong with its place.
    pub fn joined_key(&self, name: &ServiceName) -> Result<Option<ClientSecretKey>, StoreError> {
        self.places.joined_key(name)
    }

    /// Forgets a service of somebody else, as [`Store::remove_client`] forgets a client. What Tor has of it is among the
    /// [`Store::farewells`] from then on.
    ///
    /// # Errors
    /// Whatever is wrong with its place.
    pub fn leave(&self, name: &ServiceName) -> Result<Change, StoreError> {
        self.write(|places| places.leave(name))
    }
}

/// Requests to be let in.
impl Store {
    /// Remembers a key that was made for a service of somebody else.
    ///
    /// # Errors
    /// [`StoreError::RequestExists`] if the name is that of a request with another key, and whatever is wrong with its place.
    pub fn add_request(
        &self,
        name: &ClientName,
        key: &ClientSecretKey,
        persistence: Persistence,
    ) -> Result<Change, StoreError> {
        self.write(|places| places.add_request(name, key, persistence))
    }

    /// The requests, by name. Taken from memory.
    #[must_use]
    pub fn requests(&self) -> Vec<PendingRequest> {
        self.places.requests()
    }

    /// The key of a request.
    ///
    /// # Errors
    /// [`StoreError::UnknownRequest`] if there is no such request, and whatever is wrong with its place.
    pub fn request_key(&self, name: &ClientName) -> Result<ClientSecretKey, StoreError> {
        self.places.request_key(name)
    }

    /// The request whose public key this is, and its secret key.
    ///
    /// # Errors
    /// Whatever is wrong with a place that it may be in.
    pub fn request_key_for(
        &self,
        public_key: &ClientPublicKey,
    ) -> Result<Option<(ClientName, ClientSecretKey)>, StoreError> {
        self.places.request_key_for(public_key)
    }

    /// Forgets a request, as [`Store::remove_client`] forgets a client.
    ///
    /// # Errors
    /// Whatever is wrong with its place.
    pub fn remove_request(&self, name: &ClientName) -> Result<Change, StoreError> {
        self.write(|places| places.remove_request(name))
    }
}

/// What is left to do on the host.
impl Store {
    /// Remembers that the server of a service is to be uninstalled, and its data deleted, unless it is enabled before.
    ///
    /// # Errors
    /// Whatever is wrong with the amnesic place.
    pub fn uninstall(&self, name: &ServiceName) -> Result<Change, StoreError> {
        self.write(|places| places.uninstall(name))
    }

    /// Forgets a service as [`Store::remove`] does, and remembers in the same transaction that its server is to be
    /// uninstalled, and its data deleted, whatever becomes of the name.
    ///
    /// # Errors
    /// As [`Store::remove`].
    pub fn remove_and_uninstall(&self, name: &ServiceName) -> Result<Change, StoreError> {
        self.write(|places| places.remove_leaving(name, Some(Uninstall::Removed)))
    }

    /// What is to be uninstalled, by name. Taken from memory.
    #[must_use]
    pub fn uninstalls(&self) -> BTreeMap<ServiceName, Uninstall> {
        self.places.uninstalls()
    }

    /// It is uninstalled, and its data are gone.
    ///
    /// # Errors
    /// Whatever is wrong with the place in which it is remembered.
    pub fn forget_uninstall(&self, name: &ServiceName) -> Result<(), StoreError> {
        self.write(|places| places.forget_uninstall(name))
    }
}

/// What is left to do in Tor.
impl Store {
    /// What Tor may still have of something that is forgotten. Taken from memory.
    #[must_use]
    pub fn farewells(&self) -> Vec<Farewell> {
        self.places.farewells()
    }

    /// Tor has nothing of it any more.
    ///
    /// # Errors
    /// Whatever is wrong with the amnesic place.
    pub fn forget_farewell(&self, farewell: &Farewell) -> Result<(), StoreError> {
        self.write(|places| places.forget_farewell(farewell))
    }
}
