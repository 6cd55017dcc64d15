// SPDX-License-Identifier: GPL-3.0-or-later
//! Whether options could be changed, before anything is: in memory, by the same rules as when it is done.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::Arc;

use tails_server_state::{
    Autostart, OnionKey, OptionName, OptionText, Persistence, PortMap, PortMapping, ServiceName, ServiceRecord, Store,
    StoredService, Target, VirtualPort, Wish,
};

use crate::controller::error::RequestError;
use crate::controller::handle::{OptionChange, RecordChange};
use crate::controller::remember::{changed, ensure_nobody_has_it, ensure_offered, find, find_descriptor, fresh_record};
use crate::controller::repertoire::Repertoire;
use crate::controller::{options, remember};
use crate::descriptor::{CommonOption, ServiceDescriptor};

/// What becomes of each change, made after those before it that can be made.
pub(super) fn rehearse(
    store: &Store,
    repertoire: &Repertoire,
    name: ServiceName,
    changes: &[OptionChange],
) -> Result<Vec<Result<(), RequestError>>, RequestError> {
    let mut stage = Stage::new(store, repertoire, name)?;
    for change in changes {
        // Where it would be remembered is no matter of the value: the next one would fare no better.
        let is_to_be_kept = matches!(change, OptionChange::Common(RecordChange::Persistence(Persistence::Kept)));
        if is_to_be_kept && stage.service.record.persistence() == Persistence::Amnesic {
            ensure_kept(store)?;
        }
    }
    Ok(changes.iter().map(|change| stage.change(repertoire, change)).collect())
}

/// A service as it would be.
struct Stage {
    service: StoredService,
    /// Missing for a port that is published as it is.
    descriptor: Option<Arc<ServiceDescriptor>>,
    options: BTreeMap<OptionName, OptionText>,
}

impl Stage {
    fn new(store: &Store, repertoire: &Repertoire, name: ServiceName) -> Result<Self, RequestError> {
        if let Some(service) = find(store, &name) {
            let is_described = service.record.kind().is_described();
            let descriptor = if is_described { Some(find_descriptor(repertoire, &name)?) } else { None };
            return Ok(Self { service, descriptor, options: store.options(&name)? });
        }
        ensure_nobody_has_it(store)?;
        let (record, descriptor) = match find_descriptor(repertoire, &name) {
            Ok(descriptor) => {
                let record = fresh_record(&name, &descriptor)?;
                if record.persistence() == Persistence::Kept {
                    ensure_kept(store)?;
                }
                (record, Some(descriptor))
            }
            Err(RequestError::Unknown(_)) => (published(name)?, None),
            Err(cause) => return Err(cause),
        };
        let mut options = BTreeMap::new();
        for option in descriptor.iter().flat_map(|descriptor| descriptor.options()) {
            options.extend(remember::new_secret(&option).map_err(RequestError::Random)?);
        }
        // Any address: what is made of it here is for nobody.
        let address = OnionKey::generate().map_err(RequestError::Random)?.address();
        let service = StoredService { record, address, wish: Wish::Disabled, clients: Vec::new(), enabled_at: 0 };
        Ok(Self { service, descriptor, options })
    }

    fn change(&mut self, repertoire: &Repertoire, change: &OptionChange) -> Result<(), RequestError> {
        let name = self.service.record.name().clone();
        match (change, &self.descriptor) {
            (OptionChange::Common(change), descriptor) => {
                if let Some(descriptor) = descriptor {
                    ensure_offered(&name, descriptor, *change)?;
                }
                self.service.record = changed(self.service.record.clone(), *change)?;
            }
            (OptionChange::Own(option, _), None) => {
                let known = CommonOption::ALL.iter().map(|common| common.as_str().to_owned());
                return Err(options::unknown(&name, option, known));
            }
            (OptionChange::Own(option, text), Some(descriptor)) => match options::port_of(descriptor, option) {
                Some(port) => {
                    let (number, record) = (text.expose().parse()?, self.service.record.clone());
                    self.service.record = options::with_virtual_port(descriptor, record, &port.target.value, number)?;
                }
                None => {
                    options::ensure_fits(&name, descriptor, option, text)?;
                    options::put(repertoire, descriptor, &self.service, &mut self.options, option, text)?;
                }
            },
        }
        Ok(())
    }
}

/// Whether a service could be kept that is not yet.
fn ensure_kept(store: &Store) -> Result<(), RequestError> {
    store.problem(Persistence::Kept).map_or(Ok(()), |problem| Err(RequestError::Store((*problem).clone())))
}

/// A port that is published as it is, before anything is said about it. Which one does not matter to its options.
fn published(name: ServiceName) -> Result<ServiceRecord, RequestError> {
    let port = NonZeroU16::MIN;
    let target: Target =
        "127.0.0.1:1".parse().map_err(|_| RequestError::Bug("a port of this computer is no target"))?;
    let ports = PortMap::try_from(vec![PortMapping { virtual_port: VirtualPort::new(port), target }]);
    let ports = ports.map_err(|_| RequestError::Bug("one port is no list of ports"))?;
    Ok(ServiceRecord::new(name, Persistence::Amnesic, Autostart::Off, ports)?)
}
