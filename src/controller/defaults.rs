// SPDX-License-Identifier: GPL-3.0-or-later
//! The defaults of the options that every service has.

use tails_server_state::{
    Allow, Autostart, Change, ClientAuthorization, MaxStreams, Persistence, ProofOfWork, ServiceName, Store,
};

use crate::controller::error::RequestError;
use crate::controller::handle::RecordChange;
use crate::controller::remember;
use crate::controller::repertoire::Repertoire;
use crate::descriptor::{Common, CommonOption};

/// Gives an option that every service has its default again; `None` if it is none of those, or a port.
pub(super) fn reset(
    store: &Store,
    repertoire: &Repertoire,
    name: &ServiceName,
    common: Option<&Common>,
    option: &str,
) -> Option<Result<Change, RequestError>> {
    let known = CommonOption::ALL.iter().find(|known| known.as_str() == option)?;
    let change = default(common, *known)?;
    let is_private = remember::find(store, name)
        .is_some_and(|service| service.record.exposure().client_authorization == ClientAuthorization::On);
    // Whoever opens a service says so.
    if is_private && change == RecordChange::ClientAuthorization(ClientAuthorization::Off) {
        return Some(Err(RequestError::WouldOpen(name.clone())));
    }
    Some(remember::change(store, repertoire, name, change))
}

/// The change that leads to the default: that of the descriptor, or that of a port that is published as it is.
fn default(common: Option<&Common>, option: CommonOption) -> Option<RecordChange> {
    let is_on = |of: fn(&Common) -> bool| common.is_some_and(of);
    let allow = |allowed| if allowed { Allow::Yes } else { Allow::No };
    Some(match option {
        // Each port has its own.
        CommonOption::VirtualPort => return None,
        CommonOption::Persistence => {
            let is_kept = is_on(|common| common.persistence);
            RecordChange::Persistence(if is_kept { Persistence::Kept } else { Persistence::Amnesic })
        }
        CommonOption::Autostart => {
            RecordChange::Autostart(if is_on(|common| common.autostart) { Autostart::On } else { Autostart::Off })
        }
        CommonOption::AllowLocalhost => RecordChange::AllowLocalhost(allow(is_on(|common| common.allow_localhost))),
        CommonOption::AllowLan => RecordChange::AllowLan(allow(is_on(|common| common.allow_lan))),
        CommonOption::ClientAuthorization => {
            let is_private = is_on(|common| common.client_authorization);
            let authorization = if is_private { ClientAuthorization::On } else { ClientAuthorization::Off };
            RecordChange::ClientAuthorization(authorization)
        }
        CommonOption::MaxStreams => {
            RecordChange::MaxStreams(common.and_then(|common| common.max_streams).map(MaxStreams::new))
        }
        CommonOption::Pow => RecordChange::ProofOfWork(is_on(|common| common.pow).then(ProofOfWork::default)),
    })
}
