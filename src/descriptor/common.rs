// SPDX-License-Identifier: GPL-3.0-or-later
//! The options that every service has, without a word in its descriptor.

use std::num::NonZeroU16;

use super::finding::{Findings, Rule};
use super::read::{At, table, words};

words! {
    /// An option that every service has.
    pub enum CommonOption {
        /// The port of the onion service; of each further port: `virtual-port-NAME`.
        VirtualPort = "virtual-port",
        /// Whether configuration, data, key and address survive a reboot.
        Persistence = "persistence",
        /// Whether it is enabled after every boot. Needs persistence.
        Autostart = "autostart",
        /// Whether programs on this computer may connect without Tor.
        AllowLocalhost = "allow-localhost",
        /// Whether computers in the local network may connect without Tor.
        AllowLan = "allow-lan",
        /// Whether only authorised clients reach it.
        ClientAuthorization = "client-authorization",
        /// The most streams of a visitor.
        MaxStreams = "max-streams",
        /// Whether visitors solve puzzles when there are too many of them.
        Pow = "pow",
    }
}

impl CommonOption {
    /// Whether an option of a descriptor would be taken for a common one.
    #[must_use]
    pub fn reserves(name: &str) -> bool {
        Self::ALL.iter().any(|common| common.as_str() == name) || name.starts_with("virtual-port-")
    }
}

table! {
    /// Other defaults for the common options, and those that make no sense for the service.
    pub struct Common {
        /// Default of `persistence`.
        or(false) persistence: bool,
        /// Default of `autostart`.
        or(false) autostart: bool,
        /// Default of `allow-localhost`.
        or(true) allow_localhost: bool,
        /// Default of `allow-lan`.
        or(false) allow_lan: bool,
        /// Default of `client-authorization`.
        or(false) client_authorization: bool,
        /// Default of `max-streams`; without it there is no limit.
        optional max_streams: NonZeroU16,
        /// Default of `pow`.
        or(false) pow: bool,
        /// Options that this service does not have.
        many withhold: At<CommonOption>,
    }
}

impl Common {
    /// Whether the service has the option.
    #[must_use]
    pub fn offers(&self, option: CommonOption) -> bool {
        !self.withhold.iter().any(|withheld| withheld.value == option)
    }

    /// What the defaults contradict.
    pub(super) fn check(&self, span: &std::ops::Range<usize>, findings: &mut Findings) {
        if self.autostart && !self.persistence {
            findings
                .tell(Rule::CommonConflict, span, "autostart is on by default, and persistence is not")
                .hint("What is forgotten at shutdown can not start after a boot: set persistence = true, too");
        }
        for (number, withheld) in self.withhold.iter().enumerate() {
            let doubled = self.withhold.iter().take(number).any(|before| before.value == withheld.value);
            let is_on = match withheld.value {
                CommonOption::VirtualPort => false,
                CommonOption::Persistence => self.persistence,
                CommonOption::Autostart => self.autostart,
                // Withheld means off: so it must not be on without a word.
                CommonOption::AllowLocalhost => false,
                CommonOption::AllowLan => self.allow_lan,
                // Withheld means that it can not be changed.
                CommonOption::ClientAuthorization | CommonOption::MaxStreams | CommonOption::Pow => false,
            };
            let word = withheld.value.as_str();
            if doubled {
                findings.tell(Rule::CommonConflict, &withheld.span, format!("\"{word}\" is withheld twice"));
            } else if is_on {
                findings
                    .tell(Rule::CommonConflict, &withheld.span, format!("\"{word}\" is on by default and withheld"))
                    .hint("Take one of the two out");
            } else if matches!(withheld.value, CommonOption::ClientAuthorization) && !self.client_authorization {
                findings
                    .tell(Rule::CommonConflict, &withheld.span, "nobody could close this service to strangers")
                    .hint("Withhold client-authorization only where it is on: client-authorization = true");
            }
        }
    }
}
