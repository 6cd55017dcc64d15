// SPDX-License-Identifier: GPL-3.0-or-later
//! Programs of the system that are asked, without a shell and with the rights of the person.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

pub(super) const SYSTEMCTL: &str = "/usr/bin/systemctl";
pub(super) const DPKG: &str = "/usr/bin/dpkg";
pub(super) const DPKG_QUERY: &str = "/usr/bin/dpkg-query";

/// What a program prints, whatever its exit code is.
pub(super) fn ask(program: &str, words: &[&str]) -> io::Result<String> {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").args(words).stdin(Stdio::null()).stderr(Stdio::null());
    Ok(String::from_utf8_lossy(&command.output()?.stdout).into_owned())
}

/// Whether systemd is this computer's first process. sd_booted(3)
pub(super) fn is_systemd_here() -> bool {
    Path::new("/run/systemd/system").is_dir()
}
