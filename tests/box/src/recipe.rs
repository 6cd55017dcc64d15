// SPDX-License-Identifier: GPL-3.0-or-later
//! What is in a base: a tree to boot from, and a repository to install from without a network.
//!
//! Whatever changes in this file makes all bases anew.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use tempfile::NamedTempFile;

use crate::{Error, Release, mirrors, program};

/// What every machine has, beside Debian's essential packages and apt.
const INSTALLED: &[&str] = &[
    "ca-certificates",
    "dbus",
    "iproute2",
    "iptables",
    "nftables",
    "polkitd",
    "procps",
    "systemd",
    "systemd-sysv",
    "tor",
];
/// What the repository has, with all that these depend on.
const INSTALLABLE: &[&str] = &["infinoted", "mumble-server", "nginx-light", "ngircd", "openssh-server", "prosody"];
/// Where a machine sees the repository.
pub(crate) const REPOSITORY: &str = "/srv/repository";

/// Downloads what is to be installable; run by mmdebstrap while it can still reach the mirrors.
const DOWNLOAD: &str = r#"APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get --quiet --yes --no-install-recommends \
    --download-only --option "Dir::Cache::Archives=$REPOSITORY/" install $INSTALLABLE"#;

/// Makes the base of a release in an empty directory.
pub(crate) fn make(release: Release, directory: &Path) -> Result<(), Error> {
    let (tree, repository) = (directory.join("tree"), directory.join("repository"));
    fs::create_dir(&repository).map_err(Error::file("create", &repository))?;
    let sources = temporary(&mirrors::sources(release)?)?;
    // In a file that only we can read: the address of a proxy may have a password in it.
    let options = temporary(&mirrors::options()?)?;
    let mut command = Command::new("setpriv");
    // Whatever becomes of us, it ends with us, and its mounts with it.
    command.args(["--pdeathsig", "KILL", "--", "unshare", "--mount", "--propagation", "private"]);
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
    command.args(["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--dpkgopt=force-unsafe-io"]);
    command.arg(format!("--aptopt={}", options.path().display()));
    command.arg(format!("--include={}", INSTALLED.join(",")));
    command.arg(format!("--customize-hook={DOWNLOAD}")).arg(release.codename()).arg(&tree).arg(sources.path());
    command.env("REPOSITORY", &repository).env("INSTALLABLE", INSTALLABLE.join(" "));
    program::run(&mut command)?;
    finish(&tree)?;
    index(&repository)
}

/// Makes the tree one that knows nothing of the host, and whose tor stays silent.
fn finish(tree: &Path) -> Result<(), Error> {
    for host_own in ["etc/apt/apt.conf.d/99mmdebstrap", "etc/dpkg/dpkg.cfg.d/99mmdebstrap", "etc/resolv.conf"] {
        // Not every one is in every tree.
        let _ = fs::remove_file(tree.join(host_own));
    }
    // The host's mirrors: who asks for them without a network waits for seconds.
    let sources = tree.join("etc/apt/sources.list.d");
    fs::remove_dir_all(&sources).map_err(Error::file("remove", &sources))?;
    fs::create_dir(&sources).map_err(Error::file("create", &sources))?;
    write(tree, "etc/hostname", "box\n")?;
    write(tree, "etc/hosts", "127.0.0.1 localhost box\n::1 localhost box\n")?;
    write(tree, "etc/apt/sources.list", &format!("deb [trusted=yes] file:{REPOSITORY} ./\n"))?;
    // As in Tails. Besides, a box has no route to anywhere.
    write(tree, "etc/tor/torrc", "ControlPort 127.0.0.1:9052\nDisableNetwork 1\n")?;
    for unit in ["tor.service", "tor@default.service"] {
        let mask = tree.join("etc/systemd/system").join(unit);
        symlink("/dev/null", &mask).map_err(Error::file("create", &mask))?;
    }
    let mount_point = tree.join(REPOSITORY.trim_start_matches('/'));
    fs::create_dir_all(&mount_point).map_err(Error::file("create", &mount_point))
}

/// Makes the downloaded packages a repository.
fn index(repository: &Path) -> Result<(), Error> {
    // What apt keeps beside the packages.
    let _ = fs::remove_dir_all(repository.join("partial"));
    let _ = fs::remove_file(repository.join("lock"));
    for (what, file) in [("packages", "Packages"), ("release", "Release")] {
        let text = program::run(Command::new("apt-ftparchive").args([what, "."]).current_dir(repository))?;
        write(repository, file, &text)?;
    }
    Ok(())
}

fn write(directory: &Path, name: &str, text: &str) -> Result<(), Error> {
    let path = directory.join(name);
    fs::write(&path, text).map_err(Error::file("write", &path))
}

fn temporary(text: &str) -> Result<NamedTempFile, Error> {
    let make = || {
        let mut file = NamedTempFile::new()?;
        file.write_all(text.as_bytes())?;
        Ok(file)
    };
    make().map_err(Error::file("create a file in", &std::env::temp_dir()))
}
