// SPDX-License-Identifier: GPL-3.0-or-later
//! The object of one service: what everybody may know as properties, and methods for the rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use tails_server_state::{
    Allow, Autostart, ClientAuthorization, LocalAccess, Persistence, ServiceKind, ServiceName, Wish,
};
use tokio::sync::watch;
use zbus::message::Header;
use zbus::{OwnedFd, fdo};

use crate::bus::api::{ApiError, ConnectionProperties, OptionProperties};
use crate::bus::face::Face;
use crate::bus::{clock, translate};
use crate::controller::{Hosting, ServiceStatus, Snapshot, State};

/// The object of a service.
pub(super) struct Service {
    face: Face,
    name: ServiceName,
    /// The picture that its properties are of.
    shown: watch::Receiver<Arc<Snapshot>>,
}

impl Service {
    pub(super) const fn new(face: Face, name: ServiceName, shown: watch::Receiver<Arc<Snapshot>>) -> Self {
        Self { face, name, shown }
    }

    fn read<T>(&self, of: impl FnOnce(&ServiceStatus) -> T) -> fdo::Result<T> {
        // It was removed a moment ago.
        let gone = || fdo::Error::UnknownObject(format!("service \"{}\" is gone", self.name));
        self.shown.borrow().services.get(&self.name).map(of).ok_or_else(gone)
    }

    fn hosting<T>(&self, of: impl FnOnce(&Hosting) -> T) -> fdo::Result<Option<T>> {
        self.read(|status| status.hosting.as_ref().map(of))
    }

    fn access(&self, of: impl FnOnce(&LocalAccess) -> Allow) -> fdo::Result<bool> {
        self.read(|status| match status.record.kind() {
            ServiceKind::Described(access) => of(&access) == Allow::Yes,
            ServiceKind::Published => false,
        })
    }

    fn name(&self) -> ServiceName {
        self.name.clone()
    }
}

/// One service: how it is, and what can be done with it. What else is asked of the manager, by its name.
///
/// Its path is its name with `_` in place of `-`. Long work is remembered, answered at once, and told of by the properties.
#[zbus::interface(interface = "org.boum.tails.Server1.Service")]
impl Service {
    /// What it is called.
    #[zbus(property(emits_changed_signal = "const"), name = "Name")]
    fn name_property(&self) -> String {
        self.name.to_string()
    }

    /// One of `stopping`, `disabled`, `failed`, `installing`, `starting`, `waiting-for-tor`, `publishing`, `published`.
    #[zbus(property)]
    fn state(&self) -> fdo::Result<String> {
        self.read(|status| status.state.to_string())
    }

    /// Since when it is in its state, in seconds since 1970.
    #[zbus(property)]
    fn since(&self) -> fdo::Result<u64> {
        self.read(|status| clock::seconds_since_1970(status.since))
    }

    /// Whether it is wanted in this session.
    #[zbus(property)]
    fn enabled(&self) -> fdo::Result<bool> {
        self.read(|status| status.wish == Wish::Enabled)
    }

    /// Whether its server is installed: `yes`, `no`, or `unknown`. A port that is published as it is needs none: `yes`.
    #[zbus(property)]
    fn installed(&self) -> fdo::Result<String> {
        Ok(known(self.hosting(|hosting| hosting.installed)?.unwrap_or(Some(true))))
    }

    /// Whether somebody listens on every target and, if a descriptor says what it is, its server runs.
    #[zbus(property)]
    fn running(&self) -> fdo::Result<bool> {
        self.read(|status| status.running)
    }

    /// Whether it can be found by its visitors: its state is `published`.
    #[zbus(property)]
    fn published(&self) -> fdo::Result<bool> {
        self.read(|status| status.state == State::Published)
    }

    /// What keeps it from being published, in words for people; empty if nothing does.
    #[zbus(property)]
    fn problem(&self) -> fdo::Result<String> {
        self.read(|status| status.problem.as_ref().map(|problem| problem.message.clone()).unwrap_or_default())
    }

    /// What a person can do about the problem; empty if nothing is to be done.
    #[zbus(property)]
    fn hint(&self) -> fdo::Result<String> {
        self.read(|status| status.problem.as_ref().and_then(|problem| problem.hint.clone()).unwrap_or_default())
    }

    /// How far the installation has come, 0 to 100 per cent, and what it is at; that is empty while nothing is installed.
    #[zbus(property)]
    fn progress(&self) -> fdo::Result<(u8, String)> {
        let progress = self.hosting(|hosting| hosting.progress.clone())?.flatten();
        Ok(progress.map(|progress| (progress.percent, progress.what)).unwrap_or_default())
    }

    /// Whether a descriptor says what it is. Otherwise it is a port that is published as it is.
    #[zbus(property)]
    fn described(&self) -> fdo::Result<bool> {
        self.read(|status| status.record.kind().is_described())
    }

    /// Virtual ports and their targets.
    #[zbus(property)]
    fn ports(&self) -> fdo::Result<Vec<(u16, String)>> {
        self.read(|status| translate::ports(&status.record))
    }

    /// The options that its descriptor gives it and that are no secrets, with their values. What each of them takes is told
    /// by `ListOptions`.
    #[zbus(property)]
    fn options(&self) -> fdo::Result<BTreeMap<String, String>> {
        Ok(self.hosting(|hosting| hosting.options.clone())?.unwrap_or_default())
    }

    /// Whether its server runs with the options as they are: `yes`, `no`, or `unknown`, also while none is to run.
    #[zbus(property)]
    fn options_applied(&self) -> fdo::Result<String> {
        Ok(known(self.hosting(|hosting| hosting.options_applied)?.flatten()))
    }

    /// Whether its address and key survive a reboot.
    #[zbus(property)]
    fn persistence(&self) -> fdo::Result<bool> {
        self.read(|status| status.record.persistence() == Persistence::Kept)
    }

    /// Whether it is enabled after a boot.
    #[zbus(property)]
    fn autostart(&self) -> fdo::Result<bool> {
        self.read(|status| status.record.autostart() == Autostart::On)
    }

    /// Whether programs on this computer reach it without Tor, if a descriptor says what it is.
    #[zbus(property)]
    fn allow_localhost(&self) -> fdo::Result<bool> {
        self.access(|access| access.localhost)
    }

    /// Whether computers in the local network reach it without Tor, if a descriptor says what it is.
    #[zbus(property)]
    fn allow_lan(&self) -> fdo::Result<bool> {
        self.access(|access| access.lan)
    }

    /// Whether only authorised clients can reach it.
    #[zbus(property)]
    fn client_authorization(&self) -> fdo::Result<bool> {
        self.read(|status| status.record.exposure().client_authorization == ClientAuthorization::On)
    }

    /// How many authorised clients it has.
    #[zbus(property)]
    fn clients(&self) -> fdo::Result<u32> {
        self.read(|status| u32::try_from(status.clients.len()).unwrap_or(u32::MAX))
    }

    /// Whether nobody can be connected any more who should not be.
    #[zbus(property)]
    fn access_settled(&self) -> fdo::Result<bool> {
        self.read(|status| status.access_settled)
    }

    /// The most streams of a visitor's circuit; 0 for as many as they like.
    #[zbus(property)]
    fn max_streams(&self) -> fdo::Result<u32> {
        self.read(|status| status.record.exposure().max_streams.map_or(0, |most| u32::from(most.number())))
    }

    /// The rate and the burst of its proof-of-work defence; both are 0 if that is off.
    #[zbus(property)]
    fn proof_of_work(&self) -> fdo::Result<(u32, u32)> {
        let numbers =
            |status: &ServiceStatus| status.record.exposure().proof_of_work.map(|pow| (pow.rate(), pow.burst()));
        Ok(self.read(numbers)?.unwrap_or_default())
    }

    /// HSDirs that have the descriptor that visitors ask for now, and those that it was sent to.
    #[zbus(property)]
    fn uploads(&self) -> fdo::Result<(u32, u32)> {
        self.read(|status| (status.current.confirmed, status.current.attempted))
    }

    /// HSDirs that have the descriptor of the next period, or of the last one, and those that it was sent to.
    #[zbus(property)]
    fn other_uploads(&self) -> fdo::Result<(u32, u32)> {
        self.read(|status| (status.other.confirmed, status.other.attempted))
    }

    /// What of its publication is certain: `none`, `proven`, or `counted` where a filter hides the services from us.
    #[zbus(property)]
    fn evidence(&self) -> fdo::Result<String> {
        self.read(|status| translate::evidence(status.evidence).to_owned())
    }

    /// How often it was given a new life in Tor since it was last published.
    #[zbus(property)]
    fn healed(&self) -> fdo::Result<u32> {
        self.read(|status| status.healed)
    }

    /// Remembers that it is wanted; answers whether that changed anything, once it is durable. Needs `manage`.
    async fn enable(&self, #[zbus(header)] call: Header<'_>) -> Result<bool, ApiError> {
        self.face.enable(&call, self.name()).await
    }

    /// Remembers that it is not wanted; answers whether that changed anything, once it is durable. Needs `manage`.
    async fn disable(&self, #[zbus(header)] call: Header<'_>) -> Result<bool, ApiError> {
        self.face.disable(&call, self.name()).await
    }

    /// Forgets it, its key and its address for ever; answers once that is durable. With a described service its server and
    /// its data go, too. Needs `manage`.
    async fn remove(&self, #[zbus(header)] call: Header<'_>) -> Result<(), ApiError> {
        self.face.remove(&call, self.name()).await
    }

    /// Deletes its data, and what was installed for it, while it is disabled; answers once it is durable that this is to be
    /// done. Needs `manage`.
    async fn uninstall(&self, #[zbus(header)] call: Header<'_>) -> Result<(), ApiError> {
        self.face.uninstall(&call, self.name()).await
    }

    /// Changes an option; answers whether that changed anything, once it is durable. `SetOption` of the manager says more.
    /// Needs `manage`.
    async fn set_option(&self, #[zbus(header)] call: Header<'_>, option: &str, value: &str) -> Result<bool, ApiError> {
        self.face.set_option(&call, self.name(), option, value).await
    }

    /// Gives an option its default again, a secret a new value; answers whether that changed anything, once it is durable.
    /// Needs `manage`.
    async fn reset_option(&self, #[zbus(header)] call: Header<'_>, option: &str) -> Result<bool, ApiError> {
        self.face.reset_option(&call, self.name(), option).await
    }

    /// The options that its descriptor gives it, all about them, and their values but for those that are secret.
    async fn list_options(&self, #[zbus(header)] call: Header<'_>) -> Result<Vec<OptionProperties>, ApiError> {
        self.face.options(&call, self.name()).await
    }

    /// What visitors need to know of a described service, beside address and ports, but for secrets. Needs `inspect`.
    async fn connection_info(&self, #[zbus(header)] call: Header<'_>) -> Result<ConnectionProperties, ApiError> {
        self.face.connection_info(&call, self.name()).await
    }

    /// The onion address, with `.onion`. Whoever knows it can reach the service, unless that has clients. Needs `inspect`.
    async fn address(&self, #[zbus(header)] call: Header<'_>) -> Result<String, ApiError> {
        self.face.address(&call, self.name()).await
    }

    /// What is secret in its options and in what its visitors need to know: JSON, read from the file descriptor. `Secrets` of
    /// the manager says more. Needs `reveal`.
    async fn secrets(&self, #[zbus(header)] call: Header<'_>) -> Result<OwnedFd, ApiError> {
        self.face.secrets(&call, self.name()).await
    }
}

/// What is known, in a word.
fn known(is: Option<bool>) -> String {
    match is {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    }
    .to_owned()
}
