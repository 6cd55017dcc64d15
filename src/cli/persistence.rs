// SPDX-License-Identifier: GPL-3.0-or-later
//! What it means for a service that it is kept after a shutdown from here on, or is not any more.

use tails_server_state::ServiceName;
use tr::tr;

use crate::bus::api::ServiceProperties;
use crate::cli::error::Failure;
use crate::cli::session::Session;
use crate::cli::talk::say;

pub(super) const OPTION: &str = "persistence";

/// To be called once it is so. `before` is the service as it was, if it was remembered.
pub(super) async fn explain(
    session: &Session,
    name: &ServiceName,
    before: Option<&ServiceProperties>,
    after: &ServiceProperties,
) -> Result<(), Failure> {
    let (had, _) = session.answer(session.manager.catalog()).await?;
    let has_data = after.described && had.get(name.as_str()).is_some_and(|known| !known.persistent_paths.is_empty());
    let is_installed = after.installed == Some(true);
    if after.persistence {
        say(&tr!("Its address, its clients and its options survive a shutdown."));
        if has_data {
            say(&tr!(
                "So do its data from the moment its server runs with them on the persistent volume; those that it has \
                 already are copied there."
            ));
        }
        if !after.autostart {
            say(&tr!("To publish it by itself after a boot: tails-server set-option {name} autostart on", name));
        }
        return Ok(());
    }
    if before.is_some_and(|before| before.autostart) {
        say(&tr!("autostart of \"{name}\" is off, too: it needs persistence.", name));
    }
    say(&tr!("It is forgotten, address and all, when this computer shuts down."));
    if has_data && is_installed && before.is_some() {
        say(&tr!(
            "Its data on the persistent volume stay there, and are not used any more: its server goes on with those that it \
             had before. Once persistence is on again, those that it has then are kept, and the others stay beside them; \
             after a shutdown it goes on with the ones on the persistent volume."
        ));
        say(&tr!("To delete them: tails-server uninstall {name}", name));
    }
    Ok(())
}
