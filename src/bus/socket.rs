// SPDX-License-Identifier: GPL-3.0-or-later
//! The way to a message bus: what strangers send too much of ends here, before it costs anything.
//!
//! zbus answers for the standard interfaces by itself, with a task for each call and no bound. So the bound is below zbus. And a
//! bus that takes nothing any more is left: it counts answers that a caller does not read as ours, and at some point it
//! stops listening to us for that.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::Notify;
use zbus::Message;
use zbus::connection::socket::{ReadHalf, Socket, Split, WriteHalf};
use zbus::export::async_trait::async_trait;

use crate::bus::meter::Meter;

/// A bus takes what it is sent within milliseconds. One that does not within this time counts against us what others do
/// not read.
const STALLED_AFTER: Duration = Duration::from_secs(10);
/// File descriptors of one message that are received: the kernel passes no more.
const MOST_DESCRIPTORS: usize = 253;

/// A connection to a bus, before it has authenticated.
#[derive(Debug)]
pub(super) struct BusSocket {
    stream: Arc<UnixStream>,
    meter: Arc<Meter>,
    stalled: Arc<Notify>,
}

impl BusSocket {
    /// Connects. `stalled` is told once the bus does not take anything any more.
    pub(super) async fn connect(path: &Path, meter: Arc<Meter>, stalled: Arc<Notify>) -> io::Result<Self> {
        Ok(Self { stream: Arc::new(UnixStream::connect(path).await?), meter, stalled })
    }
}

impl Socket for BusSocket {
    type ReadHalf = Inlet;
    type WriteHalf = Outlet;

    fn split(self) -> Split<Inlet, Outlet> {
        let raw = Raw(Arc::clone(&self.stream));
        Split::new(Inlet { raw, meter: self.meter }, Outlet { stream: self.stream, stalled: self.stalled })
    }
}

/// What comes in: whatever the meter lets through.
#[derive(Debug)]
pub(super) struct Inlet {
    raw: Raw,
    meter: Arc<Meter>,
}

#[async_trait]
impl ReadHalf for Inlet {
    async fn receive_message(
        &mut self,
        sequence: u64,
        received: &mut Vec<u8>,
        descriptors: &mut Vec<OwnedFd>,
    ) -> zbus::Result<Message> {
        loop {
            let message = self.raw.receive_message(sequence, received, descriptors).await?;
            if self.meter.lets_in(&message).await {
                return Ok(message);
            }
        }
    }

    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        self.raw.recvmsg(buffer).await
    }

    fn can_pass_unix_fd(&self) -> bool {
        true
    }
}

/// All that comes in.
#[derive(Debug)]
struct Raw(Arc<UnixStream>);

#[async_trait]
impl ReadHalf for Raw {
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        let receive = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut slices = [IoSliceMut::new(buffer)];
            let got = rustix::net::recvmsg(&*self.0, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC)?;
            let mut descriptors = Vec::new();
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(received) = message {
                    descriptors.extend(received);
                }
            }
            Ok((got.bytes, descriptors))
        };
        self.0.async_io(Interest::READABLE, receive).await
    }

    fn can_pass_unix_fd(&self) -> bool {
        true
    }
}

/// What goes out.
#[derive(Debug)]
pub(super) struct Outlet {
    stream: Arc<UnixStream>,
    stalled: Arc<Notify>,
}

#[async_trait]
impl WriteHalf for Outlet {
    async fn sendmsg(&mut self, buffer: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
        let send = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            Ok(rustix::net::sendmsg(&*self.stream, &[IoSlice::new(buffer)], &mut control, SendFlags::NOSIGNAL)?)
        };
        let sending = self.stream.async_io(Interest::WRITABLE, send);
        tokio::time::timeout(STALLED_AFTER, sending).await.unwrap_or_else(|_| {
            self.stalled.notify_one();
            Err(io::ErrorKind::TimedOut.into())
        })
    }

    async fn close(&mut self) -> io::Result<()> {
        Ok(rustix::net::shutdown(&*self.stream, rustix::net::Shutdown::Both)?)
    }

    fn can_pass_unix_fd(&self) -> bool {
        true
    }
}
