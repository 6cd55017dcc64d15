// SPDX-License-Identifier: GPL-3.0-or-later
//! The manager object: four things a method, translate, authorise, delegate, translate.
//!
//! On a peer-to-peer connection the authorising was done when the connection was accepted: [`crate::bus::Listener`] lets
//! in nobody but the user that the controller runs as.

use std::collections::HashMap;

use tails_server_state::{Change, OptionText, Wish};
use zbus::object_server::SignalEmitter;

use crate::bus::api::{
    ApiError, CatalogProperties, CheckAnswer, Client, ConnectionProperties, JoinRequest, JoinedProperties,
    OptionProperties, Overview, PendingRequest, PublishOptions, ServiceProperties, StoreProblem, TorProperties,
};
use crate::bus::{catalog, options, refusal, translate};
use crate::controller::{Controller, RequestError, Visit};

/// The object at [`crate::bus::api::MANAGER_PATH`].
#[derive(Debug)]
pub(super) struct Manager {
    controller: Controller,
}

impl Manager {
    pub(super) const fn new(controller: Controller) -> Self {
        Self { controller }
    }
}

/// Start onion services, and learn how they are.
// One call of a connection after the other, in their order. With a task for each, a client that asks and does not read
// the answers would fill our memory; like this, it waits for itself.
#[zbus::interface(interface = "org.boum.tails.Server1.Manager", spawn = false)]
impl Manager {
    /// Remembers a new service and enables it; answers with its name once that is durable.
    ///
    /// `ports` are virtual ports and their targets: `127.0.0.1:PORT`, `[::1]:PORT` or `unix:PATH`. `options` may have
    /// `Name` (s), `Persistence` (b), `Autostart` (b) and `ClientAuthorization` (b).
    async fn publish(&self, ports: Vec<(u16, String)>, options: PublishOptions) -> Result<String, ApiError> {
        let request = translate::publish_request(ports, options)?;
        let (name, _) = self.controller.publish(request).await?;
        Ok(name.to_string())
    }

    /// Remembers that the service is wanted; answers whether that changed anything, once it is durable. One of the catalogue
    /// that is not remembered yet is remembered as its descriptor says, with a new key.
    async fn enable(&self, name: &str) -> Result<bool, ApiError> {
        let name = translate::service_name(name)?;
        Ok(self.controller.enable(name).await? == Change::Changed)
    }

    /// Remembers that the service is not wanted; answers whether that changed anything, once it is durable.
    async fn disable(&self, name: &str) -> Result<bool, ApiError> {
        let name = translate::service_name(name)?;
        Ok(self.controller.set_wish(name, Wish::Disabled).await? == Change::Changed)
    }

    /// Forgets the service, its key and its address for ever; answers once that is durable. With a
    /// described service its server and its data go, too; `Uninstall` waits for that.
    async fn remove(&self, name: &str) -> Result<(), ApiError> {
        let name = translate::service_name(name)?;
        self.controller.remove(name).await?;
        Ok(())
    }

    /// The whole picture but for addresses: Tor, what is wrong with the store, and the services by name.
    #[zbus(out_args("tor", "store_problems", "services"))]
    fn overview(&self) -> Result<Overview, ApiError> {
        Ok(translate::overview(&self.controller.snapshot()))
    }

    /// The onion address of a service, with `.onion`. Whoever knows it can reach the service.
    fn address(&self, name: &str) -> Result<String, ApiError> {
        let name = translate::service_name(name)?;
        let picture = self.controller.snapshot();
        let service = picture.services.get(&name).ok_or(RequestError::Unknown(name))?;
        Ok(service.address.display_unredacted())
    }

    /// The last lines that the server of a described service wrote to its log before it failed, five of 200 characters at
    /// most; none if it has not. There may be addresses and passwords in them.
    // As the address, in no picture and no signal: those who watch all services do not spread what a server wrote.
    fn server_log(&self, name: &str) -> Result<Vec<String>, ApiError> {
        let name = translate::service_name(name)?;
        let picture = self.controller.snapshot();
        let service = picture.services.get(&name).ok_or(RequestError::Unknown(name))?;
        Ok(service.hosting.iter().flat_map(|hosting| hosting.last_words.expose_lines()).cloned().collect())
    }

    /// Changes an option; answers whether that changed anything, once it is durable.
    ///
    /// `autostart`: `on` or `off`. `client-authorization`: `on`, and only authorised clients can reach the service, nobody
    /// while there is none; or `off`, and whoever knows the address can. `max-streams`: the most streams of a visitor's
    /// circuit, 1 to 65535, or `off`. `pow`, the proof-of-work defence: `on`, `off` or RATE:BURST, requests a second and
    /// at once. `persistence`: `on`, and the service is remembered with all that is its, at the same address, after a
    /// reboot; or `off`, and it is forgotten at shutdown, and `autostart` is `off`, too. Of a described service also
    /// `allow-localhost` and `allow-lan`: `on` or `off`; and those of `Options`, which says what fits them. A service of the
    /// catalogue that is not remembered yet is remembered as its descriptor says, disabled.
    async fn set_option(&self, name: &str, option: &str, value: &str) -> Result<bool, ApiError> {
        let name = translate::service_name(name)?;
        let changed = match options::parse(option, value)? {
            Some(change) => self.controller.change(name, change).await?,
            None => self.controller.set_option(name, option.to_owned(), OptionText::new(value)).await?,
        };
        Ok(changed == Change::Changed)
    }

    /// Gives an option of a service its default again, a secret a new value; answers whether that changed anything, once it
    /// is durable. Refused for `client-authorization` where it would open the service.
    async fn reset_option(&self, name: &str, option: &str) -> Result<bool, ApiError> {
        let name = translate::service_name(name)?;
        Ok(self.controller.reset_option(name, option.to_owned()).await? == Change::Changed)
    }

    /// The options of a described service, with their values; those that are secret only if `secrets`. A port that is
    /// published as it is has none.
    async fn options(&self, name: &str, secrets: bool) -> Result<Vec<OptionProperties>, ApiError> {
        let reports = self.controller.options(translate::service_name(name)?).await?;
        Ok(reports.into_iter().map(|report| catalog::option(report, secrets)).collect())
    }

    /// What visitors need to know of a described service, beside address and ports: a link, and lines of label, value and
    /// whether it is a secret.
    /// Secrets only if `secrets`. It goes into invitations.
    async fn connection_info(&self, name: &str, secrets: bool) -> Result<ConnectionProperties, ApiError> {
        let report = self.controller.connection_info(translate::service_name(name)?).await?;
        Ok(catalog::connection(&report, secrets))
    }

    /// The services that can be had here by name, and what is wrong with the catalogue as a whole.
    #[zbus(out_args("services", "problems"))]
    fn catalog(&self) -> Result<(HashMap<String, CatalogProperties>, Vec<StoreProblem>), ApiError> {
        Ok(catalog::catalog(&self.controller.snapshot()))
    }

    /// Deletes the data of a service that is disabled, and what was installed for it; answers once that is done, which may
    /// take minutes, also of a service that was removed. Its key and its options stay until it is removed. It is remembered
    /// before it begins, and goes on after the errors `Postponed` and `Failed`.
    async fn uninstall(&self, name: &str) -> Result<(), ApiError> {
        Ok(self.controller.uninstall(translate::service_name(name)?).await?)
    }

    /// Fetches the descriptor of a service back from an HSDir and, if `visit`, connects to the service through Tor, where a
    /// SOCKS port of Tor's can be used. Both may take a minute. Never done unasked.
    async fn check(&self, name: &str, visit: bool) -> Result<CheckAnswer, ApiError> {
        let visit = if visit { Visit::Try } else { Visit::Skip };
        let checked = self.controller.check(translate::service_name(name)?, visit).await?;
        Ok(translate::check_answer(checked.map_err(refusal::check)?))
    }

    /// The secret key of a service: the 64 bytes of an expanded ed25519 key. Whoever has it *is* the service.
    async fn key(&self, name: &str) -> Result<Vec<u8>, ApiError> {
        let key = self.controller.key(translate::service_name(name)?).await?;
        Ok(key.expose_expanded().to_vec())
    }

    /// Gives a service another key, and with it another address: these 64 bytes, or a new one if there are none. The old
    /// key and the old address are gone for ever.
    async fn replace_key(&self, name: &str, key: Vec<u8>) -> Result<(), ApiError> {
        let (name, key) = (translate::service_name(name)?, translate::onion_key(key)?);
        Ok(self.controller.replace_key(name, key).await?)
    }

    /// Lets one more client into a service. `public_key` is its x25519 key in base32; if that is empty, a key is made here
    /// and `ClientKey` tells it. It matters to Tor only while `client-authorization` is `on`.
    async fn add_client(&self, name: &str, client: &str, public_key: &str) -> Result<(), ApiError> {
        let (name, client) = (translate::service_name(name)?, translate::new_client(client, public_key)?);
        Ok(self.controller.add_client(name, client).await?)
    }

    /// Forgets a client; answers whether there was one, once that is durable. Its access has ended once `AccessSettled` of
    /// the service is true after that. The others are disconnected, and can connect again once it
    /// is published anew.
    async fn remove_client(&self, name: &str, client: &str) -> Result<bool, ApiError> {
        let (name, client) = (translate::service_name(name)?, translate::client_name(client)?);
        Ok(self.controller.remove_client(name, client).await? == Change::Changed)
    }

    /// Gives a client another name; answers whether that changed anything, once it is durable.
    async fn rename_client(&self, name: &str, from: &str, to: &str) -> Result<bool, ApiError> {
        let name = translate::service_name(name)?;
        let (from, to) = (translate::client_name(from)?, translate::client_name(to)?);
        Ok(self.controller.rename_client(name, from, to).await? == Change::Changed)
    }

    /// The clients of a service: name, public key in base32, and whether the secret key is here.
    fn clients(&self, name: &str) -> Result<Vec<Client>, ApiError> {
        let name = translate::service_name(name)?;
        let picture = self.controller.snapshot();
        let service = picture.services.get(&name).ok_or(RequestError::Unknown(name))?;
        Ok(service.clients.iter().map(translate::client).collect())
    }

    /// The secret key of a client that was made here, in base32. Whoever has it, and the address, can reach the service.
    async fn client_key(&self, name: &str, client: &str) -> Result<String, ApiError> {
        let (name, client) = (translate::service_name(name)?, translate::client_name(client)?);
        Ok(self.controller.client_key(name, client).await?.expose_base32().to_string())
    }

    /// Remembers a service of somebody else, and has Tor reach it; answers whether that changed anything, once it is
    /// durable.
    ///
    /// `service` has `Name` (s) and `Address` (s), and may have `Key` (s, the secret key in base32), `Title` (s), `Ports`
    /// (aq), `Note` (s, how to connect), `Expires` (t, seconds since 1970) and `Persistence` (b).
    async fn join(&self, service: JoinRequest) -> Result<bool, ApiError> {
        let (service, key) = translate::join_request(service)?;
        Ok(self.controller.join(service, key).await.map_err(refusal::join)? == Change::Changed)
    }

    /// Forgets a service of somebody else, and the key for it, here and in Tor; answers whether there was one.
    async fn leave(&self, name: &str) -> Result<bool, ApiError> {
        let name = translate::service_name(name)?;
        Ok(self.controller.leave(name).await? == Change::Changed)
    }

    /// The services of others that were joined. Neither their keys nor their addresses.
    fn joined(&self) -> Result<Vec<JoinedProperties>, ApiError> {
        Ok(self.controller.snapshot().joined.values().map(translate::joined).collect())
    }

    /// The onion address of a service of somebody else, with `.onion`.
    fn joined_address(&self, name: &str) -> Result<String, ApiError> {
        let name = translate::service_name(name)?;
        let picture = self.controller.snapshot();
        let joined = picture.joined.get(&name).ok_or_else(|| refusal::not_joined(name))?;
        Ok(joined.joined.address.display_unredacted())
    }

    /// How to connect to a service of somebody else. There may be a password in it.
    fn joined_note(&self, name: &str) -> Result<String, ApiError> {
        let name = translate::service_name(name)?;
        let picture = self.controller.snapshot();
        let joined = picture.joined.get(&name).ok_or_else(|| refusal::not_joined(name))?;
        Ok(joined.joined.note.clone())
    }

    /// Makes a key whose public half somebody is asked to let in; answers with that half, in base32, once the key is
    /// durable.
    async fn make_request(&self, name: &str, persistence: bool) -> Result<String, ApiError> {
        let name = translate::client_name(name)?;
        Ok(self.controller.request(name, translate::place(persistence)).await?.base32())
    }

    /// The requests that were made here and not answered yet: name, public key in base32, whether it survives a reboot.
    async fn requests(&self) -> Result<Vec<PendingRequest>, ApiError> {
        Ok(self.controller.requests().await?.iter().map(translate::pending_request).collect())
    }

    /// The request with this public key, which is in base32: its name, and the secret key in base32. Whoever has that, and
    /// the address, can reach the service that the request was sent to.
    #[zbus(out_args("name", "key"))]
    async fn request_key(&self, public_key: &str) -> Result<(String, String), ApiError> {
        let found = self.controller.request_key_for(translate::public_key(public_key)?).await?;
        let (name, key) = found.ok_or_else(refusal::no_request)?;
        Ok((name.to_string(), key.expose_base32().to_string()))
    }

    /// Forgets a request and its key; answers whether there was one.
    async fn remove_request(&self, name: &str) -> Result<bool, ApiError> {
        let name = translate::client_name(name)?;
        Ok(self.controller.remove_request(name).await? == Change::Changed)
    }

    /// Something about a service changed, or the service is new.
    #[zbus(signal)]
    pub(super) async fn service_changed(
        emitter: &SignalEmitter<'_>,
        name: String,
        properties: ServiceProperties,
    ) -> zbus::Result<()>;

    /// A service was removed.
    #[zbus(signal)]
    pub(super) async fn service_removed(emitter: &SignalEmitter<'_>, name: String) -> zbus::Result<()>;

    /// Something about Tor changed.
    #[zbus(signal)]
    pub(super) async fn tor_changed(emitter: &SignalEmitter<'_>, properties: TorProperties) -> zbus::Result<()>;

    /// Something about a service of somebody else changed, or it is new.
    #[zbus(signal)]
    pub(super) async fn joined_changed(
        emitter: &SignalEmitter<'_>,
        name: String,
        properties: JoinedProperties,
    ) -> zbus::Result<()>;

    /// A service of somebody else was left.
    #[zbus(signal)]
    pub(super) async fn joined_removed(emitter: &SignalEmitter<'_>, name: String) -> zbus::Result<()>;
}
