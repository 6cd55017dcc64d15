// SPDX-License-Identifier: GPL-3.0-or-later
//! One service, seen from a client.

use tails_server_state::ServiceName;
use zbus::{ObjectPath, OwnedFd, OwnedObjectPath};

use crate::bus::api::{ApiError, ConnectionProperties, OptionProperties, SERVICES_PATH};

/// A service. Its properties are what everybody may know; further ones may be added.
#[zbus::proxy(interface = "org.boum.tails.Server1.Service", default_service = "org.boum.tails.Server1")]
pub trait Service {
    /// What it is called.
    #[zbus(property(emits_changed_signal = "const"))]
    fn name(&self) -> zbus::Result<String>;

    /// One of `stopping`, `disabled`, `failed`, `installing`, `starting`, `waiting-for-tor`, `publishing`, `published`.
    #[zbus(property)]
    fn state(&self) -> zbus::Result<String>;

    /// Whether it is wanted in this session.
    #[zbus(property)]
    fn enabled(&self) -> zbus::Result<bool>;

    /// Remembers that it is wanted; answers whether that changed anything, once it is durable.
    #[zbus(allow_interactive_auth)]
    fn enable(&self) -> Result<bool, ApiError>;

    /// Remembers that it is not wanted; answers whether that changed anything, once it is durable.
    #[zbus(allow_interactive_auth)]
    fn disable(&self) -> Result<bool, ApiError>;

    /// Forgets it for ever, as `Remove` of the manager does.
    #[zbus(allow_interactive_auth)]
    fn remove(&self) -> Result<(), ApiError>;

    /// Deletes its data and its server, as `Uninstall` of the manager does.
    #[zbus(allow_interactive_auth)]
    fn uninstall(&self) -> Result<(), ApiError>;

    /// Changes an option, as `SetOption` of the manager does.
    #[zbus(allow_interactive_auth)]
    fn set_option(&self, option: &str, value: &str) -> Result<bool, ApiError>;

    /// Gives an option its default again.
    #[zbus(allow_interactive_auth)]
    fn reset_option(&self, option: &str) -> Result<bool, ApiError>;

    /// The options that its descriptor gives it.
    #[zbus(allow_interactive_auth, name = "ListOptions")]
    fn list_options(&self) -> Result<Vec<OptionProperties>, ApiError>;

    /// What visitors need to know, but for secrets.
    #[zbus(allow_interactive_auth)]
    fn connection_info(&self) -> Result<ConnectionProperties, ApiError>;

    /// The onion address, with `.onion`.
    #[zbus(allow_interactive_auth)]
    fn address(&self) -> Result<String, ApiError>;

    /// What is secret about it, as `Secrets` of the manager has it.
    #[zbus(allow_interactive_auth)]
    fn secrets(&self) -> Result<OwnedFd, ApiError>;
}

/// The object of a service: its name, with `_` in place of `-`, which no path of D-Bus may have.
#[must_use]
pub fn service_path(name: &ServiceName) -> OwnedObjectPath {
    let path = format!("{SERVICES_PATH}/{}", name.as_str().replace('-', "_"));
    ObjectPath::try_from(path).expect("a name has nothing else in it that no path may have").into()
}

/// The service that an object is of.
#[must_use]
pub fn service_name(path: &ObjectPath<'_>) -> Option<ServiceName> {
    let name = path.as_str().strip_prefix(SERVICES_PATH)?.strip_prefix('/')?;
    name.replace('_', "-").parse().ok().filter(|_| !name.contains('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_has_an_object_of_its_own() {
        for name in ["web", "a-b", "a--b-", "x1-2"] {
            let name: ServiceName = name.parse().unwrap();
            assert_eq!(service_name(&service_path(&name)), Some(name));
        }
        for other in ["/", SERVICES_PATH, "/org/boum/tails/Server1/services/a/b", "/org/boum/tails/Server1/services/A"]
        {
            assert_eq!(service_name(&ObjectPath::try_from(other).unwrap()), None, "{other}");
        }
    }
}
