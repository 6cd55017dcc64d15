// SPDX-License-Identifier: GPL-3.0-or-later
//! How faces speak with the loop: requests in, pictures out.

use std::sync::Arc;

use tails_server_state::{Autostart, Change, Persistence, PortMap, ServiceName, Wish};
use tokio::sync::{mpsc, oneshot, watch};

use crate::controller::error::RequestError;
use crate::controller::status::Snapshot;

/// A handle to the controller's loop. Cheap to clone; requests are carried out one after another.
#[derive(Debug, Clone)]
pub struct Controller {
    requests: mpsc::Sender<Request>,
    pictures: watch::Receiver<Arc<Snapshot>>,
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
}

/// What a face asks of the loop.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) action: Action,
    pub(super) reply: oneshot::Sender<Result<Done, RequestError>>,
}

/// What is to be remembered.
#[derive(Debug)]
pub(super) enum Action {
    Publish(PublishRequest),
    SetWish(ServiceName, Wish),
    Remove(ServiceName),
}

/// What was remembered, and of which service.
pub(super) type Done = (ServiceName, Change);

impl Controller {
    pub(super) const fn new(requests: mpsc::Sender<Request>, pictures: watch::Receiver<Arc<Snapshot>>) -> Self {
        Self { requests, pictures }
    }

    /// Remembers a new service, with a new key, and enables it. The same wishes under the same name are
    /// [`Change::Unchanged`] but for being enabled.
    ///
    /// # Errors
    /// The name is taken by other wishes, the wishes contradict one another, or they could not be made durable.
    pub async fn publish(&self, request: PublishRequest) -> Result<(ServiceName, Change), RequestError> {
        self.request(Action::Publish(request)).await
    }

    /// Remembers whether the service is wanted in this session.
    ///
    /// # Errors
    /// There is no such service, or the wish could not be made durable.
    pub async fn set_wish(&self, name: ServiceName, wish: Wish) -> Result<Change, RequestError> {
        self.request(Action::SetWish(name, wish)).await.map(|(_, change)| change)
    }

    /// Forgets the service, its key and its address, for ever.
    ///
    /// # Errors
    /// There is no such service, or it could not be forgotten durably.
    pub async fn remove(&self, name: ServiceName) -> Result<Change, RequestError> {
        self.request(Action::Remove(name)).await.map(|(_, change)| change)
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

    /// Returns once the loop takes no more requests.
    pub async fn ended(&self) {
        self.requests.closed().await;
    }

    async fn request(&self, action: Action) -> Result<Done, RequestError> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request { action, reply }).await.map_err(|_| RequestError::Stopping)?;
        answer.await.map_err(|_| RequestError::Stopping)?
    }
}
