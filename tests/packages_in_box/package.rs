// SPDX-License-Identifier: GPL-3.0-or-later
//! The packages under test, built once from the programs that cargo has built.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The version of the first package.
pub(crate) const OLD: &str = env!("CARGO_PKG_VERSION");
/// One that follows it; nothing else is different.
pub(crate) const NEW: &str = concat!(env!("CARGO_PKG_VERSION"), "+1");

/// Both packages.
pub(crate) struct Packages {
    pub(crate) old: PathBuf,
    pub(crate) new: PathBuf,
}

/// Builds both; whoever comes while that goes on waits.
pub(crate) fn packages() -> &'static Packages {
    static PACKAGES: OnceLock<Packages> = OnceLock::new();
    PACKAGES.get_or_init(|| {
        std::thread::scope(|scope| {
            let new = scope.spawn(|| build(NEW));
            Packages { old: build(OLD), new: new.join().unwrap() }
        })
    })
}

/// The top directory of the source.
pub(crate) fn source() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where cargo has put the programs.
pub(crate) fn programs() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_tails-server")).parent().unwrap()
}

fn build(version: &str) -> PathBuf {
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages");
    let mut command = Command::new(source().join("contrib/build-deb"));
    command.arg("--programs").arg(programs()).args(["--version", version]).arg("--output").arg(&output);
    // Most of the time would go into making it small.
    command.env("DPKG_DEB_COMPRESSOR_TYPE", "gzip").env("DPKG_DEB_COMPRESSOR_LEVEL", "1");
    let built = command.output().unwrap();
    let told = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{told}");
    PathBuf::from(String::from_utf8(built.stdout).unwrap().trim_end())
}
