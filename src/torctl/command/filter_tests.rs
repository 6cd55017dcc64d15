// SPDX-License-Identifier: GPL-3.0-or-later
//! The profile for onion-grater lets through what is written here, and nothing that is not.

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use tails_server_state::{ClientPublicKey, MaxStreams, OnionKey, PortMap};
use tornet::Profile;

use super::*;

fn profile() -> Profile {
    Profile::parse(include_str!("../../../contrib/onion-grater/tails-server.yml")).unwrap()
}

fn line(command: Result<Command, InvalidArgument>) -> String {
    let command = command.unwrap();
    std::str::from_utf8(command.expose_bytes()).unwrap().trim_end().to_owned()
}

/// Whether the controller ever says it through a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Yes,
    No,
}

#[test]
fn every_line_that_is_written_comes_through() {
    let profile = profile();
    let mut tried = BTreeSet::new();
    for (builder, said, lines) in every_line() {
        assert!(!lines.is_empty(), "{builder}");
        for line in lines {
            assert_eq!(profile.allows(&line), said == Said::Yes, "{builder}: {line}");
        }
        tried.insert(builder);
    }
    // A line that is written and not in the table could be one that no filter lets through.
    let functions = include_str!("../command.rs").split("pub(super) fn ").skip(1);
    let makes_a_line =
        |text: &&str| text.split('{').next().is_some_and(|head| head.contains("Result<Self, InvalidArg"));
    let builders: BTreeSet<&str> = functions.filter(makes_a_line).filter_map(|text| text.split('(').next()).collect();
    assert_eq!(tried, builders);
}

#[test]
fn the_profile_is_for_this_program_alone() {
    assert_eq!(profile().program(), ["/usr/bin/tails-serverd"]);
    assert_eq!(profile().users(), ["tails-server"]);
}

#[test]
fn of_others_no_more_comes_back_than_has_to() {
    let profile = profile();
    let fixture = include_str!("../../../fixtures/control-port/circuits.txt");
    let circuits: Vec<&str> = fixture.lines().skip(1).collect();
    let ask = |answer: &str| profile.answer("GETINFO circuit-status", answer).unwrap();
    let block = ask(&format!("250+circuit-status=\r\n{}\r\n.\r\n250 OK", circuits.join("\r\n")));
    let visitors: Vec<&str> = circuits.iter().copied().filter(|line| line.contains("HS_SERVICE_REND")).collect();
    assert!(block.starts_with("250+circuit-status=\r\n317 BUILT ") && block.ends_with("\r\n.\r\n250 OK"), "{block}");
    assert!(!block.contains('$') && !block.contains("SOCKS_") && !block.contains("HS_CLIENT"), "{block}");
    assert_eq!(block.matches("PURPOSE=HS_SERVICE_REND HS_STATE=").count(), visitors.len());
    assert!(!visitors.is_empty() && visitors.len() < circuits.len());
    // Tor writes a single circuit, or none, into the first line.
    for (line, left) in
        [(circuits[1], ""), ("", ""), ("5 BUILT $A PURPOSE=HS_SERVICE_REND", "5 BUILT PURPOSE=HS_SERVICE_REND")]
    {
        let answer = ask(&format!("250-circuit-status={line}\r\n250 OK"));
        assert_eq!(answer, format!("250-circuit-status={left}\r\n250 OK"));
    }

    let changed = |options: &str| profile.event(&format!("650-CONF_CHANGED\r\n{options}650 OK"));
    let off = changed("650-Bridge=192.0.2.1:443\r\n650-DisableNetwork=1\r\n650-SocksPort\r\n");
    assert_eq!(off.as_deref(), Some("650-CONF_CHANGED\r\n650-DisableNetwork=1\r\n650 OK"));
    assert_eq!((changed("650-Bridge=192.0.2.1:443\r\n"), changed("650-DisableNetwork=0\r\n")), (None, None));
    for event in ["650 HS_DESC UPLOADED a UNKNOWN $B~c", "650 STATUS_CLIENT NOTICE CIRCUIT_ESTABLISHED"] {
        assert_eq!(profile.event(event).as_deref(), Some(event));
    }
}

/// Every builder with all sorts of arguments.
fn every_line() -> Vec<(&'static str, Said, Vec<String>)> {
    let address = OnionKey::generate().unwrap().address();
    let secret = ClientSecretKey::generate().unwrap();
    let (asked, never) = questions(address);
    let (events, other_events) = events();
    let circuits = ["1", "317", "a1B2c3D4e5F6g7H8"].map(|id| CircuitId::parse(id).unwrap());
    let hsdir = "9FF98062C2056738EA04324A10D337607D296C3C";
    vec![
        ("add_onion", Said::Yes, services()),
        ("del_onion", Said::Yes, vec![line(Command::del_onion(&address))]),
        ("add_client_auth", Said::Yes, vec![line(Command::add_client_auth(&address, &secret))]),
        ("remove_client_auth", Said::Yes, vec![line(Command::remove_client_auth(&address))]),
        ("hs_fetch", Said::Yes, [None, Some(hsdir)].map(|hsdir| line(Command::hs_fetch(&address, hsdir))).to_vec()),
        ("close_circuit", Said::Yes, circuits.iter().map(|id| line(Command::close_circuit(id))).collect()),
        ("set_events", Said::Yes, events),
        ("set_events", Said::No, other_events),
        ("get_info", Said::Yes, asked),
        ("get_info", Said::No, never),
        ("get_disable_network", Said::Yes, vec![line(Command::get_disable_network())]),
        // Only to a Tor of our own, before which there is no filter.
        ("take_ownership", Said::No, vec![line(Command::take_ownership())]),
        // A filter offers NULL.
        ("challenge", Said::No, vec![line(Command::challenge(&[7; 32]))]),
        ("authenticate", Said::Yes, vec![line(Command::authenticate(None))]),
    ]
}

/// Services of all sorts.
fn services() -> Vec<String> {
    let ports =
        |texts: &[&str]| PortMap::try_from(texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>()).unwrap();
    let most: Vec<String> = (1..=PortMap::MAX).map(|port| format!("{port}:unix:/run/x{}", "y".repeat(99))).collect();
    let most: Vec<&str> = most.iter().map(String::as_str).collect();
    let client = || ClientSecretKey::generate().unwrap().public_key();
    let clients: [&[ClientPublicKey]; 2] = [&[client()], &[client(), client(), client()]];
    let limits = [1, u16::MAX].map(|most| MaxStreams::new(NonZeroU16::new(most).unwrap()));
    let defences = [ProofOfWork::new(1, 1), ProofOfWork::new(ProofOfWork::MAX, ProofOfWork::MAX)].map(Result::unwrap);
    let mut lines = Vec::new();
    for ports in [
        ports(&["80:8080"]),
        ports(&["65535:127.255.9.1:65535", "1:[::1]:1", "443:unix:/run/user/1000/a,b=c#&(d)[e]~.sock"]),
        ports(&most),
    ] {
        for clients in [None, Some(clients[0]), Some(clients[1])] {
            for max_streams in [None, Some(limits[0]), Some(limits[1])] {
                for proof_of_work in [None, Some(defences[0]), Some(defences[1])] {
                    let key = OnionKey::generate().unwrap();
                    let onion = AddOnion::new(&key, key.address(), &ports);
                    let onion = AddOnion { clients, max_streams, proof_of_work, ..onion };
                    lines.push(line(Command::add_onion(&onion)));
                }
            }
        }
    }
    lines
}

/// What the controller asks, line by line as it does, and what it does not ask.
fn questions(address: OnionAddress) -> (Vec<String>, Vec<String>) {
    let ask = |keys: &[InfoKey]| line(Command::get_info(keys));
    let first = [InfoKey::BootstrapPhase, InfoKey::EnoughDirInfo, InfoKey::CircuitEstablished];
    let (mut asked, mut never) = (vec![ask(&first)], Vec::new());
    for key in [
        InfoKey::Version,
        InfoKey::BootstrapPhase,
        InfoKey::CircuitEstablished,
        InfoKey::EnoughDirInfo,
        InfoKey::NetworkLiveness,
        InfoKey::OnionsCurrent,
        InfoKey::OnionsDetached,
        InfoKey::CircuitStatus,
        InfoKey::SocksListeners,
        InfoKey::ConsensusValidAfter,
        InfoKey::ConsensusFreshUntil,
        InfoKey::ConsensusValidUntil,
        InfoKey::ProcessId,
        InfoKey::Clock,
        InfoKey::VersionStatus,
        InfoKey::ServiceDescriptor(address),
    ] {
        // A new one does not compile here: put it into the list, too.
        let said = match key {
            InfoKey::CircuitStatus
            | InfoKey::SocksListeners
            | InfoKey::ConsensusValidAfter
            | InfoKey::ConsensusFreshUntil
            | InfoKey::OnionsCurrent
            | InfoKey::ProcessId
            | InfoKey::VersionStatus => Said::Yes,
            InfoKey::Version
            | InfoKey::BootstrapPhase
            | InfoKey::CircuitEstablished
            | InfoKey::EnoughDirInfo
            | InfoKey::NetworkLiveness
            | InfoKey::OnionsDetached
            | InfoKey::ConsensusValidUntil
            | InfoKey::Clock
            | InfoKey::ServiceDescriptor(_) => Said::No,
        };
        if said == Said::Yes { &mut asked } else { &mut never }.push(ask(&[key]));
    }
    (asked, never)
}

/// Subscriptions that the controller has, and those that it has not.
fn events() -> (Vec<String>, Vec<String>) {
    use EventKind::{ConfChanged, HsDesc, NetworkLiveness, Signal, StatusClient, StatusGeneral};
    let subscribe = |kinds: &[EventKind]| line(Command::set_events(kinds));
    let yes = [&[][..], &[HsDesc], &[StatusClient, StatusGeneral, HsDesc, ConfChanged]];
    let no = [&[NetworkLiveness][..], &[HsDesc, Signal]];
    (yes.map(subscribe).to_vec(), no.map(subscribe).to_vec())
}

#[test]
fn nothing_else_comes_through() {
    let profile = profile();
    let key = format!("ED25519-V3:{}E{}==", "A".repeat(41), "A".repeat(44));
    let (id, client) = ("25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sid", "A".repeat(52));
    let x25519 = format!("x25519:{}=", "A".repeat(43));
    let good = format!("ADD_ONION {key} Flags=DiscardPK Port=80,127.0.0.1:8080");
    assert!(profile.allows(&good) && profile.allows(&format!("ONION_CLIENT_AUTH_ADD {id} {x25519}")));
    let begin = format!("ADD_ONION {key} Flags=DiscardPK");
    for line in [
        // A service that outlives us, or with another key, or with its key sent back.
        format!("ADD_ONION {key} Flags=DiscardPK,Detach Port=80,127.0.0.1:8080"),
        format!("ADD_ONION {key} Flags=Detach,DiscardPK Port=80,127.0.0.1:8080"),
        format!("{good} Flags=Detach"),
        format!("ADD_ONION {key} Port=80,127.0.0.1:8080"),
        "ADD_ONION NEW:BEST Flags=DiscardPK Port=80,127.0.0.1:8080".to_owned(),
        "ADD_ONION NEW:ED25519-V3 Flags=DiscardPK Port=80,127.0.0.1:8080".to_owned(),
        "ADD_ONION RSA1024:AAAA Flags=DiscardPK Port=80,127.0.0.1:8080".to_owned(),
        // A way out of this computer, or to wherever a name or a default leads.
        format!("{begin} Port=80,10.0.0.1:80"),
        format!("{begin} Port=80,example.org:80"),
        format!("{begin} Port=80,localhost:80"),
        format!("{begin} Port=80,0.0.0.0:80"),
        format!("{begin} Port=80,[::]:80"),
        format!("{begin} Port=80,[2001:db8::1]:80"),
        format!("{begin} Port=80,127.0.0.1.example.org:80"),
        format!("{begin} Port=80,80"),
        format!("{begin} Port=80"),
        format!("{begin} Port=80,unix:run/x"),
        format!("{begin} Port=80,unix:\"/run/x\""),
        format!("{good} Port=81,10.0.0.1:80"),
        begin.clone(),
        // Clients of the wrong version, without the flag, or the flag without clients.
        format!("{good} ClientAuth=alice"),
        format!("{good} ClientAuth=alice:{client}"),
        format!("{good} ClientAuthV3={client}"),
        format!("ADD_ONION {key} Flags=DiscardPK,V3Auth Port=80,127.0.0.1:8080"),
        format!("ADD_ONION {key} Flags=DiscardPK,V3Auth Port=80,127.0.0.1:8080 ClientAuthV3={}", &client[1..]),
        format!("ADD_ONION {key} Flags=DiscardPK,V3Auth ClientAuthV3={client} Port=80,127.0.0.1:8080"),
        format!("ADD_ONION {key} Flags=DiscardPK,NonAnonymous Port=80,127.0.0.1:8080"),
        format!("ADD_ONION {key} Flags=DiscardPK,BasicAuth Port=80,127.0.0.1:8080"),
        // Two commands, or one that has more to it than it seems.
        format!("{good}\r\nSIGNAL HALT"),
        format!("DEL_ONION {id}\nSETCONF DisableNetwork=1"),
        format!("{good} SIGNAL HALT"),
        format!("DEL_ONION {id} {id}"),
        format!("DEL_ONION {id}.onion"),
        "DEL_ONION".to_owned(),
        "DEL_ONION .+".to_owned(),
        format!("+{good}"),
        format!("ONION_CLIENT_AUTH_ADD {id} {x25519} Flags=Permanent"),
        format!("ONION_CLIENT_AUTH_ADD {id} {x25519} ClientName=x"),
        format!("ONION_CLIENT_AUTH_VIEW {id}"),
        "ONION_CLIENT_AUTH_VIEW".to_owned(),
        format!("HSFETCH {id} SERVER=$9FF9"),
        format!("HSFETCH {id} SERVER=10.0.0.1"),
        "HSFETCH v2-aaaa".to_owned(),
        "CLOSECIRCUIT 317 IfUnused".to_owned(),
        "CLOSECIRCUIT 12345678901234567".to_owned(),
        // Tor's own settings and state, and what it knows of others.
        "SETCONF DisableNetwork=1".to_owned(),
        "RESETCONF".to_owned(),
        "GETCONF Bridge".to_owned(),
        "LOADCONF".to_owned(),
        "SAVECONF".to_owned(),
        "SIGNAL NEWNYM".to_owned(),
        "SIGNAL HALT".to_owned(),
        "TAKEOWNERSHIP".to_owned(),
        "DROPOWNERSHIP".to_owned(),
        "DROPGUARDS".to_owned(),
        "DROPTIMEOUTS".to_owned(),
        "EXTENDCIRCUIT 0".to_owned(),
        "SETCIRCUITPURPOSE 1 purpose=controller".to_owned(),
        "ATTACHSTREAM 1 2".to_owned(),
        "CLOSESTREAM 1 1".to_owned(),
        "MAPADDRESS 1.2.3.4=example.org".to_owned(),
        "POSTDESCRIPTOR".to_owned(),
        "HSPOST".to_owned(),
        "RESOLVE example.org".to_owned(),
        "USEFEATURE VERBOSE_NAMES".to_owned(),
        "GETINFO address".to_owned(),
        "GETINFO config-text".to_owned(),
        "GETINFO stream-status".to_owned(),
        "GETINFO entry-guards".to_owned(),
        "GETINFO onions/detached".to_owned(),
        "GETINFO circuit-status address".to_owned(),
        "GETINFO process/pid process/user".to_owned(),
        "GETINFO".to_owned(),
        "SETEVENTS CIRC".to_owned(),
        "SETEVENTS HS_DESC HS_DESC_CONTENT".to_owned(),
        "SETEVENTS STREAM".to_owned(),
        "SETEVENTS DEBUG".to_owned(),
        String::new(),
    ] {
        assert!(!profile.allows(&line), "{line}");
    }
}
