// SPDX-License-Identifier: GPL-3.0-or-later
//! How faces speak with the loop: requests in, pictures out.

use std::fmt;
use std::sync::Arc;

use tails_server_state::{
    Allow, Autostart, Change, ClientAuthorization, ClientName, ClientPublicKey, ClientSecretKey, Exposure,
    JoinedService, MaxStreams, NewClient, OnionKey, OptionText, PendingRequest, Persistence, PortMap, ProofOfWork,
    ServiceName, Store, Wish,
};
use tokio::sync::{mpsc, oneshot, watch};

use crate::controller::diagnosis::{Asked, Finding, Looked, StoreLook, Surroundings};
use crate::controller::error::RequestError;
use crate::controller::explain::Intention;
use crate::controller::options::{self, ConnectionReport, OptionReport};
use crate::controller::ports::{CheckError, Checked};
use crate::controller::rehearsal;
use crate::controller::remember;
use crate::controller::repertoire::Repertoire;
use crate::controller::status::Snapshot;

/// A handle to the controller's loop. Cheap to clone; requests are carried out one after another.
#[derive(Debug, Clone)]
pub struct Controller {
    requests: mpsc::Sender<Request>,
    pictures: watch::Receiver<Arc<Snapshot>>,
    repertoire: watch::Receiver<Arc<Repertoire>>,
    heartbeats: mpsc::Sender<oneshot::Sender<()>>,
    surroundings: Arc<Surroundings>,
}

/// A service to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishRequest {
    /// Its name; without one, a free one is made from its first target.
    pub name: Option<ServiceName>,
    /// Its ports.
    pub ports: PortMap,
    /// Where it is remembered.
    pub persistence: Persistence,
    /// Whether it is enabled after a boot.
    pub autostart: Autostart,
    /// To whom it is open.
    pub exposure: Exposure,
    /// Whether it is wanted.
    pub wish: Wish,
}

/// One thing to change about a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordChange {
    /// Whether it is enabled after a boot.
    Autostart(Autostart),
    /// Whether only authorised clients can reach it. [`ClientAuthorization::Off`] opens it to everybody: nothing else does.
    ClientAuthorization(ClientAuthorization),
    /// The most streams of a visitor's circuit; `None` for as many as they like.
    MaxStreams(Option<MaxStreams>),
    /// The defence against floods; `None` for none.
    ProofOfWork(Option<ProofOfWork>),
    /// Where it is remembered. Autostart falls off with [`Persistence::Amnesic`].
    Persistence(Persistence),
    /// Whether programs on this computer reach it without Tor.
    AllowLocalhost(Allow),
    /// Whether computers in the local network reach it without Tor.
    AllowLan(Allow),
}

/// One option that is to get a value.
#[derive(Debug)]
pub enum OptionChange {
    /// One that every service has.
    Common(RecordChange),
    /// Another one, which its descriptor may know.
    Own(String, OptionText),
}

/// Whether a check connects to the service, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visit {
    /// Through Tor, where a SOCKS port can be used.
    Try,
    /// Only its descriptor is looked for.
    Skip,
}

/// What a face asks of the loop.
#[derive(Debug)]
pub(super) enum Request {
    /// Something to do with the store, and what it is about.
    Remember(About, Act),
    /// Have a server installed, whether its service is enabled or not.
    Install(ServiceName),
    /// Answer once a server is installed, or known not to be.
    AwaitInstall(ServiceName, oneshot::Sender<Result<(), RequestError>>),
    /// Answer once what is remembered to be uninstalled is.
    AwaitUninstall(ServiceName, oneshot::Sender<Result<(), RequestError>>),
    /// Other services can be had; answered once the loop has them.
    Offer(Arc<Repertoire>, oneshot::Sender<()>),
    /// What it does and would do, in words.
    Explain(oneshot::Sender<Vec<Intention>>),
    /// What Tor answers when it is asked how it is.
    Survey(oneshot::Sender<Asked>),
    /// What is found in wishes and facts, and in what was looked at for it.
    Examine(Box<Looked>, oneshot::Sender<Vec<Finding>>),
    /// Look at once how Tor is.
    LookAtTor,
    /// A question to the network.
    Check(ServiceName, Visit, oneshot::Sender<Result<Result<Checked, CheckError>, RequestError>>),
}

/// What a request is about. Whatever failed with it before is tried anew at once.
#[derive(Debug, Clone)]
pub(super) enum About {
    /// Nothing that anything is done for in Tor.
    Nothing,
    /// A service.
    Service(ServiceName),
    /// A service of somebody else, for which Tor is to be given a key.
    Joined(ServiceName),
    /// Several of both.
    Several {
        /// Services.
        services: Vec<ServiceName>,
        /// Services of others.
        joined: Vec<ServiceName>,
    },
}

/// Does something with the store, blocking on the disk, and returns what answers whoever asked.
pub(super) struct Act(pub(super) Box<dyn FnOnce(&Store) -> Answer + Send>);

/// To be called once the loop knows what has changed.
pub(super) type Answer = Box<dyn FnOnce() + Send>;

impl fmt::Debug for Act {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Act")
    }
}

impl Controller {
    pub(super) fn new(
        requests: mpsc::Sender<Request>,
        pictures: watch::Receiver<Arc<Snapshot>>,
        repertoire: watch::Receiver<Arc<Repertoire>>,
        heartbeats: mpsc::Sender<oneshot::Sender<()>>,
    ) -> Self {
        Self { requests, pictures, repertoire, heartbeats, surroundings: Arc::default() }
    }

    /// Remembers a new service, with a new key, and whether it is wanted. The same wishes under the same name are
    /// [`Change::Unchanged`] but for being wanted.
    ///
    /// # Errors
    /// The name is taken by other wishes, the wishes contradict one another, or they could not be made durable.
    pub async fn publish(&self, request: PublishRequest) -> Result<(ServiceName, Change), RequestError> {
        let about = request.name.clone().map_or(About::Nothing, About::Service);
        self.remember(about, move |store| remember::publish(store, request)).await
    }

    /// Remembers whether the service is wanted in this session.
    ///
    /// # Errors
    /// There is no such service, or the wish could not be made durable.
    pub async fn set_wish(&self, name: ServiceName, wish: Wish) -> Result<Change, RequestError> {
        self.remember(About::Service(name.clone()), move |store| Ok(store.set_wish(&name, wish)?)).await
    }

    /// Remembers that the service is wanted in this session. One that can be had and is not remembered yet is remembered as
    /// its descriptor says, with a new key.
    ///
    /// # Errors
    /// There is no such service, it can not be had here, or it could not be made durable.
    pub async fn enable(&self, name: ServiceName) -> Result<Change, RequestError> {
        let repertoire = self.repertoire();
        self.remember(About::Service(name.clone()), move |store| remember::enable(store, &repertoire, &name)).await
    }

    /// Looks whether the volume of what is kept has come or gone. What has come is wanted as after a boot.
    ///
    /// # Errors
    /// The loop has ended.
    pub async fn look_at_mounts(&self) -> Result<Change, RequestError> {
        let repertoire = self.repertoire();
        let look = move |store: &Store| {
            let change = store.look_at_mounts();
            if change == Change::Changed {
                remember::make_secrets(store, &repertoire);
            }
            Ok(change)
        };
        self.remember(About::Nothing, look).await
    }

    /// Whether options could be changed one after another, each after those before it that can: nothing is changed. A name
    /// that nobody has counts as a port that is published as it is.
    ///
    /// # Errors
    /// The service can not be had, or nothing could be remembered about it.
    pub async fn rehearse(
        &self,
        name: ServiceName,
        changes: Vec<OptionChange>,
    ) -> Result<Vec<Result<(), RequestError>>, RequestError> {
        let repertoire = self.repertoire();
        self.remember(About::Nothing, move |store| rehearsal::rehearse(store, &repertoire, name, &changes)).await
    }

    /// Gives an option of a described service a value.
    ///
    /// # Errors
    /// There is no such service or option, the value does not fit, or it could not be made durable.
    pub async fn set_option(
        &self,
        name: ServiceName,
        option: String,
        text: OptionText,
    ) -> Result<Change, RequestError> {
        let repertoire = self.repertoire();
        let about = About::Service(name.clone());
        self.remember(about, move |store| options::set(store, &repertoire, &name, &option, &text)).await
    }

    /// Gives an option of a service its default again; a secret is made anew.
    ///
    /// # Errors
    /// There is no such service or option, or it could not be made durable.
    pub async fn reset_option(&self, name: ServiceName, option: String) -> Result<Change, RequestError> {
        let repertoire = self.repertoire();
        let about = About::Service(name.clone());
        self.remember(about, move |store| options::reset(store, &repertoire, &name, &option)).await
    }

    /// The options of a described service, secrets too; none of a port that is published as it is.
    ///
    /// # Errors
    /// There is no such service, or the store can not be read.
    pub async fn options(&self, name: ServiceName) -> Result<Vec<OptionReport>, RequestError> {
        let (repertoire, picture) = (self.repertoire(), self.snapshot());
        self.remember(About::Nothing, move |store| options::all(store, &repertoire, &picture, &name)).await
    }

    /// What visitors need to know of a described service, secrets too.
    ///
    /// # Errors
    /// There is no such service, or the store can not be read.
    pub async fn connection_info(&self, name: ServiceName) -> Result<ConnectionReport, RequestError> {
        let (repertoire, picture) = (self.repertoire(), self.snapshot());
        self.remember(About::Nothing, move |store| options::connection(store, &repertoire, &picture, &name)).await
    }

    /// Has the server of a service installed, whether that is enabled or not; answers whether it was not yet. It is not
    /// remembered: [`Controller::await_installed`] tells what becomes of it.
    ///
    /// # Errors
    /// There is no such service, or it has no server that could be installed here.
    pub async fn install(&self, name: ServiceName) -> Result<Change, RequestError> {
        let picture = self.snapshot();
        let remembered = picture.services.get(&name);
        if remembered.is_some_and(|service| !service.record.kind().is_described()) {
            return Err(RequestError::NothingToInstall(name));
        }
        let descriptor = remember::find_descriptor(&self.repertoire(), &name)?;
        if descriptor.needs_root().is_none() {
            return Err(RequestError::NothingToInstall(name));
        }
        if picture.available.get(&name).is_some_and(|available| available.installed == Some(true)) {
            return Ok(Change::Unchanged);
        }
        self.requests.send(Request::Install(name)).await.map_err(|_| RequestError::Stopping)?;
        Ok(Change::Changed)
    }

    /// Waits until the server of a service is installed.
    ///
    /// # Errors
    /// Nobody asked for that, or it did not work out. With [`RequestError::InstalledLater`] it is done once it can be.
    pub async fn await_installed(&self, name: ServiceName) -> Result<(), RequestError> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request::AwaitInstall(name, reply)).await.map_err(|_| RequestError::Stopping)?;
        answer.await.map_err(|_| RequestError::Stopping)?
    }

    /// Remembers that the data of a service that is not enabled are to be deleted, and what was installed for it. Its key
    /// stays until it is removed. [`Controller::await_uninstalled`] waits until it is done.
    ///
    /// # Errors
    /// There is nothing to uninstall, the service is enabled, or it could not be made durable.
    pub async fn uninstall(&self, name: ServiceName) -> Result<Change, RequestError> {
        let (repertoire, of) = (self.repertoire(), name.clone());
        self.remember(About::Service(name), move |store| remember::uninstall(store, &repertoire, &of)).await
    }

    /// Waits until nothing is left of a service that is to be uninstalled, or was removed.
    ///
    /// # Errors
    /// It was enabled meanwhile. With [`RequestError::Postponed`] and [`RequestError::Host`] it is done later, or tried again.
    pub async fn await_uninstalled(&self, name: ServiceName) -> Result<(), RequestError> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request::AwaitUninstall(name, reply)).await.map_err(|_| RequestError::Stopping)?;
        answer.await.map_err(|_| RequestError::Stopping)?
    }

    /// Forgets the service, its key and its address, for ever. With a service that the host runs its server and its data
    /// go, as soon as nothing of it is up: [`Controller::await_uninstalled`] waits for that.
    ///
    /// # Errors
    /// There is no such service, or it could not be forgotten durably.
    pub async fn remove(&self, name: ServiceName) -> Result<Change, RequestError> {
        let repertoire = self.repertoire();
        self.remember(About::Service(name.clone()), move |store| remember::remove(store, &repertoire, &name)).await
    }

    /// Changes something about a service.
    ///
    /// # Errors
    /// There is no such service, the wishes contradict one another, or they could not be made durable.
    pub async fn change(&self, name: ServiceName, change: RecordChange) -> Result<Change, RequestError> {
        let repertoire = self.repertoire();
        let about = About::Service(name.clone());
        self.remember(about, move |store| remember::change(store, &repertoire, &name, change)).await
    }

    /// Lets one more client into a service.
    ///
    /// # Errors
    /// There is no such service, it has such a client or too many, or it could not be made durable.
    pub async fn add_client(&self, service: ServiceName, client: NewClient) -> Result<(), RequestError> {
        self.remember(About::Service(service.clone()), move |store| Ok(store.add_client(&service, client)?)).await
    }

    /// Forgets a client. Its access has ended once the service's
    /// [`access_settled`](crate::controller::ServiceStatus::access_settled) is true after that.
    ///
    /// # Errors
    /// There is no such service, or it could not be made durable.
    pub async fn remove_client(&self, service: ServiceName, client: ClientName) -> Result<Change, RequestError> {
        self.remember(About::Service(service.clone()), move |store| Ok(store.remove_client(&service, &client)?)).await
    }

    /// Gives a client another name.
    ///
    /// # Errors
    /// There is no such service or client, the new name is taken, or it could not be made durable.
    pub async fn rename_client(
        &self,
        service: ServiceName,
        from: ClientName,
        to: ClientName,
    ) -> Result<Change, RequestError> {
        self.remember(About::Service(service.clone()), move |store| Ok(store.rename_client(&service, &from, &to)?))
            .await
    }

    /// The secret key of a client that was made here.
    ///
    /// # Errors
    /// There is no such service or client, the client has the key alone, or the store can not be read.
    pub async fn client_key(&self, service: ServiceName, client: ClientName) -> Result<ClientSecretKey, RequestError> {
        self.remember(About::Nothing, move |store| Ok(store.client_key(&service, &client)?)).await
    }

    /// The secret key of a service. Whoever has it *is* the service.
    ///
    /// # Errors
    /// There is no such service, or the store can not be read.
    pub async fn key(&self, name: ServiceName) -> Result<OnionKey, RequestError> {
        self.remember(About::Nothing, move |store| Ok(store.key(&name)?)).await
    }

    /// Gives a service another key, and with it another address; a new one if none is given.
    ///
    /// # Errors
    /// There is no such service, another one has this key, or it could not be made durable.
    pub async fn replace_key(&self, name: ServiceName, key: Option<OnionKey>) -> Result<(), RequestError> {
        let of = name.clone();
        let replace = move |store: &Store| {
            let key = key.map_or_else(OnionKey::generate, Ok).map_err(RequestError::Random)?;
            Ok(store.replace_key(&of, &key)?)
        };
        self.remember(About::Service(name), replace).await
    }

    /// Remembers a service of somebody else, and the key that opens it if it needs one.
    ///
    /// # Errors
    /// Another service has the name, or it could not be made durable.
    pub async fn join(&self, service: JoinedService, key: Option<ClientSecretKey>) -> Result<Change, RequestError> {
        self.remember(About::Joined(service.name.clone()), move |store| Ok(store.join(&service, key.as_ref())?)).await
    }

    /// Forgets a service of somebody else.
    ///
    /// # Errors
    /// It could not be forgotten durably.
    pub async fn leave(&self, name: ServiceName) -> Result<Change, RequestError> {
        self.remember(About::Joined(name.clone()), move |store| Ok(store.leave(&name)?)).await
    }

    /// Remembers a key whose public half somebody is asked to let in.
    ///
    /// # Errors
    /// There is a request of this name, the system has no random numbers, or it could not be made durable.
    pub async fn request(&self, name: ClientName, persistence: Persistence) -> Result<ClientPublicKey, RequestError> {
        let act = move |store: &Store| {
            let key = ClientSecretKey::generate().map_err(RequestError::Random)?;
            store.add_request(&name, &key, persistence)?;
            Ok(key.public_key())
        };
        self.remember(About::Nothing, act).await
    }

    /// The requests that were made here and not answered yet.
    ///
    /// # Errors
    /// Only while the controller is shutting down.
    pub async fn requests(&self) -> Result<Vec<PendingRequest>, RequestError> {
        self.remember(About::Nothing, |store| Ok(store.requests())).await
    }

    /// The secret half of a key that somebody was asked to let in.
    ///
    /// # Errors
    /// The store can not be read.
    pub async fn request_key_for(
        &self,
        public_key: ClientPublicKey,
    ) -> Result<Option<(ClientName, ClientSecretKey)>, RequestError> {
        self.remember(About::Nothing, move |store| Ok(store.request_key_for(&public_key)?)).await
    }

    /// Forgets a request.
    ///
    /// # Errors
    /// It could not be forgotten durably.
    pub async fn remove_request(&self, name: ClientName) -> Result<Change, RequestError> {
        self.remember(About::Nothing, move |store| Ok(store.remove_request(&name)?)).await
    }

    /// Fetches the descriptor of a service back from an HSDir and, if so wished, connects to the service through Tor. Never
    /// done unasked.
    ///
    /// # Errors
    /// There is no such service.
    pub async fn check(&self, name: ServiceName, visit: Visit) -> Result<Result<Checked, CheckError>, RequestError> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request::Check(name, visit, reply)).await.map_err(|_| RequestError::Stopping)?;
        answer.await.map_err(|_| RequestError::Stopping)?
    }

    /// Has it looked at once how Tor is, as somebody says that it is another than before. Only what is found then counts.
    ///
    /// # Errors
    /// Only while the controller is shutting down.
    pub async fn look_at_tor(&self) -> Result<(), RequestError> {
        self.requests.send(Request::LookAtTor).await.map_err(|_| RequestError::Stopping)
    }

    /// What is done, is next and is waited for, and why. Changes nothing.
    ///
    /// # Errors
    /// Only while the controller is shutting down.
    pub async fn explain(&self) -> Result<Vec<Intention>, RequestError> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request::Explain(reply)).await.map_err(|_| RequestError::Stopping)?;
        answer.await.map_err(|_| RequestError::Stopping)
    }

    /// Looks at all that the controller knows, at the store and at Tor, for what is wrong. Changes nothing.
    ///
    /// # Errors
    /// Only while the controller is shutting down.
    pub async fn examine(&self) -> Result<Vec<Finding>, RequestError> {
        let store = self.remember(About::Nothing, |store| Ok(StoreLook::of(store))).await?;
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request::Survey(reply)).await.map_err(|_| RequestError::Stopping)?;
        let asked = answer.await.map_err(|_| RequestError::Stopping)?;
        let looked = Looked { store, asked, surroundings: self.surroundings.as_ref().clone() };
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request::Examine(Box::new(looked), reply)).await.map_err(|_| RequestError::Stopping)?;
        answer.await.map_err(|_| RequestError::Stopping)
    }

    /// The same handle, which knows where its controller runs.
    #[must_use]
    pub fn in_surroundings(self, surroundings: Surroundings) -> Self {
        Self { surroundings: Arc::new(surroundings), ..self }
    }

    /// Where the controller runs.
    #[must_use]
    pub fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// The units and the packages of a described service, alternatives too; none of a port that is published as it is.
    #[must_use]
    pub fn parts(&self, name: &ServiceName) -> (Vec<String>, Vec<String>) {
        let Ok(descriptor) = self.repertoire().find(name) else { return Default::default() };
        let units = descriptor.unit.iter().flat_map(|unit| unit.name.iter()).map(ToString::to_string);
        let packages = descriptor.install.packages.iter().flat_map(|one| one.iter()).map(ToString::to_string);
        (units.collect(), packages.collect())
    }

    /// The picture as it is now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.pictures.borrow().clone()
    }

    /// The pictures to come; the present one counts as seen.
    #[must_use]
    pub fn pictures(&self) -> watch::Receiver<Arc<Snapshot>> {
        let mut pictures = self.pictures.clone();
        pictures.mark_unchanged();
        pictures
    }

    /// These are the services that can be had from now on. What their descriptors changed is done, and what failed
    /// before is tried anew.
    ///
    /// # Errors
    /// The loop has ended.
    pub async fn offer(&self, repertoire: Arc<Repertoire>) -> Result<(), RequestError> {
        let theirs = Arc::clone(&repertoire);
        // A descriptor may have got a secret more.
        let secrets = move |store: &Store| {
            remember::make_secrets(store, &theirs);
            Ok(())
        };
        self.remember(About::Nothing, secrets).await?;
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request::Offer(repertoire, reply)).await.map_err(|_| RequestError::Stopping)?;
        answer.await.map_err(|_| RequestError::Stopping)
    }

    /// Returns once the loop has come round; `false` if it has ended. A disk that hangs does not keep it.
    pub async fn beats(&self) -> bool {
        let (reply, answer) = oneshot::channel();
        self.heartbeats.send(reply).await.is_ok() && answer.await.is_ok()
    }

    /// Returns once the loop takes no more requests.
    pub async fn ended(&self) {
        self.requests.closed().await;
    }

    pub(super) fn repertoire(&self) -> Arc<Repertoire> {
        self.repertoire.borrow().clone()
    }

    pub(super) async fn remember<A: Send + 'static>(
        &self,
        about: About,
        act: impl FnOnce(&Store) -> Result<A, RequestError> + Send + 'static,
    ) -> Result<A, RequestError> {
        let (reply, answer) = oneshot::channel();
        let act = Act(Box::new(move |store| {
            let result = act(store);
            // Who asked may have gone; the wish holds all the same.
            Box::new(move || drop(reply.send(result)))
        }));
        self.requests.send(Request::Remember(about, act)).await.map_err(|_| RequestError::Stopping)?;
        answer.await.map_err(|_| RequestError::Stopping)?
    }
}
