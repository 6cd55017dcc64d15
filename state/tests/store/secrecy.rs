// SPDX-License-Identifier: GPL-3.0-or-later
//! Who can read what, and what is left of a key.

use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tails_server_state::{Autostart, Change, OnionKey, Persistence, Store, Wish};

use crate::given::{PLACES, add_services, files, key, layout, name, record};
use crate::refused::inside;

#[test]
fn all_files_are_for_us_alone_whatever_the_umask() {
    for umask in ["000", "022", "077"] {
        let root = tempfile::tempdir().unwrap();
        inside("secrecy::fill", root.path(), &["sh", "-c", &format!("umask {umask}; exec \"$0\" \"$@\"")]);
        for place in ["kept", "amnesic"] {
            check_modes(&root.path().join(place));
        }
    }
}

/// Not a test: another process, with another umask.
#[test]
#[ignore = "started by another test"]
fn fill() {
    let root = std::env::var_os("TAILS_SERVER_TEST_DIRECTORY").unwrap();
    let layout = layout(Path::new(&root));
    let store = Store::open(&layout);
    add_services(&store, 3, Persistence::Kept);
    store.remove(&name("s1")).unwrap();
    check_modes(&layout.kept);
    check_modes(&layout.amnesic);
    // Some damage, for a copy to be put aside.
    drop(store);
    let database = crate::given::database(&layout.kept).join("db");
    std::fs::OpenOptions::new().write(true).open(database).unwrap().set_len(0).unwrap();
    assert!(Store::open(&layout).recovery(Persistence::Kept).is_some());
}

fn check_modes(path: &Path) {
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
        if path.is_dir() {
            check_modes(&path);
        }
    }
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o7777, 0o700);
}

/// Links where our files should be, to what is not ours.
#[test]
fn what_a_link_points_to_is_neither_read_nor_changed() {
    let names = [
        "x.new",
        "db-00000002.new",
        "db-00000009",
        "db-9",
        "export-0",
        "export-0.new",
        "export-1.new",
        "damaged.new",
        "damaged-0001",
        "ballast",
        "ballast-opening",
        "state.lock",
        "db-00000001/blobs/link",
        "db-00000001/snap.link.generating",
    ];
    let files_too = ["export-0", "export-0.new", "ballast", "ballast-opening", "state.lock"];
    for (linked, is_directory) in names.map(|name| (name, true)).into_iter().chain(files_too.map(|name| (name, false)))
    {
        let root = tempfile::tempdir().unwrap();
        let layout = layout(root.path());
        add_services(&Store::open(&layout), 2, Persistence::Kept);
        let documents = root.path().join("documents");
        std::fs::create_dir_all(documents.join("deep")).unwrap();
        let theirs = [documents.join("letter"), documents.join("deep/letter"), documents.join("snap.letter")];
        for path in &theirs {
            std::fs::write(path, "dear").unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
        }
        let link = layout.kept.join(linked);
        let _ = std::fs::remove_file(&link);
        let target = if is_directory { &documents } else { &theirs[0] };
        std::os::unix::fs::symlink(target, &link).unwrap();
        let store = Store::open(&layout);
        let _ = store.add(&record("new", Persistence::Kept, Autostart::Off), &key(), Wish::Enabled);
        let _ = store.remove(&name("s0"));
        drop(store);
        for path in &theirs {
            assert_eq!(std::fs::read(path).unwrap(), b"dear", "{linked}");
            assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o644, "{linked}");
        }
        assert_eq!(files(&documents).len(), theirs.len(), "{linked}");
        if linked != "state.lock" {
            let store = Store::open(&layout);
            let listed: Vec<_> = store.services().iter().map(|service| service.record.name().to_string()).collect();
            assert_eq!(listed, ["new", "s1"], "{linked}: {:?}", store.problem(Persistence::Kept));
        }
    }
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let layout = layout(root.path());
    drop(Store::open(&layout));
    for theirs in ["x.new", "db-2.new", "db-2", "export-2.new", "damaged-0001.new"] {
        std::fs::create_dir(layout.kept.join(theirs)).unwrap();
        std::fs::write(layout.kept.join(theirs).join("letter"), "dear").unwrap();
    }
    let store = Store::open(&layout);
    add_services(&store, 2, Persistence::Kept);
    store.remove(&name("s0")).unwrap();
    for theirs in ["x.new", "db-2.new", "db-2", "export-2.new", "damaged-0001.new"] {
        assert_eq!(std::fs::read(layout.kept.join(theirs).join("letter")).unwrap(), b"dear");
    }
}

#[test]
fn nothing_is_left_of_a_removed_key_in_any_file() {
    for place in PLACES {
        let root = tempfile::tempdir().unwrap();
        let layout = layout(root.path());
        let store = Store::open(&layout);
        add_services(&store, 30, place);
        let (gone, kept) = (key(), key());
        store.add(&record("gone", place, Autostart::Off), &gone, Wish::Enabled).unwrap();
        store.add(&record("kept", place, Autostart::Off), &kept, Wish::Enabled).unwrap();
        // Into both exports, and into more than one page of the database.
        drop(store);
        let store = Store::open(&layout);
        assert_eq!(store.set_wish(&name("s3"), Wish::Disabled).unwrap(), Change::Changed);
        drop(store);
        let holding = |key: &OnionKey| {
            let all = files(root.path());
            all.into_iter().filter(|path| holds(&std::fs::read(path).unwrap(), key)).collect::<Vec<_>>()
        };
        // Otherwise this would find nothing for the wrong reason.
        assert!(holding(&gone).len() >= 2, "{:?}", holding(&gone));
        let store = Store::open(&layout);
        assert_eq!(store.remove(&name("gone")).unwrap(), Change::Changed);
        assert_eq!(holding(&gone), Vec::<std::path::PathBuf>::new());
        assert_eq!(holding(&kept).len(), 3, "the database and both exports: {:?}", holding(&kept));
        assert_eq!(store.services().len(), 31);
        assert_eq!(store.key(&name("kept")).unwrap().expose_expanded(), kept.expose_expanded());
        drop(store);
        assert_eq!(holding(&gone), Vec::<std::path::PathBuf>::new());
        assert_eq!(Store::open(&layout).services().len(), 31);
    }
}

/// Whether any 16 bytes of the secret are there, as they are or in one of the usual spellings.
fn holds(bytes: &[u8], key: &OnionKey) -> bool {
    let secret = key.expose_expanded();
    let spellings = secret.chunks(16).flat_map(|part| {
        let hex = part.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        });
        [part.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()]
    });
    let spellings = spellings.chain((0..3).map(|skipped| base64(&secret[skipped..skipped + 48]).into_bytes()));
    spellings.into_iter().any(|spelling| bytes.windows(spelling.len()).any(|window| window == spelling))
}

/// Without padding: the length is a multiple of three.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = bytes.chunks_exact(3).map(|three| three.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)));
    let digits = groups.flat_map(|group| [18, 12, 6, 0].map(|shift| ALPHABET[(group >> shift & 63) as usize]));
    digits.map(char::from).collect()
}

#[test]
fn the_spellings_that_are_looked_for_are_the_usual_ones() {
    assert_eq!(base64(b"light wor"), "bGlnaHQgd29y");
}

#[test]
fn debug_shows_no_address_and_no_key() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(&layout(root.path()));
    let key = key();
    store.add(&record("web", Persistence::Kept, Autostart::Off), &key, Wish::Enabled).unwrap();
    let shown = format!("{store:?} {:?} {:?}", store.services(), store.key(&name("web")));
    assert!(!shown.contains(&key.address().service_id()), "{shown}");
    assert!(!holds(shown.as_bytes(), &key), "{shown}");
    assert!(shown.contains("OnionKey(secret)"), "{shown}");
}
