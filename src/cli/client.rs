// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server client add`, `list`, `show`, `rename` and `remove`

use serde::Serialize;
use tails_server_state::{ClientCredential, ClientName, ClientPublicKey, ClientSecretKey, OnionAddress, ServiceName};
use tr::tr;

use crate::bus::api::{ApiError, Client};
use crate::cli::args::ClientVerb;
use crate::cli::ask;
use crate::cli::code;
use crate::cli::error::{Act, Failure};
use crate::cli::follow;
use crate::cli::output::{Form, now, print, time};
use crate::cli::secret;
use crate::cli::session::{Session, similar};
use crate::cli::show;
use crate::cli::talk::say;

/// A client of a service.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Row {
    name: String,
    public_key: String,
    /// Whether `client show` can print its key.
    secret_here: bool,
}

impl From<Client> for Row {
    fn from((name, public_key, secret_here): Client) -> Self {
        Self { name, public_key, secret_here }
    }
}

pub(super) async fn run(session: &Session, verb: ClientVerb, form: Form) -> Result<(), Failure> {
    match verb {
        ClientVerb::Add { service, client, public_key } => add(session, &service, &client, public_key, form).await,
        ClientVerb::List { service } => list(session, &service, form).await,
        ClientVerb::Show { service, client, qr } => show(session, &service, &client, qr, form).await,
        ClientVerb::Rename { service, client, new } => rename(session, &service, &client, &new).await,
        ClientVerb::Remove { service, client, yes } => remove(session, &service, &client, yes).await,
    }
}

/// Adds those of these clients that are not there yet.
pub(super) async fn add_missing(session: &Session, name: &ServiceName, clients: &[ClientName]) -> Result<(), Failure> {
    if clients.is_empty() {
        return Ok(());
    }
    let there = clients_of(session, name).await?;
    for client in clients {
        if !there.iter().any(|(there, _, _)| there == client.as_str()) {
            add_one(session, name, client, None).await?;
        }
    }
    Ok(())
}

/// How to let somebody in.
pub(super) fn to_add(service: &ServiceName) -> String {
    format!("tails-server client add {service} CLIENT")
}

/// The clients of a service.
pub(super) async fn clients_of(session: &Session, service: &ServiceName) -> Result<Vec<Client>, Failure> {
    match session.answer(session.manager.clients(service.as_str())).await {
        Ok(clients) => Ok(clients),
        Err(error) => Err(session.failure(service, error).await),
    }
}

/// Lets one more client in.
pub(super) async fn add_one(
    session: &Session,
    service: &ServiceName,
    client: &ClientName,
    public_key: Option<ClientPublicKey>,
) -> Result<(), Failure> {
    let public_key = public_key.map(ClientPublicKey::base32).unwrap_or_default();
    match session.answer(session.manager.add_client(service.as_str(), client.as_str(), &public_key)).await {
        Ok(()) => Ok(()),
        Err(error) => Err(session.failure(service, error).await),
    }
}

/// The access of a client whose key was made here.
pub(super) async fn credential(
    session: &Session,
    service: &ServiceName,
    client: &ClientName,
) -> Result<ClientCredential, Failure> {
    let address = show::onion_address(session, service).await?;
    let key = match session.answer(session.manager.client_key(service.as_str(), client.as_str())).await {
        Ok(key) => secret::take_text(key).await?,
        Err(ApiError::Unknown(_)) => return Err(unknown(session, service, client).await),
        Err(error) => return Err(session.failure(service, error).await),
    };
    let address = OnionAddress::parse(&address).map_err(|_| Failure::Garbled)?;
    Ok(ClientCredential { address, key: ClientSecretKey::parse(&key).map_err(|_| Failure::Garbled)? })
}

async fn add(
    session: &Session,
    service: &ServiceName,
    client: &ClientName,
    public_key: Option<ClientPublicKey>,
    form: Form,
) -> Result<(), Failure> {
    add_one(session, service, client, public_key).await?;
    let clients = clients_of(session, service).await?;
    let added = clients.into_iter().find(|(name, _, _)| name == client.as_str());
    print(&added.map(Row::from), form)?;
    let properties = show::service(session, service).await?;
    if properties.client_authorization {
        say(&tr!(
            "\"{client}\" can connect once \"{service}\" is published anew; see `tails-server status {service}`.",
            client,
            service
        ));
    } else {
        say(&tr!(
            "Client authorisation of \"{service}\" is off: whoever knows its address can connect. To let in only its clients: \
                  tails-server set-option {service} client-authorization on",
            service
        ));
    }
    if public_key.is_none() {
        say(&tr!("What \"{client}\" needs to connect: tails-server client show {service} {client}", client, service));
    }
    Ok(())
}

async fn list(session: &Session, service: &ServiceName, form: Form) -> Result<(), Failure> {
    let clients = clients_of(session, service).await?;
    if clients.is_empty() {
        say(&tr!("\"{service}\" has no clients. To let somebody in: {command}", service, command = to_add(service)));
    }
    let rows: Vec<Row> = clients.into_iter().map(Row::from).collect();
    print(&rows, form)
}

async fn show(
    session: &Session,
    service: &ServiceName,
    client: &ClientName,
    qr: bool,
    form: Form,
) -> Result<(), Failure> {
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct View<'a> {
        name: &'a str,
        auth_private: &'a str,
        tor_browser_key: &'a str,
    }
    let credential = credential(session, service, client).await?;
    let (line, key) = (credential.expose_line(), credential.key.expose_base32());
    print(&View { name: client.as_str(), auth_private: &line, tor_browser_key: &key }, form)?;
    if qr {
        code::show(&line)?;
    }
    say(&tr!(
        "Whoever has this can connect to \"{service}\" as \"{client}\". Send it only where nobody else can read it.",
        service,
        client
    ));
    Ok(())
}

async fn rename(session: &Session, service: &ServiceName, from: &ClientName, to: &ClientName) -> Result<(), Failure> {
    match session.answer(session.manager.rename_client(service.as_str(), from.as_str(), to.as_str())).await {
        Ok(_) => {
            say(&tr!("\"{from}\" is \"{to}\" now; the access is the same.", from, to));
            Ok(())
        }
        Err(ApiError::Unknown(_)) => Err(unknown(session, service, from).await),
        Err(error) => Err(session.failure(service, error).await),
    }
}

async fn remove(session: &Session, service: &ServiceName, client: &ClientName, yes: bool) -> Result<(), Failure> {
    let there = clients_of(session, service).await?;
    let is_listed = there.iter().any(|(name, _, _)| name == client.as_str());
    if is_listed && !yes {
        let question = tr!(
            "End the access of \"{client}\" to \"{service}\"? Type the name of the client to do it: ",
            client,
            service
        );
        ask::for_word(&question, client.as_str(), Act::Remove).await?;
    }
    // One that is not listed may be left half removed by a full disk: the controller knows.
    match session.answer(session.manager.remove_client(service.as_str(), client.as_str())).await {
        Ok(true) => (),
        Ok(false) => return Err(unknown(session, service, client).await),
        Err(error) => return Err(session.failure(service, error).await),
    }
    if !show::service(session, service).await?.client_authorization {
        say(&tr!(
            "\"{client}\" is removed. Client authorisation of \"{service}\" is off: whoever knows its address can connect, \
                  \"{client}\" too. To let in only its clients: tails-server set-option {service} client-authorization on",
            client,
            service
        ));
        return Ok(());
    }
    let properties = follow::until_settled(session, service, &tr!("\"{client}\" is removed", client)).await?;
    say(&tr!("The access of \"{client}\" to \"{service}\" ended at {time}.", client, service, time = time(now())));
    say(&if properties.clients == 0 {
        tr!("It has no clients now, and so it is withdrawn. To let somebody in: {command}", command = to_add(service))
    } else if !properties.enabled {
        tr!("\"{service}\" is disabled, so nobody else can connect either: tails-server enable {service}", service)
    } else {
        tr!(
            "Everybody else was disconnected with it, and can connect again once it is published anew, in some seconds."
        )
    });
    Ok(())
}

/// The failure that there is no such client, with the most similar name that there is.
async fn unknown(session: &Session, service: &ServiceName, client: &ClientName) -> Failure {
    let there = match clients_of(session, service).await {
        Ok(there) => there,
        Err(failure) => return failure,
    };
    let similar = similar(client.as_str(), there.into_iter().map(|(name, _, _)| name));
    Failure::UnknownClient { service: service.clone(), client: client.clone(), similar }
}
