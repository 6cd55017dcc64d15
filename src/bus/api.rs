// SPDX-License-Identifier: GPL-3.0-or-later
//! The contract between the controller and whoever speaks with it over D-Bus.
//!
//! There is one object of [`Manager`](ManagerProxy), and below it one of [`Service`](ServiceProxy) for each service, which
//! `org.freedesktop.DBus.ObjectManager` lists and tells of. Once released, methods, properties, signals and keys of
//! dictionaries (`a{sv}`) are added, and nothing else changes. contrib/dbus/ has it as XML.

mod address;
mod archive;
mod diagnosis;
mod error;
mod hooks;
mod manager;
mod properties;
mod secret;
mod service;

pub use self::address::{BusAddress, InvalidBusAddress};
pub use self::archive::{ArchiveProxy, RestorationProperties, RestoreOptions};
pub use self::diagnosis::{ControllerProperties, DiagnosisProxy, FindingProperties, PartsProperties, PlanProperties};
pub use self::error::ApiError;
pub use self::hooks::HooksProxy;
pub use self::manager::{
    JoinedChanged, JoinedChangedStream, JoinedRemoved, JoinedRemovedStream, ManagerProxy, ServiceChanged,
    ServiceChangedStream, ServiceRemoved, ServiceRemovedStream, TorChanged, TorChangedStream,
};
pub use self::properties::{
    CatalogProperties, CheckAnswer, Client, ConnectionProperties, InfoLine, JoinRequest, JoinedProperties,
    OptionProperties, Overview, PendingRequest, PublishOptions, Secrets, ServiceProperties, StoreProblem,
    TorProperties,
};
pub use self::secret::{MAX_SECRET, hand_over, take};
pub use self::service::{ServiceProxy, service_name, service_path};

/// The name on a message bus.
pub const BUS_NAME: &str = "org.boum.tails.Server1";
/// The object that everything is asked of.
pub const MANAGER_PATH: &str = "/org/boum/tails/Server1";
/// Below it is one object for each service.
pub const SERVICES_PATH: &str = "/org/boum/tails/Server1/services";
