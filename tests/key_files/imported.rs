// SPDX-License-Identifier: GPL-3.0-or-later
//! What is read, and what is refused.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use tails_server::key_files::{ImportError, Unsuitable, Warning, import};

use crate::samples::{CLIENT, Directory, PUBLIC_TAG, SECRET_TAG, client, expanded, key, picture};

/// What is wrong with a file, by its name.
fn unsuitable(directory: &Directory, path: &str, file: &str) -> Unsuitable {
    let before = picture(directory.path());
    let found = import(&directory.file(path));
    assert_eq!(picture(directory.path()), before, "something changed");
    match found {
        Err(ImportError::Unsuitable { path, reason }) if path == directory.file(file) => reason,
        other => panic!("{path}: {other:?}"),
    }
}

fn secret_file() -> Vec<u8> {
    [&SECRET_TAG[..], &expanded()].concat()
}

#[test]
fn a_directory_of_tor_is_read() {
    let imported = import(Directory::of_a_service().path()).unwrap();
    assert_eq!(imported.key.expose_expanded(), &expanded());
    assert_eq!((imported.clients.len(), imported.warnings), (0, vec![]));
}

#[test]
fn a_key_is_read_in_every_form_that_people_have() {
    let base64 = STANDARD.encode(expanded());
    let json = format!(
        r#"{{"onion": {{"private_key": "{base64}", "client_auth_pub_key": null}}, "general": {{"title": "x"}}}}"#
    );
    for (what, content) in [
        ("of Tor", secret_file()),
        ("of the control port", format!("ED25519-V3:{base64}\n").into_bytes()),
        ("in base64", format!(" {base64}\r\n").into_bytes()),
        ("of OnionShare", json.into_bytes()),
    ] {
        let directory = Directory::empty().with("a key", &content);
        let imported = import(&directory.file("a key")).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(imported.key.address(), key().address(), "{what}");
        assert_eq!(imported.warnings, [], "{what}");
    }
}

#[test]
fn what_is_private_in_onionshare_stays_private() {
    let base64 = STANDARD.encode(expanded());
    for (public, clients) in [("true", 0), ("false", 1)] {
        let json = format!(
            r#"{{"onion": {{"private_key": "{base64}", "client_auth_priv_key": "x", "client_auth_pub_key": "{CLIENT}"}},
                "general": {{"public": {public}}}, "share": {{"filenames": ["/home/a"]}}}}"#
        );
        let directory = Directory::empty().with("tab.json", json.as_bytes());
        let imported = import(&directory.file("tab.json")).unwrap();
        assert_eq!(imported.clients.len(), clients);
        assert!(imported.clients.iter().all(|read| read.client == client("onionshare")));
    }
}

#[test]
fn clients_come_along_with_names_that_fit() {
    let line = format!("descriptor:x25519:{CLIENT}\n");
    let directory = Directory::of_a_service()
        .with("authorized_clients/alice.auth", line.as_bytes())
        .with("authorized_clients/Bob's phone.auth", line.to_lowercase().trim_end().as_bytes())
        .with("authorized_clients/README", b"not a client");
    let imported = import(directory.path()).unwrap();
    let clients: Vec<_> = imported.clients.iter().map(|read| (read.called.as_str(), read.client.clone())).collect();
    assert_eq!(clients, [("Bob's phone", client("bob-s-phone")), ("alice", client("alice"))]);
}

#[test]
fn a_client_that_tor_would_ignore_stops_the_import() {
    let zeros = format!("descriptor:x25519:{}", "A".repeat(52));
    for (content, is_key) in [("", false), (CLIENT, false), ("descriptor:x25519:abc", true), (zeros.as_str(), true)] {
        let directory = Directory::of_a_service().with("authorized_clients/alice.auth", content.as_bytes());
        let reason = unsuitable(&directory, "", "authorized_clients/alice.auth");
        assert_eq!(matches!(reason, Unsuitable::ClientKey(_)), is_key, "{content}: {reason}");
        assert_eq!(reason == Unsuitable::ClientForm, !is_key, "{content}: {reason}");
    }
}

#[test]
fn a_bad_key_is_refused_by_name() {
    let clamped_wrong = |index: usize, byte: u8| {
        let mut file = secret_file();
        file[32 + index] = byte;
        file
    };
    let base64 = STANDARD.encode(expanded());
    for (content, reason) in [
        (b"-----BEGIN RSA PRIVATE KEY-----\nMIIC\n".to_vec(), Unsuitable::Version2),
        (b"RSA1024:MIICXAIBAAKBgQ".to_vec(), Unsuitable::Version2),
        (b"MIICXAIBAAKBgQ".to_vec(), Unsuitable::Version2),
        (br#"{"onion": {"private_key": "MIICXAIBAAKBgQ"}}"#.to_vec(), Unsuitable::Version2),
        ([&PUBLIC_TAG[..], &[1; 32]].concat(), Unsuitable::PublicKey),
        (secret_file().into_iter().map(|byte| if byte == b'0' { b'1' } else { byte }).collect(), Unsuitable::Header),
        (secret_file()[..95].to_vec(), Unsuitable::Truncated { found: 95, expected: 96 }),
        (secret_file()[..20].to_vec(), Unsuitable::Truncated { found: 20, expected: 96 }),
        ([secret_file(), b"\n".to_vec()].concat(), Unsuitable::TooLarge),
        (clamped_wrong(0, 1), Unsuitable::Clamping),
        (clamped_wrong(31, 0), Unsuitable::Clamping),
        (clamped_wrong(31, 0xc0), Unsuitable::Clamping),
        (base64.as_bytes()[..87].to_vec(), Unsuitable::Truncated { found: 87, expected: 88 }),
        (format!("{base64}A").into_bytes(), Unsuitable::TooLarge),
        (base64.replace("==", "AA").into_bytes(), Unsuitable::TooLarge),
        (b"".to_vec(), Unsuitable::Unknown),
        (b"hello, world".to_vec(), Unsuitable::Unknown),
        (vec![0xff; 96], Unsuitable::Unknown),
        (vec![b'a'; 300_000], Unsuitable::TooLarge),
        (b"{}".to_vec(), Unsuitable::Unknown),
        (br#"{"onion": {"private_key": null}}"#.to_vec(), Unsuitable::NoKeyYet),
        (br#"{"onion": {"private_key": ""}}"#.to_vec(), Unsuitable::NoKeyYet),
    ] {
        let directory = Directory::empty().with("a key", &content);
        assert_eq!(unsuitable(&directory, "a key", "a key"), reason, "{:?}", String::from_utf8_lossy(&content));
    }
}

#[test]
fn files_that_contradict_each_other_are_refused() {
    let other = tails_server_state::OnionKey::generate().unwrap().address();
    let hostname = |text: &str| Directory::of_a_service().with("hostname", text.as_bytes());
    for (directory, file, reason) in [
        (hostname(&other.display_unredacted()), "hostname", Unsuitable::HostnameMismatch),
        (hostname("expyuzz4wqqyqhjn.onion\n"), "hostname", Unsuitable::Version2),
        (hostname(""), "hostname", Unsuitable::Hostname),
        (
            Directory::of_a_service().with("hs_ed25519_public_key", &[&PUBLIC_TAG[..], other.public_key()].concat()),
            "hs_ed25519_public_key",
            Unsuitable::PublicKeyMismatch,
        ),
        (
            Directory::of_a_service().with("hs_ed25519_public_key", &PUBLIC_TAG[..]),
            "hs_ed25519_public_key",
            Unsuitable::Truncated { found: 32, expected: 64 },
        ),
        (
            Directory::of_a_service().with("hs_ed25519_public_key", &secret_file()),
            "hs_ed25519_public_key",
            Unsuitable::Header,
        ),
    ] {
        assert_eq!(unsuitable(&directory, "", file), reason);
    }
    assert!(import(hostname(&format!("  {}", key().address().service_id().to_uppercase())).path()).is_ok());
}

#[test]
fn a_directory_of_version_2_and_one_of_nobody_are_told_apart() {
    let old = Directory::empty()
        .with("private_key", b"-----BEGIN RSA PRIVATE KEY-----\n")
        .with("hostname", b"expyuzz4wqqyqhjn.onion\n");
    assert_eq!(unsuitable(&old, "", "private_key"), Unsuitable::Version2);
    assert!(matches!(import(Directory::empty().path()), Err(ImportError::NoKey { .. })));
    assert!(matches!(import(&Directory::empty().file("missing")), Err(ImportError::Read { .. })));
}

#[test]
fn a_key_that_others_can_read_is_taken_with_a_warning() {
    for mode in [0o640, 0o604, 0o620] {
        let directory = Directory::of_a_service();
        let path = directory.file("hs_ed25519_secret_key");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        for place in [directory.path(), &path] {
            assert_eq!(import(place).unwrap().warnings, [Warning::Exposed { path: path.clone() }], "{mode:o}");
        }
    }
}

#[test]
fn no_link_and_no_device_is_followed() {
    let directory = Directory::of_a_service();
    let real = directory.file("hs_ed25519_secret_key");
    let link = directory.file("link");
    symlink(&real, &link).unwrap();
    assert!(matches!(import(&link), Err(ImportError::Symlink { .. })));
    let elsewhere = Directory::empty();
    symlink(directory.path(), elsewhere.file("service")).unwrap();
    assert!(matches!(import(&elsewhere.file("service")), Err(ImportError::Symlink { .. })));
    symlink(&real, elsewhere.file("hs_ed25519_secret_key")).unwrap();
    assert!(
        matches!(import(elsewhere.path()), Err(ImportError::Symlink { path }) if path.ends_with("hs_ed25519_secret_key"))
    );
    symlink(directory.path(), directory.file("authorized_clients")).unwrap();
    assert!(
        matches!(import(directory.path()), Err(ImportError::Symlink { path }) if path.ends_with("authorized_clients"))
    );
    assert!(matches!(import("/dev/zero".as_ref()), Err(ImportError::NotAFile { .. })));
    let odd = Directory::empty();
    fs::create_dir(odd.file("hs_ed25519_secret_key")).unwrap();
    assert!(matches!(import(odd.path()), Err(ImportError::NotAFile { .. })));
    rustix::fs::mkfifoat(rustix::fs::CWD, odd.file("pipe"), rustix::fs::Mode::RWXU).unwrap();
    assert!(matches!(import(&odd.file("pipe")), Err(ImportError::NotAFile { .. })));
}

#[test]
fn debug_has_nothing_of_the_key() {
    let shown = format!("{:?}", import(Directory::of_a_service().path()).unwrap());
    assert!(shown.contains("OnionKey(secret)"), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_file_makes_it_panic(
        start in 0..4_usize,
        content in proptest::collection::vec(any::<u8>(), 0..200),
        letters in "[A-Za-z0-9+/=]{84,90}",
    ) {
        let starts: [&[u8]; 4] = [b"", SECRET_TAG, b"{\"onion\": {\"private_key\": \"", b"ED25519-V3:"];
        for content in [content, letters.into_bytes()] {
            let content = [starts[start], &content].concat();
            let directory = Directory::of_a_service()
                .with("a key", &content)
                .with("authorized_clients/a.auth", &content)
                .with("hostname", &content);
            let _ = import(&directory.file("a key"));
            let _ = import(directory.path());
            fs::remove_file(directory.file("hostname")).unwrap();
            let _ = import(directory.path());
        }
    }
}
