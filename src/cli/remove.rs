// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server remove` and `uninstall`

use tails_server_state::ServiceName;

use crate::cli::ask;
use crate::cli::change;
use crate::cli::error::{Act, Failure};
use crate::cli::session::Session;
use crate::cli::talk::say;

pub(super) async fn remove(session: &Session, name: &ServiceName, yes: bool) -> Result<(), Failure> {
    let (_, _, services) = session.manager.overview().await?;
    // One that is not listed may be left half removed by a full disk: the controller knows.
    let mut visitors = None;
    let known = services.get(name.as_str());
    let is_installed = known.is_some_and(|service| service.described && service.installed == Some(true));
    if known.is_some() {
        if !yes {
            let question =
                format!("Remove \"{name}\"? Its address and key are lost for ever. Type its name to remove it: ");
            ask::for_word(&question, name.as_str(), Act::Remove)?;
        }
        // Closed first, forgotten then: nothing may stay open that nobody remembers.
        visitors = Some(change::withdraw(session, name).await?.visitors());
    }
    if let Err(error) = session.manager.remove(name.as_str()).await {
        return Err(session.failure(name, error).await);
    }
    say(&format!("\"{name}\", its address and its key are gone."));
    if is_installed {
        say(&format!("Its server stays installed, and its data stay: tails-server uninstall {name}"));
    }
    if let Some(visitors) = visitors {
        say(visitors);
    }
    Ok(())
}

/// Deletes the data of a service and what was installed for it.
pub(super) async fn uninstall(session: &Session, name: &ServiceName, yes: bool) -> Result<(), Failure> {
    let (_, _, services) = session.manager.overview().await?;
    if !yes {
        let question = format!("Uninstall \"{name}\"? Its data are deleted for ever. Type its name to do it: ");
        ask::for_word(&question, name.as_str(), Act::Remove)?;
    }
    if services.get(name.as_str()).is_some_and(|service| service.described) {
        change::withdraw(session, name).await?;
    }
    if let Err(error) = session.manager.uninstall(name.as_str()).await {
        return Err(session.failure(name, error).await);
    }
    say(&format!("The server of \"{name}\" is uninstalled, and its data are deleted."));
    if services.contains_key(name.as_str()) {
        say(&format!("Its address and its options are kept. To forget them, too: tails-server remove {name}"));
    }
    Ok(())
}
