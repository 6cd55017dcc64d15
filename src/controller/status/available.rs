// SPDX-License-Identifier: GPL-3.0-or-later
//! What people see of the services that can be had here.

use std::collections::BTreeMap;

use tails_server_state::ServiceName;

use super::{Outlook, Problem};
use crate::controller::desired::Desired;
use crate::controller::observed::Observed;
use crate::controller::repertoire::Unavailable;

/// A service that can be had here, or could if something were otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Available {
    /// Its name for people.
    pub title: String,
    /// What it is, in some words.
    pub description: String,
    /// Whether its server is installed; `None` while nobody knows.
    pub installed: Option<bool>,
    /// Why it can not be had.
    pub problem: Option<Problem>,
}

/// The services of the catalogue.
pub(super) fn available(desired: &Desired, observed: &Observed) -> BTreeMap<ServiceName, Available> {
    let repertoire = desired.repertoire();
    let of = |name: &ServiceName| {
        let told = observed.host.known(name).map(|known| known.told.installed);
        match repertoire.find(name) {
            Ok(descriptor) => Available {
                title: descriptor.title.to_string(),
                description: descriptor.description.to_string(),
                installed: if descriptor.needs_root().is_none() { Some(true) } else { told },
                problem: None,
            },
            Err(unavailable) => missing(name, &unavailable),
        }
    };
    repertoire.entries().map(|(name, _)| (name.clone(), of(&name))).collect()
}

fn missing(name: &ServiceName, unavailable: &Unavailable) -> Available {
    Available {
        title: name.to_string(),
        description: String::new(),
        installed: None,
        problem: Some(unavailable.problem()),
    }
}

/// What is wrong with the catalogue as a whole.
pub(super) fn problems(desired: &Desired) -> Vec<Problem> {
    let problem = |message| Problem {
        message,
        hint: Some("Nothing in it is used until that is mended; then start the controller again".to_owned()),
        outlook: Outlook::Lasting,
    };
    desired.repertoire().problems().map(problem).collect()
}
