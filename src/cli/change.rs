// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server enable` and `disable`

use std::time::Duration;

use tails_server_state::ServiceName;
use tr::tr;

use crate::cli::args::Wait;
use crate::cli::error::Failure;
use crate::cli::follow;
use crate::cli::output::Form;
use crate::cli::session::Session;
use crate::cli::show::{self, Depth};
use crate::cli::talk::say;

/// Tor answers within milliseconds; longer means that it hangs, and then it is better to say so.
const WITHDRAW_PATIENCE: Duration = Duration::from_secs(10);

/// A server has 90 seconds to end by itself before systemd ends it.
const STOP_PATIENCE: Duration = Duration::from_secs(120);

/// How a withdrawal went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Withdrawn {
    /// Whether the wish was new.
    changed: bool,
    /// Whether nobody is connected any more.
    settled: bool,
}

impl Withdrawn {
    /// What has become of the visitors.
    pub(super) fn visitors(self) -> String {
        if self.settled {
            tr!("Nobody can connect, and visitors who were connected are disconnected now.")
        } else {
            tr!("Nobody can connect anew. Visitors who are connected are disconnected as soon as Tor answers.")
        }
    }
}

pub(super) async fn enable(session: &Session, name: &ServiceName, wait: Wait, form: Form) -> Result<(), Failure> {
    let changed = match session.answer(session.manager.enable(name.as_str())).await {
        Ok(changed) => changed,
        Err(error) => return Err(session.failure(name, error).await),
    };
    if wait.wait {
        follow::until_published(session, name, wait.timeout).await?;
        return show::info(session, name, Depth::default(), form).await;
    }
    say(&if changed {
        tr!("\"{name}\" is enabled; see how it is with `tails-server status {name}`.", name)
    } else {
        tr!("\"{name}\" is enabled already.", name)
    });
    Ok(())
}

pub(super) async fn disable(session: &Session, name: &ServiceName) -> Result<(), Failure> {
    let withdrawn = withdraw(session, name).await?;
    if withdrawn.changed {
        say(&tr!(
            "\"{name}\" is withdrawn; its address is kept. To publish it again: tails-server enable {name}",
            name
        ));
    } else {
        say(&tr!("\"{name}\" is disabled already.", name));
    }
    say(&withdrawn.visitors());
    Ok(())
}

/// Disables a service and waits until nothing of it is up.
pub(super) async fn withdraw(session: &Session, name: &ServiceName) -> Result<Withdrawn, Failure> {
    let changed = match session.answer(session.manager.disable(name.as_str())).await {
        Ok(changed) => changed,
        Err(error) => return Err(session.failure(name, error).await),
    };
    let is_described = show::service(session, name).await?.described;
    let patience = if is_described { STOP_PATIENCE } else { WITHDRAW_PATIENCE };
    let service = follow::until_withdrawn(session, name, patience).await?;
    Ok(Withdrawn { changed, settled: service.access_settled })
}
