// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server remove`

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
    if services.contains_key(name.as_str()) {
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
    if let Some(visitors) = visitors {
        say(visitors);
    }
    Ok(())
}
