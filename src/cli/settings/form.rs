// SPDX-License-Identifier: GPL-3.0-or-later
//! Settings as TOML and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Map, Value, json};
use tails_server_state::{PortMap, PortMapping, ServiceName};
use tr::tr;

use super::error::{Place, SettingsError, Wrong};
use super::tree::{self, Found, Node, Word};

/// The version that is written, and the only one there is.
const VERSION: i64 = 1;

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
    /// Where it is, and its ports are.
    pub(super) places: Places,
}

/// Where something about a service is in the settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) service: Place,
    pub(super) ports: Place,
}

/// The value of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OptionSetting {
    pub(super) value: String,
    pub(super) is_bare: bool,
    /// Where it is in the settings.
    pub(super) place: Place,
}

impl Settings {
    /// Reads settings; with them all that is wrong, without which they are.
    pub(super) fn parse(text: &str) -> Result<(Self, Vec<Wrong>), SettingsError> {
        let node = tree::read(text).map_err(SettingsError::One)?;
        let mut reader = Reader { wrong: Vec::new() };
        let settings = reader.settings(node)?;
        Ok((settings, reader.wrong))
    }

    /// As JSON, with the same names and values as TOML has.
    pub(super) fn view(&self) -> Value {
        let option = |(option, setting): (&String, &OptionSetting)| {
            let bare = if setting.is_bare { bare(&setting.value).parse().ok() } else { None };
            (option.clone(), bare.unwrap_or_else(|| Value::from(setting.value.as_str())))
        };
        let service = |(name, service): (&ServiceName, &ServiceSettings)| {
            let mut view = Map::new();
            view.extend(service.enabled.map(|enabled| ("enabled".to_owned(), enabled.into())));
            let ports = |ports: &PortMap| ports.iter().map(ToString::to_string).collect::<Vec<_>>();
            view.extend(service.ports.as_ref().map(|map| ("ports".to_owned(), ports(map).into())));
            let options: Map<_, _> = service.options.iter().map(option).collect();
            view.extend(
                Some(options).filter(|options| !options.is_empty()).map(|all| ("options".to_owned(), all.into())),
            );
            (name.to_string(), Value::Object(view))
        };
        json!({ "version": VERSION, "services": self.services.iter().map(service).collect::<Map<_, _>>() })
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
                let value = setting.value.as_str();
                let value = if setting.is_bare { bare(value).to_owned() } else { quoted(value) };
                add(format!("{option} = {value}"));
            }
        }
        text
    }
}

/// Makes settings of what is written, and remembers all that is wrong.
struct Reader {
    wrong: Vec<Wrong>,
}

impl Reader {
    fn settings(&mut self, node: Node) -> Result<Settings, SettingsError> {
        let mut settings = Settings::default();
        let (mut version, mut services) = (None, None);
        for (word, node) in self.table(node, "", &["version", "services"]) {
            if word.text == "version" { version = Some(node) } else { services = Some((word, node)) }
        }
        match version.map(|version| (version.line, version.found)) {
            Some((_, Found::Number(VERSION))) => {}
            // What is new in it can not be judged.
            Some((_, Found::Number(version))) if version > VERSION => return Err(SettingsError::TooNew { version }),
            Some((line, Found::Number(version))) => {
                self.form(line, "version", tr!("there is no version {version}", version))
            }
            Some((line, _)) => self.form(line, "version", tr!("the version is a number")),
            None => self.form(Some(1), "version", tr!("it has to begin with the line version = 1")),
        }
        let Some((word, services)) = services else { return Ok(settings) };
        let Found::Table(services) = services.found else {
            self.form(word.line, "services", tr!("it is a table of settings"));
            return Ok(settings);
        };
        for (word, node) in self.once(services, "services") {
            let path = format!("services.{}", word.text);
            match word.text.parse::<ServiceName>() {
                Ok(name) => {
                    let service = self.service(&word, node, &path);
                    settings.services.extend(service.map(|service| (name, service)));
                }
                Err(cause) => self.form(word.line, &path, cause.to_string()),
            }
        }
        Ok(settings)
    }

    /// One service; nothing if what is wrong about it would make all the rest wrong, too.
    fn service(&mut self, word: &Word, node: Node, path: &str) -> Option<ServiceSettings> {
        let at = place(word.line, path);
        let places = Places { service: at.clone(), ports: at };
        let mut service = ServiceSettings { places, ..ServiceSettings::default() };
        let Found::Table(_) = node.found else {
            self.form(word.line, path, tr!("it is a table of settings"));
            return None;
        };
        let mut is_whole = true;
        for (word, node) in self.table(node, path, &["enabled", "ports", "options"]) {
            let path = format!("{path}.{}", word.text);
            match (word.text.as_str(), node.found) {
                ("enabled", Found::Switch(enabled)) => service.enabled = Some(enabled),
                ("enabled", _) => self.form(word.line, &path, tr!("it is true or false")),
                ("ports", Found::List(list)) => {
                    service.places.ports = place(word.line, &path);
                    service.ports = self.ports(&word, list, &path);
                    is_whole &= service.ports.is_some();
                }
                ("ports", _) => {
                    self.form(word.line, &path, tr!("it is a list such as [\"80:8080\"]"));
                    is_whole = false;
                }
                (_, Found::Table(options)) => service.options = self.options(options, &path),
                _ => self.form(word.line, &path, tr!("it is a table of settings")),
            }
        }
        is_whole.then_some(service)
    }

    fn ports(&mut self, word: &Word, list: Vec<Node>, path: &str) -> Option<PortMap> {
        let mut mappings = Vec::new();
        let count = list.len();
        for node in list {
            match node.found {
                Found::Text(text) => match text.parse::<PortMapping>() {
                    Ok(mapping) => mappings.push(mapping),
                    Err(cause) => self.form(node.line, path, cause.to_string()),
                },
                Found::Table(_) | Found::List(_) | Found::Number(_) | Found::Switch(_) | Found::Other => {
                    self.form(node.line, path, tr!("it is a list such as [\"80:8080\"]"))
                }
            }
        }
        let is_whole = mappings.len() == count;
        let ports = is_whole.then(|| PortMap::try_from(mappings))?;
        ports.map_err(|cause| self.form(word.line, path, cause.to_string())).ok()
    }

    fn options(&mut self, options: Vec<(Word, Node)>, path: &str) -> BTreeMap<String, OptionSetting> {
        let mut settings = BTreeMap::new();
        for (word, node) in self.once(options, path) {
            let path = format!("{path}.{}", word.text);
            let (value, is_bare) = match node.found {
                Found::Text(text) => (text, false),
                Found::Number(number) => (number.to_string(), true),
                Found::Switch(is_on) => (if is_on { "on" } else { "off" }.to_owned(), true),
                Found::List(_) | Found::Table(_) | Found::Other => {
                    self.form(word.line, &path, tr!("an option is text, a number, true or false"));
                    continue;
                }
            };
            settings.insert(word.text, OptionSetting { value, is_bare, place: place(word.line, &path) });
        }
        settings
    }

    /// What is in a table, if only these words are; nothing of what is no table.
    fn table(&mut self, node: Node, path: &str, known: &[&str]) -> Vec<(Word, Node)> {
        let Found::Table(pairs) = node.found else { return Vec::new() };
        let pairs = self.once(pairs, path);
        let (known, unknown) = pairs.into_iter().partition(|(word, _)| known.contains(&word.text.as_str()));
        let unknown: Vec<(Word, Node)> = unknown;
        for (word, _) in unknown {
            let why = tr!("unknown field `{field}`", field = word.text);
            self.form(word.line, format!("{path}.{}", word.text).trim_start_matches('.'), why);
        }
        known
    }

    /// The pairs but for those whose name was there before: TOML has none, and of JSON's nobody could tell which counts.
    fn once(&mut self, pairs: Vec<(Word, Node)>, path: &str) -> Vec<(Word, Node)> {
        let mut once: Vec<(Word, Node)> = Vec::new();
        for (word, node) in pairs {
            if once.iter().any(|(known, _)| known.text == word.text) {
                let path = format!("{path}.{}", word.text);
                self.form(word.line, path.trim_start_matches('.'), tr!("it is there twice"));
            } else {
                once.push((word, node));
            }
        }
        once
    }

    fn form(&mut self, line: Option<usize>, path: &str, why: String) {
        self.wrong.push(Wrong::form(place(line, path), why));
    }
}

fn place(line: Option<usize>, path: &str) -> Place {
    line.map_or_else(|| Place::Path(path.to_owned()), Place::Line)
}

/// A switch or a number as TOML and JSON have it.
fn bare(value: &str) -> &str {
    match value {
        "on" => "true",
        "off" => "false",
        value => value,
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

    fn whole(text: &str) -> Settings {
        let (settings, wrong) = Settings::parse(text).unwrap();
        assert_eq!(wrong, []);
        settings
    }

    #[test]
    fn settings_are_the_same_after_they_were_written_and_read_as_toml_and_as_json() {
        let settings = whole(FILE);
        let web = &settings.services[&"web".parse().unwrap()];
        assert_eq!(web.options["persistence"].value, "on");
        assert_eq!((web.options["pow"].value.as_str(), &web.options["pow"].place), ("1:2", &Place::Line(8)));
        for text in [settings.render(), settings.view().to_string()] {
            let again = whole(&text);
            assert_eq!((again.render(), again.view()), (settings.render(), settings.view()), "{text}");
            assert_eq!(again.services.len(), 2);
        }
        let web = &settings.view()["services"]["web"];
        assert_eq!((&web["options"]["max-streams"], &web["options"]["pow"]), (&json!(7), &json!("1:2")));
        assert_eq!((&web["options"]["persistence"], &web["ports"][0]), (&json!(true), &json!("80:127.0.0.1:8080")));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let (line, path) = (Place::Line, |path: &str| Place::Path(path.to_owned()));
        for (file, at, word) in [
            ("version = 1\nverion = 2\n", line(2), "unknown field"),
            ("version = 1\n[services.web]\nport = 1\n", line(3), "unknown field"),
            ("version = 1\n[services.Web]\n", line(2), "small letter"),
            ("version = 1\n[services.web]\nports = [\"192.0.2.1:80\"]\n", line(3), ""),
            ("version = 1\n[services.web]\nports = []\n", line(3), ""),
            ("version = 1\n[services.web]\nenabled = 1\n", line(3), "true or false"),
            ("version = 1\n[services.web.options]\npow = [1]\n", line(3), "an option is"),
            ("version = 1\n[services]\nweb = 1\n", line(3), "table"),
            ("version = 0\n", line(1), "version 0"),
            ("[services.web]\n", line(1), "version = 1"),
            ("{\"version\": 1, \"services\": {\"web\": {\"prts\": 1}}}", path("services.web.prts"), "unknown field"),
            (
                "{\"version\": 1, \"services\": {\"web\": {\"options\": {\"pow\": null}}}}",
                path("services.web.options.pow"),
                "an option is",
            ),
            ("{\"version\": 1, \"services\": {\"a\": {}, \"a\": {}}}", path("services.a"), "twice"),
        ] {
            let (_, wrong) = Settings::parse(file).unwrap();
            let [one] = &wrong[..] else { panic!("{file}: {wrong:?}") };
            let (place, flaw) = (&one.at, &one.what);
            assert_eq!(*place, at, "{file}: {one}");
            assert!(flaw.to_string().contains(word) && !flaw.to_string().contains('\n'), "{file}: {one}");
        }
        for (file, at) in [("version = 1\n\n[services.web\n", 3), ("{\"version\": 1,\n\n", 3)] {
            let wrong = Settings::parse(file).unwrap_err();
            assert!(matches!(&wrong, SettingsError::One(one) if one.at == line(at)), "{file}: {wrong:?}");
        }
        assert!(matches!(Settings::parse("version = 2\nnew = 1\n"), Err(SettingsError::TooNew { version: 2 })));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_value(text in "\\PC*|[\\x00-\\x7f]*") {
            let option = OptionSetting { value: text.clone(), is_bare: false, place: Place::default() };
            let service = ServiceSettings { options: BTreeMap::from([("motd".to_owned(), option)]), ..Default::default() };
            let settings = Settings { services: BTreeMap::from([("web".parse().unwrap(), service)]) };
            for written in [settings.render(), settings.view().to_string()] {
                let read = whole(&written);
                proptest::prop_assert_eq!(&read.services[&"web".parse().unwrap()].options["motd"].value, &text);
            }
        }
    }
}
