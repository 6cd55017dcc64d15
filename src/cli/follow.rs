// SPDX-License-Identifier: GPL-3.0-or-later
//! Following a service until it is where it should be.

use std::time::Duration;

use futures_util::StreamExt;
use tails_server_state::ServiceName;
use tr::tr;

use crate::bus::api::{ServiceChangedStream, ServiceProperties, ServiceRemovedStream, TorChangedStream, TorProperties};
use crate::cli::error::{Failure, Refusal};
use crate::cli::interrupt::interrupted;
use crate::cli::session::Session;
use crate::cli::talk::{Progress, Stage, say};

/// How long an access may take to end. Tor withdraws a service and closes its circuits within a second.
const SETTLE_PATIENCE: Duration = Duration::from_secs(15);

/// How long it may take until a server runs with another option. Most take two seconds, on a slow USB stick a few more.
const APPLY_PATIENCE: Duration = Duration::from_secs(60);

/// Waits until the service is published, showing where it is; gives up after `patience`, or on Ctrl-C.
pub(super) async fn until_published(
    session: &Session,
    name: &ServiceName,
    patience: Option<Duration>,
) -> Result<ServiceProperties, Failure> {
    let mut follower = Follower::subscribe(session).await?;
    // One look in any case: without it nobody could say what is missing.
    let first = look(session, name).await?;
    let mut last = whereabouts(&first.0, &first.1).text;
    let waiting = follower.wait(name, first, &mut last, |service, tor| match service.state.as_str() {
        "published" => Verdict::There,
        "failed" => Verdict::Never,
        _ if !service.enabled => Verdict::Unwanted,
        _ => Verdict::NotYet(whereabouts(service, tor)),
    });
    let gave_up = tokio::select! {
        ended = waiting => return ended,
        () = pause(patience) => tr!("Stopped waiting: the time is up."),
        () = interrupted() => tr!("Stopped waiting: interrupted."),
    };
    say(&gave_up);
    Err(Failure::NotYet { name: name.clone(), state: last })
}

/// Waits until nothing of the service is up.
pub(super) async fn until_withdrawn(
    session: &Session,
    name: &ServiceName,
    patience: Duration,
) -> Result<ServiceProperties, Failure> {
    let mut follower = Follower::subscribe(session).await?;
    let mut last = String::new();
    let waiting = async {
        let first = look(session, name).await?;
        let judge = |service: &ServiceProperties, tor: &TorProperties| match service.state.as_str() {
            // Without a Tor nobody can say more.
            // A Tor that is not ready can not say more.
            "disabled" if service.access_settled || !tor.connected || tor.bootstrap < 100 => Verdict::There,
            "failed" => Verdict::Never,
            _ => Verdict::NotYet(whereabouts(service, tor)),
        };
        follower.wait(name, first, &mut last, judge).await
    };
    let withdrawn = tokio::select! {
        withdrawn = waiting => Some(withdrawn),
        () = tokio::time::sleep(patience) => None,
        () = interrupted() => {
            return Err(Failure::GoesOn { what: tr!("service \"{name}\" is not withdrawn yet", name), name: name.clone() });
        }
    };
    match withdrawn {
        Some(withdrawn) => withdrawn,
        None => {
            let message = match last.strip_prefix("stopping, ") {
                Some(problem) => tr!("service \"{name}\" is not withdrawn yet: {problem}", name, problem),
                None => tr!("service \"{name}\" is not withdrawn yet", name),
            };
            let hint = Some(tr!("It goes on by itself; `tails-server status {name}` says what it waits for", name));
            Err(Failure::Refused { message, hint, because: Refusal::Failed })
        }
    }
}

/// Waits until nobody is connected who should not be: after an access was ended, durably. `what` was ended, in words.
pub(super) async fn until_settled(
    session: &Session,
    service: &ServiceName,
    what: &str,
) -> Result<ServiceProperties, Failure> {
    let mut follower = Follower::subscribe(session).await?;
    let mut last = String::new();
    let waiting = async {
        let first = look(session, service).await?;
        let judge = |service: &ServiceProperties, _: &TorProperties| {
            if service.access_settled { Verdict::There } else { Verdict::NotYet(tr!("ending the access").into()) }
        };
        follower.wait(service, first, &mut last, judge).await
    };
    let settled = tokio::select! {
        settled = waiting => Some(settled),
        () = tokio::time::sleep(SETTLE_PATIENCE) => None,
        () = interrupted() => None,
    };
    settled.unwrap_or_else(|| Err(Failure::NotEnded { service: service.clone(), what: what.to_owned() }))
}

/// Waits until the server of a described service runs with the options as they are remembered.
pub(super) async fn until_applied(session: &Session, service: &ServiceName) -> Result<ServiceProperties, Failure> {
    let mut follower = Follower::subscribe(session).await?;
    let mut last = String::new();
    let waiting = async {
        let first = look(session, service).await?;
        let judge = |service: &ServiceProperties, tor: &TorProperties| match service.options_applied {
            None | Some(true) => Verdict::There,
            Some(false) if service.state == "failed" => Verdict::Never,
            Some(false) => Verdict::NotYet(whereabouts(service, tor)),
        };
        follower.wait(service, first, &mut last, judge).await
    };
    let applied = tokio::select! {
        applied = waiting => Some(applied),
        () = tokio::time::sleep(APPLY_PATIENCE) => None,
        () = interrupted() => None,
    };
    applied.unwrap_or_else(|| Err(Failure::NotApplied { service: service.clone(), state: last }))
}

/// Whether to go on waiting.
enum Verdict {
    /// It is where it should be.
    There,
    /// It will not be by itself.
    Never,
    /// It will not be before somebody enables it.
    Unwanted,
    /// Where it is meanwhile.
    NotYet(Stage),
}

/// All changes from the moment it was made. A look that follows it misses nothing, whenever the command was given.
///
/// Whoever has one takes its changes before asking for anything else: they come by the same way as the answers.
struct Follower {
    services: ServiceChangedStream,
    removals: ServiceRemovedStream,
    tor: TorChangedStream,
}

impl Follower {
    async fn subscribe(session: &Session) -> Result<Self, Failure> {
        Ok(Self {
            services: session.manager.receive_service_changed().await?,
            removals: session.manager.receive_service_removed().await?,
            tor: session.manager.receive_tor_changed().await?,
        })
    }

    async fn wait(
        &mut self,
        name: &ServiceName,
        (mut service, mut tor): (ServiceProperties, TorProperties),
        last: &mut String,
        judge: impl Fn(&ServiceProperties, &TorProperties) -> Verdict,
    ) -> Result<ServiceProperties, Failure> {
        let mut progress = Progress::begin();
        loop {
            match judge(&service, &tor) {
                Verdict::There => return Ok(service),
                Verdict::Never => {
                    let problem = service.problem.unwrap_or_default();
                    return Err(Failure::ServiceFailed { name: name.clone(), problem, hint: service.hint });
                }
                Verdict::Unwanted => return Err(Failure::Disabled(name.clone())),
                Verdict::NotYet(Stage { text, share }) => {
                    progress.show(Stage { text: format!("{name}: {text}"), share });
                    *last = text;
                }
            }
            tokio::select! {
                Some(changed) = self.services.next() => {
                    let changed = changed.args()?;
                    if changed.name == name.as_str() {
                        service = changed.properties.clone();
                    }
                }
                Some(removed) = self.removals.next() => {
                    if removed.args()?.name == name.as_str() {
                        return Err(Failure::RemovedMeanwhile(name.clone()));
                    }
                }
                Some(changed) = self.tor.next() => tor = changed.args()?.properties.clone(),
                else => return Err(Failure::ControllerEnded),
            }
        }
    }
}

/// The service and Tor as they are now.
async fn look(session: &Session, name: &ServiceName) -> Result<(ServiceProperties, TorProperties), Failure> {
    let (tor, _, mut services) = session.answer(session.manager.overview()).await?;
    match services.remove(name.as_str()) {
        Some(service) => Ok((service, tor)),
        None => Err(session.unknown(name).await),
    }
}

/// Where a service is on its way, in words for people.
fn whereabouts(service: &ServiceProperties, tor: &TorProperties) -> Stage {
    let summary = tor.summary.as_str();
    match (service.state.as_str(), &service.problem) {
        ("waiting-for-tor", None) => Stage {
            text: tr!("waiting for Tor, {percent} % ({summary})", percent = tor.bootstrap, summary = tr!(summary)),
            share: Some((tor.bootstrap.into(), 100)),
        },
        ("installing", None) => match &service.progress {
            Some((percent, what)) => {
                let what = what.as_str();
                Stage {
                    text: tr!("installing, {percent} % ({what})", percent, what = tr!(what)),
                    share: Some(((*percent).into(), 100)),
                }
            }
            None => tr!("installing").into(),
        },
        // Tor has it, and begins to hand it out.
        ("publishing", None) if service.uploads_attempted == 0 => "publishing".to_owned().into(),
        ("publishing", None) => {
            let (confirmed, attempted) = (service.uploads_confirmed, service.uploads_attempted);
            Stage {
                text: tr!("publishing, {confirmed} of {attempted} uploads confirmed", confirmed, attempted),
                share: Some((confirmed, attempted)),
            }
        }
        (state, None) => state.to_owned().into(),
        (state, Some(problem)) => {
            let problem = problem.as_str();
            format!("{state}, {}", tr!(problem)).into()
        }
    }
}

async fn pause(patience: Option<Duration>) {
    match patience {
        Some(patience) => tokio::time::sleep(patience).await,
        None => std::future::pending().await,
    }
}
