// SPDX-License-Identifier: GPL-3.0-or-later
//! What has to change so that things are as settings say.

use std::collections::BTreeMap;

use serde::Serialize;
use tails_server_state::{PortMap, ServiceName};

use super::error::SettingsError;
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

/// What has to be done about a service. `here` is missing if there is neither such a service nor one of the catalogue.
pub(super) fn plan(
    name: &ServiceName,
    wished: &ServiceSettings,
    here: Option<&Here>,
) -> Result<Vec<Step>, SettingsError> {
    let (service, of) = (|| name.to_string(), || name.clone());
    let mut steps = Vec::new();
    let mut known = match here {
        Some(here) => match (&here.ports, &wished.ports) {
            (Some(here), Some(wished)) if here != wished => {
                return Err(SettingsError::OtherPorts { service: of(), here: ports(here).join(", ") });
            }
            (None, Some(_)) => return Err(SettingsError::OtherKind { service: of() }),
            (Some(_), Some(_)) | (_, None) => here.options.clone(),
        },
        None => {
            let wished_ports = wished.ports.clone().ok_or_else(|| SettingsError::NoPorts { service: of() })?;
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
            return Err(SettingsError::UnknownOption {
                line: setting.line,
                service: of(),
                option: option.clone(),
                similar: similar(option, known.into_keys()),
            });
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
    Ok(steps)
}

/// The services that get open to everybody.
pub(super) fn opened(steps: &[Step]) -> Vec<&str> {
    let is_opening = |option: &str, from: Option<&str>, to: &str| {
        option == "client-authorization" && normal(to) == "off" && from.map(normal) == Some("on")
    };
    let mut opened = Vec::new();
    for step in steps {
        match step {
            Step::Set { service, option, from, to } if is_opening(option, from.as_deref(), to) => {
                opened.push(service.as_str())
            }
            Step::Set { .. } | Step::Publish { .. } | Step::Enable { .. } | Step::Disable { .. } => {}
        }
    }
    opened
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
    use super::super::form::Settings;
    use super::*;

    fn wished(text: &str) -> ServiceSettings {
        let file = format!("version = 1\n[services.web]\n{text}");
        Settings::parse(&file).unwrap().services.into_values().next().unwrap()
    }

    fn here(enabled: bool, options: &[(&str, &str)]) -> Here {
        let mut all = published();
        all.extend(options.iter().map(|(option, value)| ((*option).to_owned(), Some((*value).to_owned()))));
        let ports = PortMap::try_from(vec!["80:8080".parse().unwrap()]).unwrap();
        Here { ports: Some(ports), enabled: Some(enabled), options: all }
    }

    fn told(text: &str, here: Option<&Here>) -> Result<Vec<String>, SettingsError> {
        let tell = |step| match step {
            Step::Publish { client_authorization, shown, .. } => format!("publish {shown:?} {client_authorization}"),
            Step::Set { option, to, .. } => format!("{option} {to}"),
            Step::Enable { .. } => "enable".to_owned(),
            Step::Disable { .. } => "disable".to_owned(),
        };
        Ok(plan(&"web".parse().unwrap(), &wished(text), here)?.into_iter().map(tell).collect())
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
    fn what_can_not_be_is_refused() {
        assert!(matches!(told("enabled = true\n", None), Err(SettingsError::NoPorts { .. })));
        let other = "ports = [\"81:8080\"]\n";
        assert!(matches!(told(other, Some(&here(true, &[]))), Err(SettingsError::OtherPorts { .. })));
        let wrong = "[services.web.options]\npersistance = true\n";
        let refused = told(wrong, Some(&here(true, &[])));
        assert!(
            matches!(&refused, Err(SettingsError::UnknownOption { line: 4, similar: Some(similar), .. }) if similar == "persistence"),
            "{refused:?}"
        );
        let described = Here { ports: None, ..here(true, &[]) };
        assert!(matches!(told("ports = [\"80:8080\"]\n", Some(&described)), Err(SettingsError::OtherKind { .. })));
    }
}
