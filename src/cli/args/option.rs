// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server set-option` and `get-option`

use std::fmt;

use clap::ValueEnum;

/// An option of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OptionName {
    /// Publish again after every boot: on or off
    Autostart,
    /// Let in only the clients that were added: on or off
    ClientAuthorization,
    /// The most streams that a visitor may have open: 1 to 65535, or off
    MaxStreams,
    /// Have visitors solve puzzles when there are too many: on, off or RATE:BURST in requests a second and at once
    Pow,
}

impl OptionName {
    pub(in crate::cli) const fn as_str(self) -> &'static str {
        match self {
            Self::Autostart => "autostart",
            Self::ClientAuthorization => "client-authorization",
            Self::MaxStreams => "max-streams",
            Self::Pow => "pow",
        }
    }
}

impl fmt::Display for OptionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

pub(super) const SET_HELP: &str = "\
Options:
  autostart             on, off         publish it again after every boot (needs --persistent when it is published)
  client-authorization  on, off         let in only the clients that were added
  max-streams           1..65535, off   the most streams of a visitor; whoever opens more is disconnected
  pow                   on, off, RATE:BURST   have visitors solve puzzles when there are too many of them

Examples:
  tails-server set-option web client-authorization on
  tails-server set-option web max-streams 100
  tails-server set-option web pow 250:2500";

pub(super) const GET_HELP: &str = "\
Examples:
  tails-server get-option web client-authorization   on or off";
