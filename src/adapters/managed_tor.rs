// SPDX-License-Identifier: GPL-3.0-or-later
//! A Tor of our own, for a person whose system has none to use.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::controller::TorProblem;
use crate::torctl::ControlAddress;

/// How much of the end of Tor's log is searched for the reason why it ended.
const LOG_TAIL_BYTES: u64 = 8 * 1024;
/// A Tor that is no relay ends within some milliseconds of being asked to.
const END_PATIENCE: Duration = Duration::from_secs(2);
/// A Tor makes its control socket within 0.1 s; one that finds its data directory in use waits 5 s for it first.
const SOCKET_PATIENCE: Duration = Duration::from_secs(15);

/// A Tor that this program starts, restarts and ends.
///
/// It has its own data directory and no torrc but what the user gives. It ends by itself when the control connection
/// that took ownership closes, or when this process is gone.
#[derive(Debug)]
pub struct ManagedTor {
    settings: ManagedTorSettings,
    running: Option<Child>,
    /// When its control socket was last there, or could not be expected yet.
    socket_seen: Instant,
}

/// Where a [`ManagedTor`] lives.
#[derive(Debug, Clone)]
pub struct ManagedTorSettings {
    /// The program, looked up in PATH.
    pub program: PathBuf,
    /// Tor's own memory: guards and cached directories.
    pub data_directory: PathBuf,
    /// The control socket, its cookie and the log.
    pub runtime_directory: PathBuf,
    /// A torrc with the user's own lines, such as bridges.
    pub torrc: Option<PathBuf>,
}

/// Why our own Tor does not run.
#[derive(Debug, thiserror::Error)]
pub(super) enum ManagedTorError {
    #[error("tor is not installed")]
    NotInstalled,
    #[error("cannot start tor")]
    Start(#[source] io::Error),
    #[error("cannot prepare {}", path.display())]
    Prepare { path: PathBuf, source: io::Error },
}

impl ManagedTorError {
    pub(super) fn into_problem(self) -> TorProblem {
        let hint = match &self {
            Self::NotInstalled => "Install the package tor, or name the control socket of a running Tor with --control",
            Self::Start(_) => "See whether the program tor runs at all: tor --version",
            Self::Prepare { .. } => "See whether the directory is yours and its disk has room",
        };
        let cause = std::error::Error::source(&self).map(|cause| format!(": {cause}")).unwrap_or_default();
        TorProblem { message: format!("{self}{cause}"), hint: Some(hint.to_owned()) }
    }
}

impl ManagedTor {
    /// A Tor that is started when it is first needed.
    #[must_use]
    pub fn new(settings: ManagedTorSettings) -> Self {
        Self { settings, running: None, socket_seen: Instant::now() }
    }

    /// The control address of the running Tor; starts one if none runs.
    pub(super) fn ensure_running(&mut self) -> Result<ControlAddress, ManagedTorError> {
        let is_deaf = self.is_deaf();
        let mut ended = true;
        if let Some(child) = &mut self.running {
            ended = child.try_wait().map_err(ManagedTorError::Start)?.is_some();
            if is_deaf && !ended {
                warn!("tor runs without its control socket; starting another one");
                child.start_kill().map_err(ManagedTorError::Start)?;
                ended = true;
            }
        }
        if ended {
            self.running = Some(self.start()?);
            self.socket_seen = Instant::now();
        }
        Ok(ControlAddress::Unix(self.control_socket()))
    }

    /// Whether the Tor has had no control socket for so long that it will never have one: one that ended late, started by
    /// an earlier controller, may have removed the socket of its successor.
    fn is_deaf(&mut self) -> bool {
        if self.control_socket().exists() {
            self.socket_seen = Instant::now();
        }
        self.socket_seen.elapsed() > SOCKET_PATIENCE
    }

    /// Why the Tor that was started does not answer: it has ended, and its log may say why.
    pub(super) fn why_not(&mut self) -> Option<TorProblem> {
        let status = self.running.as_mut()?.try_wait().ok().flatten()?;
        let said = self.last_complaint().map(|line| format!(": {line}")).unwrap_or_default();
        let hint = format!("Its log is {}", self.log().display());
        Some(TorProblem { message: format!("tor ended ({status}){said}"), hint: Some(hint) })
    }

    /// Asks the Tor to end, so that it saves its state, and sees to it that it does.
    pub(super) async fn end(&mut self) {
        let Some(mut child) = self.running.take() else { return };
        if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            // It may have ended by itself, as the control connection it was given to has closed.
            let _ = kill_process(pid, Signal::TERM);
        }
        if tokio::time::timeout(END_PATIENCE, child.wait()).await.is_err() {
            warn!("tor does not end; killing it");
            let _ = child.kill().await;
        }
    }

    fn start(&self) -> Result<Child, ManagedTorError> {
        let ManagedTorSettings { program, data_directory, runtime_directory, torrc } = &self.settings;
        for path in [data_directory, runtime_directory] {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.map_err(|source| ManagedTorError::Prepare { path: path.clone(), source })?;
        }
        // A socket file of a Tor that was killed would look like one that refuses.
        match fs::remove_file(self.control_socket()) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(ManagedTorError::Prepare { path: self.control_socket(), source });
            }
            Ok(()) | Err(_) => (),
        }
        let log = self.open_log().map_err(|source| ManagedTorError::Prepare { path: self.log(), source })?;
        let mut command = Command::new(program);
        // Neither the system's torrc nor its defaults: they describe the system's Tor.
        command.arg("--defaults-torrc").arg("/dev/null");
        command.arg("-f").arg(torrc.as_deref().unwrap_or_else(|| "/dev/null".as_ref()));
        command.arg("--DataDirectory").arg(data_directory);
        command.arg("--ControlSocket").arg(self.control_socket());
        command.arg("--CookieAuthentication").arg("1");
        command.arg("--CookieAuthFile").arg(runtime_directory.join("cookie"));
        command.arg("--__OwningControllerProcess").arg(std::process::id().to_string());
        command.arg("--SocksPort").arg("0").arg("--ClientOnly").arg("1");
        command.arg("--Log").arg("notice stdout").arg("--RunAsDaemon").arg("0");
        command.stdin(Stdio::null()).stdout(log).stderr(Stdio::null());
        // Ctrl-C in our terminal is for us: tor ends once we have withdrawn our services.
        command.process_group(0).kill_on_drop(true);
        let not_started = |cause: io::Error| {
            if cause.kind() == io::ErrorKind::NotFound {
                ManagedTorError::NotInstalled
            } else {
                ManagedTorError::Start(cause)
            }
        };
        let child = command.spawn().map_err(not_started)?;
        info!(pid = child.id().unwrap_or_default(), "started tor");
        Ok(child)
    }

    fn control_socket(&self) -> PathBuf {
        self.settings.runtime_directory.join("control")
    }

    fn log(&self) -> PathBuf {
        self.settings.runtime_directory.join("tor.log")
    }

    /// A log of one life: in memory like the rest of the runtime directory, and gone with the next start.
    fn open_log(&self) -> io::Result<File> {
        OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(self.log())
    }

    /// The last line in which Tor warns.
    fn last_complaint(&self) -> Option<String> {
        let mut log = File::open(self.log()).ok()?;
        let end = log.seek(SeekFrom::End(0)).ok()?;
        log.seek(SeekFrom::Start(end.saturating_sub(LOG_TAIL_BYTES))).ok()?;
        let mut tail = Vec::new();
        log.take(LOG_TAIL_BYTES).read_to_end(&mut tail).ok()?;
        let tail = String::from_utf8_lossy(&tail);
        let complaint = tail.lines().rev().find(|line| line.contains("[err]") || line.contains("[warn]"))?;
        complaint.split_once("] ").map(|(_, text)| text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_tor_that_lost_its_control_socket_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("tor");
        fs::write(&program, "#!/bin/sh\nexec sleep 600\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let settings = ManagedTorSettings {
            program,
            data_directory: directory.path().join("data"),
            runtime_directory: directory.path().join("run"),
            torrc: None,
        };
        let mut tor = ManagedTor::new(settings);
        let mut pid = || {
            tor.ensure_running().unwrap();
            tor.running.as_ref().unwrap().id().unwrap()
        };
        let first = pid();
        tokio::time::advance(SOCKET_PATIENCE / 2).await;
        assert_eq!(pid(), first);
        tokio::time::advance(SOCKET_PATIENCE).await;
        let second = pid();
        assert_ne!(second, first);
        fs::write(directory.path().join("run/control"), "").unwrap();
        tokio::time::advance(SOCKET_PATIENCE * 2).await;
        assert_eq!(pid(), second);
        tor.end().await;
    }
}
