// SPDX-License-Identifier: GPL-3.0-or-later
//! The wishes for one service as the helper of the host reads them: a pure function of the record, its options and the
//! descriptor. The helper believes none of it and checks it against the descriptor again.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tails_server_state::{
    Allow, LocalAccess, OptionName, OptionText, Persistence, PortMapping, ServiceKind, ServiceRecord, StoredService,
    Target, VirtualPort,
};
use zeroize::Zeroizing;

use crate::controller::ports::{Digest, Digests};
use crate::descriptor::{InvalidValue, OptionSpec, OptionValues, Port, Service, ServiceDescriptor, SetError};

/// The most that the helper reads.
const MAX_BYTES: usize = 256 * 1024;
/// The port of the web, for a socket whose descriptor names none.
pub(super) const WEB: VirtualPort = VirtualPort::new(std::num::NonZeroU16::new(80).expect("80 is not 0"));

/// Rendered wishes. There are secrets in them: `Debug` hides the text.
pub struct Wishes {
    text: Zeroizing<Vec<u8>>,
    digests: Digests,
}

impl Wishes {
    fn new(text: Zeroizing<Vec<u8>>, descriptor: Digest) -> Self {
        let wishes = Digest::from_bytes(Sha256::digest(&*text).into());
        Self { text, digests: Digests { wishes, descriptor } }
    }

    /// The text, with the secrets.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.text
    }

    /// SHA-256 of the text, and of the descriptor that it is for.
    #[must_use]
    pub const fn digests(&self) -> Digests {
        self.digests
    }
}

impl fmt::Debug for Wishes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Wishes").field("digests", &self.digests).finish_non_exhaustive()
    }
}

/// Why no wishes can be rendered. Never repeats a value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotWish {
    /// A value that was remembered fits its option no more: the descriptor has changed.
    #[error("the value of its option \"{option}\" does not fit any more: {reason}")]
    Value {
        /// The option.
        option: String,
        /// Why not.
        reason: InvalidValue,
    },
    /// A secret that nobody has made yet.
    #[error("its option \"{0}\" has no value yet")]
    Secret(String),
    /// The helper would not read it.
    #[error("its options are too long")]
    TooLong,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Text<'a> {
    format: u32,
    service: &'a str,
    descriptor: &'a str,
    address: Option<&'a str>,
    options: BTreeMap<&'a str, &'a str>,
    virtual_ports: BTreeMap<&'a str, u16>,
    persistence: bool,
    allow_localhost: bool,
    allow_lan: bool,
}

/// Renders the wishes. Options that are not in them have their defaults.
pub(super) fn render(
    service: &StoredService,
    descriptor: &ServiceDescriptor,
    options: &BTreeMap<OptionName, OptionText>,
) -> Result<Wishes, CannotWish> {
    let specs = descriptor.options();
    check(&specs, options)?;
    let record = &service.record;
    let address = Zeroizing::new(service.address.display_unredacted());
    let access = local_access(record);
    let digest = Digest::from_bytes(descriptor.digest());
    let text = Text {
        format: 1,
        service: record.name().as_str(),
        descriptor: &digest.hex(),
        address: Some(&address),
        // What the descriptor no longer knows is kept, and not told.
        options: specs
            .iter()
            .filter_map(|spec| options.iter().find(|(name, _)| name.as_str() == spec.name().as_str()))
            .map(|(name, text)| (name.as_str(), text.expose()))
            .collect(),
        virtual_ports: virtual_ports(descriptor, record)
            .map(|(port, number)| (port.name.value.as_str(), number.number()))
            .collect(),
        persistence: record.persistence() == Persistence::Kept,
        allow_localhost: access.localhost == Allow::Yes,
        allow_lan: access.lan == Allow::Yes,
    };
    // Room for all of it at once: text that grows leaves copies behind.
    let mut rendered = Zeroizing::new(Vec::with_capacity(MAX_BYTES));
    serde_json::to_writer(&mut *rendered, &text).map_err(|_| CannotWish::TooLong)?;
    if rendered.len() > MAX_BYTES { Err(CannotWish::TooLong) } else { Ok(Wishes::new(rendered, digest)) }
}

fn check(specs: &[OptionSpec], options: &BTreeMap<OptionName, OptionText>) -> Result<(), CannotWish> {
    for spec in specs {
        let name = spec.name().as_str();
        match options.iter().find(|(option, _)| option.as_str() == name) {
            Some((_, text)) => {
                let value = spec.parse(text.expose());
                value.map_err(|reason| CannotWish::Value { option: name.to_owned(), reason })?;
            }
            None if spec.is_secret() => return Err(CannotWish::Secret(name.to_owned())),
            None => {}
        }
    }
    Ok(())
}

/// The values of all options: those that are remembered, and the defaults.
pub(super) fn values(
    specs: &[OptionSpec],
    options: &BTreeMap<OptionName, OptionText>,
) -> Result<OptionValues, getrandom::Error> {
    let mut values = OptionValues::defaults(specs)?;
    for (name, text) in options {
        match values.set(specs, name.as_str(), text.expose()) {
            // What fits no more counts as its default: whoever asks has to see something.
            Ok(()) | Err(SetError::Unknown(_) | SetError::Invalid { .. }) => {}
        }
    }
    Ok(values)
}

/// The ports of a described service, each with its number on the onion service.
pub(super) fn virtual_ports<'a>(
    descriptor: &'a Service,
    record: &'a ServiceRecord,
) -> impl Iterator<Item = (&'a Port, VirtualPort)> {
    descriptor.port.iter().map(|port| {
        let known = record.ports().iter().find(|mapping| mapping.target == port.target.value);
        let number = known.map(|mapping| mapping.virtual_port).or_else(|| port.default_virtual_port()).unwrap_or(WEB);
        (&port.value, number)
    })
}

/// The ports as Tor is told them: the targets are the descriptor's, whatever was remembered.
pub(super) fn mappings(descriptor: &Service, record: &ServiceRecord) -> Vec<PortMapping> {
    let target = |port: &Port| -> Target { port.target.value.clone() };
    virtual_ports(descriptor, record)
        .map(|(port, virtual_port)| PortMapping { virtual_port, target: target(port) })
        .collect()
}

/// Who reaches a service without Tor.
pub(super) fn local_access(record: &ServiceRecord) -> LocalAccess {
    match record.kind() {
        ServiceKind::Described(access) => access,
        // Not ours to say: nobody is asked.
        ServiceKind::Published => LocalAccess { localhost: Allow::Yes, lan: Allow::No },
    }
}
