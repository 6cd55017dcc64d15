// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server key export`, `import` and `renew`

use std::path::Path;

use serde::Serialize;
use tails_server_state::{AuthorizedClient, ClientPublicKey, OnionKey, SecretHeld, ServiceName};
use tr::tr;

use crate::bus::api::ApiError;
use crate::cli::args::KeyVerb;
use crate::cli::ask;
use crate::cli::client;
use crate::cli::error::{Act, Failure};
use crate::cli::output::{Form, print};
use crate::cli::secret;
use crate::cli::session::Session;
use crate::cli::show;
use crate::cli::talk::say;
use crate::key_files::{self, Imported};

pub(super) async fn run(session: &Session, verb: KeyVerb, form: Form) -> Result<(), Failure> {
    match verb {
        KeyVerb::Export { service, output } => export(session, &service, &output).await,
        KeyVerb::Import { service, path, yes } => import(session, &service, &path, yes, form).await,
        KeyVerb::Renew { service, yes } => renew(session, &service, yes, form).await,
    }
}

async fn export(session: &Session, service: &ServiceName, directory: &Path) -> Result<(), Failure> {
    let properties = show::service(session, service).await?;
    let clients = if properties.client_authorization { clients(session, service).await? } else { Vec::new() };
    if properties.client_authorization && clients.is_empty() {
        return Err(Failure::ExportWouldOpen(service.clone()));
    }
    let bytes = match session.answer(session.manager.key(service.as_str())).await {
        Ok(bytes) => secret::take(bytes).await?,
        Err(error) => return Err(session.failure(service, error).await),
    };
    let key = bytes.as_slice().try_into().ok().and_then(|bytes| OnionKey::from_expanded(bytes).ok());
    key_files::export(&key.ok_or(Failure::Garbled)?, &clients, directory)?;
    say(&tr!("The key of \"{service}\" is in {directory}.", service, directory = directory.display()));
    say(&tr!(
        "Whoever has it is the service: keep it as you would keep the computer itself, and delete it when it is not needed."
    ));
    if !clients.is_empty() {
        say(&tr!("Its clients are in authorized_clients: without that directory it would be open to everybody."));
    }
    say(&tr!("Let only one Tor have it at a time: two would take each other's visitors."));
    Ok(())
}

async fn import(session: &Session, service: &ServiceName, path: &Path, yes: bool, form: Form) -> Result<(), Failure> {
    let properties = show::service(session, service).await?;
    let Imported { key, clients, warnings } = key_files::import(path)?;
    for warning in warnings.iter().map(ToString::to_string) {
        let warning = warning.as_str();
        say(&tr!("Warning: {warning}", warning = tr!(warning)));
    }
    if !clients.is_empty() && !properties.client_authorization {
        return Err(Failure::ImportWouldOpen { service: service.clone(), clients: clients.len() });
    }
    let (old, new) = (show::onion_address(session, service).await?, key.address().display_unredacted());
    if old != new {
        confirm(service, &old, Some(&new), yes).await?;
        let key = secret::hand_over(key.expose_expanded())?;
        replaced(session, service, session.answer(session.manager.replace_key(service.as_str(), key)).await).await?;
    }
    // Those that are there already have kept their access.
    let there = client::clients_of(session, service).await?;
    for imported in clients {
        let (name, public_key) = (imported.client.name, imported.client.public_key);
        if there.iter().any(|(_, key, _)| *key == public_key.base32()) {
            continue;
        }
        client::add_one(session, service, &name, Some(public_key)).await?;
        if imported.called != name.as_str() {
            say(&tr!(
                "The client \"{called}\" is called \"{name}\" here.",
                called = imported.called.escape_debug(),
                name
            ));
        }
    }
    show_address(new, form)?;
    say(&tr!(
        "\"{service}\" has this address now. Take it out of the Tor that had it before: only one can have it.",
        service
    ));
    Ok(())
}

async fn renew(session: &Session, service: &ServiceName, yes: bool, form: Form) -> Result<(), Failure> {
    let old = show::onion_address(session, service).await?;
    confirm(service, &old, None, yes).await?;
    replaced(session, service, session.answer(session.manager.renew_key(service.as_str())).await).await?;
    show_address(show::onion_address(session, service).await?, form)?;
    say(&tr!(
        "\"{service}\" has a new address; tell its visitors. The old one is withdrawn for ever, as soon as Tor answers.",
        service
    ));
    if show::service(session, service).await?.clients > 0 {
        say(&tr!("Its clients and their keys are the same, and each of them needs the new address."));
    }
    Ok(())
}

/// Asks, with both addresses.
async fn confirm(service: &ServiceName, old: &str, new: Option<&str>, yes: bool) -> Result<(), Failure> {
    say(&tr!("Old address: {old}", old));
    say(&new.map_or_else(|| tr!("New address: (made at random)"), |new| tr!("New address: {new}", new)));
    if yes {
        return Ok(());
    }
    let question = tr!(
        "Replace the key of \"{service}\"? The old key and address are lost for ever, unless you exported them. Type the \
         name of the service to do it: ",
        service
    );
    ask::for_word(&question, service.as_str(), Act::Change).await
}

async fn replaced(session: &Session, service: &ServiceName, answer: Result<(), ApiError>) -> Result<(), Failure> {
    match answer {
        Ok(()) => Ok(()),
        Err(error) => Err(session.failure(service, error).await),
    }
}

async fn clients(session: &Session, service: &ServiceName) -> Result<Vec<AuthorizedClient>, Failure> {
    let clients = client::clients_of(session, service).await?.into_iter().map(|(name, public_key, is_here)| {
        Some(AuthorizedClient {
            name: name.parse().ok()?,
            public_key: ClientPublicKey::parse(&public_key).ok()?,
            secret: if is_here { SecretHeld::Here } else { SecretHeld::Elsewhere },
        })
    });
    clients.collect::<Option<_>>().ok_or(Failure::Garbled)
}

fn show_address(address: String, form: Form) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct View {
        address: String,
    }
    print(&View { address }, form)
}
