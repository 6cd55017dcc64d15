// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server remove` and `uninstall`

use tails_server_state::ServiceName;
use tr::tr;

use crate::bus::api::ApiError;
use crate::cli::ask;
use crate::cli::change;
use crate::cli::error::{Act, Failure};
use crate::cli::interrupt::interrupted;
use crate::cli::session::Session;
use crate::cli::talk::{Progress, say};

pub(super) async fn remove(session: &Session, name: &ServiceName, yes: bool) -> Result<(), Failure> {
    let (_, _, services) = session.answer(session.manager.overview()).await?;
    // One that is not listed may be left half removed by a full disk: the controller knows.
    let mut visitors = None;
    let known = services.get(name.as_str());
    let is_hosted = known.is_some_and(|service| service.described) && is_hosted(session, name).await?;
    if known.is_some() {
        if !yes {
            let question = if is_hosted {
                tr!(
                    "Remove \"{name}\"? Its address, its key and its data are gone for ever, and its server is uninstalled. Type \
                     its name to remove it: ",
                    name
                )
            } else {
                tr!("Remove \"{name}\"? Its address and key are lost for ever. Type its name to remove it: ", name)
            };
            ask::for_word(&question, name.as_str(), Act::Remove).await?;
        }
        // Closed first, forgotten then: nothing may stay open that nobody remembers.
        visitors = Some(change::withdraw(session, name).await?.visitors());
    }
    if let Err(error) = session.answer(session.manager.remove(name.as_str())).await {
        return Err(session.failure(name, error).await);
    }
    say(&tr!("\"{name}\", its address and its key are gone.", name));
    if let Some(visitors) = visitors {
        say(&visitors);
    }
    if !is_hosted {
        return Ok(());
    }
    // The removal stands, whatever becomes of this.
    match follow_uninstall(session, name).await {
        Ok(Uninstall::Done) => Ok(()),
        Ok(Uninstall::GoesOn) => Err(goes_on(name)),
        Err(ApiError::Postponed(_)) => {
            say(&tr!("Its server is uninstalled, and its data are deleted, as soon as the system's services answer."));
            Ok(())
        }
        Err(error) => Err(session.failure(name, error).await),
    }
}

/// Deletes the data of a service and what was installed for it.
pub(super) async fn uninstall(session: &Session, name: &ServiceName, yes: bool) -> Result<(), Failure> {
    let (_, _, services) = session.answer(session.manager.overview()).await?;
    if !yes {
        let question = tr!("Uninstall \"{name}\"? Its data are deleted for ever. Type its name to do it: ", name);
        ask::for_word(&question, name.as_str(), Act::Remove).await?;
    }
    if services.get(name.as_str()).is_some_and(|service| service.described) {
        change::withdraw(session, name).await?;
    }
    let uninstalled = match session.answer(session.manager.uninstall(name.as_str())).await {
        Ok(()) => follow_uninstall(session, name).await,
        Err(error) => Err(error),
    };
    match uninstalled {
        Ok(Uninstall::Done) => {}
        Ok(Uninstall::GoesOn) => return Err(goes_on(name)),
        Err(error) => return Err(session.failure(name, error).await),
    }
    if services.contains_key(name.as_str()) {
        say(&tr!("Its address and its options are kept. To forget them, too: tails-server remove {name}", name));
    }
    Ok(())
}

/// How uninstalling went.
enum Uninstall {
    Done,
    /// Nobody waits for it any more, and it is done nonetheless.
    GoesOn,
}

fn goes_on(name: &ServiceName) -> Failure {
    Failure::GoesOn { what: tr!("the server of \"{name}\" is not uninstalled yet", name), name: name.clone() }
}

/// Waits until a server is uninstalled, and says what was done.
async fn follow_uninstall(session: &Session, name: &ServiceName) -> Result<Uninstall, ApiError> {
    {
        let mut progress = Progress::begin();
        progress.show(tr!("uninstalling the server of \"{name}\"", name));
        tokio::select! {
            uninstalled = session.manager.await_uninstalled(name.as_str()) => uninstalled?,
            () = interrupted() => return Ok(Uninstall::GoesOn),
        }
    }
    let (had, _) = session.answer(session.manager.catalog()).await?;
    say(&if had.get(name.as_str()).is_some_and(|service| service.installed == Some(true)) {
        tr!(
            "The data of \"{name}\" are deleted. Its packages stay: they were there before, or something else needs them.",
            name
        )
    } else {
        tr!("The server of \"{name}\" is uninstalled, and its data are deleted.", name)
    });
    Ok(Uninstall::Done)
}

/// Whether the server of a described service is ours to uninstall. Of one that has no descriptor any more it was.
async fn is_hosted(session: &Session, name: &ServiceName) -> Result<bool, Failure> {
    let (had, _) = session.answer(session.manager.catalog()).await?;
    Ok(had.get(name.as_str()).is_none_or(|service| service.hosted))
}
