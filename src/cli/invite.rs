// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server invite`

use std::io::Write;
use std::path::Path;

use serde::Serialize;
use tails_server_state::{ClientName, ClientPublicKey, OnionAddress, ServiceName, VirtualPort};
use tr::tr;
use zeroize::Zeroizing;

use crate::bus::api::ServiceProperties;
use crate::cli::args::Invite;
use crate::cli::backup::{BackupError, NewFile};
use crate::cli::client;
use crate::cli::code;
use crate::cli::error::Failure;
use crate::cli::output::{Form, now, print, print_line};
use crate::cli::secret;
use crate::cli::session::Session;
use crate::cli::show;
use crate::cli::source::{self, What};
use crate::cli::talk::say;
use crate::invitation::{Access, Detail, Invitation, Request, Secrecy, Title};
use crate::qr::QrCode;

pub(super) async fn invite(session: &Session, asked: Invite, form: Form) -> Result<(), Failure> {
    let Invite { name, client, expires, title, request, qr, output } = asked;
    let request = match request {
        Some(given) => Some(read_request(&given).await?),
        None => None,
    };
    let client = client.or_else(|| request.as_ref().map(|request| request.name.clone())).ok_or(Failure::Garbled)?;
    let service = show::service(session, &name).await?;
    let address = show::onion_address(session, &name).await?;
    let address = OnionAddress::parse(&address).map_err(|_| Failure::Garbled)?;
    let ports: Vec<VirtualPort> = ports(&service)?;
    // A place that can not be written to lets nobody in.
    let file = output.as_deref().map(begin).transpose()?;
    let access = if service.client_authorization {
        access(session, &name, &client, request.map(|request| request.public_key)).await?
    } else {
        Access::Open
    };
    let title: Title = match title {
        Some(title) => title,
        None => name.as_str().parse().map_err(|_| Failure::Garbled)?,
    };
    let mut invitation =
        Invitation::new(address, ports)?.with_title(title).with_access(access).with_client(client.clone());
    let details = details(session, &name, &service).await?;
    if !details.is_empty() {
        invitation = invitation.with_details(details)?;
    }
    if let Some(lifetime) = expires {
        invitation = invitation.with_expiry(lifetime.from(now()));
    }
    match (file, &output) {
        (Some(file), Some(path)) => write(file, path, &invitation)?,
        (_, _) => show_text(&invitation, &client, form)?,
    }
    if qr {
        code::show(&invitation.expose_uri())?;
    }
    explain(&name, &client, &invitation, output.as_deref());
    Ok(())
}

/// What else it takes to connect: a password, a fingerprint.
async fn details(session: &Session, name: &ServiceName, service: &ServiceProperties) -> Result<Vec<Detail>, Failure> {
    if !service.described {
        return Ok(Vec::new());
    }
    let mut details = Vec::new();
    for (label, value, is_secret) in secret::connection(session, name, true).await?.lines {
        let value = Zeroizing::new(value);
        let secrecy = if is_secret { Secrecy::Secret } else { Secrecy::Open };
        match Detail::new(&label, &value, secrecy) {
            Ok(detail) => details.push(detail),
            // It reaches people all the same, by another way.
            Err(_) => say(&tr!("\"{label}\" is too long for an invitation: tell it in another way.", label)),
        }
    }
    Ok(details)
}

async fn read_request(given: &str) -> Result<Request, Failure> {
    Request::parse(&source::read(given, What::Request).await?.text).map_err(Failure::Ask)
}

fn ports(service: &ServiceProperties) -> Result<Vec<VirtualPort>, Failure> {
    let numbers = service.ports.iter().map(|(port, _)| (*port).try_into().map(VirtualPort::new));
    numbers.collect::<Result<_, _>>().map_err(|_| Failure::Garbled)
}

/// What lets this client in. One that is not there yet is added.
async fn access(
    session: &Session,
    service: &ServiceName,
    client: &ClientName,
    requested: Option<ClientPublicKey>,
) -> Result<Access, Failure> {
    let there = client::clients_of(session, service).await?;
    let known = there.into_iter().find(|(name, _, _)| name == client.as_str());
    let known = known.map(|(_, key, is_here)| ClientPublicKey::parse(&key).map(|key| (key, is_here)));
    match (known.transpose().map_err(|_| Failure::Garbled)?, requested) {
        (Some((key, _)), Some(requested)) if key != requested => {
            Err(Failure::OtherKey { service: service.clone(), client: client.clone() })
        }
        (Some(_), Some(requested)) => Ok(Access::Requested(requested)),
        // The client made its key, and has the other half.
        (Some((key, false)), None) => Ok(Access::Requested(key)),
        (Some((_, true)), None) => Ok(Access::Key(client::credential(session, service, client).await?.key)),
        (None, Some(requested)) => {
            client::add_one(session, service, client, Some(requested)).await?;
            Ok(Access::Requested(requested))
        }
        (None, None) => {
            client::add_one(session, service, client, None).await?;
            Ok(Access::Key(client::credential(session, service, client).await?.key))
        }
    }
}

fn show_text(invitation: &Invitation, client: &ClientName, form: Form) -> Result<(), Failure> {
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct View<'a> {
        client: &'a str,
        expires: Option<String>,
        secret: bool,
        invitation: &'a str,
    }
    let text = invitation.expose_text();
    match form {
        Form::Yaml => print_line(text.trim_end()),
        Form::Json => print(
            &View {
                client: client.as_str(),
                expires: invitation.expiry().map(|expiry| expiry.to_string()),
                secret: matches!(invitation.access(), Access::Key(_)),
                invitation: &text,
            },
            form,
        ),
    }
}

/// A new file that only this user can read.
fn begin(path: &Path) -> Result<NewFile, Failure> {
    NewFile::begin(path).map_err(|error| not_written(path, error))
}

/// It is no backup that is written.
fn not_written(path: &Path, error: BackupError) -> Failure {
    let path = path.to_owned();
    if let BackupError::Exists { .. } = error {
        return Failure::Write { path, cause: rustix::io::Errno::EXIST.into() };
    }
    if let BackupError::Write { cause, .. } = error {
        return Failure::Write { path, cause };
    }
    error.into()
}

/// Writes the invitation: text, or a picture if the name of the file says so.
fn write(mut file: NewFile, path: &Path, invitation: &Invitation) -> Result<(), Failure> {
    let failed = |cause| Failure::Write { path: path.to_owned(), cause };
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    let mut into = |bytes: &[u8]| file.writer().write_all(bytes);
    match extension.as_deref() {
        Some("png") => into(&QrCode::new(&invitation.expose_uri())?.png()),
        Some("svg") => into(QrCode::new(&invitation.expose_uri())?.svg().as_bytes()),
        Some(_) | None => into(invitation.expose_text().as_bytes()),
    }
    .map_err(failed)?;
    file.settle().map_err(|error| not_written(path, error))
}

fn is_picture(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| ["png", "svg"].iter().any(|picture| extension.eq_ignore_ascii_case(picture)))
}

/// What a person has to know of the invitation.
fn explain(service: &ServiceName, client: &ClientName, invitation: &Invitation, output: Option<&Path>) {
    if let Some(path) = output {
        say(&tr!("The invitation is in {path}.", path = path.display()));
    }
    match invitation.access() {
        Access::Key(_) => {
            say(&tr!("Whoever reads it can connect: send it only where nobody else can read it."));
            say(&tr!("To end the access: tails-server client remove {service} {client}", service, client));
        }
        Access::Requested(_) => {
            say(&tr!(
                "Only \"{client}\", who made the request, can use it. It has the address of \"{service}\" in it.",
                client,
                service
            ));
            say(&tr!("To end the access: tails-server client remove {service} {client}", service, client));
        }
        Access::Open => {
            // A password, say, without which the address is of little use.
            if invitation.details().iter().any(|detail| detail.secrecy() == Secrecy::Secret) {
                say(&tr!("Whoever reads it can connect: send it only where nobody else can read it."));
            }
            say(&tr!(
                "\"{service}\" is open to everybody who knows its address, and the address is in the invitation.",
                service
            ));
            say(&tr!("To let in only its clients: tails-server set-option {service} client-authorization on", service));
        }
    }
    if let Some(expiry) = invitation.expiry() {
        // Tor knows no access that ends by itself, so this one does not.
        say(&tr!("`tails-server join` takes it until {expiry}; only `client remove` ends the access itself.", expiry));
    }
    say(&match output.filter(|path| !is_picture(path)).and_then(Path::file_name) {
        Some(file) => tr!("They follow it with: tails-server join {file}", file = file.display()),
        None => tr!("They follow it with: tails-server join"),
    });
}
