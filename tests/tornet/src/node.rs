// SPDX-License-Identifier: GPL-3.0-or-later
//! One tor process with its directory: what relays, hosts and clients have in common.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::{Authentication, Control, ControlError, Error, wait_until};

/// Time for a new tor to answer on its control port.
// Measured: 0.1 s. More only where many tests share few cores.
const START_PATIENCE: Duration = Duration::from_secs(20);

/// Time for a tor to end after SIGTERM, with `ShutdownWaitLength 0`.
const END_PATIENCE: Duration = Duration::from_secs(10);

/// Lines of the log that an error carries.
const LOG_LINES: usize = 15;

/// A tor in `DIRECTORY/NAME`: `torrc`, `log`, `control`, `cookie` and `data/`.
#[derive(Debug)]
pub(crate) struct Node {
    name: String,
    directory: PathBuf,
    authentication: Authentication,
    child: Mutex<Option<Child>>,
}

impl Node {
    /// Creates the directory and the torrc; starts nothing.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(crate) fn create(
        parent: &Path,
        name: &str,
        authentication: Authentication,
        lines: &str,
    ) -> Result<Self, Error> {
        let directory = parent.join(name);
        let node = Self { name: name.to_owned(), directory, authentication, child: Mutex::new(None) };
        create_private(&node.directory)?;
        for path in [node.empty(), node.log()] {
            File::create(&path).map_err(Error::file("create", &path))?;
        }
        let text = format!(
            "DataDirectory {}\nControlSocket {}\n{}__OwningControllerProcess {}\nLog notice stdout\n{lines}",
            node.data().display(),
            node.control_socket().display(),
            node.authentication.torrc_lines(&node.cookie())?,
            process::id(),
        );
        fs::write(node.torrc(), text).map_err(Error::file("write", &node.torrc()))?;
        Ok(node)
    }

    pub(crate) fn torrc(&self) -> PathBuf {
        self.directory.join("torrc")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    pub(crate) fn control_socket(&self) -> PathBuf {
        self.directory.join("control")
    }

    pub(crate) fn cookie(&self) -> PathBuf {
        self.directory.join("cookie")
    }

    fn empty(&self) -> PathBuf {
        self.directory.join("defaults-torrc")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// Starts the process, if it does not run already, without waiting for it.
    pub(crate) fn spawn(&self) -> Result<(), Error> {
        let mut child = self.child();
        if is_running(&mut child) {
            return Ok(());
        }
        let log = OpenOptions::new().append(true).open(self.log()).map_err(Error::file("open", &self.log()))?;
        let errors = log.try_clone().map_err(Error::file("open", &self.log()))?;
        let started = Command::new("tor")
            .arg("--defaults-torrc")
            .arg(self.empty())
            .arg("-f")
            .arg(self.torrc())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            // Ctrl-C is for the owner; what becomes of the tors is the guard's business.
            .process_group(0)
            .spawn()
            .map_err(Error::run("tor"))?;
        *child = Some(started);
        Ok(())
    }

    /// Waits until the control port lets us in.
    pub(crate) fn wait_answering(&self) -> Result<(), Error> {
        self.wait_for("no answer on the control port", START_PATIENCE, || self.open_control().ok().map(drop))
    }

    /// Looks until the condition gives a value, the process ends or the time is over.
    pub(crate) fn wait_for<T>(
        &self,
        missing: &'static str,
        timeout: Duration,
        mut look: impl FnMut() -> Option<T>,
    ) -> Result<T, Error> {
        wait_until(timeout, || self.check_running().map(|()| look()).transpose())
            .unwrap_or_else(|| Err(self.time_out(missing, timeout)))
    }

    /// A new, authenticated control connection.
    pub(crate) fn control(&self) -> Result<Control, Error> {
        self.check_running()?;
        self.open_control().map_err(|source| self.refused(source))
    }

    fn open_control(&self) -> Result<Control, ControlError> {
        let mut control = Control::connect(&self.control_socket())?;
        match &self.authentication {
            Authentication::Cookie => control.authenticate_with_cookie(&self.cookie())?,
            Authentication::Password(password) => control.authenticate_with_password(password)?,
            Authentication::Nothing => control.authenticate_with_password("")?,
        }
        Ok(control)
    }

    /// Error if the process does not run.
    pub(crate) fn check_running(&self) -> Result<(), Error> {
        let mut child = self.child();
        let ended = match child.as_mut() {
            None => return Err(Error::NotRunning { name: self.name.clone() }),
            Some(process) => process.try_wait().map_err(Error::run("tor"))?,
        };
        match ended {
            None => Ok(()),
            Some(status) => Err(Error::Ended { name: self.name.clone(), status, log: self.last_log_lines() }),
        }
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        let mut child = self.child();
        if is_running(&mut child) { child.as_ref().map(Child::id) } else { None }
    }

    /// Sends a signal; the process must run.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), Error> {
        self.check_running()?;
        let pid = self.pid().and_then(|id| Pid::from_raw(id.cast_signed()));
        let Some(pid) = pid else { return Err(Error::NotRunning { name: self.name.clone() }) };
        kill_process(pid, signal).map_err(|errno| Error::Run { program: "tor", source: errno.into() })
    }

    /// SIGKILL, and gone when this returns.
    pub(crate) fn kill(&self) {
        if let Some(mut process) = self.child().take() {
            // Both fail only for a process that has already ended.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// SIGTERM, and gone when this returns.
    pub(crate) fn terminate(&self) -> Result<(), Error> {
        self.signal(Signal::TERM)?;
        let ended = wait_until(END_PATIENCE, || (!is_running(&mut self.child())).then_some(()));
        ended.ok_or_else(|| self.time_out("still running after SIGTERM", END_PATIENCE))?;
        *self.child() = None;
        Ok(())
    }

    pub(crate) fn refused(&self, source: ControlError) -> Error {
        Error::Control { name: self.name.clone(), source }
    }

    pub(crate) fn time_out(&self, missing: &'static str, after: Duration) -> Error {
        Error::TimeOut { name: self.name.clone(), missing, after, log: self.last_log_lines() }
    }

    fn last_log_lines(&self) -> String {
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default().join("\n")
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        // Nothing is half done under this lock: a panic in another thread leaves it usable.
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        // A network lives long and sees many tors. What cannot be deleted is left to the guard.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn is_running(child: &mut Option<Child>) -> bool {
    child.as_mut().is_some_and(|process| matches!(process.try_wait(), Ok(None)))
}

/// Creates a directory that tor accepts: nobody else may look in.
pub(crate) fn create_private(path: &Path) -> Result<(), Error> {
    DirBuilder::new().mode(0o700).recursive(true).create(path).map_err(Error::file("create", path))
}
