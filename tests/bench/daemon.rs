// SPDX-License-Identifier: GPL-3.0-or-later
//! The controller as it is installed, and the command line that speaks with it.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::process;
use crate::services::Directories;

/// How long a start may take at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `tails-serverd`.
#[derive(Debug)]
pub(crate) struct Daemon<'a> {
    child: Child,
    directories: &'a Directories,
    /// From before the process was started until it said READY.
    pub(crate) ready_after: Duration,
}

impl<'a> Daemon<'a> {
    /// Starts it with this control socket, which nobody need listen on, and waits until it is ready.
    pub(crate) fn start(directories: &'a Directories, control: &Path) -> Outcome<Self> {
        let notified = directories.runtime().join("notify");
        let _ = std::fs::remove_file(&notified);
        let socket = UnixDatagram::bind(&notified)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let log = File::options().create(true).append(true).open(directories.state().join("log"))?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_tails-serverd"));
        command.env_clear().env("NOTIFY_SOCKET", &notified).args(["--user", "--settings", "/dev/null"]);
        command.arg("--control").arg(format!("unix:{}", control.display()));
        command.arg("--state-directory").arg(directories.state());
        command.arg("--runtime-directory").arg(directories.runtime());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        // For the scripted Tor: one that wants no proof would be asked every few seconds whether it is still the same.
        let password = directories.runtime().join("password");
        std::fs::write(&password, "open sesame\n")?;
        command.arg("--control-password-file").arg(password);
        let began = Instant::now();
        let child = command.spawn()?;
        let mut daemon = Self { child, directories, ready_after: Duration::ZERO };
        let mut message = [0; 512];
        loop {
            let count = socket.recv(&mut message)?;
            let message = message.get(..count).unwrap_or_default();
            if message.split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
                daemon.ready_after = began.elapsed();
                return Ok(daemon);
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has nothing left to do.
    pub(crate) fn settle(&self) -> Outcome {
        process::settle(self.pid())
    }

    /// Runs `tails-server` with these arguments; how long it took.
    pub(crate) fn ask<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Outcome<(Duration, Output)> {
        let mut command = self.command(arguments);
        let began = Instant::now();
        let output = command.stdin(Stdio::null()).output()?;
        let took = began.elapsed();
        if !output.status.success() {
            return Err(format!("tails-server: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok((took, output))
    }

    /// Runs `tails-server watch --json`, with its output in a pipe.
    pub(crate) fn watch(&self) -> Outcome<Child> {
        let mut command = self.command(["watch", "--json"]);
        Ok(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?)
    }

    fn command<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tails-server"));
        command.env_clear().args(arguments);
        command.arg("--bus").arg(format!("unix:{}", self.directories.runtime().join("bus").display()));
        command
    }

    /// Ends it as systemd would.
    pub(crate) fn terminate(mut self) -> Outcome {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::TERM)?;
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the controller ended: {status}").into()) }
    }

    /// SIGKILL, as when it crashes.
    pub(crate) fn kill(mut self) -> Outcome {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        // After its end, when this would reach nobody.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
