// SPDX-License-Identifier: GPL-3.0-or-later
//! The kernel's word, over netlink, that a TCP socket is gone.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;

use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use tails_server_state::Target;
use tokio::io::unix::AsyncFd;

// sock_diag(7) and linux/sock_diag.h: group n is bit n - 1.
const TCP_DESTROY: u32 = 1 << 0;
const TCP6_DESTROY: u32 = 1 << 2;

/// struct nlmsghdr: length, type, flags, sequence, port.
const HEADER_BYTES: usize = 16;
/// struct inet_diag_msg before its inet_diag_sockid: family, state, timer, retransmissions.
const BEFORE_PORTS: usize = 4;
/// One notice is some 150 bytes; the kernel sends each as a datagram of its own.
const DATAGRAM_BYTES: usize = 8 * 1024;

/// A subscription to the closing of TCP sockets in this network namespace.
#[derive(Debug)]
pub(super) struct Closures {
    socket: AsyncFd<OwnedFd>,
}

impl Closures {
    /// Subscribes. Needs no privilege; a sandbox may forbid it.
    pub(super) fn subscribe() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(SOCK_DIAG))?;
        bind(&socket, &SocketAddrNetlink::new(0, TCP_DESTROY | TCP6_DESTROY))?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe, for types that may change their descriptor; this can not"
        )]
        let socket = AsyncFd::new(socket)?;
        Ok(Self { socket })
    }

    /// Waits until a listener on the port of one of the targets closed. Cancel-safe: what is lost is a notice, and
    /// whoever calls reads the tables before calling again.
    pub(super) async fn next(&mut self, targets: &BTreeSet<Target>) -> io::Result<()> {
        let mut datagram = vec![0_u8; DATAGRAM_BYTES];
        loop {
            let mut ready = self.socket.readable().await?;
            let received = ready.try_io(|socket| {
                recv(socket.get_ref(), datagram.as_mut_slice(), RecvFlags::empty()).map_err(io::Error::from)
            });
            match received {
                Err(_would_block) => (),
                // The kernel had more to say than the buffer holds: anything may have closed.
                Ok(Err(cause)) if cause.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error()) => {
                    return Ok(());
                }
                Ok(Err(cause)) => return Err(cause),
                Ok(Ok((count, _))) => {
                    let told = datagram.get(..count).and_then(closed_listener);
                    if told.is_some_and(|port| is_watched(port, targets)) {
                        return Ok(());
                    }
                }
            }
        }
    }
}

fn is_watched(port: u16, targets: &BTreeSet<Target>) -> bool {
    targets.iter().any(|target| matches!(target, Target::Tcp(address) if address.port() == port))
}

/// The local port of the closed socket, if it was a listener: it has no remote port.
fn closed_listener(datagram: &[u8]) -> Option<u16> {
    let ports = datagram.get(HEADER_BYTES + BEFORE_PORTS..)?;
    let (local, ports) = ports.split_first_chunk::<2>()?;
    let (remote, _) = ports.split_first_chunk::<2>()?;
    (u16::from_be_bytes(*remote) == 0).then_some(u16::from_be_bytes(*local))
}
