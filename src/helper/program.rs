// SPDX-License-Identifier: GPL-3.0-or-later
//! Running other programs: by absolute path, with nothing of our environment, never by a shell.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, ExitStatus, Stdio};

use super::error::Error;

pub(super) const APT_CACHE: &str = "/usr/bin/apt-cache";
pub(super) const APT_GET: &str = "/usr/bin/apt-get";
pub(super) const CP: &str = "/bin/cp";
pub(super) const DPKG: &str = "/usr/bin/dpkg";
pub(super) const DPKG_QUERY: &str = "/usr/bin/dpkg-query";
pub(super) const IP: &str = "/bin/ip";
pub(super) const IPTABLES_RESTORE: &str = "/usr/sbin/iptables-restore";
pub(super) const IPTABLES_SAVE: &str = "/usr/sbin/iptables-save";
pub(super) const JOURNALCTL: &str = "/bin/journalctl";
pub(super) const NFT: &str = "/usr/sbin/nft";
pub(super) const RM: &str = "/bin/rm";
pub(super) const SSH_KEYGEN: &str = "/usr/bin/ssh-keygen";
pub(super) const SYSTEMCTL: &str = "/bin/systemctl";
pub(super) const SYSUSERS: &str = "/bin/systemd-sysusers";
/// It switches init scripts on and off; systemctl calls the same.
pub(super) const SYSV_INSTALL: &str = "/lib/systemd/systemd-sysv-install";

/// All that a program finds in its environment.
const ENVIRONMENT: [(&str, &str); 3] =
    [("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LC_ALL", "C.UTF-8"), ("DEBIAN_FRONTEND", "noninteractive")];

/// What became of a program.
pub(super) struct Answer {
    pub(super) status: ExitStatus,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// A command that finds nothing of ours.
pub(super) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(ENVIRONMENT).current_dir("/").stdin(Stdio::null());
    command
}

/// Runs it; what became of it.
pub(super) fn attempt<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> Result<Answer, Error> {
    answer(program, command(program).args(arguments).output())
}

/// Runs it, which has to go well; its standard output.
pub(super) fn run<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> Result<String, Error> {
    let answer = attempt(program, arguments)?;
    if answer.status.success() { Ok(answer.stdout) } else { Err(failed(program, &answer.stderr, answer.status)) }
}

/// Runs it with something to read, which has to go well.
pub(super) fn feed<S: AsRef<OsStr>>(program: &str, arguments: &[S], input: &str) -> Result<(), Error> {
    let mut command = command(program);
    let spawned = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(cannot(program))?;
    if let Some(mut stdin) = child.stdin.take() {
        // Who does not read it fails, and says why.
        let _ = stdin.write_all(input.as_bytes());
    }
    let answer = answer(program, child.wait_with_output())?;
    if answer.status.success() { Ok(()) } else { Err(failed(program, &answer.stderr, answer.status)) }
}

/// Why it was not run.
pub(super) fn cannot(program: &str) -> impl FnOnce(std::io::Error) -> Error {
    let program = program.to_owned();
    move |cause| Error::Run { program, cause }
}

/// A failure, in the words of the program.
pub(super) fn failed(program: &str, stderr: &str, status: ExitStatus) -> Error {
    let last = stderr.lines().map(str::trim).rfind(|line| !line.is_empty());
    let reason = last.map_or_else(|| status.to_string(), str::to_owned);
    Error::Failed { program: program.to_owned(), reason }
}

fn answer(program: &str, output: std::io::Result<std::process::Output>) -> Result<Answer, Error> {
    let output = output.map_err(cannot(program))?;
    Ok(Answer {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
