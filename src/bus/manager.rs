// SPDX-License-Identifier: GPL-3.0-or-later
//! The manager object: four things a method, translate, authorise, delegate, translate.

use std::collections::HashMap;
use std::sync::Arc;

use tails_server_state::Change;
use tokio::sync::watch;
use zbus::OwnedFd;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zeroize::Zeroizing;

use crate::bus::api::{
    ApiError, CatalogProperties, CheckAnswer, Client, ConnectionProperties, JoinRequest, JoinedProperties,
    OptionProperties, Overview, PendingRequest, PublishOptions, ServiceProperties, StoreProblem, TorProperties,
};
use crate::bus::door::Right;
use crate::bus::face::{Face, hand_over, take};
use crate::bus::{catalog, refusal, translate};
use crate::controller::{RequestError, Snapshot, Visit};

/// The object at [`crate::bus::api::MANAGER_PATH`].
#[derive(Debug)]
pub(super) struct Manager {
    face: Face,
    /// The picture that its properties are of.
    shown: watch::Receiver<Arc<Snapshot>>,
}

impl Manager {
    pub(super) const fn new(face: Face, shown: watch::Receiver<Arc<Snapshot>>) -> Self {
        Self { face, shown }
    }

    fn picture(&self) -> Arc<Snapshot> {
        self.shown.borrow().clone()
    }
}

/// Start onion services, and learn how they are.
///
/// Each service has an object of its own below `services`, whose name is that of the service with `_` in place of `-`. What
/// is remembered is durable when it is answered. On the system bus polkit decides who may do what, by the three actions
/// `org.boum.tails.Server1.inspect`, `manage` and `reveal`: ask with the flag for interactive authorization, and a person may
/// be asked for a password. On a bus of one person, and peer to peer, that person and root may do everything. Secrets are
/// handed over as file descriptors: sealed memory to read; a pipe is taken as well. Errors have names of their own, below
/// `org.boum.tails.Server1.Error`; their text is one line, and the next step for a person may follow on a second.
#[zbus::interface(interface = "org.boum.tails.Server1.Manager")]
impl Manager {
    /// The version of the controller.
    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }

    /// Whether there is a connection to Tor.
    #[zbus(property)]
    fn tor_connected(&self) -> bool {
        self.picture().tor.connected
    }

    /// Tor's version; empty while there is no connection to it.
    #[zbus(property)]
    fn tor_version(&self) -> String {
        self.picture().tor.version.clone().unwrap_or_default()
    }

    /// How far Tor has come with connecting to its network, 0 to 100 per cent.
    #[zbus(property)]
    fn tor_bootstrap(&self) -> u8 {
        self.picture().tor.bootstrap_percent
    }

    /// What Tor is at, in its own words.
    #[zbus(property)]
    fn tor_summary(&self) -> String {
        self.picture().tor.bootstrap_summary.clone()
    }

    /// Whether Tor can reach the network now.
    #[zbus(property)]
    fn tor_online(&self) -> bool {
        self.picture().tor.online
    }

    /// What keeps Tor from being usable, and what a person can do about it; both are empty if nothing does.
    #[zbus(property)]
    fn tor_problem(&self) -> (String, String) {
        let picture = self.picture();
        let problem = picture.tor.problem.as_ref();
        problem.map(translate::problem).unwrap_or_default()
    }

    /// What else a person should know of Tor, and what can be done about it.
    #[zbus(property)]
    fn tor_warnings(&self) -> Vec<(String, String)> {
        self.picture().tor.warnings.iter().map(translate::problem).collect()
    }

    /// What is wrong with the store, and what can be done about it.
    #[zbus(property)]
    fn store_problems(&self) -> Vec<(String, String)> {
        self.picture().store_problems.iter().map(translate::problem).collect()
    }

    /// The services that are to be uninstalled, or were removed, and of which something is left.
    #[zbus(property)]
    fn uninstalling(&self) -> Vec<String> {
        self.picture().uninstalling.iter().map(ToString::to_string).collect()
    }

    /// Remembers a new service and enables it; answers with its name once that is durable.
    ///
    /// `ports` are virtual ports and their targets: `127.0.0.1:PORT`, `[::1]:PORT` or `unix:PATH`. `options` may have
    /// `Name` (s), `Persistence` (b), `Autostart` (b), `ClientAuthorization` (b), and `Enabled` (b): `false`, and the service is
    /// remembered, and not enabled before `Enable`. Needs `manage`.
    async fn publish(
        &self,
        #[zbus(header)] call: Header<'_>,
        ports: Vec<(u16, String)>,
        options: PublishOptions,
    ) -> Result<String, ApiError> {
        let _visit = self.face.door.enter(&call, Right::Manage).await?;
        let request = translate::publish_request(ports, options)?;
        let (name, _) = self.face.controller.publish(request).await?;
        Ok(name.to_string())
    }

    /// Remembers that the service is wanted; answers whether that changed anything, once it is durable. One of the catalogue
    /// that is not remembered yet is remembered as its descriptor says, with a new key. Needs `manage`.
    async fn enable(&self, #[zbus(header)] call: Header<'_>, name: &str) -> Result<bool, ApiError> {
        self.face.enable(&call, translate::service_name(name)?).await
    }

    /// Remembers that the service is not wanted; answers whether that changed anything, once it is durable.
    /// Needs `manage`.
    async fn disable(&self, #[zbus(header)] call: Header<'_>, name: &str) -> Result<bool, ApiError> {
        self.face.disable(&call, translate::service_name(name)?).await
    }

    /// Forgets the service, its key and its address for ever; answers once that is durable. With a
    /// described service its server and its data go, too; `AwaitUninstalled` waits for that. Needs `manage`.
    async fn remove(&self, #[zbus(header)] call: Header<'_>, name: &str) -> Result<(), ApiError> {
        self.face.remove(&call, translate::service_name(name)?).await
    }

    /// The whole picture but for addresses: Tor, what is wrong with the store, and the services by name.
    #[zbus(out_args("tor", "store_problems", "services"))]
    async fn overview(&self, #[zbus(header)] call: Header<'_>) -> Result<Overview, ApiError> {
        let _visit = self.face.door.enter(&call, Right::Anybody).await?;
        Ok(translate::overview(&self.face.controller.snapshot()))
    }

    /// The onion address of a service, with `.onion`. Whoever knows it can reach the service. Needs `inspect`.
    async fn address(&self, #[zbus(header)] call: Header<'_>, name: &str) -> Result<String, ApiError> {
        self.face.address(&call, translate::service_name(name)?).await
    }

    /// The last lines that the server of a described service wrote to its log before it failed, five of 200 characters at
    /// most; none if it has not. There may be addresses and passwords in them. Needs `reveal`.
    // As the address, in no picture and no signal: those who watch all services do not spread what a server wrote.
    async fn server_log(&self, #[zbus(header)] call: Header<'_>, name: &str) -> Result<OwnedFd, ApiError> {
        let _visit = self.face.door.enter(&call, Right::Reveal).await?;
        let name = translate::service_name(name)?;
        let picture = self.face.controller.snapshot();
        let service = picture.services.get(&name).ok_or(RequestError::Unknown(name))?;
        let lines = service.hosting.iter().flat_map(|hosting| hosting.last_words.expose_lines());
        hand_over(Zeroizing::new(lines.fold(String::new(), |text, line| text + line + "\n")).as_bytes())
    }

    /// Changes an option; answers whether that changed anything, once it is durable.
    ///
    /// `autostart`: `on` or `off`. `client-authorization`: `on`, and only authorised clients can reach the service, nobody
    /// while there is none; or `off`, and whoever knows the address can. `max-streams`: the most streams of a visitor's
    /// circuit, 1 to 65535, or `off`. `pow`, the proof-of-work defence: `on`, `off` or RATE:BURST, requests a second and
    /// at once. `persistence`: `on`, and the service is remembered with all that is its, at the same address, after a
    /// reboot; or `off`, and it is forgotten at shutdown, and `autostart` is `off`, too. Of a described service also
    /// `allow-localhost` and `allow-lan`: `on` or `off`; and those of `Options`, which says what fits them. A service of the
    /// catalogue that is not remembered yet is remembered as its descriptor says, disabled. Needs `manage`.
    async fn set_option(
        &self,
        #[zbus(header)] call: Header<'_>,
        name: &str,
        option: &str,
        value: &str,
    ) -> Result<bool, ApiError> {
        self.face.set_option(&call, translate::service_name(name)?, option, value).await
    }

    /// Changes an option, as `SetOption` does, to the text that is read from a file descriptor. Needs `manage`.
    async fn set_secret_option(
        &self,
        #[zbus(header)] call: Header<'_>,
        name: &str,
        option: &str,
        value: OwnedFd,
    ) -> Result<bool, ApiError> {
        self.face.set_secret_option(&call, translate::service_name(name)?, option, value).await
    }

    /// Whether options could be set to these values one after another, without setting any: for each that could not be, its place
    /// in the list, from 0, and why not, as `SetOption` would say it. A name that nobody has counts as a port that is to be
    /// published as it is. Needs `manage`.
    #[zbus(out_args("wrong"))]
    async fn check_options(
        &self,
        #[zbus(header)] call: Header<'_>,
        name: &str,
        values: Vec<(String, String)>,
    ) -> Result<Vec<(u32, String)>, ApiError> {
        self.face.check_options(&call, translate::service_name(name)?, values).await
    }

    /// Gives an option of a service its default again, a secret a new value; answers whether that changed anything, once it
    /// is durable. Refused for `client-authorization` where it would open the service. Needs `manage`.
    async fn reset_option(&self, #[zbus(header)] call: Header<'_>, name: &str, option: &str) -> Result<bool, ApiError> {
        self.face.reset_option(&call, translate::service_name(name)?, option).await
    }

    /// The options of a described service, with their values but for those that are secret. A port that is published as it
    /// is has none.
    async fn options(&self, #[zbus(header)] call: Header<'_>, name: &str) -> Result<Vec<OptionProperties>, ApiError> {
        self.face.options(&call, translate::service_name(name)?).await
    }

    /// What visitors need to know of a described service, beside address and ports: a link, and lines of label, value and
    /// whether it is a secret, whose value is then empty. It goes into invitations. Needs `inspect`.
    async fn connection_info(
        &self,
        #[zbus(header)] call: Header<'_>,
        name: &str,
    ) -> Result<ConnectionProperties, ApiError> {
        self.face.connection_info(&call, translate::service_name(name)?).await
    }

    /// What is secret about a described service: JSON, read from the file descriptor. It has `options`, an object of names and
    /// values, `link`, a string or null, and `lines`, an array of arrays of label and value. Needs `reveal`.
    async fn secrets(&self, #[zbus(header)] call: Header<'_>, name: &str) -> Result<OwnedFd, ApiError> {
        self.face.secrets(&call, translate::service_name(name)?).await
    }

    /// The services that can be had here by name, and what is wrong with the catalogue as a whole.
    #[zbus(out_args("services", "problems"))]
    async fn catalog(
        &self,
        #[zbus(header)] call: Header<'_>,
    ) -> Result<(HashMap<String, CatalogProperties>, Vec<StoreProblem>), ApiError> {
        let _visit = self.face.door.enter(&call, Right::Anybody).await?;
        Ok(catalog::catalog(&self.face.controller.snapshot()))
    }

    /// Has the server of a service of the catalogue installed, and nothing else; answers at once, with whether there is
    /// something to be installed. It is not remembered: `AwaitInstalled` tells what becomes of it, and `Enable` does it, too.
    /// Needs `manage`.
    async fn install(&self, #[zbus(header)] call: Header<'_>, name: &str) -> Result<bool, ApiError> {
        self.face.install(&call, translate::service_name(name)?).await
    }

    /// Answers once the server of a service is installed, or known not to be. That may take minutes: wait for the answer as
    /// long. Needs `manage`.
    async fn await_installed(&self, #[zbus(header)] call: Header<'_>, name: &str) -> Result<(), ApiError> {
        let _visit = self.face.door.enter(&call, Right::Manage).await?;
        Ok(self.face.controller.await_installed(translate::service_name(name)?).await?)
    }

    /// Deletes the data of a service that is disabled, and what was installed for it; answers once it is durable that this
    /// is to be done. `Uninstalling` has the service until it is. Its key and its options stay until it is removed. Needs
    /// `manage`.
    async fn uninstall(&self, #[zbus(header)] call: Header<'_>, name: &str) -> Result<(), ApiError> {
        self.face.uninstall(&call, translate::service_name(name)?).await
    }

    /// Answers once nothing is left of a service that is to be uninstalled or was removed. That may take minutes: wait for
    /// the answer as long. It goes on after the errors `Postponed` and `Failed`. Needs `manage`.
    async fn await_uninstalled(&self, #[zbus(header)] call: Header<'_>, name: &str) -> Result<(), ApiError> {
        let _visit = self.face.door.enter(&call, Right::Manage).await?;
        Ok(self.face.controller.await_uninstalled(translate::service_name(name)?).await?)
    }

    /// Fetches the descriptor of a service back from an HSDir and, if `visit`, connects to the service through Tor, where a
    /// SOCKS port of Tor's can be used. Both may take a minute: wait for the answer as long. Never done unasked. Needs `inspect`.
    async fn check(&self, #[zbus(header)] call: Header<'_>, name: &str, visit: bool) -> Result<CheckAnswer, ApiError> {
        let _visit = self.face.door.enter(&call, Right::Inspect).await?;
        let visit = if visit { Visit::Try } else { Visit::Skip };
        let checked = self.face.controller.check(translate::service_name(name)?, visit).await?;
        Ok(translate::check_answer(checked.map_err(refusal::check)?))
    }

    /// The secret key of a service: the 64 bytes of an expanded ed25519 key. Whoever has it *is* the service.
    /// Needs `reveal`.
    async fn key(&self, #[zbus(header)] call: Header<'_>, name: &str) -> Result<OwnedFd, ApiError> {
        let _visit = self.face.door.enter(&call, Right::Reveal).await?;
        let key = self.face.controller.key(translate::service_name(name)?).await?;
        hand_over(key.expose_expanded())
    }

    /// Gives a service a new key, made at random, and with it another address. The old key and the old address are gone for
    /// ever. Needs `manage`.
    async fn renew_key(&self, #[zbus(header)] call: Header<'_>, name: &str) -> Result<(), ApiError> {
        let _visit = self.face.door.enter(&call, Right::Manage).await?;
        Ok(self.face.controller.replace_key(translate::service_name(name)?, None).await?)
    }

    /// Gives a service another key, and with it another address: the 64 bytes of an expanded ed25519 key. The old key and
    /// the old address are gone for ever. Needs `manage`.
    async fn replace_key(&self, #[zbus(header)] call: Header<'_>, name: &str, key: OwnedFd) -> Result<(), ApiError> {
        let _visit = self.face.door.enter(&call, Right::Manage).await?;
        let (name, key) = (translate::service_name(name)?, translate::onion_key(&take(key).await?)?);
        Ok(self.face.controller.replace_key(name, Some(key)).await?)
    }

    /// Lets one more client into a service. `public_key` is its x25519 key in base32; if that is empty, a key is made here
    /// and `ClientKey` tells it. It matters to Tor only while `client-authorization` is `on`. Needs `manage`.
    async fn add_client(
        &self,
        #[zbus(header)] call: Header<'_>,
        name: &str,
        client: &str,
        public_key: &str,
    ) -> Result<(), ApiError> {
        let _visit = self.face.door.enter(&call, Right::Manage).await?;
        let (name, client) = (translate::service_name(name)?, translate::new_client(client, public_key)?);
        Ok(self.face.controller.add_client(name, client).await?)
    }

    /// Forgets a client; answers whether there was one, once that is durable. Its access has ended once `AccessSettled` of
    /// the service is true after that. The others are disconnected, and can connect again once it
    /// is published anew. Needs `manage`.
    async fn remove_client(
        &self,
        #[zbus(header)] call: Header<'_>,
        name: &str,
        client: &str,
    ) -> Result<bool, ApiError> {
        let _visit = self.face.door.enter(&call, Right::Manage).await?;
        let (name, client) = (translate::service_name(name)?, translate::client_name(client)?);
        Ok(self.face.controller.remove_client(name, client).await? == Change::Changed)
    }

    /// Gives a client another name; answers whether that changed anything, once it is durable. Needs `manage`.
    async fn rename_client(
        &self,
        #[zbus(header)] call: Header<'_>,
        name: &str,
        from: &str,
        to: &str,
    ) -> Result<bool, ApiError> {
        let _visit = self.face.door.enter(&call, Right::Manage).await?;
        let name = translate::service_name(name)?;
        let (from, to) = (translate::client_name(from)?, translate::client_name(to)?);
        Ok(self.face.controller.rename_client(name, from, to).await? == Change::Changed)
    }

    /// The clients of a service: name, public key in base32, and whether the secret key is here. Needs `inspect`.
    async fn clients(&self, #[zbus(header)] call: Header<'_>, name: &str) -> Result<Vec<Client>, ApiError> {
        let _visit = self.face.door.enter(&call, Right::Inspect).await?;
        let name = translate::service_name(name)?;
        let picture = self.face.controller.snapshot();
        let service = picture.services.get(&name).ok_or(RequestError::Unknown(name))?;
        Ok(service.clients.iter().map(translate::client).collect())
    }

    /// The secret key of a client that was made here, in base32. Whoever has it, and the address, can reach the service.
    /// Needs `reveal`.
    async fn client_key(
        &self,
        #[zbus(header)] call: Header<'_>,
        name: &str,
        client: &str,
    ) -> Result<OwnedFd, ApiError> {
        let _visit = self.face.door.enter(&call, Right::Reveal).await?;
        let (name, client) = (translate::service_name(name)?, translate::client_name(client)?);
        hand_over(self.face.controller.client_key(name, client).await?.expose_base32().as_bytes())
    }

    /// Remembers a service of somebody else, and has Tor reach it; answers whether that changed anything, once it is
    /// durable.
    ///
    /// `service` has `Name` (s) and `Address` (s), and may have `Key` (h, the secret key in base32), `Title` (s), `Ports`
    /// (aq), `Note` (h, how to connect), `Expires` (t, seconds since 1970) and `Persistence` (b). Needs `manage`.
    async fn join(&self, #[zbus(header)] call: Header<'_>, service: JoinRequest) -> Result<bool, ApiError> {
        let _visit = self.face.door.enter(&call, Right::Manage).await?;
        let (service, key) = translate::join_request(service).await?;
        Ok(self.face.controller.join(service, key).await.map_err(refusal::join)? == Change::Changed)
    }

    /// Forgets a service of somebody else, and the key for it, here and in Tor; answers whether there was one.
    /// Needs `manage`.
    async fn leave(&self, #[zbus(header)] call: Header<'_>, name: &str) -> Result<bool, ApiError> {
        let _visit = self.face.door.enter(&call, Right::Manage).await?;
        let name = translate::service_name(name)?;
        Ok(self.face.controller.leave(name).await? == Change::Changed)
    }

    /// The services of others that were joined. Neither their keys nor their addresses. Needs `inspect`.
    async fn joined(&self, #[zbus(header)] call: Header<'_>) -> Result<Vec<JoinedProperties>, ApiError> {
        let _visit = self.face.door.enter(&call, Right::Inspect).await?;
        Ok(self.face.controller.snapshot().joined.values().map(translate::joined).collect())
    }

    /// The onion address of a service of somebody else, with `.onion`. Needs `inspect`.
    async fn joined_address(&self, #[zbus(header)] call: Header<'_>, name: &str) -> Result<String, ApiError> {
        let _visit = self.face.door.enter(&call, Right::Inspect).await?;
        let name = translate::service_name(name)?;
        let picture = self.face.controller.snapshot();
        let joined = picture.joined.get(&name).ok_or_else(|| refusal::not_joined(name))?;
        Ok(joined.joined.address.display_unredacted())
    }

    /// How to connect to a service of somebody else. There may be a password in it. Needs `reveal`.
    async fn joined_note(&self, #[zbus(header)] call: Header<'_>, name: &str) -> Result<OwnedFd, ApiError> {
        let _visit = self.face.door.enter(&call, Right::Reveal).await?;
        let name = translate::service_name(name)?;
        let picture = self.face.controller.snapshot();
        let joined = picture.joined.get(&name).ok_or_else(|| refusal::not_joined(name))?;
        hand_over(joined.joined.note.as_bytes())
    }

    /// Makes a key whose public half somebody is asked to let in; answers with that half, in base32, once the key is
    /// durable. Needs `manage`.
    async fn make_request(
        &self,
        #[zbus(header)] call: Header<'_>,
        name: &str,
        persistence: bool,
    ) -> Result<String, ApiError> {
        let _visit = self.face.door.enter(&call, Right::Manage).await?;
        let name = translate::client_name(name)?;
        Ok(self.face.controller.request(name, translate::place(persistence)).await?.base32())
    }

    /// The requests that were made here and not answered yet: name, public key in base32, whether it survives a reboot.
    /// Needs `inspect`.
    async fn requests(&self, #[zbus(header)] call: Header<'_>) -> Result<Vec<PendingRequest>, ApiError> {
        let _visit = self.face.door.enter(&call, Right::Inspect).await?;
        Ok(self.face.controller.requests().await?.iter().map(translate::pending_request).collect())
    }

    /// The request with this public key, which is in base32: its name, and the secret key in base32. Whoever has that, and
    /// the address, can reach the service that the request was sent to. Needs `reveal`.
    #[zbus(out_args("name", "key"))]
    async fn request_key(
        &self,
        #[zbus(header)] call: Header<'_>,
        public_key: &str,
    ) -> Result<(String, OwnedFd), ApiError> {
        let _visit = self.face.door.enter(&call, Right::Reveal).await?;
        let found = self.face.controller.request_key_for(translate::public_key(public_key)?).await?;
        let (name, key) = found.ok_or_else(refusal::no_request)?;
        Ok((name.to_string(), hand_over(key.expose_base32().as_bytes())?))
    }

    /// Forgets a request and its key; answers whether there was one. Needs `manage`.
    async fn remove_request(&self, #[zbus(header)] call: Header<'_>, name: &str) -> Result<bool, ApiError> {
        let _visit = self.face.door.enter(&call, Right::Manage).await?;
        let name = translate::client_name(name)?;
        Ok(self.face.controller.remove_request(name).await? == Change::Changed)
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
