// SPDX-License-Identifier: GPL-3.0-or-later
//! What people wish, as the controller wrote it down: hostile until every value was judged again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroU16;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstat, openat2};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tails_server_state::{OnionAddress, VirtualPort};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::files::is_regular;
use crate::descriptor::{CommonOption, OptionValues, ServiceDescriptor, SetError};

/// The largest file that is read. The contract says so.
const MOST_BYTES: u64 = 256 * 1024;

/// Why the wishes are refused. Never repeats a value, which may be a secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum WishesError {
    #[error("there is no file with them")]
    Missing,
    #[error("cannot read them")]
    Read(#[source] io::Error),
    #[error("a link leads to the file")]
    Link,
    #[error("it is no regular file")]
    Kind,
    #[error("the file belongs to user {0}, and not to the controller")]
    Owner(u32),
    #[error("the file can be written by others than the controller")]
    Writable,
    #[error("the file is larger than {MOST_BYTES} bytes")]
    Large,
    #[error("line {line}, column {column} does not follow the contract")]
    Form { line: usize, column: usize },
    #[error("they are for \"{0}\"")]
    Service(String),
    #[error("they are of format {0}, and this program knows format 1")]
    Format(u32),
    #[error("they are for another descriptor: its files have changed since the controller started")]
    Descriptor,
    #[error("there is no port \"{0}\"")]
    Port(String),
    #[error("\"{0}\" is not an option of this service")]
    Withheld(&'static str),
    #[error("the address is none of an onion service")]
    Address,
    #[error(transparent)]
    Value(#[from] SetError),
    #[error("the secret \"{0}\" is missing")]
    Secret(String),
    #[error("the system has no randomness")]
    Random,
}

/// The file, key by key. There are no others.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    format: u32,
    service: String,
    descriptor: String,
    address: Option<String>,
    #[serde(default)]
    options: BTreeMap<String, Value>,
    #[serde(default)]
    virtual_ports: BTreeMap<String, NonZeroU16>,
    persistence: bool,
    allow_localhost: bool,
    allow_lan: bool,
}

/// A value, which may be a secret.
#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
struct Value(String);

/// Wishes that fit the service.
#[derive(Debug)]
pub(super) struct Wishes {
    pub(super) address: Option<OnionAddress>,
    pub(super) values: OptionValues,
    pub(super) virtual_ports: BTreeMap<String, VirtualPort>,
    pub(super) is_kept: bool,
    pub(super) access: Access,
    /// SHA-256 of the file.
    pub(super) digest: String,
}

/// Who reaches the server without Tor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Access {
    /// Programs of this computer.
    pub(super) localhost: bool,
    /// Computers of the local network.
    pub(super) lan: bool,
}

/// Reads the wishes for a service, of the user `owner`.
pub(super) fn read(directory: &Path, owner: u32, service: &ServiceDescriptor) -> Result<Wishes, WishesError> {
    let path = directory.join(format!("{}.json", service.name.as_str()));
    let bytes = bytes(&path, owner)?;
    let written: Written = serde_json::from_slice(&bytes)
        // The text of the error can have a value in it.
        .map_err(|error| WishesError::Form { line: error.line(), column: error.column() })?;
    if written.format != 1 {
        return Err(WishesError::Format(written.format));
    }
    if written.service != service.name.as_str() {
        return Err(WishesError::Service(written.service.escape_debug().to_string()));
    }
    if written.descriptor != hex(&service.digest()) {
        return Err(WishesError::Descriptor);
    }
    judge(&written, service, hex(&Sha256::digest(&*bytes)))
}

/// A digest as it is told.
pub(super) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn judge(written: &Written, service: &ServiceDescriptor, digest: String) -> Result<Wishes, WishesError> {
    let specs = service.options();
    let mut values = OptionValues::defaults(&specs).map_err(|_| WishesError::Random)?;
    for (name, Value(text)) in &written.options {
        values.set(&specs, name, text).map_err(shortened)?;
    }
    // A secret made here would be known to nobody.
    let missing = specs.iter().find(|spec| spec.is_secret() && !written.options.contains_key(spec.name().as_str()));
    if let Some(spec) = missing {
        return Err(WishesError::Secret(spec.name().to_string()));
    }
    let mut virtual_ports = BTreeMap::new();
    for (name, number) in &written.virtual_ports {
        if !service.port.iter().any(|port| port.name.as_str() == name) {
            return Err(WishesError::Port(name.escape_debug().to_string()));
        }
        virtual_ports.insert(name.clone(), VirtualPort::new(*number));
    }
    let address = written.address.as_deref().map(OnionAddress::parse).transpose().map_err(|_| WishesError::Address)?;
    let withheld = [
        (CommonOption::Persistence, written.persistence),
        (CommonOption::AllowLocalhost, written.allow_localhost),
        (CommonOption::AllowLan, written.allow_lan),
    ];
    if let Some((option, _)) = withheld.into_iter().find(|(option, is_on)| *is_on && !service.common.offers(*option)) {
        return Err(WishesError::Withheld(option.as_str()));
    }
    let access = Access { localhost: written.allow_localhost, lan: written.allow_lan };
    Ok(Wishes { address, values, virtual_ports, is_kept: written.persistence, access, digest })
}

/// The file, if it is what the controller writes: looked at once it is open.
fn bytes(path: &Path, owner: u32) -> Result<Zeroizing<Vec<u8>>, WishesError> {
    // NONBLOCK: nobody shall wait for the other end of a named pipe.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let handle = openat2(CWD, path, flags, Mode::empty(), resolve).map_err(|cause| match cause {
        Errno::NOENT => WishesError::Missing,
        Errno::LOOP => WishesError::Link,
        Errno::NXIO => WishesError::Kind,
        cause => WishesError::Read(cause.into()),
    })?;
    let about = fstat(&handle).map_err(|cause| WishesError::Read(cause.into()))?;
    if !is_regular(&about) {
        return Err(WishesError::Kind);
    }
    if about.st_uid != owner {
        return Err(WishesError::Owner(about.st_uid));
    }
    if about.st_mode & 0o022 != 0 {
        return Err(WishesError::Writable);
    }
    let most = usize::try_from(MOST_BYTES).unwrap_or(usize::MAX);
    // Room for all of it at once: what grows leaves copies of secrets behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(most.saturating_add(1)));
    File::from(handle).take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(WishesError::Read)?;
    if bytes.len() > most { Err(WishesError::Large) } else { Ok(bytes) }
}

/// Names come from the same file: what is unprintable in them is shown as such, and no more than a line of it.
fn shortened(error: SetError) -> SetError {
    match error {
        SetError::Unknown(name) => SetError::Unknown(name.escape_debug().take(60).collect()),
        SetError::Invalid { .. } => error,
    }
}
