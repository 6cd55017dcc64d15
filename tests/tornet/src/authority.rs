// SPDX-License-Identifier: GPL-3.0-or-later
//! The keys and the identity of one directory authority.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::Error;

/// A directory authority as every torrc names it.
#[derive(Debug)]
pub(crate) struct Authority {
    pub(crate) name: String,
    pub(crate) or_port: u16,
    pub(crate) dir_port: u16,
    v3_identity: String,
    fingerprint: String,
}

impl Authority {
    /// Makes the keys of an authority in a data directory, which is created.
    ///
    /// Takes most of a second: two RSA keys of an authority are found by chance.
    ///
    /// # Errors
    /// If `tor` or `tor-gencert` is missing or fails.
    pub(crate) fn create(name: &str, data: &Path, or_port: u16, dir_port: u16) -> Result<Self, Error> {
        let keys = data.join("keys");
        crate::node::create_private(data)?;
        crate::node::create_private(&keys)?;
        let v3_identity = generate_certificate(&keys)?;
        let fingerprint = generate_relay_keys(name, data)?;
        Ok(Self { name: name.to_owned(), or_port, dir_port, v3_identity, fingerprint })
    }

    /// The `DirAuthority` line.
    pub(crate) fn line(&self) -> String {
        let Self { name, or_port, dir_port, v3_identity, fingerprint } = self;
        format!("DirAuthority {name} orport={or_port} no-v2 v3ident={v3_identity} 127.0.0.1:{dir_port} {fingerprint}")
    }
}

/// Makes identity key, signing key and certificate; returns the fingerprint of the identity key.
fn generate_certificate(keys: &Path) -> Result<String, Error> {
    const PROGRAM: &str = "tor-gencert";
    let certificate = keys.join("authority_certificate");
    let mut child = Command::new(PROGRAM)
        .args(["--create-identity-key", "-m", "12", "--passphrase-fd", "0"])
        .arg("-i")
        .arg(keys.join("authority_identity_key"))
        .arg("-s")
        .arg(keys.join("authority_signing_key"))
        .arg("-c")
        .arg(&certificate)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Error::run(PROGRAM))?;
    if let Some(mut input) = child.stdin.take() {
        // If it does not want to hear the passphrase, its exit status says more than our error.
        let _ = input.write_all(b"passphrase\n");
    }
    let output = child.wait_with_output().map_err(Error::run(PROGRAM))?;
    let text = fs::read_to_string(&certificate).unwrap_or_default();
    match text.lines().find_map(|line| line.strip_prefix("fingerprint ")) {
        Some(fingerprint) => Ok(fingerprint.to_owned()),
        None => Err(failed(PROGRAM, &output)),
    }
}

/// Makes the keys that every relay has; returns the fingerprint of its RSA identity key.
fn generate_relay_keys(name: &str, data: &Path) -> Result<String, Error> {
    const PROGRAM: &str = "tor";
    let empty = data.join("empty");
    File::create(&empty).map_err(Error::file("create", &empty))?;
    let output = Command::new(PROGRAM)
        .args(["--list-fingerprint", "--quiet", "--defaults-torrc"])
        .arg(&empty)
        .arg("-f")
        .arg(&empty)
        .arg("--DataDirectory")
        .arg(data)
        .args(["--DisableNetwork", "1", "--SocksPort", "0", "--ORPort", "1", "--Nickname", name])
        .stdin(Stdio::null())
        .output()
        .map_err(Error::run(PROGRAM))?;
    // NICKNAME 0123 4567 ... in groups of four digits.
    let fingerprint: String = String::from_utf8_lossy(&output.stdout).split_whitespace().skip(1).collect();
    if output.status.success() && fingerprint.len() == 40 { Ok(fingerprint) } else { Err(failed(PROGRAM, &output)) }
}

fn failed(program: &'static str, output: &Output) -> Error {
    let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    Error::Failed { program, status: output.status, output: String::from_utf8_lossy(&said).into_owned() }
}
