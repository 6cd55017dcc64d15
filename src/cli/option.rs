// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server set-option`, `get-option` and `reset-option`

use serde::Serialize;
use tails_server_state::{OptionName, ServiceName};
use tr::tr;
use zeroize::Zeroizing;

use crate::bus::api::ServiceProperties;
use crate::cli::ask;
use crate::cli::error::{Act, Failure};
use crate::cli::follow;
use crate::cli::output::{Form, now, print, print_line, time};
use crate::cli::persistence;
use crate::cli::secret;
use crate::cli::session::{Session, similar};
use crate::cli::show;
use crate::cli::source;
use crate::cli::talk::say;

const AUTHORIZATION: &str = "client-authorization";
const LOCAL_NETWORK: &str = "allow-lan";

pub(super) async fn get(session: &Session, name: &ServiceName, option: &OptionName, form: Form) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct View<'a> {
        option: &'a str,
        value: Option<String>,
    }
    let value = value(session, name, option).await?;
    match form {
        Form::Yaml => print_line(value.as_deref().unwrap_or_default()),
        Form::Json => print(&View { option: option.as_str(), value }, form),
    }
}

pub(super) async fn set(
    session: &Session,
    name: &ServiceName,
    option: &OptionName,
    value: &str,
    yes: bool,
) -> Result<(), Failure> {
    let given = if value == "-" { source::value().await? } else { Zeroizing::new(value.to_owned()) };
    let (_, _, services) = session.answer(session.manager.overview()).await?;
    let opens = option.as_str() == AUTHORIZATION && matches!(given.as_str(), "off" | "false");
    if opens && is_closed(session, name, services.get(name.as_str())).await? {
        warn_of_opening(name);
        if !yes {
            let question = tr!("Open \"{name}\" to everybody? Type its name to do it: ", name);
            ask::for_word(&question, name.as_str(), Act::Change).await?;
        }
    }
    if option.as_str() == LOCAL_NETWORK && matches!(given.as_str(), "on" | "true") {
        let before = services.get(name.as_str()).and_then(|service| service.allow_lan);
        if before != Some(true) {
            warn_of_local_network(name.as_str());
        }
    }
    // Nobody knows yet whether it is a secret.
    let handed = secret::hand_over(given.as_bytes())?;
    let changed = match session.answer(session.manager.set_secret_option(name.as_str(), option.as_str(), handed)).await
    {
        Ok(changed) => changed,
        Err(error) => return Err(session.failure(name, error).await),
    };
    if value != "-" {
        warn_of_arguments(session, name, option).await?;
    }
    come_about(session, name, option, changed, services.get(name.as_str())).await
}

/// Says where a secret is that was given on the command line.
async fn warn_of_arguments(session: &Session, name: &ServiceName, option: &OptionName) -> Result<(), Failure> {
    let known = session.answer(session.manager.options(name.as_str())).await?;
    if known.iter().any(|found| found.secret && found.name == option.as_str()) {
        say(&tr!(
            "Warning: the history of the shell keeps this secret, and other users could see it. Give - as its value instead, \
             and type it."
        ));
    }
    Ok(())
}

pub(super) async fn reset(session: &Session, name: &ServiceName, option: &OptionName) -> Result<(), Failure> {
    let (_, _, services) = session.answer(session.manager.overview()).await?;
    let changed = match session.answer(session.manager.reset_option(name.as_str(), option.as_str())).await {
        Ok(changed) => changed,
        Err(error) => return Err(session.failure(name, error).await),
    };
    come_about(session, name, option, changed, services.get(name.as_str())).await
}

/// Says what a changed option means, and waits until it is so. `before` is the service as it was, if it was remembered.
async fn come_about(
    session: &Session,
    name: &ServiceName,
    option: &OptionName,
    changed: bool,
    before: Option<&ServiceProperties>,
) -> Result<(), Failure> {
    tell(session, name, option, changed).await?;
    let after = show::service(session, name).await?;
    if option.as_str() == persistence::OPTION && changed {
        persistence::explain(session, name, before, &after).await?;
    }
    if option.as_str() == AUTHORIZATION && after.client_authorization {
        closed(session, name, &after).await?;
    }
    in_force(session, name, &after).await
}

/// Whether a service is for its clients alone: as it is remembered, or else as it would be once it is.
async fn is_closed(
    session: &Session,
    name: &ServiceName,
    remembered: Option<&ServiceProperties>,
) -> Result<bool, Failure> {
    if let Some(service) = remembered {
        return Ok(service.client_authorization);
    }
    let options = secret::options(session, name, false).await?;
    let found = options.into_iter().find(|found| found.name == AUTHORIZATION).and_then(|found| found.value);
    Ok(found.is_none_or(|value| !matches!(value.as_str(), "off" | "false")))
}

/// Waits until the server runs with what was remembered, if one runs.
async fn in_force(session: &Session, name: &ServiceName, service: &ServiceProperties) -> Result<(), Failure> {
    match (service.options_applied, service.state.as_str()) {
        (Some(false), "installing") => say(&tr!("It is used once its server is installed.")),
        (Some(false), _) => {
            follow::until_applied(session, name).await?;
            say(&tr!("Its server runs with it."));
        }
        (None | Some(true), _) => {}
    }
    Ok(())
}

/// Says what an option is now, unless it is a secret.
async fn tell(session: &Session, name: &ServiceName, option: &OptionName, changed: bool) -> Result<(), Failure> {
    let described = session.answer(session.manager.options(name.as_str())).await?;
    let found = described.into_iter().find(|found| found.name == option.as_str());
    match found {
        Some(found) if found.secret => {
            say(&if changed {
                tr!(
                    "{option} of \"{name}\" is changed. To see it: tails-server get-option {name} {option}",
                    option,
                    name
                )
            } else {
                tr!(
                    "{option} of \"{name}\" is unchanged. To see it: tails-server get-option {name} {option}",
                    option,
                    name
                )
            });
        }
        Some(found) => {
            let is = found.value.unwrap_or_default();
            say(&is_now(name, option, &is, changed));
        }
        None => {
            let is = value(session, name, option).await?.unwrap_or_default();
            say(&is_now(name, option, &is, changed));
        }
    }
    Ok(())
}

fn is_now(name: &ServiceName, option: &OptionName, value: &str, changed: bool) -> String {
    if changed {
        tr!("{option} of \"{name}\" is {value}.", option, name, value)
    } else {
        tr!("{option} of \"{name}\" is {value} already.", option, name, value)
    }
}

/// What it means that nobody but the clients can connect any more, once it is so.
async fn closed(session: &Session, name: &ServiceName, service: &ServiceProperties) -> Result<(), Failure> {
    if service.clients == 0 {
        say(&tr!(
            "It has no clients, and so it is withdrawn until you let somebody in: {command}",
            command = format!("tails-server invite {name} --for CLIENT")
        ));
    }
    follow::until_settled(session, name, &tr!("only the clients of \"{name}\" are to be let in", name)).await?;
    say(&tr!("Since {time} nobody is connected who is not one of its clients.", time = time(now())));
    Ok(())
}

fn warn_of_opening(name: &ServiceName) {
    say("");
    say(&tr!("WARNING: without client authorisation, knowing the address is enough to use this service."));
    for danger in [
        tr!("Whoever has learned the address can connect, all former clients included."),
        tr!(
            "Whoever knows the address and controls an entry guard of the Tor network can find out where this computer is."
        ),
    ] {
        say(&format!("  - {danger}"));
    }
    say("");
    say(&tr!("To end the access of one client alone: tails-server client remove {name} CLIENT", name));
    say("");
}

/// What it means that a service is open to the local network. Whoever sets this one option has said that it is to be so, and is
/// not asked: nobody gains what can not be taken back.
pub(super) fn warn_of_local_network(service: &str) {
    say(&tr!(
        "WARNING: \"{service}\" gets open to all computers in the local network: without Tor, without client authorisation, and \
         they see where it is.",
        service
    ));
}

/// The value of an option, as `set-option` takes it, secrets too.
async fn value(session: &Session, name: &ServiceName, option: &OptionName) -> Result<Option<String>, Failure> {
    let known = secret::options(session, name, false).await?;
    // Only what is asked for is revealed.
    let is_secret = known.iter().any(|found| found.secret && found.name == option.as_str());
    let described = if is_secret { secret::options(session, name, true).await? } else { known };
    if let Some(found) = described.iter().find(|found| found.name == option.as_str()) {
        return Ok(found.value.clone());
    }
    let common = if described.is_empty() { common(&show::service(session, name).await?, option) } else { None };
    let known = described.into_iter().map(|found| found.name).chain(COMMON.map(str::to_owned));
    common.map(Some).ok_or_else(|| Failure::UnknownOption {
        service: name.clone(),
        option: option.clone(),
        similar: similar(option.as_str(), known),
    })
}

/// The options of a port that is published as it is.
pub(super) const COMMON: [&str; 5] = [persistence::OPTION, "autostart", AUTHORIZATION, "max-streams", "pow"];

fn common(service: &ServiceProperties, option: &OptionName) -> Option<String> {
    let switch = |is_on| if is_on { "on" } else { "off" }.to_owned();
    match option.as_str() {
        persistence::OPTION => Some(switch(service.persistence)),
        "autostart" => Some(switch(service.autostart)),
        AUTHORIZATION => Some(switch(service.client_authorization)),
        "max-streams" => Some(service.max_streams.map_or_else(|| switch(false), |most| most.to_string())),
        "pow" => {
            let defence = service.proof_of_work.map(|(rate, burst)| format!("{rate}:{burst}"));
            Some(defence.unwrap_or_else(|| switch(false)))
        }
        _ => None,
    }
}
