// SPDX-License-Identifier: GPL-3.0-or-later
//! Carrying out a request: all of it is remembering. What follows from it is the plan's business.

use tails_server_state::{
    Change, OnionKey, PortMap, ServiceName, ServiceRecord, Store, StoreError, StoredService, Target, Wish,
};

use crate::controller::error::RequestError;
use crate::controller::handle::{PublishRequest, RecordChange};

/// Remembers a new service, with a new key, and enables it.
pub(super) fn publish(store: &Store, request: PublishRequest) -> Result<(ServiceName, Change), RequestError> {
    let PublishRequest { name, ports, persistence, autostart, exposure } = request;
    let services = store.services();
    let name = match name {
        Some(name) => name,
        None => free_name(&ports, &services)?,
    };
    let record = ServiceRecord::new(name.clone(), persistence, autostart, ports)?.with_exposure(exposure);
    match services.iter().find(|service| *service.record.name() == name) {
        Some(same) if same.record == record => Ok((name.clone(), store.set_wish(&name, Wish::Enabled)?)),
        Some(_) => Err(RequestError::Exists(name)),
        None => {
            let key = OnionKey::generate().map_err(RequestError::Random)?;
            store.add(&record, &key, Wish::Enabled)?;
            Ok((name, Change::Changed))
        }
    }
}

/// Forgets a service. One that is not there is an error: a typing error must not look like a removal.
pub(super) fn remove(store: &Store, name: &ServiceName) -> Result<Change, RequestError> {
    match store.remove(name)? {
        Change::Changed => Ok(Change::Changed),
        Change::Unchanged => Err(RequestError::Unknown(name.clone())),
    }
}

/// Changes something about a service.
pub(super) fn change(store: &Store, name: &ServiceName, change: RecordChange) -> Result<Change, RequestError> {
    let unknown = || StoreError::Unknown { name: name.clone() };
    let service = store.services().into_iter().find(|service| service.record.name() == name).ok_or_else(unknown)?;
    let mut exposure = *service.record.exposure();
    let record = match change {
        RecordChange::Autostart(autostart) => service.record.with_autostart(autostart)?,
        RecordChange::ClientAuthorization(authorization) => {
            exposure.client_authorization = authorization;
            service.record.with_exposure(exposure)
        }
        RecordChange::MaxStreams(most) => {
            exposure.max_streams = most;
            service.record.with_exposure(exposure)
        }
        RecordChange::ProofOfWork(defence) => {
            exposure.proof_of_work = defence;
            service.record.with_exposure(exposure)
        }
    };
    Ok(store.set_record(&record)?)
}

/// A name that nobody has, after the first target: `port-8080`, or the file name of a socket. A service with the same
/// ports and such a name is the same service.
fn free_name(ports: &PortMap, services: &[StoredService]) -> Result<ServiceName, RequestError> {
    let base = match ports.iter().next().map(|mapping| &mapping.target) {
        Some(Target::Tcp(address)) => format!("port-{}", address.port()),
        Some(Target::Unix(path)) => {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
            let letters: String = stem.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(24).collect();
            letters.trim_start_matches(|c: char| !c.is_ascii_lowercase()).to_owned()
        }
        None => String::new(),
    };
    let base = if base.is_empty() { "socket".to_owned() } else { base };
    let candidates = std::iter::once(base.clone()).chain((2..).map(|number| format!("{base}-{number}")));
    for candidate in candidates.take(services.len() + 1) {
        let name: ServiceName = candidate.parse().map_err(|_| RequestError::Bug("a made name is no name"))?;
        match services.iter().find(|service| *service.record.name() == name) {
            Some(taken) if taken.record.ports() != ports => (),
            Some(_) | None => return Ok(name),
        }
    }
    Err(RequestError::Bug("more names are taken than there are services"))
}
