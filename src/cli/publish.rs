// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server publish`

use tails_server_state::{ClientName, ServiceName};
use tr::tr;

use crate::bus::api::PublishOptions;
use crate::cli::args::Publish;
use crate::cli::client;
use crate::cli::error::Failure;
use crate::cli::follow;
use crate::cli::output::Form;
use crate::cli::session::Session;
use crate::cli::show;
use crate::cli::talk::say;

pub(super) async fn publish(session: &Session, request: Publish, form: Form) -> Result<(), Failure> {
    let Publish { ports, name, persistent, autostart, private, clients, wait } = request;
    let targets: Vec<(u16, String)> =
        ports.iter().map(|mapping| (mapping.virtual_port.number(), mapping.target.to_string())).collect();
    let targets: Vec<(u16, &str)> = targets.iter().map(|(port, target)| (*port, target.as_str())).collect();
    let options = PublishOptions {
        name: name.map(String::from),
        persistence: Some(persistent),
        autostart: Some(autostart),
        client_authorization: Some(private),
        enabled: None,
    };
    let name = session.answer(session.manager.publish(&targets, options)).await?;
    let name: ServiceName = name.parse().map_err(|_| Failure::ControllerEnded)?;
    client::add_missing(session, &name, &clients).await?;
    let waited = if wait.wait { follow::until_published(session, &name, wait.timeout).await.map(drop) } else { Ok(()) };
    // It is remembered whatever became of the waiting.
    show::info(session, &name, show::Depth::default(), form).await?;
    let nobody = private && show::service(session, &name).await?.clients == 0;
    if nobody {
        say(&tr!("Nobody can connect, and it is not published, until you let somebody in:"));
        say(&format!("    {}", client::to_add(&name)));
    }
    explain(&name, persistent, autostart, nobody || wait.wait && waited.is_ok());
    if private && !nobody {
        let first = clients.first().map_or("CLIENT", ClientName::as_str);
        say(&tr!("Only its clients can connect. What a client needs to connect, which is a secret, you see with"));
        say(&format!("    tails-server client show {name} {first}"));
    }
    waited
}

/// What a person wants to know next: where it stands, how to undo it, and what a reboot does to it.
fn explain(name: &ServiceName, persistent: bool, autostart: bool, waited: bool) {
    if !waited {
        say(&tr!("\"{name}\" is published as soon as Tor and its server are ready; see it with", name));
        say(&format!("    tails-server status {name}"));
    }
    say(&match (persistent, autostart) {
        (false, _) => {
            tr!("It survives restarts of Tor, and is forgotten, address and all, when this computer shuts down.")
        }
        (true, false) => tr!("Its address survives a reboot; publish it again then with `tails-server enable`."),
        (true, true) => tr!("It is published again, at the same address, after every boot."),
    });
    if !persistent {
        say(&tr!("To keep it:     tails-server set-option {name} persistence on", name));
    }
    say(&tr!("To withdraw it: tails-server disable {name}", name));
    say(&tr!("To forget it:   tails-server remove {name}", name));
}
