// SPDX-License-Identifier: GPL-3.0-or-later
//! What a Tor holds, and what must never be so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tails_server_state::OnionKey;
use tokio::time::Instant;

/// How long Tor takes to answer: what people ask for meanwhile comes between two commands.
pub(crate) const LATENCY: Duration = Duration::from_millis(10);

/// Somebody who visits: a client by its public key, or, without one, whoever knows the address.
pub(crate) type Visitor = Option<String>;

/// To whom a service is open: to these keys, or to everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Open {
    ToEverybody,
    To(BTreeSet<String>),
}

impl Open {
    pub(crate) fn lets_in(&self, visitor: &Visitor) -> bool {
        match (self, visitor) {
            (Self::ToEverybody, _) => true,
            (Self::To(keys), Some(key)) => keys.contains(key),
            (Self::To(_), None) => false,
        }
    }

    pub(crate) fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::ToEverybody, _) => true,
            (Self::To(_), Self::ToEverybody) => false,
            (Self::To(these), Self::To(those)) => these.is_superset(those),
        }
    }

    pub(crate) fn and(self, other: &Self) -> Self {
        match (self, other) {
            (Self::To(these), Self::To(those)) => Self::To(these.union(those).cloned().collect()),
            (Self::ToEverybody, _) | (_, Self::ToEverybody) => Self::ToEverybody,
        }
    }
}

/// What one control connection is to the model: its number, and whether it wants to hear of descriptors.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    number: u64,
    wants_descriptors: bool,
}

impl Connection {
    pub(crate) fn new(number: u64) -> Self {
        Self { number, ..Self::default() }
    }
}

/// How the clients that ADD_ONION repeats, and really lets in, differ from those that were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Echo {
    True,
    LacksOne,
    HasOneMore,
    HasNone,
}

#[derive(Debug)]
struct Service {
    connection: u64,
    open: Open,
}

#[derive(Debug)]
struct Circuit {
    id: u32,
    address: String,
    visitor: Visitor,
    /// Whether Tor replaces it when it is closed, for it is still being built.
    is_replaced: bool,
}

/// What the Tor holds, and what was promised to people.
#[derive(Debug, Default)]
pub(crate) struct Model {
    services: BTreeMap<String, Service>,
    circuits: Vec<Circuit>,
    circuits_so_far: u32,
    /// Circuits that replace others at the next command.
    replacements: Vec<Circuit>,
    /// Who wants to visit every service, and does so as soon as they can.
    crowd: Vec<Visitor>,
    /// To whom a service is open at most, as it was acknowledged, and when.
    promises: BTreeMap<String, (Open, Instant)>,
    /// An answer that differs from what was asked for, and when it is there: the service has to be removed before
    /// anything else.
    wrong: Option<(u64, String, Instant)>,
    /// Keys that belong to nobody: the controller lets itself in for checks, with another one in each life of a service.
    probes: BTreeSet<String>,
    pub(crate) violations: Vec<String>,
}

impl Model {
    /// A Tor without services, which these want to visit.
    pub(crate) fn with_crowd(crowd: Vec<Visitor>) -> Self {
        Self { crowd, ..Self::default() }
    }

    /// From here on the service is open to these at most.
    pub(crate) fn promise(&mut self, address: &str, open: Open) {
        self.promises.insert(address.to_owned(), (open, Instant::now()));
    }

    /// From here on these may be let in, too.
    pub(crate) fn allow(&mut self, address: &str, open: &Open) {
        let promised = match self.promises.remove(address) {
            Some((promised, _)) => promised.and(open),
            None => open.clone(),
        };
        self.promise(address, promised);
    }

    /// What is open that should not be, or open to whom it should not be.
    pub(crate) fn too_open(&self, address: &str) -> Option<String> {
        let (promised, _) = self.promises.get(address)?;
        if let Some(service) = self.services.get(address).filter(|service| !promised.includes(&service.open)) {
            return Some(format!("it is open to {:?}", service.open));
        }
        let unwelcome = |circuit: &&Circuit| circuit.address == address && !promised.lets_in(&circuit.visitor);
        let circuit = self.circuits.iter().chain(&self.replacements).find(unwelcome)?;
        Some(format!("circuit {} of {:?} is open", circuit.id, circuit.visitor))
    }

    /// The services that are there, and to whom they are open.
    pub(crate) fn services(&self) -> BTreeMap<String, Open> {
        self.services.iter().map(|(address, service)| (address.clone(), service.open.clone())).collect()
    }

    /// The addresses with visitors.
    pub(crate) fn visited(&self) -> BTreeSet<String> {
        self.circuits.iter().map(|circuit| circuit.address.clone()).collect()
    }

    /// The process is killed.
    pub(crate) fn die(&mut self) {
        self.services.clear();
        self.circuits.clear();
        self.replacements.clear();
    }

    /// A control connection ended: its services go, their visitors stay.
    pub(crate) fn disconnect(&mut self, connection: &Connection) {
        self.services.retain(|_, service| service.connection != connection.number);
        if self.wrong.as_ref().is_some_and(|(number, ..)| *number == connection.number) {
            self.wrong = None;
        }
    }

    /// A command comes in, whatever is made of it.
    pub(crate) fn hear(&mut self, connection: &Connection, command: &str) {
        self.visitors_come();
        let is_its = |(number, ..): &mut (u64, String, Instant)| *number == connection.number;
        if let Some((number, address, answered)) = self.wrong.take_if(is_its) {
            if command == format!("DEL_ONION {}", id(&address)) {
                // As it should be.
            } else if Instant::now() <= answered {
                // This was on its way before.
                self.wrong = Some((number, address, answered));
            } else {
                self.violations.push(format!("{} before a wrong service was removed", verb(command)));
            }
        }
        // What was written in the moment of the answer was on its way before it.
        let asked = self.asked(command);
        if let Some(asked) = &asked {
            self.look_at_probes(asked);
        }
        if let Some(asked) = asked
            && let Some((promised, since)) = self.promises.get(&asked.address)
            && !promised.includes(&asked.open)
            && *since < Instant::now()
        {
            self.violations.push(format!("ADD_ONION lets in {:?} after that was ended", asked.open));
        }
    }

    /// Does what it is told; the reply, and the events after it.
    pub(crate) fn act(&mut self, connection: &mut Connection, command: &str, echo: Echo) -> String {
        let words: Vec<&str> = command.split(' ').collect();
        let reply = match words.as_slice() {
            ["SETEVENTS", kinds @ ..] => {
                connection.wants_descriptors = kinds.contains(&"HS_DESC");
                "250 OK\r\n".to_owned()
            }
            ["GETINFO", "circuit-status"] => self.circuit_status(),
            ["GETINFO", keys @ ..] => {
                let value = |key: &&str| match *key {
                    "status/bootstrap-phase" => "NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY=\"Done\"",
                    "status/version/current" => "recommended",
                    _ => "1",
                };
                let lines: String = keys.iter().map(|key| format!("250-{key}={}\r\n", value(key))).collect();
                format!("{lines}250 OK\r\n")
            }
            ["CLOSECIRCUIT", id] => self.close_circuit(id),
            ["DEL_ONION", id] => {
                let address = format!("{id}.onion");
                match self.services.get(&address) {
                    Some(service) if service.connection == connection.number => {
                        self.services.remove(&address);
                        "250 OK\r\n".to_owned()
                    }
                    _ => "552 Unknown Onion Service id\r\n".to_owned(),
                }
            }
            ["ADD_ONION", ..] => self.add_onion(connection, command, echo),
            _ => "250 OK\r\n".to_owned(),
        };
        self.visitors_come();
        reply
    }

    fn add_onion(&mut self, connection: &Connection, command: &str, echo: Echo) -> String {
        let Some(Asked { address, open, probes }) = self.asked(command) else {
            return "512 Invalid key type\r\n".to_owned();
        };
        if self.services.contains_key(&address) {
            return "550 Onion address collision\r\n".to_owned();
        }
        let open = echo.of(open);
        let repeated: String = match &open {
            Open::ToEverybody => String::new(),
            Open::To(keys) => keys.iter().chain(&probes).map(|key| format!("250-ClientAuthV3={key}\r\n")).collect(),
        };
        self.services.insert(address.clone(), Service { connection: connection.number, open });
        if echo != Echo::True {
            self.wrong = Some((connection.number, address.clone(), Instant::now() + LATENCY));
        }
        let (id, hsdir) = (id(&address), "A".repeat(40));
        let events = if connection.wants_descriptors {
            format!(
                "650 HS_DESC UPLOAD {id} UNKNOWN ${hsdir} pbfXeC6a34kHbQX3hsnhBoZayT+MPiuChN/4f3xiFMY\r\n\
                 650 HS_DESC UPLOADED {id} UNKNOWN ${hsdir}\r\n"
            )
        } else {
            String::new()
        };
        format!("250-ServiceID={id}\r\n{repeated}250 OK\r\n{events}")
    }

    fn asked(&self, command: &str) -> Option<Asked> {
        Asked::parse(command, |key| self.crowd.iter().flatten().any(|person| person == key))
    }

    /// A private service has one key that belongs to nobody, and never the same one again.
    fn look_at_probes(&mut self, asked: &Asked) {
        let expected = usize::from(asked.open != Open::ToEverybody);
        if asked.probes.len() != expected {
            self.violations.push(format!("ADD_ONION has {} keys that belong to nobody", asked.probes.len()));
        }
        for probe in &asked.probes {
            if !self.probes.insert(probe.clone()) {
                self.violations.push("ADD_ONION has a key for checks that it had before".to_owned());
            }
        }
    }

    /// As Tor writes it: on one line unless there are two circuits or more.
    fn circuit_status(&mut self) -> String {
        self.circuits.append(&mut self.replacements);
        let path = "$1FBDCB4A16614B7B422FDFCDF67A0DCF663431ED~auth2,$12D8CA4131A29E9875A25F44B3ED7975E0554D12~auth1";
        let lines = self.circuits.iter().map(|circuit| {
            let state = if circuit.is_replaced { "EXTENDED" } else { "BUILT" };
            let hs_state = if circuit.is_replaced { "HSSR_CONNECTING" } else { "HSSR_JOINED" };
            format!(
                "{} {state} {path} BUILD_FLAGS=IS_INTERNAL,NEED_CAPACITY PURPOSE=HS_SERVICE_REND HS_STATE={hs_state} \
                 REND_QUERY={} TIME_CREATED=2026-11-22T06:39:01.203265",
                circuit.id,
                id(&circuit.address)
            )
        });
        let lines: Vec<String> = lines.collect();
        match lines.as_slice() {
            [] => "250-circuit-status=\r\n250 OK\r\n".to_owned(),
            [line] => format!("250-circuit-status={line}\r\n250 OK\r\n"),
            lines => format!("250+circuit-status=\r\n{}\r\n.\r\n250 OK\r\n", lines.join("\r\n")),
        }
    }

    fn close_circuit(&mut self, name: &str) -> String {
        let Some(place) = self.circuits.iter().position(|circuit| circuit.id.to_string() == name) else {
            return format!("552 Unknown circuit \"{name}\"\r\n");
        };
        let Circuit { address, visitor, is_replaced, .. } = self.circuits.remove(place);
        if is_replaced {
            let id = self.next_circuit();
            self.replacements.push(Circuit { id, address, visitor, is_replaced: false });
        }
        "250 OK\r\n".to_owned()
    }

    /// Whoever is let in somewhere and has no circuit there gets one at once. Every other is still being built.
    fn visitors_come(&mut self) {
        for (address, service) in &self.services {
            for visitor in self.crowd.iter().filter(|visitor| service.open.lets_in(visitor)) {
                let is_theirs = |circuit: &Circuit| circuit.address == *address && circuit.visitor == *visitor;
                if !self.circuits.iter().chain(&self.replacements).any(is_theirs) {
                    self.circuits_so_far += 1;
                    let id = self.circuits_so_far;
                    let is_replaced = id.is_multiple_of(2);
                    self.circuits.push(Circuit { id, address: address.clone(), visitor: visitor.clone(), is_replaced });
                }
            }
        }
    }

    fn next_circuit(&mut self) -> u32 {
        self.circuits_so_far += 1;
        self.circuits_so_far
    }
}

impl Echo {
    fn of(self, open: Open) -> Open {
        match (self, open) {
            (Self::True, open) => open,
            (Self::LacksOne, Open::To(keys)) => Open::To(keys.into_iter().skip(1).collect()),
            (Self::HasOneMore, Open::To(mut keys)) => {
                keys.insert("E".repeat(52));
                Open::To(keys)
            }
            (Self::HasOneMore, Open::ToEverybody) => Open::To(BTreeSet::from(["E".repeat(52)])),
            (Self::HasNone, _) | (Self::LacksOne, Open::ToEverybody) => Open::ToEverybody,
        }
    }
}

/// What an ADD_ONION asks for.
struct Asked {
    address: String,
    open: Open,
    probes: BTreeSet<String>,
}

impl Asked {
    fn parse(command: &str, is_of_somebody: impl Fn(&str) -> bool) -> Option<Self> {
        let key = command.strip_prefix("ADD_ONION ED25519-V3:")?.split(' ').next()?;
        let key = OnionKey::from_expanded(STANDARD.decode(key).ok()?.as_slice().try_into().ok()?).ok()?;
        let keys: BTreeSet<String> =
            command.split(' ').filter_map(|word| Some(word.strip_prefix("ClientAuthV3=")?.to_owned())).collect();
        let is_private = command.contains("V3Auth ") || !keys.is_empty();
        let (people, probes) = keys.into_iter().partition(|key| is_of_somebody(key));
        let open = if is_private { Open::To(people) } else { Open::ToEverybody };
        Some(Self { address: key.address().display_unredacted(), open, probes })
    }
}

/// The first word of a command: what follows may be a key.
pub(crate) fn verb(command: &str) -> &str {
    command.split(' ').next().unwrap_or_default()
}

fn id(address: &str) -> &str {
    address.trim_end_matches(".onion")
}
