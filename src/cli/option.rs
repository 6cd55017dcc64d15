// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server set-option` and `get-option`

use serde::Serialize;
use tails_server_state::ServiceName;

use crate::bus::api::ServiceProperties;
use crate::cli::args::OptionName;
use crate::cli::ask;
use crate::cli::client;
use crate::cli::error::{Act, Failure};
use crate::cli::follow;
use crate::cli::output::{Form, now, print, print_line, time};
use crate::cli::session::Session;
use crate::cli::show;
use crate::cli::talk::say;

pub(super) async fn get(session: &Session, name: &ServiceName, option: OptionName, form: Form) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct View {
        option: &'static str,
        value: String,
    }
    let value = value(&show::service(session, name).await?, option);
    match form {
        Form::Yaml => print_line(&value),
        Form::Json => print(&View { option: option.as_str(), value }, form),
    }
}

pub(super) async fn set(
    session: &Session,
    name: &ServiceName,
    option: OptionName,
    value: &str,
    yes: bool,
) -> Result<(), Failure> {
    let before = show::service(session, name).await?;
    let opens = option == OptionName::ClientAuthorization && value == "off" && before.client_authorization;
    if opens {
        warn_of_opening(name);
        if !yes {
            let question = format!("Open \"{name}\" to everybody? Type its name to do it: ");
            ask::for_word(&question, name.as_str(), Act::Change)?;
        }
    }
    let changed = match session.manager.set_option(name.as_str(), option.as_str(), value).await {
        Ok(changed) => changed,
        Err(error) => return Err(session.failure(name, error).await),
    };
    let after = show::service(session, name).await?;
    let is = self::value(&after, option);
    say(&format!("{option} of \"{name}\" is {is}{}.", if changed { "" } else { " already" }));
    if option == OptionName::ClientAuthorization && after.client_authorization {
        closed(session, name, &after).await?;
    }
    Ok(())
}

/// What it means that nobody but the clients can connect any more, once it is so.
async fn closed(session: &Session, name: &ServiceName, service: &ServiceProperties) -> Result<(), Failure> {
    if service.clients == 0 {
        say(&format!("It has no clients, and so it is withdrawn until you let somebody in: {}", client::to_add(name)));
    }
    follow::until_settled(session, name, &format!("only the clients of \"{name}\" are to be let in")).await?;
    say(&format!("Since {} nobody is connected who is not one of its clients.", time(now())));
    Ok(())
}

fn warn_of_opening(name: &ServiceName) {
    for line in [
        "",
        "WARNING: without client authorisation, knowing the address is enough to use this service.",
        "  - Whoever has learned the address can connect, all former clients included.",
        "  - Whoever knows the address and controls an entry guard of the Tor network can find out where this computer is.",
        "",
    ] {
        say(line);
    }
    say(&format!("To end the access of one client alone: tails-server client remove {name} CLIENT"));
    say("");
}

/// The value of an option, as `set-option` takes it.
fn value(service: &ServiceProperties, option: OptionName) -> String {
    let switch = |is_on| if is_on { "on" } else { "off" }.to_owned();
    match option {
        OptionName::Autostart => switch(service.autostart),
        OptionName::ClientAuthorization => switch(service.client_authorization),
        OptionName::MaxStreams => service.max_streams.map_or_else(|| switch(false), |most| most.to_string()),
        OptionName::Pow => {
            service.proof_of_work.map_or_else(|| switch(false), |(rate, burst)| format!("{rate}:{burst}"))
        }
    }
}
