// SPDX-License-Identifier: GPL-3.0-or-later
//! One machine, from its first boot to the end of the test.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::console::Console;
use crate::disk::{self, Medium};
use crate::enclosure::Enclosure;
use crate::network::{self, Neighbour};
use crate::options::{Cable, Stick};
use crate::process::Init;
use crate::program::{self, Answer};
use crate::wait::try_until;
use crate::{Base, Error, ListenWatch, Listener, Options, Release, files, recipe};

/// How long a boot or a shutdown may take; it takes a second or two.
const BOOT_PATIENCE: Duration = Duration::from_secs(180);
/// How long one command may take, in seconds: an installation takes a few.
const COMMAND_SECONDS: &str = "300";
/// How systemd-nspawn ends when the machine wants to be started again.
const REBOOT: i32 = 133;
/// Where the system bus is, the last thing that commands need.
const BUS: &str = "/run/dbus/system_bus_socket";
/// Where a machine finds what is plugged in.
pub const STICK: &str = "/run/stick";
/// The same, where the machine is put together: in memory.
const PLUG: &str = "/run/stick";
/// All that a command finds in its environment.
const ENVIRONMENT: [&str; 4] = [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG=C.UTF-8",
    "HOME=/root",
    "DEBIAN_FRONTEND=noninteractive",
];

/// Enters a control group and becomes systemd-nspawn.
// 0 is the process that writes it.
const START: &str = r#"echo 0 > "$1/cgroup.procs" && shift && exec systemd-nspawn "$@""#;

/// A Debian that runs. It ends when it is dropped, and when the process that has it ends in whatever way.
#[derive(Debug)]
pub struct Machine {
    running: Running,
    neighbour: Option<Neighbour>,
    options: Options,
    base: Base,
    // The last to be dropped: it ends all that is left.
    enclosure: Enclosure,
}

/// From one boot to its end.
#[derive(Debug)]
struct Running {
    nspawn: Child,
    init: Init,
    console: Console,
}

impl Machine {
    /// Boots a machine that was never used, and waits until its system is running.
    ///
    /// # Errors
    /// If the base of the release was not made, the host does not allow it, or a unit of the machine fails.
    pub fn boot(release: Release, options: Options) -> Result<Self, Error> {
        let base = Base::of(release)?;
        let enclosure = Enclosure::open()?;
        disk::lay(&enclosure, &base, options.medium)?;
        if options.stick == Stick::PluggedIn {
            enclosure.create_directory(PLUG)?;
        }
        let neighbour = match options.cable {
            Cable::ToNeighbour => Some(Neighbour::create(&enclosure)?),
            Cable::None => None,
        };
        let running = start(&enclosure, &base, neighbour.as_ref(), options.stick)?;
        Ok(Self { running, neighbour, options, base, enclosure })
    }

    /// Runs a command as root; its standard output.
    ///
    /// # Errors
    /// If it cannot be run or fails.
    pub fn run(&self, words: &[&str]) -> Result<String, Error> {
        program::run(self.command().args(words))
    }

    /// Runs a command as root; what became of it.
    ///
    /// # Errors
    /// If it cannot be run.
    pub fn attempt(&self, words: &[&str]) -> Result<Answer, Error> {
        program::attempt(self.command().args(words))
    }

    /// Runs a command as another user, in a unit of its own; its standard output.
    ///
    /// # Errors
    /// If it cannot be run or fails.
    pub fn run_as(&self, user: &str, words: &[&str]) -> Result<String, Error> {
        program::run(self.unit_command(user).args(words))
    }

    /// Runs a command as another user, in a unit of its own; what became of it.
    ///
    /// # Errors
    /// If it cannot be run.
    pub fn attempt_as(&self, user: &str, words: &[&str]) -> Result<Answer, Error> {
        program::attempt(self.unit_command(user).args(words))
    }

    /// Installs packages from the repository, without a network.
    ///
    /// # Errors
    /// If the repository does not have them, or a script of theirs fails.
    pub fn install(&self, packages: &[&str]) -> Result<(), Error> {
        self.run(&["apt-get", "-q", "update"])?;
        let words = ["apt-get", "-q", "--yes", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", "install"];
        self.run(&[&words[..], packages].concat()).map(drop)
    }

    /// Copies a file of the host into the machine, with these permissions, such as "0755".
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn copy(&self, from: &Path, to: &str, mode: &str) -> Result<(), Error> {
        let file = File::open(from).map_err(Error::file("open", from))?;
        self.put(file, to, mode)
    }

    /// Copies a file or a directory of the host into the machine, with the permissions that it has.
    ///
    /// # Errors
    /// If something of it cannot be read or written.
    pub fn copy_tree(&self, from: &Path, to: &str) -> Result<(), Error> {
        files::copy_tree(from, &self.running.init.path(to))
    }

    /// Does something in the network of the machine: a socket that it opens stays there, whoever uses it.
    ///
    /// # Errors
    /// If the machine has ended.
    pub fn in_network<T: Send>(&self, act: impl FnOnce() -> T + Send) -> Result<T, Error> {
        let path = self.enclosure.path(&format!("/run/netns/{}", network::MACHINE));
        let network = File::open(&path).map_err(Error::file("open", &path))?;
        network::inside(&network, act).map_err(Error::file("enter", &path))
    }

    /// Writes a file in the machine, readable by all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, to: &str, text: &str) -> Result<(), Error> {
        let temporary = std::env::temp_dir();
        let file = || {
            let mut file = tempfile::tempfile()?;
            file.write_all(text.as_bytes())?;
            file.rewind()?;
            Ok(file)
        };
        self.put(file().map_err(Error::file("create a file in", &temporary))?, to, "0644")
    }

    /// Shuts it down and boots it again: with the same files, without the firewall rules.
    ///
    /// # Errors
    /// If it does not come up again.
    pub fn reboot(&mut self) -> Result<(), Error> {
        // The command may be ended before it answers.
        self.attempt(&["systemctl", "reboot"])?;
        let status = self.ended()?;
        if status.code() != Some(REBOOT) {
            return Err(Error::Ended { status, console: self.running.console.tail() });
        }
        self.start()
    }

    /// Cuts the power and boots again: what was not synced is lost.
    ///
    /// # Errors
    /// If it has no disk (see [`Options::with_disk`]) or does not come up again.
    pub fn power_cut(&mut self) -> Result<(), Error> {
        if self.options.medium != Medium::Disk {
            return Err(Error::Without("disk"));
        }
        disk::cut(&self.enclosure)?;
        self.running.init.kill();
        self.ended()?;
        disk::remount(&self.enclosure, &self.base)?;
        self.start()
    }

    /// The other host in its LAN.
    ///
    /// # Errors
    /// If there is none: see [`Options::with_lan`].
    pub fn neighbour(&self) -> Result<&Neighbour, Error> {
        self.neighbour.as_ref().ok_or(Error::Without("LAN"))
    }

    /// Who listens at this moment.
    ///
    /// # Errors
    /// If the machine has ended.
    pub fn listeners(&self) -> Result<BTreeSet<Listener>, Error> {
        let table = PathBuf::from("/proc/net/tcp");
        crate::listen::listeners(self.running.init.pid()).map_err(Error::file("read the machine's", &table))
    }

    /// Watches who listens from this moment on, until the next reboot at most.
    ///
    /// # Errors
    /// If the machine has ended.
    pub fn watch_listeners(&self) -> Result<ListenWatch, Error> {
        ListenWatch::begin(self.running.init.pid())
    }

    /// What the journal has of this boot.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn journal(&self) -> Result<String, Error> {
        self.run(&["journalctl", "--no-pager", "--boot"])
    }

    fn start(&mut self) -> Result<(), Error> {
        self.running = start(&self.enclosure, &self.base, self.neighbour.as_ref(), self.options.stick)?;
        Ok(())
    }

    /// Waits until nothing of it runs.
    fn ended(&mut self) -> Result<ExitStatus, Error> {
        let Running { nspawn, console, .. } = &mut self.running;
        let status = try_until(BOOT_PATIENCE, || nspawn.try_wait().map_err(Error::run("systemd-nspawn")))?;
        let missing = "the machine has not ended";
        status.ok_or_else(|| Error::TimeOut { missing, after: BOOT_PATIENCE, console: console.tail() })
    }

    fn put(&self, file: File, to: &str, mode: &str) -> Result<(), Error> {
        program::succeeded(self.command().args(["install", "-D", "-m", mode, "/dev/stdin", to]).stdin(file)).map(drop)
    }

    fn command(&self) -> Command {
        inside(&self.running.init)
    }

    fn unit_command(&self, user: &str) -> Command {
        let mut command = self.command();
        command.args(["systemd-run", "--quiet", "--pipe", "--wait", "--collect", &format!("--uid={user}"), "--"]);
        command
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.enclosure.end();
        // It is ours, and nobody else takes leave of it.
        let _ = self.running.nspawn.wait();
    }
}

/// Boots what lies on the disk, in a new network.
fn start(enclosure: &Enclosure, base: &Base, neighbour: Option<&Neighbour>, stick: Stick) -> Result<Running, Error> {
    network::renew(enclosure, neighbour)?;
    let console = Console::create()?;
    let mut command = enclosure.command("sh");
    let command = command
        .args(["-c", START, "tails-box-start", &enclosure.group()])
        .args(["--quiet", "--boot", "--register=no", "--keep-unit", "--console=read-only", "--notify-ready=yes"])
        .args(["--resolv-conf=off", "--timezone=off", "--link-journal=no", "--capability=CAP_NET_ADMIN"])
        // Without it, systemd inside cannot filter by address, and goes on without a word.
        .arg("--system-call-filter=bpf")
        .arg(format!("--directory={}", disk::ROOT))
        .arg(format!("--network-namespace-path=/run/netns/{}", network::MACHINE))
        .arg(format!("--bind-ro={}:{}", base.repository().display(), recipe::REPOSITORY))
        .stdout(console.writer()?)
        .stderr(console.writer()?);
    if stick == Stick::PluggedIn {
        command.arg(format!("--bind={PLUG}:{STICK}"));
    }
    let mut nspawn = command.spawn().map_err(Error::run("nsenter"))?;
    match wait_running(&mut nspawn, &console) {
        Ok(init) => Ok(Running { nspawn, init, console }),
        Err(error) => {
            // What it has started ends with the enclosure.
            let _ = nspawn.kill();
            let _ = nspawn.wait();
            Err(error)
        }
    }
}

fn wait_running(nspawn: &mut Child, console: &Console) -> Result<Init, Error> {
    let init = try_until(BOOT_PATIENCE, || {
        if let Some(status) = nspawn.try_wait().map_err(Error::run("systemd-nspawn"))? {
            return Err(Error::Ended { status, console: console.tail() });
        }
        Ok(Init::find(nspawn.id(), "systemd").filter(|init| init.path(BUS).exists()))
    })?;
    let missing = "no system bus in the machine";
    let init = init.ok_or_else(|| Error::TimeOut { missing, after: BOOT_PATIENCE, console: console.tail() })?;
    let answer = program::attempt(inside(&init).args(["systemctl", "is-system-running", "--wait"]))?;
    if answer.status.success() {
        return Ok(init);
    }
    let failed = program::attempt(inside(&init).args(["systemctl", "--failed", "--no-pager"]))?;
    let command = String::from("systemctl is-system-running --wait");
    Err(Error::Failed { command, status: answer.status, output: answer.stdout + &failed.stdout + &console.tail() })
}

/// The beginning of a command in the machine of that first process.
fn inside(init: &Init) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--target", &init.pid().to_string(), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]);
    command.args(["--root", "--wd", "--", "env", "--ignore-environment"]).args(ENVIRONMENT);
    command.args(["timeout", "--kill-after=5", COMMAND_SECONDS]).stdin(Stdio::null());
    command
}
