// SPDX-License-Identifier: GPL-3.0-or-later
//! What a person types on the terminal: as answers to questions, and as text that is pasted.
//!
//! Whatever was typed before a question was asked is no answer to it. What is pasted may come from somebody else: the lines
//! after its end must neither answer a question nor reach the shell.
//!
//! The terminal is switched with rustix, which is here already; a crate for it would do the same in as many lines.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::io::ioctl_fionread;
use rustix::termios::{LocalModes, OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcsetattr};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use zeroize::Zeroizing;

use crate::cli::interrupt::interrupted;
use crate::cli::terminal::harmless;

/// What is pasted comes in pieces, with less than this between them.
const QUIET: Duration = Duration::from_millis(200);
/// So many pieces are thrown away: nobody pastes more.
const MOST_PIECES: usize = 1000;
/// The most bytes of a line: a terminal takes no more of one.
const MOST_LINE: usize = 4096;

/// Whether the terminal shows what is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Echo {
    Shown,
    Hidden,
}

/// What was typed.
pub(super) enum Typed {
    /// A line, with its end.
    Line(Zeroizing<Vec<u8>>),
    /// Ctrl-D.
    End,
    /// Ctrl-C, or another wish that this program ends.
    Interrupted,
}

/// The keyboard of the terminal that this program was started from. The terminal is as it was before on drop.
pub(super) struct Keyboard {
    terminal: AsyncFd<File>,
    before: Option<Termios>,
}

impl Keyboard {
    pub(super) fn open(echo: Echo) -> io::Result<Self> {
        // Opened anew, nobody else is hindered by what is set for it, and standard input has nothing read ahead.
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
        let flags = i32::try_from(flags).map_err(io::Error::other)?;
        let file = File::options().read(true).write(true).custom_flags(flags).open("/dev/tty")?;
        let modes = tcgetattr(&file)?;
        let before = (echo == Echo::Hidden).then(|| modes.clone());
        if echo == Echo::Hidden {
            let mut silent = modes;
            silent.local_modes -= LocalModes::ECHO | LocalModes::ECHONL;
            tcsetattr(&file, OptionalActions::Flush, &silent)?;
        }
        Ok(Self { terminal: watched(file)?, before })
    }

    /// Asks, and takes what is typed from then on.
    pub(super) async fn ask(&self, question: &str) -> io::Result<Typed> {
        self.forget().await;
        self.show(&harmless(question))?;
        let typed = self.line().await;
        if self.before.is_some() || !matches!(typed, Ok(Typed::Line(_))) {
            // Nobody began a new line.
            self.show("\n")?;
        }
        typed
    }

    /// The next line.
    pub(super) async fn line(&self) -> io::Result<Typed> {
        tokio::select! {
            biased;
            () = interrupted() => Ok(Typed::Interrupted),
            line = self.bytes() => line,
        }
    }

    async fn bytes(&self) -> io::Result<Typed> {
        // Of its final size at once: text that grows leaves copies behind.
        let mut line = Zeroizing::new(Vec::with_capacity(MOST_LINE));
        loop {
            let mut key = Zeroizing::new([0]);
            let read = self.terminal.async_io(Interest::READABLE, |mut terminal| terminal.read(&mut *key)).await?;
            line.extend(key.iter().take(read));
            match (read, *key) {
                (0, _) if line.is_empty() => return Ok(Typed::End),
                (0, _) | (_, [b'\n']) => return Ok(Typed::Line(line)),
                (_, _) if line.len() >= MOST_LINE => return Ok(Typed::Line(line)),
                (_, _) => {}
            }
        }
    }

    /// Throws away what was typed and what is still being pasted. Whether there was anything.
    pub(super) async fn forget(&self) -> bool {
        let waits = || ioctl_fionread(self.terminal.get_ref()).is_ok_and(|waits| waits > 0);
        let mut found = waits();
        for _ in 0..MOST_PIECES {
            // A line without an end can not be read, and is thrown away nonetheless.
            let _ = tcflush(self.terminal.get_ref(), QueueSelector::IFlush);
            match tokio::time::timeout(QUIET, self.terminal.readable()).await {
                Ok(Ok(mut ready)) => {
                    // What is told of may be what is gone since.
                    found |= waits();
                    let _ = tcflush(self.terminal.get_ref(), QueueSelector::IFlush);
                    ready.clear_ready();
                }
                Ok(Err(_)) => break,
                Err(_) => {
                    let _ = tcflush(self.terminal.get_ref(), QueueSelector::IFlush);
                    break;
                }
            }
        }
        found
    }

    fn show(&self, text: &str) -> io::Result<()> {
        // A terminal takes as much as this at once.
        let mut terminal = self.terminal.get_ref();
        terminal.write_all(text.as_bytes())
    }
}

#[expect(deprecated, reason = "what it is replaced by is unsafe to call, and a file keeps its descriptor")]
fn watched(terminal: File) -> io::Result<AsyncFd<File>> {
    AsyncFd::with_interest(terminal, Interest::READABLE)
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // Where the terminal is gone, there is nothing to make good.
            let _ = tcsetattr(self.terminal.get_ref(), OptionalActions::Flush, before);
        }
    }
}

/// Keeps the rest of what is pasted from the shell, once the verb that took the beginning is done.
pub(super) async fn swallow_rest() {
    if io::stdin().is_terminal()
        && let Ok(keyboard) = Keyboard::open(Echo::Shown)
    {
        keyboard.forget().await;
    }
}
