// SPDX-License-Identifier: GPL-3.0-or-later
//! What the helper tells in its files: how its last act ended, and how far the one under way has come.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::controller::{ActKind, Applied, Digest, Digests, LastWords, Progress};

/// The format that is understood.
const FORMAT: u32 = 1;
/// The most that is read of such a file.
pub(super) const MAX_BYTES: u64 = 64 * 1024;

/// How the last act for a service ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Outcome {
    format: u32,
    pub(super) act: String,
    result: String,
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) hint: Option<String>,
    #[serde(default)]
    pub(super) unit: Option<String>,
    #[serde(default)]
    digest: Option<String>,
    #[serde(default)]
    descriptor: Option<String>,
    #[serde(default)]
    pub(super) probes: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) log: LastWords,
    /// False if it has to be installed again, whatever dpkg says.
    #[serde(default = "yes")]
    pub(super) installed: bool,
}

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct Stage {
    percent: u8,
    #[serde(default)]
    what: String,
}

impl Outcome {
    /// From the text of the file; `None` for what was written by a helper that we do not understand.
    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str::<Self>(text).ok().filter(|outcome| outcome.format == FORMAT)
    }

    pub(super) fn is_done(&self) -> bool {
        self.result == "done"
    }

    /// Whether its act has not said how it ended.
    pub(super) fn is_begun(&self) -> bool {
        self.result == "begun"
    }

    fn digests(&self) -> Option<Digests> {
        let read = |text: &Option<String>| Digest::from_hex(text.as_deref()?);
        Some(Digests { wishes: read(&self.digest)?, descriptor: read(&self.descriptor)? })
    }

    /// What is in force after it, as far as it says.
    pub(super) fn applied(&self) -> Applied {
        let act = ActKind::ALL.into_iter().find(|act| act.as_str() == self.act);
        match (act, self.is_done()) {
            (Some(ActKind::Apply), true) => self.digests().map_or(Applied::Unknown, Applied::Wishes),
            // An installation starts nothing, whether it succeeds or not.
            (Some(ActKind::Install), _) | (Some(ActKind::Withdraw | ActKind::Uninstall), true) => Applied::Nothing,
            (Some(ActKind::Apply | ActKind::Withdraw | ActKind::Uninstall), false) | (None, _) => Applied::Unknown,
        }
    }
}

/// How far an act has come, from the text of the file.
pub(super) fn progress(text: &str) -> Option<Progress> {
    let stage: Stage = serde_json::from_str(text).ok()?;
    Some(Progress { percent: stage.percent.min(100), what: stage.what })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(act: &str, result: &str, more: &str) -> Outcome {
        Outcome::parse(&format!(r#"{{"format":1,"act":"{act}","result":"{result}","message":"m","hint":null{more}}}"#))
            .unwrap()
    }

    #[test]
    fn what_is_in_force_follows_from_the_last_act_and_what_is_not_certain_is_unknown() {
        let digest = Digest::from_bytes([7; 32]);
        let digests = Digests { wishes: digest, descriptor: Digest::from_bytes([8; 32]) };
        let wishes = format!(r#","digest":"{}""#, digest.hex());
        let unit = r#""unit":"mumble-server.service","probes":{"a":"b"}"#;
        let more = format!(r#"{wishes},"descriptor":"{}",{unit}"#, digests.descriptor.hex());
        for (act, result, more, applied) in [
            ("apply", "done", more.as_str(), Applied::Wishes(digests)),
            ("apply", "done", wishes.as_str(), Applied::Unknown),
            ("apply", "begun", more.as_str(), Applied::Unknown),
            ("apply", "done", "", Applied::Unknown),
            ("apply", "done", r#","digest":"xx""#, Applied::Unknown),
            ("apply", "failed", more.as_str(), Applied::Unknown),
            ("install", "failed", "", Applied::Nothing),
            ("install", "done", "", Applied::Nothing),
            ("withdraw", "done", "", Applied::Nothing),
            ("withdraw", "failed", "", Applied::Unknown),
            ("uninstall", "done", "", Applied::Nothing),
            ("dance", "done", "", Applied::Unknown),
        ] {
            assert_eq!(outcome(act, result, more).applied(), applied, "{act} {result} {more}");
        }
        assert_eq!(outcome("apply", "failed", r#","log":["a","b"]"#).log.expose_lines(), ["a", "b"]);
        assert!(outcome("apply", "failed", "").installed);
        assert!(!outcome("apply", "failed", r#","installed":false"#).installed);
        for wrong in ["", "{}", "[]", r#"{"format":2,"act":"apply","result":"done"}"#] {
            assert_eq!(Outcome::parse(wrong), None, "{wrong}");
        }
        let told = progress(r#"{"act":"install","percent":43,"what":"mumble-server"}"#).unwrap();
        assert_eq!((told.percent, told.what.as_str()), (43, "mumble-server"));
        assert!(progress("{").is_none());
    }
}
