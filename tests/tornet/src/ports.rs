// SPDX-License-Identifier: GPL-3.0-or-later
//! Free ports that stay ours, also while nothing listens on them.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::Error;

/// Ports in a block, with the one that is its lock.
const BLOCK_SIZE: u16 = 16;

/// The first port that is tried.
// Above Tor's own 9050 to 9151 and the usual development servers.
const FIRST: u16 = 10_000;

/// Where the search ends if the system's ephemeral range begins too low to stay below it.
const LIMIT: u16 = 60_000;

/// Where servers of the catalogue listen, beside which a network may run.
const OTHERS: [u16; 3] = [22_000, 22_022, 64_738];

/// Blocks of this process so far, so that the next one need not search.
static CLAIMED: AtomicU16 = AtomicU16::new(0);

/// A row of ports on 127.0.0.1 that no other block holds, in this process or another.
#[derive(Debug)]
pub(crate) struct PortBlock {
    first: u16,
    // Bound for as long as the block lives: the lock. The system opens it however we end, and it
    // holds exactly as far as the ports do, that is, in one network namespace.
    _lock: TcpListener,
}

impl PortBlock {
    /// Claims a block of free ports.
    ///
    /// # Errors
    /// [`Error::NoPorts`] if there is none.
    pub(crate) fn claim() -> Result<Self, Error> {
        let limit = ephemeral_start().filter(|start| *start > FIRST + 100 * BLOCK_SIZE).unwrap_or(LIMIT);
        let count = (limit - FIRST) / BLOCK_SIZE;
        // Processes that start together have neighbouring ids: the factor sets them apart.
        let spread = process::id().wrapping_mul(37) % u32::from(count);
        let start = u16::try_from(spread).expect("is a remainder of a u16");
        let start = start.wrapping_add(CLAIMED.fetch_add(1, Ordering::Relaxed));
        (0..count)
            .map(|step| FIRST + start.wrapping_add(step) % count * BLOCK_SIZE)
            .find_map(Self::try_claim)
            .ok_or(Error::NoPorts { first: FIRST, limit })
    }

    /// One of the ports, numbered from 0.
    pub(crate) fn port(&self, index: u16) -> u16 {
        debug_assert!(index + 1 < BLOCK_SIZE, "a block has {BLOCK_SIZE} ports");
        self.first + 1 + index
    }

    fn try_claim(first: u16) -> Option<Self> {
        if OTHERS.iter().any(|port| (first..first + BLOCK_SIZE).contains(port)) {
            return None;
        }
        let lock = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).ok()?;
        // Tors of a process that was killed may live a moment longer than its lock.
        let all_free =
            (first + 1..first + BLOCK_SIZE).all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
        all_free.then_some(Self { first, _lock: lock })
    }
}

/// The first port that the system gives to outgoing connections.
fn ephemeral_start() -> Option<u16> {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    range.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_do_not_overlap() {
        let blocks: Vec<_> = (0..20).map(|_| PortBlock::claim().unwrap()).collect();
        let mut firsts: Vec<_> = blocks.iter().map(|block| block.first).collect();
        firsts.sort_unstable();
        assert!(firsts.windows(2).all(|pair| pair[1] - pair[0] >= BLOCK_SIZE), "{firsts:?}");
    }

    #[test]
    fn no_block_is_in_the_way_of_a_server_of_the_catalogue() {
        for first in [21_985, 22_000] {
            assert!(PortBlock::try_claim(first).is_none(), "{first}");
        }
    }

    #[test]
    fn a_block_with_a_busy_port_is_passed_over() {
        let block = PortBlock::claim().unwrap();
        let first = block.first;
        assert!(PortBlock::try_claim(first).is_none(), "the block is locked");
        let busy = TcpListener::bind((Ipv4Addr::LOCALHOST, block.port(3))).unwrap();
        drop(block);
        assert!(PortBlock::try_claim(first).is_none(), "one of its ports is in use");
        drop(busy);
    }
}
