// SPDX-License-Identifier: GPL-3.0-or-later
//! A store as it was released. If these tests fail, people lose what they stored: mend the program, not the fixture.

use std::path::{Path, PathBuf};

use tails_server_state::{
    Allow, AuthorizedClient, Autostart, Change, ClientAuthorization, ClientSecretKey, Exposure, JoinedService,
    LocalAccess, Loss, NewClient, NewClientKey, OnionKey, OptionText, Persistence, PortMap, ProofOfWork, SecretHeld,
    ServiceKind, ServiceRecord, Store, StoreError, StoreLayout, StoredService, Wish,
};

use crate::given::{copy_tree, database, layout, name};

const DIRECTORY: &str = "TAILS_SERVER_FIXTURE_DIRECTORY";

fn released() -> StoreLayout {
    layout(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/store/v1"))
}

/// A key that everybody knows.
fn throw_away(byte: u8) -> OnionKey {
    OnionKey::from_expanded(&[byte; OnionKey::BYTES]).unwrap()
}

/// A key of a client that everybody knows.
fn throw_away_client(byte: u8) -> ClientSecretKey {
    ClientSecretKey::from_bytes(&[byte; ClientSecretKey::BYTES]).unwrap()
}

/// What is expected of one service. The last part says which secret keys of its clients are there.
struct Expected {
    service: StoredService,
    key: OnionKey,
    clients: Vec<NewClient>,
}

fn expected() -> Vec<Expected> {
    let service = |name: &str, persistence, autostart, ports: &[&str], wish, byte| {
        let ports: Vec<_> = ports.iter().map(|port| port.parse().unwrap()).collect();
        let ports = PortMap::try_from(ports).unwrap();
        let record = ServiceRecord::new(name.parse().unwrap(), persistence, autostart, ports).unwrap();
        let service =
            StoredService { record, address: throw_away(byte).address(), wish, clients: Vec::new(), enabled_at: 0 };
        Expected { service, key: throw_away(byte), clients: Vec::new() }
    };
    let client = |name: &str, key| NewClient { name: name.parse().unwrap(), key };
    let mut chat = service("chat", Persistence::Kept, Autostart::Off, &["64738"], Wish::Enabled, 0x48);
    chat.clients.push(client("alice", NewClientKey::Made(throw_away_client(0x41))));
    chat.clients.push(client("bob", NewClientKey::Brought(throw_away_client(0x42).public_key())));
    chat.service.record = chat.service.record.with_exposure(Exposure {
        client_authorization: ClientAuthorization::On,
        max_streams: Some("100".parse().unwrap()),
        proof_of_work: Some(ProofOfWork::new(5, 50).unwrap()),
    });
    let access = LocalAccess { localhost: Allow::Yes, lan: Allow::No };
    chat.service.record = chat.service.record.of_kind(ServiceKind::Described(access));
    let mut pad =
        service("pad", Persistence::Amnesic, Autostart::Off, &["80:unix:/run/pad/http.sock"], Wish::Enabled, 0x50);
    pad.clients.push(client("alice", NewClientKey::Made(throw_away_client(0x43))));
    let web = service("web", Persistence::Kept, Autostart::On, &["80:8080", "443:[::1]:8443"], Wish::Disabled, 0x58);
    let mut all = vec![chat, pad, web];
    for expected in &mut all {
        let listed = expected.clients.iter().map(|client| AuthorizedClient {
            name: client.name.clone(),
            public_key: client.key.public_key(),
            secret: if client.key.secret().is_some() { SecretHeld::Here } else { SecretHeld::Elsewhere },
        });
        expected.service.clients = listed.collect();
    }
    all
}

/// The options of the service `chat`.
const OPTIONS: [(&str, &str); 2] = [("server-password", "throw-away"), ("welcome-message", "Ha\nllo")];

fn expected_joined() -> Vec<(JoinedService, Option<ClientSecretKey>)> {
    let joined = |name: &str, persistence, title: Option<&str>, note: &str, byte| JoinedService {
        name: name.parse().unwrap(),
        address: throw_away(byte).address(),
        persistence,
        title: title.map(str::to_owned),
        ports: vec!["80".parse().unwrap(), "443".parse().unwrap()],
        note: note.to_owned(),
        expires: title.map(|_| 2_000_000_000),
    };
    vec![
        (joined("blog", Persistence::Amnesic, None, "", 0x68), None),
        (joined("mumble", Persistence::Kept, Some("Mümble"), "password: x\n", 0x70), Some(throw_away_client(0x44))),
    ]
}

fn check(store: &Store, is_doubted: impl Fn(&ServiceRecord) -> bool) {
    let services = store.services();
    for (found, Expected { service, key, clients }) in services.iter().zip(expected()) {
        let wish = if is_doubted(&service.record) { Wish::Disabled } else { service.wish };
        assert_eq!(*found, StoredService { wish, enabled_at: found.enabled_at, ..service.clone() });
        assert!(found.enabled_at > 0);
        let name = service.record.name();
        assert_eq!(store.key(name).unwrap().expose_expanded(), key.expose_expanded());
        for client in clients {
            match (store.client_key(name, &client.name), client.key.secret()) {
                (Ok(found), Some(key)) => assert_eq!(found.expose_bytes(), key.expose_bytes()),
                (Err(StoreError::SecretElsewhere { .. }), None) => {}
                (found, _) => panic!("{found:?}"),
            }
        }
    }
    assert_eq!(services.len(), expected().len());
    let options = store.options(&name("chat")).unwrap();
    assert!(options.iter().map(|(option, text)| (option.as_str(), text.expose())).eq(OPTIONS), "{options:?}");
    assert!(store.options(&name("web")).unwrap().is_empty());
    let joined = expected_joined();
    assert_eq!(store.joined(), joined.iter().map(|(joined, _)| joined.clone()).collect::<Vec<_>>());
    for (joined, key) in joined {
        let found = store.joined_key(&joined.name).unwrap();
        assert_eq!(found.map(|key| *key.expose_bytes()), key.map(|key| *key.expose_bytes()));
    }
    let request = throw_away_client(0x45);
    let (name, key) = store.request_key_for(&request.public_key()).unwrap().unwrap();
    assert_eq!((name.as_str(), key.expose_bytes()), ("me", request.expose_bytes()));
}

fn copy(root: &Path) -> StoreLayout {
    let copy = layout(root);
    copy_tree(&released().kept, &copy.kept);
    copy_tree(&released().amnesic, &copy.amnesic);
    copy
}

#[test]
fn a_store_of_version_1_opens_with_all_that_was_in_it() {
    let root = tempfile::tempdir().unwrap();
    let layout = copy(root.path());
    for _ in 0..2 {
        let store = Store::open(&layout);
        for place in [Persistence::Kept, Persistence::Amnesic] {
            assert!(store.problem(place).is_none(), "{:?}", store.problem(place));
            assert_eq!(store.recovery(place), None);
        }
        check(&store, |_| false);
    }
}

#[test]
fn an_export_of_version_1_is_enough() {
    let root = tempfile::tempdir().unwrap();
    let layout = copy(root.path());
    std::fs::remove_dir_all(database(&layout.kept)).unwrap();
    let store = Store::open(&layout);
    assert_eq!(store.recovery(Persistence::Kept).unwrap().loss, Loss::NotExcluded);
    check(&store, |record| record.persistence() == Persistence::Kept);
}

/// Not a test: how the fixture was made.
#[test]
#[ignore = "writes the fixture of a new version"]
fn write() {
    let layout = layout(&PathBuf::from(std::env::var_os(DIRECTORY).unwrap()));
    let store = Store::open(&layout);
    for Expected { service, key, clients } in expected() {
        store.add(&service.record, &key, Wish::Enabled).unwrap();
        for client in clients {
            store.add_client(service.record.name(), client).unwrap();
        }
    }
    for (option, text) in OPTIONS {
        store.set_option(&name("chat"), &option.parse().unwrap(), &OptionText::new(text)).unwrap();
    }
    for (joined, key) in expected_joined() {
        assert_eq!(store.join(&joined, key.as_ref()).unwrap(), Change::Changed);
    }
    store.add_request(&"me".parse().unwrap(), &throw_away_client(0x45), Persistence::Amnesic).unwrap();
    let removed = crate::given::record("gone", Persistence::Kept, Autostart::Off);
    store.add(&removed, &throw_away(0x60), Wish::Enabled).unwrap();
    store.remove(&name("gone")).unwrap();
    store.set_wish(&name("web"), Wish::Disabled).unwrap();
    drop(store);
    check(&Store::open(&layout), |_| false);
    for place in [&layout.kept, &layout.amnesic] {
        for left in ["ballast", "ballast-opening", "state.lock"] {
            std::fs::remove_file(place.join(left)).unwrap();
        }
    }
}
