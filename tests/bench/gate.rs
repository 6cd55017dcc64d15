// SPDX-License-Identifier: GPL-3.0-or-later
//! A control port that decides when Tor is ready, and notes when the last reply was given.
//!
//! Behind it is a real Tor, whose words it passes on but for the bootstrap, or a script that answers at once. Both the
//! controller and the bare client speak through it, so that what it costs is on both sides of a ratio.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::script::Script;

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

const PHASE: &str = "250-status/bootstrap-phase=";
const NOT_READY: &str =
    "NOTICE BOOTSTRAP PROGRESS=90 TAG=ap_handshake_done SUMMARY=\"Handshake finished with a relay\"";
pub(crate) const READY: &str = "NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY=\"Done\"";

/// Who answers.
#[derive(Debug)]
pub(crate) enum Behind {
    /// The Tor at this control socket.
    Tor(PathBuf),
    /// A script.
    Script(Script),
}

/// The control port.
#[derive(Debug)]
pub(crate) struct Gate {
    socket: PathBuf,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    behind: Behind,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Since when Tor is ready.
    opened: Option<Instant>,
    /// The client, while there is one.
    client: Option<UnixStream>,
    /// Whether it has asked for the bootstrap.
    asked: bool,
    /// Replies to ADD_ONION since the gate was closed last, and when the last one was given.
    added: usize,
    last_added: Option<Instant>,
}

impl Gate {
    /// Listens in this directory, closed at first.
    pub(crate) fn start(directory: &Path, behind: Behind) -> Outcome<Self> {
        let socket = directory.join("gate");
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket)?;
        let shared = Arc::new(Shared { behind, state: Mutex::default(), changed: Condvar::new() });
        let theirs = Arc::clone(&shared);
        // It ends with the process: nothing tells a thread that accepts to end.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&theirs);
                thread::spawn(move || {
                    // A client that goes in the middle is no matter.
                    let _ = shared.serve(client);
                });
            }
        });
        Ok(Self { socket, shared })
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Says that Tor is not ready, to whoever comes next.
    pub(crate) fn close(&self) {
        let mut state = self.shared.lock();
        (state.opened, state.added, state.last_added) = (None, 0, None);
    }

    /// Says that Tor is ready, now and to whoever comes later.
    pub(crate) fn open(&self) -> Outcome {
        let mut state = self.shared.lock();
        let event = format!("650 STATUS_CLIENT {READY}\r\n");
        let now = Instant::now();
        if let Some(client) = &mut state.client {
            client.write_all(event.as_bytes())?;
        }
        state.opened = Some(now);
        Ok(())
    }

    /// Waits until a client knows that Tor is not ready.
    pub(crate) fn wait_asked(&self) -> Outcome {
        self.shared.wait(|state| state.asked).map(drop)
    }

    /// Waits until there is no client.
    pub(crate) fn wait_gone(&self) -> Outcome {
        self.shared.wait(|state| state.client.is_none()).map(drop)
    }

    /// Waits until so many services were added; how long that was after Tor was ready.
    pub(crate) fn wait_added(&self, count: usize) -> Outcome<Duration> {
        let state = self.shared.wait(|state| state.added >= count)?;
        match (state.opened, state.last_added) {
            (Some(opened), Some(last)) => Ok(last.saturating_duration_since(opened)),
            (None, _) | (_, None) => Err("services were added before Tor was ready".into()),
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, until: impl Fn(&State) -> bool) -> Outcome<MutexGuard<'_, State>> {
        let waited = self.changed.wait_timeout_while(self.lock(), PATIENCE, |state| !until(state));
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() { Err("the client does not do its part in time".into()) } else { Ok(state) }
    }

    fn serve(&self, client: UnixStream) -> Outcome {
        self.lock().client = Some(client.try_clone()?);
        let done = match &self.behind {
            Behind::Tor(socket) => self.pass_on(&client, socket),
            Behind::Script(script) => {
                let mut talk = script.begin();
                self.lines(&client, |lines| talk.answer(lines))
            }
        };
        let mut state = self.lock();
        (state.client, state.asked) = (None, false);
        self.changed.notify_all();
        done
    }

    /// Between the client and a Tor, both ways.
    fn pass_on(&self, client: &UnixStream, socket: &Path) -> Outcome {
        let tor = UnixStream::connect(socket)?;
        thread::scope(|scope| {
            scope.spawn(|| {
                let _ = std::io::copy(&mut &*client, &mut &tor);
                let _ = tor.shutdown(Shutdown::Both);
            });
            let done = self.lines(&tor, ToOwned::to_owned);
            let _ = client.shutdown(Shutdown::Both);
            done
        })
    }

    /// Reads whole lines and gives the client what they become.
    fn lines(&self, from: &UnixStream, mut become_: impl FnMut(&str) -> String) -> Outcome {
        let mut pending = Vec::new();
        let mut chunk = vec![0; 256 * 1024];
        loop {
            let count = (&*from).read(&mut chunk)?;
            if count == 0 {
                return Ok(());
            }
            pending.extend_from_slice(chunk.get(..count).unwrap_or_default());
            let Some(end) = pending.iter().rposition(|byte| *byte == b'\n') else { continue };
            let rest = pending.split_off(end + 1);
            let lines = std::mem::replace(&mut pending, rest);
            self.give(&become_(std::str::from_utf8(&lines)?))?;
        }
    }

    /// Gives the client whole lines, and notes what is in them.
    fn give(&self, text: &str) -> Outcome {
        let mut state = self.lock();
        let asked = text.contains(PHASE);
        let text = match text.split_once(PHASE) {
            Some((before, after)) if state.opened.is_none() => {
                let (_, after) = after.split_once("\r\n").unwrap_or((after, ""));
                &format!("{before}{PHASE}{NOT_READY}\r\n{after}")
            }
            Some(_) | None => text,
        };
        if let Some(client) = &mut state.client {
            client.write_all(text.as_bytes())?;
        }
        let added = text.matches("250-ServiceID=").count();
        if added > 0 {
            state.added += added;
            state.last_added = Some(Instant::now());
        }
        state.asked |= asked;
        self.changed.notify_all();
        Ok(())
    }
}
