// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server log`: what the server of a service and the controller wrote about it, by time, without secrets.

mod journal;
mod learning;
mod line;
mod redact;
mod source;

use std::collections::BTreeSet;
use std::pin::pin;

use tails_server_state::ServiceName;
use tokio::sync::mpsc;
use tr::tr;
use zeroize::Zeroizing;

use self::learning::Learning;
use self::line::Line;
pub(super) use self::redact::Redactor;
use self::source::Source;
use crate::bus::api::{BusAddress, Secrets};
use crate::cli::args::Log;
use crate::cli::error::{Failure, Refusal};
use crate::cli::interrupt::interrupted;
use crate::cli::output::Form;
use crate::cli::secret;
use crate::cli::session::{ANSWER_PATIENCE, Questions, Session};
use crate::cli::talk::say;

/// New lines that may wait to be printed.
const LINES_WAITING: usize = 256;

pub(super) async fn log(bus: Option<BusAddress>, request: &Log, form: Form) -> Result<(), Failure> {
    let name = &request.name;
    let (sources, mut redactor, mut learning) = match Session::connect(bus, ANSWER_PATIENCE, Questions::OfRight).await {
        Ok(session) => {
            let session = session.with_agent().await;
            let sources = sources(&session, name).await?;
            let mut learning = Learning::begin(session, name).await?;
            let mut redactor = Redactor::knowing([]);
            learning.learn(&mut redactor, request).await?;
            (sources, redactor, Some(learning))
        }
        // What it wrote before it ended may be why.
        Err(Failure::NotRunning(_) | Failure::OwnEnded(_)) => {
            say(&tr!(
                "The controller does not run: neither the server of \"{name}\" nor its passwords are known.",
                name
            ));
            say(&tr!("What follows is what the system's controller wrote; there may be more in its log."));
            (vec![Source::of_system_controller(name)], Redactor::knowing([]), None)
        }
        Err(failure) => return Err(failure),
    };
    // Before the lines that are there: none falls between the two.
    let (tell, mut told) = mpsc::channel(LINES_WAITING);
    let following = if request.follow { journal::follow_all(&sources, &tell)? } else { Vec::new() };
    drop(tell);
    let mut lines = Vec::new();
    for source in &sources {
        lines.extend(source.lines(request.lines).await?);
    }
    lines.sort_by_key(|line| line.microseconds);
    let most = usize::try_from(request.lines).unwrap_or(usize::MAX);
    let lines = lines.split_off(lines.len().saturating_sub(most));
    if lines.is_empty() && !request.follow {
        say(&tr!("Nobody has written anything about \"{name}\".", name));
    }
    let seen: BTreeSet<String> = lines.iter().filter_map(|line| line.cursor.clone()).collect();
    lines.iter().try_for_each(|line| line.print(&redactor, form))?;
    let mut interrupted = pin!(interrupted());
    if !request.follow {
        return Ok(());
    }
    loop {
        let changes = async {
            match &mut learning {
                Some(learning) => learning.listen().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // What has changed is known before a line that may come of it.
            biased;
            ended = changes => return Err(ended),
            line = told.recv() => match (line, &mut learning) {
                (Some(line), _) if line.cursor.as_ref().is_some_and(|cursor| seen.contains(cursor)) => {}
                (Some(line), Some(learning)) => learning.print(&line, &mut redactor, request, form).await?,
                (Some(line), None) => line.print(&redactor, form)?,
                (None, _) => return Err(Failure::JournalEnded),
            },
            () = &mut interrupted => {
                drop(following);
                return Ok(());
            }
        }
    }
}

/// Where it is written what its server does, and what the controller does about it.
async fn sources(session: &Session, name: &ServiceName) -> Result<Vec<Source>, Failure> {
    let diagnosis = session.diagnosis().await?;
    let (_, _, services) = session.answer(session.manager.overview()).await?;
    let parts = session.answer(diagnosis.parts(name.as_str())).await?;
    if parts.units.is_empty() && !services.contains_key(name.as_str()) {
        return Err(session.unknown(name).await);
    }
    let about = session.answer(diagnosis.about()).await?;
    let server = (!parts.units.is_empty() && !about.personal).then_some(Source::Units(parts.units));
    let controller = source::of_controller(&about, name)
        .inspect_err(|why| say(&tr!("What the controller wrote is not shown: {why}.", why)));
    Ok(server.into_iter().chain(controller.ok()).collect())
}

/// The secrets of a service, as far as this person may know them.
async fn known_secrets(session: &Session, request: &Log) -> Result<Vec<Zeroizing<String>>, Failure> {
    let name = &request.name;
    match secret::secrets(session, name).await {
        Ok(Secrets { options, link, lines }) => {
            let values = options.into_values().chain(link).chain(lines.into_iter().map(|(_, value)| value));
            Ok(values.map(Zeroizing::new).collect())
        }
        // One of the catalogue that nobody has enabled has no secrets yet.
        Err(Failure::Unknown { .. }) => Ok(Vec::new()),
        Err(failure) if !request.unredacted => Err(unknown_secrets(name, failure)),
        Err(_) => {
            say(&tr!(
                "Warning: the passwords of \"{name}\" are not known to you, and are not looked for in its log.",
                name
            ));
            Ok(Vec::new())
        }
    }
}

/// What nobody can look for would be shown to whoever is shown the log.
fn unknown_secrets(name: &ServiceName, failure: Failure) -> Failure {
    if !matches!(failure, Failure::Refused { because: Refusal::NotAllowed, .. }) {
        return failure;
    }
    Failure::Refused {
        message: tr!("the passwords of \"{name}\" are not for you to know, and may be in its log", name),
        hint: Some(tr!("Add --unredacted to see it nonetheless, and mind to whom you show it")),
        because: Refusal::NotAllowed,
    }
}
