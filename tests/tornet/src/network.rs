// SPDX-License-Identifier: GPL-3.0-or-later
//! Three authorities, three relays and their consensus.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::authority::Authority;
use crate::guard::GuardedDirectory;
use crate::node::Node;
use crate::ports::PortBlock;
use crate::{Authentication, Error, Tor, TorOptions, consensus, torrc};

/// Three: with two, one that is late means no majority.
const AUTHORITIES: u16 = 3;

/// Three more: onion service circuits need relays beyond the authorities.
const RELAYS: u16 = 3;

/// How often a network is begun. Tor brings its descriptor once: on a busy machine one of the authorities may not be at home
/// yet, and would wait for it for hours.
const STARTS: usize = 4;

/// A private Tor network on 127.0.0.1, with a consensus, ready for hosts and clients.
///
/// All its processes and files go on drop, and also when the owning process ends in any other way,
/// so that it may live in a `static`.
#[derive(Debug)]
pub struct Network {
    // Before the directory, so that the processes are gone when the directory goes.
    _nodes: Vec<Node>,
    _ports: PortBlock,
    client_torrc: PathBuf,
    client_torrc_lines: String,
    tors: AtomicUsize,
    directory: Arc<GuardedDirectory>,
}

impl Network {
    /// Starts a network and waits for its consensus.
    ///
    /// # Errors
    /// If `tor` or `tor-gencert` is missing, or one of the tors does not do its part.
    pub fn start() -> Result<Self, Error> {
        Self::start_with_progress(|_| {})
    }

    /// As [`start`](Self::start), with a word about each step.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with_progress(mut progress: impl FnMut(&str)) -> Result<Self, Error> {
        for _ in 1..STARTS {
            match Self::start_once(&mut progress) {
                Err(Error::TimeOut { missing: consensus::NOT_ALL_DESCRIPTORS, .. }) => progress("once more"),
                ended => return ended,
            }
        }
        Self::start_once(&mut progress)
    }

    fn start_once(progress: &mut impl FnMut(&str)) -> Result<Self, Error> {
        let directory = Arc::new(GuardedDirectory::create()?);
        let ports = PortBlock::claim()?;

        progress(&format!("making keys in {}", directory.path().display()));
        let authorities = create_authorities(directory.path(), &ports)?;
        let client_torrc_lines = torrc::member(&authorities);
        let client_torrc = directory.path().join("member.torrc");
        fs::write(&client_torrc, &client_torrc_lines).map_err(Error::file("write", &client_torrc))?;

        progress("starting authorities and relays");
        // Authorities first: a descriptor that finds nobody at home is not brought again for long.
        let mut nodes = create_authority_nodes(directory.path(), &client_torrc_lines, &authorities)?;
        start_all(&nodes)?;
        let mut relays = create_relay_nodes(directory.path(), &client_torrc_lines, &ports)?;
        start_all(&relays)?;

        progress("waiting for the descriptors of all relays");
        consensus::wait_for_descriptors(&nodes, usize::from(AUTHORITIES + RELAYS))?;
        progress("waiting for the consensus");
        consensus::agree(&nodes, &authorities)?;
        progress("waiting for the relays to learn it");
        consensus::tell(&relays)?;
        nodes.append(&mut relays);
        Ok(Self {
            _nodes: nodes,
            _ports: ports,
            client_torrc,
            client_torrc_lines,
            tors: AtomicUsize::new(0),
            directory,
        })
    }

    /// Starts one more tor in the network and waits for its control port, not for its bootstrap.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn tor(&self, options: TorOptions) -> Result<Tor, Error> {
        let name = format!("tor{}", self.tors.fetch_add(1, Ordering::Relaxed));
        Tor::launch(Arc::clone(&self.directory), &name, &self.client_torrc_lines, options)
    }

    /// The torrc lines that make any tor a member of this network and keep it on this machine.
    ///
    /// They say nothing of data directory, control port and SOCKS port: set those, as tor takes its
    /// system-wide defaults otherwise, and start it with `--defaults-torrc` an empty file.
    pub fn client_torrc_lines(&self) -> String {
        self.client_torrc_lines.clone()
    }

    /// A file with the [`client_torrc_lines`](Self::client_torrc_lines).
    pub fn client_torrc(&self) -> &Path {
        &self.client_torrc
    }

    /// The directory with everything of this network; gone after it.
    ///
    /// Any tor whose torrc lies in it is killed with the network, whoever started it.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

/// Makes the keys of all authorities at the same time.
fn create_authorities(directory: &Path, ports: &PortBlock) -> Result<Vec<Authority>, Error> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..AUTHORITIES)
            .map(|index| {
                let name = format!("authority{index}");
                let (or_port, dir_port) = (ports.port(2 * index), ports.port(2 * index + 1));
                let data = directory.join(&name).join("data");
                scope.spawn(move || Authority::create(&name, &data, or_port, dir_port))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("making keys does not panic")).collect()
    })
}

fn create_authority_nodes(directory: &Path, member: &str, authorities: &[Authority]) -> Result<Vec<Node>, Error> {
    // Half an interval away: the vote waits until it is called.
    let parked = torrc::vote_offset(consensus::now_seconds() + torrc::VOTING_INTERVAL_SECONDS / 2);
    let create = |authority: &Authority| {
        let relay = torrc::relay(&authority.name, authority.or_port);
        let lines = format!("{member}{relay}{}", torrc::authority(authority.dir_port, parked));
        Node::create(directory, &authority.name, Authentication::Cookie, &lines)
    };
    authorities.iter().map(create).collect()
}

fn create_relay_nodes(directory: &Path, member: &str, ports: &PortBlock) -> Result<Vec<Node>, Error> {
    let create = |index| {
        let name = format!("relay{index}");
        let lines = format!("{member}{}", torrc::relay(&name, ports.port(2 * AUTHORITIES + index)));
        Node::create(directory, &name, Authentication::Cookie, &lines)
    };
    (0..RELAYS).map(create).collect()
}

fn start_all(nodes: &[Node]) -> Result<(), Error> {
    nodes.iter().try_for_each(Node::spawn)?;
    nodes.iter().try_for_each(Node::wait_answering)
}
