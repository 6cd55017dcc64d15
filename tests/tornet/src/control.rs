// SPDX-License-Identifier: GPL-3.0-or-later
//! A control connection with no more than the tests need: the independent witness.
//!
//! It shares no code with the product, so that the two cannot be wrong in the same way.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time within which tor answers a command.
// It answers in milliseconds; this long only on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why a conversation on the control port failed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens on the socket.
    #[error("cannot connect to {}", path.display())]
    Connect {
        /// The control socket.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The cookie cannot be read.
    #[error("cannot read the cookie {}", path.display())]
    Cookie {
        /// The cookie file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Tor refused the command.
    #[error("tor said: {code} {text}")]
    Refused {
        /// The status code: 512 and so on.
        code: u16,
        /// The text after it.
        text: String,
    },
    /// A line that is not of the protocol.
    #[error("not a reply line: \"{line}\"")]
    Malformed {
        /// The line.
        line: String,
    },
    /// Tor closed the connection.
    #[error("tor closed the connection")]
    Closed,
    /// No answer or no event in time.
    #[error("no line from tor in time")]
    TimeOut,
    /// The connection broke.
    #[error("cannot speak on the control connection")]
    Broken(#[source] io::Error),
}

/// One connection to the control port of a tor.
///
/// Services that are added over it vanish when it is dropped, unless they are detached.
#[derive(Debug)]
pub struct Control {
    stream: BufReader<UnixStream>,
    partial_line: Vec<u8>,
    events: VecDeque<String>,
}

/// One reply or one event: its status code and its lines.
struct Message {
    code: u16,
    lines: Vec<String>,
}

impl Control {
    /// Connects to a control socket, without authenticating.
    ///
    /// # Errors
    /// [`ControlError::Connect`] if nobody listens there.
    pub fn connect(socket: &Path) -> Result<Self, ControlError> {
        let stream =
            UnixStream::connect(socket).map_err(|source| ControlError::Connect { path: socket.to_owned(), source })?;
        Ok(Self { stream: BufReader::new(stream), partial_line: Vec::new(), events: VecDeque::new() })
    }

    /// Authenticates with the cookie in a file.
    ///
    /// # Errors
    /// If the file cannot be read or tor does not accept the cookie.
    pub fn authenticate_with_cookie(&mut self, file: &Path) -> Result<(), ControlError> {
        let cookie = std::fs::read(file).map_err(|source| ControlError::Cookie { path: file.to_owned(), source })?;
        let hex: String = cookie.iter().map(|byte| format!("{byte:02x}")).collect();
        self.command(&format!("AUTHENTICATE {hex}")).map(drop)
    }

    /// Authenticates with a password, which may not contain quotes or backslashes.
    ///
    /// # Errors
    /// If tor does not accept it.
    pub fn authenticate_with_password(&mut self, password: &str) -> Result<(), ControlError> {
        self.command(&format!("AUTHENTICATE \"{password}\"")).map(drop)
    }

    /// Sends one line and returns the lines of the reply, each without its status code.
    ///
    /// A data block (`250+key=`, its lines, `.`) is one element, its lines joined by `\n`. A final
    /// `OK` is left out: `ADD_ONION` gives `["ServiceID=..."]`, `SETCONF` an empty vector.
    ///
    /// # Errors
    /// [`ControlError::Refused`] if tor answers with an error code; otherwise the connection.
    pub fn command(&mut self, line: &str) -> Result<Vec<String>, ControlError> {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).map_err(ControlError::Broken)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut message = self.message(deadline)?;
            match message.code {
                650 => self.events.push_back(message.lines.join("\n")),
                200..=299 => {
                    message.lines.pop_if(|last| last == "OK");
                    return Ok(message.lines);
                }
                code => return Err(ControlError::Refused { code, text: message.lines.join("\n") }),
            }
        }
    }

    /// The value of one `GETINFO` key.
    ///
    /// # Errors
    /// As [`command`](Self::command).
    pub fn info(&mut self, key: &str) -> Result<String, ControlError> {
        let reply = self.command(&format!("GETINFO {key}"))?.join("\n");
        match reply.split_once('=') {
            Some((_, value)) => Ok(value.trim_start_matches('\n').to_owned()),
            None => Err(ControlError::Malformed { line: reply }),
        }
    }

    /// The next event (`SETEVENTS` must have asked for some), without its status code.
    ///
    /// # Errors
    /// [`ControlError::TimeOut`] if none comes in time; otherwise the connection.
    pub fn next_event(&mut self, timeout: Duration) -> Result<String, ControlError> {
        if let Some(event) = self.events.pop_front() {
            return Ok(event);
        }
        let message = self.message(Instant::now() + timeout)?;
        match message.code {
            650 => Ok(message.lines.join("\n")),
            _ => Err(ControlError::Malformed { line: message.lines.join("\n") }),
        }
    }

    /// The stream, for somebody who speaks on it otherwise. No event may have come.
    pub(crate) fn into_stream(self) -> BufReader<UnixStream> {
        self.stream
    }

    fn message(&mut self, deadline: Instant) -> Result<Message, ControlError> {
        let mut lines = Vec::new();
        loop {
            let line = self.line(deadline)?;
            let Some((code, separator, text)) = split(&line) else {
                return Err(ControlError::Malformed { line });
            };
            match separator {
                ' ' => {
                    lines.push(text.to_owned());
                    return Ok(Message { code, lines });
                }
                '-' => lines.push(text.to_owned()),
                '+' => {
                    let block = self.block(text, deadline)?;
                    lines.push(block);
                }
                _ => return Err(ControlError::Malformed { line }),
            }
        }
    }

    fn block(&mut self, first: &str, deadline: Instant) -> Result<String, ControlError> {
        let mut block = first.to_owned();
        loop {
            let line = self.line(deadline)?;
            if line == "." {
                return Ok(block);
            }
            block.push('\n');
            // control-spec, CmdData: a dot at the start of a line is doubled.
            block.push_str(line.strip_prefix('.').unwrap_or(&line));
        }
    }

    fn line(&mut self, deadline: Instant) -> Result<String, ControlError> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ControlError::TimeOut);
        }
        self.stream.get_ref().set_read_timeout(Some(left)).map_err(ControlError::Broken)?;
        // On a time-out, what has come of the line stays in partial_line for the next call.
        match self.stream.read_until(b'\n', &mut self.partial_line) {
            Ok(_) if self.partial_line.ends_with(b"\n") => {
                let line = String::from_utf8_lossy(&self.partial_line).trim_end().to_owned();
                self.partial_line.clear();
                Ok(line)
            }
            Ok(_) => Err(ControlError::Closed),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Err(ControlError::TimeOut)
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Err(ControlError::Closed),
            Err(error) => Err(ControlError::Broken(error)),
        }
    }
}

/// Status code, separator and text of a reply line.
fn split(line: &str) -> Option<(u16, char, &str)> {
    let (code, rest) = line.split_at_checked(3)?;
    let mut characters = rest.chars();
    let separator = characters.next()?;
    Some((code.parse().ok()?, separator, characters.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A control connection on which tor has said exactly this and no more, and tor's end of it.
    fn said(text: &str) -> (Control, UnixStream) {
        let (ours, mut tors) = UnixStream::pair().unwrap();
        tors.write_all(text.as_bytes()).unwrap();
        tors.shutdown(std::net::Shutdown::Write).unwrap();
        let control = Control { stream: BufReader::new(ours), partial_line: Vec::new(), events: VecDeque::new() };
        (control, tors)
    }

    #[test]
    fn replies_lose_their_codes_and_blocks_stay_together() {
        let (mut control, _tor) = said("650 HS_DESC Z\r\n250-a=1\r\n250+b=\r\nx\r\n..y\r\n.\r\n250 OK\r\n");
        assert_eq!(control.command("GETINFO a b").unwrap(), ["a=1", "b=\nx\n.y"]);
        assert_eq!(control.next_event(Duration::ZERO).unwrap(), "HS_DESC Z");
    }

    #[test]
    fn refusals_and_endings_are_told_apart() {
        let (mut control, _tor) = said("512 Bad arguments\r\n");
        let refused = control.command("ADD_ONION").unwrap_err();
        assert!(matches!(refused, ControlError::Refused { code: 512, .. }), "{refused}");
        let (mut control, _tor) = said("what?\r\n");
        assert!(matches!(control.command("x"), Err(ControlError::Malformed { .. })));
        let (mut control, _tor) = said("250-half");
        assert!(matches!(control.command("x"), Err(ControlError::Closed)));
    }

    #[test]
    fn a_line_that_is_late_is_not_lost() {
        let (ours, mut tors) = UnixStream::pair().unwrap();
        let mut control = Control { stream: BufReader::new(ours), partial_line: Vec::new(), events: VecDeque::new() };
        tors.write_all(b"650 HS_").unwrap();
        let early = control.next_event(Duration::from_millis(10));
        assert!(matches!(early, Err(ControlError::TimeOut)), "{early:?}");
        tors.write_all(b"DESC Z\r\n").unwrap();
        assert_eq!(control.next_event(Duration::from_secs(1)).unwrap(), "HS_DESC Z");
    }
}
