// SPDX-License-Identifier: GPL-3.0-or-later
//! A message bus of our own, and a controller on it whose Tor and servers are simulated.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use futures_util::StreamExt;
use tails_server::bus::api::{BUS_NAME, ManagerProxy};
use tempfile::TempDir;
use tornet::wait_until;
use zbus::Connection;
use zbus::proxy::CacheProperties;

use crate::given::{CLI, NO_TOR, Process, run};
use crate::harness::{Answer, Controller, PATIENCE};

/// Everybody may connect and ask, as on a bus of the system; who may do what is up to the controller. The limits are
/// those of a real one (128 answers may be waited for), but for more connections.
const CONFIGURATION: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>custom</type>
  <listen>unix:path=PLACE/socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow send_type="signal"/>
    <allow receive_type="signal"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
  </policy>
  <limit name="max_connections_per_user">4096</limit>
</busconfig>
"#;

/// A message bus.
pub(crate) struct Bus {
    place: TempDir,
    daemon: Option<Process>,
}

impl Bus {
    pub(crate) fn start() -> Self {
        let place = tempfile::Builder::new().prefix("ts-").tempdir().unwrap();
        // Another user is to reach the socket.
        rustix::fs::chmod(place.path(), 0o755.into()).unwrap();
        let text = CONFIGURATION.replace("PLACE", place.path().to_str().unwrap());
        fs::write(place.path().join("bus.conf"), text).unwrap();
        let mut bus = Self { place, daemon: None };
        bus.open();
        bus
    }

    /// Starts it, the first time or again.
    pub(crate) fn open(&mut self) {
        let configuration = format!("--config-file={}", self.place.path().join("bus.conf").display());
        let mut command = Command::new("dbus-daemon");
        command.args([&configuration, "--nofork", "--nopidfile", "--nosyslog"]).stderr(Stdio::null());
        self.daemon = Some(Process::start(&mut command));
        let ready = wait_until(PATIENCE, || std::os::unix::net::UnixStream::connect(self.socket()).ok());
        assert!(ready.is_some(), "dbus-daemon does not listen: is it installed?");
    }

    /// Ends it; whoever is connected is cut off.
    pub(crate) fn close(&mut self) {
        self.daemon = None;
        fs::remove_file(self.socket()).unwrap();
    }

    fn socket(&self) -> PathBuf {
        self.place.path().join("socket")
    }

    pub(crate) fn address(&self) -> String {
        format!("unix:path={}", self.socket().display())
    }

    pub(crate) async fn connect(&self) -> Connection {
        zbus::connection::Builder::address(self.address().as_str()).build().await.unwrap()
    }
}

/// A controller on a bus.
pub(crate) struct House {
    pub(crate) bus: Bus,
    pub(crate) daemon: Process,
    pub(crate) controller: Controller,
}

impl House {
    /// One that serves this bus in this way: `system` or `session`.
    pub(crate) fn open(kind: &str) -> Self {
        Self::on(Bus::start(), kind)
    }

    pub(crate) fn on(bus: Bus, kind: &str) -> Self {
        let controller = Controller::new(NO_TOR).arguments(&["--sim", "--bus", kind]);
        let mut command = controller.command();
        command.env("DBUS_SYSTEM_BUS_ADDRESS", bus.address()).env("DBUS_SESSION_BUS_ADDRESS", bus.address());
        let house = Self { daemon: Process::start(&mut command), bus, controller };
        let ready = wait_until(PATIENCE, || house.controller.log().contains("INFO ready").then_some(()));
        assert!(ready.is_some(), "{}", house.controller.log());
        house
    }

    /// Runs `tails-server` over this bus.
    pub(crate) fn cli(&self, kind: &str, words: &[&str]) -> Answer {
        let mut command = Command::new(CLI);
        command.env_clear().args(words).args(["--bus", kind]);
        command.env("DBUS_SYSTEM_BUS_ADDRESS", self.bus.address()).env("DBUS_SESSION_BUS_ADDRESS", self.bus.address());
        run(&mut command)
    }

    /// Runs a program that finds this bus as that of the system; what it prints.
    pub(crate) fn run(&self, words: &[&str]) -> Answer {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env("DBUS_SYSTEM_BUS_ADDRESS", self.bus.address());
        run(&mut command)
    }

    pub(crate) async fn manager(&self) -> ManagerProxy<'static> {
        manager(&self.bus.connect().await).await
    }
}

pub(crate) async fn manager(connection: &Connection) -> ManagerProxy<'static> {
    ManagerProxy::builder(connection).cache_properties(CacheProperties::No).build().await.unwrap()
}

/// Waits until the controller has its name.
pub(crate) async fn until_named(connection: &Connection) {
    let bus = zbus::fdo::DBusProxy::new(connection).await.unwrap();
    // First: what comes between the question and its answer is told, too.
    let mut owners = bus.receive_name_owner_changed().await.unwrap();
    if bus.name_has_owner(BUS_NAME.try_into().unwrap()).await.unwrap() {
        return;
    }
    loop {
        let changed = owners.next().await.unwrap();
        let changed = changed.args().unwrap();
        if changed.name().as_str() == BUS_NAME && changed.new_owner().is_some() {
            return;
        }
    }
}
