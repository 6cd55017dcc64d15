// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server list`, `status`, `info` and `address`

use serde::Serialize;
use tails_server_state::ServiceName;

use crate::bus::api::ServiceProperties;
use crate::cli::error::Failure;
use crate::cli::output::{Form, InfoView, OverviewView, StatusView, print, print_line, rows};
use crate::cli::session::Session;
use crate::cli::talk::say;

pub(super) async fn list(session: &Session, form: Form) -> Result<(), Failure> {
    let (_, _, services) = session.manager.overview().await?;
    if services.is_empty() {
        say("There are no services yet. Publish what listens on a port: tails-server publish 8080");
    }
    print(&rows(services), form)
}

pub(super) async fn overview(session: &Session, form: Form) -> Result<(), Failure> {
    let (tor, store, services) = session.manager.overview().await?;
    print(&OverviewView::new(tor, store, services), form)
}

pub(super) async fn status(session: &Session, name: &ServiceName, form: Form) -> Result<(), Failure> {
    print(&StatusView::new(name.as_str(), &service(session, name).await?), form)
}

pub(super) async fn info(session: &Session, name: &ServiceName, details: bool, form: Form) -> Result<(), Failure> {
    let service = service(session, name).await?;
    let address = onion_address(session, name).await?;
    print(&InfoView::new(name.as_str(), address, &service, details), form)
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
    match session.manager.address(name.as_str()).await {
        Ok(address) => Ok(address),
        Err(error) => Err(session.failure(name, error).await),
    }
}

pub(super) async fn service(session: &Session, name: &ServiceName) -> Result<ServiceProperties, Failure> {
    let (_, _, mut services) = session.manager.overview().await?;
    match services.remove(name.as_str()) {
        Some(service) => Ok(service),
        None => Err(session.unknown(name).await),
    }
}
