// SPDX-License-Identifier: GPL-3.0-or-later
//! The least that a client can do: one write with all lines, and the replies.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::Outcome;

/// A connection that has asked for what the controller asks for.
pub(crate) struct Bare {
    stream: BufReader<UnixStream>,
}

impl Bare {
    /// Connects and authenticates with the cookie, or with nothing.
    pub(crate) fn connect(socket: &Path, cookie: Option<&Path>) -> Outcome<Self> {
        let mut bare = Self { stream: BufReader::new(UnixStream::connect(socket)?) };
        let cookie = cookie.map(std::fs::read).transpose()?.unwrap_or_default();
        let proof: String = cookie.iter().map(|byte| format!("{byte:02x}")).collect();
        bare.ask("PROTOCOLINFO 1\r\n")?;
        bare.ask(&format!("AUTHENTICATE {proof}\r\n"))?;
        bare.ask("SETEVENTS STATUS_CLIENT STATUS_GENERAL HS_DESC CONF_CHANGED\r\n")?;
        bare.ask("GETINFO status/bootstrap-phase status/enough-dir-info status/circuit-established\r\n")?;
        Ok(bare)
    }

    /// Waits until Tor is ready, then sends all lines and takes as many replies.
    pub(crate) fn add(&mut self, lines: &str, count: usize) -> Outcome {
        while !self.line()?.starts_with("650 STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=100") {}
        self.stream.get_mut().write_all(lines.as_bytes())?;
        for _ in 0..count {
            self.reply()?;
        }
        Ok(())
    }

    fn ask(&mut self, line: &str) -> Outcome {
        self.stream.get_mut().write_all(line.as_bytes())?;
        self.reply()
    }

    fn reply(&mut self) -> Outcome {
        loop {
            let line = self.line()?;
            match line.split_at_checked(4) {
                Some(("250-", _)) => (),
                Some(("250 ", _)) => return Ok(()),
                Some((code, _)) if code.starts_with("650") => (),
                Some(_) | None => return Err(format!("Tor says: {line}").into()),
            }
        }
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err("Tor closed the connection".into());
        }
        Ok(line)
    }
}
