// SPDX-License-Identifier: GPL-3.0-or-later
//! Who asks for the password that polkit wants: polkit's own agent for terminals, as `systemctl` has it do.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::io::FdFlags;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

/// Polkit's agent for terminals.
const PROGRAM: &str = "pkttyagent";
/// The agent says within milliseconds that polkit knows of it.
const PATIENCE: Duration = Duration::from_secs(3);
/// It ends within milliseconds, once it has let the terminal show again what is typed.
const END_PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks whether it has ended.
const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// An agent on this terminal, until it is dropped.
pub(super) struct Agent {
    child: Child,
    /// Put back once it has ended.
    _terminal: Option<Terminal>,
}

impl Agent {
    /// Begins one, where there is a terminal to ask on and somebody who has to be asked. One of the desktop goes before it.
    pub(super) async fn begin() -> Option<Self> {
        let can_ask = io::stdin().is_terminal() && io::stderr().is_terminal();
        if !can_ask || rustix::process::geteuid().is_root() {
            return None;
        }
        Self::of_this_process(PROGRAM).await.ok()
    }

    async fn of_this_process(program: &str) -> io::Result<Self> {
        let terminal = Terminal::as_it_is();
        let (ready, tell) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        let mut command = Command::new(program);
        command.arg("--fallback").arg("--process").arg(std::process::id().to_string());
        command.arg("--notify-fd").arg(tell.as_raw_fd().to_string());
        // This end alone is not closed on exec: the agent closes it once it is ready.
        rustix::io::fcntl_setfd(&tell, FdFlags::empty())?;
        let child = command.stdin(Stdio::inherit()).stdout(Stdio::null()).spawn()?;
        let agent = Self { child, _terminal: terminal };
        drop(tell);
        rustix::fs::fcntl_setfl(&ready, rustix::fs::OFlags::NONBLOCK)?;
        let mut ready = pipe::Receiver::from_owned_fd(ready)?;
        let _ = tokio::time::timeout(PATIENCE, ready.read(&mut [0])).await;
        Ok(agent)
    }

    fn has_ended(&mut self) -> bool {
        // Of a child that can not be waited for nothing more is learned.
        self.child.try_wait().map_or(true, |ended| ended.is_some())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if self.has_ended() {
            return;
        }
        // While it asks, it keeps the terminal from showing what is typed, and undoes that when it is asked to end.
        if let Ok(Some(pid)) = i32::try_from(self.child.id()).map(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let began = Instant::now();
        while !self.has_ended() {
            if began.elapsed() >= END_PATIENCE {
                let _ = self.child.kill().and_then(|()| self.child.wait());
                return;
            }
            std::thread::sleep(LOOK_PAUSE);
        }
    }
}

/// The terminal as it was. It is so again on drop.
struct Terminal {
    file: File,
    before: Termios,
}

impl Terminal {
    fn as_it_is() -> Option<Self> {
        let file = File::options().read(true).write(true).open("/dev/tty").ok()?;
        let before = tcgetattr(&file).ok()?;
        Some(Self { file, before })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Nothing is set where nothing has changed: whoever does that in the background is stopped.
        if tcgetattr(&self.file).is_ok_and(|now| now.local_modes != self.before.local_modes) {
            // Where the terminal is gone, there is nothing to make good.
            let _ = tcsetattr(&self.file, OptionalActions::Drain, &self.before);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// A program that begins as the agent does, with this to do before.
    fn agent(place: &Path, first: &str) -> String {
        let (text_path, path) = (place.join("text"), place.join("agent"));
        let text = format!(
            "#!/bin/bash\ncd {}\n{first}\nreadlink /proc/$$/fd/* | grep -cF \"$(readlink /proc/$$/fd/$5)\" > ends\n\
             eval \"exec $5>&-\"\nwhile :; do sleep 0.01; done\n",
            place.display()
        );
        fs::write(&text_path, text).unwrap();
        // What a program of another test inherits open for writing can not be run: so it is written by a process of its own.
        assert!(Command::new("install").arg("-m755").args([&text_path, &path]).status().unwrap().success());
        path.to_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn the_agent_is_asked_to_end_before_it_is_made_to_and_gets_one_end_of_the_pipe() {
        let place = tempfile::tempdir().unwrap();
        let program = agent(place.path(), "trap 'echo ended > last; exit' TERM");
        drop(Agent::of_this_process(&program).await.unwrap());
        assert_eq!(fs::read_to_string(place.path().join("last")).unwrap(), "ended\n");
        assert_eq!(fs::read_to_string(place.path().join("ends")).unwrap(), "1\n");
    }

    #[tokio::test]
    async fn an_agent_that_does_not_end_is_made_to() {
        let place = tempfile::tempdir().unwrap();
        let program = agent(place.path(), "trap '' TERM");
        let agent = Agent::of_this_process(&program).await.unwrap();
        let pid = agent.child.id();
        drop(agent);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }
    #[test]
    fn an_agent_that_is_killed_leaves_the_terminal_as_it_was() {
        let program = std::env::current_exe().unwrap();
        let inside = format!("{} --ignored --exact cli::agent::tests::inside_a_terminal", program.display());
        // script, of util-linux, gives it a terminal, and ends as it ends.
        let mut command = Command::new("script");
        let told = command.args(["-qec", &inside, "/dev/null"]).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&told.stdout);
        assert!(told.status.success() && text.contains("1 passed"), "{text}");
    }

    /// A part of the test above.
    #[tokio::test]
    #[ignore = "another test starts it in a terminal"]
    async fn inside_a_terminal() {
        let is_shown = || {
            let terminal = File::open("/dev/tty").unwrap();
            tcgetattr(terminal).unwrap().local_modes.contains(rustix::termios::LocalModes::ECHO)
        };
        let place = tempfile::tempdir().unwrap();
        let program = agent(place.path(), "trap '' TERM; stty -echo < /dev/tty");
        assert!(is_shown());
        let agent = Agent::of_this_process(&program).await.unwrap();
        assert!(!is_shown());
        drop(agent);
        assert!(is_shown());
    }
}
