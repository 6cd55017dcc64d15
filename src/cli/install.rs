// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server install`

use tails_server_state::ServiceName;
use tr::tr;

use crate::cli::error::Failure;
use crate::cli::interrupt::interrupted;
use crate::cli::session::Session;
use crate::cli::talk::{Progress, say};

pub(super) async fn install(session: &Session, name: &ServiceName) -> Result<(), Failure> {
    let is_new = match session.answer(session.manager.install(name.as_str())).await {
        Ok(is_new) => is_new,
        Err(error) => return Err(session.failure(name, error).await),
    };
    if is_new {
        let mut progress = Progress::begin();
        progress.show(tr!("installing the server of \"{name}\"", name));
        tokio::select! {
            installed = session.manager.await_installed(name.as_str()) => if let Err(error) = installed {
                return Err(session.failure(name, error).await);
            },
            () = interrupted() => {
                let what = tr!("the server of \"{name}\" is not installed yet", name);
                return Err(Failure::GoesOn { what, name: name.clone() });
            }
        }
    }
    say(&if is_new {
        tr!("The server of \"{name}\" is installed. To start and publish it: tails-server enable {name}", name)
    } else {
        tr!("The server of \"{name}\" is installed already.", name)
    });
    Ok(())
}
