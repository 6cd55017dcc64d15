// SPDX-License-Identifier: GPL-3.0-or-later
//! The simulated Tor.

use std::time::Duration;

use tails_server_state::{ClientSecretKey, DescriptorId, OnionAddress};

use crate::controller::{
    AddOnionError, CheckError, CheckRequest, Checked, CredentialError, Generation, HsDir, NewOnion, RemoveOnionError,
    Survey, Told, Tor, TorFact, VisitOutcome, VisitPolicy, Visitors,
};
use crate::sim::machine::Machine;

/// A real Tor begins its uploads one second after the introduction circuits are built.
const BEFORE_UPLOADS: Duration = Duration::from_secs(1);
/// A real upload takes 0.1 to 0.3 seconds.
const UPLOAD: Duration = Duration::from_millis(200);
/// A visit of an own service takes as long on a private network.
const VISIT: Duration = Duration::from_millis(300);
/// HSDirs per service; a large network has eight for each of two descriptors.
const HSDIRS: usize = 4;

/// A simulated service has one descriptor, and the consensus is unknown.
pub(super) const DESCRIPTOR: DescriptorId = DescriptorId::from_bytes([1; 32]);

/// The simulated Tor, as the loop's port.
#[derive(Debug)]
pub struct SimulatedTor(pub(super) Machine);

impl Tor for SimulatedTor {
    /// The simulation tells each change by itself.
    fn look(&self) {}

    async fn add_onion(&self, generation: Generation, onion: NewOnion) -> Result<(), AddOnionError> {
        let is_fatal = self.0.lock().faults.fatal.contains(&onion.address);
        if is_fatal {
            self.0.lock().requests += 1;
            self.disconnect(generation);
            return Err(AddOnionError::EndedConnection("closed, as the simulation has it".to_owned()));
        }
        let request = {
            let mut inner = self.0.lock();
            inner.requests += 1;
            if let Some(fault) = inner.faults.add.pop_front() {
                return Err(fault);
            }
            if !inner.connected || inner.generation != generation {
                return Err(AddOnionError::ConnectionLost);
            }
            if onion.visitors == Visitors::Leave {
                inner.visited.remove(&onion.address);
            }
            if onion.recall.is_recalled() {
                return Err(AddOnionError::Recalled);
            }
            if inner.onions.contains_key(&onion.address) {
                return Err(AddOnionError::Collision);
            }
            let request = inner.requests;
            inner.onions.insert(onion.address, request);
            request
        };
        self.0.tell(TorFact::OnionAdded(onion.address)).await;
        tokio::spawn(upload(self.0.clone(), onion.address, request));
        Ok(())
    }

    async fn survey(&self, generation: Generation) -> Survey {
        let inner = self.0.lock();
        if !inner.connected || inner.generation != generation {
            return Survey::nothing("there is no control connection");
        }
        Survey { network_disabled: Told::Answer(false), onions: Told::Answer(inner.onions.keys().copied().collect()) }
    }

    fn disconnect(&self, generation: Generation) {
        let machine = self.0.clone();
        if machine.lock().generation == generation {
            tokio::spawn(async move {
                machine.kill_tor().await;
                machine.start_tor().await;
            });
        }
    }

    async fn remove_onion(
        &self,
        generation: Generation,
        address: OnionAddress,
        visitors: Visitors,
    ) -> Result<(), RemoveOnionError> {
        let mut inner = self.0.lock();
        if let Some(fault) = inner.faults.remove.pop_front() {
            return Err(fault);
        }
        if !inner.connected || inner.generation != generation {
            return Err(RemoveOnionError::ConnectionLost);
        }
        inner.onions.remove(&address);
        if visitors == Visitors::Leave {
            inner.visited.remove(&address);
        }
        Ok(())
    }

    async fn send_away(&self, generation: Generation, address: OnionAddress) -> Result<(), RemoveOnionError> {
        let mut inner = self.0.lock();
        if !inner.connected || inner.generation != generation {
            return Err(RemoveOnionError::ConnectionLost);
        }
        inner.visited.remove(&address);
        Ok(())
    }

    async fn add_credential(
        &self,
        generation: Generation,
        address: OnionAddress,
        key: ClientSecretKey,
    ) -> Result<(), CredentialError> {
        let slow = self.0.lock().faults.slow_keys;
        tokio::time::sleep(slow).await;
        let mut inner = self.0.lock();
        if !inner.connected || inner.generation != generation {
            return Err(CredentialError::ConnectionLost);
        }
        inner.credentials.insert(address, key.public_key());
        Ok(())
    }

    async fn remove_credential(&self, generation: Generation, address: OnionAddress) -> Result<(), CredentialError> {
        let mut inner = self.0.lock();
        if !inner.connected || inner.generation != generation {
            return Err(CredentialError::ConnectionLost);
        }
        inner.credentials.remove(&address);
        Ok(())
    }

    async fn check(&self, request: CheckRequest) -> Result<Checked, CheckError> {
        let is_there = self.0.lock().onions.contains_key(&request.address);
        if is_there {
            let visit = match request.visit {
                VisitPolicy::Never => VisitOutcome::NotTried("it was not asked for".to_owned()),
                VisitPolicy::WithTorsKey(_) => VisitOutcome::Answered(VISIT),
                VisitPolicy::WithProbeKey(_) => {
                    tokio::time::sleep(VISIT).await;
                    // Whatever key Tor has for it by then: it has one for an address.
                    self.0.lock().credentials.remove(&request.address);
                    VisitOutcome::Answered(VISIT)
                }
            };
            Ok(Checked { hsdir: hsdir(0), asked_in_vain: 0, visit })
        } else {
            Err(CheckError::NotFound { asked: 1 })
        }
    }
}

/// Uploads the descriptors of a service, for as long as Tor has it from this request.
async fn upload(machine: Machine, address: OnionAddress, request: u64) {
    let is_there = || machine.lock().onions.get(&address) == Some(&request);
    tokio::time::sleep(BEFORE_UPLOADS).await;
    for hsdir in hsdirs().filter(|_| is_there()) {
        machine.tell(TorFact::UploadBegun(address, hsdir, DESCRIPTOR)).await;
    }
    tokio::time::sleep(UPLOAD).await;
    for hsdir in hsdirs().filter(|_| is_there() && !machine.lock().faults.uploads_hang) {
        machine.tell(TorFact::UploadConfirmed(address, hsdir)).await;
    }
}

fn hsdirs() -> impl Iterator<Item = HsDir> {
    (0..HSDIRS).map(hsdir)
}

fn hsdir(number: usize) -> HsDir {
    HsDir::from(format!("{number:040X}"))
}
