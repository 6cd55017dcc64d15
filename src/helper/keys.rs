// SPDX-License-Identifier: GPL-3.0-or-later
//! Keys of servers: made once, and then never changed; and what people compare of them.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::error::Error;
use super::files::Directory;
use super::program::{SSH_KEYGEN, run};
use super::users::Owner;
use crate::descriptor::KeyPairKind;

/// More than a certificate has.
const MOST_BYTES: u64 = 64 * 1024;

/// The two files of a key pair.
pub(super) struct Places {
    pub(super) secret: PathBuf,
    pub(super) public: PathBuf,
}

/// A key pair as the two files have it.
struct Made {
    secret: Zeroizing<Vec<u8>>,
    public: Vec<u8>,
}

/// Makes the key pair unless both files are there.
pub(super) fn ensure(
    name: &str,
    kind: KeyPairKind,
    places: &Places,
    owner: Owner,
    state: &Directory,
) -> Result<(), Error> {
    let secret = file(&places.secret)?;
    let public = file(&places.public)?;
    let has_public = public.0.read(public.1, MOST_BYTES)?.is_some();
    if has_public && secret.0.read(secret.1, MOST_BYTES)?.is_some() {
        return Ok(());
    }
    let made = match kind {
        KeyPairKind::Tls => tls(name)?,
        KeyPairKind::Ssh => ssh(state)?,
    };
    // The public half last: after a crash between the two the pair is made anew, as one alone fits nothing.
    public.0.remove(public.1)?;
    let mode = match kind {
        KeyPairKind::Tls => 0o640,
        // sshd refuses a key that a group may read.
        KeyPairKind::Ssh => 0o600,
    };
    secret.0.write(secret.1, &made.secret, owner, mode)?;
    public.0.write(public.1, &made.public, owner, 0o644)
}

/// What people compare.
pub(super) fn probe(kind: KeyPairKind, public: &Path) -> Result<String, Error> {
    let (directory, name) = file(public)?;
    let unreadable = || Error::Unsafe { path: public.to_owned(), why: "it is not what we have written" };
    let bytes = directory.read(name, MOST_BYTES)?.ok_or_else(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable())?;
    match kind {
        KeyPairKind::Tls => fingerprint(&text).ok_or_else(unreadable),
        // Without the comment.
        KeyPairKind::Ssh => {
            let words: Vec<&str> = text.split_ascii_whitespace().take(2).collect();
            if words.first() == Some(&"ssh-ed25519") { Ok(words.join(" ")) } else { Err(unreadable()) }
        }
    }
}

/// SHA-256 of a certificate, as Mumble and Gobby show it.
fn fingerprint(pem: &str) -> Option<String> {
    let (_, rest) = pem.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
    let body: String = body.split_ascii_whitespace().collect();
    let der = STANDARD.decode(body).ok()?;
    let bytes: Vec<String> = Sha256::digest(der).iter().map(|byte| format!("{byte:02X}")).collect();
    Some(bytes.join(":"))
}

/// A certificate that says nothing of this computer, nor when it was made: rcgen's dates are the same for all.
fn tls(name: &str) -> Result<Made, Error> {
    let make = || -> Result<Made, rcgen::Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, "server");
        let certificate = parameters.self_signed(&key)?;
        let secret = Zeroizing::new(key.serialize_pem().into_bytes());
        Ok(Made { secret, public: certificate.pem().into_bytes() })
    };
    make().map_err(|cause| Error::KeyPair { name: name.to_owned(), cause: Box::new(cause) })
}

/// By the program that comes with the client, which every server depends on.
fn ssh(state: &Directory) -> Result<Made, Error> {
    const MAKING: &str = "making";
    state.remove_all(MAKING)?;
    let directory = state.enter(MAKING, 0o700)?;
    let path = directory.path().join("key");
    let words = ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"].map(Path::new);
    run(SSH_KEYGEN, &[&words[..], &[path.as_path()]].concat())?;
    let missing = || Error::Bug("ssh-keygen made no key");
    let secret = Zeroizing::new(directory.read("key", MOST_BYTES)?.ok_or_else(missing)?);
    let public = directory.read("key.pub", MOST_BYTES)?.ok_or_else(missing)?;
    state.remove_all(MAKING)?;
    Ok(Made { secret, public })
}

fn file(path: &Path) -> Result<(Directory, &str), Error> {
    let name = path.file_name().and_then(|name| name.to_str()).ok_or(Error::Bug("a key without a name"))?;
    Ok((Directory::parent(path)?, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_has_the_fingerprint_that_others_see_and_no_date_of_today() {
        let made = tls("server").unwrap();
        let pem = String::from_utf8(made.public).unwrap();
        let found = fingerprint(&pem).unwrap();
        assert_eq!(found.len(), 32 * 3 - 1);
        assert!(found.split(':').all(|pair| u8::from_str_radix(pair, 16).is_ok()), "{found}");
        assert!(made.secret.starts_with(b"-----BEGIN PRIVATE KEY-----"));
        assert_eq!(fingerprint("-----BEGIN CERTIFICATE-----\n%\n-----END CERTIFICATE-----"), None);
    }
}
