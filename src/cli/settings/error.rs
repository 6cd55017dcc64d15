// SPDX-License-Identifier: GPL-3.0-or-later
//! Why settings can not be brought about.

use std::fmt;

use tails_server_state::ServiceName;
use tr::tr;

use crate::cli::talk::say;

/// Why settings can not be brought about. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum SettingsError {
    #[error("{}", tr!("the settings are for a newer Tails Server: they have version {version}", version))]
    TooNew { version: i64 },
    #[error("{0}")]
    One(Wrong),
    #[error("{}", tr!("the settings are wrong in one place; nothing was changed" | "the settings are wrong in {n} places; nothing was changed" % *.0))]
    Many(usize),
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) struct Wrong {
    pub(super) at: Place,
    pub(super) what: Flaw,
}

/// Where in the settings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) enum Place {
    /// From 1.
    Line(usize),
    /// In JSON, whose lines nobody wrote: the names that lead there.
    Path(String),
}

impl Default for Place {
    fn default() -> Self {
        Self::Line(1)
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Flaw {
    Form(String),
    UnknownOption { service: ServiceName, option: String, similar: Option<String> },
    Value { why: String, hint: Option<String> },
    OtherPorts { service: ServiceName, here: String },
    OtherKind { service: ServiceName },
    NoPorts { service: ServiceName },
}

impl SettingsError {
    /// For all that is wrong, which is something. More than one thing is said before.
    pub(super) fn of(mut wrong: Vec<Wrong>) -> Self {
        wrong.sort();
        match <[Wrong; 1]>::try_from(wrong) {
            Ok([one]) => Self::One(one),
            Err(wrong) => {
                for one in &wrong {
                    let (place, why) = (one.at.to_string(), one.what.to_string());
                    say(&match one.what.advice() {
                        Some(advice) => tr!("{place}: {why}. {advice}", place, why, advice),
                        None => tr!("{place}: {why}", place, why),
                    });
                }
                Self::Many(wrong.len())
            }
        }
    }

    pub(in crate::cli) fn hint(&self) -> String {
        match self {
            Self::One(wrong) => wrong.what.advice().unwrap_or_else(written),
            Self::Many(_) => written(),
            Self::TooNew { .. } => tr!("Import them with the version that exported them, or a later one"),
        }
    }
}

fn written() -> String {
    tr!("See `tails-server import-settings --help` for how they are written")
}

impl Wrong {
    pub(super) const fn new(at: Place, what: Flaw) -> Self {
        Self { at, what }
    }

    pub(super) const fn form(at: Place, why: String) -> Self {
        Self { at, what: Flaw::Form(why) }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = self.what.to_string();
        formatter.write_str(&match &self.at {
            Place::Line(line) => tr!("line {line} of the settings is wrong: {why}", line, why),
            Place::Path(path) => tr!("the settings are wrong at {path}: {why}", path, why),
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => formatter.write_str(&tr!("line {line}", line)),
            Self::Path(path) => formatter.write_str(path),
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&match self {
            Self::Form(why) | Self::Value { why, .. } => tr!(why),
            Self::UnknownOption { service, option, .. } => {
                tr!("service \"{service}\" has no option \"{option}\"", service, option)
            }
            Self::OtherPorts { service, here } => {
                tr!("service \"{service}\" has other ports here: {here}", service, here)
            }
            Self::OtherKind { service } => tr!(
                "service \"{service}\" is one of the catalogue here, and the settings publish a port under its name",
                service
            ),
            Self::NoPorts { service } => tr!(
                "the settings do not say which ports service \"{service}\" has, and it is not in the catalogue",
                service
            ),
        })
    }
}

impl Flaw {
    /// What to do about it, where that is not the same for all that is written wrongly.
    fn advice(&self) -> Option<String> {
        match self {
            Self::Form(_) => None,
            Self::Value { hint, .. } => hint.as_deref().map(|hint| tr!(hint)),
            Self::UnknownOption { service, similar: None, .. } => {
                Some(tr!("See `tails-server info {service} --details`", service))
            }
            Self::UnknownOption { service, similar: Some(similar), .. } => {
                Some(tr!("Did you mean \"{similar}\"? See `tails-server info {service} --details`", similar, service))
            }
            Self::OtherPorts { service, .. } | Self::OtherKind { service } => {
                Some(tr!("Change the settings, or remove the service first: tails-server remove {service}", service))
            }
            Self::NoPorts { .. } => {
                Some(tr!("Add a line such as ports = [\"80:8080\"]; the catalogue is in `tails-server list`"))
            }
        }
    }
}
