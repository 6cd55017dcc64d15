// SPDX-License-Identifier: GPL-3.0-or-later
//! The task behind a connection: it alone reads and writes the stream.
//!
//! Three loops run in it side by side: one writes what is asked, one reads what comes, one watches the time. None is
//! ever cancelled while the connection lives, for torut's reading can not be resumed. When one ends, all end, and the
//! stream is closed.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tails_server_state::OnionAddress;
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;
use torut::control::Conn;
use zeroize::{Zeroize, Zeroizing};

use super::command::{Command, MAX_LINE_BYTES};
use super::event::{Event, parse_event};
use super::handshake::{Reader, Writer};
use super::lost::ConnectionLost;
use super::reply::{EVENT, Reply};

/// Time in which a command has its complete reply.
// Tor answers within a millisecond, a thousand ADD_ONION within 0.2 s. Its only thread may be busy with a consensus or
// a slow disk for seconds; after half a minute it hangs.
const COMMAND_PATIENCE: Duration = Duration::from_secs(30);

/// What a client wants from the task.
pub(super) enum Request {
    /// Write the command; the reply goes to the sender. The permit bounds the commands under way.
    Ask(Command, oneshot::Sender<Reply>, OwnedSemaphorePermit),
    /// Close the connection for this reason.
    GiveUp(ConnectionLost),
}

/// Serves one connection until it ends.
pub(super) async fn serve(
    reader: Reader,
    writer: Writer,
    requests: mpsc::UnboundedReceiver<Request>,
    events: mpsc::Sender<Event>,
) -> ConnectionLost {
    let pending = Pending::default();
    tokio::select! {
        lost = read(reader, &pending, &events) => lost,
        lost = write(writer, requests, &pending) => lost,
        lost = watch(&pending) => lost,
    }
}

/// Takes replies and events as they come.
async fn read(reader: Reader, pending: &Pending, events: &mpsc::Sender<Event>) -> ConnectionLost {
    let mut conn = Conn::new(reader);
    loop {
        let (code, lines) = match conn.receive_data().await {
            Ok(received) => received,
            Err(cause) => return cause.into(),
        };
        if code == EVENT {
            tell(events, pending, parse_event(&lines)).await;
        } else {
            let Some(slot) = pending.take() else { return ConnectionLost::Unasked { code } };
            let reply = Reply::new(code, lines);
            if let Some(Ok(address)) = reply.value("ServiceID").map(OnionAddress::parse) {
                tell(events, pending, Event::OnionAdded(address)).await;
            }
            // The asker may have gone; its reply had to be taken all the same.
            let _ = slot.send(reply);
        }
    }
}

/// Hands an event on, waiting until there is room.
async fn tell(events: &mpsc::Sender<Event>, pending: &Pending, event: Event) {
    pending.lock().waits_for_events = true;
    // Nobody listens any more: an event that nobody wants is no reason to close.
    let _ = events.send(event).await;
    pending.lock().waits_for_events = false;
}

/// Writes commands, as many at once as are waiting.
async fn write(writer: Writer, mut requests: mpsc::UnboundedReceiver<Request>, pending: &Pending) -> ConnectionLost {
    let mut conn = Conn::new(writer);
    let mut batch = Zeroizing::new(Vec::with_capacity(MAX_LINE_BYTES));
    while let Some(request) = requests.recv().await {
        let mut next = Some(request);
        while let Some(request) = next.take() {
            let (command, reply, permit) = match request {
                Request::Ask(command, reply, permit) => (command, reply, permit),
                Request::GiveUp(lost) => return lost,
            };
            let line = command.expose_bytes();
            if batch.len() + line.len() > MAX_LINE_BYTES {
                if let Err(cause) = conn.write_data(&batch).await {
                    return cause.into();
                }
                batch.zeroize();
            }
            batch.extend_from_slice(line);
            // Before it is written, so that its reply always finds it.
            pending.put(Slot {
                name: command.name(),
                deadline: Instant::now() + COMMAND_PATIENCE,
                reply,
                _permit: permit,
            });
            next = requests.try_recv().ok();
        }
        if let Err(cause) = conn.write_data(&batch).await {
            return cause.into();
        }
        batch.zeroize();
    }
    ConnectionLost::GivenUp
}

/// Ends when the oldest command is overdue. No timer runs while no command is pending.
async fn watch(pending: &Pending) -> ConnectionLost {
    loop {
        let Some(deadline) = pending.lock().slots.front().map(|slot| slot.deadline) else {
            pending.changed.notified().await;
            continue;
        };
        tokio::select! {
            () = tokio::time::sleep_until(deadline) => {}
            () = pending.changed.notified() => continue,
        }
        let state = pending.lock();
        if let Some(oldest) = state.slots.front().filter(|slot| slot.deadline <= Instant::now()) {
            let command = oldest.name;
            return if state.waits_for_events {
                ConnectionLost::EventsNotRead { command }
            } else {
                ConnectionLost::TimedOut { command }
            };
        }
    }
}

/// A command that is written and has no reply yet.
struct Slot {
    name: &'static str,
    deadline: Instant,
    reply: oneshot::Sender<Reply>,
    _permit: OwnedSemaphorePermit,
}

/// The commands without a reply, oldest first.
#[derive(Default)]
struct Pending {
    state: Mutex<State>,
    /// Told when the first command comes and when the last one goes.
    changed: Notify,
}

#[derive(Default)]
struct State {
    slots: VecDeque<Slot>,
    waits_for_events: bool,
}

impl Pending {
    fn put(&self, slot: Slot) {
        let mut state = self.lock();
        state.slots.push_back(slot);
        if state.slots.len() == 1 {
            self.changed.notify_one();
        }
    }

    fn take(&self) -> Option<oneshot::Sender<Reply>> {
        let mut state = self.lock();
        let slot = state.slots.pop_front()?;
        if state.slots.is_empty() {
            self.changed.notify_one();
        }
        Some(slot.reply)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
