// SPDX-License-Identifier: GPL-3.0-or-later
//! The names that the controller knows, in the time that a person does not notice.

use std::time::Duration;

use clap_complete::engine::CompletionCandidate;

use crate::bus::api::{ApiError, ManagerProxy, OptionProperties};
use crate::cli::complete::words::Typed;
use crate::cli::option::COMMON;
use crate::cli::session::{Questions, Session};

/// Who presses the tabulator key does not wait longer.
const PATIENCE: Duration = Duration::from_millis(300);

/// What kind of name fits an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Those that are remembered.
    Services,
    /// Also those of the catalogue.
    AllServices,
    /// Those of others.
    Joined,
    Clients,
    Options,
    Values,
}

impl Known {
    /// What fits this argument of the verb that is typed.
    pub(super) fn of(typed: &Typed, argument: &str, is_positional: bool) -> Option<Self> {
        let verb = typed.verbs.first().map(String::as_str).unwrap_or_default();
        match (verb, argument, is_positional) {
            ("joined" | "leave", "name", true) => Some(Self::Joined),
            // What is begun has no name yet.
            ("new", _, _) => None,
            (
                "enable" | "info" | "set-option" | "get-option" | "reset-option" | "uninstall" | "install",
                "name",
                true,
            ) => Some(Self::AllServices),
            (_, "name" | "service", true) => Some(Self::Services),
            // The client that is to be added is new; the one to be invited may be there already.
            ("client", "client", true) if typed.verbs.get(1).is_some_and(|verb| verb == "add") => None,
            (_, "client", true) | ("invite", "client", false) => Some(Self::Clients),
            (_, "option", true) => Some(Self::Options),
            (_, "value", true) => Some(Self::Values),
            _ => None,
        }
    }

    /// The names; none if the controller does not run, or takes too long.
    pub(super) fn candidates(self, typed: &Typed) -> Vec<CompletionCandidate> {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return Vec::new() };
        let asked = runtime.block_on(async { tokio::time::timeout(PATIENCE, self.ask(typed)).await });
        let mut found = asked.ok().flatten().unwrap_or_default();
        found.sort();
        found.into_iter().map(|(name, help)| CompletionCandidate::new(name).help(help.map(Into::into))).collect()
    }

    /// Names, and something about each.
    async fn ask(self, typed: &Typed) -> Option<Vec<(String, Option<String>)>> {
        let session = Session::connect(typed.bus.clone(), PATIENCE, Questions::OfEverybody).await.ok()?;
        // Whoever presses a key does not expect to be asked for a password.
        if session.may_ask_for_password() && matches!(self, Self::Clients | Self::Joined) {
            return None;
        }
        let manager = session.manager;
        let service = typed.names.first();
        match self {
            Self::Services => services(&manager).await.ok(),
            Self::AllServices => {
                let mut known = services(&manager).await.ok()?;
                let (had, _) = manager.catalog().await.ok()?;
                for (name, described) in had {
                    if !known.iter().any(|(known, _)| *known == name) {
                        known.push((name, Some(described.description)));
                    }
                }
                Some(known)
            }
            Self::Joined => {
                let joined = manager.joined().await.ok()?;
                Some(joined.into_iter().map(|joined| (joined.name, joined.title)).collect())
            }
            Self::Clients => {
                let clients = manager.clients(service?).await.ok()?;
                Some(clients.into_iter().map(|(name, _, _)| (name, None)).collect())
            }
            Self::Options => {
                let options = manager.options(service?).await.ok()?;
                if options.is_empty() {
                    return Some(COMMON.map(|option| (option.to_owned(), None)).to_vec());
                }
                Some(options.into_iter().map(|option| (option.name, Some(option.label))).collect())
            }
            Self::Values => {
                let (service, option) = (service?, typed.names.get(1)?);
                let options = manager.options(service).await.ok()?;
                let values = match options.into_iter().find(|known| known.name == *option) {
                    Some(option) => choices(option),
                    None => common_values(option),
                };
                Some(values.into_iter().map(|value| (value, None)).collect())
            }
        }
    }
}

async fn services(manager: &ManagerProxy<'_>) -> Result<Vec<(String, Option<String>)>, ApiError> {
    let (_, _, services) = manager.overview().await?;
    Ok(services.into_iter().map(|(name, service)| (name, Some(service.state))).collect())
}

/// The words that fit an option, if there are only some.
fn choices(option: OptionProperties) -> Vec<String> {
    match option.kind.as_str() {
        "bool" => ["on", "off"].map(str::to_owned).to_vec(),
        _ if option.choices.is_empty() => common_values(&option.name),
        _ => option.choices,
    }
}

fn common_values(option: &str) -> Vec<String> {
    let values: &[&str] = match option {
        "persistence" | "autostart" | "client-authorization" | "pow" | "allow-localhost" | "allow-lan" => {
            &["on", "off"]
        }
        "max-streams" => &["off"],
        _ => &[],
    };
    values.iter().map(|value| (*value).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Arguments;

    /// The arguments that name something of the controller's, by their value names on the command line.
    #[test]
    fn every_name_on_the_command_line_is_completed() {
        fn look(command: &clap::Command, verbs: &[String], missing: &mut Vec<String>) {
            for verb in command.get_subcommands() {
                let verbs = [verbs, &[verb.get_name().to_owned()]].concat();
                let typed = Typed { verbs: verbs.clone(), ..Typed::default() };
                for argument in verb.get_positionals() {
                    let id = argument.get_id().as_str();
                    if ["name", "service", "option", "client"].contains(&id) && Known::of(&typed, id, true).is_none() {
                        missing.push(format!("{} {id}", verbs.join(" ")));
                    }
                }
                look(verb, &verbs, missing);
            }
        }
        let mut missing = Vec::new();
        look(&Arguments::command(), &[], &mut missing);
        assert_eq!(missing, ["client add client", "new name"], "what is new has no name yet");
    }
}
