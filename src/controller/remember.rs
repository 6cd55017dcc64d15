// SPDX-License-Identifier: GPL-3.0-or-later
//! Carrying out a request: all of it is remembering. What follows from it is the plan's business.

use tails_server_state::{Change, OnionKey, PortMap, ServiceName, ServiceRecord, Store, StoredService, Target, Wish};

use crate::controller::error::RequestError;
use crate::controller::handle::{Action, Done, PublishRequest};

/// Makes a request durable. Blocks on the disk.
pub(super) fn remember(store: &Store, action: Action) -> Result<Done, RequestError> {
    match action {
        Action::Publish(request) => publish(store, request),
        Action::SetWish(name, wish) => Ok((name.clone(), store.set_wish(&name, wish)?)),
        Action::Remove(name) => match store.remove(&name)? {
            Change::Changed => Ok((name, Change::Changed)),
            Change::Unchanged => Err(RequestError::Unknown(name)),
        },
    }
}

fn publish(store: &Store, request: PublishRequest) -> Result<Done, RequestError> {
    let PublishRequest { name, ports, persistence, autostart } = request;
    let services = store.services();
    let name = match name {
        Some(name) => name,
        None => free_name(&ports, &services)?,
    };
    let record = ServiceRecord::new(name.clone(), persistence, autostart, ports)?;
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
