// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server watch`

use std::os::fd::AsFd;

use futures_util::StreamExt;
use serde::Serialize;
use tokio::io::Interest;
use tokio::net::unix::pipe::Sender;
use tr::tr;

use crate::bus::api::{
    ApiError, JoinedChangedStream, JoinedProperties, JoinedRemovedStream, ServiceChangedStream, ServiceProperties,
    ServiceRemovedStream, TorChangedStream, TorProperties,
};
use crate::cli::error::Failure;
use crate::cli::interrupt::interrupted;
use crate::cli::output::{Form, now, print_line, time};
use crate::cli::session::Session;
use crate::cli::terminal::harmless;

/// One line of `watch --json`.
#[derive(Debug, Serialize)]
struct Told<'a> {
    /// When this program learned of it.
    time: String,
    /// Whether it is how things are, and no change.
    present: bool,
    #[serde(flatten)]
    change: Change<'a>,
}

/// What is told of.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "change")]
enum Change<'a> {
    #[serde(rename_all = "kebab-case")]
    Service {
        name: &'a str,
        state: &'a str,
        running: bool,
        published: bool,
        uploads_confirmed: u32,
        uploads_attempted: u32,
        next_uploads_confirmed: u32,
        next_uploads_attempted: u32,
        evidence: &'a str,
        since: String,
        healed: u32,
        clients: u32,
        access_settled: bool,
        problem: Option<&'a str>,
    },
    Removed {
        name: &'a str,
    },
    #[serde(rename_all = "kebab-case")]
    Joined {
        name: &'a str,
        ready: bool,
        problem: Option<&'a str>,
    },
    Left {
        name: &'a str,
    },
    #[serde(rename_all = "kebab-case")]
    Tor {
        online: bool,
        connected: bool,
        bootstrap: u8,
        summary: &'a str,
        problem: Option<&'a str>,
        warnings: Vec<&'a str>,
    },
}

/// Tells how things are, and then of each change.
pub(super) async fn watch(session: &Session, form: Form) -> Result<(), Failure> {
    // From here on no change is missed; one that comes before the look below is told twice.
    let changes = Changes::subscribe(session).await?;
    present(session, form).await?;
    tokio::select! {
        ended = changes.tell(form) => ended,
        () = interrupted() => Ok(()),
        // Whoever read it has read enough, and the next change may be hours away.
        () = reader_gone() => Ok(()),
    }
}

/// All changes from the moment it was made.
struct Changes {
    services: ServiceChangedStream,
    removals: ServiceRemovedStream,
    tor: TorChangedStream,
    joined: JoinedChangedStream,
    left: JoinedRemovedStream,
}

impl Changes {
    async fn subscribe(session: &Session) -> Result<Self, Failure> {
        Ok(Self {
            services: session.manager.receive_service_changed().await?,
            removals: session.manager.receive_service_removed().await?,
            tor: session.manager.receive_tor_changed().await?,
            joined: session.manager.receive_joined_changed().await?,
            left: session.manager.receive_joined_removed().await?,
        })
    }

    /// Tells of each, until the controller ends.
    async fn tell(mut self, form: Form) -> Result<(), Failure> {
        loop {
            tokio::select! {
                changed = self.services.next() => {
                    let changed = changed.ok_or(Failure::ControllerEnded)?;
                    let changed = changed.args()?;
                    line(service(&changed.name, &changed.properties), When::Now, form)?;
                }
                removed = self.removals.next() => {
                    let removed = removed.ok_or(Failure::ControllerEnded)?;
                    line(Change::Removed { name: &removed.args()?.name }, When::Now, form)?;
                }
                changed = self.tor.next() => {
                    let changed = changed.ok_or(Failure::ControllerEnded)?;
                    line(tor_change(&changed.args()?.properties), When::Now, form)?;
                }
                changed = self.joined.next() => {
                    let changed = changed.ok_or(Failure::ControllerEnded)?;
                    line(joined_change(&changed.args()?.properties), When::Now, form)?;
                }
                removed = self.left.next() => {
                    let removed = removed.ok_or(Failure::ControllerEnded)?;
                    line(Change::Left { name: &removed.args()?.name }, When::Now, form)?;
                }
            }
        }
    }
}

/// How things are, so that whoever reads it knows what the changes begin from.
async fn present(session: &Session, form: Form) -> Result<(), Failure> {
    let (tor, _, services) = session.answer(session.manager.overview()).await?;
    let mut joined = match session.answer(session.manager.joined()).await {
        // What somebody joined is not for everybody to know; all the rest is.
        Err(ApiError::NotAuthorized(_)) => Vec::new(),
        joined => joined?,
    };
    line(tor_change(&tor), When::Before, form)?;
    let mut services: Vec<_> = services.iter().collect();
    services.sort_by_key(|(name, _)| *name);
    for (name, properties) in services {
        line(service(name, properties), When::Before, form)?;
    }
    joined.sort_by(|one, two| one.name.cmp(&two.name));
    for properties in &joined {
        line(joined_change(properties), When::Before, form)?;
    }
    Ok(())
}

/// When what is told of came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    Now,
}

/// Until standard output is a pipe that nobody reads any more.
async fn reader_gone() {
    // A file has no reader who goes, and can not be waited for.
    let output =
        std::io::stdout().as_fd().try_clone_to_owned().and_then(|output| Sender::from_file_unchecked(output.into()));
    if let Ok(output) = output
        && output.ready(Interest::ERROR).await.is_ok_and(|ready| ready.is_error() || ready.is_write_closed())
    {
        return;
    }
    std::future::pending().await
}

fn service<'a>(name: &'a str, properties: &'a ServiceProperties) -> Change<'a> {
    Change::Service {
        name,
        state: &properties.state,
        running: properties.running,
        published: properties.state == "published",
        uploads_confirmed: properties.uploads_confirmed,
        uploads_attempted: properties.uploads_attempted,
        next_uploads_confirmed: properties.other_confirmed,
        next_uploads_attempted: properties.other_attempted,
        evidence: &properties.evidence,
        since: time(properties.since),
        healed: properties.healed,
        clients: properties.clients,
        access_settled: properties.access_settled,
        problem: properties.problem.as_deref(),
    }
}

fn tor_change(properties: &TorProperties) -> Change<'_> {
    Change::Tor {
        online: properties.online,
        connected: properties.connected,
        bootstrap: properties.bootstrap,
        summary: &properties.summary,
        problem: properties.problem.as_deref(),
        warnings: properties.warnings.iter().map(|(problem, _)| problem.as_str()).collect(),
    }
}

fn joined_change(properties: &JoinedProperties) -> Change<'_> {
    Change::Joined { name: &properties.name, ready: properties.ready, problem: properties.problem.as_deref() }
}

fn line(change: Change<'_>, when: When, form: Form) -> Result<(), Failure> {
    let time = time(now());
    let text = match form {
        Form::Json => {
            let told = Told { time, present: when == When::Before, change };
            serde_json::to_string(&told).map_err(|cause| Failure::Print(cause.into()))?
        }
        Form::Yaml => harmless(&format!("{time} {}", in_words(&change))),
    };
    print_line(&text)
}

fn in_words(change: &Change<'_>) -> String {
    let with = |text: String, problem: Option<&str>| match problem {
        Some(problem) => format!("{text} ({})", tr!(problem)),
        None => text,
    };
    match change {
        Change::Service {
            name,
            state,
            uploads_confirmed,
            uploads_attempted,
            next_uploads_confirmed,
            next_uploads_attempted,
            access_settled,
            problem,
            ..
        } => {
            let current = format!("{uploads_confirmed}/{uploads_attempted}");
            let next = format!("{next_uploads_confirmed}/{next_uploads_attempted}");
            let text = if *access_settled {
                tr!("{name} {state} {current}, next {next}", name, state, current, next)
            } else {
                tr!("{name} {state} {current}, next {next}, an access is ending", name, state, current, next)
            };
            with(text, *problem)
        }
        Change::Removed { name } => tr!("{name} removed", name),
        Change::Joined { name, ready, problem } => {
            let text = if *ready { tr!("{name} joined, ready", name) } else { tr!("{name} joined, not ready", name) };
            with(text, *problem)
        }
        Change::Left { name } => tr!("{name} left", name),
        Change::Tor { online, connected, bootstrap, problem, warnings, .. } => {
            let mut text = match (connected, online) {
                (false, _) => tr!("Tor not connected {percent} %", percent = bootstrap),
                (true, false) => tr!("Tor not online {percent} %", percent = bootstrap),
                (true, true) => tr!("Tor online {percent} %", percent = bootstrap),
            };
            for warning in warnings {
                text.push_str(&format!(", {}", tr!(warning)));
            }
            with(text, *problem)
        }
    }
}
