// SPDX-License-Identifier: GPL-3.0-or-later
//! The manager, seen from a client.

use std::collections::HashMap;

use zbus::OwnedFd;

use crate::bus::api::{
    ApiError, CatalogProperties, CheckAnswer, Client, ConnectionProperties, JoinRequest, JoinedProperties,
    OptionProperties, Overview, PendingRequest, PublishOptions, ServiceProperties, StoreProblem, TorProperties,
};

/// The manager, seen from a client.
#[zbus::proxy(
    interface = "org.boum.tails.Server1.Manager",
    default_service = "org.boum.tails.Server1",
    default_path = "/org/boum/tails/Server1"
)]
pub trait Manager {
    /// Remembers a new service and, unless the options say otherwise, enables it; answers with its name once that is durable.
    #[zbus(allow_interactive_auth)]
    fn publish(&self, ports: &[(u16, &str)], options: PublishOptions) -> Result<String, ApiError>;

    /// Remembers that the service is wanted; answers whether that changed anything, once it is durable. One of the catalogue
    /// that is not remembered yet is remembered as its descriptor says.
    #[zbus(allow_interactive_auth)]
    fn enable(&self, name: &str) -> Result<bool, ApiError>;

    /// Remembers that the service is not wanted; answers whether that changed anything, once it is durable.
    #[zbus(allow_interactive_auth)]
    fn disable(&self, name: &str) -> Result<bool, ApiError>;

    /// Forgets the service, its key and its address for ever; answers once that is durable. With a described service its
    /// server and its data go, too; `AwaitUninstalled` waits for that.
    #[zbus(allow_interactive_auth)]
    fn remove(&self, name: &str) -> Result<(), ApiError>;

    /// The whole picture but for addresses.
    #[zbus(allow_interactive_auth)]
    fn overview(&self) -> Result<Overview, ApiError>;

    /// The onion address of a service, with `.onion`.
    #[zbus(allow_interactive_auth)]
    fn address(&self, name: &str) -> Result<String, ApiError>;

    /// The last lines that the server of a described service wrote to its log before it failed; none if it has not. There
    /// may be addresses and passwords in them.
    // Whoever looks how a service is has not asked for secrets, and is not asked for a password.
    fn server_log(&self, name: &str) -> Result<OwnedFd, ApiError>;

    /// Changes an option; answers whether that changed anything, once it is durable. The options and their values:
    /// `persistence`, `autostart` and `client-authorization` (`on`, `off`), `max-streams` (1 to 65535, or `off`), and `pow`
    /// (`on`, `off` or RATE:BURST); of a described service also `allow-localhost` and `allow-lan` (`on`, `off`),
    /// `virtual-port`, and those of `Options`.
    #[zbus(allow_interactive_auth)]
    fn set_option(&self, name: &str, option: &str, value: &str) -> Result<bool, ApiError>;

    /// Changes an option to a value that is handed over, as [`hand_over`](crate::bus::api::hand_over) does.
    #[zbus(allow_interactive_auth)]
    fn set_secret_option(&self, name: &str, option: &str, value: OwnedFd) -> Result<bool, ApiError>;

    /// Whether options could be set to these values one after another: for each that could not be, its place in the list,
    /// from 0, and why not. Nothing is changed. A name that nobody has counts as a port that is to be published as it is.
    #[zbus(allow_interactive_auth)]
    fn check_options(&self, name: &str, values: &[(&str, &str)]) -> Result<Vec<(u32, String)>, ApiError>;

    /// Gives an option of a service its default again, a secret a new value; answers whether that changed anything, once it
    /// is durable.
    #[zbus(allow_interactive_auth)]
    fn reset_option(&self, name: &str, option: &str) -> Result<bool, ApiError>;

    /// The options of a described service, with their values but for those that are secret.
    #[zbus(allow_interactive_auth)]
    fn options(&self, name: &str) -> Result<Vec<OptionProperties>, ApiError>;

    /// What visitors need to know of a described service, beside address and ports, but for secrets.
    #[zbus(allow_interactive_auth)]
    fn connection_info(&self, name: &str) -> Result<ConnectionProperties, ApiError>;

    /// What is secret in the options of a service, and in what its visitors need to know: [`Secrets`](crate::bus::api::Secrets)
    /// as JSON.
    #[zbus(allow_interactive_auth)]
    fn secrets(&self, name: &str) -> Result<OwnedFd, ApiError>;

    /// The services that can be had here by name, and what is wrong with the catalogue as a whole.
    #[zbus(allow_interactive_auth)]
    fn catalog(&self) -> Result<(HashMap<String, CatalogProperties>, Vec<StoreProblem>), ApiError>;

    /// Has the server of a service installed, and nothing else; answers at once, with whether there is something to do.
    #[zbus(allow_interactive_auth)]
    fn install(&self, name: &str) -> Result<bool, ApiError>;

    /// Answers once the server of a service is installed, or known not to be, which may take minutes.
    #[zbus(allow_interactive_auth)]
    fn await_installed(&self, name: &str) -> Result<(), ApiError>;

    /// Deletes the data of a service that is disabled, and what was installed for it; answers once it is durable that this
    /// is to be done.
    #[zbus(allow_interactive_auth)]
    fn uninstall(&self, name: &str) -> Result<(), ApiError>;

    /// Answers once nothing of a service is left that is to be uninstalled or removed, which may take minutes.
    /// It goes on after an error `Postponed` or `Failed`.
    #[zbus(allow_interactive_auth)]
    fn await_uninstalled(&self, name: &str) -> Result<(), ApiError>;

    /// Fetches the descriptor of a service back from an HSDir and, if `visit`, connects to the service through Tor. Both may
    /// take a minute.
    #[zbus(allow_interactive_auth)]
    fn check(&self, name: &str, visit: bool) -> Result<CheckAnswer, ApiError>;

    /// The secret key of a service, 64 bytes. Whoever has it *is* the service.
    #[zbus(allow_interactive_auth)]
    fn key(&self, name: &str) -> Result<OwnedFd, ApiError>;

    /// Gives a service a new key, made at random, and with it another address.
    #[zbus(allow_interactive_auth)]
    fn renew_key(&self, name: &str) -> Result<(), ApiError>;

    /// Gives a service another key, and with it another address.
    #[zbus(allow_interactive_auth)]
    fn replace_key(&self, name: &str, key: OwnedFd) -> Result<(), ApiError>;

    /// Lets one more client into a service: with this public key, or with a key made here if it is empty.
    #[zbus(allow_interactive_auth)]
    fn add_client(&self, name: &str, client: &str, public_key: &str) -> Result<(), ApiError>;

    /// Forgets a client; answers whether there was one. Its access has ended once `AccessSettled` is true after that.
    #[zbus(allow_interactive_auth)]
    fn remove_client(&self, name: &str, client: &str) -> Result<bool, ApiError>;

    /// Gives a client another name; answers whether that changed anything.
    #[zbus(allow_interactive_auth)]
    fn rename_client(&self, name: &str, from: &str, to: &str) -> Result<bool, ApiError>;

    /// The clients of a service.
    #[zbus(allow_interactive_auth)]
    fn clients(&self, name: &str) -> Result<Vec<Client>, ApiError>;

    /// The secret key of a client that was made here, in base32. Whoever has it, and the address, can reach the service.
    #[zbus(allow_interactive_auth)]
    fn client_key(&self, name: &str, client: &str) -> Result<OwnedFd, ApiError>;

    /// Remembers a service of somebody else; answers whether that changed anything, once it is durable.
    #[zbus(allow_interactive_auth)]
    fn join(&self, service: JoinRequest) -> Result<bool, ApiError>;

    /// Forgets a service of somebody else, and the key for it; answers whether there was one.
    #[zbus(allow_interactive_auth)]
    fn leave(&self, name: &str) -> Result<bool, ApiError>;

    /// The services of others that were joined.
    #[zbus(allow_interactive_auth)]
    fn joined(&self) -> Result<Vec<JoinedProperties>, ApiError>;

    /// The onion address of a service of somebody else, with `.onion`.
    #[zbus(allow_interactive_auth)]
    fn joined_address(&self, name: &str) -> Result<String, ApiError>;

    /// How to connect to a service of somebody else. There may be a password in it.
    #[zbus(allow_interactive_auth)]
    fn joined_note(&self, name: &str) -> Result<OwnedFd, ApiError>;

    /// Makes a key whose public half somebody is asked to let in; answers with that half.
    #[zbus(allow_interactive_auth)]
    fn make_request(&self, name: &str, persistence: bool) -> Result<String, ApiError>;

    /// The requests that were made here and not answered yet.
    #[zbus(allow_interactive_auth)]
    fn requests(&self) -> Result<Vec<PendingRequest>, ApiError>;

    /// The request with this public key: its name, and the secret key in base32.
    #[zbus(allow_interactive_auth)]
    fn request_key(&self, public_key: &str) -> Result<(String, OwnedFd), ApiError>;

    /// Forgets a request and its key; answers whether there was one.
    #[zbus(allow_interactive_auth)]
    fn remove_request(&self, name: &str) -> Result<bool, ApiError>;

    /// Something about a service changed, or the service is new.
    #[zbus(signal)]
    fn service_changed(&self, name: String, properties: ServiceProperties) -> zbus::Result<()>;

    /// A service was removed.
    #[zbus(signal)]
    fn service_removed(&self, name: String) -> zbus::Result<()>;

    /// Something about Tor changed.
    #[zbus(signal)]
    fn tor_changed(&self, properties: TorProperties) -> zbus::Result<()>;

    /// Something about a service of somebody else changed, or it is new.
    #[zbus(signal)]
    fn joined_changed(&self, name: String, properties: JoinedProperties) -> zbus::Result<()>;

    /// A service of somebody else was left.
    #[zbus(signal)]
    fn joined_removed(&self, name: String) -> zbus::Result<()>;
}
