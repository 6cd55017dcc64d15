// SPDX-License-Identifier: GPL-3.0-or-later
//! A controller in a directory of its own, the command line that speaks with it, and the shared private network.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tornet::socks::{self, Proxy, SocksError};
use tornet::{Network, Tor, TorOptions, wait_until};

/// How long anything may take that should happen by itself. The machines are shared and slow at times.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// A visitor whose Tor found a service gone remembers its introduction points as bad for two minutes.
pub(crate) const VISIT_PATIENCE: Duration = Duration::from_secs(300);

/// How long the first attempt of a visit may take; one that leads somewhere takes a second. The next takes twice as long.
const FIRST_ATTEMPT: Duration = Duration::from_secs(3);
/// How long any attempt may take, for machines that are slow.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(10);

/// The private network, started once for all tests of this binary.
pub(crate) fn network() -> &'static Network {
    static NETWORK: OnceLock<Network> = OnceLock::new();
    NETWORK.get_or_init(|| Network::start().expect("a private Tor network"))
}

/// A tor for one test's controller.
pub(crate) fn host_tor() -> Tor {
    let tor = network().tor(TorOptions::host()).expect("a host tor");
    tor.wait_bootstrapped(PATIENCE).expect("the host tor in the network");
    tor
}

/// A tor for the controllers of all tests that leave it as it is.
pub(crate) fn shared_tor() -> &'static Tor {
    static SHARED: OnceLock<Tor> = OnceLock::new();
    SHARED.get_or_init(host_tor)
}

/// The visitors' tor.
fn visitors() -> &'static Tor {
    static VISITORS: OnceLock<Tor> = OnceLock::new();
    VISITORS.get_or_init(|| {
        let tor = network().tor(TorOptions::client()).expect("a client tor");
        tor.wait_bootstrapped(PATIENCE).expect("the client tor in the network");
        tor
    })
}

/// Fetches a page of an onion service through the visitors' tor, trying until it works.
pub(crate) fn visit(address: &str, port: u16) -> String {
    let mut patience = FIRST_ATTEMPT;
    let page = wait_until(VISIT_PATIENCE, || {
        let page = attempt(address, port, patience);
        patience = (patience * 2).min(LONGEST_ATTEMPT);
        page.ok()
    });
    page.unwrap_or_else(|| {
        let last = attempt(address, port, patience);
        unreachable!("no page from the onion service: {last:?}{}", network().told_of(address))
    })
}

/// A visitor gets nothing at this address, and a page at the other one, so that it is not for want of time.
pub(crate) fn visit_fails(address: &str, reachable: &str, port: u16) {
    let page = attempt(address, port, LONGEST_ATTEMPT);
    assert!(page.is_err(), "there is a page: {page:?}");
    visit(reachable, port);
}

/// One visit, on circuits of its own.
// A visitor who is told of a service that just went waits 45 s for it to meet him, and so does everybody who shares his
// circuits. Who asks again on others gets the new descriptor.
fn attempt(address: &str, port: u16, patience: Duration) -> Result<String, SocksError> {
    static ATTEMPTS: AtomicU32 = AtomicU32::new(0);
    let word = format!("visit-{}", ATTEMPTS.fetch_add(1, Ordering::Relaxed));
    socks::get(Proxy::isolated(visitors().socks_port(), &word), address, port, "/", patience)
}

/// One controller: its directories, and its process while it runs.
pub(crate) struct Controller {
    directory: TempDir,
    control: String,
    extra: Vec<String>,
    environment: Vec<(&'static str, OsString)>,
    running: Option<Child>,
}

impl Controller {
    /// A controller for this control port, not started yet. `control` is what `--control` takes.
    pub(crate) fn new(control: impl Into<String>) -> Self {
        let directory = tempfile::Builder::new().prefix("ts-").tempdir().expect("a directory");
        Self { directory, control: control.into(), extra: Vec::new(), environment: Vec::new(), running: None }
    }

    /// A running controller for this tor.
    pub(crate) fn with(tor: &Tor) -> Self {
        let mut controller = Self::new(format!("unix:{}", tor.control_socket().display()));
        controller.start();
        controller
    }

    /// Further arguments from the next start on.
    pub(crate) fn arguments(mut self, extra: &[&str]) -> Self {
        self.extra = extra.iter().map(|&argument| argument.to_owned()).collect();
        self
    }

    /// What it and `tails-server` find in their environment from the next start on.
    pub(crate) fn environment(mut self, environment: Vec<(&'static str, OsString)>) -> Self {
        self.environment = environment;
        self
    }

    /// Starts it and waits until it takes requests.
    pub(crate) fn start(&mut self) {
        let mut child = self.command().spawn().expect("tails-serverd starts");
        let ready = wait_until(PATIENCE, || {
            assert!(child.try_wait().expect("a child").is_none(), "tails-serverd ended: {}", self.log());
            std::os::unix::net::UnixStream::connect(self.bus()).ok()
        });
        assert!(ready.is_some(), "tails-serverd does not take requests: {}", self.log());
        self.running = Some(child);
    }

    /// The command that starts it, with its log appended to a file.
    pub(crate) fn command(&self) -> Command {
        // A tor of its own without the lines of a private network would reach out to the real one.
        let may_start_tor = matches!(self.control.as_str(), "managed" | "auto");
        let is_safe = self.extra.iter().any(|argument| argument == "--tor-config" || argument == "--sim");
        assert!(is_safe || !may_start_tor, "a managed tor belongs into the private network");
        let log = File::options().create(true).append(true).open(self.log_path()).expect("a log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tails-serverd"));
        command.env_clear().arg("--user").args(["--control", &self.control]).args(&self.extra);
        command.arg("--settings").arg("/dev/null");
        command.arg("--state-directory").arg(self.state()).arg("--runtime-directory").arg(self.runtime());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    pub(crate) fn runtime(&self) -> PathBuf {
        self.directory.path().join("run")
    }

    pub(crate) fn bus(&self) -> PathBuf {
        self.runtime().join("bus")
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running.as_ref().expect("a running controller").id()
    }

    /// SIGKILL, as when the power goes for this process alone.
    pub(crate) fn kill(&mut self) {
        let mut child = self.running.take().expect("a running controller");
        child.kill().expect("SIGKILL");
        child.wait().expect("its end");
    }

    /// SIGTERM; how it ended, and after how long.
    pub(crate) fn terminate(&mut self) -> (ExitStatus, Duration) {
        let mut child = self.running.take().expect("a running controller");
        let began = Instant::now();
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("SIGTERM");
        let status = child.wait().expect("its end");
        (status, began.elapsed())
    }

    /// `tails-server` with these arguments, to be run by the test.
    pub(crate) fn cli_command<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Command {
        let mut command = cli_command_at(&self.bus(), arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs `tails-server` with these arguments.
    pub(crate) fn cli<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Answer {
        answer(self.cli_command(arguments))
    }

    /// Publishes and waits until it is published; the address.
    pub(crate) fn publish(&self, name: &str, ports: &[&str], options: &[&str]) -> String {
        let mut arguments = vec!["publish", "--name", name, "--wait", "--timeout", "120"];
        arguments.extend(options);
        arguments.extend(ports);
        self.cli(arguments).succeeded();
        self.address(name)
    }

    /// The address of a service.
    pub(crate) fn address(&self, name: &str) -> String {
        self.cli(["address", name]).succeeded().stdout.trim_end().to_owned()
    }

    /// What `status --json` says of one service.
    pub(crate) fn status(&self, name: &str) -> Value {
        serde_json::from_str(&self.cli(["status", name, "--json"]).succeeded().stdout).expect("JSON")
    }

    /// The state of one service.
    pub(crate) fn service_state(&self, name: &str) -> String {
        self.status(name)["state"].as_str().expect("a state").to_owned()
    }

    /// Waits until the service is in this state.
    pub(crate) fn wait_for_state(&self, name: &str, state: &str) {
        let reached = wait_until(PATIENCE, || (self.service_state(name) == state).then_some(()));
        assert!(reached.is_some(), "{name} is {} and never {state}: {}", self.service_state(name), self.log());
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        if let Some(child) = &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs `tails-server` with these arguments for the controller at this socket.
pub(crate) fn cli_at<I: IntoIterator<Item: AsRef<OsStr>>>(bus: &Path, arguments: I) -> Answer {
    answer(cli_command_at(bus, arguments))
}

/// Runs `tails-server`.
fn answer(mut command: Command) -> Answer {
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output();
    let output = output.expect("tails-server runs");
    Answer {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// `tails-server` with these arguments for the controller at this socket; its output goes nowhere.
pub(crate) fn cli_command_at<I: IntoIterator<Item: AsRef<OsStr>>>(bus: &Path, arguments: I) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tails-server"));
    command.env_clear().args(arguments).arg("--bus").arg(format!("unix:{}", bus.display()));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// How a run of `tails-server` ended.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    /// The answer, which has to be a success.
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// The answer, which has to be this failure with nothing on standard output, an error and a hint.
    pub(crate) fn failed(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert_eq!(self.stdout, "", "{self:#?}");
        self
    }
}
