// SPDX-License-Identifier: GPL-3.0-or-later
//! What is left of the secrets of clients and of services of others.

use std::path::{Path, PathBuf};

use tails_server_state::{
    Autostart, Change, ClientSecretKey, JoinedService, NewClient, NewClientKey, Persistence, Store, Wish,
};

use crate::access::joined;
use crate::given::{PLACES, add_services, client_key, client_name, closed, files, key, layout, made, name, record};

/// The files with any 16 bytes of a secret in them, as they are or as base32.
fn holding(root: &Path, secret: &[u8]) -> Vec<PathBuf> {
    let mut spellings: Vec<Vec<u8>> = secret.chunks_exact(16).map(<[u8]>::to_vec).collect();
    if let Ok(key) = <&[u8; 32]>::try_from(secret) {
        let text = ClientSecretKey::from_bytes(key).unwrap().expose_base32();
        spellings.extend([text.as_bytes().to_vec(), text.to_lowercase().into_bytes()]);
    }
    let holds = |path: &PathBuf| {
        // Nearly all of a database is zeros.
        let bytes: Vec<u8> =
            std::fs::read(path).unwrap().chunks(64).filter(|part| *part != [0; 64]).flatten().copied().collect();
        spellings.iter().any(|spelling| bytes.windows(spelling.len()).any(|window| window == spelling))
    };
    files(root).into_iter().filter(holds).collect()
}

fn copy(key: &ClientSecretKey) -> ClientSecretKey {
    ClientSecretKey::from_bytes(key.expose_bytes()).unwrap()
}

#[test]
fn nothing_is_left_of_what_was_removed_in_any_file() {
    for place in PLACES {
        let root = tempfile::tempdir().unwrap();
        let layout = layout(root.path());
        let store = Store::open(&layout);
        add_services(&store, 10, place);
        let web = name("web");
        let [gone, kept, of_service, of_join, of_request] = [(); 5].map(|()| client_key());
        let (old, new) = (key(), key());
        let new_client =
            |name, key: &ClientSecretKey| NewClient { name: client_name(name), key: NewClientKey::Made(copy(key)) };
        store.add(&closed("web", place), &old, Wish::Enabled).unwrap();
        store.add(&closed("other", place), &key(), Wish::Enabled).unwrap();
        store.add_client(&web, new_client("gone", &gone)).unwrap();
        store.add_client(&web, new_client("kept", &kept)).unwrap();
        store.add_client(&name("other"), new_client("alice", &of_service)).unwrap();
        for number in 0..20 {
            store.add_client(&web, made(&format!("c{number}"))).unwrap();
        }
        let mumble = JoinedService { note: "the password is hunter2".to_owned(), ..joined("mumble", place) };
        store.join(&mumble, Some(&of_join)).unwrap();
        store.add_request(&client_name("me"), &of_request, place).unwrap();
        // Into both exports, and into more than one page of the database.
        drop(store);
        let store = Store::open(&layout);
        store.set_record(&record("s1", place, Autostart::Off).with_exposure(*closed("x", place).exposure())).unwrap();
        drop(store);
        let store = Store::open(&layout);
        let secrets = |key: &ClientSecretKey| key.expose_bytes().to_vec();
        let note = mumble.note.as_bytes();
        let is_there = |secret: &[u8]| assert!(holding(root.path(), secret).len() >= 2, "{place:?}");
        let is_gone = |secret: &[u8]| assert_eq!(holding(root.path(), secret), Vec::<PathBuf>::new(), "{place:?}");
        for secret in [&gone, &kept, &of_service, &of_join, &of_request] {
            is_there(&secrets(secret));
        }
        is_there(note);
        is_there(old.expose_expanded());

        assert_eq!(store.remove_client(&web, &client_name("gone")).unwrap(), Change::Changed);
        is_gone(&secrets(&gone));
        store.replace_key(&web, &new).unwrap();
        is_gone(old.expose_expanded());
        store.remove(&name("other")).unwrap();
        is_gone(&secrets(&of_service));
        let renamed = JoinedService { note: String::new(), ..mumble.clone() };
        let other = client_key();
        assert_eq!(store.join(&renamed, Some(&other)).unwrap(), Change::Changed);
        is_gone(&secrets(&of_join));
        is_gone(note);
        is_there(&secrets(&other));
        let elsewhere = if place == Persistence::Kept { Persistence::Amnesic } else { Persistence::Kept };
        store.join(&JoinedService { persistence: elsewhere, ..renamed }, Some(&other)).unwrap();
        let in_place = if place == Persistence::Kept { &layout.kept } else { &layout.amnesic };
        assert_eq!(holding(in_place, other.expose_bytes()), Vec::<PathBuf>::new());
        assert_eq!(store.leave(&mumble.name).unwrap(), Change::Changed);
        is_gone(&secrets(&other));
        store.remove_request(&client_name("me")).unwrap();
        is_gone(&secrets(&of_request));

        is_there(&secrets(&kept));
        is_there(new.expose_expanded());
        assert_eq!(store.client_key(&web, &client_name("kept")).unwrap().expose_bytes(), kept.expose_bytes());
        drop(store);
        for secret in [&gone, &of_service, &of_join, &of_request, &other] {
            is_gone(&secrets(secret));
        }
        assert_eq!(Store::open(&layout).services().len(), 11);
    }
}

#[test]
fn debug_shows_no_secret() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(&layout(root.path()));
    let secret = client_key();
    store.add(&closed("web", Persistence::Kept), &key(), Wish::Enabled).unwrap();
    let alice = NewClient { name: client_name("alice"), key: NewClientKey::Made(copy(&secret)) };
    let shown = format!("{alice:?}");
    store.add_client(&name("web"), alice).unwrap();
    store.join(&joined("mumble", Persistence::Kept), Some(&secret)).unwrap();
    let shown = format!(
        "{shown} {store:?} {:?} {:?} {:?} {:?}",
        store.services(),
        store.joined(),
        store.joined_key(&name("mumble")),
        store.client_key(&name("web"), &client_name("alice")),
    );
    let hidden = [
        secret.expose_base32().to_string(),
        secret.public_key().base32(),
        "hunter2".to_owned(),
        store.joined()[0].address.service_id(),
        format!("{}, {}", secret.expose_bytes()[0], secret.expose_bytes()[1]),
    ];
    for hidden in hidden {
        assert!(!shown.contains(&hidden), "{hidden}: {shown}");
    }
}
