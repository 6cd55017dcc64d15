// SPDX-License-Identifier: GPL-3.0-or-later
//! Who asks for the password that polkit wants: polkit's own agent for terminals, as `systemctl` has it do.

use std::io::{self, IsTerminal};
use std::os::fd::AsRawFd;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

/// The agent says within milliseconds that polkit knows of it.
const PATIENCE: Duration = Duration::from_secs(3);

/// An agent on this terminal, until it is dropped.
pub(super) struct Agent(#[expect(dead_code, reason = "it ends with us")] Child);

impl Agent {
    /// Begins one, where there is a terminal to ask on and somebody who has to be asked. One of the desktop goes before it.
    pub(super) async fn begin() -> Option<Self> {
        let can_ask = io::stdin().is_terminal() && io::stderr().is_terminal();
        if !can_ask || rustix::process::geteuid().is_root() {
            return None;
        }
        Self::of_this_process().await.ok()
    }

    async fn of_this_process() -> io::Result<Self> {
        // Not closed on exec: the agent closes it once it is ready.
        let (ready, tell) = rustix::pipe::pipe()?;
        let mut command = Command::new("pkttyagent");
        command.arg("--fallback").arg("--process").arg(std::process::id().to_string());
        command.arg("--notify-fd").arg(tell.as_raw_fd().to_string());
        let agent = command.stdin(Stdio::inherit()).stdout(Stdio::null()).kill_on_drop(true).spawn()?;
        drop(tell);
        rustix::fs::fcntl_setfl(&ready, rustix::fs::OFlags::NONBLOCK)?;
        let mut ready = pipe::Receiver::from_owned_fd(ready)?;
        let _ = tokio::time::timeout(PATIENCE, ready.read(&mut [0])).await;
        Ok(Self(agent))
    }
}
