// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server join`

use std::time::Duration;

use futures_util::StreamExt;
use tails_server_state::{ClientCredential, ClientName, ClientPublicKey, ClientSecretKey, ServiceName};
use tr::tr;
use unicode_width::UnicodeWidthStr;
use zeroize::Zeroizing;

use crate::bus::api::{JoinRequest, JoinedProperties};
use crate::cli::args::Join;
use crate::cli::ask;
use crate::cli::error::{Act, Failure};
use crate::cli::interrupt::interrupted;
use crate::cli::joined::{self, JoinedView};
use crate::cli::output::{Form, now, print};
use crate::cli::secret;
use crate::cli::session::Session;
use crate::cli::source::{self, Place, What};
use crate::cli::talk::say;
use crate::invitation::{Access, Artefact, CannotComplete, Invitation, PasteError, Pasted, Secrecy};

/// Tor takes a key within milliseconds, and a controller connects to it within seconds.
const READY_PATIENCE: Duration = Duration::from_secs(15);

/// What a person types to join. The same word in all languages: it is part of the interface, as the names are that others type.
const YES: &str = "yes";

/// What an invitation, or a bare line, grants.
struct Grant {
    request: JoinRequest,
    client: Option<ClientName>,
    /// Labels of what it tells about connecting.
    details: Vec<String>,
    /// The request that it answers.
    answers: Option<ClientName>,
}

pub(super) async fn join(session: &Session, asked: Join, form: Form) -> Result<(), Failure> {
    let Join { source, name, persistent, yes } = asked;
    let source = source::read(source.as_deref().unwrap_or("-"), What::Invitation).await?;
    let pasted = Pasted::read(&source.text).map_err(Failure::Paste)?;
    if source.place == Place::Arguments && has_secret(&pasted) {
        return Err(Failure::SecretInArguments);
    }
    drop(source.text);
    let there = session.answer(session.manager.joined()).await?;
    let mut grant = match pasted {
        Pasted::Invitation(invitation) => of_invitation(session, *invitation).await?,
        Pasted::Credential(credential) => of_credential(&credential)?,
        Pasted::Request(_) => {
            let (found, wanted) = (Artefact::Request, Artefact::Invitation);
            return Err(Failure::Paste(PasteError::Unwanted { found, wanted }));
        }
    };
    let name = match name {
        Some(name) => name,
        None => free_name(session, &grant.request, &there).await?,
    };
    grant.request.name = name.to_string();
    grant.request.persistence = Some(persistent || grant.request.persistence == Some(true));
    describe(&grant);
    if !yes {
        ask::for_word(&tr!("Join it? Type {word} to do it: ", word = YES), YES, Act::Join).await?;
    }
    let is_new = session.answer(session.manager.join(grant.request)).await?;
    if let Some(request) = grant.answers {
        session.answer(session.manager.remove_request(request.as_str())).await?;
    }
    let properties = until_ready(session, &name).await?;
    print(&JoinedView::from(properties), form)?;
    if !is_new {
        say(&tr!("You had joined \"{name}\" already.", name));
    }
    say(&tr!(
        "Tor has what it needs to reach it: its address works at once, in Tor Browser too where that uses the same Tor."
    ));
    say(&tr!("Its address, and how to connect: tails-server joined {name}", name));
    Ok(())
}

/// Whether there is something in it that nobody else should have.
fn has_secret(pasted: &Pasted) -> bool {
    match pasted {
        Pasted::Credential(_) => true,
        Pasted::Request(_) => false,
        Pasted::Invitation(invitation) => {
            let details = invitation.details().iter();
            matches!(invitation.access(), Access::Key(_))
                || details.map(|detail| detail.secrecy()).any(|secrecy| secrecy == Secrecy::Secret)
        }
    }
}

async fn of_invitation(session: &Session, mut invitation: Invitation) -> Result<Grant, Failure> {
    invitation.check_expiry(now())?;
    let mut answers = None;
    let mut persistence = None;
    if let Access::Requested(public_key) = *invitation.access() {
        let (name, key, is_kept) = requested(session, public_key).await?;
        invitation.complete(key)?;
        (answers, persistence) = (Some(name), Some(is_kept));
    }
    let lines = invitation.details().iter().map(|detail| {
        let mut line = Zeroizing::new(String::with_capacity(detail.label().len() + detail.expose_value().len() + 3));
        for part in [detail.label(), ": ", detail.expose_value(), "\n"] {
            line.push_str(part);
        }
        line
    });
    let note = Zeroizing::new(lines.fold(String::new(), |note, line| note + &line));
    let details = invitation.details().iter().map(|detail| detail.label().to_owned()).collect();
    let request = JoinRequest {
        name: String::new(),
        address: invitation.address().display_unredacted(),
        key: None,
        title: invitation.title().map(|title| title.as_str().to_owned()),
        ports: Some(invitation.ports().iter().map(|port| port.number()).collect()),
        note: Some(secret::hand_over(note.as_bytes())?),
        expires: invitation.expiry().map(|expiry| expiry.unix_seconds()),
        persistence,
    };
    let client = invitation.client().cloned();
    let key =
        invitation.into_credential().map(|credential| secret::hand_over(credential.key.expose_base32().as_bytes()));
    let key = key.transpose()?;
    Ok(Grant { request: JoinRequest { key, ..request }, client, details, answers })
}

/// The request that was made here with this key: its name, the secret key, and whether it survives a reboot.
async fn requested(
    session: &Session,
    public_key: ClientPublicKey,
) -> Result<(ClientName, ClientSecretKey, bool), Failure> {
    let text = public_key.base32();
    let (name, key) = session.answer(session.manager.request_key(&text)).await?;
    let key = ClientSecretKey::parse(&secret::take_text(key).await?).map_err(|_| Failure::Garbled)?;
    let is_kept = session
        .answer(session.manager.requests())
        .await?
        .iter()
        .any(|(_, public, is_kept)| *public == text && *is_kept);
    if key.public_key() != public_key {
        return Err(CannotComplete::AnotherKey.into());
    }
    Ok((name.parse().map_err(|_| Failure::Garbled)?, key, is_kept))
}

fn of_credential(credential: &ClientCredential) -> Result<Grant, Failure> {
    let request = JoinRequest {
        name: String::new(),
        address: credential.address.display_unredacted(),
        key: Some(secret::hand_over(credential.key.expose_base32().as_bytes())?),
        title: None,
        ports: None,
        note: None,
        expires: None,
        persistence: None,
    };
    Ok(Grant { request, client: None, details: Vec::new(), answers: None })
}

/// Says what it is, before it is asked whether to take it.
fn describe(grant: &Grant) {
    let Grant { request, client, details, answers } = grant;
    let ports = request.ports.iter().flatten().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let access = if request.key.is_some() { tr!("with a secret key") } else { tr!("open to everybody") };
    let lines = [
        (tr!("Service"), request.title.clone()),
        (tr!("Address"), Some(request.address.clone())),
        (tr!("Ports"), Some(ports).filter(|ports| !ports.is_empty())),
        (tr!("You are"), client.as_ref().map(ToString::to_string)),
        (tr!("Access"), Some(access)),
        (tr!("Answers"), answers.as_ref().map(|request| tr!("your request \"{request}\"", request))),
        (tr!("Tells"), Some(details.join(", ")).filter(|details| !details.is_empty())),
        (tr!("Expires"), request.expires.map(crate::cli::output::time)),
        (tr!("Name here"), Some(request.name.clone())),
    ];
    let lines = lines.into_iter().filter_map(|(label, text)| Some((label, text?)));
    let lines: Vec<(String, String)> = lines.collect();
    let width = lines.iter().map(|(label, _)| label.width()).max().unwrap_or_default();
    for (label, text) in lines {
        let room = " ".repeat(width.saturating_sub(label.width()));
        say(&format!("{label}{room}  {text}"));
    }
}

/// The name that it has already, or a free one after its title.
async fn free_name(
    session: &Session,
    request: &JoinRequest,
    there: &[JoinedProperties],
) -> Result<ServiceName, Failure> {
    for joined in there {
        if session.answer(session.manager.joined_address(&joined.name)).await? == request.address {
            return joined.name.parse().map_err(|_| Failure::Garbled);
        }
    }
    let base = base_name(request.title.as_deref().unwrap_or_default());
    let candidates = std::iter::once(base.clone()).chain((2..).map(|number| format!("{base}-{number}")));
    let mut free = candidates.filter(|name| !there.iter().any(|joined| joined.name == *name));
    free.next().and_then(|name| name.parse().ok()).ok_or(Failure::Garbled)
}

/// A name like this title, with room for a number after it.
fn base_name(title: &str) -> String {
    let mut name = String::new();
    for letter in title.chars().map(|letter| letter.to_ascii_lowercase()) {
        match letter {
            'a'..='z' => name.push(letter),
            '0'..='9' if !name.is_empty() => name.push(letter),
            _ if !name.is_empty() && !name.ends_with('-') => name.push('-'),
            _ => (),
        }
        if name.len() >= 24 {
            break;
        }
    }
    let name = name.trim_end_matches('-');
    if name.is_empty() { "joined".to_owned() } else { name.to_owned() }
}

/// Waits until Tor can reach the service.
async fn until_ready(session: &Session, name: &ServiceName) -> Result<JoinedProperties, Failure> {
    // All changes from here on: the look that follows misses none.
    let mut changes = session.manager.receive_joined_changed().await?;
    let mut properties = joined::find(session, name).await?;
    let waiting = async {
        while !properties.ready {
            let changed = changes.next().await.ok_or(Failure::ControllerEnded)?;
            let changed = changed.args()?;
            if changed.name == name.as_str() {
                properties = changed.properties.clone();
            }
        }
        Ok::<(), Failure>(())
    };
    let waited = tokio::select! {
        waited = waiting => Some(waited),
        () = tokio::time::sleep(READY_PATIENCE) => None,
        () = interrupted() => None,
    };
    match waited {
        Some(Ok(())) => Ok(properties),
        Some(Err(failure)) => Err(failure),
        None => Err(Failure::NotReady { name: name.clone(), problem: properties.problem }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_title_makes_a_name() {
        for (title, name) in [
            ("Chess club", "chess-club"),
            ("  3 Amigos! ", "amigos"),
            ("web", "web"),
            ("日本", "joined"),
            ("", "joined"),
            ("a--b", "a-b"),
            ("x — y", "x-y"),
            ("The longest title that anybody ever wrote", "the-longest-title-that-a"),
        ] {
            assert_eq!(base_name(title), name, "{title:?}");
            assert!(format!("{name}-1000").parse::<ServiceName>().is_ok());
        }
    }
}
