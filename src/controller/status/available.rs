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
    /// A page that explains it.
    pub documentation: String,
    /// The program with which people use it.
    pub client_application: String,
    /// An icon of the icon theme.
    pub icon: String,
    /// Directories that survive a reboot, if the service is persistent.
    pub persistent_paths: Vec<String>,
    /// Where its server listens, the main port first.
    pub targets: Vec<String>,
    /// Whether its server is ours to install and to uninstall.
    pub hosted: bool,
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
                documentation: descriptor.documentation.to_string(),
                client_application: descriptor.client.title.to_string(),
                icon: descriptor.icon.to_string(),
                persistent_paths: descriptor
                    .persist
                    .iter()
                    .filter_map(|persist| persist.path.iter().next().map(ToString::to_string))
                    .collect(),
                targets: descriptor.port.iter().map(|port| port.target.value.to_string()).collect(),
                hosted: descriptor.needs_root().is_some(),
                installed: if descriptor.needs_root().is_none() { Some(true) } else { told },
                problem: None,
            },
            Err(unavailable) => Available { hosted: repertoire.may_be_hosted(name), ..missing(name, &unavailable) },
        }
    };
    repertoire.entries().map(|(name, _)| (name.clone(), of(&name))).collect()
}

fn missing(name: &ServiceName, unavailable: &Unavailable) -> Available {
    Available {
        title: name.to_string(),
        description: String::new(),
        documentation: String::new(),
        client_application: String::new(),
        icon: String::new(),
        persistent_paths: Vec::new(),
        targets: Vec::new(),
        hosted: false,
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
