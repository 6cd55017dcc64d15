// SPDX-License-Identifier: GPL-3.0-or-later
//! Servers that are to be installed before anybody enables them: asked for, and not remembered.

use tails_server_state::ServiceName;
use tokio::sync::oneshot;

use super::Reactor;
use crate::controller::error::RequestError;
use crate::controller::hosted::HostConnection;
use crate::controller::ports::{ActKind, Host, HostError, Listening, Tor};

/// Who waits until a server is installed.
pub(super) type Installed = oneshot::Sender<Result<(), RequestError>>;

impl<T: Tor, L: Listening, H: Host> Reactor<T, L, H> {
    /// Has the server of a service installed, whether that is enabled or not.
    pub(super) fn install(&mut self, name: ServiceName) {
        self.failed_installs.remove(&name);
        self.pardon_act(&name);
        self.observed.host.installs.insert(name);
    }

    /// Answers once it is installed, or known that it is not.
    pub(super) fn await_install(&mut self, name: ServiceName, reply: Installed) {
        self.installs.entry(name).or_default().push(reply);
    }

    /// It did not work out. It is not tried again before somebody asks for it, or enables the service.
    pub(super) fn install_failed(&mut self, name: &ServiceName, cause: HostError) {
        if self.observed.host.installs.remove(name) {
            self.failed_installs.insert(name.clone(), cause);
        }
    }

    /// Forgets what is done, and answers those who wait for what is done, or will not be.
    pub(super) fn review_installs(&mut self) {
        let host = &mut self.observed.host;
        let services = &host.services;
        host.installs.retain(|name| services.get(name).is_none_or(|known| !known.told.installed));
        let waited_for: Vec<ServiceName> = self.installs.keys().cloned().collect();
        for name in waited_for {
            let Some(answer) = self.install_answer(&name) else { continue };
            for reply in self.installs.remove(&name).into_iter().flatten() {
                // Who asked may have gone.
                drop(reply.send(answer.clone().map_err(|cause| cause.of(&name))));
            }
        }
    }

    fn install_answer(&self, name: &ServiceName) -> Option<Result<(), NotInstalled>> {
        let host = &self.observed.host;
        let is_installed = host.known(name).is_some_and(|known| known.told.installed);
        if host.busy.get(name) == Some(&ActKind::Install) {
            // Its end is the answer.
            None
        } else if is_installed {
            Some(Ok(()))
        } else if let Some(cause) = self.failed_installs.get(name) {
            Some(Err(NotInstalled::Failed(cause.clone())))
        } else if !host.installs.contains(name) {
            Some(Err(NotInstalled::NotAsked))
        } else if matches!(host.connection, HostConnection::Lost(_)) {
            Some(Err(NotInstalled::Later))
        } else {
            None
        }
    }
}

/// Why a server is not installed.
#[derive(Debug, Clone)]
enum NotInstalled {
    NotAsked,
    Later,
    Failed(HostError),
}

impl NotInstalled {
    fn of(self, name: &ServiceName) -> RequestError {
        match self {
            Self::NotAsked => RequestError::NotInstalling(name.clone()),
            Self::Later => RequestError::InstalledLater(name.clone()),
            Self::Failed(cause) => RequestError::NotInstalled { name: name.clone(), cause },
        }
    }
}
