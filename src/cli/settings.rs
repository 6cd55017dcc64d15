// SPDX-License-Identifier: GPL-3.0-or-later
//! `tails-server export-settings` and `import-settings`: what is published and how, without secrets.

mod error;
mod form;
mod plan;
mod tree;

use std::collections::{BTreeMap, HashMap};
use std::io::Write;

use tails_server_state::{PortMap, PortMapping, ServiceName};
use tr::tr;

use crate::bus::api::{CatalogProperties, OptionProperties, PublishOptions, ServiceProperties};
use crate::cli::args::{ExportSettings, ImportSettings};
use crate::cli::ask;
use crate::cli::backup::{BackupError, NewFile};
use crate::cli::error::{Act, Failure, Refusal};
use crate::cli::option;
use crate::cli::output::{Form, print, print_line};
use crate::cli::session::Session;
pub(super) use crate::cli::settings::error::SettingsError;
use crate::cli::settings::error::{Flaw, Place, Wrong};
use crate::cli::settings::form::{OptionSetting, Places, ServiceSettings, Settings};
use crate::cli::settings::plan::{Here, Opening, Step};
use crate::cli::source::{self, What};
use crate::cli::talk::say;

const AUTHORIZATION: &str = "client-authorization";

/// Writes down what is published here.
pub(super) async fn export(session: &Session, request: &ExportSettings, form: Form) -> Result<(), Failure> {
    let (_, _, services) = session.answer(session.manager.overview()).await?;
    let mut settings = Settings::default();
    for (name, properties) in services {
        let name: ServiceName = name.parse().map_err(|_| Failure::Garbled)?;
        let options = if properties.described { described(session, &name).await? } else { common(&properties) };
        let known = |option: (String, Option<String>, bool)| {
            let (name, value, is_bare) = option;
            value.map(|value| (name, OptionSetting { value, is_bare, place: Place::default() }))
        };
        let service = ServiceSettings {
            enabled: Some(properties.enabled),
            ports: if properties.described { None } else { Some(ports(&properties)?) },
            options: options.into_iter().filter_map(known).collect(),
            places: Places::default(),
        };
        settings.services.insert(name, service);
    }
    let text = match form {
        Form::Yaml => settings.render(),
        Form::Json => format!("{:#}\n", settings.view()),
    };
    let Some(path) = &request.file else { return print_line(text.trim_end()) };
    let mut file = NewFile::begin(path)?;
    file.writer().write_all(text.as_bytes()).map_err(|cause| BackupError::Write { path: path.clone(), cause })?;
    file.settle()?;
    say(&tr!("The settings are in {path}.", path = path.display()));
    Ok(())
}

/// Brings about what settings say.
pub(super) async fn import(session: &Session, request: ImportSettings, form: Form) -> Result<(), Failure> {
    let source = source::read(&request.file, What::Settings).await?;
    let (settings, mut wrong) = Settings::parse(&source.text)?;
    let (_, _, services) = session.answer(session.manager.overview()).await?;
    let (catalog, _) = session.answer(session.manager.catalog()).await?;
    let mut steps = Vec::new();
    for (name, wished) in &settings.services {
        let here = here(session, name, &services, &catalog).await?;
        let (planned, refused) = plan::plan(name, wished, here.as_ref());
        wrong.extend(refused);
        wrong.extend(misfits(session, name, wished, &planned).await?);
        steps.extend(planned);
    }
    // All of it is known before anything is changed.
    if !wrong.is_empty() {
        return Err(SettingsError::of(wrong).into());
    }
    if steps.is_empty() {
        say(&tr!("There is nothing to change."));
        return print(&steps, form);
    }
    if request.dry_run {
        say(&tr!("One thing would change." | "{n} things would change." % steps.len()));
        return print(&steps, form);
    }
    confirm(&steps, request.yes).await?;
    for (done, step) in steps.iter().enumerate() {
        if let Err(failure) = carry_out(session, step).await {
            print(&steps.get(..done).unwrap_or_default(), form)?;
            return Err(half_done(done, failure));
        }
        tell(step);
    }
    let left = services.keys().filter(|name| !settings.services.keys().any(|known| known.as_str() == *name)).count();
    if left > 0 {
        say(&tr!("One service is not in the settings and is left alone."
            | "{n} services are not in the settings and are left alone." % left));
    }
    print(&steps, form)
}

/// The service as it is here, or as the catalogue has it.
async fn here(
    session: &Session,
    name: &ServiceName,
    services: &HashMap<String, ServiceProperties>,
    catalog: &HashMap<String, CatalogProperties>,
) -> Result<Option<Here>, Failure> {
    let known = services.get(name.as_str());
    let options = match known {
        Some(known) if !known.described => common(known),
        None if !catalog.contains_key(name.as_str()) => return Ok(None),
        Some(_) | None => described(session, name).await?,
    };
    let ports = match known {
        Some(known) if !known.described => Some(ports(known)?),
        Some(_) | None => None,
    };
    let options: BTreeMap<_, _> = options.into_iter().map(|(option, value, _)| (option, value)).collect();
    Ok(Some(Here { ports, enabled: known.map(|known| known.enabled), options }))
}

/// What the controller would refuse of what is planned about a service.
async fn misfits(
    session: &Session,
    name: &ServiceName,
    wished: &ServiceSettings,
    planned: &[Step],
) -> Result<Vec<Wrong>, Failure> {
    let values = planned.iter().filter_map(|step| match step {
        Step::Set { option, to, .. } => Some((option.as_str(), to.as_str())),
        Step::Publish { .. } | Step::Enable { .. } | Step::Disable { .. } => None,
    });
    let values: Vec<_> = values.collect();
    if planned.is_empty() {
        return Ok(Vec::new());
    }
    let refused = session.answer(session.manager.check_options(name.as_str(), &values)).await?;
    let wrong = |(place, text): (u32, String)| {
        let (option, _) = usize::try_from(place).ok().and_then(|place| values.get(place))?;
        let (why, hint) = match text.rsplit_once('\n') {
            Some((why, hint)) => (why.to_owned(), Some(hint.to_owned())),
            None => (text, None),
        };
        Some(Wrong::new(wished.options.get(*option)?.place.clone(), Flaw::Value { why, hint }))
    };
    refused.into_iter().map(|refused| wrong(refused).ok_or(Failure::Garbled)).collect()
}

/// Options, their values, and whether those need no quotes.
type Options = Vec<(String, Option<String>, bool)>;

/// The options of a described service that can be set and are no secrets.
async fn described(session: &Session, name: &ServiceName) -> Result<Options, Failure> {
    let options = match session.answer(session.manager.options(name.as_str())).await {
        Ok(options) => options,
        Err(error) => return Err(session.failure(name, error).await),
    };
    let settable = options.into_iter().filter(|option| option.settable && !option.secret);
    let typed = |option: OptionProperties| match option.kind.as_str() {
        "bool" => switch(option.name, option.value),
        "int" | "port" => number(option.name, option.value),
        // Text may look like a switch or a number, and is none.
        _ => (option.name, option.value, false),
    };
    Ok(settable.map(typed).collect())
}

/// The options of a port that is published as it is.
fn common(service: &ServiceProperties) -> Options {
    let said = |is_on| Some(if is_on { "on" } else { "off" }.to_owned());
    let most = service.max_streams.map_or_else(|| "off".to_owned(), |most| most.to_string());
    let pow = service.proof_of_work.map_or_else(|| "off".to_owned(), |(rate, burst)| format!("{rate}:{burst}"));
    vec![
        switch("persistence".to_owned(), said(service.persistence)),
        switch("autostart".to_owned(), said(service.autostart)),
        switch(AUTHORIZATION.to_owned(), said(service.client_authorization)),
        number("max-streams".to_owned(), Some(most)),
        ("pow".to_owned(), Some(pow), false),
    ]
}

/// A switch as TOML has it.
fn switch(name: String, value: Option<String>) -> (String, Option<String>, bool) {
    let is_bare = matches!(value.as_deref(), Some("on" | "true" | "off" | "false"));
    (name, value, is_bare)
}

/// A number as TOML has it, or another word.
fn number(name: String, value: Option<String>) -> (String, Option<String>, bool) {
    let is_bare = |text: &str| text.parse::<i64>().is_ok_and(|number| number.to_string() == text);
    let is_bare = value.as_deref().is_some_and(is_bare);
    (name, value, is_bare)
}

fn ports(service: &ServiceProperties) -> Result<PortMap, Failure> {
    let mapping = |(port, target): &(u16, String)| format!("{port}:{target}").parse::<PortMapping>();
    let mappings = service.ports.iter().map(mapping).collect::<Result<Vec<_>, _>>();
    mappings.and_then(PortMap::try_from).map_err(|_| Failure::Garbled)
}

/// Asks before a service is opened to more than before: all the rest can be undone.
async fn confirm(steps: &[Step], yes: bool) -> Result<(), Failure> {
    let opened = plan::opened(steps);
    for (service, to) in &opened {
        match to {
            Opening::Everybody => say(&tr!(
                "WARNING: \"{service}\" gets open to everybody who knows its address, all former clients included.",
                service
            )),
            Opening::LocalNetwork => option::warn_of_local_network(service),
        }
    }
    if yes || opened.is_empty() {
        return Ok(());
    }
    ask::for_word(&tr!("Type the word open to do it: "), "open", Act::Change).await
}

async fn carry_out(session: &Session, step: &Step) -> Result<(), Failure> {
    let manager = &session.manager;
    let done = match step {
        Step::Publish { service, ports, client_authorization, .. } => {
            let ports: Vec<_> =
                ports.iter().map(|port| (port.virtual_port.number(), port.target.to_string())).collect();
            let ports: Vec<_> = ports.iter().map(|(port, target)| (*port, target.as_str())).collect();
            let options = PublishOptions {
                name: Some(service.clone()),
                client_authorization: Some(*client_authorization),
                enabled: Some(false),
                ..PublishOptions::default()
            };
            session.answer(manager.publish(&ports, options)).await.map(drop)
        }
        Step::Set { service, option, to, .. } => {
            session.answer(manager.set_option(service, option, to)).await.map(drop)
        }
        Step::Enable { service } => session.answer(manager.enable(service)).await.map(drop),
        Step::Disable { service } => session.answer(manager.disable(service)).await.map(drop),
    };
    Ok(done?)
}

/// What was done before something failed stays done, and is no mistake on the command line.
fn half_done(done: usize, mut failure: Failure) -> Failure {
    if done > 0 {
        say(&tr!("Only some of it is done, as printed. Importing it again goes on from there."));
        if let Failure::Refused { because, .. } = &mut failure {
            *because = Refusal::Failed;
        }
    }
    failure
}

fn tell(step: &Step) {
    say(&match step {
        Step::Publish { service, client_authorization: false, .. } => {
            tr!("\"{service}\" is new, with a new address.", service)
        }
        Step::Publish { service, .. } => {
            tr!(
                "\"{service}\" is new, with a new address, and has no clients yet: tails-server client add {service} CLIENT",
                service
            )
        }
        Step::Set { service, option, to, .. } => {
            tr!("{option} of \"{service}\" is {value}.", option, service, value = to)
        }
        Step::Enable { service } => tr!("\"{service}\" is enabled.", service),
        Step::Disable { service } => tr!("\"{service}\" is disabled.", service),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_after_something_was_done_is_no_mistake_on_the_command_line() {
        let refused = || Failure::Refused { message: String::new(), hint: None, because: Refusal::Input };
        let is = |failure, wanted| matches!(failure, Failure::Refused { because, .. } if because == wanted);
        assert!(is(half_done(0, refused()), Refusal::Input) && is(half_done(1, refused()), Refusal::Failed));
    }
}
