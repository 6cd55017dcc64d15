// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server plan`

use serde::Serialize;
use tails_server_state::ServiceName;
use tr::tr;

use crate::bus::api::PlanProperties;
use crate::cli::error::Failure;
use crate::cli::language::English;
use crate::cli::output::{Form, print, time};
use crate::cli::session::Session;
use crate::cli::talk::say;

/// What needs nothing to be done.
const SETTLED: &str = "settled";

/// Something that is done, is next, or is waited for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct PlanView {
    service: Option<String>,
    stage: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<String>,
    what: String,
    why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl From<PlanProperties> for PlanView {
    fn from(told: PlanProperties) -> Self {
        let PlanProperties { service, stage, act, what, why, hint, until } = told;
        let (what, why, hint) = (what.as_str(), why.as_str(), hint.as_deref());
        let (what, why, hint) = (tr!(what), tr!(why), hint.map(|hint| tr!(hint)));
        Self { service, stage, act, what, why, hint, until: until.map(time) }
    }
}

pub(super) async fn plan(session: &Session, name: Option<&ServiceName>, form: Form) -> Result<(), Failure> {
    let mut told = session.answer(session.diagnosis().await?.plan()).await?;
    match name {
        Some(name) => {
            told.retain(|told| told.service.as_deref() == Some(name.as_str()));
            // One of the catalogue that nobody has enabled is known, and nothing is planned for it.
            if told.is_empty() && !session.answer(session.manager.catalog()).await?.0.contains_key(name.as_str()) {
                return Err(session.unknown(name).await);
            }
        }
        None => told.retain(|told| told.stage != SETTLED),
    }
    let is_done = told.iter().all(|told| told.stage == SETTLED);
    let english = English::for_programs(form);
    print(&told.into_iter().map(PlanView::from).collect::<Vec<_>>(), form)?;
    drop(english);
    if is_done {
        say(&tr!("There is nothing to do."));
    }
    Ok(())
}
