// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server check`

use serde::Serialize;
use tails_server_state::ServiceName;
use tr::tr;

use crate::bus::api::CheckAnswer;
use crate::cli::args::Wait;
use crate::cli::error::Failure;
use crate::cli::follow;
use crate::cli::language::English;
use crate::cli::output::{Form, print};
use crate::cli::session::Session;
use crate::cli::show;
use crate::cli::talk::say;

/// What the network answered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Checked {
    name: String,
    found: bool,
    hsdir: String,
    asked_in_vain: u32,
    /// Nothing if it was not tried.
    reached: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reached_after_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

pub(super) async fn check(
    session: &Session,
    name: &ServiceName,
    wait: Wait,
    visit: bool,
    form: Form,
) -> Result<(), Failure> {
    if wait.wait {
        follow::until_published(session, name, wait.timeout).await?;
    } else if !show::service(session, name).await?.enabled {
        // For some hours HSDirs give back what they have of an earlier publication.
        return Err(Failure::Disabled(name.clone()));
    }
    let answer = match session.answer(session.manager.check(name.as_str(), visit)).await {
        Ok(answer) => answer,
        Err(error) => return Err(with_cause(session, name, session.failure(name, error).await).await),
    };
    let CheckAnswer { hsdir, asked_in_vain, visit, visit_milliseconds, problem } = answer;
    let reached = match visit.as_str() {
        "answered" => Some(true),
        "server-refused" | "failed" => Some(false),
        _ => None,
    };
    let reached_after_seconds = visit_milliseconds.map(|milliseconds| f64::from(milliseconds) / 1000.0);
    let english = English::for_programs(form);
    let problem =
        if visit == "server-refused" { Some(tr!("the server behind it did not take the connection")) } else { problem };
    let shown = Checked {
        name: name.to_string(),
        found: true,
        hsdir,
        asked_in_vain,
        reached,
        reached_after_seconds,
        problem: problem.clone(),
    };
    print(&shown, form)?;
    drop(english);
    say(&tr!("Visitors can find \"{name}\": a relay that they ask gave its descriptor back.", name));
    match (reached, problem) {
        (Some(true), _) => say(&tr!("They can reach it: a connection through Tor was taken by your server.")),
        (None, Some(why)) => {
            let why = why.as_str();
            say(&tr!("Whether they can reach it was not tried: {why}.", why = tr!(why)));
        }
        (None, None) => {}
        (Some(false), why) => {
            let at_server = visit == "server-refused";
            return Err(Failure::NotReached { name: name.clone(), why: why.unwrap_or_default(), at_server });
        }
    }
    Ok(())
}

/// What the controller knows to be wrong is a better hint than what may be wrong with any service.
async fn with_cause(session: &Session, name: &ServiceName, failure: Failure) -> Failure {
    let known = show::service(session, name).await.ok().and_then(|service| service.problem);
    match (failure, known) {
        (Failure::Refused { message, because, .. }, Some(problem)) => {
            let problem = problem.as_str();
            let hint = tr!(
                "It is not published: {problem}; `tails-server status {name}` says more",
                problem = tr!(problem),
                name
            );
            Failure::Refused { message, hint: Some(hint), because }
        }
        (failure, _) => failure,
    }
}
