// SPDX-License-Identifier: GPL-3.0-or-later
//! Tor and all services at a glance, for people: `tails-server status` and `tails-server list`.

use std::collections::HashMap;

use tr::tr;

use crate::bus::api::{CatalogProperties, ServiceProperties, StoreProblem, TorProperties};
use crate::cli::table::{Line, Table, indented};
use crate::cli::terminal::{Screen, Tone, harmless};

/// How far what is wrong with Tor or the store is indented.
const INDENT: usize = 2;

/// Tor, what is wrong with the store, and then every service. `now` is in seconds since 1970.
pub(super) fn overview(
    tor: &TorProperties,
    store: &[StoreProblem],
    services: &HashMap<String, ServiceProperties>,
    now: u64,
    screen: Screen,
) -> String {
    let mut lines = of_tor(tor, screen);
    for StoreProblem { problem, hint } in store {
        let problem = problem.as_str();
        lines.extend(indented(&harmless(&tr!("! Store: {problem}", problem = tr!(problem))), 0, screen));
        lines.extend(hint.iter().flat_map(|hint| indented(&harmless(&in_words(hint)), INDENT, screen)));
    }
    if !services.is_empty() {
        let headings = [tr!("NAME"), tr!("STATE"), tr!("SINCE"), tr!("PERSISTED"), tr!("AUTOSTART"), tr!("CLIENTS")];
        let mut table = Table::new(headings.to_vec(), vec![0]);
        for (name, service) in by_name(services) {
            let persisted = if service.persistence { tr!("kept") } else { tr!("amnesic") };
            let autostart = if service.autostart { tr!("on") } else { tr!("off") };
            let clients = if service.client_authorization { service.clients.to_string() } else { tr!("open") };
            let cells = vec![name.clone(), state(service), age(service.since, now), persisted, autostart, clients];
            table.add(line(service, cells));
        }
        lines.push(String::new());
        lines.extend(table.lines(screen));
    }
    lines.join("\n")
}

/// The services, and then those that can be had.
pub(super) fn list(
    services: &HashMap<String, ServiceProperties>,
    had: &HashMap<String, CatalogProperties>,
    screen: Screen,
) -> String {
    let mut lines = Vec::new();
    if !services.is_empty() {
        let mut table = Table::new(vec![tr!("NAME"), tr!("STATE"), tr!("PORTS")], vec![2, 0]);
        for (name, service) in by_name(services) {
            let ports: Vec<String> = service.ports.iter().map(|(port, target)| format!("{port}:{target}")).collect();
            table.add(line(service, vec![name.clone(), state(service), ports.join(", ")]));
        }
        lines.extend(table.lines(screen));
    }
    let mut table = Table::new(vec![tr!("NAME"), tr!("STATE"), tr!("DESCRIPTION")], vec![2, 0]);
    let mut is_any = false;
    for (name, described) in by_name(had).into_iter().filter(|(name, _)| !services.contains_key(*name)) {
        is_any = true;
        let (sign, tone, state) = match &described.problem {
            None => (' ', Tone::Plain, "available"),
            Some(_) => ('!', Tone::Bad, "unavailable"),
        };
        let notes = described.problem.iter().chain(&described.hint).map(|told| in_words(told)).collect();
        let cells = vec![name.clone(), state.to_owned(), described.description.clone()];
        table.add(Line { sign, tone, cells, notes });
    }
    if is_any {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(indented(&tr!("To be had with `tails-server enable NAME`:"), 0, screen));
        lines.extend(table.lines(screen));
    }
    lines.join("\n")
}

fn of_tor(tor: &TorProperties, screen: Screen) -> Vec<String> {
    let (sign, tone, how) = match (tor.connected, tor.online) {
        _ if tor.problem.is_some() && !tor.online => {
            ('!', Tone::Bad, if tor.connected { tr!("not online") } else { tr!("not connected") })
        }
        (false, _) => ('!', Tone::Bad, tr!("not connected")),
        (true, false) => ('~', Tone::Moving, tr!("not online")),
        (true, true) => ('+', Tone::Good, tr!("online")),
    };
    let version = tor.version.as_ref().map(|version| format!(" {}", harmless(version))).unwrap_or_default();
    let first = if tor.connected {
        let percent = tr!("{percent} % bootstrapped", percent = tor.bootstrap);
        let at = if tor.bootstrap < 100 && !tor.summary.is_empty() {
            format!(" ({})", harmless(&in_words(&tor.summary)))
        } else {
            String::new()
        };
        format!("{sign} Tor{version}: {how}, {percent}{at}")
    } else {
        format!("{sign} Tor{version}: {how}")
    };
    let mut lines: Vec<String> =
        indented(&first, 0, screen).into_iter().map(|line| screen.toned(&line, tone)).collect();
    for said in tor.problem.iter().chain(&tor.hint) {
        lines.extend(indented(&harmless(&in_words(said)), INDENT, screen));
    }
    for (warning, hint) in &tor.warnings {
        let warning = warning.as_str();
        lines.extend(indented(&harmless(&tr!("! Warning: {warning}", warning = tr!(warning))), 0, screen));
        if !hint.is_empty() {
            lines.extend(indented(&harmless(&in_words(hint)), INDENT, screen));
        }
    }
    lines
}

/// A service in a table, with what is wrong with it below.
fn line(service: &ServiceProperties, cells: Vec<String>) -> Line {
    let (sign, tone) = match service.state.as_str() {
        "failed" => ('!', Tone::Bad),
        _ if service.problem.is_some() => ('!', Tone::Bad),
        "published" => ('+', Tone::Good),
        "disabled" => ('-', Tone::Quiet),
        _ => ('~', Tone::Moving),
    };
    Line { sign, tone, cells, notes: service.problem.iter().chain(&service.hint).map(|told| in_words(told)).collect() }
}

/// The state, and how far it has come.
fn state(service: &ServiceProperties) -> String {
    match (service.state.as_str(), &service.progress) {
        ("installing", Some((percent, _))) => format!("installing {percent} %"),
        ("publishing", _) if service.uploads_attempted > 0 => {
            format!("publishing {}/{}", service.uploads_confirmed, service.uploads_attempted)
        }
        (state, _) => state.to_owned(),
    }
}

/// How long it has been so, in the largest unit that fits.
fn age(since: u64, now: u64) -> String {
    // A clock that was set back makes it begin now.
    let seconds = now.saturating_sub(since);
    match (seconds, seconds / 60, seconds / 3600, seconds / 86_400) {
        (seconds, 0, _, _) => tr!("{seconds} s", seconds),
        (_, minutes, 0, _) => tr!("{minutes} min", minutes),
        (_, _, hours, 0) => tr!("{hours} h", hours),
        (_, _, _, days) => tr!("{n} day" | "{n} days" % days),
    }
}

/// What the controller says, for people.
fn in_words(told: &str) -> String {
    tr!(told)
}

fn by_name<T>(named: &HashMap<String, T>) -> Vec<(&String, &T)> {
    let mut sorted: Vec<_> = named.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    sorted
}

#[cfg(test)]
mod tests;
