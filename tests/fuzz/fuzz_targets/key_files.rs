// SPDX-License-Identifier: GPL-3.0-or-later
//! Key files: one alone, and each of those of a `HiddenServiceDir`. They are real files, in memory.
#![no_main]

use std::fs;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tails_server::key_files::{export, import};
use tempfile::TempDir;

static HOME: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir_in("/dev/shm").expect("there is room in memory"));

fuzz_target!(|data: &[u8]| {
    let Some((mode, rest)) = data.split_first() else { return };
    let home = HOME.path();
    match mode % 4 {
        0 => {
            let file = home.join("alone");
            fs::write(&file, rest).expect("a file is written");
            if let Ok(read) = import(&file) {
                // What is read is written so that it is read again.
                let clients: Vec<_> = read.clients.iter().map(|read| read.client.clone()).collect();
                let directory = home.join("exported");
                export(&read.key, &clients, &directory).expect("the directory is new");
                let again = import(&directory).expect("what was written is read");
                assert_eq!(again.key.expose_expanded(), read.key.expose_expanded());
                assert_eq!(again.clients.len(), clients.len());
                fs::remove_dir_all(&directory).expect("the directory is there");
            }
        }
        place => {
            let directory = home.join("service");
            fs::create_dir_all(directory.join("authorized_clients")).expect("directories are made");
            let secret = [b"== ed25519v1-secret: type0 ==\0\0\0".as_slice(), &[0x40; 64]].concat();
            fs::write(directory.join("hs_ed25519_secret_key"), secret).expect("a file is written");
            let name = ["hostname", "hs_ed25519_public_key", "authorized_clients/alice.auth"][usize::from(place - 1)];
            fs::write(directory.join(name), rest).expect("a file is written");
            let _ = import(&directory);
            fs::remove_file(directory.join(name)).expect("the file is there");
        }
    }
});
