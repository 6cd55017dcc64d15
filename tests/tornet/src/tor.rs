// SPDX-License-Identifier: GPL-3.0-or-later
//! A tor of one's own, in a network or without one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::guard::GuardedDirectory;
use crate::node::{self, Node};
use crate::options::{ControlPort, Role};
use crate::ports::PortBlock;
use crate::{Control, ControlError, Error, TorOptions, torrc};

/// Time for SIGHUP to take effect; it takes milliseconds.
const RELOAD_PATIENCE: Duration = Duration::from_secs(10);

/// A tor that hosts onion services or visits them. It is killed on drop.
///
/// Paths and ports stay the same over restarts.
#[derive(Debug)]
pub struct Tor {
    // Before the directory, so that the process is gone when the directory goes.
    node: Node,
    control_socket: PathBuf,
    cookie_file: PathBuf,
    data_directory: PathBuf,
    torrc: PathBuf,
    log: PathBuf,
    socks_port: u16,
    control_port: Option<u16>,
    _ports: PortBlock,
    _directory: Arc<GuardedDirectory>,
}

impl Tor {
    /// Starts a tor with `DisableNetwork 1` and no network at all; it answers after 0.1 s.
    ///
    /// # Errors
    /// If `tor` is missing or does not start.
    pub fn offline(options: TorOptions) -> Result<Self, Error> {
        Self::launch(Arc::new(GuardedDirectory::create()?), "tor", &torrc::offline(), options)
    }

    pub(crate) fn launch(
        directory: Arc<GuardedDirectory>,
        name: &str,
        network_lines: &str,
        options: TorOptions,
    ) -> Result<Self, Error> {
        let ports = PortBlock::claim()?;
        let socks_port = ports.port(0);
        let mut lines = format!("{network_lines}ClientOnly 1\n");
        match options.role {
            Role::Host => lines.push_str(&format!("SocksPort 127.0.0.1:{socks_port}\n")),
            Role::Client => {
                let keys = directory.path().join(name).join("onion-auth");
                node::create_private(&keys)?;
                lines.push_str(&format!(
                    "SocksPort 127.0.0.1:{socks_port} ExtendedErrors\nClientOnionAuthDir {}\n",
                    keys.display()
                ));
            }
        }
        let control_port = match options.control_port {
            ControlPort::SocketOnly => None,
            ControlPort::SocketAndTcp => Some(ports.port(1)),
        };
        if let Some(port) = control_port {
            lines.push_str(&format!("ControlPort 127.0.0.1:{port}\n"));
        }
        lines.push_str(&options.lines);
        let node = Node::create(directory.path(), name, options.authentication, &lines)?;
        let tor = Self {
            control_socket: node.control_socket(),
            cookie_file: node.cookie(),
            data_directory: node.data(),
            torrc: node.torrc(),
            log: node.log(),
            node,
            socks_port,
            control_port,
            _ports: ports,
            _directory: directory,
        };
        tor.start()?;
        Ok(tor)
    }

    /// The control socket. It is there, stale, after a kill, as with any tor.
    pub fn control_socket(&self) -> &Path {
        &self.control_socket
    }

    /// The control port on TCP, if the options asked for one.
    pub fn control_port(&self) -> Option<u16> {
        self.control_port
    }

    /// The control cookie, if the authentication is by cookie; new with every start.
    pub fn cookie_file(&self) -> &Path {
        &self.cookie_file
    }

    /// The SOCKS port on 127.0.0.1.
    pub fn socks_port(&self) -> u16 {
        self.socks_port
    }

    /// Tor's `DataDirectory`.
    pub fn data_directory(&self) -> &Path {
        &self.data_directory
    }

    /// The torrc. Whoever changes it must leave the safety lines in it.
    pub fn torrc(&self) -> &Path {
        &self.torrc
    }

    /// What tor logged, at level notice, over all its starts.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The process, if it runs.
    pub fn pid(&self) -> Option<u32> {
        self.node.pid()
    }

    /// SIGKILL; gone when this returns. Nothing if it does not run.
    pub fn kill(&self) {
        self.node.kill();
    }

    /// SIGTERM; gone when this returns.
    ///
    /// # Errors
    /// If it does not run or does not end.
    pub fn terminate(&self) -> Result<(), Error> {
        self.node.terminate()
    }

    /// Starts it again with the same data and waits for its control port, not for the network.
    /// Nothing if it runs.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(&self) -> Result<(), Error> {
        self.node.spawn()?;
        self.node.wait_answering()
    }

    /// Kills it if it runs, deletes its data directory, and starts it as if for the first time.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start_fresh(&self) -> Result<(), Error> {
        self.kill();
        match fs::remove_dir_all(&self.data_directory) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(Error::file("delete", &self.data_directory)(source));
            }
            Ok(()) | Err(_) => {}
        }
        self.start()
    }

    /// SIGHUP: tor reads its torrc again, and has done so when this returns.
    ///
    /// # Errors
    /// If it does not run or does not come to an end with it.
    pub fn reload(&self) -> Result<(), Error> {
        let mut control = self.control()?;
        control.command("SETEVENTS SIGNAL").map_err(|source| self.node.refused(source))?;
        self.node.signal(Signal::HUP)?;
        // control-spec, SIGNAL event: it comes after the deed.
        self.wait_for_event(&mut control, RELOAD_PATIENCE, "still reloading", "SIGNAL RELOAD")
    }

    /// Waits for 100 % of the bootstrap.
    ///
    /// # Errors
    /// [`Error::TimeOut`] if it does not come, [`Error::Ended`] if tor ends meanwhile.
    pub fn wait_bootstrapped(&self, timeout: Duration) -> Result<(), Error> {
        let mut control = self.control()?;
        let phase = control.command("SETEVENTS STATUS_CLIENT").and_then(|_| control.info("status/bootstrap-phase"));
        if phase.map_err(|source| self.node.refused(source))?.contains("PROGRESS=100") {
            return Ok(());
        }
        self.wait_for_event(&mut control, timeout, "not bootstrapped", "PROGRESS=100")
    }

    /// A new, authenticated control connection: the test's independent witness.
    ///
    /// # Errors
    /// If tor does not run or does not let us in.
    pub fn control(&self) -> Result<Control, Error> {
        self.node.control()
    }

    /// `SETCONF`, on a connection of its own: `set_conf("DisableNetwork=1")`.
    ///
    /// # Errors
    /// If tor does not run or refuses.
    pub fn set_conf(&self, setting: &str) -> Result<(), Error> {
        let mut control = self.control()?;
        control.command(&format!("SETCONF {setting}")).map(drop).map_err(|source| self.node.refused(source))
    }

    /// What a refusal on a control connection of this tor means.
    pub(crate) fn refused(&self, source: ControlError) -> Error {
        self.node.refused(source)
    }

    /// Waits for an event with these words in it.
    fn wait_for_event(
        &self,
        control: &mut Control,
        timeout: Duration,
        missing: &'static str,
        words: &str,
    ) -> Result<(), Error> {
        let deadline = Instant::now() + timeout;
        loop {
            match control.next_event(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) if event.contains(words) => return Ok(()),
                Ok(_) => {}
                Err(ControlError::TimeOut) => return Err(self.node.time_out(missing, timeout)),
                Err(source) => return Err(self.node.check_running().err().unwrap_or(self.node.refused(source))),
            }
        }
    }
}
