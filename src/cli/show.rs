// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server list`, `status`, `info` and `address`

use serde::Serialize;
use tails_server_state::ServiceName;
use tr::tr;

use crate::bus::api::{ApiError, ServiceProperties};
use crate::cli::described::{DescribedView, Parts};
use crate::cli::error::Failure;
use crate::cli::glance;
use crate::cli::language::English;
use crate::cli::output::{
    DetailsView, Form, InfoView, OverviewView, StatusView, now, print, print_line, print_text, rows,
};
use crate::cli::secret;
use crate::cli::session::Session;
use crate::cli::talk::say;
use crate::cli::terminal::Screen;

/// How much is shown of a service.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Depth {
    /// How the publishing went, and what fits each option.
    pub(super) details: bool,
    /// Passwords, too.
    pub(super) secrets: bool,
}

pub(super) async fn list(session: &Session, form: Form) -> Result<(), Failure> {
    let (_, store, services) = session.answer(session.manager.overview()).await?;
    let (had, problems) = session.answer(session.manager.catalog()).await?;
    if services.is_empty() && had.is_empty() {
        say_how_to_begin();
    }
    // What can not be read is missing in the list.
    for problem in store.into_iter().chain(problems) {
        let (told, hint) = (problem.problem.as_str(), problem.hint.as_deref());
        say(&tr!("Warning: {problem}", problem = tr!(told)));
        if let Some(hint) = hint {
            say(&tr!("Hint: {hint}", hint = tr!(hint)));
        }
    }
    match form {
        Form::Yaml => print_text(&glance::list(&services, &had, Screen::output())),
        Form::Json => print(&rows(services, had), form),
    }
}

/// Tor and all services: for people a table, for programs all that is known.
pub(super) async fn overview(session: &Session, form: Form) -> Result<(), Failure> {
    let (tor, store, services) = session.answer(session.manager.overview()).await?;
    match form {
        Form::Yaml => {
            print_text(&glance::overview(&tor, &store, &services, now(), Screen::output()))?;
            if services.is_empty() {
                say_how_to_begin();
            }
            Ok(())
        }
        Form::Json => print(&OverviewView::new(tor, store, services), form),
    }
}

fn say_how_to_begin() {
    say(&tr!("There are no services yet. Publish what listens on a port: tails-server publish 8080"));
    say(&tr!("What else can be had here: tails-server list"));
}

pub(super) async fn status(session: &Session, name: &ServiceName, form: Form) -> Result<(), Failure> {
    let service = service(session, name).await?;
    let log = server_log(session, name, &service).await?;
    let _english = English::for_programs(form);
    print(&StatusView::new(name.as_str(), &service, log), form)
}

pub(super) async fn info(session: &Session, name: &ServiceName, depth: Depth, form: Form) -> Result<(), Failure> {
    let (_, _, mut services) = session.answer(session.manager.overview()).await?;
    let (mut had, _) = session.answer(session.manager.catalog()).await?;
    let service = services.remove(name.as_str());
    let details = match &service {
        Some(service) if depth.details => {
            let log = server_log(session, name, service).await?;
            let _english = English::for_programs(form);
            Some(DetailsView::new(service, log))
        }
        Some(_) | None => None,
    };
    let described = had.remove(name.as_str()).filter(|_| service.as_ref().is_none_or(|service| service.described));
    let Some(described) = described else {
        // A port, or a service whose descriptor is gone.
        let Some(service) = service else { return Err(session.unknown(name).await) };
        let address = onion_address(session, name).await?;
        let _english = English::for_programs(form);
        return print(&InfoView::new(name.as_str(), address, &service, details), form);
    };
    // What can not be had has no options.
    let (options, connection) = if described.problem.is_some() {
        (Vec::new(), None)
    } else {
        let options = secret::options(session, name, depth.secrets).await?;
        (options, Some(secret::connection(session, name, depth.secrets).await?))
    };
    let address = match &service {
        Some(_) => Some(onion_address(session, name).await?),
        None => None,
    };
    let parts = Parts { name: name.as_str(), described, service, details, address, options, connection };
    let _english = English::for_programs(form);
    print(&DescribedView::new(parts, depth), form)
}

pub(super) async fn address(session: &Session, name: &ServiceName, form: Form) -> Result<(), Failure> {
    let address = onion_address(session, name).await?;
    match form {
        Form::Yaml => print_line(&address),
        Form::Json => {
            #[derive(Serialize)]
            struct AddressView {
                address: String,
            }
            print(&AddressView { address }, form)
        }
    }
}

pub(super) async fn onion_address(session: &Session, name: &ServiceName) -> Result<String, Failure> {
    match session.answer(session.manager.address(name.as_str())).await {
        Ok(address) => Ok(address),
        Err(error) => Err(session.failure(name, error).await),
    }
}

/// The last lines of the log of a server that failed.
async fn server_log(
    session: &Session,
    name: &ServiceName,
    service: &ServiceProperties,
) -> Result<Vec<String>, Failure> {
    // A port has no server that we know of.
    if !service.described || service.problem.is_none() {
        return Ok(Vec::new());
    }
    match session.answer(session.manager.server_log(name.as_str())).await {
        Ok(handed) => Ok(secret::take_text(handed).await?.lines().map(str::to_owned).collect()),
        // There may be passwords in it.
        Err(ApiError::NotAuthorized(_)) => Ok(Vec::new()),
        Err(error) => Err(session.failure(name, error).await),
    }
}

pub(super) async fn service(session: &Session, name: &ServiceName) -> Result<ServiceProperties, Failure> {
    let (_, _, mut services) = session.answer(session.manager.overview()).await?;
    match services.remove(name.as_str()) {
        Some(service) => Ok(service),
        None => Err(session.unknown(name).await),
    }
}
