// SPDX-License-Identifier: GPL-3.0-or-later
//! Settings as TOML.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Deserialize;
use tails_server_state::{PortMap, PortMapping, ServiceName};
use toml::{Spanned, Value};
use tr::tr;

use super::error::SettingsError;

/// The version that is written, and the only one there is.
const VERSION: u32 = 1;

// The file may go to other computers: its comments stay as they are.
const HEADER: &str = "\
# Settings of Tails Server: what is published, and how. No addresses, keys, passwords or clients are in here: for those there
# is `tails-server backup`. To bring this about, here or elsewhere: tails-server import-settings FILE
#
# What is missing here stays as it is. `ports` belong to a port of this computer that is published as it is; a service of the
# catalogue has none. The options are those of `tails-server set-option`.
";

/// Settings.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) services: BTreeMap<ServiceName, ServiceSettings>,
}

/// What is set about a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ServiceSettings {
    pub(super) enabled: Option<bool>,
    /// Of a service that is published as it is.
    pub(super) ports: Option<PortMap>,
    /// Options and their values as `set-option` takes them.
    pub(super) options: BTreeMap<String, OptionSetting>,
}

/// The value of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OptionSetting {
    pub(super) value: String,
    pub(super) is_bare: bool,
    /// Where it is in the file, from 1.
    pub(super) line: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: Spanned<u32>,
    #[serde(default)]
    services: BTreeMap<Spanned<String>, Service>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Service {
    enabled: Option<bool>,
    ports: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    options: BTreeMap<Spanned<String>, Spanned<Value>>,
}

/// What is the same in every version.
#[derive(Deserialize)]
struct Head {
    version: Option<u32>,
}

impl Settings {
    pub(super) fn parse(text: &str) -> Result<Self, SettingsError> {
        let line = |at: usize| text.get(..at).unwrap_or(text).matches('\n').count() + 1;
        let wrong = |cause: toml::de::Error| SettingsError::Form {
            line: cause.span().map_or(1, |span| line(span.start)),
            why: cause.message().lines().collect::<Vec<_>>().join(" "),
        };
        let head: Head = toml::from_str(text).map_err(wrong)?;
        if let Some(version) = head.version.filter(|version| *version > VERSION) {
            return Err(SettingsError::TooNew { version });
        }
        let file: File = toml::from_str(text).map_err(wrong)?;
        let at = |span: std::ops::Range<usize>, why: String| SettingsError::Form { line: line(span.start), why };
        if *file.version.get_ref() != VERSION {
            return Err(at(
                file.version.span(),
                tr!("there is no version {version}", version = file.version.get_ref()),
            ));
        }
        let mut services = BTreeMap::new();
        for (name, service) in file.services {
            let parsed = name.get_ref().parse::<ServiceName>();
            let key = parsed.map_err(|cause| at(name.span(), cause.to_string()))?;
            let ports = service.ports.map(|ports| {
                let span = ports.span();
                let mapping = |text: &String| text.parse::<PortMapping>();
                let mappings = ports.get_ref().iter().map(mapping).collect::<Result<Vec<_>, _>>();
                mappings.and_then(PortMap::try_from).map_err(|cause| at(span, cause.to_string()))
            });
            let mut options = BTreeMap::new();
            for (option, value) in service.options {
                let at_line = line(option.span().start);
                let (text, is_bare) = plain(value.get_ref())
                    .ok_or_else(|| at(value.span(), tr!("an option is text, a number, true or false")))?;
                options.insert(option.into_inner(), OptionSetting { value: text, is_bare, line: at_line });
            }
            let settings = ServiceSettings { enabled: service.enabled, ports: ports.transpose()?, options };
            services.insert(key, settings);
        }
        Ok(Self { services })
    }

    pub(super) fn render(&self) -> String {
        let mut text = format!("{HEADER}\nversion = {VERSION}\n");
        for (name, service) in &self.services {
            let mut add = |line: String| {
                text.push_str(&line);
                text.push('\n');
            };
            add(format!("\n[services.{name}]"));
            if let Some(enabled) = service.enabled {
                add(format!("enabled = {enabled}"));
            }
            if let Some(ports) = &service.ports {
                let ports: Vec<_> = ports.iter().map(|mapping| quoted(&mapping.to_string())).collect();
                add(format!("ports = [{}]", ports.join(", ")));
            }
            if !service.options.is_empty() {
                add(format!("[services.{name}.options]"));
            }
            for (option, setting) in &service.options {
                let value = match (setting.is_bare, setting.value.as_str()) {
                    (true, "on") => "true".to_owned(),
                    (true, "off") => "false".to_owned(),
                    (true, value) => value.to_owned(),
                    (false, value) => quoted(value),
                };
                add(format!("{option} = {value}"));
            }
        }
        text
    }
}

/// A value as `set-option` takes it, and whether it needs no quotes.
fn plain(value: &Value) -> Option<(String, bool)> {
    match value {
        Value::String(text) => Some((text.clone(), false)),
        Value::Integer(number) => Some((number.to_string(), true)),
        Value::Boolean(is_on) => Some((if *is_on { "on" } else { "off" }.to_owned(), true)),
        Value::Float(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            letter if letter.is_control() => {
                // Writing into a text can not fail.
                let _ = write!(quoted, "\\u{:04X}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
version = 1
[services.web]
enabled = true
ports = [\"80:8080\", \"81:unix:/run/a\"]
[services.web.options]
persistence = true
max-streams = 7
pow = \"1:2\"
[services.mumble]
";

    #[test]
    fn settings_are_the_same_after_they_were_written_and_read() {
        let settings = Settings::parse(FILE).unwrap();
        let web = &settings.services[&"web".parse().unwrap()];
        assert_eq!(web.options["persistence"].value, "on");
        assert_eq!((web.options["pow"].value.as_str(), web.options["pow"].line), ("1:2", 8));
        let again = Settings::parse(&settings.render()).unwrap();
        assert_eq!(again.render(), settings.render());
        assert_eq!(again.services.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (file, at, word) in [
            ("version = 1\nverion = 2\n", 2, "unknown field"),
            ("version = 1\n[services.web]\nport = 1\n", 3, "unknown field"),
            ("version = 1\n[services.Web]\n", 2, "small letter"),
            ("version = 1\n[services.web]\nports = [\"192.0.2.1:80\"]\n", 3, ""),
            ("version = 1\n[services.web]\nports = []\n", 3, ""),
            ("version = 1\n[services.web.options]\npow = [1]\n", 3, "an option is"),
            ("version = 1\n\n[services.web\n", 3, ""),
            ("version = 0\n", 1, "version 0"),
            ("[services.web]\n", 1, "version"),
        ] {
            match Settings::parse(file) {
                Err(SettingsError::Form { line, why }) => {
                    assert_eq!(line, at, "{file}: {why}");
                    assert!(why.contains(word) && !why.contains('\n'), "{file}: {why}");
                }
                other => panic!("{file}: {other:?}"),
            }
        }
        assert!(matches!(Settings::parse("version = 2\nnew = 1\n"), Err(SettingsError::TooNew { version: 2 })));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_value(text in "\\PC*|[\\x00-\\x7f]*") {
            let option = OptionSetting { value: text.clone(), is_bare: false, line: 0 };
            let service = ServiceSettings { options: BTreeMap::from([("motd".to_owned(), option)]), ..Default::default() };
            let settings = Settings { services: BTreeMap::from([("web".parse().unwrap(), service)]) };
            let read = Settings::parse(&settings.render()).unwrap();
            proptest::prop_assert_eq!(&read.services[&"web".parse().unwrap()].options["motd"].value, &text);
        }
    }
}
