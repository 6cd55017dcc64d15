// SPDX-License-Identifier: GPL-3.0-or-later
//! How a new network comes to its consensus as fast as tor permits.
//!
//! Left alone, tor votes on a raster of its own, and who asks too early asks again ever more rarely.
//! So nothing is left alone: the vote is called when all descriptors are there, and the relays are
//! told to ask when there is something to be had.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;

use crate::authority::Authority;
use crate::node::Node;
use crate::{Error, torrc};

/// Time for each step but the vote.
// They take a second; this long on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is missing of descriptors, and the time after which the rest do not come any more.
pub(crate) const NOT_ALL_DESCRIPTORS: &str = "not all descriptors have arrived";
const DESCRIPTOR_PATIENCE: Duration = Duration::from_secs(30);

/// Time after which a consensus that should have been published does not come any more.
const PUBLICATION_PATIENCE: Duration = Duration::from_secs(3);

/// How long before each vote it is called.
// The first is as early as tor permits: it votes as soon as it is told to. If an authority is late
// for it on a busy machine, the next ones are less tight.
const SPARE_SECONDS: [u64; 3] = [0, 2, 6];

/// Waits until every authority has this many descriptors of relays, authorities included.
pub(crate) fn wait_for_descriptors(authorities: &[Node], expected: usize) -> Result<(), Error> {
    authorities.iter().try_for_each(|authority| {
        let mut control = authority.control()?;
        authority.wait_for(NOT_ALL_DESCRIPTORS, DESCRIPTOR_PATIENCE, || {
            let descriptors = control.info("desc/all-recent").ok()?;
            let count = descriptors.lines().filter(|line| line.starts_with("router ")).count();
            (count == expected).then_some(())
        })
    })
}

/// Lets the authorities vote at once, and waits until all give out the consensus.
///
/// # Errors
/// [`Error::TimeOut`] if they do not agree in three votes.
pub(crate) fn agree(nodes: &[Node], authorities: &[Authority]) -> Result<(), Error> {
    let mut outcome = Ok(());
    for spare in SPARE_SECONDS {
        let lead = 2 * torrc::VOTE_DELAY_SECONDS + spare;
        call_vote(nodes, now_seconds() + lead)?;
        outcome = wait_for_consensus(nodes, Duration::from_secs(lead) + PUBLICATION_PATIENCE);
        if !matches!(outcome, Err(Error::TimeOut { .. })) {
            break;
        }
    }
    outcome?;
    for (node, authority) in nodes.iter().zip(authorities) {
        // Tor hands the new consensus to another thread, which compresses it, before it serves it.
        node.wait_for("does not give out the consensus", PATIENCE, || {
            gives_out_consensus(authority.dir_port).unwrap_or(false).then_some(())
        })?;
    }
    Ok(())
}

/// Lets the relays fetch the consensus at once, and waits until they know one another.
pub(crate) fn tell(relays: &[Node]) -> Result<(), Error> {
    // They have asked in vain since they began; SIGHUP makes them forget how long to wait.
    relays.iter().try_for_each(|relay| relay.signal(Signal::HUP))?;
    relays.iter().try_for_each(|relay| {
        let mut control = relay.control()?;
        relay.wait_for("does not know the other relays", PATIENCE, || {
            (control.info("status/enough-dir-info").ok()? == "1").then_some(())
        })
    })
}

/// Seconds since 1970.
pub(crate) fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_secs()
}

/// Places the next vote so that its consensus is valid from this time on.
fn call_vote(nodes: &[Node], consensus_at: u64) -> Result<(), Error> {
    let setting = format!("SETCONF TestingV3AuthVotingStartOffset={}", torrc::vote_offset(consensus_at));
    nodes.iter().try_for_each(|node| node.control()?.command(&setting).map(drop).map_err(|source| node.refused(source)))
}

fn wait_for_consensus(nodes: &[Node], patience: Duration) -> Result<(), Error> {
    nodes.iter().try_for_each(|node| {
        let mut control = node.control()?;
        node.wait_for("no consensus", patience, || {
            control.info("consensus/valid-after").ok().filter(|time| !time.is_empty()).map(drop)
        })
    })
}

/// Asks as the relays will ask. dir-spec, section "Downloading consensus".
fn gives_out_consensus(dir_port: u16) -> io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, dir_port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /tor/status-vote/current/consensus-microdesc HTTP/1.0\r\n\r\n")?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    Ok(status.ends_with(b" 200"))
}
