// SPDX-License-Identifier: GPL-3.0-or-later
//! What Tor tells, as facts for the loop.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use tails_server_state::DescriptorId;

use crate::controller::{Bootstrap, BootstrapWarning, HiddenUpload, HsDir, TorFact};
use crate::torctl::{self, Event, HsDescAction, HsDescEvent};

/// The reason of Tor's that only uploads fail for.
const UPLOAD_FAILED: &str = "UPLOAD_REJECTED";

pub(super) fn bootstrap(phase: torctl::Bootstrap) -> Bootstrap {
    let warning = phase.problem.filter(|problem| problem.worth_telling);
    let warning = warning.map(|problem| BootstrapWarning { words: problem.warning, reason: problem.reason });
    Bootstrap { percent: phase.progress, summary: phase.summary, warning }
}

/// What an event says of the world; most events say nothing that matters.
pub(super) fn facts_of(event: Event) -> Option<TorFact> {
    match event {
        Event::Bootstrap(phase) => Some(TorFact::Bootstrap(bootstrap(phase))),
        Event::EnoughDirInfo => Some(TorFact::EnoughDirectory(true)),
        Event::NotEnoughDirInfo => Some(TorFact::EnoughDirectory(false)),
        Event::CircuitEstablished => Some(TorFact::Circuits(true)),
        Event::CircuitNotEstablished => Some(TorFact::Circuits(false)),
        Event::OnionAdded(address) => Some(TorFact::OnionAdded(address)),
        Event::HsDesc(event) => upload(event),
        Event::ConfChanged(changes) => changes
            .iter()
            .any(|(key, value)| key.eq_ignore_ascii_case("DisableNetwork") && value.as_deref() == Some("1"))
            .then_some(TorFact::Circuits(false)),
        Event::ClockSkew { seconds, .. } => Some(TorFact::ClockSkew(seconds)),
        Event::ClockJumped { .. } => Some(TorFact::ClockJumped),
        // A version that is newer than the recommended ones is somebody's choice, and no danger.
        Event::DangerousVersion { reason, .. } if reason.starts_with("NEW") => None,
        Event::DangerousVersion { recommended, .. } => Some(TorFact::DangerousVersion(recommended)),
        Event::NetworkLiveness(_) | Event::Signal { .. } | Event::Other { .. } => None,
    }
}

fn upload(event: HsDescEvent) -> Option<TorFact> {
    // Fetches fail by the same event, for other reasons: a visit of the own service from this computer, say.
    let rejected = event.reason.as_deref() == Some(UPLOAD_FAILED);
    let id = event.descriptor_id.as_deref().and_then(descriptor_id);
    match (event.action, event.address, event.hsdir.map(HsDir::from)) {
        (HsDescAction::Upload, Some(address), Some(hsdir)) => Some(TorFact::UploadBegun(address, hsdir, id?)),
        (HsDescAction::Uploaded, Some(address), Some(hsdir)) => Some(TorFact::UploadConfirmed(address, hsdir)),
        (HsDescAction::Failed, Some(address), Some(hsdir)) if rejected => {
            Some(TorFact::UploadFailed(address, hsdir, id))
        }
        (HsDescAction::Upload, ..) => Some(TorFact::UploadHidden(HiddenUpload::Begun)),
        (HsDescAction::Uploaded, ..) => Some(TorFact::UploadHidden(HiddenUpload::Confirmed)),
        (
            HsDescAction::Failed
            | HsDescAction::Created
            | HsDescAction::Requested
            | HsDescAction::Received
            | HsDescAction::Other,
            ..,
        ) => None,
    }
}

/// The blinded public key that Tor's name of a descriptor is the base64 of.
fn descriptor_id(text: &str) -> Option<DescriptorId> {
    let bytes = STANDARD_NO_PAD.decode(text).ok()?;
    Some(DescriptorId::from_bytes(bytes.try_into().ok()?))
}
