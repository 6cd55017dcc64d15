// SPDX-License-Identifier: GPL-3.0-or-later
//! The options of services: durable, whole, and gone when they are removed.

use std::path::{Path, PathBuf};

use tails_server_state::{
    Allow, Autostart, Change, LocalAccess, OptionName, OptionText, Persistence, ServiceKind, ServiceRecord, Store,
    StoreError, Wish,
};

use crate::given::{PLACES, add_services, database, files, key, layout, name, record};

fn option(text: &str) -> OptionName {
    text.parse().unwrap()
}

fn described(service: &str, place: Persistence) -> ServiceRecord {
    let access = LocalAccess { localhost: Allow::No, lan: Allow::Yes };
    record(service, place, Autostart::Off).of_kind(ServiceKind::Described(access))
}

fn found(store: &Store, service: &str) -> Vec<(String, String)> {
    let options = store.options(&name(service)).unwrap();
    options.iter().map(|(option, text)| (option.to_string(), text.expose().to_owned())).collect()
}

fn pair(option: &str, text: &str) -> (String, String) {
    (option.to_owned(), text.to_owned())
}

/// The files with this text in them.
fn holding(root: &Path, text: &str) -> Vec<PathBuf> {
    let holds =
        |path: &PathBuf| std::fs::read(path).unwrap().windows(text.len()).any(|window| window == text.as_bytes());
    files(root).into_iter().filter(|path| !path.ends_with("ballast")).filter(holds).collect()
}

#[test]
fn options_come_with_the_service_change_and_go_with_it() {
    for place in PLACES {
        let root = tempfile::tempdir().unwrap();
        let layout = layout(root.path());
        let store = Store::open(&layout);
        add_services(&store, 5, place);
        let first = [(option("server-password"), OptionText::new("the-first-password"))];
        store.add_with_options(&described("mumble", place), &key(), Wish::Enabled, &first).unwrap();
        let mumble = name("mumble");
        assert_eq!(store.services()[0].record, described("mumble", place));
        let set = |option_name: &str, text: &str| {
            store.set_option(&mumble, &option(option_name), &OptionText::new(text)).unwrap()
        };
        assert_eq!(set("server-password", "the-first-password"), Change::Unchanged);
        assert!(!holding(root.path(), "the-first-password").is_empty());
        assert_eq!(set("server-password", "the-second-password"), Change::Changed);
        assert_eq!(holding(root.path(), "the-first-password"), Vec::<PathBuf>::new(), "{place:?}");
        assert_eq!(set("welcome-message", ""), Change::Changed);
        assert_eq!(set("max-users", "7"), Change::Changed);
        assert_eq!(store.reset_option(&mumble, &option("max-users")).unwrap(), Change::Changed);
        assert_eq!(store.reset_option(&mumble, &option("max-users")).unwrap(), Change::Unchanged);
        let expected = [pair("server-password", "the-second-password"), pair("welcome-message", "")];
        assert_eq!(found(&store, "mumble"), expected);
        drop(store);
        let store = Store::open(&layout);
        assert_eq!((found(&store, "mumble"), store.recovery(place)), (expected.to_vec(), None));
        let (too_long, unknown) = (OptionText::new(&"x".repeat(10_000)), name("mumbel"));
        let refused = store.set_option(&mumble, &option("welcome-message"), &too_long);
        assert!(matches!(refused, Err(StoreError::TooLarge { .. })), "{refused:?}");
        let refused = store.set_option(&unknown, &option("a"), &OptionText::new("x"));
        assert!(matches!(refused, Err(StoreError::Unknown { .. })), "{refused:?}");
        assert_eq!(found(&store, "mumble"), expected);
        store.remove(&mumble).unwrap();
        assert_eq!(holding(root.path(), "the-second-password"), Vec::<PathBuf>::new(), "{place:?}");
        drop(store);
        let store = Store::open(&layout);
        assert_eq!((store.services().len(), store.recovery(place)), (5, None));
        assert_eq!(holding(root.path(), "the-second-password"), Vec::<PathBuf>::new(), "{place:?}");
    }
}

#[test]
fn options_come_back_from_an_export_and_from_the_ruins() {
    let root = tempfile::tempdir().unwrap();
    let layout = layout(root.path());
    let store = Store::open(&layout);
    store.add(&described("mumble", Persistence::Kept), &key(), Wish::Enabled).unwrap();
    for (at, text) in [("server-password", "hunter2"), ("max-users", "7")] {
        store.set_option(&name("mumble"), &option(at), &OptionText::new(text)).unwrap();
    }
    drop(store);
    std::fs::remove_dir_all(database(&layout.kept)).unwrap();
    let store = Store::open(&layout);
    assert!(store.recovery(Persistence::Kept).is_some());
    assert_eq!(found(&store, "mumble"), [pair("max-users", "7"), pair("server-password", "hunter2")]);
    assert!(!format!("{store:?} {:?} {:?}", store.services(), store.options(&name("mumble"))).contains("hunter2"));
}
