// SPDX-License-Identifier: GPL-3.0-or-later
//! What templates can name: `option.NAME`, `port.NAME.target`, `port.NAME.virtual`, `key_pair.NAME.secret`,
//! `key_pair.NAME.public`, `service.name`, `service.title`,
//! `address`, and `debian`, the number of the release.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::Value;
use tails_server_state::{OnionAddress, Target, VirtualPort};

use super::option::{OptionKind, OptionValue, OptionValues};
use super::service::Service;

/// One service as it is now: its values, its ports and its address.
#[derive(Debug)]
pub struct Scope<'a> {
    values: &'a OptionValues,
    address: &'a OnionAddress,
    debian: Debian,
    virtual_ports: BTreeMap<String, VirtualPort>,
}

/// A release of Debian, by its number: Tails 7 is made of Debian 13. For keys that one version of a server needs and another
/// refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Debian(u16);

impl Debian {
    /// The releases that the descriptors are written for.
    pub const KNOWN: [Self; 2] = [Self(12), Self(13)];

    /// A release from the text of /etc/debian_version, such as `12.11` or `trixie/sid`.
    #[must_use]
    pub fn from_version(text: &str) -> Self {
        let number = text.trim().split('.').next().unwrap_or_default().parse();
        // What is not numbered yet is newer than all that are.
        let [.., newest] = Self::KNOWN;
        number.map_or(newest, Self)
    }
}

impl<'a> Scope<'a> {
    /// A service with these values, under this address, with the virtual ports that its descriptor says.
    #[must_use]
    pub fn new(values: &'a OptionValues, address: &'a OnionAddress, debian: Debian) -> Self {
        Self { values, address, debian, virtual_ports: BTreeMap::new() }
    }

    /// The same, with another virtual port for the port of that name.
    #[must_use]
    pub fn with_virtual_port(mut self, port: &str, number: VirtualPort) -> Self {
        self.virtual_ports.insert(port.to_owned(), number);
        self
    }

    /// All that can be named. What is found out once the server runs is there for visitors alone.
    pub(super) fn context(&self, service: &Service, audience: Audience) -> Value {
        let options = service.option.iter().filter_map(|option| {
            let value = match (&option.kind, self.values.value(option.name().as_str())) {
                // The path under which the server sees it. The person's own path stays out of every configuration.
                (OptionKind::Folder(keys), _) => Value::from(keys.mount.as_str()),
                (_, Some(value)) => plain(value),
                (_, None) if audience == Audience::Server => return None,
                (_, None) => Value::from(self.values.found(option.name().as_str()).unwrap_or_default()),
            };
            Some((option.name().variable(), value))
        });
        let ports = service.port.iter().map(|port| {
            let target = match &port.target.value {
                Target::Tcp(address) => Value::from(address.port()),
                Target::Unix(path) => Value::from(path.display().to_string()),
            };
            let number = self.virtual_ports.get(port.name.as_str()).copied().or(port.default_virtual_port());
            let number = number.map_or(Value::UNDEFINED, |number| Value::from(number.number()));
            (port.name.variable(), map([("target", target), ("virtual", number)]))
        });
        let pairs = service.key_pair.iter().map(|pair| {
            let paths = [("secret", pair.secret.as_str()), ("public", pair.public.as_str())];
            (pair.name.variable(), map(paths.map(|(name, path)| (name, Value::from(path)))))
        });
        let about = [("name", service.name.as_str()), ("title", service.title.as_str())];
        map([
            ("option", options.collect()),
            ("port", ports.collect()),
            ("key_pair", pairs.collect()),
            ("service", map(about.map(|(name, text)| (name, Value::from(text))))),
            ("address", Value::from(self.address.display_unredacted())),
            ("debian", Value::from(self.debian.0)),
        ])
    }
}

/// Who reads what is rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// The server, before it starts.
    Server,
    /// People, while it runs.
    Visitors,
}

/// All names that [`Scope::context`] has.
pub(super) fn vocabulary(service: &Service, audience: Audience) -> BTreeSet<String> {
    let options = service.option.iter().filter(|option| audience == Audience::Visitors || !option.is_probe());
    let mut names: BTreeSet<String> = options.map(|option| format!("option.{}", option.name().variable())).collect();
    for port in service.port.iter() {
        names.extend(["target", "virtual"].map(|part| format!("port.{}.{part}", port.name.variable())));
    }
    for pair in &service.key_pair {
        names.extend(["secret", "public"].map(|part| format!("key_pair.{}.{part}", pair.name.variable())));
    }
    names.extend(["service.name", "service.title", "address", "debian"].map(str::to_owned));
    names
}

fn plain(value: &OptionValue) -> Value {
    match value {
        OptionValue::Bool(is_on) => Value::from(*is_on),
        OptionValue::Int(number) => Value::from(*number),
        OptionValue::Port(port) => Value::from(port.get()),
        OptionValue::Text(_) | OptionValue::Secret(_) | OptionValue::Folder(_) => Value::from(value.expose().as_ref()),
    }
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    entries.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_told_apart_by_their_number() {
        for (text, number) in [("12.11\n", 12), ("13.1", 13), ("13", 13), ("trixie/sid\n", 13), ("", 13), ("14.0", 14)]
        {
            assert_eq!(Debian::from_version(text), Debian(number), "{text:?}");
        }
    }
}
