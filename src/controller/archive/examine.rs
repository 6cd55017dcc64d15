// SPDX-License-Identifier: GPL-3.0-or-later
//! Comparing what a backup has with what is here, and choosing what of it is restored.

use tails_server_state::{
    Autostart, ClientName, ClientPublicKey, ClientSecretKey, HeldJoined, HeldRequest, HeldService, Holdings, NewClient,
    Persistence, ServiceKind, ServiceRecord, Store, Wish,
};
use zeroize::Zeroizing;

use super::{Existing, HeldKind, Restoration, RestoreMode, Verdict, Waking};
use crate::controller::error::RequestError;
use crate::controller::repertoire::Repertoire;

/// What is to be done about each thing of a backup, and the part of it that is to be restored, as it is to be.
pub(super) fn examine(
    store: &Store,
    repertoire: &Repertoire,
    backup: Holdings,
    mode: RestoreMode,
) -> Result<(Vec<Restoration>, Holdings), RequestError> {
    let here = store.holdings_beside(&backup)?;
    let mut restorations = Vec::new();
    let mut chosen = Holdings::default();
    for service in backup.services {
        let known = here.services.iter().find(|known| known.record.name() == service.record.name());
        let was_enabled = service.wish == Wish::Enabled;
        let service = as_restored(service, known, mode.wishes)?;
        let address = service.key.address();
        let other = here.services.iter().find(|other| other.key.address() == address);
        let (verdict, differences) = match (known, other) {
            (_, Some(other)) if other.record.name() != service.record.name() => {
                (Verdict::Taken(other.record.name().clone()), Vec::new())
            }
            (None, _) => (Verdict::New, Vec::new()),
            (Some(known), _) => compared(services(known, &service)),
        };
        let is_done = is_chosen(&verdict, mode.existing);
        let problem = match service.record.kind() {
            ServiceKind::Described(_) => repertoire.find(service.record.name()).err().map(|cause| cause.to_string()),
            ServiceKind::Published => None,
        };
        let is_enabled = if is_done { service.wish } else { known.map_or(Wish::Disabled, |known| known.wish) };
        let name = service.record.name().to_string();
        let is_enabled = is_enabled == Wish::Enabled;
        let kind = HeldKind::Service;
        restorations.push(Restoration { kind, name, verdict, differences, is_done, is_enabled, was_enabled, problem });
        if is_done {
            chosen.services.push(service);
        }
    }
    for joined in backup.joined {
        let known = here.joined.iter().find(|known| known.service.name == joined.service.name);
        let other = here.joined.iter().find(|other| other.service.address == joined.service.address);
        let (verdict, differences) = match (known, other) {
            (_, Some(other)) if other.service.name != joined.service.name => {
                (Verdict::Taken(other.service.name.clone()), Vec::new())
            }
            (None, _) => (Verdict::New, Vec::new()),
            (Some(known), _) => compared(joined_differences(known, &joined)),
        };
        let is_done = is_chosen(&verdict, mode.existing);
        restorations.push(passive(HeldKind::Joined, joined.service.name.to_string(), verdict, differences, is_done));
        if is_done {
            chosen.joined.push(joined);
        }
    }
    for request in backup.requests {
        let known = here.requests.iter().find(|known| known.name == request.name);
        let (verdict, differences) =
            known.map_or((Verdict::New, Vec::new()), |known| compared(requests(known, &request)));
        let is_done = is_chosen(&verdict, mode.existing);
        restorations.push(passive(HeldKind::Request, request.name.to_string(), verdict, differences, is_done));
        if is_done {
            chosen.requests.push(request);
        }
    }
    Ok((restorations, chosen))
}

/// A service as it is once it is restored: as enabled as it may be.
fn as_restored(service: HeldService, known: Option<&HeldService>, waking: Waking) -> Result<HeldService, RequestError> {
    let HeldService { record, key, wish, clients, options } = service;
    // With the same key here nobody is at risk who is not already.
    let known = known.filter(|known| known.key.address() == key.address());
    let here = known.map_or(Wish::Disabled, |known| known.wish);
    let (autostart, wish) = match (waking, wish) {
        (Waking::Awake, Wish::Enabled) => (record.autostart(), Wish::Enabled),
        (Waking::Awake, Wish::Disabled) => (record.autostart(), here),
        (Waking::Asleep, _) => {
            let autostart = known.map_or(Autostart::Off, |known| known.record.autostart());
            let fits = record.persistence() == Persistence::Kept;
            (if fits { autostart } else { Autostart::Off }, here)
        }
    };
    Ok(HeldService { record: record.with_autostart(autostart)?, key, wish, clients, options })
}

fn is_chosen(verdict: &Verdict, existing: Existing) -> bool {
    match verdict {
        Verdict::New => true,
        Verdict::Different => existing == Existing::IsReplaced,
        Verdict::Same | Verdict::Taken(_) => false,
    }
}

const fn passive(
    kind: HeldKind,
    name: String,
    verdict: Verdict,
    differences: Vec<&'static str>,
    is_done: bool,
) -> Restoration {
    let (is_enabled, was_enabled, problem) = (false, false, None);
    Restoration { kind, name, verdict, differences, is_done, is_enabled, was_enabled, problem }
}

/// The verdict about something that is here, from what is another.
fn compared<const N: usize>(differences: [(&'static str, bool); N]) -> (Verdict, Vec<&'static str>) {
    let differences: Vec<_> = differences.into_iter().filter_map(|(what, differs)| differs.then_some(what)).collect();
    (if differences.is_empty() { Verdict::Same } else { Verdict::Different }, differences)
}

fn services(here: &HeldService, backup: &HeldService) -> [(&'static str, bool); 11] {
    let (one, other): (&ServiceRecord, &ServiceRecord) = (&here.record, &backup.record);
    let (exposed, to_be) = (one.exposure(), other.exposure());
    let is_here = here.wish == Wish::Enabled;
    [
        // The PRF secret is part of the key, and not of the address.
        ("key", here.key.expose_expanded() != backup.key.expose_expanded()),
        ("ports", one.ports() != other.ports()),
        ("persistence", one.persistence() != other.persistence()),
        ("autostart", one.autostart() != other.autostart()),
        ("client-authorization", exposed.client_authorization != to_be.client_authorization),
        ("max-streams", exposed.max_streams != to_be.max_streams),
        ("pow", exposed.proof_of_work != to_be.proof_of_work),
        ("local-access", one.kind() != other.kind()),
        ("clients", clients(&here.clients) != clients(&backup.clients)),
        ("options", here.options != backup.options),
        ("enabled", here.key.address() == backup.key.address() && is_here != (backup.wish == Wish::Enabled)),
    ]
}

type Bytes = Option<Zeroizing<[u8; 32]>>;

fn clients(clients: &[NewClient]) -> Vec<(&ClientName, ClientPublicKey, bool)> {
    let mut all: Vec<_> =
        clients.iter().map(|client| (&client.name, client.key.public_key(), client.key.secret().is_some())).collect();
    all.sort();
    all
}

fn joined_differences(here: &HeldJoined, backup: &HeldJoined) -> [(&'static str, bool); 7] {
    let (one, other) = (&here.service, &backup.service);
    [
        ("address", one.address != other.address),
        ("key", secret(here.key.as_ref()) != secret(backup.key.as_ref())),
        ("ports", one.ports != other.ports),
        ("title", one.title != other.title),
        ("note", one.note != other.note),
        ("expires", one.expires != other.expires),
        ("persistence", one.persistence != other.persistence),
    ]
}

fn requests(here: &HeldRequest, backup: &HeldRequest) -> [(&'static str, bool); 2] {
    [
        ("key", secret(Some(&here.key)) != secret(Some(&backup.key))),
        ("persistence", here.persistence != backup.persistence),
    ]
}

fn secret(key: Option<&ClientSecretKey>) -> Bytes {
    key.map(|key| Zeroizing::new(*key.expose_bytes()))
}
