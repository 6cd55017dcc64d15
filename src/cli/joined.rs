// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server joined` and `leave`

use serde::Serialize;
use tails_server_state::ServiceName;
use tr::tr;

use crate::bus::api::JoinedProperties;
use crate::cli::ask;
use crate::cli::error::{Act, Failure};
use crate::cli::output::{Form, now, print, time};
use crate::cli::secret;
use crate::cli::session::{Session, similar};
use crate::cli::talk::say;

/// A service of somebody else. Neither its key nor its address.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct JoinedView {
    name: String,
    title: Option<String>,
    ready: bool,
    ports: Vec<u16>,
    expires: Option<String>,
    expired: bool,
    persistence: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl From<JoinedProperties> for JoinedView {
    fn from(joined: JoinedProperties) -> Self {
        let JoinedProperties { name, title, ready, ports, expires, persistence, problem, hint } = joined;
        Self {
            name,
            title,
            ready,
            ports,
            expires: expires.map(time),
            expired: expires.is_some_and(|expires| expires <= now()),
            persistence,
            problem,
            hint,
        }
    }
}

pub(super) async fn list(session: &Session, form: Form) -> Result<(), Failure> {
    let mut joined = session.answer(session.manager.joined()).await?;
    if joined.is_empty() {
        say(&tr!("You joined no service of somebody else yet. Follow an invitation with: tails-server join"));
    }
    joined.sort_by(|one, two| one.name.cmp(&two.name));
    let rows: Vec<JoinedView> = joined.into_iter().map(JoinedView::from).collect();
    print(&rows, form)
}

pub(super) async fn show(session: &Session, name: &ServiceName, form: Form) -> Result<(), Failure> {
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct View<'a> {
        #[serde(flatten)]
        joined: JoinedView,
        address: String,
        note: Option<&'a str>,
    }
    let joined = JoinedView::from(find(session, name).await?);
    let address = session.answer(session.manager.joined_address(name.as_str())).await?;
    let note = secret::take_text(session.answer(session.manager.joined_note(name.as_str())).await?).await?;
    print(&View { joined, address, note: Some(note.as_str()).filter(|note| !note.is_empty()) }, form)
}

pub(super) async fn leave(session: &Session, name: &ServiceName, yes: bool) -> Result<(), Failure> {
    let there = session.answer(session.manager.joined()).await?;
    // One that is not listed may be left half forgotten by a full disk: the controller knows.
    if !yes && there.iter().any(|joined| joined.name == name.as_str()) {
        let question =
            tr!("Leave \"{name}\"? You need a new invitation to join it again. Type its name to leave it: ", name);
        ask::for_word(&question, name.as_str(), Act::Remove).await?;
    }
    if !session.answer(session.manager.leave(name.as_str())).await? {
        return Err(unknown(name, there));
    }
    say(&tr!(
        "\"{name}\" and the key for it are forgotten. Its host can not see that; if the access is to end, tell them.",
        name
    ));
    Ok(())
}

/// A service of somebody else.
pub(super) async fn find(session: &Session, name: &ServiceName) -> Result<JoinedProperties, Failure> {
    let mut there = session.answer(session.manager.joined()).await?;
    match there.iter().position(|joined| joined.name == name.as_str()) {
        Some(at) => Ok(there.swap_remove(at)),
        None => Err(unknown(name, there)),
    }
}

fn unknown(name: &ServiceName, there: Vec<JoinedProperties>) -> Failure {
    let similar = similar(name.as_str(), there.into_iter().map(|joined| joined.name));
    Failure::NotJoined { name: name.clone(), similar }
}
