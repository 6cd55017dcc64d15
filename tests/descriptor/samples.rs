// SPDX-License-Identifier: GPL-3.0-or-later
//! What the tests have in common: places, descriptors in memory, recorded files.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tails_server::descriptor::{CompanionName, Companions, OptionKind, OptionValues, ServiceDescriptor, check};
use tails_server_state::OnionAddress;

/// A place in the repository.
pub(crate) fn place(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The directories in a directory, by name.
pub(crate) fn directories(path: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(place(path)).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

/// Compares with what is recorded, or records it.
pub(crate) fn assert_recorded(path: &Path, text: &str) {
    if env::var_os("TAILS_SERVER_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        return;
    }
    let recorded = fs::read_to_string(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
    assert_eq!(recorded, text, "{} differs; see tests/descriptor/main.rs", path.display());
}

/// Files beside a descriptor that exist in memory alone.
#[derive(Default)]
pub(crate) struct InMemory(pub(crate) BTreeMap<String, String>);

impl Companions for InMemory {
    fn text(&self, name: &CompanionName) -> Result<String, String> {
        self.0.get(name.as_str()).cloned().ok_or_else(|| "there is no such file".to_owned())
    }

    fn program(&self, name: &CompanionName) -> Result<[u8; 32], String> {
        self.text(name).map(|text| Sha256::digest(text).into())
    }
}

/// The files beside a shipped descriptor.
pub(crate) struct OnDisk(pub(crate) PathBuf);

impl Companions for OnDisk {
    fn text(&self, name: &CompanionName) -> Result<String, String> {
        fs::read_to_string(self.0.join(name.as_str())).map_err(|cause| cause.to_string())
    }

    fn program(&self, name: &CompanionName) -> Result<[u8; 32], String> {
        self.text(name).map(|text| Sha256::digest(text).into())
    }
}

/// All descriptors that are shipped.
pub(crate) fn shipped() -> Vec<ServiceDescriptor> {
    directories("contrib/services").into_iter().map(|directory| descriptor(&directory)).collect()
}

/// The descriptor in a directory.
pub(crate) fn descriptor(directory: &Path) -> ServiceDescriptor {
    let text = fs::read_to_string(directory.join("service.toml")).unwrap();
    let name = directory.file_name().unwrap().to_str().unwrap();
    let checked = check(name, &text, &OnDisk(directory.to_owned()));
    checked.descriptor.unwrap_or_else(|| panic!("{name}: {:?}", checked.findings))
}

/// An address that nobody has: its key is the base point of the curve.
pub(crate) fn address() -> OnionAddress {
    let mut key = [0x66; 32];
    key[0] = 0x58;
    OnionAddress::from_public_key(key).unwrap()
}

/// The defaults, with secrets that are always the same.
pub(crate) fn defaults(descriptor: &ServiceDescriptor) -> OptionValues {
    let mut values = OptionValues::defaults(&descriptor.options()).unwrap();
    for option in descriptor.options() {
        match option.kind {
            OptionKind::Secret(_) => {
                values.set(&descriptor.options(), option.name().as_str(), "TrR4WgC29nUjNIJ5o2VI").unwrap()
            }
            OptionKind::TlsFingerprint(_) => values.probed(option.name().as_str(), "AB:CD:EF".to_owned()),
            OptionKind::SshHostKey(_) => values.probed(option.name().as_str(), "ssh-ed25519 AAAA".to_owned()),
            OptionKind::Bool(_)
            | OptionKind::Int(_)
            | OptionKind::Port(_)
            | OptionKind::String(_)
            | OptionKind::Text(_)
            | OptionKind::Enum(_)
            | OptionKind::Folder(_) => {}
        }
    }
    values
}
