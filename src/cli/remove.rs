// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server remove`

use std::io::{IsTerminal, Write};

use tails_server_state::ServiceName;

use crate::cli::change;
use crate::cli::error::Failure;
use crate::cli::session::Session;
use crate::cli::talk::say;

pub(super) async fn remove(session: &Session, name: &ServiceName, yes: bool) -> Result<(), Failure> {
    let (_, _, services) = session.manager.overview().await?;
    // One that is not listed may be left half removed by a full disk: the controller knows.
    if services.contains_key(name.as_str()) {
        if !yes {
            confirm(name)?;
        }
        // Closed first, forgotten then: nothing may stay open that nobody remembers.
        change::withdraw(session, name).await?;
    }
    if let Err(error) = session.manager.remove(name.as_str()).await {
        return Err(session.failure(name, error).await);
    }
    say(&format!("\"{name}\", its address and its key are gone."));
    say(change::STAYING);
    Ok(())
}

fn confirm(name: &ServiceName) -> Result<(), Failure> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Err(Failure::CannotAsk);
    }
    let mut err = std::io::stderr();
    let question = format!("Remove \"{name}\"? Its address and key are lost for ever. Type its name to remove it: ");
    write!(err, "{question}").and_then(|()| err.flush()).map_err(Failure::System)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(Failure::System)?;
    if answer.trim() == name.as_str() { Ok(()) } else { Err(Failure::NotConfirmed) }
}
