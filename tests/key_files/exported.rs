// SPDX-License-Identifier: GPL-3.0-or-later
//! What is written: the bytes of Tor, private, and nothing at all on an error.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use tails_server::key_files::{ExportError, export, import};

use crate::samples::{CLIENT, Directory, PUBLIC_TAG, SECRET_TAG, client, expanded, key, picture};

#[test]
fn what_is_written_is_what_tor_writes() {
    let home = Directory::empty();
    let service = home.file("service");
    export(&key(), &[client("alice")], &service).unwrap();
    assert_eq!(
        picture(home.path()),
        [
            (service.clone(), 0o700, vec![]),
            (service.join("authorized_clients"), 0o700, vec![]),
            (
                service.join("authorized_clients/alice.auth"),
                0o600,
                format!("descriptor:x25519:{CLIENT}\n").into_bytes()
            ),
            (service.join("hostname"), 0o600, format!("{}\n", key().address().display_unredacted()).into_bytes()),
            (service.join("hs_ed25519_public_key"), 0o600, [&PUBLIC_TAG[..], key().address().public_key()].concat()),
            (service.join("hs_ed25519_secret_key"), 0o600, [&SECRET_TAG[..], &expanded()].concat()),
        ]
    );
    let again = import(&service).unwrap();
    assert_eq!(again.key.expose_expanded(), &expanded());
    assert_eq!(again.clients.into_iter().map(|read| read.client).collect::<Vec<_>>(), [client("alice")]);
}

#[test]
fn an_empty_directory_is_made_private() {
    let home = Directory::empty();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    export(&key(), &[], home.path()).unwrap();
    assert_eq!(fs::metadata(home.path()).unwrap().permissions().mode() & 0o7777, 0o700);
    assert!(!home.file("authorized_clients").exists(), "a service for everybody has none");
    assert_eq!(import(home.path()).unwrap().warnings, []);
}

#[test]
fn what_is_in_the_way_stays_as_it_is() {
    let full = Directory::empty().with("hostname", b"mine");
    let before = picture(full.path());
    assert!(matches!(export(&key(), &[], full.path()), Err(ExportError::NotEmpty { .. })));
    assert!(matches!(export(&key(), &[], &full.file("hostname")), Err(ExportError::NotADirectory { .. })));
    let target = Directory::empty();
    symlink(target.path(), full.file("link")).unwrap();
    assert!(matches!(export(&key(), &[], &full.file("link")), Err(ExportError::NotADirectory { .. })));
    assert!(matches!(export(&key(), &[], &full.file("no/such/parent")), Err(ExportError::Write { .. })));
    fs::remove_file(full.file("link")).unwrap();
    assert_eq!(picture(full.path()), before);
    assert_eq!(picture(target.path()), []);
}

#[test]
fn an_export_that_fails_half_way_leaves_nothing() {
    // Two clients of one name: the second file can not be created.
    let clients = [client("alice"), client("bob"), client("alice")];
    let home = Directory::empty();
    let failed = export(&key(), &clients, &home.file("new"));
    assert!(matches!(&failed, Err(ExportError::Write { path, .. }) if path.ends_with("alice.auth")), "{failed:?}");
    assert_eq!(picture(home.path()), []);

    fs::create_dir(home.file("old")).unwrap();
    fs::set_permissions(home.file("old"), fs::Permissions::from_mode(0o750)).unwrap();
    let before = picture(home.path());
    assert!(export(&key(), &clients, &home.file("old")).is_err());
    assert_eq!(picture(home.path()), before);
}
