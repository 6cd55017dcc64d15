// SPDX-License-Identifier: GPL-3.0-or-later
//! The ports: what the loop asks of the world, and the facts that come back.
//!
//! Each port has one real adapter in `adapters` and one simulated one in `sim`. Facts come through one channel, in order;
//! facts about Tor and about the host carry the [`Generation`] of the connection they were seen on.

mod host;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tails_server_state::{ClientSecretKey, DescriptorId, OnionAddress, OnionKey, Target, TimePeriod, VirtualPort};

pub use self::host::{
    ActKind, Applied, Digest, Digests, Host, HostAct, HostError, HostFact, HostedService, LastWords, Progress, Unit,
};
use crate::controller::observed::{Bootstrap, Generation};
use crate::controller::shape::OnionShape;

/// Tor, as far as the loop acts on it.
pub trait Tor: Send + Sync + 'static {
    /// Looks at once how Tor is, as somebody says that it is another than before. Nobody is believed: what is found are facts.
    fn look(&self);

    /// Adds an onion service to Tor, bound to the control connection of this generation, unless it is recalled before Tor
    /// was told. After any other error than a lost connection Tor does not have it.
    fn add_onion(
        &self,
        generation: Generation,
        onion: NewOnion,
    ) -> impl Future<Output = Result<(), AddOnionError>> + Send;

    /// Removes an onion service that was added on the control connection of this generation, and then, if they are to
    /// leave, sends away its visitors. One that Tor does not know is removed already; it may have visitors all the same.
    fn remove_onion(
        &self,
        generation: Generation,
        address: OnionAddress,
        visitors: Visitors,
    ) -> impl Future<Output = Result<(), RemoveOnionError>> + Send;

    /// Sends away the visitors of a service that Tor does not have from us on this control connection.
    fn send_away(
        &self,
        generation: Generation,
        address: OnionAddress,
    ) -> impl Future<Output = Result<(), RemoveOnionError>> + Send;

    /// Gives Tor the key with which the service of somebody else can be reached. It lives as long as the Tor, not as long
    /// as the control connection.
    fn add_credential(
        &self,
        generation: Generation,
        address: OnionAddress,
        key: ClientSecretKey,
    ) -> impl Future<Output = Result<(), CredentialError>> + Send;

    /// Has Tor forget such a key. One that Tor does not have is forgotten already.
    fn remove_credential(
        &self,
        generation: Generation,
        address: OnionAddress,
    ) -> impl Future<Output = Result<(), CredentialError>> + Send;

    /// Asks the network for an own service, as a visitor would.
    fn check(&self, request: CheckRequest) -> impl Future<Output = Result<Checked, CheckError>> + Send;

    /// Asks Tor how it is, for a person who looks for what is wrong. Never done unasked, and it changes nothing.
    fn survey(&self, generation: Generation) -> impl Future<Output = Survey> + Send;

    /// Closes the control connection of this generation, and with it every service that was added on it. A new one
    /// follows by itself.
    fn disconnect(&self, generation: Generation);
}

/// Who listens on this machine.
pub trait Listening: Send + 'static {
    /// Says which targets matter from now on. A [`Fact::Listening`] follows at once, and for each change.
    fn watch(&mut self, targets: BTreeSet<Target>);
}

/// An onion service to add.
#[derive(Debug)]
pub struct NewOnion {
    /// Its secret key.
    pub key: OnionKey,
    /// The address that belongs to the key; a Tor that names another one is not believed.
    pub address: OnionAddress,
    /// What it is to Tor beside its key.
    pub shape: OnionShape,
    /// Whether those may stay who are connected to it from an earlier life of it.
    pub visitors: Visitors,
    /// Recalled when it is not wanted like this any more.
    pub recall: Recall,
}

/// Takes back what was not done yet. Its clones are recalled with it.
#[derive(Debug, Clone, Default)]
pub struct Recall(Arc<AtomicBool>);

impl Recall {
    /// It is not to be done any more.
    pub fn recall(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it is not to be done any more.
    #[must_use]
    pub fn is_recalled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// What becomes of those who are connected to a service. Tor itself leaves them alone when a service goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visitors {
    /// They may stay.
    Stay,
    /// Their circuits are closed.
    Leave,
}

/// Something observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Something about Tor, on this control connection.
    Tor(Generation, TorFact),
    /// Who listens now.
    Listening(Listeners),
    /// Something about the host, over the connection to it of this generation.
    Host(Generation, HostFact),
}

/// What one look at the listeners found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listeners {
    /// The targets that were looked for.
    pub looked_for: BTreeSet<Target>,
    /// Those of them that somebody listens on.
    pub found: BTreeSet<Target>,
    /// Those that a program of a person listens on. No server of the host is one.
    pub of_people: BTreeSet<Target>,
}

/// Something observed about Tor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TorFact {
    /// The control connection is up, authenticated and delivers events.
    Connected {
        /// Tor's version, as it names it.
        version: String,
    },
    /// There is no control connection: it ended, or one more attempt failed.
    Lost(TorProblem),
    /// How far Tor has come.
    Bootstrap(Bootstrap),
    /// Whether Tor has enough directory information to build circuits.
    EnoughDirectory(bool),
    /// Whether Tor has built a circuit since it last lost the network.
    Circuits(bool),
    /// Tor has this service now; what it told of its uploads before belongs to an earlier life of the service.
    OnionAdded(OnionAddress),
    /// An upload of a descriptor began.
    UploadBegun(OnionAddress, HsDir, DescriptorId),
    /// An HSDir has a descriptor.
    UploadConfirmed(OnionAddress, HsDir),
    /// An upload of a descriptor failed.
    UploadFailed(OnionAddress, HsDir, Option<DescriptorId>),
    /// An upload began or was confirmed, and a filter hides of which service.
    UploadHidden(HiddenUpload),
    /// The period that visitors look into, by Tor's consensus.
    TimePeriod(Option<TimePeriod>),
    /// The clock is wrong by so many seconds; positive when it is ahead.
    ClockSkew(i64),
    /// Time went on without Tor: the clock jumped, or the machine slept.
    ClockJumped,
    /// The directory authorities advise against this version; these they recommend.
    DangerousVersion(String),
}

/// What a filter leaves of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HiddenUpload {
    /// Some upload began.
    Begun,
    /// Some upload was confirmed.
    Confirmed,
}

/// A directory that holds descriptors of onion services, by its fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HsDir(String);

impl HsDir {
    /// The fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.0
    }
}

impl From<String> for HsDir {
    fn from(fingerprint: String) -> Self {
        Self(fingerprint)
    }
}

/// Why there is no usable Tor, in words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TorProblem {
    /// What is the matter.
    pub message: String,
    /// What to do about it, where something can be done.
    pub hint: Option<String>,
}

/// Why Tor has not got a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddOnionError {
    /// There was no control connection any more.
    #[error("the control connection to Tor ended")]
    ConnectionLost,
    /// The control connection ended while Tor was given the service; the service itself may be why.
    #[error("the control connection ends when Tor is given the service ({0})")]
    EndedConnection(String),
    /// The address is in use by this Tor, from another control connection.
    #[error("this Tor has a service with this address already, from another program or an earlier control connection")]
    Collision,
    /// Tor will not; asking again brings the same answer.
    #[error("Tor refused the service: {0}")]
    Refused(String),
    /// A filter in front of Tor's control port did not let it through.
    #[error("a filter before Tor's control port does not let the service through")]
    Filtered,
    /// This Tor is too old for the proof-of-work defence.
    #[error("this Tor does not know the proof-of-work defence")]
    NoProofOfWork,
    /// It let in others than it was told to, and is removed again, with everybody who was connected.
    #[error("Tor let others into the service than it was told to; it is withdrawn")]
    OtherClients,
    /// It was not wanted any more, and Tor was not told of it.
    #[error("the service was not wanted any more")]
    Recalled,
    /// It failed in a way that may pass.
    #[error("Tor could not add the service: {0}")]
    Failed(String),
}

impl AddOnionError {
    /// The sort of error, for logs: no word of Tor's is in it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::ConnectionLost => "the control connection ended",
            Self::EndedConnection(_) => "the control connection ended while it was added",
            Self::Collision => "Tor has the address already",
            Self::Refused(_) => "Tor refused it",
            Self::Filtered => "a filter refused it",
            Self::NoProofOfWork => "Tor has no proof-of-work defence",
            Self::OtherClients => "Tor let others in",
            Self::Recalled => "it was not wanted any more",
            Self::Failed(_) => "Tor could not add it",
        }
    }
}

/// Why Tor may still have a service, or visitors of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoveOnionError {
    /// The control connection ended, and the service with it.
    #[error("the control connection to Tor ended")]
    ConnectionLost,
    /// Tor, or a filter in front of it, did not do it.
    #[error("Tor did not remove the service: {0}")]
    Failed(String),
    /// The service is gone, and visitors may still be connected.
    #[error("the service is withdrawn, but those who were connected could not be sent away: {0}")]
    VisitorsStay(String),
}

/// Why Tor has not got a key for the service of somebody else, or still has it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// The control connection ended.
    #[error("the control connection to Tor ended")]
    ConnectionLost,
    /// Tor, or a filter in front of it, will not.
    #[error("Tor did not take the key: {0}")]
    Refused(String),
}

/// What Tor answered when it was asked how it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Whether its setting `DisableNetwork` keeps it off the network.
    pub network_disabled: Told<bool>,
    /// The services that it has from this control connection.
    pub onions: Told<BTreeSet<OnionAddress>>,
}

impl Survey {
    /// No answer to anything, for this reason.
    #[must_use]
    pub fn nothing(why: &str) -> Self {
        Self { network_disabled: Told::Nothing(why.to_owned()), onions: Told::Nothing(why.to_owned()) }
    }
}

/// What came back of a question to Tor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told<T> {
    /// An answer.
    Answer(T),
    /// A filter before Tor's control port did not let the question through.
    Filtered,
    /// No answer, for this reason.
    Nothing(String),
}

/// What to ask the network about an own service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRequest {
    /// Its address.
    pub address: OnionAddress,
    /// The HSDirs to ask for its descriptor, one after the other; those that Tor chooses if none is named.
    pub hsdirs: Vec<HsDir>,
    /// Whether to connect to it through Tor, too.
    pub visit: VisitPolicy,
}

/// Whether to connect to an own service through Tor, once its descriptor was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VisitPolicy {
    /// No.
    Never,
    /// To this port; if the service is private, with a key that only this controller has.
    WithProbeKey(VirtualPort),
    /// To this port, with the key that Tor has for it because it was joined here.
    WithTorsKey(VirtualPort),
}

/// What came of connecting to an own service through Tor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VisitOutcome {
    /// The server took the connection after this time.
    Answered(Duration),
    /// Tor reached the service, and the server did not take the connection.
    ServerRefused,
    /// Tor did not reach the service.
    Failed(String),
    /// It was not tried, for this reason.
    NotTried(String),
}

/// A descriptor that was fetched back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Whether the service could be reached, too.
    pub visit: VisitOutcome,
    /// The HSDir that it came from.
    pub hsdir: HsDir,
    /// How many HSDirs were asked before it.
    pub asked_in_vain: u32,
}

/// Why no descriptor could be fetched back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// There is no Tor to ask.
    #[error("Tor can not be asked: {0}")]
    NoTor(String),
    /// None of the HSDirs has it.
    #[error("none of the {asked} HSDirs that were asked has the descriptor")]
    NotFound {
        /// How many were asked.
        asked: u32,
    },
    /// They did not answer.
    #[error("no HSDir answered within {seconds} s")]
    TimedOut {
        /// How long was waited.
        seconds: u64,
    },
}
