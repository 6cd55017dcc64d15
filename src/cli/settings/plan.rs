// SPDX-License-Identifier: GPL-3.0-or-later
//! What has to change so that things are as settings say.

use std::collections::BTreeMap;

use serde::Serialize;
use tails_server_state::{PortMap, ServiceName};

use super::error::{Flaw, Wrong};
use super::form::ServiceSettings;
use crate::cli::session::similar;

/// Options in the order in which they are changed where that matters, with the value that is set last and that which is set
/// first: what closes a service comes before what opens it, and autostart needs persistence.
const FIRST: [(&str, &str); 3] = [("client-authorization", "on"), ("autostart", "off"), ("persistence", "on")];

/// A service as it is here.
pub(super) struct Here {
    /// Missing if a descriptor says what it is.
    pub(super) ports: Option<PortMap>,
    /// Missing if it is not remembered.
    pub(super) enabled: Option<bool>,
    /// Its options that can be set. Values of secrets are missing.
    pub(super) options: BTreeMap<String, Option<String>>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub(super) enum Step {
    /// A new service; what follows are its options, and that it is enabled.
    Publish {
        service: String,
        #[serde(skip)]
        ports: PortMap,
        #[serde(rename = "ports")]
        shown: Vec<String>,
        /// From the beginning: it may never be open by mistake.
        client_authorization: bool,
    },
    /// An option gets a value.
    Set { service: String, option: String, from: Option<String>, to: String },
    /// It is enabled.
    Enable { service: String },
    /// It is disabled.
    Disable { service: String },
}

/// The options of a port that is published as it is, before anything is said about them.
pub(super) fn published() -> BTreeMap<String, Option<String>> {
    ["persistence", "autostart", "client-authorization", "max-streams", "pow"]
        .map(|option| (option.to_owned(), Some("off".to_owned())))
        .into()
}

/// What has to be done about a service, and what is wrong about it. `here` is missing if there is neither such a service nor
/// one of the catalogue.
pub(super) fn plan(name: &ServiceName, wished: &ServiceSettings, here: Option<&Here>) -> (Vec<Step>, Vec<Wrong>) {
    let (service, of) = (|| name.to_string(), || name.clone());
    let places = &wished.places;
    let (mut steps, mut wrong) = (Vec::new(), Vec::new());
    // What follows from a service that is another one would be wrong as well.
    let alone = |at, flaw| (Vec::new(), vec![Wrong::new(at, flaw)]);
    let mut known = match here {
        Some(here) => match (&here.ports, &wished.ports) {
            (Some(here), Some(wished)) if here != wished => {
                let flaw = Flaw::OtherPorts { service: of(), here: ports(here).join(", ") };
                return alone(places.ports.clone(), flaw);
            }
            (None, Some(_)) => return alone(places.ports.clone(), Flaw::OtherKind { service: of() }),
            (Some(_), Some(_)) | (_, None) => here.options.clone(),
        },
        None => {
            let Some(wished_ports) = wished.ports.clone() else {
                return alone(places.service.clone(), Flaw::NoPorts { service: of() });
            };
            let client_authorization =
                wished.options.get("client-authorization").is_some_and(|setting| normal(&setting.value) == "on");
            let shown = ports(&wished_ports);
            steps.push(Step::Publish { service: service(), ports: wished_ports, shown, client_authorization });
            published()
        }
    };
    if let Some(Step::Publish { client_authorization: true, .. }) = steps.first() {
        known.insert("client-authorization".to_owned(), Some("on".to_owned()));
    }
    let mut settings: Vec<_> = wished.options.iter().collect();
    settings.sort_by_key(|(option, setting)| {
        let place = FIRST.iter().position(|(first, value)| option == first && normal(&setting.value) == *value);
        let last = FIRST.len() + 1;
        match place {
            Some(place) => place,
            None if FIRST.iter().any(|(first, _)| option == first) => last - usize::from(*option == "autostart"),
            None => FIRST.len(),
        }
    });
    for (option, setting) in settings {
        let Some(from) = known.get(option) else {
            let similar = similar(option, known.keys().cloned());
            let flaw = Flaw::UnknownOption { service: of(), option: option.clone(), similar };
            wrong.push(Wrong::new(setting.place.clone(), flaw));
            continue;
        };
        if from.as_deref().map(normal) != Some(normal(&setting.value)) {
            steps.push(Step::Set {
                service: service(),
                option: option.clone(),
                from: from.clone(),
                to: setting.value.clone(),
            });
        }
    }
    let is_enabled = here.and_then(|here| here.enabled);
    match (wished.enabled, is_enabled) {
        (Some(true), Some(false) | None) => steps.push(Step::Enable { service: service() }),
        // A port is published by being named, unless it says otherwise.
        (None, None) if here.is_none() => steps.push(Step::Enable { service: service() }),
        // Closed before anything about it is opened.
        (Some(false), Some(true)) => steps.insert(0, Step::Disable { service: service() }),
        (Some(false), Some(false) | None) | (Some(true), Some(true)) | (None, _) => {}
    }
    (steps, wrong)
}

/// To whom a service gets open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// Who knows the address.
    Everybody,
    /// The computers in the local network, without Tor.
    LocalNetwork,
}

/// The services that get open to more, and to whom.
pub(super) fn opened(steps: &[Step]) -> Vec<(&str, Opening)> {
    let opened = steps.iter().filter_map(|step| match step {
        Step::Set { service, option, from, to } => {
            let (from, to) = (from.as_deref().map(normal), normal(to));
            match option.as_str() {
                "client-authorization" if to == "off" && from == Some("on") => {
                    Some((service.as_str(), Opening::Everybody))
                }
                // Where nobody knows what it was, it may have been off.
                "allow-lan" if to == "on" && from != Some("on") => Some((service.as_str(), Opening::LocalNetwork)),
                _ => None,
            }
        }
        Step::Publish { .. } | Step::Enable { .. } | Step::Disable { .. } => None,
    });
    opened.collect()
}

pub(super) fn ports(ports: &PortMap) -> Vec<String> {
    ports.iter().map(ToString::to_string).collect()
}

/// Switches can be said in two ways.
fn normal(value: &str) -> &str {
    match value {
        "true" => "on",
        "false" => "off",
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::Place;
    use super::super::form::Settings;
    use super::*;

    fn wished(text: &str) -> ServiceSettings {
        let file = format!("version = 1\n[services.web]\n{text}");
        Settings::parse(&file).unwrap().0.services.into_values().next().unwrap()
    }

    fn here(enabled: bool, options: &[(&str, &str)]) -> Here {
        let mut all = published();
        all.extend(options.iter().map(|(option, value)| ((*option).to_owned(), Some((*value).to_owned()))));
        let ports = PortMap::try_from(vec!["80:8080".parse().unwrap()]).unwrap();
        Here { ports: Some(ports), enabled: Some(enabled), options: all }
    }

    fn told(text: &str, here: Option<&Here>) -> Result<Vec<String>, Vec<Wrong>> {
        let tell = |step| match step {
            Step::Publish { client_authorization, shown, .. } => format!("publish {shown:?} {client_authorization}"),
            Step::Set { option, to, .. } => format!("{option} {to}"),
            Step::Enable { .. } => "enable".to_owned(),
            Step::Disable { .. } => "disable".to_owned(),
        };
        let (steps, wrong) = plan(&"web".parse().unwrap(), &wished(text), here);
        if wrong.is_empty() { Ok(steps.into_iter().map(tell).collect()) } else { Err(wrong) }
    }

    #[test]
    fn what_is_as_the_settings_say_is_left_alone() {
        let here = here(true, &[("persistence", "on"), ("pow", "1:2")]);
        for text in [
            "",
            "enabled = true\nports = [\"80:8080\"]\n[services.web.options]\npersistence = true\nautostart = \"off\"\npow = \"1:2\"\n",
        ] {
            assert_eq!(told(text, Some(&here)).unwrap(), Vec::<String>::new());
        }
    }

    #[test]
    fn what_closes_comes_first_and_what_opens_last() {
        let options = "[services.web.options]\nautostart = true\nclient-authorization = true\nmax-streams = 7\npersistence = true\n";
        assert_eq!(
            told(&format!("enabled = true\n{options}"), Some(&here(false, &[]))).unwrap(),
            ["client-authorization on", "persistence on", "autostart on", "max-streams 7", "enable"]
        );
        let options = "[services.web.options]\nautostart = false\nclient-authorization = false\npersistence = false\n";
        let on = [("autostart", "on"), ("client-authorization", "on"), ("persistence", "on")];
        assert_eq!(
            told(&format!("enabled = false\n{options}"), Some(&here(true, &on))).unwrap(),
            ["disable", "autostart off", "client-authorization off", "persistence off"]
        );
    }

    #[test]
    fn what_is_new_is_published_closed_from_the_beginning_and_enabled_at_the_end() {
        let text = "ports = [\"80:8080\"]\n[services.web.options]\nclient-authorization = true\npow = \"1:2\"\n";
        let steps = ["publish [\"80:127.0.0.1:8080\"] true", "pow 1:2", "enable"];
        assert_eq!(told(text, None).unwrap(), steps);
        assert_eq!(told(&format!("enabled = false\n{text}"), None).unwrap(), steps[..2]);
    }

    #[test]
    fn what_can_not_be_is_refused_each_with_its_place() {
        let refused = |text, here: Option<&Here>| {
            let wrong = told(text, here).unwrap_err();
            wrong.iter().map(|one| (one.at.clone(), one.what.clone())).collect::<Vec<_>>()
        };
        let here = here(true, &[]);
        assert!(matches!(&refused("enabled = true\n", None)[..], [(Place::Line(2), Flaw::NoPorts { .. })]));
        let other = "ports = [\"81:8080\"]\n";
        assert!(matches!(&refused(other, Some(&here))[..], [(Place::Line(3), Flaw::OtherPorts { .. })]));
        let wrong = "[services.web.options]\npersistance = true\nautostrt = true\n";
        let wrong = refused(wrong, Some(&here));
        let is_like =
            |flaw: &Flaw, word| matches!(flaw, Flaw::UnknownOption { similar: Some(similar), .. } if similar == word);
        assert!(
            matches!(&wrong[..], [(Place::Line(5), one), (Place::Line(4), other)]
                if is_like(one, "autostart") && is_like(other, "persistence")),
            "{wrong:?}"
        );
        let described = Here { ports: None, ..here };
        let wrong = refused("ports = [\"80:8080\"]\n", Some(&described));
        assert!(matches!(&wrong[..], [(Place::Line(3), Flaw::OtherKind { .. })]));
    }

    #[test]
    fn what_opens_a_service_is_known() {
        let set = |option: &str, from: Option<&str>, to: &str| {
            let (option, from) = (option.to_owned(), from.map(str::to_owned));
            vec![Step::Set { service: "web".to_owned(), option, from, to: to.to_owned() }]
        };
        for (option, from, to, opening) in [
            ("client-authorization", Some("on"), "false", Some(Opening::Everybody)),
            ("client-authorization", Some("off"), "on", None),
            ("allow-lan", Some("off"), "true", Some(Opening::LocalNetwork)),
            ("allow-lan", None, "on", Some(Opening::LocalNetwork)),
            ("allow-lan", Some("on"), "off", None),
            ("allow-localhost", Some("off"), "on", None),
        ] {
            let steps = set(option, from, to);
            let found = opened(&steps);
            assert_eq!(found, opening.map(|opening| ("web", opening)).into_iter().collect::<Vec<_>>(), "{option} {to}");
        }
    }
}
